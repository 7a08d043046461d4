//! `rebuild`: a centre that lost its log table or its registry gets them back from the object store alone.
//!
//! Nothing that stands is overwritten: rows go in as late ones do, under their conditions, and a model is registered once. So it
//! may be cut off and run again, and run beside sensors that are at work.

use crate::args::RebuildArgs;
use crate::centre::Centre;
use crate::config::{self, Config};
use crate::enroll_token::door;
use crate::failure::{Failure, read_file};
use crate::register::{register_files, trust};
use crate::{clock, report};
use fleet::log_table::{CENTRE, LogItem, StoredItem, Written};
use fleet::objects::ObjectHead;
use fleet::{DoorError, LogTable, keys, log_file};
use model::Artifact;
use model::artifact::{ARTIFACT_BYTES_MAX, Channel, ChannelPointer};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A file of logs is never larger.
const FILE_BYTES_MAX: u64 = 1 << 30;
const PAGE: usize = 1_000;
/// Writes under way at once.
const WRITES_MAX: usize = 16;
const ATTEMPTS: u32 = 8;

/// What came of the rows.
#[derive(Debug, Default)]
struct Rows {
    files: u64,
    stored: u64,
    known: u64,
    /// A label of the centre stands, or another flow has the key.
    kept: u64,
    expired: u64,
    rejected: u64,
}

/// `rebuild`.
pub(crate) fn run(args: &RebuildArgs) -> Result<(), Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let centre = Centre::open(&config)?;
    let now_s = args.common.now_ms.unwrap_or_else(clock::now_ms) / 1_000;
    let wants = |part: &str| args.only.as_deref().is_none_or(|only| only == part);
    let rows = if wants("table") { Some(table(&centre, &config, now_s)?) } else { None };
    let models = if wants("registry") { Some(registry(&centre, &config)?) } else { None };
    let mut text = Vec::new();
    let mut facts = json!({});
    if let Some(Rows { files, stored, known, kept, expired, rejected }) = rows {
        facts["table"] = json!({
            "files": files, "stored": stored, "known": known, "kept": kept, "expired": expired, "rejected": rejected
        });
        text.push(format!(
            "table     {files} files: {stored} rows stored, {known} known, {kept} kept, {expired} expired, {rejected} rejected"
        ));
    }
    if let Some((models, aliases)) = models {
        text.push(format!("registry  {models} models; {}", aliases.join(", ")));
        facts["registry"] = json!({"models": models, "aliases": aliases});
    }
    report::print(args.common.json, &facts, &text.join("\n"));
    Ok(())
}

fn list(centre: &Centre, prefix: &str) -> Result<Vec<ObjectHead>, Failure> {
    let objects = centre.objects()?;
    let (mut heads, mut after) = (Vec::new(), None);
    loop {
        let mut page = centre.ask(|| objects.list(prefix, after.as_ref(), PAGE)).map_err(door)?;
        heads.append(&mut page.rows);
        after = page.next;
        if after.is_none() {
            return Ok(heads);
        }
    }
}

/// Flows first, then what people said of them.
fn table(centre: &Centre, config: &Config, now_s: u64) -> Result<Rows, Failure> {
    let is_label =
        |head: &ObjectHead| head.key.rsplit('/').next().is_some_and(|name| name.starts_with("label"));
    let mut heads = list(centre, keys::LOGS)?;
    heads.retain(|head| head.key.ends_with(".parquet"));
    heads.sort_by_key(is_label);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Failure::software)?;
    let table: Arc<dyn LogTable> =
        runtime.block_on(config.centre.table.settings()?.open()).map_err(door)?.into();
    runtime.block_on(patiently(|| table.ensure())).map_err(door)?;
    let objects = centre.objects()?;
    let mut rows = Rows::default();
    for head in heads {
        // One that is gone was compacted meanwhile; the large file has its rows.
        let Some(object) = centre.ask(|| objects.read(&head.key, FILE_BYTES_MAX)).map_err(door)? else {
            continue;
        };
        let found = log_file::decode(&head.key, object.bytes).map_err(door)?;
        rows.files += 1;
        runtime.block_on(restore_all(&table, found, now_s, &mut rows)).map_err(door)?;
        tracing::info!(file = head.key, "restored");
    }
    Ok(rows)
}

async fn restore_all(
    table: &Arc<dyn LogTable>,
    found: Vec<StoredItem>,
    now_s: u64,
    rows: &mut Rows,
) -> Result<(), DoorError> {
    let mut waiting = found.into_iter();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < WRITES_MAX
            && let Some(row) = waiting.next()
        {
            if row.item.expires_at_s.is_some_and(|at| at <= now_s) {
                rows.expired += 1;
                continue;
            }
            let table = Arc::clone(table);
            under_way.spawn(async move { patiently(|| restore(&*table, &row)).await });
        }
        match under_way.join_next().await {
            None => return Ok(()),
            Some(Ok(written)) => match written? {
                Written::Stored => rows.stored += 1,
                Written::Known => rows.known += 1,
                Written::Kept => rows.kept += 1,
                Written::Unprocessed | Written::Rejected(_) => rows.rejected += 1,
            },
            Some(Err(broken)) => {
                let detail = format!("a write ended in a way it should not ({broken})");
                return Err(DoorError::Unavailable {
                    place: "this program".into(),
                    detail,
                    retry_after: None,
                });
            }
        }
    }
}

/// One row of a file, as its sensor or the centre would write it late.
async fn restore(
    table: &dyn LogTable,
    StoredItem { item, truth }: &StoredItem,
) -> Result<Written, DoorError> {
    let Some(truth) = truth else { return table.update(item).await };
    // A label that was given while its flow ran lies there without it.
    let whole: Option<&LogItem> = (item.schema != keys::NO_FLOW).then_some(item);
    if truth.source != CENTRE {
        return match table.label(&item.key, &item.uid, truth, whole).await {
            // The flow never came up, or has expired.
            Err(DoorError::Absent { .. }) if whole.is_none() => Ok(Written::Kept),
            written => written,
        };
    }
    if let Some(item) = whole {
        table.update(item).await?;
    }
    table.label_at_centre(&item.key, truth).await
}

/// Asks again while the refusal is a passing one.
async fn patiently<T, F: Future<Output = Result<T, DoorError>>>(
    question: impl Fn() -> F,
) -> Result<T, DoorError> {
    let mut pause = Duration::from_millis(250);
    for _ in 1..ATTEMPTS {
        match question().await {
            Err(DoorError::Unavailable { retry_after, .. }) => {
                tokio::time::sleep(retry_after.unwrap_or(pause).min(Duration::from_secs(20))).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    question().await
}

/// Every model file under its serial, then the aliases where the channels' pointers say.
fn registry(centre: &Centre, config: &Config) -> Result<(usize, Vec<String>), Failure> {
    let name = config.model.name.as_str();
    let prefix = keys::model_versions(name, 0);
    let prefix = prefix.strip_suffix("0/").unwrap_or(&prefix);
    let serial = |key: &str| key.strip_prefix(prefix)?.split('/').next()?.parse::<u64>().ok();
    let mut files: Vec<(u64, String)> = list(centre, prefix)?
        .into_iter()
        .filter(|head| head.key.ends_with(".taphound"))
        .filter_map(|head| Some((serial(&head.key)?, head.key)))
        .collect();
    files.sort();
    let (learners, models): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(_, key)| key.ends_with(keys::LEARNER_END));
    let trust = trust(config)?;
    let folder = tempfile::tempdir().map_err(Failure::software)?;
    let objects = centre.objects()?;
    let fetch = |key: &str, name: &str| {
        let file = folder.path().join(name);
        let _ = std::fs::remove_file(&file);
        centre.ask(|| objects.download(key, &file, ARTIFACT_BYTES_MAX as u64)).map_err(door)?;
        let artifact = Artifact::read(&read_file(&file)?, &trust)
            .map_err(|fault| Failure::data(format!("{key}: {fault}; set `model.trust`")))?;
        Ok::<_, Failure>((file, artifact))
    };
    for (serial, key) in &models {
        let (file, model) = fetch(key, "model.taphound")?;
        let mut learner = None;
        for (_, key) in learners.iter().filter(|(of, _)| of == serial) {
            let (file, found) = fetch(key, "learner.taphound")?;
            if found.judges_as(&model) {
                learner = Some(file);
                break;
            }
        }
        // There is no card beside it: what its manifest says is what is known.
        register_files(centre, config, &file, learner.as_deref(), Path::new(""))?;
    }
    let registry = centre.registry()?;
    let mut aliases = Vec::new();
    for channel in [Channel::Production, Channel::Canary] {
        let Some(bytes) = centre.read_small(&keys::channel(name, channel.as_str()))? else { continue };
        let pointer = ChannelPointer::read(&bytes, &trust)
            .map_err(|fault| Failure::data(format!("the {channel} pointer: {fault}; set `model.trust`")))?;
        let digest = pointer.digest.to_string();
        let versions = centre.ask(|| registry.versions(name)).map_err(door)?;
        let Some(version) = versions.iter().find(|v| v.tags.get("digest") == Some(&digest)) else {
            return Err(Failure::data(format!(
                "the {channel} pointer names model {} ({digest}), and the object store has no such file",
                pointer.serial
            )));
        };
        centre.ask(|| registry.set_alias(name, channel.as_str(), version.version)).map_err(door)?;
        aliases.push(format!("{channel} is serial {}", pointer.serial));
    }
    if let Some(production) = centre.ask(|| registry.aliased(name, "production")).map_err(door)? {
        let staging = centre.ask(|| registry.aliased(name, "staging")).map_err(door)?;
        if staging.is_some_and(|staging| staging.version == production.version) {
            centre.ask(|| registry.remove_alias(name, "staging")).map_err(door)?;
        }
    }
    Ok((models.len(), aliases))
}
