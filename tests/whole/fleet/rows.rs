//! Rows go up and labels come down while agent and sensor are killed: nothing is lost, nothing is there twice.

use sensor::control::client::Client;
use serde_json::json;

use super::{Agent, assert_same_flows, at_the_centre, configure, drained, drop_in, flows_of, place, settled};
use crate::run::{Daemon, form};

/// Parquet files of a place, and the rows that they hold by uid.
fn archived(place: &crate::run::Place) -> Vec<String> {
    let mut uids = Vec::new();
    let mut folders = vec![place.path("objects/logs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|ending| ending == "parquet") {
                let bytes = std::fs::read(entry.path()).unwrap();
                let label = entry.file_name().to_string_lossy().starts_with("label");
                let rows = ::fleet::log_file::decode("the archive", bytes)
                    .unwrap_or_else(|e| panic!("{:?}: {e}", entry.path()));
                uids.extend(rows.into_iter().filter(|_| !label).map(|row| row.item.uid));
            }
        }
    }
    uids.sort();
    uids
}

#[test]
fn nothing_is_lost_or_doubled_while_the_agent_is_killed_again_and_again() {
    let place = place();
    configure(
        &place,
        "[up]\nrows_max = 50\npoll_s = 1\nbackoff_max_s = 1\n[up.archive]\nage_s = 1\nrows = 300\n[down]\npoll_s = 1\n",
    );
    let sensor = Daemon::start(&place);
    let cases = ["scan-connect", "benign-mixed", "bruteforce-ssh", "web-attack"];
    let kills = form(6, 60);
    for round in 0..kills {
        let agent = Agent::start(&place);
        if let Some(case) = cases.get(round) {
            drop_in(&place, case, case);
        }
        // From before the first request to the middle of a page.
        std::thread::sleep(std::time::Duration::from_millis(150 + 370 * (round as u64 % 5)));
        agent.kill();
    }
    settled(&sensor);
    let ids = flows_of(&place);
    assert!(ids.len() > 200, "the captures hold only {} flows", ids.len());

    // Labels of every kind, some of them changed; then one of the centre, which nobody here overrides.
    let mut client = Client::connect(&place.path("control.sock")).unwrap();
    let mut give = |id: &str, label: &str| {
        let labels = json!({"labels": [{"subject": id, "label": label, "reason": "looked at"}]});
        client.ask("labels/give", labels).unwrap();
    };
    let wanted: Vec<(&String, &str)> =
        ids.iter().take(60).zip(["attack", "benign", "unsure"].into_iter().cycle()).collect();
    for (id, label) in &wanted {
        // Often in one millisecond: the one given last has to win at the centre too.
        give(id, "unsure");
        give(id, label);
    }
    let agent = Agent::start(&place);
    std::thread::sleep(std::time::Duration::from_millis(300));
    agent.kill();
    let agent = Agent::start(&place);
    drained(&place, 120);
    assert_same_flows(&place);
    let there = at_the_centre(&place);
    for (id, label) in &wanted {
        let found = there.iter().find(|(uid, _)| uid == *id).and_then(|(_, label)| label.as_deref());
        assert_eq!(found, Some(*label), "{id}");
    }
    let labelled = there.iter().filter(|(_, label)| label.as_deref().is_some_and(|l| l != "unknown")).count();
    assert_eq!(labelled, wanted.len(), "every label exactly once");
    // And every flow is in exactly one Parquet file.
    assert_eq!(archived(&place), ids);

    let mine = &ids[100];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings: ::fleet::LogTableSettings =
            format!("sqlite:{}", super::table(&place).display()).parse().unwrap();
        let table = settings.open().await.unwrap();
        let key = key_of(&place, mine);
        let truth = ::fleet::log_table::TrueLabel {
            label: "attack".into(),
            category: Some("scan".into()),
            source: "centre".into(),
            by: "ada".into(),
            // Now: the agent asks for labels since the newest it knows, less an hour, and has just given its own.
            at_ms: sensor.status().0["now_us"].as_u64().unwrap() / 1_000,
            reason: None,
        };
        assert_eq!(table.label_at_centre(&key, &truth).await.unwrap(), ::fleet::log_table::Written::Stored);
    });
    agent.until("the label of the centre", 30, |status| status["down"]["labels"] == 1);
    let down = place.count("SELECT count(*) FROM true_labels");
    assert_eq!(down, 1);
    give(mine, "benign");
    drained(&place, 60);
    let status = agent.until("a label that stands", 30, |status| status["up"]["kept"]["label"] == 1);
    assert_eq!(status["up"]["lag"]["set_aside"], 0, "{status:#}");
    let found = at_the_centre(&place).into_iter().find(|(uid, _)| uid == mine).unwrap();
    assert_eq!(found.1.as_deref(), Some("attack"));
}

fn key_of(place: &crate::run::Place, uid: &str) -> ::fleet::log_table::Key {
    let database = rusqlite::Connection::open(super::table(place)).unwrap();
    database
        .query_row("SELECT flow_id, timestamp_ms FROM items WHERE uid = ?1", [uid], |row| {
            Ok(::fleet::log_table::Key {
                flow_id: row.get(0)?,
                timestamp_ms: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        })
        .unwrap()
}

#[test]
fn a_centre_that_is_away_costs_nothing_but_time_and_a_sensor_may_come_later() {
    let place = place();
    configure(&place, "[up]\npoll_s = 1\nbackoff_max_s = 1\n[up.archive]\nage_s = 1\n");
    // No sensor yet: the agent waits for it, and says so.
    let agent = Agent::start(&place);
    agent.until("trouble with the sensor", 30, |status| {
        status["troubles"]["sensor"]["detail"].as_str().is_some_and(|d| d.contains("does not answer"))
    });
    // The folder of the objects is a file: nothing can be written there.
    std::fs::remove_dir_all(place.path("objects")).ok();
    std::fs::write(place.path("objects"), "in the way").unwrap();
    let sensor = Daemon::start(&place);
    drop_in(&place, "scan-syn", "scan-syn");
    settled(&sensor);
    agent.until("trouble with the centre", 60, |status| {
        status["up"]["retries"].as_u64().is_some_and(|n| n >= 2)
    });
    let (status, _) = sensor.status();
    assert_eq!(status["health"], "ok", "losing the centre changes nothing about detection: {status:#}");
    assert!(super::rows(&status, "outbox") > 0);
    std::fs::remove_file(place.path("objects")).unwrap();
    drained(&place, 60);
    assert_same_flows(&place);
    let status = agent.until("no trouble", 30, |status| {
        status["troubles"].as_object().is_some_and(serde_json::Map::is_empty)
    });
    assert_eq!(status["up"]["lag"]["set_aside"], 0, "{status:#}");
}
