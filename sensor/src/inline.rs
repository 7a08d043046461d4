//! Stops an attack, never the network: the kernel forwards, the sensor decides, and its death changes nothing.
//!
//! ```text
//! recorder ── Watch ──suspicions──> Decider ──elements──> nft (the kernel's sets, with timeouts)
//!                                      ├──rows, audit──> writer
//!                                      └──view─────────> Board <── status, metrics, service
//! recorder ── Watch ──scores──> Queue <──packets, verdicts──> the kernel (`inline-queue` alone)
//! ```
//!
//! [`watch`] stands with the recorder and never waits: a full queue is a counted drop. [`decider`] is one thread that asks
//! [`policy`], keeps the [`ledger`] and has [`nft`] carry it out. What is in force lies in the kernel: a sensor that is killed
//! leaves traffic flowing and its blocks expiring.

pub mod board;
pub mod decider;
pub mod ledger;
pub mod list_file;
pub mod nft;
pub mod policy;
pub mod protected;
pub mod queue;
pub mod suspicion;
pub mod target;
pub mod watch;
mod witness;

pub use board::{Board, View};
pub use decider::{Asking, Decider};
pub use suspicion::Suspicion;
pub use target::Target;
pub use watch::Watch;
