//! The centre as the steps see it: the three doors, opened when first needed, asked one thing at a time, and asked again when
//! a refusal is a passing one. The only place of this program that knows of an async runtime.

use crate::check_drift::{Before, Handled};
use crate::config::Config;
use crate::failure::Failure;
use crate::sample::{self, Sample, Unusable};
use fleet::log_table::{DayQuery, day_shards};
use fleet::objects::PutIf;
use fleet::{DoorError, LogTable, ObjectStore, Registry, keys};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A passing refusal is met with so many further attempts, each after twice the pause.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(20);
const PAGE_ROWS: usize = 500;
/// Labelled flows that are taken into memory at most.
pub(crate) const SAMPLES_MAX: usize = 2_000_000;
const DAY_MS: u64 = 86_400_000;
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// What has been handled of which drift.
const HANDLED: &str = "cooldown/handled_drift.json";

pub(crate) struct Centre {
    runtime: Runtime,
    config: Config,
    table: OnceCell<Box<dyn LogTable>>,
    objects: OnceCell<Box<dyn ObjectStore>>,
    registry: OnceCell<Box<dyn Registry>>,
}

impl Centre {
    /// Nothing is dialled yet.
    pub(crate) fn open(config: &Config) -> Result<Centre, Failure> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::software)?;
        Ok(Centre {
            runtime,
            config: config.clone(),
            table: OnceCell::new(),
            objects: OnceCell::new(),
            registry: OnceCell::new(),
        })
    }

    /// Asks until there is an answer or the refusal is not a passing one.
    pub(crate) fn ask<T, F: Future<Output = Result<T, DoorError>>>(
        &self,
        question: impl Fn() -> F,
    ) -> Result<T, DoorError> {
        self.runtime.block_on(async {
            let mut pause = PAUSE;
            for _ in 1..ATTEMPTS {
                match question().await {
                    Err(DoorError::Unavailable { place, detail, retry_after }) => {
                        let wait = retry_after.unwrap_or(pause).min(PAUSE_MAX);
                        tracing::warn!(%place, %detail, "asked again in {:.1} s", wait.as_secs_f64());
                        tokio::time::sleep(wait).await;
                        pause *= 2;
                    }
                    answer => return answer,
                }
            }
            question().await
        })
    }

    pub(crate) fn table(&self) -> Result<&dyn LogTable, Failure> {
        opened(&self.table, || {
            let settings = self.config.centre.table.settings()?;
            self.runtime.block_on(settings.open()).map_err(|fault| Failure::door(&fault))
        })
    }

    pub(crate) fn objects(&self) -> Result<&dyn ObjectStore, Failure> {
        opened(&self.objects, || {
            let settings = self.config.centre.objects.settings()?;
            self.runtime.block_on(settings.open()).map_err(|fault| Failure::door(&fault))
        })
    }

    pub(crate) fn registry(&self) -> Result<&dyn Registry, Failure> {
        opened(&self.registry, || {
            let settings = self.config.centre.registry.settings()?;
            self.runtime.block_on(settings.open()).map_err(|fault| Failure::door(&fault))
        })
    }

    /// Labelled flows that began from `from` on and before `to`, in their order; what is of no use is counted in the log.
    pub(crate) fn samples(&self, config: &Config, from: u64, to: u64) -> Result<Vec<Sample>, Failure> {
        let table = self.table()?;
        let mut samples = Vec::new();
        let mut unusable = BTreeMap::<Unusable, u64>::new();
        let mut day = from / DAY_MS;
        while day * DAY_MS < to {
            for day_shard in day_shards(day * DAY_MS) {
                let mut after = None;
                loop {
                    let query = DayQuery {
                        day_shard: day_shard.clone(),
                        from_ms: from,
                        to_ms: to,
                        labelled_only: true,
                        after: after.take(),
                        limit: PAGE_ROWS,
                    };
                    let page = self.ask(|| table.by_day(&query)).map_err(|fault| Failure::door(&fault))?;
                    for stored in &page.rows {
                        match Sample::of(stored, config.fetch.unnamed_attack) {
                            Ok(sample) => samples.push(sample),
                            Err(why) => *unusable.entry(why).or_default() += 1,
                        }
                    }
                    if samples.len() > SAMPLES_MAX {
                        let what =
                            "labelled flows in the window are more than this program holds; look back less";
                        return Err(Failure::data(format!("the log table: {SAMPLES_MAX} {what}")));
                    }
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
            day += 1;
        }
        for (why, count) in unusable {
            tracing::info!(count, "labelled flows left out: {}", why.as_str());
        }
        Ok(sample::in_order(samples))
    }

    /// What earlier retrains left behind.
    pub(crate) fn before(&self) -> Result<Before, Failure> {
        let last = self.read_small(keys::LAST_RETRAIN)?;
        let last_retrain_ms = last.and_then(|bytes| {
            let seconds_or_ms: f64 = String::from_utf8_lossy(&bytes).trim().parse().ok()?;
            // The earlier system wrote seconds.
            Some(if seconds_or_ms < 1e11 { seconds_or_ms * 1000.0 } else { seconds_or_ms } as u64)
        });
        let handled = self.read_small(HANDLED)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Before { last_retrain_ms, handled })
    }

    /// Remembers that a drift has been dealt with.
    pub(crate) fn remember(&self, handled: &Handled) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(handled).map_err(Failure::software)?;
        self.write(HANDLED, bytes)
    }

    /// Starts the cooldown.
    pub(crate) fn cool_down(&self, now: u64) -> Result<(), Failure> {
        self.write(keys::LAST_RETRAIN, format!("{now}\n").into_bytes())
    }

    pub(crate) fn read_small(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let objects = self.objects()?;
        let object =
            self.ask(|| objects.read(key, SMALL_BYTES_MAX)).map_err(|fault| Failure::door(&fault))?;
        Ok(object.map(|object| object.bytes))
    }

    pub(crate) fn write(&self, key: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let objects = self.objects()?;
        self.ask(|| objects.write(key, bytes.clone(), PutIf::Always))
            .map(|_| ())
            .map_err(|fault| Failure::door(&fault))
    }
}

fn opened<T: ?Sized>(
    cell: &OnceCell<Box<T>>,
    open: impl FnOnce() -> Result<Box<T>, Failure>,
) -> Result<&T, Failure> {
    if cell.get().is_none() {
        let _ = cell.set(open()?);
    }
    cell.get().map(Box::as_ref).ok_or_else(|| Failure::software("a door that was opened is shut"))
}
