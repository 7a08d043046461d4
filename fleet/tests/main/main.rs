//! The three doors: one suite of contract tests a door, run over every implementation.

mod log_files;
mod objects;
mod policies;
mod real;
mod registry;
mod table;

#[path = "../servers/mod.rs"]
mod servers;
