//! Models come down: a good one is put to work, every kind of bad one is refused with its reason, and one that misbehaves is taken
//! back without anybody's help.

use std::sync::Arc;

use ::fleet::objects::PutIf;
use ::fleet::{ObjectStore, keys};
use model::artifact::digest::Digest;
use model::artifact::{Artifact, Channel, ChannelPointer, Draft, SecretKey, Trust};
use model::{Scorer, Thresholds};
use serde_json::Value;

use super::{Agent, configure, drop_in_later, place};
use crate::repo;
use crate::run::{Daemon, Place};

pub(super) const MODEL: &str = "ARF Baseline Model";

/// A centre that publishes models into the objects of a place.
pub(super) struct Publisher {
    runtime: tokio::runtime::Runtime,
    pub(super) objects: Arc<dyn ObjectStore>,
    default: Artifact,
    pub(super) key: SecretKey,
    sequence: u64,
}

impl Publisher {
    /// Into the objects of a place, whose sensor trusts it.
    pub(super) fn new(place: &Place) -> Self {
        let settings: ::fleet::ObjectsSettings =
            format!("file:{}", place.path("objects").display()).parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let publisher = Self::over(runtime.block_on(settings.open()).unwrap());
        publisher.trusted_by(place);
        publisher
    }

    pub(super) fn over(objects: Box<dyn ObjectStore>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let objects = objects.into();
        let bytes = std::fs::read(repo().join("data/default.taphound")).unwrap();
        let default = Artifact::read(&bytes, &Trust::none().with_digest(Digest::of(&bytes))).unwrap();
        let key = SecretKey::from_entropy([7; 32]);
        Self { runtime, objects, default, key, sequence: 0 }
    }

    /// Gives a place the public key.
    pub(super) fn trusted_by(&self, place: &Place) {
        std::fs::create_dir_all(place.path("keys")).unwrap();
        std::fs::write(place.path("keys/centre.pub"), self.key.public().to_line()).unwrap();
    }

    /// The default model under another serial, signed.
    fn model(&self, serial: u64, threshold: Option<f64>, expires: Option<u64>, key: &SecretKey) -> Vec<u8> {
        let s = self.default.scorer();
        let thresholds = threshold.map_or(*s.thresholds(), |t| Thresholds { attack: t, provisional: t });
        let scorer = Scorer::new(
            s.transform().clone(),
            s.forest().clone(),
            s.novelty_forest().cloned(),
            s.classes().to_vec(),
            thresholds,
        )
        .unwrap();
        let manifest = self.default.manifest();
        Draft {
            name: MODEL.into(),
            serial,
            parent: None,
            training_data: manifest.training_data,
            metrics: manifest.metrics.clone(),
            quantiles: manifest.quantiles.clone(),
            created: 1,
            expires,
            scorer: &scorer,
            learner: None,
            self_test: vec![[0.0; model::N_FEATURES]],
        }
        .write(Some(key))
        .unwrap()
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        self.runtime.block_on(self.objects.write(key, bytes, PutIf::Always)).unwrap();
    }

    /// Puts a file where a model of that digest lies.
    fn store(&self, serial: u64, digest: Digest, bytes: Vec<u8>) {
        self.put(&keys::model(MODEL, serial, &digest.to_string()), bytes);
    }

    fn pointer(&mut self, channel: Channel, serial: u64, digest: Digest) -> ChannelPointer {
        self.sequence += 1;
        let name = MODEL.to_owned();
        ChannelPointer {
            format: 1,
            name,
            channel,
            digest,
            serial,
            sequence: self.sequence,
            cohort_percent: 100,
            not_after: u64::MAX >> 8,
        }
    }

    fn point(&self, pointer: &ChannelPointer, key: &SecretKey) {
        self.put(&keys::channel(MODEL, pointer.channel.as_str()), pointer.write(key).unwrap());
    }

    /// Publishes a good model.
    pub(super) fn publish(
        &mut self,
        channel: Channel,
        serial: u64,
        threshold: Option<f64>,
    ) -> ChannelPointer {
        let key = self.key.clone();
        let bytes = self.model(serial, threshold, None, &key);
        let digest = Digest::of(&bytes);
        self.store(serial, digest, bytes);
        let pointer = self.pointer(channel, serial, digest);
        self.point(&pointer, &key);
        pointer
    }
}

fn version(status: &Value) -> u64 {
    status["down"]["model_version"].as_u64().unwrap_or(0)
}

#[test]
fn each_bad_model_is_refused_with_its_reason_and_the_good_one_goes_on() {
    let place = place();
    let keys_dir = place.path("keys").display().to_string();
    configure(&place, &format!("[down]\npoll_s = 1\nkeys_dir = \"{keys_dir}\"\n[down.gate]\nminutes = 0\n"));
    let mut centre = Publisher::new(&place);
    let sensor = Daemon::start(&place);
    let agent = Agent::start(&place);
    let good = centre.publish(Channel::Production, 1_001, None);
    agent.until("the first model", 60, |status| version(status) == 1_001);

    let (key, stranger) = (centre.key.clone(), SecretKey::from_entropy([9; 32]));
    let refused = |what: &str, words: &str| {
        let status = agent
            .until(what, 30, |status| status["down"]["refused"].as_str().is_some_and(|r| r.contains(words)));
        assert_eq!(version(&status), 1_001, "{what}: {status:#}");
        println!("{what}: {}", status["down"]["refused"]);
    };
    // Tampered: one byte of the file is another one.
    let mut bytes = centre.model(1_002, None, None, &key);
    let digest = Digest::of(&bytes);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    centre.store(1_002, digest, bytes);
    let pointer = centre.pointer(Channel::Production, 1_002, digest);
    centre.point(&pointer, &key);
    refused("a tampered model", "was changed or cut on its way");
    // Truncated: the end is missing, and the pointer knows that file.
    let mut bytes = centre.model(1_003, None, None, &key);
    bytes.truncate(bytes.len() - 1_000);
    let digest = Digest::of(&bytes);
    centre.store(1_003, digest, bytes);
    let pointer = centre.pointer(Channel::Production, 1_003, digest);
    centre.point(&pointer, &key);
    refused("a truncated model", "the file ends before it does");
    // Expired.
    let bytes = centre.model(1_004, None, Some(2), &key);
    let digest = Digest::of(&bytes);
    centre.store(1_004, digest, bytes);
    let pointer = centre.pointer(Channel::Production, 1_004, digest);
    centre.point(&pointer, &key);
    refused("an expired model", "expired");
    // Signed by a key that is not trusted here: the model, then the pointer.
    let bytes = centre.model(1_005, None, None, &stranger);
    let digest = Digest::of(&bytes);
    centre.store(1_005, digest, bytes);
    let pointer = centre.pointer(Channel::Production, 1_005, digest);
    centre.point(&pointer, &key);
    refused("a model of a foreign key", &stranger.public().id().to_string());
    let pointer = centre.pointer(Channel::Production, 1_006, digest);
    centre.point(&pointer, &stranger);
    refused("a pointer of a foreign key", "production pointer");
    // Replayed: the first pointer again, which the key did sign.
    centre.point(&good, &key);
    refused("a replayed pointer", "sequence");
    // A model that is not there at all.
    let pointer = centre.pointer(Channel::Production, 1_007, Digest([3; 32]));
    centre.point(&pointer, &key);
    refused("a model that is not there", "has no");
    // After all that a good one comes through.
    centre.publish(Channel::Production, 1_008, None);
    let status = agent.until("the next good model", 30, |status| version(status) == 1_008);
    assert!(status["down"]["refused"].is_null(), "{status:#}");
    let (status, _) = sensor.status();
    assert_eq!(status["model"]["version"], 1_008, "{status:#}");
}

#[test]
fn a_canary_that_misbehaves_is_taken_back_and_never_comes_again() {
    let place = place();
    let keys_dir = place.path("keys").display().to_string();
    configure(
        &place,
        &format!(
            "[down]\npoll_s = 1\nkeys_dir = \"{keys_dir}\"\n[down.gate]\nminutes = 10\nlook_s = 1\nfailures = 2\nflows_min = 20\n"
        ),
    );
    let mut centre = Publisher::new(&place);
    let sensor = Daemon::start(&place);
    let agent = Agent::start(&place);
    centre.publish(Channel::Production, 2_001, None);
    agent.until("the production model", 60, |status| version(status) == 2_001);
    // Everything is an attack to it.
    centre.publish(Channel::Canary, 2_002, Some(0.0));
    agent.until("the canary", 60, |status| version(status) == 2_002);
    // The agent dies in between; the watch goes on.
    agent.kill();
    let agent = Agent::start(&place);
    let mut round = 0;
    let until = crate::live::deadline(120);
    let status = loop {
        drop_in_later(&place, "benign-mixed", &format!("benign-{round:03}"), 200 * round);
        round += 1;
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        if let Some((status, _)) = Agent::status(&place)
            && status["down"]["rolled_back"] == 1
        {
            break status;
        }
        let told = || {
            let log = std::fs::read_to_string(place.path("sync.log")).unwrap_or_default();
            let log: Vec<&str> = log.lines().filter(|line| line.contains("model_")).collect();
            format!("{:#?}\n{:#}\n{log:#?}", Agent::status(&place), sensor.status().0["model_health"])
        };
        assert!(crate::live::now() < until, "it was not taken back: {}", told());
    };
    println!("taken back: {}", status["down"]["pinned"]);
    assert_eq!(status["down"]["pinned"][0]["version"], 2_002, "{status:#}");
    // It is still published, and is not taken again.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let (status, _) = sensor.status();
    assert_eq!(status["model"]["version"], 2_001, "{status:#}");
    let report = std::fs::read_to_string(place.path("objects/health/proof.json")).unwrap();
    let report: ::fleet::health::SensorReport = serde_json::from_str(&report).unwrap();
    assert_eq!((report.pinned[0].version, report.model_version), (2_002, 2_001));
    drop(agent);
}
