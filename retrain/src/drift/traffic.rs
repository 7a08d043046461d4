//! The traffic of a window, labelled or not, from the log files in the object store, held against what was normal when the production
//! model was made.

use super::label_free::{self, Shift};
use crate::centre::Centre;
use crate::champion;
use crate::config::Config;
use crate::failure::Failure;
use crate::sample;
use fleet::objects::ObjectHead;
use fleet::{keys, log_file};
use model::draws::TreeRng;
use model::{N_FEATURES, schema_id};

/// Flows that the test looks at: an even sample when there are more.
const FLOWS_MAX: usize = 200_000;
/// A file of logs is never larger.
const FILE_BYTES_MAX: u64 = 1 << 30;
const RESERVOIR_STREAM: u64 = u64::MAX - 4;
const PAGE: usize = 1000;

/// How far the flows that began from `from` on and before `to` are from the production model's reference; none without such a
/// model, or without flows.
pub(crate) fn shifts(
    centre: &Centre,
    config: &Config,
    from: u64,
    to: u64,
) -> Result<Option<Vec<Shift>>, Failure> {
    let Some(model) = champion::production_model(centre, config)? else {
        tracing::info!("no production model: nothing to hold the traffic against");
        return Ok(None);
    };
    let flows = flows(centre, from, to)?;
    tracing::info!(flows = flows.len(), serial = model.manifest().serial, "traffic held against the model");
    if flows.is_empty() {
        return Ok(None);
    }
    Ok(Some(label_free::of_features(&model.manifest().quantiles, &flows)))
}

/// An even sample (Vitter's reservoir) of the window's final records; one file is in memory at a time.
fn flows(centre: &Centre, from: u64, to: u64) -> Result<Vec<[f64; N_FEATURES]>, Failure> {
    let mut rng = TreeRng::for_tree(0, RESERVOIR_STREAM);
    let (mut kept, mut seen) = (Vec::new(), 0usize);
    let objects = centre.objects()?;
    for head in files(centre, from, to)? {
        let object =
            centre.ask(|| objects.read(&head.key, FILE_BYTES_MAX)).map_err(|fault| Failure::door(&fault))?;
        // Compaction may have taken it meanwhile; its rows are in another file.
        let Some(object) = object else { continue };
        let rows = log_file::decode(&head.key, object.bytes).map_err(|fault| Failure::door(&fault))?;
        for row in rows {
            let item = &row.item;
            let within = (from..to).contains(&item.key.timestamp_ms);
            if !within || item.rev == 0 || item.schema != schema_id() {
                continue;
            }
            let Some(features) = sample::features_of(item) else { continue };
            seen += 1;
            if kept.len() < FLOWS_MAX {
                kept.push(features);
            } else {
                let place = rng.below(seen);
                if place < FLOWS_MAX {
                    kept[place] = features;
                }
            }
        }
    }
    Ok(kept)
}

/// Files of flows whose day the window touches.
fn files(centre: &Centre, from: u64, to: u64) -> Result<Vec<ObjectHead>, Failure> {
    let objects = centre.objects()?;
    let prefix = format!("{}schema={}/", keys::LOGS, keys::part(schema_id()));
    let (first, last) = (fleet::log_table::utc_day(from), fleet::log_table::utc_day(to));
    let wanted = |key: &str| {
        let Some((folder, name)) = key.rsplit_once('/') else { return false };
        let day = folder.rsplit_once("date=").map_or("", |(_, day)| day);
        // Labels come again in files of their own.
        name.ends_with(".parquet")
            && !name.starts_with("label")
            && (first.as_str()..=last.as_str()).contains(&day)
    };
    let (mut files, mut after) = (Vec::new(), None);
    loop {
        let page = centre
            .ask(|| objects.list(&prefix, after.as_ref(), PAGE))
            .map_err(|fault| Failure::door(&fault))?;
        files.extend(page.rows.into_iter().filter(|head| wanted(&head.key)));
        after = page.next;
        if after.is_none() {
            return Ok(files);
        }
    }
}
