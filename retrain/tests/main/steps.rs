//! The steps called one by one, as a workflow engine or a shell calls them, from labelled flows in files to a rollback.

use crate::world::{NEW, NOW, World, flow};
use crate::{retrain, succeed};
use model::FEATURES;
use std::fmt::Write;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

#[test]
fn every_step_is_a_command_over_files_and_slices_make_the_same_challenger() {
    let world = World::embedded("");
    world.drift();
    let at = |name: &str| world.at(name);
    let now = |args: &[&str]| {
        let (code, facts, err) = world.step(args, NOW);
        assert_eq!(code, 0, "{args:?}: {err} {facts}");
        facts
    };
    now(&["check-drift", "--out", &at("drift")]);
    assert_eq!((read(&at("drift/DRIFT")), read(&at("drift/RETRAIN"))), ("true".into(), "true".into()));
    let window = read(&at("drift/WINDOW_TS"));
    let raw = at("drift_raw.csv");
    let fetched = now(&["fetch", "--from", &window, "--out", &raw]);
    assert_eq!(read(&raw).lines().count() as u64, fetched["samples"].as_u64().unwrap() + 1);
    // From the file alone the same drift is found, and nothing is fetched twice.
    assert_eq!(
        world.step(&["check-drift", "--rows", &raw, "--labels-min", "10"], NOW).1["labels"],
        fetched["samples"]
    );
    let archived = now(&["archive", &raw, "--project", &at("project")]);
    assert_eq!(now(&["archive", &raw, "--project", &at("project")]), archived, "twice is once");
    let (base, merged, champion) = (at("base.pulled"), at("merged.parquet"), at("champion.taphound"));
    now(&["pull-base", "--from", &at("base.csv"), "--out", &base]);
    now(&["merge", "--drift", &raw, "--base", &base, "--champion", &champion, "--out", &merged]);
    let (train, holdout) = (at("train_smote.csv"), at("test_holdout.csv"));
    let report = at("data_checks.json");
    now(&["preprocess", "--data", &merged, "--train", &train, "--holdout", &holdout, "--report", &report]);

    let (config, key) = (at("retrain.toml"), at("key"));
    let common = ["--champion", &champion, "--data", &train, "--config", &config, "--created", "5"];
    let learn = |more: &[&str]| {
        let output = retrain(&[&["train"], common.as_slice(), more].concat());
        assert!(output.status.success(), "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (whole, other) = (at("one/challenger.taphound"), at("three/challenger.taphound"));
    for folder in ["one", "three", "joined"] {
        std::fs::create_dir(at(folder)).unwrap();
    }
    learn(&["--holdout", &holdout, "--key", &key, "--workers", "1", "--out", &whole]);
    learn(&["--holdout", &holdout, "--key", &key, "--workers", "3", "--out", &other]);
    let model = std::fs::read(&whole).unwrap();
    assert_eq!(std::fs::read(&other).unwrap(), model, "workers change nothing");
    let slices = ["1/3", "2/3", "3/3"].map(|slice| (slice, at(&slice.replace('/', "-"))));
    for (slice, out) in &slices {
        learn(&["--slice", slice, "--out", out]);
    }
    let joined = at("joined/challenger.taphound");
    let [(_, a), (_, b), (_, c)] = &slices;
    let rows = ["--champion", &champion, "--data", &train, "--holdout", &holdout, "--config", &config];
    succeed(&[&["join", c, a, b, "--key", &key, "--out", &joined], rows.as_slice()].concat());
    assert_eq!(std::fs::read(&joined).unwrap(), model, "slices change nothing");
    assert_eq!(read(&at("one/promote")), "true");
    now(&["register", "--model", &whole]);
    assert_eq!(now(&["promote"])["channel"], "canary");
    assert_eq!(now(&["promote", "--force"])["channel"], "production");
    assert_eq!(now(&["rollback"])["serial"], 1);
}

#[test]
fn labelled_captures_come_into_the_log_table() {
    let world = World::embedded("");
    let words = "uid,segment,flow_id,community_id,start_us,end_us,prediction,category,score,model_version,true_label,true_category,provisional";
    let mut text = format!("{words},{}\n", FEATURES.join(","));
    for n in 0..400u64 {
        let (kind, truth) = if n < 300 { (0, ("benign", "benign")) } else { (NEW, ("attack", "tunnel")) };
        let start = 1_000_000_000_000 + n * 1_000_000;
        write!(
            text,
            "{n:032x},0,10.0.0.1-10.0.0.2-{n}-443-6,,{start},{start},benign,benign,0.1,1,{},{},",
            truth.0, truth.1
        )
        .unwrap();
        flow(kind, n).iter().for_each(|value| write!(text, ",{value}").unwrap());
        text.push('\n');
    }
    let file = world.at("flows.csv");
    std::fs::write(&file, text).unwrap();
    let until = NOW.to_string();
    let import = ["dataset", "import", file.as_str(), "--until-ms", &until, "--by", "lab"];
    assert_eq!(world.ok(&import)["stored"], 400);
    assert_eq!(world.ok(&import)["known"], 400, "twice is once");
    let (code, facts, err) = world.step(&["check-drift"], NOW);
    assert_eq!(
        (code, &facts["drift_type"], &facts["labels"]),
        (0, &"negative".into(), &400.into()),
        "{err} {facts}"
    );
    let half =
        ["dataset", "import", file.as_str(), "--until-ms", &until, "--sensor-id", "other", "--share", "0.5"];
    assert_eq!(world.ok(&half)["stored"], 200);
}
