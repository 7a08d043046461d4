//! A sensor that follows Suricata's `eve.json` while both work: written to, turned over, damaged.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::Value;

use super::files::drop_in;
use super::{Daemon, Place};
use crate::corroboration::written;

fn append(place: &Place, text: &str) {
    let mut file =
        OpenOptions::new().append(true).create(true).open(place.path("suricata/eve.json")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn number(status: &Value, name: &str) -> u64 {
    status["corroboration"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {status:#}"))
}

#[test]
fn alerts_of_both_become_one_incident_with_two_witnesses() {
    let place = Place::watching("");
    std::fs::create_dir(place.path("suricata")).unwrap();
    let eve = place.path("suricata/eve.json");
    place.set(&format!(
        "directory = \"{}\"\n[corroborate]\neve = \"{}\"",
        place.path("in").display(),
        eve.display()
    ));
    let daemon = Daemon::start(&place);
    let waiting = daemon.until("a look at a file that is not there", 10, |status, _| {
        status["corroboration"]["fault"].is_string()
    });
    assert_eq!(waiting["corroboration"]["reading"], false);
    assert_eq!(waiting["health"], "ok", "what is only not there yet is no fault of the sensor");

    // Suricata is the first to speak of the one, and the last to speak of the other; between the two its file is turned over.
    let text = |case: &str| std::fs::read_to_string(written(case)).unwrap();
    let lines = text("scan-syn").lines().count() + text("bruteforce-ssh").lines().count();
    append(&place, &text("scan-syn"));
    append(&place, "{\"event_type\":\"alert\",\"timestamp\":\nno JSON at all\n");
    daemon.until("alerts of the scan", 10, |status, _| number(status, "heard") == 20);
    drop_in(&place, "scan-syn");
    drop_in(&place, "bruteforce-ssh");
    daemon.until("both incidents", 60, |status, _| {
        number(status, "joined") == 20 && status["traffic"]["incidents"].as_u64() >= Some(2)
    });
    std::fs::rename(&eve, place.path("suricata/eve.json.1")).unwrap();
    append(&place, &text("bruteforce-ssh"));
    let status = daemon.until("alerts of the guessing", 10, |status, _| number(status, "joined") == 34);
    assert_eq!((number(&status, "heard"), number(&status, "incidents")), (36, 3), "{status:#}");
    assert_eq!((number(&status, "malformed"), number(&status, "reopened")), (2, 1), "{status:#}");
    assert_eq!(number(&status, "lines"), lines as u64 + 2, "{status:#}");

    let with_witness = |rows: &[Value]| {
        let mut found: Vec<(String, u64)> = rows
            .iter()
            .flat_map(|row| {
                let category = row["category"].as_str().unwrap().to_owned();
                let rules = row["witnesses"].as_array().unwrap().iter();
                rules.map(move |w| (category.clone(), w["signature_id"].as_u64().unwrap()))
            })
            .collect();
        found.sort();
        found.dedup();
        found
    };
    let expected = [("bruteforce", 9_000_002), ("bruteforce", 9_000_003), ("scan", 9_000_001)]
        .map(|(c, n)| (c.to_owned(), n));
    daemon.until("rows on the disk", 20, |status, _| status["store"]["queued"] == 0);
    assert_eq!(with_witness(&daemon.ask("incidents")), expected);
    let said: Vec<Value> =
        place.eve("eve.json").into_iter().filter(|line| line["event_type"] == "corroboration").collect();
    assert_eq!(said.iter().filter(|line| line["taphound"]["category"] == "scan").count(), 1, "{said:#?}");
    daemon.end();

    // What was joined is kept over a restart.
    let again = Daemon::start(&place);
    assert_eq!(with_witness(&again.ask("incidents")), expected);
    again.kill();
}
