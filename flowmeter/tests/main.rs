//! The meter from outside: its semantics case by case, and held against a slow, obvious second implementation.

// Modules of a test binary have no outside.
#![allow(unreachable_pub)]

mod agree;
mod agreement;
mod batches;
mod build;
mod context;
mod decoding;
mod draft;
mod frames;
mod intake;
mod limits;
mod naive;
mod names;
mod run;
mod tcp;
mod timing;
mod tunnels;
