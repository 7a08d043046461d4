//! Training, joining, measuring and signing.

use crate::{flows, path, retrain, succeed, write_flows};
use model::artifact::{Artifact, Digest, PublicKey, Trust};
use serde_json::Value;
use std::io::Write;

const COMMON: [&str; 6] = ["--created", "1700000000", "--n-models", "5", "--novelty-trees", "4"];

fn train(data: &str, out: &str, more: &[&str]) -> String {
    let mut args = vec!["train", "--data", data, "--out", out];
    args.extend(COMMON);
    args.extend(more);
    succeed(&args)
}

#[test]
fn workers_and_slices_make_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = write_flows(folder, 4000);
    let data = data.to_str().unwrap();
    let one = path(folder, "one.taphound");
    train(data, &one, &["--workers", "1", "--with-learner"]);
    let wanted = std::fs::read(&one).unwrap();
    for workers in ["2", "3", "16"] {
        let out = path(folder, "many.taphound");
        train(data, &out, &["--workers", workers, "--with-learner"]);
        assert_eq!(std::fs::read(&out).unwrap(), wanted, "{workers} workers");
    }
    for n in [2, 3, 5, 7] {
        let mut args = vec!["join".to_owned()];
        for i in (1..=n).rev() {
            let slice = path(folder, &format!("{i}-{n}.slice"));
            train(data, &slice, &["--slice", &format!("{i}/{n}"), "--with-learner"]);
            args.push(slice);
        }
        let out = path(folder, "joined.taphound");
        args.extend(["--data", data, "--out", &out].map(str::to_owned));
        succeed(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(std::fs::read(&out).unwrap(), wanted, "{n} slices");
    }
    let other = path(folder, "other.taphound");
    train(data, &other, &["--seed", "8"]);
    assert_ne!(std::fs::read(&other).unwrap(), wanted, "another seed is another model");
}

#[test]
fn compressed_data_are_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = flows(1000);
    let plain = write_flows(folder, 1000);
    let gz = folder.join("flows.csv.gz");
    let mut packer =
        flate2::write::GzEncoder::new(std::fs::File::create(&gz).unwrap(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap();
    let zst = folder.join("flows.csv.zst");
    std::fs::write(&zst, zstd::stream::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    let models: Vec<Vec<u8>> = [plain, gz, zst]
        .iter()
        .map(|data| {
            let out = path(folder, "model.taphound");
            train(data.to_str().unwrap(), &out, &[]);
            std::fs::read(out).unwrap()
        })
        .collect();
    assert!(models.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn evaluation_repeats_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = write_flows(folder, 4000);
    let data = data.to_str().unwrap();
    let out = path(folder, "model.taphound");
    let trained: Value = serde_json::from_str(&train(data, &out, &["--json"])).unwrap();
    assert_eq!(trained["classes"], serde_json::json!(["benign", "scan", "dos"]));
    for split in ["train", "validation", "test"] {
        for (provisional, suffix) in [(false, ""), (true, ".provisional")] {
            let mut args = vec!["evaluate", "--model", &out, "--data", data, "--split", split, "--json"];
            if provisional {
                args.push("--provisional");
            }
            let found: Value = serde_json::from_str(&succeed(&args)).unwrap();
            let prefix = format!("{split}{suffix}");
            let metric = |name: &str| trained["metrics"][format!("{prefix}.{name}")].as_f64().unwrap();
            assert_eq!(found["rows"].as_f64().unwrap(), metric("rows"));
            assert_eq!(found["kappa"].as_f64().unwrap(), metric("kappa"));
            assert_eq!(found["binary"]["f1"].as_f64().unwrap(), metric("binary.f1"));
            assert_eq!(found["binary"]["roc_auc"].as_f64().unwrap(), metric("binary.roc_auc"));
            assert!(metric("binary.f1") > 0.8, "{prefix}: these flows are easily told apart");
            let matrix = found["confusion"]["rows_truth"].as_array().unwrap();
            let sum: u64 =
                matrix.iter().flat_map(|row| row.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum();
            assert_eq!(sum, found["rows"].as_u64().unwrap());
        }
    }
    let text = succeed(&["evaluate", "--model", &out, "--data", data]);
    assert!(text.contains("truth \\ predicted") && text.contains("ROC-AUC"), "{text}");
}

#[test]
fn signed_models_are_trusted_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = write_flows(folder, 1000);
    let data = data.to_str().unwrap();
    let (secret, other) = (path(folder, "a.key"), path(folder, "b.key"));
    let keys: Value = serde_json::from_str(&succeed(&["keygen", "--out", &secret, "--json"])).unwrap();
    succeed(&["keygen", "--out", &other]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the secret key is the owner's alone");
    }
    let out = path(folder, "model.taphound");
    let trained: Value = serde_json::from_str(&train(data, &out, &["--key", &secret, "--json"])).unwrap();
    assert_eq!(trained["signed_by"], keys["key_id"]);
    let public = format!("{secret}.pub");
    let line = std::fs::read_to_string(&public).unwrap();
    let key: PublicKey = line.parse().unwrap();
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(trained["digest"], Digest::of(&bytes).to_string());
    assert!(Artifact::read(&bytes, &Trust::none().with_key(key)).is_ok());
    succeed(&["evaluate", "--model", &out, "--data", data, "--trust", &public]);
    let stranger =
        retrain(&["evaluate", "--model", &out, "--data", data, "--trust", &format!("{other}.pub")]);
    assert_eq!(stranger.status.code(), Some(65));
    let again = retrain(&["keygen", "--out", &secret]);
    assert_eq!(again.status.code(), Some(73), "a key is never overwritten");
}

#[test]
fn the_date_can_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let data = write_flows(folder.path(), 500);
    let out = path(folder.path(), "model.taphound");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_taphound-retrain"))
        .args(["train", "--n-models", "2", "--novelty-trees", "0", "--out", &out, "--data"])
        .arg(&data)
        .env("SOURCE_DATE_EPOCH", "1234567890")
        .output()
        .unwrap();
    assert!(output.status.success());
    let bytes = std::fs::read(&out).unwrap();
    let artifact = Artifact::read(&bytes, &Trust::none().with_digest(Digest::of(&bytes))).unwrap();
    assert_eq!(artifact.manifest().created, 1_234_567_890);
    assert!(artifact.scorer().novelty_forest().is_none());
}
