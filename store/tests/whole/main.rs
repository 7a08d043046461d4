//! The store as its users see it: what it keeps, gives back, drops, and survives.

#![allow(clippy::print_stdout)] // measurements are for whoever runs them

mod backup;
mod detections;
mod labels;
mod limits;
mod migration;
mod outbox;
mod rows;
mod searches;
mod speed;
