//! `check-drift`: are the labelled flows of the last day telling that the model no longer fits?

use crate::args::CheckDriftArgs;
use crate::centre::Centre;
use crate::config::{self, Config};
use crate::dataset;
use crate::drift::label_free::{self, Shift};
use crate::drift::{self, DriftType, Verdict};
use crate::failure::{Failure, read_file, write_file};
use crate::outcome::Outcome;
use crate::report;
use crate::sample::{self, Sample};
use model::Artifact;
use model::artifact::{Digest, Trust};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The newest flows that the label-free test looks at.
const FLOWS_MAX: usize = 200_000;
const HOUR_MS: u64 = 3_600_000;

/// The answer, as files and JSON name it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) drift: bool,
    pub(crate) drift_type: DriftType,
    pub(crate) first_drift_ts: Option<u64>,
    pub(crate) second_drift_ts: Option<u64>,
    pub(crate) retrain: bool,
    /// Where `fetch` begins: the first of the flows that prove the drift.
    pub(crate) window_ts: Option<u64>,
    pub(crate) labels: usize,
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) facts: Value,
}

/// What is known of earlier retrains.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    pub(crate) last_retrain_ms: Option<u64>,
    pub(crate) handled: Option<Handled>,
}

/// A drift that a run has dealt with, whatever came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Handled {
    /// When it began, ms.
    pub(crate) first_drift_ts: u64,
    /// Labels known of it then.
    pub(crate) labels: usize,
    /// When it was dealt with, ms.
    #[serde(default)]
    pub(crate) at_ms: u64,
    /// It was found without labels, and so has no beginning by which it would be known again.
    #[serde(default)]
    pub(crate) distribution: bool,
}

/// A refused drift is tried again once its labels have grown by this factor: until then the same data give the same answer.
const MORE_LABELS: f64 = 1.25;

/// `check-drift`.
pub(crate) fn run(args: &CheckDriftArgs) -> Result<Outcome, Failure> {
    let mut config = config::of(args.common.config.as_deref())?;
    let settings = &mut config.drift;
    settings.lookback_h = args.lookback_h.unwrap_or(settings.lookback_h);
    settings.adwin_delta = args.adwin_delta.unwrap_or(settings.adwin_delta);
    settings.trend_buffer_size = args.trend_buffer_size.unwrap_or(settings.trend_buffer_size);
    settings.labels_min = args.labels_min.unwrap_or(settings.labels_min);
    let now = args.common.now_ms.unwrap_or_else(crate::clock::now_ms);
    let shifts = match &args.model {
        Some(model) => Some(shifts(model, &args.flows)?),
        None if args.flows.is_empty() => None,
        None => {
            return Err(Failure::usage(
                "check-drift --flows: name the model they are held against with --model",
            ));
        }
    };
    let found = match &args.rows {
        Some(path) => judge(&sample::read_csv(path)?, shifts.as_deref(), &Before::default(), &config, now),
        None => {
            let centre = Centre::open(&config)?;
            let before = if args.force { Before::default() } else { centre.before()? };
            let samples = centre.samples(&config, window_from(&before, &config, now), now)?;
            judge(&samples, shifts.as_deref(), &before, &config, now)
        }
    };
    if let Some(folder) = &args.out {
        write_results(&found, folder)?;
    }
    let facts = serde_json::to_value(&found).map_err(Failure::software)?;
    report::print(args.common.json, &facts, &text(&found));
    Ok(found.outcome)
}

/// The lookback window, cut at the last retrain: what came before it was another model's.
pub(crate) fn window_from(before: &Before, config: &Config, now: u64) -> u64 {
    let lookback = now.saturating_sub(u64::from(config.drift.lookback_h) * HOUR_MS);
    lookback.max(before.last_retrain_ms.unwrap_or(0))
}

/// The rule and its limits over samples in the order of time.
pub(crate) fn judge(
    samples: &[Sample],
    shifts: Option<&[Shift]>,
    before: &Before,
    config: &Config,
    now: u64,
) -> Found {
    let settings = &config.drift;
    let verdict = drift::judge(samples, settings.adwin_delta, settings.trend_buffer_size);
    let moved = shifts.is_some_and(|shifts| {
        label_free::has_moved(shifts, settings.psi_max, settings.ks_max, settings.features_min)
    });
    let kind = match verdict.kind {
        DriftType::None if moved => DriftType::Distribution,
        kind => kind,
    };
    let at = |index: Option<usize>| index.map(|index| samples[index].timestamp);
    let first = at(verdict.first);
    let window = at(verdict.window).or_else(|| samples.first().map(|sample| sample.timestamp));
    let wanted = kind == DriftType::Negative || kind == DriftType::Distribution && settings.distribution;
    let of_drift =
        samples.iter().filter(|sample| window.is_some_and(|from| sample.timestamp >= from)).count();
    let cooldown_ms = u64::from(settings.cooldown_h) * HOUR_MS;
    let known = before.handled.filter(|handled| {
        let same = match kind {
            DriftType::Distribution => handled.distribution && now < handled.at_ms + cooldown_ms,
            _ => first.is_some_and(|first| first <= handled.first_drift_ts),
        };
        same && (of_drift as f64) < handled.labels as f64 * MORE_LABELS
    });
    let cooling = before.last_retrain_ms.map(|last| last + cooldown_ms);
    let (outcome, reason) = if let Some(until) = cooling.filter(|until| now < *until) {
        (
            Outcome::CoolingDown,
            format!("a retrain succeeded less than {} h ago (until {until})", settings.cooldown_h),
        )
    } else if samples.len() < settings.labels_min && kind != DriftType::Distribution {
        let (have, need) = (samples.len(), settings.labels_min);
        (Outcome::TooFewLabels, format!("{have} labelled flows in the window, {need} are needed"))
    } else if known.is_some() {
        (
            Outcome::NoDrift,
            "this drift has been dealt with; more labels of it make it be tried again".to_owned(),
        )
    } else if wanted {
        (Outcome::Done, reason_of(kind, &verdict))
    } else {
        (Outcome::NoDrift, reason_of(kind, &verdict))
    };
    Found {
        drift: kind != DriftType::None,
        drift_type: kind,
        first_drift_ts: first,
        second_drift_ts: at(verdict.second),
        retrain: outcome == Outcome::Done,
        window_ts: if kind == DriftType::None { None } else { window },
        labels: samples.len(),
        outcome,
        reason,
        facts: facts(&verdict, shifts, config),
    }
}

fn reason_of(kind: DriftType, verdict: &Verdict) -> String {
    let (past, recent) = verdict.means.unwrap_or_default();
    match kind {
        DriftType::Negative => format!("errors rose from {:.1} % to {:.1} %", past * 100.0, recent * 100.0),
        DriftType::Positive => format!("errors fell from {:.1} % to {:.1} %", past * 100.0, recent * 100.0),
        DriftType::Distribution => "the traffic has moved, errors have not".to_owned(),
        DriftType::None => format!("errors stay at {:.1} %", verdict.error * 100.0),
    }
}

fn facts(verdict: &Verdict, shifts: Option<&[Shift]>, config: &Config) -> Value {
    json!({
        "error": verdict.error, "error_recent": verdict.error_recent,
        "mean_before": verdict.means.map(|means| means.0), "mean_after": verdict.means.map(|means| means.1),
        "first_index": verdict.first, "second_index": verdict.second, "detected_index": verdict.detected,
        "adwin_delta": config.drift.adwin_delta, "trend_buffer_size": config.drift.trend_buffer_size,
        "shifts": shifts.map(label_free::facts),
    })
}

/// Flows against a model's reference quantiles.
fn shifts(model: &Path, flows: &[PathBuf]) -> Result<Vec<Shift>, Failure> {
    let bytes = read_file(model)?;
    let trust = Trust::none().with_digest(Digest::of(&bytes));
    let artifact = Artifact::read(&bytes, &trust)
        .map_err(|fault| Failure::data(format!("{}: {fault}", model.display())))?;
    let mut rows = Vec::new();
    dataset::stream_unlabelled(flows, &mut |row| {
        if rows.len() < FLOWS_MAX {
            rows.push(row.features);
        }
        Ok(())
    })?;
    Ok(label_free::of_features(&artifact.manifest().quantiles, &rows))
}

fn yes(value: bool) -> String {
    if value { "true" } else { "false" }.to_owned()
}

fn pairs(found: &Found) -> [(&'static str, String); 6] {
    let time = |time: Option<u64>| time.map_or(String::new(), |time| time.to_string());
    [
        ("DRIFT", yes(found.drift)),
        ("DRIFT_TYPE", found.drift_type.as_str().to_owned()),
        ("FIRST_DRIFT_TS", time(found.first_drift_ts)),
        ("SECOND_DRIFT_TS", time(found.second_drift_ts)),
        ("RETRAIN", yes(found.retrain)),
        ("WINDOW_TS", time(found.window_ts)),
    ]
}

/// A file a result, as workflow engines read parameters.
pub(crate) fn write_results(found: &Found, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|fault| Failure::cannot_create(folder, fault))?;
    for (name, value) in pairs(found) {
        write_file(&folder.join(name), value.as_bytes())?;
    }
    Ok(())
}

fn text(found: &Found) -> String {
    let lines: Vec<String> = pairs(found).iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        "{}\n{} ({} labelled flows): {}",
        lines.join("\n"),
        found.outcome.as_str(),
        found.labels,
        found.reason
    )
}

#[cfg(test)]
mod tests;
