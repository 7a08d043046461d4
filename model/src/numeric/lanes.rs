//! exp, log and log1p without branches, for the ranges that the forest needs: the same bits as `libm`'s (a test compares
//! them), but compilers turn loops over them into vector code, and nothing is called.
//!
//! Method and coefficients are fdlibm's (Sun Microsystems 1993), which `libm` follows too: an argument reduced by powers of
//! two, a polynomial, and the exponent put back.

const LN2_HI: f64 = 0.6931471803691238;
const LN2_LO: f64 = 1.9082149292705877e-10;
const INV_LN2: f64 = std::f64::consts::LOG2_E;
/// Below this exp is 0, subnormal numbers included.
pub(crate) const EXP_UNDERFLOW: f64 = -745.1332191019411;
/// Adding and subtracting it rounds to an integer, and its low bits then hold that integer.
const ROUNDER: f64 = 6755399441055744.0;

/// e^x for x <= 0, minus infinity included.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    const P1: f64 = 0.16666666666666602;
    const P2: f64 = -0.0027777777777015593;
    const P3: f64 = 6.613756321437934e-05;
    const P4: f64 = -1.6533902205465252e-06;
    const P5: f64 = 4.1381367970572385e-08;
    /// The largest magnitude that is not reduced: its high word is that of ln(2)/2.
    const UNREDUCED: f64 = f64::from_bits(0x3fd6_2e42_ffff_ffff);
    /// Magnitudes up to this are their own exp less one.
    const LINEAR: f64 = f64::from_bits(0x3e30_0000_ffff_ffff);
    // Nothing subnormal is computed for a result that is 0 anyway: processors are slow at that.
    let bounded = if x < EXP_UNDERFLOW { 0.0 } else { x };
    // ceil of a number below 1/2: to the nearest integer, and up again where that went down.
    let wanted = INV_LN2 * bounded - 0.5;
    let nearest = (wanted + ROUNDER) - ROUNDER;
    let ceiling = if nearest < wanted { nearest + 1.0 } else { nearest };
    let k = if bounded >= -UNREDUCED { 0.0 } else { ceiling };
    let hi = bounded - k * LN2_HI;
    let lo = k * LN2_LO;
    let r = hi - lo;
    let rr = r * r;
    let c = r - rr * (P1 + rr * (P2 + rr * (P3 + rr * (P4 + rr * P5))));
    let y = 1.0 + (r * c / (2.0 - c) - lo + hi);
    let y = if bounded >= -LINEAR { 1.0 + bounded } else { y };
    // 2^k in two factors, so that only the last product rounds when the result is subnormal.
    let shifted = (k + (ROUNDER + 2048.0)).to_bits() & 0xfff;
    let half = shifted >> 1;
    let first = f64::from_bits((half + 1023 - 1024) << 52);
    let second = f64::from_bits((shifted - half + 1023 - 1024) << 52);
    let y = y * first * second;
    if x < EXP_UNDERFLOW { 0.0 } else { y }
}

/// The logarithm's polynomial: ln(1 + f) + k ln 2 + c.
#[inline(always)]
fn log_of_reduced(f: f64, k: f64, c: f64) -> f64 {
    const L1: f64 = 0.6666666666666735;
    const L2: f64 = 0.3999999999940942;
    const L3: f64 = 0.2857142874366239;
    const L4: f64 = 0.22222198432149784;
    const L5: f64 = 0.1818357216161805;
    const L6: f64 = 0.15313837699209373;
    const L7: f64 = 0.14798198605116586;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (L2 + w * (L4 + w * L6));
    let odd = z * (L1 + w * (L3 + w * (L5 + w * L7)));
    s * (half_square + (odd + even)) + (k * LN2_LO + c) - half_square + f + k * LN2_HI
}

/// A positive normal number as 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2): (k, f).
#[inline(always)]
fn reduce(x: f64) -> (f64, f64) {
    const SQRT_HALF_HIGH: u64 = 0x3fe6_a09e;
    const ONE_HIGH: u64 = 0x3ff0_0000;
    let bits = x.to_bits();
    let high = (bits >> 32) + (ONE_HIGH - SQRT_HALF_HIGH);
    // A biased exponent below the rounder's lowest bit makes an exact conversion.
    let k = f64::from_bits(ROUNDER.to_bits() + (high >> 20)) - (ROUNDER + 1023.0);
    let mantissa = ((high & 0x000f_ffff) + SQRT_HALF_HIGH) << 32 | bits & 0xffff_ffff;
    (k, f64::from_bits(mantissa) - 1.0)
}

/// ln(x) of a positive, normal, finite number.
#[inline(always)]
pub(crate) fn ln_of_normal(x: f64) -> f64 {
    let (k, f) = reduce(x);
    log_of_reduced(f, k, 0.0)
}

/// ln(1 + x) for 0 <= x <= [`super::MAGNITUDE_MAX`].
#[inline(always)]
pub(crate) fn log1p_of_magnitude(x: f64) -> f64 {
    /// 1 + x is not reduced below it: sqrt(2) - 1 with the low word cut off.
    const UNREDUCED: f64 = f64::from_bits(0x3fda_827a_0000_0000);
    let u = 1.0 + x;
    let (k, f) = reduce(u);
    // What 1 + x lost by rounding.
    let lost = if k >= 2.0 { 1.0 - (u - x) } else { x - (u - 1.0) };
    let c = lost / u;
    let small = x < UNREDUCED;
    log_of_reduced(if small { x } else { f }, if small { 0.0 } else { k }, if small { 0.0 } else { c })
}

#[cfg(test)]
mod tests;
