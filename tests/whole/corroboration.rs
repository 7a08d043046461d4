//! Suricata as the second witness of a replay: its alerts, as it wrote them and as it writes them now, find our incidents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{capture, replay, repo};

pub(crate) fn written(case: &str) -> PathBuf {
    repo().join(format!("tests/whole/corroboration/{case}.eve.json"))
}

/// What became of Suricata's alerts: by category of the incident and rule, how many there were and what joined them.
type Joined = BTreeMap<(String, u64), (u64, String)>;

fn joined(case: &str, eve: &Path) -> Joined {
    let file = capture(case).display().to_string();
    let output = replay(&[&file, "--json", "--corroborate", &eve.display().to_string()]);
    assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let objects = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut joined = Joined::new();
    for incident in objects.filter(|object| object["type"] == "incident") {
        for witness in incident["witnesses"].as_array().unwrap() {
            assert_eq!(witness["engine"], "suricata");
            let key = (
                incident["category"].as_str().unwrap().to_owned(),
                witness["signature_id"].as_u64().unwrap(),
            );
            let by = witness["joined_by"].as_str().unwrap().to_owned();
            let entry = joined.entry(key).or_insert((0, by));
            entry.0 += witness["alerts"].as_u64().unwrap();
            let last = incident["reasons"].as_array().unwrap().last().unwrap();
            assert!(last.as_str().unwrap().starts_with("suricata saw it, too: OWN "), "{incident}");
        }
    }
    joined
}

/// Case, category of the incidents, rule, how many of Suricata's alerts became part of one.
const EXPECTED: [(&str, &str, u64, u64); 4] = [
    ("scan-syn", "scan", 9_000_001, 20),
    ("bruteforce-ssh", "bruteforce", 9_000_002, 8),
    // (Two more are on the login of somebody who knew the password.)
    ("bruteforce-ssh", "bruteforce", 9_000_003, 6),
    ("dns-tunnel", "tunnel", 9_000_005, 6),
];

fn expected(case: &str) -> BTreeMap<(String, u64), u64> {
    let of_case = EXPECTED.iter().filter(|(of, ..)| *of == case);
    of_case.map(|(_, category, rule, alerts)| (((*category).to_owned(), *rule), *alerts)).collect()
}

fn counts(joined: &Joined) -> BTreeMap<(String, u64), u64> {
    joined.iter().map(|(key, (alerts, _))| (key.clone(), *alerts)).collect()
}

#[test]
fn alerts_that_suricata_wrote_become_witnesses_and_make_no_incident_of_their_own() {
    for case in ["scan-syn", "bruteforce-ssh", "dns-tunnel"] {
        let found = joined(case, &written(case));
        assert_eq!(counts(&found), expected(case), "{case}: {found:#?}");
    }
    // Twelve alerts on ordinary logins: Suricata's alone.
    assert_eq!(joined("benign-ssh", &written("benign-ssh")), Joined::new());
    // Alerts of another time and place.
    assert_eq!(joined("scan-syn", &written("bruteforce-ssh")), Joined::new());
}

#[test]
fn a_real_suricata_says_the_same_today() {
    let version = Command::new("suricata").arg("-V").output();
    let Some(version) = version.ok().filter(|out| out.status.success()) else {
        println!("SKIPPED a real suricata as a witness: no suricata; `scripts/setup test` installs it");
        return;
    };
    for case in ["scan-syn", "bruteforce-ssh", "dns-tunnel"] {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain.pcap");
        let decoded = match capture(case) {
            file if file.extension().is_some_and(|ending| ending == "zst") => {
                zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap()
            }
            file => {
                let mut bytes = Vec::new();
                let packed = std::fs::File::open(file).unwrap();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
                bytes
            }
        };
        std::fs::write(&plain, decoded).unwrap();
        let ran = Command::new("suricata")
            .arg("-r")
            .arg(&plain)
            .arg("-S")
            .arg(repo().join("tests/whole/corroboration/own.rules"))
            .arg("-l")
            .arg(folder.path())
            .args(["-k", "none", "--runmode", "single"])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{case}: {}", String::from_utf8_lossy(&ran.stderr));
        // (Without Community IDs: those are not in Suricata's default settings, and not needed.)
        let found = joined(case, &folder.path().join("eve.json"));
        assert_eq!(counts(&found), expected(case), "{case}: {found:#?}");
    }
    println!("measured against {}", String::from_utf8_lossy(&version.stdout).trim());
}
