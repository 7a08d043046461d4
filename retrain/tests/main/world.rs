//! A centre with a champion and the traffic of made-up networks, on embedded doors or on real servers.

use crate::servers::{self, Server};
use crate::{path, retrain, succeed};
use fleet::log_table::{Key, LogItem, StoredItem, TrueLabel};
use fleet::objects::PutIf;
use fleet::settings::{DynamoSettings, MlflowSettings, PathSettings, S3Settings};
use fleet::{LogTableSettings, ObjectsSettings, RegistrySettings};
use model::artifact::{Artifact, PublicKey, Trust};
use model::{FEATURES, N_FEATURES, schema_id};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const NOW: u64 = 1_790_000_000_000;

/// Kinds of flows by their middle: duration, packets and bytes each way, gap.
pub(crate) const KINDS: [(&str, [f64; 6]); 6] = [
    ("benign", [2e6, 20.0, 30.0, 3e3, 4e4, 2e5]),
    ("benign", [3e4, 2.0, 2.0, 90.0, 300.0, 3e4]),
    ("scan", [50.0, 1.0, 1.0, 0.0, 0.0, 50.0]),
    ("dos", [9e3, 3.0, 1.0, 40.0, 20.0, 4e3]),
    // The new ones: an attack that looks like long browsing, and an application like it in another place.
    ("tunnel", [8e6, 60.0, 60.0, 3e4, 9e3, 6e5]),
    ("benign", [1e5, 4.0, 3.0, 60.0, 40.0, 9e4]),
];
pub(crate) const NEW: usize = 4;

/// One possible flow of a kind.
pub(crate) fn flow(kind: usize, n: u64) -> [f64; N_FEATURES] {
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

/// Real servers: DynamoDB by dynalite, S3 by moto, MLflow.
pub(crate) struct Servers {
    dynamo: Server,
    s3: Server,
    mlflow: Server,
    worlds: AtomicUsize,
}

impl Servers {
    /// None, and a line that says so, where one is not installed.
    pub(crate) fn start() -> Option<Servers> {
        let (dynamo, s3) = (servers::dynalite()?, servers::moto()?);
        let mut stream = std::net::TcpStream::connect(s3.address).unwrap();
        let request = format!(
            "PUT /bucket HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            s3.address
        );
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        Some(Servers { dynamo, s3, mlflow: servers::mlflow(None)?, worlds: AtomicUsize::new(0) })
    }

    pub(crate) fn s3_url(&self) -> String {
        self.s3.url()
    }
}

/// `[centre]` of the settings.
#[derive(Clone, Serialize)]
pub(crate) struct Doors {
    pub(crate) table: LogTableSettings,
    pub(crate) objects: ObjectsSettings,
    pub(crate) registry: RegistrySettings,
}

impl Doors {
    fn embedded(folder: &std::path::Path) -> Doors {
        let at = |name: &str| PathSettings { path: folder.join(name) };
        Doors {
            table: LogTableSettings::Embedded(at("log.db")),
            objects: ObjectsSettings::Embedded(at("objects")),
            registry: RegistrySettings::Embedded(at("registry")),
        }
    }

    fn real(servers: &Servers, folder: &std::path::Path, world: &str) -> Doors {
        let profile: PathBuf = folder.join("aws-profile");
        std::fs::write(
            &profile,
            "[default]\naws_access_key_id = AKIDTESTS\naws_secret_access_key = secret\n",
        )
        .unwrap();
        let region = Some("eu-central-1".to_owned());
        Doors {
            table: LogTableSettings::Dynamodb(DynamoSettings {
                table: world.into(),
                region: region.clone(),
                endpoint: Some(servers.dynamo.url()),
                profile_file: Some(profile.clone()),
                ..DynamoSettings::default()
            }),
            objects: ObjectsSettings::S3(S3Settings {
                bucket: "bucket".into(),
                prefix: world.into(),
                region,
                endpoint: Some(servers.s3.url()),
                profile_file: Some(profile),
                ..S3Settings::default()
            }),
            registry: RegistrySettings::Mlflow(Box::new(MlflowSettings::at(servers.mlflow.url()))),
        }
    }
}

/// A centre, with a champion that knows the old kinds.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) champion: Artifact,
    pub(crate) doors: Doors,
    name: String,
}

impl World {
    /// On embedded doors.
    pub(crate) fn embedded(more_settings: &str) -> World {
        World::on(None, more_settings)
    }

    pub(crate) fn on(servers: Option<&Servers>, more_settings: &str) -> World {
        World::behind(more_settings, |folder| match servers {
            None => (Doors::embedded(folder), "model".to_owned()),
            Some(servers) => {
                let world = format!("world-{}", servers.worlds.fetch_add(1, Ordering::Relaxed));
                (Doors::real(servers, folder, &world), world)
            }
        })
    }

    /// On embedded doors, but for the registry, which is an MLflow that nobody else uses.
    pub(crate) fn with_mlflow(mlflow: &Server, more_settings: &str) -> World {
        World::behind(more_settings, |folder| {
            let registry = RegistrySettings::Mlflow(Box::new(MlflowSettings::at(mlflow.url())));
            (Doors { registry, ..Doors::embedded(folder) }, "model".to_owned())
        })
    }

    /// Behind these doors; the model's name comes with them.
    fn behind(more_settings: &str, doors: impl FnOnce(&std::path::Path) -> (Doors, String)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let (doors, name) = doors(folder.path());
        let at = |name: &str| path(folder.path(), name);
        let mut base = FEATURES.join(",") + ",true_category,split,run\n";
        for n in 0..3000u64 {
            let kind = (n % 4) as usize;
            flow(kind, n).iter().for_each(|value| write!(base, "{value},").unwrap());
            writeln!(base, "{},{},run-{}", KINDS[kind].0, if n % 5 == 4 { "test" } else { "train" }, n % 23)
                .unwrap();
        }
        std::fs::write(at("base.csv"), base).unwrap();
        succeed(&["keygen", "--out", &at("key")]);
        let (data, out, key) = (at("base.csv"), at("champion.taphound"), at("key"));
        let files =
            ["train", "--data", &data, "--out", &out, "--key", &key, "--name", &name, "--with-learner"];
        let small = ["--n-models", "8", "--created", "1", "--novelty-trees", "8"];
        succeed(&[files.as_slice(), small.as_slice()].concat());
        let public: PublicKey = std::fs::read_to_string(at("key.pub")).unwrap().parse().unwrap();
        let bytes = std::fs::read(&out).unwrap();
        let champion = Artifact::read(&bytes, &Trust::none().with_key(public)).unwrap();
        let world = World { folder, champion, doors, name };
        world.settle();
        world.set("10-more", Some(more_settings));
        world.wait(async { world.doors.table.open().await.unwrap().ensure().await.unwrap() });
        world.ok(&["register", "--model", &out]);
        world.ok(&["promote", "--to", "production", "--force"]);
        world
    }

    fn settle(&self) {
        #[derive(Serialize)]
        struct Settings<'a> {
            centre: &'a Doors,
        }
        let centre = toml::to_string(&Settings { centre: &self.doors }).unwrap();
        let sections = format!(
            "[model]\nname = \"{1}\"\nkey = \"{0}/key\"\n[base]\nsource = \"{0}/base.csv\"\n[train]\ncanon = \"\"\n\
             [run]\nstate_dir = \"{0}/state\"\n[promote]\nsoak_h = 1.0\nsensors_min = 0\n[log]\nlevel = \"warn\"\n",
            self.folder.path().display(),
            self.name,
        );
        std::fs::write(self.at("retrain.toml"), format!("{centre}\n{sections}")).unwrap();
        std::fs::create_dir_all(self.at("retrain.d")).unwrap();
    }

    /// Settings that win over those before them, by the order of their names; none takes them back.
    pub(crate) fn set(&self, name: &str, settings: Option<&str>) {
        let file = self.at(&format!("retrain.d/{name}.toml"));
        match settings {
            Some(settings) => std::fs::write(file, settings).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
    }

    pub(crate) fn at(&self, name: &str) -> String {
        path(self.folder.path(), name)
    }

    /// Asks a door.
    pub(crate) fn wait<T>(&self, question: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(question)
    }

    /// Puts an object where the pipeline finds it.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        self.wait(async {
            let objects = self.doors.objects.open().await.unwrap();
            objects.write(key, bytes.to_vec(), PutIf::Always).await.unwrap();
        });
    }

    /// The model file that lies there, if this centre signed it.
    pub(crate) fn artifact(&self, key: &str) -> Artifact {
        let object = self.wait(async {
            let objects = self.doors.objects.open().await.unwrap();
            objects.read(key, 64 << 20).await.unwrap().unwrap_or_else(|| panic!("{key} is not there"))
        });
        let public: PublicKey = std::fs::read_to_string(self.at("key.pub")).unwrap().parse().unwrap();
        Artifact::read(&object.bytes, &Trust::none().with_key(public)).unwrap()
    }

    /// Runs a step by the world's settings and clock.
    pub(crate) fn step(&self, args: &[&str], now: u64) -> (i32, Value, String) {
        let (config, now) = (self.at("retrain.toml"), now.to_string());
        let all: Vec<&str> =
            args.iter().copied().chain(["--config", &config, "--now-ms", &now, "--json"]).collect();
        let output = retrain(&all);
        let facts = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), facts, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> Value {
        let (code, facts, err) = self.step(args, NOW - 7_200_000);
        assert_eq!(code, 0, "{args:?}: {err} {facts}");
        facts
    }

    /// Flows of the kinds, one every ten seconds up to `until`, as the champion judged them.
    pub(crate) fn flows(&self, count: u64, until: u64, kinds: &[usize]) -> Vec<(LogItem, &'static str)> {
        let judged = |n: u64| {
            let kind = kinds[(n % kinds.len() as u64) as usize];
            let timestamp_ms = until - (count - n) * 10_000;
            let features = flow(kind, n + timestamp_ms);
            let prediction = self.champion.predict(&features);
            let item = LogItem {
                key: Key { flow_id: format!("s1|10.0.0.{kind}-10.0.1.1-{}-443-6", n % 60_000), timestamp_ms },
                uid: format!("{timestamp_ms:x}-{n:x}"),
                rev: 1,
                sensor_id: "s1".into(),
                content: String::new(),
                features: FEATURES.iter().zip(features).map(|(name, v)| ((*name).to_owned(), v)).collect(),
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
            (item, KINDS[kind].0)
        };
        (0..count).map(judged).collect()
    }

    /// Such flows in the log table, labelled with the truth, or by `by` (labeller, whether it lies).
    pub(crate) fn traffic(
        &self,
        count: u64,
        until: u64,
        kinds: &[usize],
        by: impl Fn(u64) -> (&'static str, bool),
    ) {
        let flows = self.flows(count, until, kinds);
        self.wait(async {
            let table = self.doors.table.open().await.unwrap();
            table.ensure().await.unwrap();
            for (n, (item, truth)) in flows.iter().enumerate() {
                let (labeller, lies) = by(n as u64);
                let truth = match (lies, *truth) {
                    (true, "benign") => "dos",
                    (true, _) => "benign",
                    (false, truth) => truth,
                };
                let label = TrueLabel {
                    label: if truth == "benign" { "benign" } else { "attack" }.into(),
                    category: (truth != "benign").then(|| truth.to_owned()),
                    source: "api".into(),
                    by: labeller.into(),
                    at_ms: item.key.timestamp_ms + 1000,
                    reason: None,
                };
                table.label(&item.key, &item.uid, &label, Some(item)).await.unwrap();
            }
        });
    }

    /// Such flows as a log file in the object store, which nobody labelled.
    pub(crate) fn logs(&self, count: u64, until: u64, kinds: &[usize]) {
        let flows = self.flows(count, until, kinds);
        let rows: Vec<StoredItem> =
            flows.into_iter().map(|(item, _)| StoredItem { item, truth: None }).collect();
        let day = fleet::log_table::utc_day(until - 10_000);
        let key = fleet::keys::log_file(schema_id(), "s1", &day, &format!("flow-{until}"));
        self.put(&key, &fleet::log_file::encode(&rows).unwrap());
    }

    /// Ten hours of what the champion knows, then two of what it does not.
    pub(crate) fn drift(&self) {
        self.drift_until(NOW);
    }

    pub(crate) fn drift_until(&self, now: u64) {
        let people = ["ann", "bob"];
        self.traffic(600, now - 6_000_000, &[0, 1, 2, 3], |n| (people[(n % 2) as usize], false));
        self.traffic(400, now, &[0, NEW, 2, NEW, 5, NEW], |n| (people[(n / 3 % 2) as usize], false));
    }

    pub(crate) fn run(&self, now: u64) -> (i32, Value, String) {
        self.step(&["run"], now)
    }
}
