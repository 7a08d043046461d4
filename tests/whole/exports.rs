//! Every format of `--out` on a capture with everything in it: each line parses, and all formats tell of the same flows.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::{assert_accounted, capture, replay, summary};

/// What a format tells of one capture.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    flows: u64,
    /// Packets by Community ID: forward, backward.
    packets: BTreeMap<String, [u64; 2]>,
}

impl Told {
    fn tell(&mut self, community_id: &str, forward: u64, backward: u64) {
        self.flows += 1;
        let packets = self.packets.entry(community_id.to_owned()).or_default();
        packets[0] += forward;
        packets[1] += backward;
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn csv(text: &str) -> Told {
    let mut told = Told::default();
    for row in csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap) {
        told.tell(&row[3], row[13].parse().unwrap(), row[14].parse().unwrap());
    }
    told
}

fn objects(text: &str) -> impl Iterator<Item = Value> + '_ {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
}

fn json(text: &str) -> Told {
    let mut told = Told::default();
    for o in objects(text).filter(|o| o["type"] == "flow") {
        let id = o["community_id"].as_str().unwrap();
        told.tell(id, number(&o["fwd_packets"]), number(&o["bwd_packets"]));
    }
    told
}

fn is_eve_time(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000000+0000"
}

fn eve(text: &str) -> Told {
    let mut told = Told::default();
    let (mut alerts, mut flow_ids) = (Vec::new(), std::collections::BTreeSet::new());
    let mut kinds = Vec::new();
    for o in objects(text) {
        assert!(is_eve_time(&o["timestamp"]), "{o}");
        let kind = o["event_type"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "flow" => {
                let (flow, id) = (&o["flow"], number(&o["flow_id"]));
                assert!(id < 1 << 51, "{o}");
                flow_ids.insert(id);
                assert!(is_eve_time(&flow["start"]) && is_eve_time(&flow["end"]), "{o}");
                assert!(["new", "established", "closed"].contains(&flow["state"].as_str().unwrap()), "{o}");
                assert_eq!(o["proto"] == "TCP", o["tcp"].is_object(), "{o}");
                let has_ports = ["TCP", "UDP", "SCTP"].contains(&o["proto"].as_str().unwrap());
                assert_eq!(has_ports, o["src_port"].is_u64() && o["dest_port"].is_u64(), "{o}");
                let id = o["community_id"].as_str().unwrap();
                told.tell(id, number(&flow["pkts_toserver"]), number(&flow["pkts_toclient"]));
            }
            "alert" => alerts.push(o),
            "stats" => assert_eq!(number(&o["stats"]["detect"]["alert"]), alerts.len() as u64),
            other => panic!("{other}"),
        }
        kinds.push(kind);
    }
    kinds.dedup();
    assert_eq!(kinds, ["flow", "alert", "stats"], "one run of each");
    let mut about_flows = 0;
    for o in &alerts {
        let alert = &o["alert"];
        assert_eq!(alert["action"], "allowed");
        assert!(alert["gid"].is_u64() && alert["signature_id"].is_u64() && alert["rev"].is_u64(), "{o}");
        assert!((1..=3).contains(&number(&alert["severity"])), "{o}");
        let (technique, tactic) =
            (&alert["metadata"]["mitre_technique_id"][0], &alert["metadata"]["mitre_tactic_id"][0]);
        assert!(technique.as_str().unwrap().starts_with("T1"), "{o}");
        assert!(tactic.as_str().unwrap().starts_with("TA00"), "{o}");
        assert!(!o["taphound"]["reasons"].as_array().unwrap().is_empty(), "{o}");
        if o["taphound"]["opinion"] == "forest" {
            assert!(flow_ids.contains(&number(&o["flow_id"])), "an alert names a flow of the file: {o}");
            about_flows += 1;
        }
    }
    assert!(about_flows > 0 && about_flows < alerts.len(), "alerts on flows and on behaviour");
    told
}

/// Reads it as Zeek's tools do: by the names in `#fields`.
fn zeek(text: &str) -> Told {
    let comment = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
        line.split('\t').skip(1).collect::<Vec<_>>()
    };
    let (fields, types) = (comment("#fields"), comment("#types"));
    assert_eq!(fields.len(), types.len());
    assert!(text.starts_with("#separator \\x09\n"));
    assert!(text.lines().last().unwrap().starts_with("#close\t"), "closed");
    let mut told = Told::default();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let values: Vec<&str> = line.split('\t').collect();
        assert_eq!(values.len(), fields.len(), "{line}");
        for (value, kind) in values.iter().zip(&types).filter(|(value, _)| **value != "-") {
            match *kind {
                "count" | "port" => assert!(value.parse::<u64>().is_ok(), "{line}"),
                "time" | "interval" => assert!(value.parse::<f64>().is_ok(), "{line}"),
                "addr" => assert!(value.parse::<std::net::IpAddr>().is_ok(), "{line}"),
                _ => assert!(!value.is_empty(), "{line}"),
            }
        }
        let value = |name: &str| values[fields.iter().position(|f| *f == name).unwrap()];
        let packets = |name: &str| value(name).parse().unwrap();
        told.tell(value("community_id"), packets("orig_pkts"), packets("resp_pkts"));
    }
    told
}

fn zeek_json(text: &str) -> Told {
    let mut told = Told::default();
    for o in objects(text) {
        assert!(o["ts"].is_f64() && o["uid"].as_str().unwrap().starts_with('C'), "{o}");
        let id = o["community_id"].as_str().unwrap();
        told.tell(id, number(&o["orig_pkts"]), number(&o["resp_pkts"]));
    }
    told
}

/// A reader of one format.
type Reader = fn(&str) -> Told;

const FORMATS: [(&str, Reader); 5] =
    [("csv", csv), ("json", json), ("eve", eve), ("zeek", zeek), ("zeek-json", zeek_json)];

fn written(folder: &Path, format: &str, workers: &str) -> (String, Value) {
    let out = folder.join(format!("{format}.{workers}"));
    let capture = capture("attack-day").display().to_string();
    let out_text = out.to_str().unwrap();
    let summary = summary(&[&capture, "--workers", workers, "--format", format, "--out", out_text]);
    (std::fs::read_to_string(&out).unwrap(), summary)
}

#[test]
fn all_formats_tell_of_the_same_flows() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = None;
    for (format, read) in FORMATS {
        let (text, summary) = written(folder.path(), format, "1");
        assert_accounted(&summary);
        let told = read(&text);
        assert_eq!(told.flows, number(&summary["flows"]), "{format}");
        match &first {
            None => first = Some(told),
            Some(first) => assert!(*first == told, "{format} differs from csv"),
        }
        assert!(text == written(folder.path(), format, "3").0, "{format} differs with the number of workers");
    }
}

#[test]
fn formats_without_a_place_for_provisional_records_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x");
    let capture = capture("scan-udp").display().to_string();
    for format in ["eve", "zeek", "zeek-json"] {
        let arguments = [&capture, "--provisional", "--format", format, "--out", out.to_str().unwrap()];
        let output = replay(&arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{message}");
        assert!(message.contains("--provisional") && message.contains("--format csv"), "{message}");
        assert!(!out.exists());
    }
}
