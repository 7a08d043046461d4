//! `fetch`: the labelled flows of a drift, as many as are wanted, none of the labellers drowning the others.

use crate::args::FetchArgs;
use crate::centre::Centre;
use crate::config::{self, Fetch};
use crate::failure::{Failure, write_file};
use crate::outcome::Outcome;
use crate::report;
use crate::sample::{self, Sample};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// `fetch`.
pub(crate) fn run(args: &FetchArgs) -> Result<Outcome, Failure> {
    let mut config = config::of(args.common.config.as_deref())?;
    config.fetch.samples = args.samples.unwrap_or(config.fetch.samples);
    let to = args.to.or(args.common.now_ms).unwrap_or_else(crate::clock::now_ms);
    let samples = match &args.rows {
        Some(path) => sample::read_csv(path)?,
        None => Centre::open(&config)?.samples(&config, args.from, to)?,
    };
    let window = samples.into_iter().filter(|s| (args.from..to).contains(&s.timestamp)).collect();
    let (facts, outcome) = fetch(window, &config.fetch, &args.out)?;
    report::print(args.common.json, &facts, &text(&facts));
    Ok(outcome)
}

/// Chooses, writes, and tells what of.
pub(crate) fn fetch(window: Vec<Sample>, settings: &Fetch, out: &Path) -> Result<(Value, Outcome), Failure> {
    let found = window.len();
    let chosen = choose(window, settings);
    let attacks = chosen.iter().filter(|sample| sample.truth.is_attack()).count();
    let mut labellers = BTreeMap::<&str, u64>::new();
    for sample in &chosen {
        *labellers.entry(&sample.labeller).or_default() += 1;
    }
    let enough = chosen.len() >= settings.samples_min;
    if enough {
        write_file(out, &sample::to_csv(&chosen)?)?;
    }
    let facts = json!({
        "out": enough.then_some(out), "found": found, "samples": chosen.len(), "attacks": attacks,
        "wrong": chosen.iter().filter(|sample| sample.is_wrong()).count(), "labellers": labellers,
        "from": chosen.first().map(|s| s.timestamp), "to": chosen.last().map(|s| s.timestamp),
        "samples_min": settings.samples_min,
        "outcome": if enough { Outcome::Done } else { Outcome::TooFewLabels },
    });
    Ok((facts, if enough { Outcome::Done } else { Outcome::TooFewLabels }))
}

/// The newest, each labeller within the share that is any one's due.
fn choose(mut window: Vec<Sample>, settings: &Fetch) -> Vec<Sample> {
    let labellers: std::collections::BTreeSet<&str> = window.iter().map(|s| s.labeller.as_str()).collect();
    let wanted = settings.samples.min(window.len());
    let most = match labellers.len() {
        0 | 1 => wanted,
        _ => ((wanted as f64 * settings.labeller_share_max).floor() as usize).max(1),
    };
    let mut given = BTreeMap::<String, usize>::new();
    window.reverse();
    window.retain(|sample| {
        let given = given.entry(sample.labeller.clone()).or_default();
        *given += 1;
        *given <= most
    });
    window.truncate(settings.samples);
    window.reverse();
    window
}

pub(crate) fn text(facts: &Value) -> String {
    let labellers = facts["labellers"].as_object().map_or(0, serde_json::Map::len);
    match facts["out"].as_str() {
        Some(out) => format!(
            "{out}: {} of {} labelled flows, {} attacks, {} wrongly judged, {labellers} labellers",
            facts["samples"], facts["found"], facts["attacks"], facts["wrong"]
        ),
        None => {
            format!(
                "{} labelled flows, {} are needed: nothing written",
                facts["samples"], facts["samples_min"]
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::tests::stream;

    #[test]
    fn the_newest_are_taken_and_nobody_drowns_the_others() {
        let mut window = stream(std::iter::repeat_n(false, 1000));
        let settings = Fetch { samples: 100, ..Fetch::default() };
        let times = |samples: &[Sample]| samples.iter().map(|s| s.timestamp).collect::<Vec<_>>();
        assert_eq!(
            times(&choose(window.clone(), &settings)),
            times(&window[900..]),
            "one labeller gives all"
        );
        for (i, sample) in window.iter_mut().enumerate() {
            sample.labeller = if i % 10 == 0 { "quiet" } else { "loud" }.into();
        }
        let chosen = choose(window, &settings);
        let loud = chosen.iter().filter(|sample| sample.labeller == "loud").count();
        assert_eq!((chosen.len(), loud), (100, 50));
        assert!(chosen.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));
    }
}
