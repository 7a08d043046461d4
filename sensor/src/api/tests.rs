//! The API over a real store, writer, model slot and feed; requests go through every layer that a socket's would.

mod blocks;
mod events;
mod feed;
mod findings;
mod labels;
mod limits;
mod models;
mod openapi;
mod predict;
mod rig;
mod roles;
mod sessions;
mod suppressions;
