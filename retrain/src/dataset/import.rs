//! `dataset import`: labelled flows of `taphound replay --labels` go into the log table as their sensor saw them, with the truth as
//! a label set at the centre: how a labelled capture reaches the drift check without a fleet.

use super::csv_fault;
use crate::args::ImportArgs;
use crate::centre::Centre;
use crate::config;
use crate::failure::{Failure, read_file};
use crate::report;
use fleet::log_table::{Key, LogItem, TrueLabel, Written};
use model::{FEATURES, schema_id};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Flow {
    uid: String,
    segment: u32,
    flow_id: String,
    community_id: Option<String>,
    start_us: u64,
    end_us: u64,
    prediction: String,
    category: String,
    score: f64,
    model_version: u64,
    true_label: String,
    true_category: String,
    #[serde(default)]
    provisional: String,
    #[serde(skip)]
    features: BTreeMap<String, f64>,
}

/// `dataset import`.
pub(crate) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let mut flows = Vec::new();
    for path in &args.files {
        read(path, &mut flows)?;
    }
    flows.sort_by(|a, b| (a.start_us, &a.uid, a.segment).cmp(&(b.start_us, &b.uid, b.segment)));
    // Captures are old; a window that looks back from now is not.
    let last_us = flows.iter().map(|flow| flow.start_us).max().unwrap_or(0);
    let later_us = args.until_ms.map_or(0, |until| (until * 1000).saturating_sub(last_us + 1000));
    let centre = Centre::open(&config)?;
    let table = centre.table()?;
    centre.ask(|| table.ensure()).map_err(|fault| Failure::door(&fault))?;
    let (mut stored, mut known) = (0u64, 0u64);
    for (place, flow) in flows.iter().enumerate() {
        if args.share < 1.0 && (place as f64 * args.share).fract() + args.share < 1.0 {
            continue;
        }
        let item = item(flow, &args.sensor_id, later_us);
        let truth = TrueLabel {
            label: flow.true_label.clone(),
            category: Some(flow.true_category.clone()).filter(|name| name != "benign"),
            source: "import".to_owned(),
            by: args.by.clone(),
            at_ms: item.end_us / 1000,
            reason: None,
        };
        let uid = item.uid.clone();
        let written = centre
            .ask(|| table.label(&item.key, &uid, &truth, Some(&item)))
            .map_err(|fault| Failure::door(&fault))?;
        match written {
            Written::Stored => stored += 1,
            Written::Known | Written::Kept => known += 1,
            Written::Unprocessed | Written::Rejected(_) => {
                return Err(Failure::try_again(format!(
                    "flow {uid} was not taken by the log table; import again"
                )));
            }
        }
    }
    let facts = json!({"flows": flows.len(), "stored": stored, "known": known, "later_us": later_us});
    report::print(
        args.common.json,
        &facts,
        &format!("{stored} labelled flows stored, {known} were there before"),
    );
    Ok(())
}

fn read(path: &Path, flows: &mut Vec<Flow>) -> Result<(), Failure> {
    let bytes = read_file(path)?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().map_err(|fault| csv_fault(path, &fault))?.clone();
    let mut places = Vec::new();
    for name in FEATURES {
        let place = header.iter().position(|column| column == name);
        let remedy = "export flows with `taphound replay --labels FILE --out FLOWS.csv`";
        let what = || Failure::data(format!("{}:1: column `{name}` is missing; {remedy}", path.display()));
        places.push((name, place.ok_or_else(what)?));
    }
    for record in reader.records() {
        let record = record.map_err(|fault| csv_fault(path, &fault))?;
        let mut flow: Flow = record.deserialize(Some(&header)).map_err(|fault| csv_fault(path, &fault))?;
        if !flow.provisional.is_empty() {
            continue;
        }
        for (name, place) in &places {
            let text = record.get(*place).unwrap_or_default();
            let value = text.parse().map_err(|_| {
                Failure::data(format!("{}: flow {}: `{name}` is `{text}`", path.display(), flow.uid))
            })?;
            flow.features.insert((*name).to_owned(), value);
        }
        flows.push(flow);
    }
    Ok(())
}

fn item(flow: &Flow, sensor_id: &str, later_us: u64) -> LogItem {
    let start_us = flow.start_us + later_us;
    LogItem {
        // A flow that began in the same millisecond as another of its ends is told apart by its segment.
        key: Key {
            flow_id: format!("{sensor_id}|{}", flow.flow_id),
            timestamp_ms: start_us / 1000 + u64::from(flow.segment),
        },
        uid: format!("{}-{}", flow.uid, flow.segment),
        rev: 1,
        sensor_id: sensor_id.to_owned(),
        content: format!("{}: {}, score {:.3}", flow.flow_id, flow.category, flow.score),
        features: flow.features.clone(),
        label: flow.prediction.clone(),
        category: flow.category.clone(),
        score: flow.score,
        confidence: flow.score.max(1.0 - flow.score),
        model_version: flow.model_version,
        schema: schema_id().to_owned(),
        community_id: flow.community_id.clone().filter(|id| !id.is_empty()),
        start_us,
        end_us: flow.end_us + later_us,
        expires_at_s: None,
    }
}
