//! The store as its users see it: what it keeps, gives back, drops, and survives.

mod detections;
mod labels;
mod limits;
mod migration;
mod outbox;
mod rows;
mod searches;
