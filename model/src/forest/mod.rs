//! The adaptive random forest: Hoeffding trees on resampled streams and random feature subsets, each with its own
//! drift detectors and background tree.
//!
//! Gomes, Bifet, Read, Barddal, Enembreck, Pfahringer, Holmes, Abdessalem: Adaptive random forests for evolving
//! data stream classification, Machine Learning 106, 2017.

mod params;
mod parts;
mod trainer;
pub mod vote;

pub use params::{DriftParams, ForestParams, MaxFeatures, ParamsError, TREES_MAX, UnknownSetting, Vote};
pub use trainer::{Learned, TreeTrainer};

use crate::draws::{Draws, TreeRng};
use crate::metrics::ConfusionMatrix;
use crate::numeric::{argmax, entropy_nats, tame};
use crate::tree::CLASSES_MAX;
use serde::{Deserialize, Serialize};
use vote::{Ballot, tally, weigh};

/// A forest that learns. For judging traffic freeze it into a [`crate::FlatForest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveRandomForest<D = TreeRng> {
    params: ForestParams,
    trainers: Vec<TreeTrainer<D>>,
}

/// Trees that cannot be joined into one forest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The trees' numbers are not 0, 1, 2, ...
    #[error("tree {wanted} of the forest is missing or comes twice; join every slice exactly once")]
    TreeMissing {
        /// The number expected.
        wanted: u64,
    },
    /// There are more or fewer trees than the parameters say.
    #[error("{found} trees given for a forest of {wanted}; join every slice exactly once")]
    Count {
        /// Trees given.
        found: usize,
        /// Trees wanted.
        wanted: usize,
    },
    /// A tree was trained with other settings, or was damaged on its way.
    #[error("tree {id} cannot be joined ({fault}); train every slice with the same command")]
    Tree {
        /// The tree's number.
        id: u64,
        /// What is wrong.
        fault: &'static str,
    },
}

impl AdaptiveRandomForest<TreeRng> {
    /// A forest that has seen nothing.
    ///
    /// # Errors
    /// A parameter outside its bounds.
    pub fn new(params: ForestParams) -> Result<Self, ParamsError> {
        params.check()?;
        let trainers = (0..params.n_models as u64).map(|id| TreeTrainer::new(&params, id)).collect();
        Ok(AdaptiveRandomForest { params, trainers })
    }

    /// Makes a forest of trees that were trained apart, whatever their order.
    ///
    /// # Errors
    /// Trees missing, doubled, or trained with other settings.
    pub fn join(params: ForestParams, mut trainers: Vec<TreeTrainer>) -> Result<Self, JoinError> {
        trainers.sort_by_key(TreeTrainer::id);
        if trainers.len() != params.n_models {
            return Err(JoinError::Count { found: trainers.len(), wanted: params.n_models });
        }
        let tree_params = params.tree_params();
        for (wanted, trainer) in (0u64..).zip(&mut trainers) {
            if trainer.id() != wanted {
                return Err(JoinError::TreeMissing { wanted });
            }
            trainer.restore(&tree_params).map_err(|fault| JoinError::Tree { id: wanted, fault })?;
        }
        Ok(AdaptiveRandomForest { params, trainers })
    }
}

impl AdaptiveRandomForest<TreeRng> {
    /// Plants `add_ratio` times as many trees as there are (rounded up), with numbers no tree has had; the result
    /// says how many. They know nothing yet: train them on what has changed.
    ///
    /// # Errors
    /// A ratio that is negative or makes the forest larger than [`TREES_MAX`].
    pub fn add_trees(&mut self, add_ratio: f64) -> Result<usize, ParamsError> {
        self.grow(add_ratio, |params, _, id| TreeTrainer::new(params, id))
    }

    /// As [`AdaptiveRandomForest::add_trees`], but the new trees are cuttings of the old ones in turn: a tree that begins with nothing and
    /// sees only what has changed knows nothing of the rest, and its vote there is noise.
    ///
    /// # Errors
    /// As [`AdaptiveRandomForest::add_trees`].
    pub fn add_cuttings(&mut self, add_ratio: f64) -> Result<usize, ParamsError> {
        self.grow(add_ratio, |params, old, id| old.cutting(params, id))
    }

    fn grow(
        &mut self,
        add_ratio: f64,
        tree: impl Fn(&ForestParams, &TreeTrainer, u64) -> TreeTrainer,
    ) -> Result<usize, ParamsError> {
        let wanted = (add_ratio * self.trainers.len() as f64).ceil();
        let most = TREES_MAX as f64;
        let n_models = self.trainers.len() as f64 + wanted;
        if !(add_ratio >= 0.0 && n_models <= most) {
            let high = most / self.trainers.len() as f64 - 1.0;
            return Err(ParamsError { name: "add_ratio", value: add_ratio, low: 0.0, high });
        }
        let first = self.trainers.iter().map(|trainer| trainer.id() + 1).max().unwrap_or(0);
        let fresh: Vec<TreeTrainer> = (first..first + wanted as u64)
            .zip(self.trainers.iter().cycle())
            .map(|(id, old)| tree(&self.params, old, id))
            .collect();
        self.trainers.extend(fresh);
        self.params.n_models = self.trainers.len();
        Ok(wanted as usize)
    }

    /// Fells the weakest trees until `max_trees` are left; of equals the older falls. `strengths` holds one figure a
    /// tree, such as [`AdaptiveRandomForest::kappas`]. Returns the numbers of the felled.
    ///
    /// # Panics
    /// If there are not as many strengths as trees.
    pub fn prune(&mut self, max_trees: usize, strengths: &[f64]) -> Vec<u64> {
        assert_eq!(strengths.len(), self.trainers.len(), "one strength a tree");
        let mut weakest: Vec<usize> = (0..strengths.len()).collect();
        weakest.sort_by(|a, b| strengths[*a].total_cmp(&strengths[*b]).then(a.cmp(b)));
        weakest.truncate(self.trainers.len().saturating_sub(max_trees.max(1)));
        let felled: Vec<u64> = weakest.iter().map(|place| self.trainers[*place].id()).collect();
        self.trainers.retain(|trainer| !felled.contains(&trainer.id()));
        self.params.n_models = self.trainers.len();
        felled
    }

    /// Cohen's kappa of every tree alone on labelled samples: unlike accuracy it is not flattered by much benign
    /// traffic.
    pub fn kappas<'a>(&self, samples: impl Iterator<Item = (&'a [f64], usize)>) -> Vec<f64> {
        let n_classes = self.params.tree.n_classes;
        let mut matrices = vec![ConfusionMatrix::new(n_classes); self.trainers.len()];
        for (x, class) in samples {
            let x: Vec<f64> = x.iter().map(|value| tame(*value)).collect();
            for (matrix, trainer) in matrices.iter_mut().zip(&self.trainers) {
                matrix.update(class, trainer.judge(&x).predicted.unwrap_or(0));
            }
        }
        matrices.iter().map(ConfusionMatrix::kappa).collect()
    }

    /// Checks a forest that was read from a file and works out what is not saved with it.
    pub(crate) fn restore(&mut self) -> Result<(), &'static str> {
        self.params.check().map_err(|_| "a parameter is out of range")?;
        if self.trainers.len() != self.params.n_models {
            return Err("its trees are not as many as its parameters say");
        }
        let tree_params = self.params.tree_params();
        self.trainers.iter_mut().try_for_each(|trainer| trainer.restore(&tree_params))
    }
}

impl<D: Draws> AdaptiveRandomForest<D> {
    /// A forest whose trees draw from the given sources, one a tree.
    ///
    /// # Errors
    /// A parameter outside its bounds.
    pub fn with_draws(params: ForestParams, draws: Vec<D>) -> Result<Self, ParamsError> {
        let params = ForestParams { n_models: draws.len(), ..params };
        params.check()?;
        let trainers =
            (0u64..).zip(draws).map(|(id, draws)| TreeTrainer::with_draws(&params, id, draws)).collect();
        Ok(AdaptiveRandomForest { params, trainers })
    }

    /// The settings.
    pub fn params(&self) -> &ForestParams {
        &self.params
    }

    /// The trees in their order.
    pub fn trainers(&self) -> &[TreeTrainer<D>] {
        &self.trainers
    }

    /// Memory of all trees, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.trainers.iter().map(TreeTrainer::size_bytes).sum()
    }

    /// Class probabilities (`n_classes` of them); `None` when no tree has an opinion.
    pub fn predict_proba_one(&self, x: &[f64]) -> Option<Vec<f64>> {
        let x: Vec<f64> = x.iter().map(|value| tame(*value)).collect();
        let ballots: Vec<Ballot> = self.trainers.iter().map(|trainer| ballot(trainer, &x)).collect();
        let mut weights = vec![0.0; ballots.len()];
        weigh(&ballots, self.params.vote, &mut weights);
        let mut out = vec![0.0; self.params.tree.n_classes];
        tally(&ballots, &weights, &mut out).then_some(out)
    }

    /// The most probable class, the lowest of equals; `None` when no tree has an opinion.
    pub fn predict_one(&self, x: &[f64]) -> Option<usize> {
        self.predict_proba_one(x).and_then(|votes| argmax(&votes))
    }

    /// Learns a sample; the result says per tree whether it warned or was replaced.
    ///
    /// # Panics
    /// If `class` is not below the number of classes or `x` is shorter than the number of features.
    pub fn learn_one(&mut self, x: &[f64], class: usize) -> Vec<Learned> {
        self.learn_weighted(x, class, 1.0)
    }

    /// Learns a sample that counts `weight` times as much in the mean.
    ///
    /// # Panics
    /// As [`AdaptiveRandomForest::learn_one`].
    pub fn learn_weighted(&mut self, x: &[f64], class: usize, weight: f64) -> Vec<Learned> {
        assert!(class < self.params.tree.n_classes, "class {class} of {}", self.params.tree.n_classes);
        let x: Vec<f64> = x.iter().map(|value| tame(*value)).collect();
        self.trainers.iter_mut().map(|trainer| trainer.learn_one(&x, class, weight)).collect()
    }
}

fn ballot<D: Draws>(trainer: &TreeTrainer<D>, x: &[f64]) -> Ballot {
    let judgement = trainer.judge(x);
    let votes: [f64; CLASSES_MAX] = judgement.votes;
    Ballot {
        votes,
        entropy: entropy_nats(&votes),
        accuracy: trainer.accuracy(),
        abstains: votes.iter().all(|vote| *vote == 0.0),
    }
}
