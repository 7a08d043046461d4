//! Three sensors and one centre of real servers, with links that fail in every way, programs that are killed and servers that are
//! started anew. Afterwards the books are balanced: every flow and every label once, nothing strange, and all of it again from the
//! objects alone.
//!
//! Each sensor runs in a network namespace of its own that has nothing in it: what it tells the centre goes through its agent.

mod real;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use ::fleet::LogTableSettings;
use ::fleet::log_table::StoredItem;
use model::artifact::Channel;
use sensor::control::client::Client;
use serde_json::{Value, json};

use super::models::{MODEL, Publisher};
use super::{Agent, drained, drop_in_later, flows_of, place};
use crate::live::now;
use crate::run::{Daemon, Place, form};
use crate::servers;
use crate::{program, taphound};
use real::Centre;

/// The first two have few flows.
const CASES: [&str; 4] = ["bruteforce-ssh", "web-attack", "benign-mixed", "spread"];

/// A sensor's machine.
struct Site {
    place: Place,
    id: String,
    /// Newest label given to each flow.
    labels: BTreeMap<String, &'static str>,
}

/// What was done to the fleet.
#[derive(Debug, Default)]
struct Done {
    captures: u32,
    agents_killed: u32,
    sensors_killed: u32,
    servers_restarted: u32,
    links_down: u32,
    labels_given: usize,
}

impl Site {
    fn new(id: &str) -> Self {
        Self { place: place(), id: id.to_owned(), labels: BTreeMap::new() }
    }

    /// A sensor in a network namespace with nothing in it.
    fn sensor(&self) -> Daemon<'_> {
        let mut command = Command::new("unshare");
        command
            .arg("--net")
            .arg(taphound().get_program())
            .arg("run")
            .arg("--config")
            .arg(self.place.path("taphound.toml"));
        command.env("TAPHOUND__SENSOR__ID", &self.id).current_dir(crate::repo());
        Daemon::start_as(&self.place, &mut command)
    }
}

/// Labels some flows of a sensor. What was answered is on its disk.
fn give_labels(
    place: &Place,
    labels: &mut BTreeMap<String, &'static str>,
    draw: &mut impl FnMut(usize) -> usize,
) -> usize {
    let ids = flows_of(place);
    if ids.is_empty() {
        return 0;
    }
    let Ok(mut client) = Client::connect(&place.path("control.sock")) else { return 0 };
    let mut given = 0;
    for _ in 0..3 {
        let (id, label) = (&ids[draw(ids.len())], ["attack", "benign", "unsure"][draw(3)]);
        let one = json!({"labels": [{"subject": id, "label": label, "reason": "looked at"}]});
        if client.ask("labels/give", one).is_ok() {
            labels.insert(id.clone(), label);
            given += 1;
        }
    }
    given
}

#[test]
fn a_fleet_loses_and_doubles_nothing_whatever_is_killed_and_cut() {
    if !Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|status| status.success()) {
        println!("SKIPPED fleet: needs root and the program `unshare`");
        return;
    }
    let Some(mut centre) = Centre::start() else { return };
    let mut sites: Vec<Site> = ["tap-1", "tap-2", "tap-3"].map(Site::new).into();
    let lab = place();
    let table = centre.open_table(&lab);
    centre.runtime.block_on(table.ensure()).unwrap();
    let mut publisher = Publisher::over(centre.open_objects(&lab));
    for site in &sites {
        centre.configure(site);
        publisher.trusted_by(&site.place);
    }
    publisher.publish(Channel::Production, 3_001, None);
    let mut labels: Vec<_> = sites.iter_mut().map(|site| std::mem::take(&mut site.labels)).collect();
    let mut sensors: Vec<_> = sites.iter().map(|site| Some(site.sensor())).collect();
    let mut agents: Vec<_> = sites.iter().map(|site| Some(Agent::start(&site.place))).collect();

    let mut seed = 41_u64;
    let mut draw = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % below as u64).unwrap()
    };
    let mut done = Done::default();
    let seconds = form(15, 600);
    centre.set_percent(30);
    let began = now();
    let mut round = 0_u32;
    while now() < began + Duration::from_secs(seconds) {
        let at = draw(sites.len());
        let place = &sites[at].place;
        match round % 6 {
            0 | 3 => {
                drop_in_later(
                    place,
                    CASES[draw(form(2, CASES.len()))],
                    &format!("c-{round:05}"),
                    400 * (1 + round / 3),
                );
                done.captures += 1;
            }
            1 => {
                agents[at].take().unwrap().kill();
                agents[at] = Some(Agent::start(place));
                done.agents_killed += 1;
            }
            2 => done.labels_given += give_labels(place, &mut labels[at], &mut draw),
            4 => {
                sensors[at].take().unwrap().kill();
                sensors[at] = Some(sites[at].sensor());
                done.sensors_killed += 1;
            }
            _ if done.links_down <= done.servers_restarted => {
                centre.set_down(true);
                std::thread::sleep(Duration::from_secs(form(2, 20)));
                centre.set_down(false);
                done.links_down += 1;
            }
            _ => {
                centre.table.restart();
                if draw(2) == 0 && centre.keys == servers::S3S_KEYS {
                    centre.objects.restart();
                }
                done.servers_restarted += 1;
            }
        }
        round += 1;
        std::thread::sleep(Duration::from_millis(300 + 50 * draw(10) as u64));
    }
    // Every kind of trouble was there, also on a slow machine.
    for (at, site) in sites.iter().enumerate() {
        drop_in_later(&site.place, "web-attack", "last", 400 * (2 + round));
        super::settled(sensors[at].as_ref().unwrap());
        done.labels_given += give_labels(&site.place, &mut labels[at], &mut draw);
    }
    centre.set_percent(0);
    let waiting: u64 = sites.iter().map(|site| site.place.count("SELECT count(*) FROM outbox")).sum();
    for site in &sites {
        drained(&site.place, 300);
    }
    for (site, agent) in sites.iter().zip(&agents) {
        let status =
            agent.as_ref().unwrap().until("the model", 60, |status| status["down"]["model_version"] == 3_001);
        assert_eq!(status["up"]["lag"]["set_aside"], 0, "{}: {status:#}", site.id);
        println!("measured {}", one_line(&status));
    }
    drop(agents);
    drop(sensors);

    // The books.
    let mut here: Vec<String> = sites.iter().flat_map(|site| flows_of(&site.place)).collect();
    here.sort();
    let days = days_of(&sites);
    let there = centre.items(&*table, &days);
    let mut ids: Vec<String> = there.iter().map(|row| row.item.uid.clone()).collect();
    ids.sort();
    let missing: Vec<_> = here.iter().filter(|id| ids.binary_search(id).is_err()).take(5).collect();
    let strange: Vec<_> = ids.iter().filter(|id| here.binary_search(id).is_err()).take(5).collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "missing: {missing:?}; only at the centre: {strange:?}"
    );
    assert_eq!(ids, here, "a flow is there twice");
    let wanted: BTreeMap<&String, &str> = labels.iter().flatten().map(|(id, label)| (id, *label)).collect();
    let labelled: BTreeMap<&String, &str> =
        there.iter().filter_map(|row| Some((&row.item.uid, row.truth.as_ref()?.label.as_str()))).collect();
    assert_eq!(labelled, wanted, "every label exactly once");
    let alerts: u64 =
        sites.iter().map(|site| site.place.count("SELECT count(*) FROM alerts WHERE length(id) = 32")).sum();
    let alerted: std::collections::BTreeSet<String> =
        sites.iter().flat_map(|site| alerts_of(&site.place)).collect();
    assert!(alerted.iter().all(|id| ids.binary_search(id).is_ok()), "an alert's flow is not at the centre");
    let objects = centre.open_objects(&lab);
    let mut archived: Vec<String> = centre.archived(&*objects).into_iter().map(|item| item.uid).collect();
    archived.sort();
    assert_eq!(archived, here, "each flow is in exactly one Parquet file");

    rebuilt(&centre, &lab, &publisher, &there, &days);
    let ((by_table, to_table), (by_objects, to_objects)) = (centre.to_table.met(), centre.to_objects.met());
    println!(
        "measured fleet: {seconds} s at 30 %: {done:?}; {waiting} rows waited when the links were whole again"
    );
    println!(
        "measured fleet: faults before the table {by_table:?} in {to_table} connections, before the objects {by_objects:?} in {to_objects}"
    );
    println!(
        "measured fleet: {} flows here, {} at the centre, {} in Parquet; {alerts} alerts, all there; {} labels given to {} flows, {} at the centre",
        here.len(),
        ids.len(),
        archived.len(),
        done.labels_given,
        wanted.len(),
        labelled.len()
    );
    assert!(
        done.agents_killed > 0
            && done.sensors_killed > 0
            && done.links_down > 0
            && done.servers_restarted > 0,
        "{done:?}"
    );
    assert!(
        !wanted.is_empty() && alerts > 0 && by_table.len() + by_objects.len() > 4,
        "too little happened: {done:?}"
    );
}

/// The centre lost its table and its registry.
fn rebuilt(centre: &Centre, lab: &Place, publisher: &Publisher, there: &[StoredItem], days: &[u64]) {
    let [_, objects] = centre.sections(lab, true);
    let path = |name| lab.path(name).display().to_string();
    std::fs::write(lab.path("centre.key"), publisher.key.to_line()).unwrap();
    let text = format!(
        "[centre]\ntable = \"sqlite:{}\"\nregistry = \"folder:{}\"\n[centre.objects]\n{objects}[model]\nname = \"{MODEL}\"\nkey = \"{}\"\n",
        path("again.db"),
        path("again"),
        path("centre.key")
    );
    std::fs::write(lab.path("retrain.toml"), text).unwrap();
    let rebuild = || {
        let output = program("taphound-retrain")
            .args(["rebuild", "--json", "--config", &path("retrain.toml")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let facts = rebuild();
    let settings: LogTableSettings = format!("sqlite:{}", path("again.db")).parse().unwrap();
    let again = centre.runtime.block_on(settings.open()).unwrap();
    let found = centre.items(&*again, days);
    assert_eq!(found.len(), there.len(), "{facts:#}");
    for (again, was) in found.iter().zip(there) {
        assert_eq!(again, was);
    }
    assert_eq!(
        facts["registry"],
        json!({"models": 1, "aliases": ["production is serial 3001"]}),
        "{facts:#}"
    );
    // Once more changes nothing.
    assert_eq!(rebuild()["table"]["stored"], 0);
    println!("measured fleet: rebuilt from objects alone: {facts}");
}

/// Days on which flows began.
fn days_of(sites: &[Site]) -> Vec<u64> {
    let mut days: Vec<u64> = Vec::new();
    for site in sites {
        let database = rusqlite::Connection::open(site.place.database()).unwrap();
        let mut select = database.prepare("SELECT DISTINCT start_us / 86400000000 FROM flows").unwrap();
        days.extend(
            select
                .query_map([], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
                .unwrap()
                .map(Result::unwrap),
        );
    }
    days.sort_unstable();
    days.dedup();
    days
}

/// Ids of alerts that are flows; episodes have others.
fn alerts_of(place: &Place) -> Vec<String> {
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let mut select = database
        .prepare("SELECT a.id FROM alerts a JOIN detections d ON d.id = a.id WHERE d.opinion = 'forest'")
        .unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// What `taphound-sync status` says, in one line.
fn one_line(status: &Value) -> String {
    let up = &status["up"];
    format!(
        "{}: stored {}, known {}, archived {}, acknowledged {}, {} retries, model {}",
        status["sensor_id"].as_str().unwrap_or_default(),
        up["stored"],
        up["known"],
        up["archived"],
        up["acknowledged"],
        up["retries"],
        status["down"]["model_version"]
    )
}
