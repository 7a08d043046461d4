//! Two models, one set of flows: where they agree, which flows change sides, and which features changed the verdict.
//!
//! The same comparison serves a capture (`replay --versus`) and a store (`model versus`): what an analyst looks at before a
//! model is trusted. It is about the forests' verdicts; behaviour counters do not depend on the model.

mod stored;

use std::collections::BTreeMap;

use model::{Category, FEATURES, N_FEATURES};
use serde::Serialize;

use crate::report;
use crate::scoring::{Model, Scored};

pub use stored::run;

/// What two models say of the same flows.
pub struct Comparison<'a> {
    first: &'a Model,
    second: &'a Model,
    flows: u64,
    moves: BTreeMap<(Category, Category), Move>,
    examples: Vec<Example>,
}

/// Flows that the first model puts into one category and the second into another.
#[derive(Debug, Clone, Default)]
struct Move {
    flows: u64,
    /// Flows whose contributions were added up.
    explained: u64,
    /// By feature, the sum of what it adds to the second model's score less what it adds to the first's.
    difference: [f64; N_FEATURES],
    /// Flows of which the truth is known, and how often each model has it.
    known: u64,
    first_right: u64,
    second_right: u64,
}

/// The comparison as `--summary json` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Versus {
    /// Serial of the second model.
    pub model_version: u64,
    /// Its digest, hex.
    pub digest: String,
    /// Flows that both judged when they ended.
    pub flows: u64,
    /// Of them with another category.
    pub changed: u64,
    /// Of them called an attack by the second model alone.
    pub to_attack: u64,
    /// Of them called an attack by the first model alone.
    pub to_benign: u64,
    /// Flows: by the first model's category, then by the second's.
    pub matrix: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// What changed, most flows first.
    pub moves: Vec<MoveSummary>,
    /// Some of the flows that changed, in the order in which they were met.
    pub examples: Vec<Example>,
}

/// Flows of one cell of the matrix, off its diagonal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoveSummary {
    /// The first model's category.
    pub from: &'static str,
    /// The second's.
    pub to: &'static str,
    /// Flows.
    pub flows: u64,
    /// The features that moved the score most: mean of what each adds to the second model's score less the first's.
    pub contributions: Vec<Weight>,
    /// Of how many of them the truth is known: labels, or ground truth.
    pub known: u64,
    /// How many of those the first model has right (attack or benign).
    pub first_right: u64,
    /// How many the second.
    pub second_right: u64,
}

/// A feature's signed share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Weight {
    /// The feature.
    pub feature: &'static str,
    /// Its share.
    pub weight: f64,
}

/// A flow that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Its id.
    pub id: String,
    /// `src-dst-sport-dport-proto`.
    pub flow_id: String,
    /// The first model's category and score.
    pub from: (&'static str, f64),
    /// The second's.
    pub to: (&'static str, f64),
    /// What moved its score most.
    pub contributions: Vec<Weight>,
}

/// Flows of a move that are explained; the rest is alike.
const EXPLAINED_MAX: u64 = 500;
/// Examples kept of all, and of one move.
const EXAMPLES_MAX: usize = 200;
const EXAMPLES_OF_MOVE: u64 = 20;
/// Features named.
const REASONS: usize = 3;

impl<'a> Comparison<'a> {
    /// Nothing compared yet.
    #[must_use]
    pub fn new(first: &'a Model, second: &'a Model) -> Self {
        Self { first, second, flows: 0, moves: BTreeMap::new(), examples: Vec::new() }
    }

    /// Compares a flow that has ended. `first` is the first model's opinion of it, `attack` the truth where it is known, and
    /// `names` gives its id and `flow_id`.
    pub fn add(
        &mut self,
        features: &[f64; N_FEATURES],
        first: &Scored,
        attack: Option<bool>,
        names: impl FnOnce() -> (String, String),
    ) {
        let second = self.second.score_vector(features, true).prediction;
        let first = &first.prediction;
        self.flows += 1;
        let cell = self.moves.entry((first.category, second.category)).or_default();
        cell.flows += 1;
        if let Some(attack) = attack {
            cell.known += 1;
            cell.first_right += u64::from(first.attack == attack);
            cell.second_right += u64::from(second.attack == attack);
        }
        if first.category == second.category || cell.explained == EXPLAINED_MAX {
            return;
        }
        let before = self.first.artifact().explain(features).contributions;
        let after = self.second.artifact().explain(features).contributions;
        let difference: [f64; N_FEATURES] = std::array::from_fn(|f| after[f] - before[f]);
        for (sum, part) in cell.difference.iter_mut().zip(difference) {
            *sum += part;
        }
        cell.explained += 1;
        if cell.explained <= EXAMPLES_OF_MOVE && self.examples.len() < EXAMPLES_MAX {
            let (id, flow_id) = names();
            self.examples.push(Example {
                id,
                flow_id,
                from: (first.category.as_str(), first.score),
                to: (second.category.as_str(), second.score),
                contributions: strongest(&difference),
            });
        }
    }

    /// What came of it.
    #[must_use]
    pub fn summary(&self) -> Versus {
        let mut versus = Versus {
            model_version: self.second.version(),
            digest: self.second.artifact().digest().to_string(),
            flows: self.flows,
            changed: 0,
            to_attack: 0,
            to_benign: 0,
            matrix: BTreeMap::new(),
            moves: Vec::new(),
            examples: self.examples.clone(),
        };
        for ((from, to), cell) in &self.moves {
            versus.matrix.entry(from.as_str()).or_default().insert(to.as_str(), cell.flows);
            if from == to {
                continue;
            }
            versus.changed += cell.flows;
            match (from.is_attack(), to.is_attack()) {
                (false, true) => versus.to_attack += cell.flows,
                (true, false) => versus.to_benign += cell.flows,
                _ => {}
            }
            let mean = cell.difference.map(|sum| sum / cell.explained.max(1) as f64);
            versus.moves.push(MoveSummary {
                from: from.as_str(),
                to: to.as_str(),
                flows: cell.flows,
                contributions: strongest(&mean),
                known: cell.known,
                first_right: cell.first_right,
                second_right: cell.second_right,
            });
        }
        versus.moves.sort_by_key(|change| (std::cmp::Reverse(change.flows), change.from, change.to));
        versus
    }
}

impl Versus {
    /// For people: the matrix, what moved and why, and the first examples.
    #[must_use]
    pub fn describe(&self, first_version: u64) -> String {
        let mut text = format!(
            "Model {first_version} versus model {}: {} flows, {} changed ({} become attacks, {} become benign)\n",
            self.model_version, self.flows, self.changed, self.to_attack, self.to_benign
        );
        if self.flows == 0 {
            return text;
        }
        let mut columns: Vec<&str> = self.matrix.values().flat_map(|row| row.keys().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        let header = [format!("model {first_version} \\ model {}", self.model_version)];
        let header = header.into_iter().chain(columns.iter().map(|c| (*c).to_owned()));
        let mut matrix = report::table(header);
        for (from, row) in &self.matrix {
            let counts = columns.iter().map(|c| row.get(c).copied().unwrap_or(0).to_string());
            matrix.add_row([(*from).to_owned()].into_iter().chain(counts));
        }
        text.push_str(&format!("{matrix}\n"));
        if self.moves.is_empty() {
            return text;
        }
        let mut moves =
            report::table(["from", "to", "flows", "because", "truth known", "right before", "right after"]);
        for change in &self.moves {
            moves.add_row([
                change.from.to_owned(),
                change.to.to_owned(),
                change.flows.to_string(),
                because(&change.contributions),
                change.known.to_string(),
                change.first_right.to_string(),
                change.second_right.to_string(),
            ]);
        }
        let mut examples = report::table(["flow", "from", "to", "because", "id"]);
        for example in self.examples.iter().take(20) {
            let side = |(category, score): (&str, f64)| format!("{category} {score:.3}");
            examples.add_row([
                example.flow_id.clone(),
                side(example.from),
                side(example.to),
                because(&example.contributions),
                example.id.clone(),
            ]);
        }
        text.push_str(&format!("\nWhat changes\n{moves}\n\nFor example\n{examples}\n"));
        text
    }
}

fn because(weights: &[Weight]) -> String {
    weights.iter().map(|w| format!("{} {:+.3}", w.feature, w.weight)).collect::<Vec<_>>().join("\n")
}

/// The features with the largest shares, whatever their sign.
fn strongest(weights: &[f64; N_FEATURES]) -> Vec<Weight> {
    let mut order: Vec<usize> = (0..N_FEATURES).filter(|&f| weights[f] != 0.0).collect();
    order.sort_by(|&a, &b| weights[b].abs().total_cmp(&weights[a].abs()).then(a.cmp(&b)));
    order.truncate(REASONS);
    order.into_iter().map(|f| Weight { feature: FEATURES[f], weight: weights[f] }).collect()
}

#[cfg(test)]
mod tests;
