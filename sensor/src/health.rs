//! The appliance's own health: readings of machine and sensor, what they are heading for, and what is unlike any reading before.
//!
//! Two kinds of eyes. [`trend`] sees where a level is going and says when it gets there: a disk that fills, memory that leaks, a
//! clock that runs away. [`half_space`] knows no limits; it has learned what readings are usual on this machine, and says
//! which of them are not. A warning stands until what caused it has been gone for a while: nobody is told twice.

mod half_space;
pub mod host;
#[cfg(test)]
mod tests;
mod trend;
mod watch;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use watch::{HealthWatch, Told};

/// Machine and sensor at one moment. What cannot be read is none, and nothing is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Readings {
    /// A clock that nobody sets, microseconds from any beginning.
    pub raw_us: u64,
    /// The wall clock, microseconds since the epoch.
    pub wall_us: u64,
    /// CPU that the sensor used since the reading before, in cores.
    pub cpu_cores: Option<f64>,
    /// Memory that the sensor holds, bytes.
    pub rss_bytes: Option<u64>,
    /// Memory that the machine could still give, bytes.
    pub memory_available_bytes: Option<u64>,
    /// Free space where the state lies, bytes.
    pub disk_free_bytes: Option<u64>,
    /// All of it, bytes.
    pub disk_total_bytes: Option<u64>,
    /// The hottest sensor, degrees Celsius.
    pub temperature_c: Option<f64>,
    /// Packets that kernel and interfaces dropped since the reading before, as a share of all that came.
    pub drop_share: Option<f64>,
    /// Records before scoring, as a share of those that may wait.
    pub queue_share: Option<f64>,
    /// Rows that wait for the disk.
    pub rows_waiting: Option<u64>,
    /// Size of the database and its log, bytes.
    pub database_bytes: Option<u64>,
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// The disk fills.
    Disk,
    /// Memory runs out.
    Memory,
    /// Packets are about to be lost, or are.
    Drops,
    /// The wall clock was set, or runs at another speed.
    Clock,
    /// It gets hot.
    Temperature,
    /// Readings are unlike those before.
    Unusual,
}

impl Concern {
    /// Every concern.
    pub const ALL: [Self; 6] =
        [Self::Disk, Self::Memory, Self::Drops, Self::Clock, Self::Temperature, Self::Unusual];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Drops => "drops",
            Self::Clock => "clock",
            Self::Temperature => "temperature",
            Self::Unusual => "unusual",
        }
    }
}

/// A failure that is coming, or something that nobody has seen before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// What it is about.
    pub concern: Concern,
    /// What is seen and what helps, in one line.
    pub text: String,
    /// Seconds until it happens, where that can be said.
    pub in_s: Option<u64>,
    /// Since when it stands, microseconds since the epoch.
    pub since_us: u64,
}

/// The appliance as `status` shows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Appliance {
    /// The last readings.
    pub readings: Readings,
    /// How unlike earlier readings they are, 0 (as usual) to 1; none while it is being learned.
    pub anomaly: Option<f64>,
    /// What is coming.
    pub warnings: Vec<Warning>,
    /// Warnings given since the start.
    pub warned: u64,
}
