//! Samples' ways from root to leaf: eight at a time, without a jump that depends on data.

/// Walks side by side: enough to hide the latency of the loads.
pub(super) const LANES: usize = 8;

/// A node as a walk sees it: one load of 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// A value greater than this goes right. At a leaf it is no number, and nothing is greater than it; its low bits say
    /// which leaf.
    threshold: f64,
    /// Left child, the right one follows it; a leaf names itself.
    child: u32,
    /// Feature tested; 0 at a leaf.
    feature: u32,
}

/// Bits of the thresholds of leaves, less the leaf's number.
const LEAF: u64 = 0x7ff8_0000_0000_0000;

impl Step {
    pub(super) fn branch(feature: u16, threshold: f64, child: u32) -> Step {
        Step { threshold, child, feature: u32::from(feature) }
    }

    /// Leaf number `leaf` of the forest, at `node`.
    pub(super) fn end(node: u32, leaf: u32) -> Step {
        Step { threshold: f64::from_bits(LEAF | u64::from(leaf)), child: node, feature: 0 }
    }

    /// The feature tested, the threshold and the left child; none at a leaf.
    pub(super) fn test(&self) -> Option<(u16, f64, u32)> {
        (!self.threshold.is_nan()).then_some((self.feature as u16, self.threshold, self.child))
    }

    /// The leaf's number; meaningless at a branch.
    #[inline]
    pub(super) fn leaf(&self) -> usize {
        self.threshold.to_bits() as u32 as usize
    }

    /// Where `x` goes from here, `base` being where its sample begins.
    #[inline]
    pub(super) fn next(&self, xs: &[f64], base: usize) -> u32 {
        self.child + u32::from(xs[base + self.feature as usize] > self.threshold)
    }
}

/// Thresholds of leaves are no numbers, which would differ from themselves.
impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        let bits = |step: &Step| (step.threshold.to_bits(), step.child, step.feature);
        bits(self) == bits(other)
    }
}

/// Moves every node on to its leaf; lane `i` walks for the sample that begins at `bases[i]` of `xs`.
#[inline]
pub(super) fn to_leaves(steps: &[Step], xs: &[f64], bases: &[usize; LANES], nodes: &mut [u32; LANES]) {
    loop {
        let mut moved = 0;
        for (node, &base) in nodes.iter_mut().zip(bases) {
            let next = steps[*node as usize].next(xs, base);
            moved |= next ^ *node;
            *node = next;
        }
        if moved == 0 {
            return;
        }
    }
}
