//! The sensor: captures become flows, flows are scored, and what is wrong with them becomes incidents with reasons.
//!
//! `replay` ties the rooms together; `pipeline` is the data plane; `detection` is where opinions meet.

pub mod cli;
pub mod detection;
pub mod embedded;
pub mod export;
pub mod fault;
pub mod model_file;
pub mod pipeline;
pub mod recorder;
pub mod replay;
pub mod report;
pub mod scoring;
pub mod source;
pub mod summary;
pub mod truth;
pub mod writer;
