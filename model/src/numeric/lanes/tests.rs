//! The same bits as `libm`, at the edges of every case and at a million random places.

use super::{exp_of_negative, ln_of_normal, log1p_of_magnitude};
use crate::draws::TreeRng;
use crate::numeric::MAGNITUDE_MAX;

/// A number and its neighbours.
fn around(x: f64) -> [f64; 7] {
    let bits = x.to_bits();
    [0i64, 1, -1, 2, -2, 1 << 32, -(1 << 32)].map(|step| f64::from_bits(bits.wrapping_add_signed(step)))
}

#[track_caller]
fn same(ours: f64, theirs: f64, x: f64) {
    assert_eq!(ours.to_bits(), theirs.to_bits(), "at {x:e}: {ours:e} is not {theirs:e}");
}

#[test]
fn exp_has_the_bits_of_libm() {
    let edges =
        [0.346_573_590_279_972_64, 1.039_720_770_839_918, 3.725_290_298_461_914e-9, 708.396_418_532_264_1];
    let more =
        [745.133_219_101_941_1, 1e-300, 1.0, std::f64::consts::LN_2, 744.0, 746.0, 1e15, 709.782_712_893_384];
    for x in edges.into_iter().chain(more).flat_map(around) {
        same(exp_of_negative(-x.abs()), libm::exp(-x.abs()), -x.abs());
    }
    for x in [0.0, -0.0, f64::NEG_INFINITY, f64::MIN] {
        same(exp_of_negative(x), libm::exp(x), x);
    }
    let mut rng = TreeRng::for_tree(1, 1);
    for _ in 0..500_000 {
        // Every magnitude, and evenly where results are not 0.
        let tiny = -libm::exp2(rng.uniform() * 80.0 - 60.0);
        let plain = -750.0 * rng.uniform();
        for x in [tiny, plain] {
            same(exp_of_negative(x), libm::exp(x), x);
        }
    }
}

#[test]
fn logarithms_have_the_bits_of_libm() {
    let edges = [std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2, 1.0, 2.0, 0.5, 1e300, f64::MAX];
    for x in edges.into_iter().flat_map(around).filter(|x| x.is_normal()) {
        same(ln_of_normal(x), libm::log(x), x);
    }
    same(ln_of_normal(f64::MIN_POSITIVE), libm::log(f64::MIN_POSITIVE), f64::MIN_POSITIVE);
    let edges = [
        0.414_213_562_373_095,
        1e-17,
        1.110_223_024_625_156_5e-16,
        1.0,
        3.0,
        1e15 - 3.0,
        0.5,
        1e-300,
        4096.0,
    ];
    for x in edges.into_iter().flat_map(around).chain([0.0, MAGNITUDE_MAX, f64::from_bits(1)]) {
        if (0.0..=MAGNITUDE_MAX).contains(&x) {
            same(log1p_of_magnitude(x), libm::log1p(x), x);
        }
    }
    let mut rng = TreeRng::for_tree(2, 1);
    for _ in 0..500_000 {
        let x = libm::exp2(rng.uniform() * 2000.0 - 1000.0);
        same(ln_of_normal(x), libm::log(x), x);
        let x = libm::exp2(rng.uniform() * 120.0 - 70.2).min(MAGNITUDE_MAX);
        same(log1p_of_magnitude(x), libm::log1p(x), x);
        let x = rng.below(1 << 30) as f64;
        same(log1p_of_magnitude(x), libm::log1p(x), x);
    }
}
