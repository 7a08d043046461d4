//! The few mathematical functions that may reach a score or an artifact, all from `libm`, so that every
//! processor and C library gives the same bits. `f64::sqrt` is exact by IEEE 754 and needs no wrapper.

pub(crate) mod lanes;

/// Values beyond this magnitude carry no more information about a flow, and their squares still fit an `f64`
/// with room for 10^200 samples.
pub const MAGNITUDE_MAX: f64 = 1e15;

/// ln(2 pi) / 2, the constant of the normal density.
pub const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// Natural logarithm.
#[inline]
pub fn ln(x: f64) -> f64 {
    if x.is_normal() && x > 0.0 { lanes::ln_of_normal(x) } else { libm::log(x) }
}

/// Base-2 logarithm.
#[inline]
pub fn log2(x: f64) -> f64 {
    libm::log2(x)
}

/// e^x.
#[inline]
pub fn exp(x: f64) -> f64 {
    if x <= 0.0 { lanes::exp_of_negative(x) } else { libm::exp(x) }
}

/// Distribution function of the standard normal, in the `erf` form: far tails underflow to exactly 0, as the
/// reference implementations have it.
#[inline]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * (1.0 + libm::erf(z / std::f64::consts::SQRT_2))
}

/// What the learners see of a raw value: not-a-number is 0, the rest is clamped to [`MAGNITUDE_MAX`].
#[inline]
pub fn tame(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { x.clamp(-MAGNITUDE_MAX, MAGNITUDE_MAX) }
}

/// Shannon entropy in nats of a distribution that sums to 1 (0 ln 0 = 0).
pub fn entropy_nats(probabilities: &[f64]) -> f64 {
    let mut entropy = 0.0;
    for &p in probabilities {
        if p > 0.0 {
            entropy -= p * ln(p);
        }
    }
    entropy
}

/// The first index of the greatest value; `None` for an empty slice.
pub fn argmax(values: &[f64]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, &value) in values.iter().enumerate() {
        if best.is_none_or(|(_, most)| value > most) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}
