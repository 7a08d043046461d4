//! The other engine's file, over everything that happens to such files; and what a line is taken for.

use std::fs::{OpenOptions, rename, write};
use std::io::Write;
use std::path::Path;

use super::alert::{Line, parse};
use super::tail::{LineReader, Read, Tail};
use super::{CorroborateConfig, read_all};

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn look(tail: &mut Tail) -> Vec<String> {
    let mut seen = Vec::new();
    tail.look(|line| {
        seen.push(match line {
            Read::Line(line) => String::from_utf8_lossy(line).into_owned(),
            Read::TooLong => "(too long)".to_owned(),
        });
        true
    })
    .unwrap();
    seen
}

#[test]
fn a_file_is_followed_over_rotation_and_truncation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    let mut tail = Tail::new(&path);
    assert!(tail.look(|_| true).is_err(), "it is not there yet");
    append(&path, "one\ntwo\nhal");
    assert_eq!(look(&mut tail), ["one", "two"], "what is not ended is not a line");
    append(&path, "f\n");
    assert_eq!(look(&mut tail), ["half"]);
    // Moved away with a line written after the last look, and another one in its place.
    append(&path, "last\n");
    rename(&path, folder.path().join("eve.json.1")).unwrap();
    append(&path, "first\n");
    assert_eq!(look(&mut tail), ["last", "first"]);
    assert_eq!((tail.reopened(), tail.truncated()), (1, 0));
    // Emptied in place (copytruncate), and written again up to less than before.
    write(&path, "new\n").unwrap();
    assert_eq!(look(&mut tail), ["new"]);
    assert_eq!((tail.reopened(), tail.truncated()), (1, 1));
    // Gone for a while.
    std::fs::remove_file(&path).unwrap();
    assert!(tail.look(|_| true).is_err());
    append(&path, "back\n");
    assert_eq!(look(&mut tail), ["back"]);
    assert_eq!(look(&mut tail), Vec::<String>::new());
}

#[test]
fn of_a_long_file_the_end_is_read_and_no_line_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    let line = format!("{}\n", "x".repeat(99));
    append(&path, &line.repeat(30_000));
    let seen = look(&mut Tail::new(&path));
    assert!(seen.iter().all(|line| line.len() == 99), "{:?}", seen.first());
    assert_eq!(seen.len(), (1 << 20) / 100);
}

#[test]
fn a_line_without_end_takes_no_memory_and_costs_only_itself() {
    let mut lines = LineReader::default();
    let mut seen = Vec::new();
    let mut take = |line: Read<'_>| {
        seen.push(match line {
            Read::Line(line) => line.len(),
            Read::TooLong => usize::MAX,
        });
        true
    };
    lines.feed(b"a\n", &mut take);
    for _ in 0..100 {
        lines.feed(&[b'x'; 64 << 10], &mut take);
    }
    lines.feed(b"x\nbcd\n", &mut take);
    assert_eq!(seen, [1, usize::MAX, 3]);
}

const ALERT: &str = r#"{"timestamp":"2026-11-21T11:00:48.326342+0000","event_type":"alert","src_ip":"10.20.0.11","src_port":22,"dest_ip":"198.18.5.67","dest_port":40518,"proto":"TCP","community_id":"1:nyb0fhpHDH8GfsUHDgdRFmBfGEs=","direction":"to_client","alert":{"gid":1,"signature_id":7,"signature":"s","category":"c","severity":1}"#;

#[test]
fn an_alert_names_its_conversation_by_who_opened_it() {
    let flow = r#","flow":{"src_ip":"198.18.5.67","src_port":40518,"dest_ip":"10.20.0.11","dest_port":22}}"#;
    for (what, line) in
        [("by its flow", format!("{ALERT}{flow}")), ("by its direction", format!("{ALERT}}}"))]
    {
        let Line::Alert(heard) = parse(line.as_bytes()) else { panic!("{what}: no alert") };
        assert_eq!(heard.source, ("198.18.5.67".parse().unwrap(), Some(40_518)), "{what}");
        assert_eq!(heard.target, ("10.20.0.11".parse().unwrap(), Some(22)), "{what}");
        assert_eq!((heard.protocol, heard.at_us()), (6, 1_795_258_848_326_342), "{what}");
        assert_eq!((heard.witness.signature_id, heard.witness.severity), (7, 1), "{what}");
    }
}

#[test]
fn what_is_no_alert_is_told_from_what_is_nothing() {
    let ours = ALERT.replace(r#""gid":1"#, r#""gid":8200"#) + "}";
    for (line, malformed) in [
        (r#"{"event_type":"flow","src_ip":"10.0.0.1"}"#, false),
        (ours.as_str(), false),
        ("", true),
        ("{", true),
        ("[1]", true),
        ("null", true),
        (r#"{"timestamp":"x"}"#, true),
        (r#"{"event_type":"alert"}"#, true),
        (&(ALERT.replace("2026-11-21T", "yesterday ") + "}"), true),
        (&(ALERT.replace("TCP", "carrier pigeon") + "}"), true),
        (&(ALERT.replace("198.18.5.67", "198.18.5.670") + "}"), true),
    ] {
        assert_eq!(matches!(parse(line.as_bytes()), Line::Malformed), malformed, "{line}");
        assert!(!matches!(parse(line.as_bytes()), Line::Alert(_)), "{line}");
    }
    // Whatever bytes come, nothing falls over.
    let whole = format!("{ALERT}}}");
    for end in 0..whole.len() {
        assert!(matches!(parse(&whole.as_bytes()[..end]), Line::Malformed));
    }
}

#[test]
fn a_finished_file_is_read_whole_with_what_makes_no_sense_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    append(&path, &format!("{ALERT}}}\nnonsense\n{{\"event_type\":\"stats\"}}\n{ALERT}}}\n"));
    let (heard, malformed) = read_all(&path).unwrap();
    assert_eq!((heard.len(), malformed), (2, 1));
    assert!(read_all(&folder.path().join("none")).is_err());
}

#[test]
fn a_sensor_is_no_witness_of_itself() {
    let config = CorroborateConfig { eve: "/a/eve.json".into(), ..CorroborateConfig::default() };
    assert!(config.faults(Path::new("/b/eve.json")).is_empty());
    assert_eq!(config.faults(Path::new("/a/eve.json")).len(), 1);
}
