//! The whole circle on embedded doors: a champion, a drift, a retrain, the gate, canary and production; and what goes wrong.

use crate::{path, retrain, succeed};
use fleet::log_table::embedded::EmbeddedTable;
use fleet::log_table::{Key, LogItem, LogTable, TrueLabel};
use model::artifact::{Artifact, PublicKey, Trust};
use model::{FEATURES, N_FEATURES, schema_id};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

const NOW: u64 = 1_790_000_000_000;

/// Kinds of flows by their middle: duration, packets and bytes each way, gap.
const KINDS: [(&str, [f64; 6]); 6] = [
    ("benign", [2e6, 20.0, 30.0, 3e3, 4e4, 2e5]),
    ("benign", [3e4, 2.0, 2.0, 90.0, 300.0, 3e4]),
    ("scan", [50.0, 1.0, 1.0, 0.0, 0.0, 50.0]),
    ("dos", [9e3, 3.0, 1.0, 40.0, 20.0, 4e3]),
    // The new ones: an attack that looks like long browsing, and an application like it in another place.
    ("tunnel", [8e6, 60.0, 60.0, 3e4, 9e3, 6e5]),
    ("benign", [1e5, 4.0, 3.0, 60.0, 40.0, 9e4]),
];
const NEW: usize = 4;

/// One possible flow of a kind.
fn flow(kind: usize, n: u64) -> [f64; N_FEATURES] {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (kind as u64) << 32;
    let mut noise = |middle: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (middle * (0.6 + 0.8 * ((state >> 33) % 10_000) as f64 / 10_000.0)).round()
    };
    let [duration, fwd, bwd, fwd_bytes, bwd_bytes, gap] = KINDS[kind].1.map(&mut noise);
    let (fwd, bwd) = (fwd.max(1.0), bwd.max(1.0));
    let (fwd_mean, bwd_mean) = (fwd_bytes / fwd, bwd_bytes / bwd);
    let gap = gap.min(duration);
    let rate = |amount: f64| if duration > 0.0 { amount * 1e6 / duration } else { 0.0 };
    [
        duration,
        fwd,
        bwd,
        fwd_bytes,
        bwd_bytes,
        fwd_mean * 2.0,
        fwd_mean / 2.0,
        fwd_mean,
        fwd_mean / 3.0,
        bwd_mean * 2.0,
        bwd_mean,
        bwd_mean / 3.0,
        rate(fwd_bytes + bwd_bytes),
        rate(fwd),
        rate(bwd),
        gap / 3.0,
        gap,
        gap / 2.0,
        gap / 4.0,
        gap / 2.0,
    ]
}

/// A centre in a folder, with a champion that knows the old kinds.
struct World {
    folder: tempfile::TempDir,
    champion: Artifact,
}

impl World {
    fn new(more_settings: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| path(folder.path(), name);
        let mut base = FEATURES.join(",") + ",true_category,split,run\n";
        for n in 0..3000u64 {
            let kind = (n % 4) as usize;
            flow(kind, n).iter().for_each(|value| write!(base, "{value},").unwrap());
            writeln!(base, "{},{},run-{}", KINDS[kind].0, if n % 5 == 4 { "test" } else { "train" }, n % 23)
                .unwrap();
        }
        std::fs::write(at("base.csv"), base).unwrap();
        let settings = format!(
            "[centre]\ntable = \"sqlite:{0}/log.db\"\nobjects = \"folder:{0}/objects\"\nregistry = \"folder:{0}/registry\"\n\
             [model]\nkey = \"{0}/key\"\n[base]\nsource = \"{0}/base.csv\"\n[run]\nstate_dir = \"{0}/state\"\n\
             [promote]\nsoak_h = 1.0\nsensors_min = 0\n[log]\nlevel = \"warn\"\n{more_settings}",
            folder.path().display()
        );
        std::fs::write(at("retrain.toml"), settings).unwrap();
        succeed(&["keygen", "--out", &at("key")]);
        let (data, out, key) = (at("base.csv"), at("champion.taphound"), at("key"));
        succeed(&[
            "train",
            "--data",
            &data,
            "--out",
            &out,
            "--key",
            &key,
            "--with-learner",
            "--n-models",
            "8",
            "--created",
            "1",
            "--novelty-trees",
            "8",
        ]);
        let public: PublicKey = std::fs::read_to_string(at("key.pub")).unwrap().parse().unwrap();
        let bytes = std::fs::read(&out).unwrap();
        let champion = Artifact::read(&bytes, &Trust::none().with_key(public)).unwrap();
        let world = World { folder, champion };
        world.ok(&["register", "--model", &out]);
        world.ok(&["promote", "--to", "production", "--force"]);
        world
    }

    fn at(&self, name: &str) -> String {
        path(self.folder.path(), name)
    }

    /// Runs a step by the world's settings and clock.
    fn step(&self, args: &[&str], now: u64) -> (i32, Value, String) {
        let (config, now) = (self.at("retrain.toml"), now.to_string());
        let all: Vec<&str> =
            args.iter().copied().chain(["--config", &config, "--now-ms", &now, "--json"]).collect();
        let output = retrain(&all);
        let facts = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), facts, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> Value {
        let (code, facts, err) = self.step(args, NOW - 7_200_000);
        assert_eq!(code, 0, "{args:?}: {err} {facts}");
        facts
    }

    /// Flows of the kinds, one every ten seconds up to `until`, judged by `model` and labelled with the truth, or by `lie`.
    fn traffic(&self, count: u64, until: u64, kinds: &[usize], by: impl Fn(u64) -> (&'static str, bool)) {
        let table = EmbeddedTable::open(Path::new(&self.at("log.db"))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            table.ensure().await.unwrap();
            for n in 0..count {
                let kind = kinds[(n % kinds.len() as u64) as usize];
                let timestamp_ms = until - (count - n) * 10_000;
                let features = flow(kind, n + timestamp_ms);
                let prediction = self.champion.predict(&features);
                let (labeller, lies) = by(n);
                let truth = match (lies, KINDS[kind].0) {
                    (true, "benign") => "dos",
                    (true, _) => "benign",
                    (false, truth) => truth,
                };
                let item = LogItem {
                    key: Key {
                        flow_id: format!("s1|10.0.0.{kind}-10.0.1.1-{}-443-6", n % 60_000),
                        timestamp_ms,
                    },
                    uid: format!("{timestamp_ms:x}-{n:x}"),
                    rev: 1,
                    sensor_id: "s1".into(),
                    content: String::new(),
                    features: FEATURES
                        .iter()
                        .zip(features)
                        .map(|(name, v)| ((*name).to_owned(), v))
                        .collect(),
                    label: if prediction.attack { "attack" } else { "benign" }.into(),
                    category: prediction.category.to_string(),
                    score: prediction.score,
                    confidence: prediction.confidence,
                    model_version: 1,
                    schema: schema_id().into(),
                    community_id: None,
                    start_us: timestamp_ms * 1000,
                    end_us: timestamp_ms * 1000,
                    expires_at_s: None,
                };
                let label = TrueLabel {
                    label: if truth == "benign" { "benign" } else { "attack" }.into(),
                    category: (truth != "benign").then(|| truth.to_owned()),
                    source: "api".into(),
                    by: labeller.into(),
                    at_ms: timestamp_ms + 1000,
                    reason: None,
                };
                table.label(&item.key, &item.uid, &label, Some(&item)).await.unwrap();
            }
        });
    }

    /// Ten hours of what the champion knows, then two of what it does not.
    fn drift(&self) {
        self.traffic(600, NOW - 6_000_000, &[0, 1, 2, 3], |n| (["ann", "bob"][(n % 2) as usize], false));
        self.traffic(400, NOW, &[0, NEW, 2, NEW, 5, NEW], |n| (["ann", "bob"][(n / 3 % 2) as usize], false));
    }

    fn run(&self, now: u64) -> (i32, Value, String) {
        self.step(&["run"], now)
    }
}

#[test]
fn a_drift_becomes_a_better_production_model_and_can_be_taken_back() {
    let world = World::new("");
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
    let world = World::new("");
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
    let world = World::new("[train]\nmargin = 0.95\n");
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
    let world = World::new("");
    world.traffic(600, NOW - 6_000_000, &[0, 1, 2, 3], |n| (["ann", "bob"][(n % 2) as usize], false));
    let liar = |n: u64| {
        if n.is_multiple_of(5) {
            ("eve", n.is_multiple_of(2))
        } else {
            (["ann", "bob"][(n / 3 % 2) as usize], false)
        }
    };
    world.traffic(400, NOW, &[0, NEW, 2, NEW, 5, NEW, NEW], liar);
    let (code, facts, err) = world.run(NOW);
    let eve =
        facts["merge"]["labellers"].as_array().unwrap().iter().find(|l| l["labeller"] == "api:eve").cloned();
    assert_eq!(eve.map(|eve| eve["believed"].clone()), Some(Value::from(false)), "{facts}");
    assert!(code == 13 || code == 0 && facts["train"]["F1_new"].as_f64().unwrap() > 0.85, "{err} {facts}");
}

#[test]
fn a_run_that_was_cut_off_goes_on_and_two_at_once_are_one() {
    let world = World::new("");
    world.drift();
    // The registry is away half-way: a file is where its folder should be.
    let (registry, aside) = (world.at("registry"), world.at("registry.aside"));
    std::fs::rename(&registry, &aside).unwrap();
    std::fs::write(&registry, "").unwrap();
    let settings = std::fs::read_to_string(world.at("retrain.toml")).unwrap();
    std::fs::write(world.at("retrain.toml"), settings + "\n").unwrap();
    let (code, _, err) = world.step(&["run"], NOW);
    assert!(code >= 64, "{code} {err}");
    std::fs::remove_file(&registry).unwrap();
    std::fs::rename(&aside, &registry).unwrap();
    let lock = world.at("objects/cooldown/run.lock");
    let free = std::fs::read_to_string(&lock).unwrap();
    std::fs::write(&lock, "{\"holder\":\"other/1\",\"until_ms\":99999999999999}").unwrap();
    let (code, _, err) = world.run(NOW + 1000);
    assert!(code == 75 && err.contains("other/1"), "{code} {err}");
    std::fs::write(&lock, free).unwrap();
    let (code, facts, err) = world.run(NOW + 2000);
    assert_eq!(code, 0, "{err} {facts}");
    assert_eq!(facts["promotion"]["serial"], 2);
}

#[test]
fn a_corrupt_base_set_stops_the_run() {
    let world = World::new("");
    let pinned = world.ok(&["dataset", "publish", &world.at("base.csv"), "--project", &world.at("project")]);
    let key = pinned["key"].as_str().unwrap();
    let out = world.at("pulled.csv");
    world.ok(&["pull-base", "--from", key, "--out", &out]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(world.at("base.csv")).unwrap());
    let object = world.at(&format!("objects/{}", pinned["object"].as_str().unwrap()));
    std::fs::write(&object, "damaged").unwrap();
    let (code, _, err) = world.step(&["pull-base", "--from", key, "--out", &out], NOW);
    assert!(code == 65 && err.contains("damaged"), "{code} {err}");
}
