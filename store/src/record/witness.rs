//! What another engine said of the conversations of an incident.

use serde::{Deserialize, Serialize};

/// One rule of another engine that spoke of an incident, however often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Who spoke: `suricata`.
    pub engine: String,
    /// The rule: generator, number, and what it says.
    pub generator: u64,
    /// Number of the rule.
    pub signature_id: u64,
    /// What the rule says.
    pub signature: String,
    /// The rule's class.
    pub class: String,
    /// The rule's severity: 1 is the gravest.
    pub severity: u8,
    /// Its first alert here, microseconds since the epoch.
    pub first_us: u64,
    /// Its last alert here, microseconds since the epoch.
    pub last_us: u64,
    /// Its alerts here.
    pub alerts: u64,
    /// Community ID of the conversation of its first alert, as the engine gave it.
    pub community_id: Option<String>,
    /// `flow`: it spoke of a conversation that is an alert of the incident; `ends`: of one between the incident's addresses.
    pub joined_by: String,
}
