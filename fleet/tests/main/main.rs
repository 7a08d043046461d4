//! The three doors: one suite of contract tests a door, run over every implementation.

mod objects;
mod registry;
mod table;
