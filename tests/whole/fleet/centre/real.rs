//! The centre of the proof: dynalite and s3s-fs (or else moto), each behind a proxy that can make it a bad link.

use std::process::Command;

use ::fleet::log_table::{DayQuery, LogItem, StoredItem, day_shards};
use ::fleet::{LogTable, LogTableSettings, ObjectStore, ObjectsSettings};

use super::Site;
use crate::run::Place;
use crate::servers::faults::{FAULTS, Proxy};
use crate::servers::{self, Server};

const TABLE: &str = "ids_log_system";

/// Servers of the centre, and what lies before them.
pub(super) struct Centre {
    pub(super) table: Server,
    pub(super) objects: Server,
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) to_table: Proxy,
    pub(super) to_objects: Proxy,
    pub(super) keys: (&'static str, &'static str),
}

impl Centre {
    /// dynalite, and s3s-fs or else moto; none where they are absent.
    pub(super) fn start() -> Option<Self> {
        let table = servers::dynalite_kept()?;
        let s3s = servers::s3s_fs("bucket");
        let keys = if s3s.is_some() { servers::S3S_KEYS } else { ("AKIDTESTS", "secret") };
        let has_bucket = s3s.is_some();
        let objects = s3s.or_else(servers::moto)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        if !has_bucket {
            let made = Command::new("curl")
                .args(["-sf", "-X", "PUT", &format!("{}/bucket", objects.url())])
                .status();
            assert!(made.unwrap().success(), "the bucket could not be made");
        }
        let (to_table, to_objects) = runtime.block_on(async {
            (
                Proxy::start(table.address, &FAULTS, 0, 1).await,
                Proxy::start(objects.address, &FAULTS, 0, 2).await,
            )
        });
        Some(Self { table, objects, runtime, to_table, to_objects, keys })
    }

    pub(super) fn set_percent(&self, percent: u64) {
        self.to_table.set_percent(percent);
        self.to_objects.set_percent(percent);
    }

    pub(super) fn set_down(&self, down: bool) {
        self.to_table.set_down(down);
        self.to_objects.set_down(down);
    }

    /// Sections of settings for the two doors; `direct`: not through the proxies.
    pub(super) fn sections(&self, place: &Place, direct: bool) -> [String; 2] {
        let profile = place.path("aws-profile");
        let (id, secret) = self.keys;
        std::fs::write(
            &profile,
            format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
        )
        .unwrap();
        let (table, objects) = if direct {
            (self.table.url(), self.objects.url())
        } else {
            (self.to_table.url(), self.to_objects.url())
        };
        let profile = profile.display();
        [
            format!(
                "kind = \"dynamodb\"\ntable = \"{TABLE}\"\nregion = \"eu-central-1\"\nendpoint = \"{table}\"\nprofile_file = \"{profile}\"\n"
            ),
            format!(
                "kind = \"s3\"\nbucket = \"bucket\"\nprefix = \"fleet\"\nregion = \"us-east-1\"\nendpoint = \"{objects}\"\nprofile_file = \"{profile}\"\n"
            ),
        ]
    }

    pub(super) fn configure(&self, site: &Site) {
        let path = |name| site.place.path(name).display().to_string();
        let [table, objects] = self.sections(&site.place, false);
        let text = format!(
            "[agent]\nstate_dir = \"{}\"\nsocket = \"{}\"\n[centre.table]\n{table}[centre.objects]\n{objects}[log]\nformat = \"json\"\n\
             [report]\ninterval_s = 2\n[up]\nrows_max = 100\npoll_s = 1\nbackoff_max_s = 2\nflows_days = 0\n[up.archive]\nage_s = 2\nrows = 400\n\
             [down]\npoll_s = 1\nkeys_dir = \"{}\"\n[down.gate]\nminutes = 0\n",
            path("sync"),
            path("control.sock"),
            path("keys"),
        );
        std::fs::write(site.place.path("sync.toml"), text).unwrap();
    }

    pub(super) fn open_table(&self, place: &Place) -> Box<dyn LogTable> {
        let [table, _] = self.sections(place, true);
        let settings: LogTableSettings = toml::from_str(&table).unwrap();
        self.runtime.block_on(settings.open()).unwrap()
    }

    pub(super) fn open_objects(&self, place: &Place) -> Box<dyn ObjectStore> {
        let [_, objects] = self.sections(place, true);
        let settings: ObjectsSettings = toml::from_str(&objects).unwrap();
        self.runtime.block_on(settings.open()).unwrap()
    }

    /// Every item of the days on which `items` began.
    pub(super) fn items(&self, table: &dyn LogTable, days: &[u64]) -> Vec<StoredItem> {
        let mut found = Vec::new();
        for day in days {
            for day_shard in day_shards(day * 86_400_000) {
                let mut after = None;
                loop {
                    let (from_ms, to_ms) = (day * 86_400_000, (day + 1) * 86_400_000);
                    let query = DayQuery {
                        day_shard: day_shard.clone(),
                        from_ms,
                        to_ms,
                        labelled_only: false,
                        after,
                        limit: 500,
                    };
                    let page = self.runtime.block_on(table.by_day(&query)).unwrap();
                    found.extend(page.rows);
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        found.sort_by(|a, b| a.item.key.cmp(&b.item.key));
        found
    }

    /// Rows of every Parquet file of flows.
    pub(super) fn archived(&self, objects: &dyn ObjectStore) -> Vec<LogItem> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.runtime.block_on(objects.list("logs/", after.as_ref(), 1_000)).unwrap();
            for head in &page.rows {
                let object = self.runtime.block_on(objects.read(&head.key, 1 << 30)).unwrap().unwrap();
                let found = ::fleet::log_file::decode(&head.key, object.bytes).unwrap();
                if !head.key.rsplit('/').next().unwrap().starts_with("label") {
                    rows.extend(found.into_iter().map(|row| row.item));
                }
            }
            after = page.next;
            if after.is_none() {
                return rows;
            }
        }
    }
}
