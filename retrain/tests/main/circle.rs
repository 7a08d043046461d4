//! The whole circle: a champion, a drift, a retrain, the gate, canary and production; and what goes wrong. Each story is told on
//! embedded doors, and by `make proof-retrain` on real servers.

use crate::retrain;
use crate::world::{KINDS, NEW, NOW, World, flow};
use fleet::health::{Pin, SensorReport, report_key};
use fleet::keys;
use model::FEATURES;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Makes a centre with these further settings.
pub(crate) type Make<'a> = &'a dyn Fn(&str) -> World;

type Story = fn(Make<'_>);

/// Every story by its name.
pub(crate) const STORIES: [(&str, Story); 9] = [
    ("drift, retrain, gate, canary, production, rollback", drift_to_production),
    ("no labels, too few, no drift", no_reason),
    ("a worse challenger, tried once", no_better),
    ("10 % of the labels flipped by one source", one_liar),
    ("registry down half-way, resumed", cut_off),
    ("two runs at once, a lock that another holds", two_at_once),
    ("a corrupt base set", corrupt_base),
    ("an attack that must not be forgotten", canon),
    ("sensors that took a canary back, or are critical", reports),
];

#[test]
fn a_drift_becomes_a_better_production_model_and_can_be_taken_back() {
    drift_to_production(&World::embedded);
}

pub(crate) fn drift_to_production(make: Make<'_>) {
    let world = make("");
    world.drift();
    let (code, facts, err) = world.run(NOW);
    assert_eq!(code, 0, "{err} {facts}");
    let train = &facts["train"];
    assert!(
        train["F1_gain"].as_f64().unwrap() > 0.05 && train["Kappa_gain"].as_f64().unwrap() > 0.05,
        "{train}"
    );
    assert!(train["by_source"]["BASE"]["F1_new"].as_f64().unwrap() > 0.9, "the old concept is kept: {train}");
    assert_eq!(train["training"]["trees"], 12, "8 trees, 4 planted, room for 20");
    assert!(train["model"]["classes"].as_array().unwrap().contains(&Value::from("tunnel")), "{train}");
    assert_eq!(
        (&facts["promotion"]["channel"], &facts["promotion"]["serial"]),
        (&"canary".into(), &2.into())
    );
    let run = facts["run"].as_str().unwrap().to_owned();
    for file in
        ["model_card.md", "model_card.png", "comparison.json", "promote", "DRIFT_TYPE", "train_smote.csv"]
    {
        assert!(Path::new(&run).join(file).is_file(), "{file} is missing");
    }
    // Sensors get the model alone; what it learns from stays with the centre, and the retrain went on from the champion's.
    assert_eq!(facts["champion"]["digest"], world.champion.digest().to_string());
    let registered = &facts["register"];
    let digest = |name: &str| registered[name].as_str().unwrap().to_owned();
    let model = &world.champion.manifest().name;
    let lean = world.artifact(&keys::model(model, 2, &digest("digest")));
    let learner = world.artifact(&keys::learner(model, 2, &digest("learner_digest")));
    assert!(!lean.can_learn() && learner.can_learn() && lean.judges_as(&learner));
    assert_eq!(facts["promotion"]["digest"], digest("digest"), "the pointer names the model alone");
    // Cooling down: no second retrain; the canary soaks, then moves on by itself.
    let (code, facts, _) = world.run(NOW + 60_000);
    assert_eq!((code, &facts["outcome"]), (12, &"cooling-down".into()));
    assert!(facts["promotion"]["what"].as_str().unwrap().contains("soaks"), "{facts}");
    let (code, facts, _) = world.run(NOW + 4_000_000);
    assert_eq!((code, &facts["promotion"]["channel"]), (12, &"production".into()), "{facts}");
    let back = world.step(&["rollback"], NOW + 5_000_000);
    assert_eq!((back.0, &back.1["serial"], &back.1["was"]), (0, &1.into(), &2.into()), "{back:?}");
    assert!(back.1["sequence"].as_u64() > facts["promotion"]["sequence"].as_u64(), "sequences only grow");
}

#[test]
fn what_is_no_reason_to_retrain_ends_with_its_outcome() {
    no_reason(&World::embedded);
}

fn no_reason(make: Make<'_>) {
    let world = make("");
    assert_eq!(world.run(NOW).0, 11, "no labels at all");
    world.traffic(150, NOW, &[0, 1, 2, 3], |_| ("ann", false));
    assert_eq!(world.run(NOW).0, 11, "too few");
    world.traffic(500, NOW - 2_000_000, &[0, 1, 2, 3], |_| ("ann", false));
    let (code, facts, err) = world.run(NOW);
    assert_eq!((code, &facts["drift"]["drift_type"]), (10, &"none".into()), "{err} {facts}");
    let outcome = world.at("outcome");
    let (code, _, _) = world.step(&["run", "--outcome-file", &outcome], NOW);
    assert_eq!((code, std::fs::read_to_string(outcome).unwrap().trim()), (0, "no-drift"));
}

#[test]
fn a_challenger_that_is_no_better_is_refused_and_not_tried_again() {
    no_better(&World::embedded);
}

fn no_better(make: Make<'_>) {
    let world = make("[train]\nmargin = 0.95\n");
    world.drift();
    let (code, facts, err) = world.run(NOW);
    assert_eq!(code, 13, "{err} {facts}");
    assert!(facts["reason"].as_str().unwrap().contains("new model does not outperform"), "{facts}");
    let run = facts["run"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(Path::new(run).join("promote")).unwrap(), "false");
    let (code, facts, _) = world.run(NOW + 60_000);
    assert_eq!(code, 10, "{facts}");
    assert!(facts["reason"].as_str().unwrap().contains("dealt with"), "{facts}");
}

#[test]
fn one_lying_labeller_is_left_out() {
    one_liar(&World::embedded);
}

/// A fifth of the labels comes from somebody who turns every other one.
fn one_liar(make: Make<'_>) {
    let world = make("");
    let people = ["ann", "bob"];
    world.traffic(600, NOW - 6_000_000, &[0, 1, 2, 3], |n| (people[(n % 2) as usize], false));
    let liar = |n: u64| {
        if n.is_multiple_of(5) { ("eve", n.is_multiple_of(2)) } else { (people[(n / 3 % 2) as usize], false) }
    };
    world.traffic(400, NOW, &[0, NEW, 2, NEW, 5, NEW, NEW], liar);
    let (code, facts, err) = world.run(NOW);
    let eve =
        facts["merge"]["labellers"].as_array().unwrap().iter().find(|l| l["labeller"] == "api:eve").cloned();
    assert_eq!(eve.map(|eve| eve["believed"].clone()), Some(Value::from(false)), "{facts}");
    assert!(code == 13 || code == 0 && facts["train"]["F1_new"].as_f64().unwrap() > 0.85, "{err} {facts}");
}

#[test]
fn a_run_that_was_cut_off_goes_on_where_it_stopped() {
    cut_off(&World::embedded);
}

fn cut_off(make: Make<'_>) {
    let world = make("");
    world.drift();
    // The registry goes away behind the drift check; nobody listens there.
    world.set(
        "20-away",
        Some("[promote]\nautomatic = false\n[centre]\nregistry = \"mlflow+http://127.0.0.1:9\"\n"),
    );
    let (code, _, err) = world.run(NOW);
    assert_eq!(code, 69, "{err}");
    world.set("20-away", None);
    let run = std::fs::read_dir(world.at("state/runs")).unwrap().next().unwrap().unwrap().path();
    let stamp = |step: &str| std::fs::metadata(run.join(step)).unwrap().modified().unwrap();
    let (fetched, merged) = (stamp("fetch.json"), run.join("merge.json").exists());
    assert!(!merged, "merging needs the champion");
    let (code, facts, err) = world.run(NOW + 2000);
    assert_eq!(code, 0, "{err} {facts}");
    assert_eq!((&facts["promotion"]["serial"], stamp("fetch.json")), (&2.into(), fetched), "fetched once");
    assert_eq!(facts["run"].as_str(), run.to_str());
}

#[test]
fn two_runs_at_once_are_one() {
    two_at_once(&World::embedded);
}

fn two_at_once(make: Make<'_>) {
    let world = make("");
    world.drift();
    world.put("cooldown/run.lock", b"{\"holder\":\"other/1\",\"until_ms\":99999999999999}");
    let (code, _, err) = world.run(NOW + 1000);
    assert!(code == 75 && err.contains("other/1"), "{code} {err}");
    // Whoever does not renew it has died.
    world.put("cooldown/run.lock", b"{\"holder\":\"other/1\",\"until_ms\":1}");
    let both: Vec<Child> = (0..2).map(|_| start(&world, &["run", "--now-ms", &NOW.to_string()])).collect();
    let mut codes: Vec<i32> =
        both.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    codes.sort_unstable();
    // The slower one finds the lock held, or comes when all is done.
    assert!(codes[0] == 0 && [12, 75].contains(&codes[1]), "{codes:?}");
    let versions = world.wait(async {
        let registry = world.doors.registry.open().await.unwrap();
        registry.versions(&world.champion.manifest().name).await.unwrap().len()
    });
    assert_eq!(versions, 2, "the champion and one challenger");
}

/// Starts the program by the world's settings.
fn start(world: &World, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taphound-retrain"));
    command.args(args).args(["--config", &world.at("retrain.toml"), "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_corrupt_base_set_stops_the_run() {
    corrupt_base(&World::embedded);
}

fn corrupt_base(make: Make<'_>) {
    let world = make("");
    let pinned = world.ok(&["dataset", "publish", &world.at("base.csv"), "--project", &world.at("project")]);
    let key = pinned["key"].as_str().unwrap();
    let out = world.at("pulled.csv");
    world.ok(&["pull-base", "--from", key, "--out", &out]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(world.at("base.csv")).unwrap());
    world.put(pinned["object"].as_str().unwrap(), b"damaged");
    let (code, _, err) = world.step(&["pull-base", "--from", key, "--out", &out], NOW);
    assert!(code == 65 && err.contains("damaged"), "{code} {err}");
    world.drift();
    world.set("20-base", Some(&format!("[base]\nsource = \"{key}\"\n")));
    let (code, _, err) = world.run(NOW);
    assert!(code == 65 && err.contains("damaged"), "{code} {err}");
}

#[test]
fn the_gate_stays_shut_when_the_canon_is_forgotten() {
    canon(&World::embedded);
}

/// What the new model calls an attack, the canon says was benign all the time.
fn canon(make: Make<'_>) {
    let world = make("");
    let mut rows = FEATURES.join(",") + ",category\n";
    for n in 0..200u64 {
        let kind = [3, NEW][(n % 2) as usize];
        flow(kind, n).iter().for_each(|value| write!(rows, "{value},").unwrap());
        writeln!(rows, "{}", if kind == NEW { "benign" } else { KINDS[kind].0 }).unwrap();
    }
    std::fs::write(world.at("canon.csv"), rows).unwrap();
    world.set("20-canon", Some(&format!("[train]\ncanon = \"{}\"\n", world.at("canon.csv"))));
    world.drift();
    let (code, facts, err) = world.run(NOW);
    assert_eq!(code, 13, "{err} {facts}");
    let reasons = facts["train"]["reasons"].to_string();
    assert!(reasons.contains("canon benign") && !reasons.contains("F1"), "{reasons}");
    assert!(!reasons.contains("canon dos"), "what is still found is no reason: {reasons}");
}

#[test]
fn sensors_move_a_canary_on_or_take_it_back() {
    reports(&World::embedded);
}

fn reports(make: Make<'_>) {
    let world = make("[promote]\nsensors_min = 1\n");
    let name = world.champion.manifest().name.clone();
    let train = |serial: &str| {
        let (data, out, key) = (world.at("base.csv"), world.at("next.taphound"), world.at("key"));
        let small = ["--n-models", "2", "--created", "1", "--novelty-trees", "0"];
        let files =
            ["train", "--data", &data, "--out", &out, "--key", &key, "--name", &name, "--serial", serial];
        assert!(retrain(&[files.as_slice(), &small].concat()).status.success());
        world.ok(&["register", "--model", &out]);
        world.ok(&["promote"])
    };
    let told = |report: SensorReport| {
        world.put(&report_key(&report.sensor_id), &serde_json::to_vec(&report).unwrap());
        world.step(&["promote"], NOW)
    };
    let report = |serial: u64, health: &str| SensorReport {
        sensor_id: "tap-1".into(),
        at_ms: NOW - 1000,
        health: health.into(),
        reasons: vec!["packets are lost".into()],
        model_version: serial,
        ..SensorReport::default()
    };
    let canary = train("2");
    assert_eq!(canary["channel"], "canary", "{canary}");
    let (code, facts, _) = told(report(1, "ok"));
    assert!(code == 0 && facts["what"].as_str().unwrap().contains("waits for reports"), "{facts}");
    let (code, facts, _) = told(SensorReport { at_ms: NOW - 90_000_000, ..report(2, "ok") });
    assert!(code == 0 && facts["moved"] == false, "yesterday's report says nothing of today: {facts}");
    let (code, facts, _) = told(report(2, "degraded"));
    assert_eq!((code, &facts["channel"], &facts["serial"]), (0, &"production".into(), &2.into()), "{facts}");

    let canary = train("3");
    let pin = Pin { digest: canary["digest"].as_str().unwrap().into(), version: 3, ..Pin::default() };
    let pinned =
        SensorReport { pinned: vec![Pin { reason: "all is an attack".into(), ..pin }], ..report(2, "ok") };
    let (code, facts, _) = told(pinned);
    assert!(code == 13 && facts["what"].as_str().unwrap().contains("all is an attack"), "{code} {facts}");
    let (_, facts, _) = world.step(&["promote"], NOW);
    assert!(
        facts["what"].as_str().unwrap().contains("nothing to promote"),
        "it does not come again: {facts}"
    );

    train("4");
    let (code, facts, _) = told(report(4, "critical"));
    assert!(code == 13 && facts["what"].as_str().unwrap().contains("packets are lost"), "{code} {facts}");
    let (_, facts, _) = world.step(&["rollback"], NOW);
    assert_eq!(
        (&facts["serial"], &facts["was"]),
        (&1.into(), &2.into()),
        "production was never touched: {facts}"
    );
}

#[test]
fn traffic_that_moved_is_found_without_labels_where_asked() {
    let world = World::embedded("");
    let people = |n: u64| (["ann", "bob"][(n % 2) as usize], false);
    world.traffic(500, NOW, &[0, 1, 2, 3], people);
    // Nobody has looked at these: one kind of benign flow is all there is.
    world.logs(3000, NOW, &[0]);
    let (code, facts, err) = world.run(NOW);
    assert_eq!((code, &facts["drift"]["drift_type"]), (10, &"none".into()), "not asked for: {err} {facts}");
    world.set("20-asked", Some("[drift]\ndistribution = true\n"));
    let (code, facts, err) = world.run(NOW);
    assert_eq!(facts["drift"]["drift_type"], "distribution", "{err} {facts}");
    // It learns nothing new from them, so the gate stays shut; and once is enough.
    assert_eq!(code, 13, "{err} {facts}");
    let (code, facts, _) = world.run(NOW + 60_000);
    assert!(code == 10 && facts["reason"].as_str().unwrap().contains("dealt with"), "{facts}");
}

#[test]
fn watch_goes_round_by_itself() {
    let world = World::embedded("[run]\ninterval_s = 1\n[promote]\nsoak_h = 0.0005\n");
    world.drift_until(now_ms());
    let mut watch = start(&world, &["watch"]);
    let mut moved = false;
    for _ in 0..600 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        moved = world.wait(async {
            let registry = world.doors.registry.open().await.unwrap();
            let production = registry.aliased("model", "production").await;
            production.is_ok_and(|version| version.is_some_and(|version| version.tags["serial"] == "2"))
        });
        if moved {
            break;
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(moved, "a minute, and no new model in production");
}

#[allow(clippy::disallowed_methods, reason = "`watch` looks back from now")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[test]
fn a_box_without_any_model_makes_its_first_champion() {
    let world = World::embedded("");
    // Nobody has ever registered a model under this name.
    world.set("20-ours", Some("[model]\nname = \"ours\"\n"));
    world.drift();
    let (code, facts, err) = world.run(NOW);
    assert_eq!(code, 0, "{err} {facts}");
    assert_eq!((&facts["champion"]["first"], &facts["champion"]["serial"]), (&true.into(), &3.into()));
    assert_eq!(
        (&facts["promotion"]["channel"], &facts["promotion"]["serial"]),
        (&"canary".into(), &4.into())
    );
    let (_, facts, _) = world.step(&["rollback"], NOW);
    assert_eq!(facts["channel"], "canary", "the first champion stays: {facts}");
}
