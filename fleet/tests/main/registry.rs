//! What every registry does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fleet::registry::{NewVersion, Version, folder::FolderRegistry};
use fleet::{DoorError, Registry};

const MOST: u64 = 64 << 20;

struct Material {
    folder: tempfile::TempDir,
}

impl Material {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn register(&self, registry: &dyn Registry, model: &str, serial: u64) -> Version {
        let artifact = self.file("a.taphound", format!("model {serial}").as_bytes());
        let files = [("model card.md".to_owned(), self.file("card", b"# Card"))];
        let parameters = BTreeMap::from([("n_models".to_owned(), "13".to_owned())]);
        let metrics = BTreeMap::from([("f1".to_owned(), 0.987), ("recall".to_owned(), 1.0)]);
        let tags = BTreeMap::from([
            ("serial".to_owned(), serial.to_string()),
            ("digest".to_owned(), "ab".repeat(32)),
        ]);
        // Every other version can go on learning.
        let learner = self.file("l.taphound", format!("learner {serial}").as_bytes());
        let new = NewVersion {
            run_name: "retrain 1",
            artifact: &artifact,
            learner: serial.is_multiple_of(2).then_some(learner.as_path()),
            files: &files,
            parameters: &parameters,
            metrics: &metrics,
            tags: &tags,
        };
        registry.register(model, &new).await.unwrap()
    }
}

/// The whole contract. The registry may know other models.
pub(crate) async fn contract(registry: &dyn Registry, model: &str) {
    let material = Material::new();
    assert_eq!(registry.versions(model).await, Ok(vec![]));
    assert_eq!(registry.aliased(model, "production").await, Ok(None));
    registry.remove_alias(model, "production").await.unwrap();

    let one = material.register(registry, model, 7).await;
    assert_eq!((one.model.as_str(), one.version, one.tags["serial"].as_str()), (model, 1, "7"));
    assert!(one.created_ms > 1_700_000_000_000 && one.aliases.is_empty(), "{one:?}");
    let two = material.register(registry, model, 8).await;
    assert_eq!(two.version, 2);
    let numbers = async || -> Vec<u64> {
        registry.versions(model).await.unwrap().iter().map(|version| version.version).collect()
    };
    assert_eq!(numbers().await, [2, 1]);

    registry.set_alias(model, "production", 1).await.unwrap();
    registry.set_alias(model, "staging", 2).await.unwrap();
    let aliased = async |alias: &str| registry.aliased(model, alias).await.unwrap().map(|v| v.version);
    assert_eq!((aliased("production").await, aliased("staging").await), (Some(1), Some(2)));
    assert_eq!(aliased("canary").await, None);
    let held = registry.aliased(model, "production").await.unwrap().unwrap();
    assert_eq!((held.tags.clone(), held.aliases.clone()), (one.tags.clone(), vec!["production".to_owned()]));
    let stages = async || -> Vec<Option<String>> {
        registry.versions(model).await.unwrap().into_iter().map(|version| version.stage).collect()
    };
    if held.stage.is_some() {
        let named = |names: [&str; 2]| names.map(|name| Some(name.to_owned())).to_vec();
        assert_eq!(stages().await, named(["Staging", "Production"]));
        registry.set_alias(model, "production", 2).await.unwrap();
        assert_eq!(stages().await, named(["Production", "Archived"]));
    } else {
        registry.set_alias(model, "production", 2).await.unwrap();
    }
    assert_eq!(aliased("production").await, Some(2));
    registry.remove_alias(model, "staging").await.unwrap();
    registry.remove_alias(model, "staging").await.unwrap();
    assert_eq!(aliased("staging").await, None);

    registry.set_tag(model, 1, "verdict of the gate", "worse: 0.1").await.unwrap();
    registry.set_tag(model, 1, "serial", "70").await.unwrap();
    let tags = registry.versions(model).await.unwrap().pop().unwrap().tags;
    assert_eq!((tags["verdict of the gate"].as_str(), tags["serial"].as_str()), ("worse: 0.1", "70"));

    let to = material.folder.path().join("back");
    registry.download(&one, &to, MOST).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"model 7");
    let over = registry.download(&two, &to, MOST).await;
    assert!(matches!(over, Err(DoorError::Conflict { .. })), "{over:?}");
    let learner = material.folder.path().join("learner");
    registry.download_learner(&two, &learner, MOST).await.unwrap();
    assert_eq!(std::fs::read(&learner).unwrap(), b"learner 8");
    let none = registry.download_learner(&one, &material.folder.path().join("none"), MOST).await;
    assert!(matches!(none, Err(DoorError::Absent { .. })), "{none:?}");
    let cut = material.folder.path().join("cut");
    let outcome = registry.download(&two, &cut, 3).await;
    assert!(matches!(outcome, Err(DoorError::Damaged { .. })), "{outcome:?}");
    assert!(!cut.exists());
    refusals(registry, model, &material).await;
}

async fn refusals(registry: &dyn Registry, model: &str, material: &Material) {
    for outcome in [
        registry.set_alias(model, "production", 99).await,
        registry.set_alias("no such model", "production", 1).await,
        registry.set_tag(model, 99, "a", "b").await,
    ] {
        assert!(matches!(outcome, Err(DoorError::Absent { .. })), "{outcome:?}");
    }
    for name in ["", "../x", "a/b", "a:b"] {
        assert!(matches!(registry.versions(name).await, Err(DoorError::Invalid { .. })), "{name:?}");
    }
    let (artifact, missing) = (material.file("again", b"x"), material.folder.path().join("missing"));
    let (nothing, none) = (BTreeMap::new(), BTreeMap::new());
    let not_a_number = BTreeMap::from([("f1".to_owned(), f64::NAN)]);
    let before = registry.versions(model).await.unwrap().len();
    for (artifact, metrics) in [(&artifact, &not_a_number), (&missing, &none)] {
        let new = NewVersion {
            run_name: "r",
            artifact,
            learner: None,
            files: &[],
            parameters: &nothing,
            metrics,
            tags: &nothing,
        };
        let outcome = registry.register(model, &new).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
    assert_eq!(registry.versions(model).await.unwrap().len(), before, "no version without its file");
}

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let registry = FolderRegistry::open(&folder.path().join("deep/registry")).unwrap();
    contract(&registry, "ARF Baseline Model").await;
    let reopened = FolderRegistry::open(&folder.path().join("deep/registry")).unwrap();
    let held = reopened.aliased("ARF Baseline Model", "production").await.unwrap().unwrap();
    assert_eq!(held.version, 2);
}

#[tokio::test]
async fn two_programs_register_in_one_folder_and_no_number_is_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry");
    let register = async |serials: std::ops::Range<u64>| {
        let (registry, material) = (FolderRegistry::open(&path).unwrap(), Material::new());
        for serial in serials {
            material.register(&registry, "m", serial).await;
        }
    };
    tokio::join!(register(0..10), register(10..20));
    let versions = FolderRegistry::open(&path).unwrap().versions("m").await.unwrap();
    let numbers: Vec<u64> = versions.iter().map(|version| version.version).collect();
    assert_eq!(numbers, (1..=20).rev().collect::<Vec<u64>>());
    let serials: std::collections::BTreeSet<&str> =
        versions.iter().map(|version| version.tags["serial"].as_str()).collect();
    assert_eq!(serials.len(), 20);
}
