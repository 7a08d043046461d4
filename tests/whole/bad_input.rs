//! Bad input: one line that names file, place and remedy, the right exit code, and everything before the fault reported.

use std::path::Path;
use std::process::Output;

use crate::{assert_accounted, capture, last_line, taphound};

/// What is wrong, the arguments, the exit code, and what the message must say.
struct Case {
    name: &'static str,
    arguments: Vec<String>,
    code: i32,
    says: &'static [&'static str],
    /// Packets that must have been scored before the fault, when the input got that far.
    packets_min: Option<u64>,
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// A plain pcap file from the repository's own captures.
fn plain_pcap() -> Vec<u8> {
    let raw = std::fs::read(capture("benign-dns")).unwrap();
    match raw[..4] {
        [0x28, 0xb5, 0x2f, 0xfd] => zstd::decode_all(&raw[..]).unwrap(),
        _ => raw,
    }
}

const OTHER_SCHEMA: &str = "cic99/1:00000000";

/// The same model, but made for other features: the schema's name is changed where the manifest has it.
fn with_other_schema(model: &[u8]) -> Vec<u8> {
    let name = flowmeter::schema::SCHEMA_ID.as_bytes();
    let at = model.windows(name.len()).position(|w| w == name).expect("the manifest names its schema");
    let mut other = model.to_vec();
    other[at..at + name.len()].copy_from_slice(OTHER_SCHEMA.as_bytes());
    other
}

fn case(name: &'static str, arguments: &[&str], code: i32, says: &'static [&'static str]) -> Case {
    let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
    Case { name, arguments, code, says, packets_min: None }
}

#[test]
fn each_fault_names_the_thing_the_place_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let good_bytes = plain_pcap();
    assert!(good_bytes.len() > 1000);
    let good = write(at, "good.pcap", &good_bytes);
    let text = write(at, "notes.txt", b"these are my notes, not a capture\n");
    let empty = write(at, "empty.pcap", b"");
    let header_cut = write(at, "header-cut.pcap", &good_bytes[..20]);
    let cut = write(at, "cut.pcap", &good_bytes[..good_bytes.len() - 7]);
    let mut lying_bytes = good_bytes.clone();
    lying_bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f]);
    let lying = write(at, "lying.pcap", &lying_bytes);
    let mut odd_link = good_bytes.clone();
    odd_link[20..24].copy_from_slice(&147u32.to_le_bytes());
    let odd_link = write(at, "user0.pcap", &odd_link);
    let zst = zstd::encode_all(&good_bytes[..], 3).unwrap();
    let zst_cut = write(at, "cut.zst", &zst[..zst.len() / 2]);
    let labels_header = "start,end,src,dst,src_port,dst_port,protocol,label,category\n";
    let bad_labels =
        write(at, "labels.csv", format!("{labels_header}1,2,nowhere,,,,tcp,attack,scan\n").as_bytes());
    let no_column = write(at, "no-column.csv", b"start,end\n1,2\n");
    let not_a_model =
        write(at, "weights.pkl", b"\x80\x04not a model of ours at all, but long enough to be read");
    let default = std::fs::read(crate::repo().join("data/default.taphound")).unwrap();
    let mut corrupt = default.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 1;
    let corrupt = write(at, "corrupt.taphound", &corrupt);
    let cut_model = write(at, "cut.taphound", &default[..middle]);
    let other_schema = write(at, "other.taphound", &with_other_schema(&default));
    let folder_text = at.display().to_string();

    let cases = vec![
        case("missing file", &["/no/such/file.pcap"], 66, &["/no/such/file.pcap", "no such file"]),
        case("directory", &[&folder_text], 66, &["is a directory", "*.pcap"]),
        case("not a capture", &[&text], 65, &["notes.txt", "not a capture", "pcapng"]),
        case("empty file", &[&empty], 65, &["empty.pcap", "is empty"]),
        case("cut in the file header", &[&header_cut], 65, &["header-cut.pcap", "cut off at byte 0"]),
        Case {
            packets_min: Some(1),
            ..case("cut in a packet", &[&cut], 65, &["cut.pcap", "cut off at byte", "packet"])
        },
        Case {
            packets_min: Some(1),
            ..case(
                "a packet of two gigabytes",
                &[&lying],
                65,
                &["lying.pcap", "is damaged at byte", "claims"],
            )
        },
        case("unknown link type", &[&odd_link], 65, &["user0.pcap", "link type 147"]),
        case("cut inside its packing", &[&zst_cut], 65, &["cut.zst", "cut off"]),
        Case {
            packets_min: Some(1),
            ..case("a good file beside a bad one", &[&good, &text], 65, &["notes.txt", "not a capture"])
        },
        case("bad label", &[&good, "--labels", &bad_labels], 65, &["labels.csv:2", "`src`", "CIDR"]),
        case("label without columns", &[&good, "--labels", &no_column], 65, &["no-column.csv:1", "`src`"]),
        case("missing labels", &[&good, "--labels", "/no/labels.csv"], 66, &["/no/labels.csv"]),
        case("not a model", &[&good, "--model", &not_a_model], 65, &["weights.pkl"]),
        case("corrupt model", &[&good, "--model", &corrupt], 65, &["corrupt.taphound", "digest", "again"]),
        case("model cut off", &[&good, "--model", &cut_model], 65, &["cut.taphound"]),
        case(
            "model of another schema",
            &[&good, "--model", &other_schema],
            65,
            &["other.taphound", OTHER_SCHEMA, flowmeter::schema::SCHEMA_ID],
        ),
        case("missing model", &[&good, "--model", "/no/model.taphound"], 66, &["/no/model.taphound"]),
        case("output in no folder", &[&good, "--out", "/no/folder/x.csv"], 73, &["/no/folder/x.csv"]),
        case("store that is something else", &[&good, "--store", &text], 65, &["notes.txt"]),
        case("filter that is no filter", &[&good, "--bpf", "tcp and and"], 64, &["--bpf"]),
        case("speed that is no speed", &[&good, "--speed", "fast"], 64, &["--speed", "max"]),
        case("no file named", &[], 64, &["FILE"]),
        case("an option nobody knows", &[&good, "--frobnicate"], 64, &["--frobnicate"]),
    ];
    for case in cases {
        let output =
            taphound().arg("replay").args(&case.arguments).args(["--summary", "json"]).output().unwrap();
        assert_fault(&case, &output);
    }
}

fn assert_fault(case: &Case, output: &Output) {
    let name = case.name;
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(case.code), "{name}: {message}");
    for words in case.says {
        assert!(message.contains(words), "{name}: `{words}` is not in: {message}");
    }
    if case.code != 64 {
        assert_eq!(message.trim_end().lines().count(), 1, "{name}: more than one line: {message}");
    }
    if let Some(most) = case.packets_min {
        let summary = last_line(output);
        assert_accounted(&summary);
        assert!(summary["packets"].as_u64().unwrap() >= most, "{name}: {summary}");
        assert!(summary["flows"].as_u64().unwrap() >= 1, "{name}: what came before the fault is reported");
    }
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let mut child = taphound()
        .arg("replay")
        .arg(capture("attack-day"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!message.contains("panicked"), "{message}");
}
