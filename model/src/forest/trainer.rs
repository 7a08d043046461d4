//! One tree of the forest with everything that is its own: generator, detectors, background tree and accuracy.
//!
//! A trainer never looks at another tree. That is why trees can be trained on any number of workers or machines
//! and joined into bit for bit the forest that one worker makes.

use super::params::{DriftParams, ForestParams};
use crate::adwin::{Adwin, AdwinParams};
use crate::draws::{Draws, TreeRng};
use crate::tree::{HoeffdingTree, Judgement, TreeParams};
use serde::{Deserialize, Serialize};

/// What learning one sample changed in a tree, beyond its leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// A background tree was planted.
    pub warning: bool,
    /// The tree was replaced.
    pub drift: bool,
}

/// A tree and its detectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeTrainer<D = TreeRng> {
    id: u64,
    params: TreeParams,
    lambda: f64,
    drift: Option<DriftParams>,
    draws: D,
    tree: HoeffdingTree,
    background: Option<HoeffdingTree>,
    warning_detector: Option<Adwin>,
    drift_detector: Option<Adwin>,
    /// Samples judged and judged rightly since the tree was planted.
    judged: u64,
    right: u64,
    warnings: u64,
    drifts: u64,
}

impl TreeTrainer<TreeRng> {
    /// Tree number `id` of the forest that `params` describe.
    pub fn new(params: &ForestParams, id: u64) -> Self {
        TreeTrainer::with_draws(params, id, TreeRng::for_tree(params.seed, id))
    }
}

impl TreeTrainer<TreeRng> {
    /// Tree number `id` of the forest that `params` describe, grown from a cutting of this one: it knows all that this one knows, and draws
    /// by itself from now on.
    pub(crate) fn cutting(&self, params: &ForestParams, id: u64) -> Self {
        TreeTrainer { id, draws: TreeRng::for_tree(params.seed, id), ..self.clone() }
    }
}

fn detector(delta: f64) -> Adwin {
    Adwin::new(AdwinParams::with_delta(delta))
}

impl<D: Draws> TreeTrainer<D> {
    /// A tree whose randomness comes from elsewhere.
    pub fn with_draws(params: &ForestParams, id: u64, draws: D) -> Self {
        TreeTrainer {
            id,
            params: params.tree_params(),
            lambda: params.lambda,
            drift: params.drift,
            draws,
            tree: HoeffdingTree::new(),
            background: None,
            warning_detector: params.drift.map(|drift| detector(drift.warning_delta)),
            drift_detector: params.drift.map(|drift| detector(drift.drift_delta)),
            judged: 0,
            right: 0,
            warnings: 0,
            drifts: 0,
        }
    }

    /// The tree's number, which with the forest's seed fixes its randomness.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The tree as it stands.
    pub fn tree(&self) -> &HoeffdingTree {
        &self.tree
    }

    /// The tree's settings.
    pub fn params(&self) -> &TreeParams {
        &self.params
    }

    /// The tree planted by the last warning, if it waits.
    pub fn background(&self) -> Option<&HoeffdingTree> {
        self.background.as_ref()
    }

    /// Windows of the warning and drift detectors.
    pub fn detectors(&self) -> Option<(&Adwin, &Adwin)> {
        self.warning_detector.as_ref().zip(self.drift_detector.as_ref())
    }

    /// Share of samples judged rightly before they were learned, since the tree was planted; 0 before the first.
    pub fn accuracy(&self) -> f64 {
        if self.judged == 0 { 0.0 } else { self.right as f64 / self.judged as f64 }
    }

    /// Background trees planted so far.
    pub fn warnings(&self) -> u64 {
        self.warnings
    }

    /// Times the tree has been replaced so far.
    pub fn drifts(&self) -> u64 {
        self.drifts
    }

    /// Memory of the tree and its background tree, in bytes.
    pub fn size_bytes(&self) -> usize {
        let background = self.background.as_ref().map_or(0, |tree| tree.size_bytes(&self.params));
        self.tree.size_bytes(&self.params) + background
    }

    /// Votes on a tamed sample.
    pub fn judge(&self, x: &[f64]) -> Judgement {
        self.tree.judge(x, &self.params)
    }

    /// Judges a tamed sample of `class`, then learns it. `weight` scales the mean of the Poisson draw.
    pub fn learn_one(&mut self, x: &[f64], class: usize, weight: f64) -> Learned {
        let judgement = self.tree.favourites(x, &self.params);
        let right = judgement.predicted == Some(class);
        self.judged += 1;
        self.right += u64::from(right);
        let k = self.draws.poisson(self.lambda * weight);
        if k == 0 {
            return Learned::default();
        }
        let w = f64::from(k);
        if let Some(background) = &mut self.background {
            background.learn_one(x, class, w, &self.params, &mut self.draws);
        }
        self.tree.learn_judged(x, class, w, &judgement, &self.params, &mut self.draws);
        self.watch_drift(if right { 0.0 } else { 1.0 })
    }

    fn watch_drift(&mut self, error: f64) -> Learned {
        let mut learned = Learned::default();
        let Some(drift) = self.drift else { return learned };
        if self.warning_detector.as_mut().is_some_and(|adwin| alarm(adwin, error, drift.one_sided)) {
            learned.warning = true;
            self.warnings += 1;
            self.background = Some(HoeffdingTree::new());
            self.warning_detector = Some(detector(drift.warning_delta));
        }
        if self.drift_detector.as_mut().is_some_and(|adwin| alarm(adwin, error, drift.one_sided)) {
            learned.drift = true;
            self.drifts += 1;
            self.judged = 0;
            self.right = 0;
            self.drift_detector = Some(detector(drift.drift_delta));
            match self.background.take() {
                Some(background) => {
                    self.tree = background;
                    self.warning_detector = Some(detector(drift.warning_delta));
                }
                None => self.tree = HoeffdingTree::new(),
            }
        }
        learned
    }

    /// Makes room for classes that come after those known so far.
    pub(crate) fn widen(&mut self, params: &TreeParams) {
        self.params = params.clone();
        self.tree.widen(params);
        if let Some(background) = &mut self.background {
            background.widen(params);
        }
    }

    /// Checks a trainer that was read from a file and works out what is not saved with it.
    pub(crate) fn restore(&mut self, params: &TreeParams) -> Result<(), &'static str> {
        if self.params != *params {
            return Err("a tree has other parameters than its forest");
        }
        let detectors = self.warning_detector.iter().chain(&self.drift_detector);
        if !detectors.into_iter().all(Adwin::is_sound) {
            return Err("a drift detector is malformed");
        }
        self.tree.restore(&self.params)?;
        self.background.iter_mut().try_for_each(|tree| tree.restore(&self.params))
    }
}

/// One-sided alarms ask that the window's mean has grown by the update.
fn alarm(adwin: &mut Adwin, error: f64, one_sided: bool) -> bool {
    let before = adwin.estimation();
    adwin.update(error) && (!one_sided || adwin.estimation() > before)
}
