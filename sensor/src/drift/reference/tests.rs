//! References hold where quantiles tie, repeat or are missing.

use model::quantiles::{PROBABILITIES, quantiles};

use super::{Cells, psi_between};

/// Evenly spread numbers in [0, 1), the same on every run.
fn spread(n: usize) -> impl Iterator<Item = f64> {
    (0..n).map(|i| (i as f64 * 0.618_033_988_749_894_9).fract())
}

fn psi(made_of: &dyn Fn(f64) -> f64, seen: &dyn Fn(f64) -> f64) -> f64 {
    let mut training: Vec<f64> = spread(20_000).map(made_of).collect();
    let cells = Cells::new(&PROBABILITIES, &quantiles(&mut training));
    let mut counts = vec![0.0; cells.len()];
    for value in spread(3_000).map(seen) {
        counts[cells.of(value)] += 1.0;
    }
    cells.psi(&counts)
}

/// A value from a uniform one.
type Shape = fn(f64) -> f64;

#[test]
fn the_same_stream_has_not_moved_whatever_its_ties() {
    let shapes: [(&str, Shape); 7] = [
        ("smooth", |u| -u.ln()),
        ("one value only", |_| 4.0),
        ("15 % zeros", |u| if u < 0.15 { 0.0 } else { u * 1e6 }),
        ("45 % zeros", |u| if u < 0.45 { 0.0 } else { u * 7.7 }),
        ("small counts", |u| (-u.ln() * 3.0).floor()),
        ("two values", |u| f64::from(u8::from(u < 0.37))),
        ("a tie at the top", |u| if u > 0.7 { 1460.0 } else { (u * 1000.0).floor() }),
    ];
    for (name, shape) in shapes {
        let psi = psi(&shape, &shape);
        assert!(psi < 0.01, "{name}: PSI {psi}");
    }
}

#[test]
fn a_stream_that_moved_shows_it() {
    let moves: [(&str, Shape, Shape); 5] = [
        ("twice as large", |u| -u.ln(), |u| -u.ln() * 2.0),
        ("zeros instead of values", |u| u * 9.0, |u| if u < 0.4 { 0.0 } else { u * 9.0 }),
        ("values instead of zeros", |u| if u < 0.6 { 0.0 } else { u }, |u| u),
        ("counts grow", |u| (u * 6.0).floor(), |u| (u * 6.0).floor() + 3.0),
        ("all below what was ever seen", |u| 10.0 + u, |u| u),
    ];
    for (name, before, after) in moves {
        let psi = psi(&before, &after);
        assert!(psi > 0.25, "{name}: PSI {psi}");
    }
}

#[test]
fn nothing_seen_is_nothing_moved() {
    let cells = Cells::new(&PROBABILITIES, &[0.0; 15]);
    assert_eq!(cells.psi(&vec![0.0; cells.len()]), 0.0);
    assert_eq!(Cells::new(&[], &[]).len(), 1);
    assert_eq!(psi_between(&[0.0, 0.0], &[1.0, 2.0]), 0.0);
    assert!(psi_between(&[10.0, 90.0], &[10.0, 90.0]).abs() < 1e-12);
    assert!(psi_between(&[90.0, 10.0], &[10.0, 90.0]) > 1.0);
}

#[test]
fn a_value_lies_in_its_cell() {
    // 0 is tied from the minimum to 0.3; 5 is tied at the top.
    let p = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0];
    let cells = Cells::new(&p, &[0.0, 0.0, 0.0, 1.5, 2.5, 5.0, 5.0]);
    let at = |value| cells.of(value);
    let of = [-1.0, 0.0, 0.5, 2.0, 3.0, 5.0, 6.0].map(at);
    assert_eq!(of, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(at(f64::NAN), 0, "no number lies in the first cell");
}
