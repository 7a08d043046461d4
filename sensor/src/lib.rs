//! The sensor: captures become flows, flows are scored, and what is wrong with them becomes incidents with reasons.
//!
//! `replay` ties the rooms together; `pipeline` is the data plane; `detection` is where opinions meet.

pub mod api;
pub mod capture;
pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod detection;
pub mod doctor;
pub mod drift;
pub mod embedded;
pub mod eve_file;
pub mod evidence;
pub mod export;
pub mod fault;
pub mod feed;
pub mod health;
pub mod inline;
pub mod installed;
pub mod live;
pub mod logging;
pub mod manual;
pub mod metrics;
pub mod model_file;
pub mod pipeline;
pub mod pulse;
pub mod recorder;
pub mod replay;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod scoring;
pub mod selftest;
pub mod service;
pub mod setup;
pub mod slot;
pub mod source;
pub mod status;
pub mod summary;
pub mod suppression;
pub mod top;
pub mod truth;
pub mod versus;
pub mod writer;
