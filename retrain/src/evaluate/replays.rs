//! Incidents held against the truth: what was found, how soon, what was called an attack and was none; and each opinion
//! alone beside all together.

use super::case::{Case, Flow, Incident, Listed};
use super::judged::{Judged, Measured};
use crate::failure::Failure;
use model::Category;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Captures of one group and variant.
#[derive(Default)]
struct Group {
    cases: Vec<String>,
    opinions: BTreeMap<&'static str, Vec<Judged>>,
    attacks: Vec<Value>,
    incidents: u64,
    false_incidents: Vec<Value>,
    by_behaviour: BTreeMap<String, [u64; 2]>,
    active_us: u64,
    benign_cases: u64,
}

/// Reads every replay and sums up by group and variant. `novel` is the novelty from which a flow counts as odd.
pub(super) fn facts(listed: &[Listed], novel: f64) -> Result<Value, Failure> {
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    for one in listed {
        let case = Case::read(one)?;
        groups.entry((one.group.clone(), one.variant.clone())).or_default().add(&case, novel);
    }
    Ok(groups.into_iter().map(|((group, variant), sums)| sums.into_json(&group, &variant)).collect())
}

impl Group {
    fn add(&mut self, case: &Case, novel: f64) {
        self.cases.push(case.name.clone());
        let mut real = vec![false; case.incidents.len()];
        let mut attacks: BTreeMap<usize, Attack> = BTreeMap::new();
        for flow in &case.flows {
            let covering: Vec<usize> =
                (0..case.incidents.len()).filter(|i| case.incidents[*i].covers(&flow.ends)).collect();
            self.judge(flow, &covering, &case.incidents, novel);
            if !flow.truth.is_attack() {
                continue;
            }
            covering.iter().for_each(|i| real[*i] = true);
            let Some(row) = case.activities.iter().position(|row| row.matches(&flow.ends)) else {
                continue;
            };
            attacks.entry(row).or_insert_with(|| Attack::new(flow)).add(flow, &covering);
        }
        for (row, attack) in attacks {
            self.attacks.push(attack.to_json(&case.name, case.activities[row].category, &case.incidents));
        }
        self.incidents += case.incidents.len() as u64;
        for (incident, real) in case.incidents.iter().zip(real) {
            let kind = incident.behaviour.clone().unwrap_or("forest".to_owned());
            self.by_behaviour.entry(kind).or_default()[usize::from(real)] += 1;
            if !real {
                self.false_incidents.push(json!({
                    "case": case.name, "category": incident.category, "behaviour": incident.behaviour,
                    "whom": incident.whom(), "reasons": incident.reasons,
                }));
            }
        }
        // Quiet hours would make a false alarm look rarer than it is.
        if case.flows.iter().all(|flow| !flow.truth.is_attack()) {
            self.active_us += case.active_us();
            self.benign_cases += 1;
        }
    }

    /// One flow by each opinion alone and by all of them.
    fn judge(&mut self, flow: &Flow, covering: &[usize], incidents: &[Incident], novel: f64) {
        let truth = flow.truth;
        let counted = covering.iter().map(|i| &incidents[*i]).find(|i| i.behaviour.is_some());
        let told = counted.or(covering.first().map(|i| &incidents[*i]));
        let yes = |found: Option<&Incident>| {
            let predicted = found.map_or(Category::Benign, |incident| incident.category);
            Judged { truth, predicted, score: f64::from(u8::from(found.is_some())), probabilities: None }
        };
        let forest = Judged { truth, predicted: flow.predicted, score: flow.score, probabilities: None };
        // Novelty says that a flow is odd, not what it is: it is right about any attack.
        let odd = flow.novelty >= novel;
        let guess = if truth.is_attack() { truth } else { Category::Scan };
        let predicted = if odd { guess } else { Category::Benign };
        let novelty = Judged { truth, predicted, score: flow.novelty, probabilities: None };
        let together = match counted {
            Some(_) => Judged { score: 1.0, ..yes(counted) },
            None => Judged {
                score: flow.score,
                ..if forest.predicted.is_attack() { forest.clone() } else { yes(told) }
            },
        };
        let opinions = [
            ("behaviour", yes(counted)),
            ("forest", forest),
            ("incidents", yes(told)),
            ("novelty", novelty),
            ("together", together),
        ];
        for (name, judged) in opinions {
            self.opinions.entry(name).or_default().push(judged);
        }
    }

    fn into_json(self, group: &str, variant: &str) -> Value {
        let opinions: BTreeMap<&str, Value> = self
            .opinions
            .into_iter()
            .map(|(name, judged)| (name, Measured::new(judged).to_json(false)))
            .collect();
        let hours = self.active_us as f64 / 3.6e9;
        let kinds: BTreeMap<String, Value> = self
            .by_behaviour
            .into_iter()
            .map(|(kind, [wrong, right])| (kind, json!({"true": right, "false": wrong})))
            .collect();
        json!({
            "group": group, "variant": variant, "cases": self.cases, "opinions": opinions,
            "attacks": self.attacks, "incidents": self.incidents, "incidents_by_opinion": kinds,
            "false_incidents": self.false_incidents, "benign_cases": self.benign_cases,
            "benign_active_hours": hours,
        })
    }
}

/// One attack: a row of truth that flows belong to.
struct Attack {
    flows: u64,
    first_us: u64,
    found_by: Vec<usize>,
}

impl Attack {
    fn new(flow: &Flow) -> Attack {
        Attack { flows: 0, first_us: flow.ends.start_us, found_by: Vec::new() }
    }

    fn add(&mut self, flow: &Flow, covering: &[usize]) {
        self.flows += 1;
        self.first_us = self.first_us.min(flow.ends.start_us);
        for incident in covering {
            if !self.found_by.contains(incident) {
                self.found_by.push(*incident);
            }
        }
    }

    fn to_json(&self, case: &str, category: Category, incidents: &[Incident]) -> Value {
        let found = || self.found_by.iter().map(|i| &incidents[*i]);
        let seconds = found().map(|i| i.shown_us.saturating_sub(self.first_us) as f64 / 1e6);
        json!({
            "case": case, "category": category, "flows": self.flows, "found": !self.found_by.is_empty(),
            "fitting": found().any(|incident| incident.category == category),
            "called": found().map(|incident| incident.category).collect::<Vec<_>>(),
            "seconds_to_alert": seconds.min_by(f64::total_cmp),
        })
    }
}
