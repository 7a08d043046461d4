//! A sensor that watches a folder, through a day of its life: captures come, settings change, files are turned over, it ends.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Daemon, Place};
use crate::{capture, summary, taphound};

/// Puts a case into the folder as a whole, and says how many packets it has.
pub(super) fn drop_in(place: &Place, case: &str) -> u64 {
    let file = capture(case);
    let name = file.file_name().unwrap().to_string_lossy().replacen("capture", case, 1);
    let beside = place.path(&name);
    std::fs::copy(&file, &beside).unwrap();
    std::fs::rename(&beside, place.path("in").join(&name)).unwrap();
    summary(&[&file.display().to_string()])["packets"].as_u64().unwrap()
}

fn number(status: &Value, path: &str) -> u64 {
    status.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path}: {status:#}"))
}

fn text<'a>(rows: &'a [Value], name: &str) -> BTreeSet<&'a str> {
    rows.iter().map(|row| row[name].as_str().unwrap_or_else(|| panic!("no {name}: {row}"))).collect()
}

#[test]
fn a_folder_is_watched_from_the_first_capture_to_the_last_row() {
    let place = Place::watching("");
    let mut daemon = Daemon::start(&place);
    let received = |status: &Value| number(status, "/accounting/packets/received");

    let mut packets = drop_in(&place, "scan-syn") + drop_in(&place, "bruteforce-ssh");
    let status = daemon.until("both captures", 60, |status, _| {
        received(status) == packets && number(status, "/accounting/flows/queued") == 0
    });
    assert_eq!((&status["health"], &status["reasons"]), (&"ok".into(), &serde_json::json!([])), "{status:#}");
    assert_eq!(number(&status, "/sources/0/received"), packets);

    let status = daemon.until("rows on the disk", 20, |status, _| {
        number(status, "/traffic/alerts") > 0 && number(status, "/store/queued") == 0
    });
    let (alerts, incidents) = (daemon.ask("alerts"), daemon.ask("incidents"));
    assert_eq!(alerts.len() as u64, number(&status, "/traffic/alerts"));
    // One that another has swallowed was told of, too.
    assert!(incidents.len() as u64 <= number(&status, "/traffic/incidents"));
    let categories = text(&incidents, "category");
    assert!(categories.contains("scan") && categories.contains("bruteforce"), "{categories:?}");

    // EVE: the same alerts, under the same ids.
    let lines = place.eve("eve.json");
    assert_eq!(lines.len(), alerts.len(), "each is told of once");
    assert!(lines.iter().all(|line| line["event_type"] == "alert" && line["timestamp"].is_string()));
    let ids = |rows: &[Value], path: &str| -> BTreeSet<String> {
        rows.iter().map(|row| row.pointer(path).unwrap().as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&lines, "/taphound/id"), ids(&alerts, "/id"));

    // Settings that make no sense change nothing, and the sensor goes on.
    let settings = std::fs::read_to_string(place.path("taphound.toml")).unwrap();
    for (bad, names) in [("fliter = \"udp\"\n", "fliter"), ("filter = \"no such thing\"\n", "no such thing")]
    {
        std::fs::write(place.path("taphound.toml"), settings.clone() + bad).unwrap();
        daemon.signal("HUP");
        let refused = daemon.hears("reload_refused", 10);
        assert!(refused["error"].as_str().unwrap().contains(names), "{refused}");
        assert_eq!(refused["message"], "the settings stay as they were");
    }

    // Another filter is in force from then on.
    std::fs::write(place.path("taphound.toml"), settings + "filter = \"tcp\"\n").unwrap();
    daemon.signal("HUP");
    daemon.hears("reloaded", 10);
    let udp = drop_in(&place, "scan-udp");
    packets += udp;
    let status = daemon.until("the third capture", 60, |status, _| received(status) == packets);
    let filtered = number(&status, "/accounting/packets/filtered");
    assert!(filtered > 0 && filtered <= udp, "{filtered} of {udp}");

    // Somebody moves the EVE file away: the next line goes into a new one.
    std::fs::rename(place.path("eve.json"), place.path("eve.json.moved")).unwrap();
    daemon.signal("USR1");
    daemon.hears("reopen", 10);
    let mut waited = 0;
    while !place.path("eve.json").exists() {
        assert!(waited < 1_000, "no new file");
        waited += 1;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    packets += drop_in(&place, "scan-connect");
    daemon.until("the fourth capture", 60, |status, _| received(status) == packets);

    let mut top = taphound();
    let top =
        top.args(["top", "--frames", "1", "--socket"]).arg(place.path("control.sock")).output().unwrap();
    assert!(top.status.success() && String::from_utf8_lossy(&top.stdout).contains("proof"), "{top:?}");

    // SIGTERM: every flow ends, every row is on the disk, nothing is left behind.
    let last = daemon.end();
    assert_eq!(last["packets"].as_u64(), Some(packets));
    assert_eq!(last["flows"].as_u64(), Some(place.count("SELECT count(*) FROM flows")));
    assert_eq!(last["alerts"].as_u64(), Some(place.count("SELECT count(*) FROM alerts")));
    assert!(last["incidents"].as_u64() >= Some(place.count("SELECT count(*) FROM incidents")));
    let shown: usize = ["eve.json", "eve.json.moved"].iter().map(|name| place.eve(name).len()).sum();
    assert_eq!(last["alerts"].as_u64(), Some(shown as u64));
    assert!(!place.eve("eve.json").is_empty(), "the fourth capture's alerts are in the new file");
    assert!(!place.path("control.sock").exists(), "the socket is gone");

    // What was read is not read again.
    let daemon = Daemon::start(&place);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let (status, _) = daemon.status();
    assert_eq!(received(&status), 0);
    assert_eq!(
        daemon.ask("alerts").len() as u64,
        last["alerts"].as_u64().unwrap(),
        "and nothing is forgotten"
    );
    daemon.end();
}
