//! A forest taken apart and put together again: so that trees that know something already can go on learning on any
//! number of workers, and so that a forest can learn of classes it has never heard of.

use super::{AdaptiveRandomForest, ForestParams, JoinError, ParamsError, TreeTrainer};

impl AdaptiveRandomForest {
    /// The settings and the trees.
    pub fn into_parts(self) -> (ForestParams, Vec<TreeTrainer>) {
        (self.params, self.trainers)
    }

    /// Puts trees together whatever their order; unlike [`AdaptiveRandomForest::join`] their numbers may have gaps, as they
    /// do once weak trees have been felled.
    ///
    /// # Errors
    /// Trees missing, doubled, or with other settings than the forest's.
    pub fn from_parts(params: ForestParams, mut trainers: Vec<TreeTrainer>) -> Result<Self, JoinError> {
        trainers.sort_by_key(TreeTrainer::id);
        if trainers.len() != params.n_models {
            return Err(JoinError::Count { found: trainers.len(), wanted: params.n_models });
        }
        if let Some(twice) = trainers.windows(2).find(|pair| pair[0].id() == pair[1].id()) {
            return Err(JoinError::Tree { id: twice[0].id(), fault: "it comes twice" });
        }
        let tree_params = params.tree_params();
        for trainer in &mut trainers {
            let id = trainer.id();
            trainer.restore(&tree_params).map_err(|fault| JoinError::Tree { id, fault })?;
        }
        Ok(AdaptiveRandomForest { params, trainers })
    }

    /// Makes room for classes that come after those known so far. What has been learned stays as it was.
    ///
    /// # Errors
    /// Fewer classes than there are, or more than a tree can tell apart.
    pub fn widen(&mut self, n_classes: usize) -> Result<(), ParamsError> {
        let known = self.params.tree.n_classes;
        if n_classes < known {
            let high = crate::tree::CLASSES_MAX as f64;
            return Err(ParamsError { name: "n_classes", value: n_classes as f64, low: known as f64, high });
        }
        let mut params = self.params.clone();
        params.tree.n_classes = n_classes;
        params.check()?;
        let tree_params = params.tree_params();
        self.trainers.iter_mut().for_each(|trainer| trainer.widen(&tree_params));
        self.params = params;
        Ok(())
    }
}
