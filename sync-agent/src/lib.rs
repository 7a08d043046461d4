//! The sync agent: everything of Taphound that dials out. It reaches the sensor by its control socket alone.
//!
//! - `up`: rows of the sensor's outbox go to the centre; what the far side confirmed is acknowledged.
//! - `down`: models and the centre's labels come down; a model that misbehaves is taken back.
//! - `out`: alerts go to webhooks and syslog.
//! - `enrol`: a sensor joins the fleet by its own key (`identity`). `report`: it says how it is.
//! - `cursors`: what has to survive a crash, in the agent's own database.
//! - `doors`: the centre, as the settings name it. `control`: the sensor.
//! - `run` puts it together, `status` says how it is.

pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod cursors;
pub mod doors;
pub mod down;
pub mod enrol;
pub mod fault;
pub mod files;
pub mod identity;
pub mod logging;
pub mod manual;
pub mod out;
pub mod report;
pub mod run;
pub mod status;
pub mod up;
