//! `merge`: the drift data and as much of the base set as keeps the old concept alive. The drift is the anchor: the base adds
//! as many attacks as the drift has, spread over its categories, and benign flows until both sides are equal.

use crate::args::MergeArgs;
use crate::config;
use crate::dataset::{self, Row, RowWriter, Sink, Split};
use crate::failure::Failure;
use crate::incremental;
use crate::outcome::Outcome;
use crate::report;
use crate::trust;
use model::Category;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of the base rows taken, this share comes from those that the base set holds out itself, if it does.
const HELD_OUT_SHARE: f64 = 0.2;

/// What to merge.
pub(crate) struct Plan<'a> {
    pub(crate) drift: &'a Path,
    pub(crate) base: &'a [PathBuf],
    pub(crate) out: &'a Path,
    pub(crate) base_ratio: f64,
    /// 0 trusts everybody.
    pub(crate) trust_min: f64,
    /// Categories that the champion knows. The base keeps these alive and teaches no others: what a model was deliberately not
    /// taught is not an old concept. None: all of the base.
    pub(crate) known: Option<Vec<Category>>,
}

impl Plan<'_> {
    fn takes(&self, row: &Row) -> bool {
        !row.is_provisional() && self.known.as_ref().is_none_or(|known| known.contains(&row.truth))
    }
}

/// `merge`.
pub(crate) fn run(args: &MergeArgs) -> Result<Outcome, Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let plan = Plan {
        drift: &args.drift,
        base: &args.base,
        out: &args.out,
        base_ratio: args.base_ratio.unwrap_or(config.merge.base_ratio),
        trust_min: if args.trust_all { 0.0 } else { config.merge.trust_min },
        known: args.champion.as_deref().map(incremental::classes_of).transpose()?,
    };
    let facts = merge(&plan)?;
    report::print(args.common.json, &facts, &text(&facts));
    Ok(Outcome::Done)
}

/// Kinds of base rows that quotas are given to.
type Kind = (Category, bool);

/// Merges and tells what of.
pub(crate) fn merge(plan: &Plan<'_>) -> Result<Value, Failure> {
    let drift = [plan.drift.to_owned()];
    let drift_rows = |sink: Sink<'_>| {
        let digest =
            dataset::stream(&drift, &mut |row| if row.is_provisional() { Ok(()) } else { sink(row) })?;
        Ok::<_, Failure>(digest)
    };
    let standings = trust::standings(&|sink| drift_rows(sink).map(|_| ()))?;
    let given: u64 = standings.values().map(|standing| standing.rows).sum();
    let (mut attacks, mut benign) = (0u64, 0u64);
    let drift_digest = drift_rows(&mut |row| {
        if trust::stands(&row, &standings, plan.trust_min) {
            *if row.truth.is_attack() { &mut attacks } else { &mut benign } += 1;
        }
        Ok(())
    })?;
    if attacks + benign == 0 {
        let what = format!("none of its {given} rows comes from a labeller who is believed; see --trust-all");
        return Err(Failure::data(format!("{}: {what}", plan.drift.display())));
    }
    let mut counts = BTreeMap::<Kind, u64>::new();
    let base_digest = dataset::stream(plan.base, &mut |row| {
        if plan.takes(&row) {
            *counts.entry(kind(&row)).or_default() += 1;
        }
        Ok(())
    })?;
    let quotas = quotas(&counts, attacks, benign, plan.base_ratio);
    let mut writer = RowWriter::create(plan.out)?;
    let mut merged = BTreeMap::<(&str, Category), u64>::new();
    let (of_drift, base): (Arc<str>, Arc<str>) = ("DRIFT".into(), "BASE".into());
    drift_rows(&mut |mut row| {
        if !trust::stands(&row, &standings, plan.trust_min) {
            return Ok(());
        }
        row.source = of_drift.clone();
        row.split = Split::Train;
        *merged.entry(("DRIFT", row.truth)).or_default() += 1;
        writer.write(row)
    })?;
    let mut seen = BTreeMap::<Kind, u64>::new();
    dataset::stream(plan.base, &mut |mut row| {
        if !plan.takes(&row) {
            return Ok(());
        }
        let kind = kind(&row);
        let (quota, count) = (quotas.get(&kind).copied().unwrap_or(0), counts[&kind]);
        let place = seen.entry(kind).or_default();
        *place += 1;
        // Every so manieth row: spread over the whole set, whatever its order.
        if *place * quota / count > (*place - 1) * quota / count {
            row.source = base.clone();
            *merged.entry(("BASE", row.truth)).or_default() += 1;
            writer.write(row)?;
        }
        Ok(())
    })?;
    let total = writer.finish()?;
    let by_source: Vec<Value> = merged
        .iter()
        .map(|((source, category), rows)| json!({"source": source, "category": category, "rows": rows}))
        .collect();
    Ok(json!({
        "out": plan.out, "rows": total, "drift_rows_given": given, "by_source": by_source,
        "labellers": trust::facts(&standings, plan.trust_min),
        "drift_sha256": drift_digest.to_string(), "base_sha256": base_digest.to_string(),
    }))
}

fn kind(row: &Row) -> Kind {
    (row.truth, matches!(row.split, Split::Test | Split::TestTool | Split::Validation))
}

/// Rows to take of each kind of base rows.
fn quotas(counts: &BTreeMap<Kind, u64>, attacks: u64, benign: u64, ratio: f64) -> BTreeMap<Kind, u64> {
    // A drift of benign flows alone still needs attacks to be told from.
    let anchor = if attacks > 0 { attacks } else { benign };
    let base_attacks = (anchor as f64 * ratio).round() as u64;
    let base_benign = (attacks + base_attacks).saturating_sub(benign);
    let of = |wanted: &dyn Fn(Category) -> bool| {
        let mut by_category = BTreeMap::<Category, u64>::new();
        for ((category, _), count) in counts.iter().filter(|((category, _), _)| wanted(*category)) {
            *by_category.entry(*category).or_default() += count;
        }
        by_category
    };
    let mut shares = evenly(&of(&|category| category.is_attack()), base_attacks);
    shares.extend(evenly(&of(&|category| !category.is_attack()), base_benign));
    let mut quotas = BTreeMap::new();
    for (category, share) in shares {
        let held_out = counts.get(&(category, true)).copied().unwrap_or(0);
        let free = counts.get(&(category, false)).copied().unwrap_or(0);
        let wanted = ((share as f64 * HELD_OUT_SHARE).round() as u64).min(held_out);
        let from_free = (share - wanted).min(free);
        quotas.insert((category, true), (share - from_free).min(held_out));
        quotas.insert((category, false), from_free);
    }
    quotas
}

/// Parts `wanted` rows evenly among categories, none more than it has.
fn evenly(counts: &BTreeMap<Category, u64>, wanted: u64) -> BTreeMap<Category, u64> {
    let mut shares: BTreeMap<Category, u64> = counts.keys().map(|category| (*category, 0)).collect();
    let mut left = wanted.min(counts.values().sum());
    while left > 0 {
        let open: Vec<Category> =
            counts.keys().copied().filter(|category| shares[category] < counts[category]).collect();
        let each = (left / open.len() as u64).max(1);
        for category in open {
            let more = each.min(counts[&category] - shares[&category]).min(left);
            *shares.entry(category).or_default() += more;
            left -= more;
        }
    }
    shares
}

pub(crate) fn text(facts: &Value) -> String {
    let mut text = format!("{}: {} rows\n", facts["out"].as_str().unwrap_or_default(), facts["rows"]);
    for one in facts["by_source"].as_array().into_iter().flatten() {
        let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!("{:<8}{:<16}{:>9}\n", word("source"), word("category"), one["rows"]));
    }
    for one in facts["labellers"].as_array().into_iter().flatten().filter(|one| one["believed"] == false) {
        text.push_str(&format!(
            "left out: {} ({} of {} labels contradicted by others)\n",
            one["labeller"].as_str().unwrap_or_default(),
            one["contradicted"],
            one["judged"]
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_brings_both_sides_to_parity() {
        use Category::{Benign, C2, Dos, Scan};
        let counts = BTreeMap::from([
            ((Benign, false), 10_000),
            ((Benign, true), 2_000),
            ((Dos, false), 5_000),
            ((Scan, false), 30),
            ((C2, true), 40),
        ]);
        for (attacks, benign) in [(100, 300), (200, 100), (0, 120), (10_000, 0)] {
            let quotas = quotas(&counts, attacks, benign, 1.0);
            let sum = |side: bool| {
                quotas.iter().filter(|((c, _), _)| c.is_attack() == side).map(|(_, n)| n).sum::<u64>()
            };
            let anchor = if attacks > 0 { attacks } else { benign };
            assert_eq!(sum(true), anchor.min(5_070), "{attacks} {benign}: {quotas:?}");
            assert_eq!(
                sum(false),
                (attacks + anchor).saturating_sub(benign).min(12_000),
                "{attacks} {benign}"
            );
            assert!(quotas.iter().all(|(kind, n)| *n <= counts.get(kind).copied().unwrap_or(0)));
        }
        let quotas = quotas(&counts, 300, 0, 1.0);
        assert_eq!((quotas[&(Scan, false)], quotas[&(C2, true)]), (30, 40), "rare categories come whole");
    }
}
