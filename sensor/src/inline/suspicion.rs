//! What the recorder hands over: an incident with all that a decision to stop something needs to know.

use std::net::IpAddr;

use model::Category;

/// One flow of an incident that could be stopped by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SuspectFlow {
    /// Id of the detection.
    pub id: String,
    /// Initiator.
    pub source: (IpAddr, u16),
    /// Responder.
    pub target: (IpAddr, u16),
    /// IP protocol number.
    pub protocol: u8,
    /// The forest's score.
    pub score: f64,
    /// The flow has not ended.
    pub provisional: bool,
    /// Neither end of it is forged.
    pub proven: bool,
}

/// How much stands for a source being who it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    /// Flows that it began lately.
    pub started: u32,
    /// Those of them in which the other side sent data, or its end, over TCP.
    pub proven: u32,
}

impl Proof {
    /// Most of what it does comes back to it: somebody who forges the address would not see the answers.
    #[must_use]
    pub fn suffices(self) -> bool {
        self.proven > 0 && self.proven.saturating_mul(2) >= self.started
    }
}

/// An incident that might be stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspicion {
    /// Id of the incident.
    pub incident: String,
    /// Its category.
    pub category: Category,
    /// The attacker, when there is one.
    pub source: Option<IpAddr>,
    /// The victim, when there is one.
    pub target: Option<IpAddr>,
    /// The service, when there is one.
    pub port: Option<u16>,
    /// IP protocol number of its newest detection.
    pub protocol: u8,
    /// A behaviour counter stands behind it.
    pub by_behaviour: bool,
    /// Evidence as a multiple of what makes an alert.
    pub strength: f64,
    /// Highest score of flows that have ended and that still stand.
    pub final_score: f64,
    /// Highest score of flows that still run.
    pub provisional_score: f64,
    /// Newest packet, microseconds since the epoch.
    pub last_us: u64,
    /// What shows that its source is not forged.
    pub proof: Proof,
    /// The source's packets come in this encapsulation, which no set can look into.
    pub encapsulated: Option<&'static str>,
    /// Flows that still run, at most [`Suspicion::FLOWS_MAX`].
    pub flows: Vec<SuspectFlow>,
    /// The strongest reason, readable.
    pub reason: String,
}

impl Suspicion {
    /// Flows that are named.
    pub const FLOWS_MAX: usize = 16;
}
