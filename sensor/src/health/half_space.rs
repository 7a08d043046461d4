//! Half-space trees: an online score of how unlike the readings before a reading is.
//!
//! Tan, Ting, Liu: Fast Anomaly Detection for Streaming Data, IJCAI 2011. Trees of random cuts are built before any reading comes;
//! a window of readings gives each node its mass, and the next window's readings are scored by the masses they meet while they
//! make the masses for the window after it. Small numbers, known dimensions: a reading costs microseconds, memory is fixed.

/// Dimensions of a reading; each value lies in [0, 1].
pub(super) const DIMENSIONS: usize = 9;

const TREES: usize = 25;
const DEPTH: usize = 8;
const NODES: usize = (1 << (DEPTH + 1)) - 1;
/// Readings that give the masses: an hour at one in ten seconds.
pub(super) const WINDOW: u32 = 360;
/// A node with less mass ends a walk: what is below it says nothing.
const SIZE_LIMIT: f64 = 0.1 * WINDOW as f64;

/// The ensemble.
pub(super) struct HalfSpaceTrees {
    trees: Vec<Tree>,
    seen: u32,
    windows: u32,
}

struct Tree {
    cuts: Vec<(usize, f64)>,
    reference: Vec<u32>,
    latest: Vec<u32>,
}

/// A small generator (SplitMix64): cuts need to differ, not to be secret.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl HalfSpaceTrees {
    pub(super) fn new(seed: u64) -> Self {
        let mut draws = Draws(seed);
        let trees = (0..TREES).map(|_| Tree::new(&mut draws)).collect();
        Self { trees, seen: 0, windows: 0 }
    }

    /// How unlike the window before `x` is, from 0 to 1; none during the first window. Then counts `x` for the next.
    pub(super) fn score_then_learn(&mut self, x: &[f64; DIMENSIONS]) -> Option<f64> {
        let score = (self.windows > 0).then(|| {
            let mass: f64 = self.trees.iter().map(|tree| tree.mass(x)).sum();
            // The most that a walk can find: everything, in a leaf.
            let most = TREES as f64 * f64::from(WINDOW) * (1 << DEPTH) as f64;
            1.0 - (mass / most).sqrt().min(1.0)
        });
        for tree in &mut self.trees {
            tree.count(x);
        }
        self.seen += 1;
        if self.seen == WINDOW {
            for tree in &mut self.trees {
                std::mem::swap(&mut tree.reference, &mut tree.latest);
                tree.latest.fill(0);
            }
            (self.seen, self.windows) = (0, self.windows + 1);
        }
        score
    }
}

impl Tree {
    /// Cuts halve a random dimension of the node's space; the space itself lies around a random point, as in the paper.
    fn new(draws: &mut Draws) -> Self {
        let mut space = [(0.0, 0.0); DIMENSIONS];
        for side in &mut space {
            let s = draws.next();
            let reach = 2.0 * s.max(1.0 - s);
            *side = (s - reach, s + reach);
        }
        let mut cuts = vec![(0, 0.0); NODES];
        Self::cut(&mut cuts, 0, &mut space, draws);
        Self { cuts, reference: vec![0; NODES], latest: vec![0; NODES] }
    }

    fn cut(cuts: &mut [(usize, f64)], node: usize, space: &mut [(f64, f64); DIMENSIONS], draws: &mut Draws) {
        if node >= cuts.len() {
            return;
        }
        let dimension = ((draws.next() * DIMENSIONS as f64) as usize).min(DIMENSIONS - 1);
        let (low, high) = space[dimension];
        let at = f64::midpoint(low, high);
        cuts[node] = (dimension, at);
        space[dimension] = (low, at);
        Self::cut(cuts, 2 * node + 1, space, draws);
        space[dimension] = (at, high);
        Self::cut(cuts, 2 * node + 2, space, draws);
        space[dimension] = (low, high);
    }

    fn child(&self, node: usize, x: &[f64; DIMENSIONS]) -> usize {
        let (dimension, at) = self.cuts[node];
        2 * node + if x[dimension] < at { 1 } else { 2 }
    }

    fn mass(&self, x: &[f64; DIMENSIONS]) -> f64 {
        let (mut node, mut depth) = (0, 0);
        loop {
            let mass = f64::from(self.reference[node]);
            if depth == DEPTH || mass <= SIZE_LIMIT {
                return mass * (1_u64 << depth) as f64;
            }
            (node, depth) = (self.child(node, x), depth + 1);
        }
    }

    fn count(&mut self, x: &[f64; DIMENSIONS]) {
        let mut node = 0;
        for depth in 0..=DEPTH {
            self.latest[node] += 1;
            if depth < DEPTH {
                node = self.child(node, x);
            }
        }
    }
}
