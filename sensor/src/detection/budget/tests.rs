//! The budget on streams of incidents: what it learns, what it holds back, and that nothing vanishes uncounted.

use super::{Budget, BudgetConfig, BudgetState, Held};
use crate::detection::incidents::Incidents;
use crate::detection::{BehaviourKind, Detection, Opinion, Scope};

const START: u64 = 1_700_000_000_000_000;
const HOUR_US: u64 = 3_600_000_000;

/// A behaviour episode of `kind` by host `n` at `at_us`, with so much evidence.
fn begin(incidents: &mut Incidents, kind: BehaviourKind, n: u8, at_us: u64, strength: f64) {
    incidents.tick(at_us);
    let source = Some([10, 0, 0, n].into());
    let scope = Scope { category: kind.category(), source, target: None, port: None };
    let detection = Detection {
        id: format!("{n}-{at_us}"),
        opinion: Opinion::Behaviour(kind),
        category: kind.category(),
        score: 1.0,
        confidence: 1.0,
        novelty: None,
        source,
        source_port: None,
        target: None,
        target_port: None,
        protocol: 6,
        first_us: at_us,
        last_us: at_us,
        provisional: false,
        revised: false,
        weighs: true,
        reasons: Vec::new(),
    };
    incidents.add(scope, detection, strength, |_| {});
}

fn with(config: BudgetConfig, state: BudgetState) -> Incidents {
    let mut incidents = Incidents::default();
    incidents.set_budget(Budget::new(config, state));
    incidents
}

fn held(incidents: &Incidents, cause: Held) -> u64 {
    incidents.budget().state().held.get(&cause).copied().unwrap_or(0)
}

#[test]
fn without_a_budget_everything_is_shown() {
    let mut incidents = with(BudgetConfig::default(), BudgetState::default());
    for n in 0..100 {
        begin(&mut incidents, BehaviourKind::FanOut, n, START + u64::from(n) * HOUR_US, 1.0);
    }
    assert_eq!((incidents.iter().count(), incidents.held_back().count()), (100, 0));
}

#[test]
fn a_day_has_its_budget_and_keeps_the_last_of_it_for_what_is_grave() {
    let config = BudgetConfig { incidents_a_day: Some(8), burn_in_s: 0 };
    let mut incidents = with(config, BudgetState::default());
    let midnight = START - START % (24 * HOUR_US);
    for n in 0..20 {
        begin(&mut incidents, BehaviourKind::FanOut, n, midnight + u64::from(n) * 1_000_000, 1.0);
    }
    assert_eq!(incidents.iter().count(), 6, "a scan is of medium severity");
    for n in 20..30 {
        begin(&mut incidents, BehaviourKind::Flood, n, midnight + u64::from(n) * 1_000_000, 1.0);
    }
    assert_eq!(incidents.iter().count(), 8);
    assert_eq!((held(&incidents, Held::OverBudget), incidents.held_back().count()), (22, 22));
    begin(&mut incidents, BehaviourKind::FanOut, 99, midnight + 25 * HOUR_US, 1.0);
    assert_eq!(incidents.iter().count(), 9, "another day, another budget");
}

#[test]
fn the_burn_in_learns_what_is_usual_but_nothing_gross() {
    let config = BudgetConfig { incidents_a_day: None, burn_in_s: 3_600 };
    let mut incidents = with(config, BudgetState::default());
    begin(&mut incidents, BehaviourKind::Beacon, 1, START, 1.6);
    begin(&mut incidents, BehaviourKind::Flood, 2, START + 1_000_000, 9.0);
    assert_eq!(incidents.iter().count(), 1, "a flood of nine times the threshold is shown at once");
    assert_eq!(held(&incidents, Held::BurnIn), 1);
    assert!(!incidents.budget().state().usual.contains_key("flood"), "and nobody gets used to it");

    let kept = serde_json::to_string(incidents.budget().state()).unwrap();
    let mut later = with(config, serde_json::from_str(&kept).unwrap());
    let after = START + 2 * HOUR_US;
    begin(&mut later, BehaviourKind::Beacon, 3, after, 1.9);
    assert_eq!((later.iter().count(), held(&later, Held::Usual)), (0, 1), "as regular as what is usual here");
    begin(&mut later, BehaviourKind::Beacon, 4, after, 2.1);
    begin(&mut later, BehaviourKind::FanOut, 4, after, 1.0);
    assert_eq!(later.iter().count(), 2, "more than usual, and what was never seen");
    begin(&mut later, BehaviourKind::Beacon, 1, after, 2.9);
    assert_eq!(later.iter().count(), 2, "the pair that the burn-in knew");
    begin(&mut later, BehaviourKind::Beacon, 1, after + 1_000_000, 3.0);
    assert_eq!(later.iter().count(), 3, "until its evidence is gross");
    assert_eq!(held(&later, Held::Usual), 1, "what is shown after all is not counted as held");
}
