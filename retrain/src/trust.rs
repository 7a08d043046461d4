//! Whom to believe: a labeller whose labels are contradicted by what others say of nearly the same flows is left out whole.
//!
//! The base set has no vote: a drift is where yesterday's truth no longer holds. A labeller without peers cannot be judged
//! and is believed.

use crate::dataset::Row;
use model::{N_FEATURES, numeric};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Flows nearer than this are nearly the same: Euclidean distance of the features' logarithms.
const RADIUS: f64 = 2.0;
const NEIGHBOURS: usize = 5;
/// Fewer neighbours than this give no opinion.
const NEIGHBOURS_MIN: usize = 3;
/// Of the neighbours, this share must say otherwise.
const CONTRADICTION: f64 = 0.8;
/// A labeller is judged by at least so many flows.
const JUDGED_MIN: u64 = 10;
/// Peers' flows that are looked at, evenly spread, when there are more.
const PEERS_MAX: usize = 4000;

/// What came of a labeller.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Standing {
    pub(crate) rows: u64,
    /// Rows that had enough neighbours of other labellers.
    pub(crate) judged: u64,
    pub(crate) contradicted: u64,
}

impl Standing {
    /// Share of judged labels that stood.
    pub(crate) fn trust(&self) -> f64 {
        if self.judged == 0 { 1.0 } else { 1.0 - self.contradicted as f64 / self.judged as f64 }
    }

    pub(crate) fn is_believed(&self, trust_min: f64) -> bool {
        self.judged < JUDGED_MIN || self.trust() >= trust_min
    }
}

fn logarithms(x: &[f64; N_FEATURES]) -> [f64; N_FEATURES] {
    x.map(|value| {
        let value = numeric::tame(value);
        numeric::ln(1.0 + value.abs()).copysign(value)
    })
}

fn distance(a: &[f64; N_FEATURES], b: &[f64; N_FEATURES]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b)).sqrt()
}

/// Every labeller's standing among the others.
pub(crate) fn standings(rows: &[Row]) -> BTreeMap<String, Standing> {
    let points: Vec<[f64; N_FEATURES]> = rows.iter().map(|row| logarithms(&row.features)).collect();
    let step = rows.len().div_ceil(PEERS_MAX).max(1);
    let peers: Vec<usize> = (0..rows.len()).step_by(step).collect();
    let mut standings = BTreeMap::<String, Standing>::new();
    for (row, point) in rows.iter().zip(&points) {
        let standing = standings.entry(row.labeller.to_string()).or_default();
        standing.rows += 1;
        let mut near: Vec<(f64, usize)> = peers
            .iter()
            .filter(|peer| rows[**peer].labeller != row.labeller)
            .map(|peer| (distance(point, &points[*peer]), *peer))
            .filter(|(distance, _)| *distance <= RADIUS)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.truncate(NEIGHBOURS);
        if near.len() < NEIGHBOURS_MIN {
            continue;
        }
        let against =
            near.iter().filter(|(_, peer)| rows[*peer].truth.is_attack() != row.truth.is_attack()).count();
        standing.judged += 1;
        standing.contradicted += u64::from(against as f64 >= CONTRADICTION * near.len() as f64);
    }
    standings
}

/// Leaves out the rows of labellers who are not believed; gives what is left.
pub(crate) fn believed(rows: Vec<Row>, standings: &BTreeMap<String, Standing>, trust_min: f64) -> Vec<Row> {
    let stands = |row: &Row| standings.get(&*row.labeller).is_none_or(|s| s.is_believed(trust_min));
    rows.into_iter().filter(stands).collect()
}

pub(crate) fn facts(standings: &BTreeMap<String, Standing>, trust_min: f64) -> Value {
    standings
        .iter()
        .map(|(labeller, standing)| {
            json!({
                "labeller": labeller, "rows": standing.rows, "judged": standing.judged,
                "contradicted": standing.contradicted, "trust": standing.trust(),
                "believed": standing.is_believed(trust_min),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;
    use model::Category;

    /// Two kinds of flows, one benign and one an attack, told by `labeller`; every `flip`th label is wrong.
    fn said(labeller: &str, count: usize, flip: usize) -> Vec<Row> {
        let of = |i: usize| {
            let attack = i.is_multiple_of(2);
            let wrong = flip > 0 && i.is_multiple_of(flip);
            let scale = if attack { 1.0 } else { 1e5 };
            Row {
                features: std::array::from_fn(|f| scale * (1.0 + f as f64) * (1.0 + (i % 5) as f64 / 50.0)),
                truth: if attack != wrong { Category::Dos } else { Category::Benign },
                split: Split::Train,
                stage: "".into(),
                run: "".into(),
                tool: "".into(),
                source: "DRIFT".into(),
                labeller: labeller.into(),
            }
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn who_flips_labels_is_left_out_and_the_others_stay() {
        let mut rows = said("a", 100, 0);
        rows.extend(said("b", 100, 0));
        rows.extend(said("bad", 60, 3));
        let found = standings(&rows);
        assert!(found["a"].is_believed(0.95) && found["b"].is_believed(0.95), "{found:?}");
        assert!(!found["bad"].is_believed(0.95), "{found:?}");
        assert_eq!(believed(rows, &found, 0.95).len(), 200);
    }

    #[test]
    fn who_has_no_peers_is_believed() {
        let rows = said("only", 50, 3);
        let found = standings(&rows);
        assert_eq!((found["only"].judged, found["only"].is_believed(0.95)), (0, true));
    }
}
