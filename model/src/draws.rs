//! Where a tree's randomness comes from: a trait, so that recorded draws can be replayed, and the one generator
//! used for real, fixed for ever because artifacts must be reproducible.

use crate::numeric::exp;
use serde::{Deserialize, Serialize};

/// The two random decisions of a tree in an adaptive random forest.
pub trait Draws {
    /// How often the next sample counts: Poisson with mean `lambda`.
    fn poisson(&mut self, lambda: f64) -> u32;

    /// `k` different features out of `n`, in the order a leaf shall watch them, into `out` (cleared first).
    fn subset(&mut self, n: usize, k: usize, out: &mut Vec<u16>);
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
///
/// One per tree, seeded by (seed, tree id), so that trees can be trained anywhere, in any order, on any number
/// of workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRng {
    state: u64,
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl TreeRng {
    /// The generator of tree number `tree` of a forest seeded by `seed`.
    pub fn for_tree(seed: u64, tree: u64) -> Self {
        let stream = mix(tree.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA));
        TreeRng { state: mix(seed.wrapping_add(GOLDEN_GAMMA)) ^ stream }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in 0..n by multiply and shift; its bias is below n / 2^64. `n` must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }
}

/// Above this mean e^-lambda gets too small to search by inversion; larger means are drawn as sums.
const LAMBDA_STEP: f64 = 256.0;

impl Draws for TreeRng {
    /// By inversion: one uniform number, searched upwards through the distribution function.
    fn poisson(&mut self, lambda: f64) -> u32 {
        let mut left = if lambda.is_finite() { lambda.clamp(0.0, 1e6) } else { 0.0 };
        let mut count = 0u32;
        while left > 0.0 {
            let mean = left.min(LAMBDA_STEP);
            left -= mean;
            let u = self.uniform();
            let mut p = exp(-mean);
            let mut cumulative = p;
            let mut k = 0u32;
            // Once p has underflowed the sum can no longer grow past u.
            while u >= cumulative && p > 0.0 {
                k += 1;
                p *= mean / f64::from(k);
                cumulative += p;
            }
            count += k;
        }
        count
    }

    /// The first `k` steps of a Fisher-Yates shuffle.
    fn subset(&mut self, n: usize, k: usize, out: &mut Vec<u16>) {
        out.clear();
        out.extend((0..n).map(|feature| feature as u16));
        let k = k.min(n);
        for i in 0..k {
            let j = i + self.below(n - i);
            out.swap(i, j);
        }
        out.truncate(k);
    }
}

/// Draws of a plain Hoeffding tree: every sample counts once and every leaf watches every feature in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDraws;

impl Draws for NoDraws {
    fn poisson(&mut self, _lambda: f64) -> u32 {
        1
    }

    fn subset(&mut self, n: usize, _k: usize, out: &mut Vec<u16>) {
        out.clear();
        out.extend((0..n).map(|feature| feature as u16));
    }
}

#[cfg(test)]
mod tests;
