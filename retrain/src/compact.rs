//! `compact`: many small files of logs become few large ones, day by day; readers of Parquet pay for every file.
//!
//! Which files become one is written down first, then the large file, then the small ones go: whoever comes after a crash ends
//! what was begun. Between the last two steps a row is in two files, with one `uid`.

use crate::enroll_token::door;
use crate::failure::Failure;
use crate::report;
use ::fleet::objects::{ObjectHead, PutIf};
use ::fleet::{DoorError, ObjectStore, ObjectsSettings, keys, log_file};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Plans lie under this prefix while they are carried out.
const PLANS: &str = "compaction/";
/// A file of logs is never larger.
const FILE_BYTES_MAX: u64 = 1 << 30;
const PLAN_BYTES_MAX: u64 = 4 << 20;

/// What to make larger.
#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// The object store (`file:PATH`, or a bucket)
    #[arg(long, value_name = "STORE")]
    objects: ObjectsSettings,
    /// Only keys that begin so, for example `logs/schema=.../sensor=tap-7/`
    #[arg(long, value_name = "PREFIX", default_value = keys::LOGS)]
    prefix: String,
    /// Days must be so old that nothing comes to them any more
    #[arg(long, value_name = "DAYS", default_value_t = 2)]
    older_than: u64,
    /// A large file has at most so many MiB of small ones in it
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=512))]
    size: u64,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Files that become one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    into: String,
    from: Vec<String>,
}

#[derive(Default)]
struct Done {
    merged: usize,
    files: usize,
    rows: usize,
}

/// Compacts what is there.
pub(crate) fn run(args: &CompactArgs) -> Result<(), Failure> {
    if !args.prefix.starts_with(keys::LOGS) {
        return Err(Failure::usage(format!("`--prefix {}`: logs begin with `{}`", args.prefix, keys::LOGS)));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let done = runtime.map_err(Failure::software)?.block_on(async {
        let objects = args.objects.open().await.map_err(door)?;
        let mut done = Done::default();
        for head in list(&*objects, PLANS).await.map_err(door)? {
            let plan = objects.read(&head.key, PLAN_BYTES_MAX).await.map_err(door)?;
            let plan = plan.map(|object| serde_json::from_slice::<Plan>(&object.bytes));
            match plan {
                Some(Ok(plan)) => carry_out(&*objects, &head.key, &plan, &mut done).await?,
                Some(Err(e)) => {
                    return Err(Failure::data(format!("{}: is no plan ({e}); remove it", head.key)));
                }
                None => {}
            }
        }
        let today = ::fleet::log_table::utc_day(now_ms());
        let youngest = ::fleet::log_table::utc_day(now_ms().saturating_sub(args.older_than * 86_400_000));
        let heads = list(&*objects, &args.prefix).await.map_err(door)?;
        for plan in plans(&heads, args.size << 20, &youngest.min(today)) {
            let digest = Sha256::digest(plan.into.as_bytes());
            let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let key = format!("{PLANS}{name}.json");
            let bytes = serde_json::to_vec(&plan).map_err(Failure::software)?;
            objects.write(&key, bytes, PutIf::Always).await.map_err(door)?;
            carry_out(&*objects, &key, &plan, &mut done).await?;
        }
        Ok::<_, Failure>(done)
    })?;
    let facts = json!({"made": done.merged, "out_of": done.files, "rows": done.rows});
    let text = format!("{} files made out of {}, {} rows", done.merged, done.files, done.rows);
    report::print(args.json, &facts, &text);
    Ok(())
}

async fn list(objects: &dyn ObjectStore, prefix: &str) -> Result<Vec<ObjectHead>, DoorError> {
    let (mut heads, mut after) = (Vec::new(), None);
    loop {
        let mut page = objects.list(prefix, after.as_ref(), 1_000).await?;
        heads.append(&mut page.rows);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(heads),
        }
    }
}

/// Small files of one day and one kind, in the order of their names, up to `bytes_max` together.
fn plans(heads: &[ObjectHead], bytes_max: u64, before_day: &str) -> Vec<Plan> {
    let mut groups: BTreeMap<(&str, &str), Vec<&ObjectHead>> = BTreeMap::new();
    for head in heads {
        let Some((folder, name)) = head.key.rsplit_once('/') else { continue };
        let day = folder.rsplit_once("date=").map_or("", |(_, day)| day);
        // Labels stay apart from the flows that they are about: a table is rebuilt from flows, then labels.
        let kind = name.split('-').next().unwrap_or("");
        if name.ends_with(".parquet") && !day.is_empty() && day < before_day && head.bytes < bytes_max {
            groups.entry((folder, kind)).or_default().push(head);
        }
    }
    let mut plans = Vec::new();
    for ((folder, kind), heads) in groups {
        let mut some: Vec<&ObjectHead> = Vec::new();
        let mut bytes = 0;
        let mut close = |some: &mut Vec<&ObjectHead>| {
            if some.len() > 1 {
                let mut hash = Sha256::new();
                some.iter().for_each(|head| hash.update(head.key.as_bytes()));
                let tag: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
                let from = some.iter().map(|head| head.key.clone()).collect();
                plans.push(Plan { into: format!("{folder}/{kind}-compact-{tag}.parquet"), from });
            }
            some.clear();
        };
        for head in heads {
            if bytes + head.bytes > bytes_max {
                close(&mut some);
                bytes = 0;
            }
            bytes += head.bytes;
            some.push(head);
        }
        close(&mut some);
    }
    plans
}

async fn carry_out(
    objects: &dyn ObjectStore,
    key: &str,
    plan: &Plan,
    done: &mut Done,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut gone = 0;
    for from in &plan.from {
        match objects.read(from, FILE_BYTES_MAX).await.map_err(door)? {
            Some(object) => rows.extend(log_file::decode(from, object.bytes).map_err(door)?),
            None => gone += 1,
        }
    }
    // Files only go once the large one is there: whoever finds some gone has nothing left to write.
    if gone == 0 {
        done.rows += rows.len();
        let bytes = log_file::encode(&rows).map_err(door)?;
        match objects.write(&plan.into, bytes, PutIf::Absent).await {
            Ok(_) | Err(DoorError::Conflict { .. }) => {}
            Err(e) => return Err(door(e)),
        }
    }
    for from in &plan.from {
        objects.remove(from).await.map_err(door)?;
    }
    objects.remove(key).await.map_err(door)?;
    done.merged += 1;
    done.files += plan.from.len();
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "which days are over is a question of now")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::fleet::objects::ETag;

    fn head(key: &str, bytes: u64) -> ObjectHead {
        ObjectHead { key: key.into(), bytes, etag: ETag(String::new()), modified_ms: 0 }
    }

    #[test]
    fn small_files_of_one_day_and_kind_become_one() {
        let day = "logs/schema=s/sensor=a/date=2026-11-20";
        let heads = [
            head(&format!("{day}/alert-1-a.parquet"), 10),
            head(&format!("{day}/alert-2-b.parquet"), 10),
            head(&format!("{day}/alert-3-c.parquet"), 90),
            head(&format!("{day}/flow-1-d.parquet"), 10),
            head("logs/schema=s/sensor=a/date=2026-11-21/alert-1.parquet", 10),
            head("logs/schema=s/sensor=a/date=2026-11-21/alert-2.parquet", 10),
            head(&format!("{day}/alert-4-note.txt"), 1),
        ];
        let plans = plans(&heads, 100, "2026-11-21");
        assert_eq!(plans.len(), 1, "{plans:?}");
        assert_eq!(plans[0].from, [heads[0].key.clone(), heads[1].key.clone()]);
        assert!(plans[0].into.starts_with(&format!("{day}/alert-compact-")), "{plans:?}");
    }
}
