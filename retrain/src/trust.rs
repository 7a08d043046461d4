//! Whom to believe: a labeller whose labels are contradicted by what others say of nearly the same flows is left out whole.
//!
//! The base set has no vote: a drift is where yesterday's truth no longer holds. A labeller without peers cannot be judged
//! and is believed.

use crate::dataset::{Row, Sink};
use crate::failure::Failure;
use model::{N_FEATURES, numeric};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

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
const PEERS_MAX: u64 = 4000;
/// Of a labeller's flows so many are judged, evenly spread, when there are more.
const JUDGED_MAX: u64 = 20_000;

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

/// Walks over all labelled rows, from the first to the last.
pub(crate) type Walk<'a> = &'a dyn Fn(Sink<'_>) -> Result<(), Failure>;

/// A flow that others are held against.
struct Peer {
    point: [f64; N_FEATURES],
    attack: bool,
    labeller: Arc<str>,
}

/// Every labeller's standing among the others. In memory are the peers alone, however many rows there are.
pub(crate) fn standings(walk: Walk<'_>) -> Result<BTreeMap<String, Standing>, Failure> {
    let mut given = BTreeMap::<Arc<str>, u64>::new();
    walk(&mut |row| {
        *given.entry(row.labeller).or_default() += 1;
        Ok(())
    })?;
    let step = given.values().sum::<u64>().div_ceil(PEERS_MAX).max(1);
    let (mut peers, mut place) = (Vec::new(), 0u64);
    walk(&mut |row| {
        if place.is_multiple_of(step) {
            let (point, attack) = (logarithms(&row.features), row.truth.is_attack());
            peers.push(Peer { point, attack, labeller: row.labeller });
        }
        place += 1;
        Ok(())
    })?;
    let mut standings = BTreeMap::<String, Standing>::new();
    walk(&mut |row| {
        let standing = standings.entry(row.labeller.to_string()).or_default();
        standing.rows += 1;
        if (standing.rows - 1).is_multiple_of(given[&row.labeller].div_ceil(JUDGED_MAX)) {
            standing.judge(&row, &peers);
        }
        Ok(())
    })?;
    Ok(standings)
}

impl Standing {
    /// Holds one label against what others say of the nearest flows.
    fn judge(&mut self, row: &Row, peers: &[Peer]) {
        let point = logarithms(&row.features);
        let mut near: Vec<(f64, usize)> = peers
            .iter()
            .enumerate()
            .filter(|(_, peer)| peer.labeller != row.labeller)
            .map(|(at, peer)| (distance(&point, &peer.point), at))
            .filter(|(distance, _)| *distance <= RADIUS)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.truncate(NEIGHBOURS);
        if near.len() < NEIGHBOURS_MIN {
            return;
        }
        let against = near.iter().filter(|(_, at)| peers[*at].attack != row.truth.is_attack()).count();
        self.judged += 1;
        self.contradicted += u64::from(against as f64 >= CONTRADICTION * near.len() as f64);
    }
}

/// Whether the row's labeller is believed.
pub(crate) fn stands(row: &Row, standings: &BTreeMap<String, Standing>, trust_min: f64) -> bool {
    standings.get(&*row.labeller).is_none_or(|standing| standing.is_believed(trust_min))
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
        let flow = |i: usize| {
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
        (0..count).map(flow).collect()
    }

    fn of(rows: &[Row]) -> BTreeMap<String, Standing> {
        standings(&|sink| rows.iter().cloned().try_for_each(sink)).unwrap()
    }

    #[test]
    fn who_flips_labels_is_left_out_and_the_others_stay() {
        let mut rows = said("a", 100, 0);
        rows.extend(said("b", 100, 0));
        rows.extend(said("bad", 60, 3));
        let found = of(&rows);
        assert!(found["a"].is_believed(0.95) && found["b"].is_believed(0.95), "{found:?}");
        assert!(!found["bad"].is_believed(0.95), "{found:?}");
        assert_eq!(rows.iter().filter(|row| stands(row, &found, 0.95)).count(), 200);
    }

    #[test]
    fn who_has_no_peers_is_believed() {
        let rows = said("only", 50, 3);
        let found = of(&rows);
        assert_eq!((found["only"].judged, found["only"].is_believed(0.95)), (0, true));
    }
}
