//! What the live recorder keeps and tells when there is too much of it.

use store::record::FlowId;

use super::{Budget, fraction};

#[test]
fn a_budget_allows_so_many_a_second_and_says_how_much_it_thins() {
    let mut budget = Budget::new(10);
    let allowed =
        |budget: &mut Budget, second: u64| (0..100).filter(|_| budget.allows(second * 1_000_000)).count();
    assert_eq!(allowed(&mut budget, 5), 10);
    assert_eq!(allowed(&mut budget, 6), 10);
    assert!((budget.thinning() - 10.0).abs() < 1e-9);
    assert!(budget.allows(7_000_000));
}

#[test]
fn samples_are_spread_evenly() {
    let ids = (0..=255u8).map(|first| FlowId { uid: [first; 16], segment: 0 });
    let chosen = ids.filter(|id| fraction(id) < 0.25).count();
    assert_eq!(chosen, 64);
}
