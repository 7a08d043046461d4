//! Features become a prediction, samples become a better model, and a model is a signed file.
//!
//! * Learning: [`AdaptiveRandomForest`] (a set of [`forest::TreeTrainer`]s that never talk to each other),
//!   [`tree::HoeffdingTree`], [`Adwin`], [`StandardScaler`], [`novelty`], [`resample`].
//! * Judging: [`Scorer`] (the frozen form: transform, [`FlatForest`], novelty, thresholds) and [`metrics`].
//! * Moving: [`artifact`] (a model as a signed file) and [`artifact::pointer`] (which model a channel runs).
//!
//! This crate knows no packet and no port, reads no clock, opens no file and spawns no thread: time, bytes and
//! samples are arguments. Whatever reaches a score or an artifact uses `libm`, a fixed order of summation and no
//! fused multiply-add, so every processor computes the same bits.

pub mod adwin;
pub mod artifact;
pub mod category;
pub mod draws;
pub mod drift_phase;
pub mod explain;
pub mod flat;
pub mod forest;
pub mod metrics;
pub mod novelty;
pub mod numeric;
pub mod quantiles;
pub mod resample;
pub mod scaler;
pub mod schema;
pub mod scorer;
pub mod tree;

pub use adwin::Adwin;
pub use artifact::Artifact;
pub use category::Category;
pub use drift_phase::DriftPhase;
pub use explain::Explanation;
pub use flat::FlatForest;
pub use forest::{AdaptiveRandomForest, ForestParams};
pub use scaler::StandardScaler;
pub use schema::{FEATURES, N_FEATURES, schema_id};
pub use scorer::{Opinion, Prediction, Scorer, Stage, Thresholds};
