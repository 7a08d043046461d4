//! From predictions and flow events to what a person reads: detections, alerts and incidents.

pub mod behaviour;
pub mod budget;
pub mod detector;
mod incident;
pub mod incidents;
pub mod policy;
mod technique;
pub mod witness;

use std::fmt;
use std::net::IpAddr;

use model::Category;
use model::schema::FEATURES;

use crate::scoring::Contribution;

pub use behaviour::{BehaviourKind, Scope};
pub use detector::Detector;
pub use incident::{Incident, Severity};
pub use technique::Technique;

/// Who holds an opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opinion {
    /// The forest, on one flow's vector.
    Forest,
    /// A counter over many flows.
    Behaviour(BehaviourKind),
}

impl Opinion {
    /// Its name in stores and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Opinion::Forest => "forest",
            Opinion::Behaviour(kind) => kind.as_str(),
        }
    }
}

/// Why a detection was made.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// A feature moved the score.
    Contribution(Contribution),
    /// What a behaviour counter saw, in words.
    Evidence(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Contribution(Contribution { feature, value, weight }) => {
                write!(f, "{} {} ({weight:+.2})", FEATURES[*feature], readable(*value))
            }
            Reason::Evidence(text) => f.write_str(text),
        }
    }
}

/// A number short enough to read: no more than three decimals, thousands shortened.
fn readable(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 1e9 => format!("{:.1}G", value / 1e9),
        _ if size >= 1e6 => format!("{:.1}M", value / 1e6),
        _ if size >= 1e4 => format!("{:.1}k", value / 1e3),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// One opinion held on one flow or one behaviour episode.
#[derive(Debug, Clone)]
pub struct Detection {
    /// The flow's uid (with `.segment` from the second segment on), or the episode's id; hex.
    pub id: String,
    /// Who holds it.
    pub opinion: Opinion,
    /// The attack category.
    pub category: Category,
    /// 1 - P(benign), or the strength of the evidence; in \[0, 1\].
    pub score: f64,
    /// Probability of the category; in \[0, 1\].
    pub confidence: f64,
    /// How unlike benign traffic the flow is; none for a behaviour.
    pub novelty: Option<f64>,
    /// The attacker's address; none when there are many.
    pub source: Option<IpAddr>,
    /// The attacker's port; none when there are many.
    pub source_port: Option<u16>,
    /// The victim's address; none when there are many.
    pub target: Option<IpAddr>,
    /// The victim's port; none when there are many.
    pub target_port: Option<u16>,
    /// IP protocol number.
    pub protocol: u8,
    /// First packet, microseconds since the epoch.
    pub first_us: u64,
    /// Last packet so far, microseconds since the epoch.
    pub last_us: u64,
    /// The flow has not ended yet.
    pub provisional: bool,
    /// The final record took it back.
    pub revised: bool,
    /// It may help to confirm an incident (`docs/decisions/0003-detection.md`).
    pub weighs: bool,
    /// The strongest reasons first; only alerts carry them.
    pub reasons: Vec<Reason>,
}
