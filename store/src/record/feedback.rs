//! What people say and decide: labels, suppressions, blocks, and the record of who did what.

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;

/// What a label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// It was an attack.
    Attack,
    /// It was not.
    Benign,
    /// Looked at, and not clear. Never enters drift checks or training.
    Unsure,
    /// The labels before this one no longer count.
    Withdrawn,
}

impl Label {
    /// Its name in stores and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Label::Attack => "attack",
            Label::Benign => "benign",
            Label::Unsure => "unsure",
            Label::Withdrawn => "withdrawn",
        }
    }

    /// The label of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Label::Attack, Label::Benign, Label::Unsure, Label::Withdrawn]
            .into_iter()
            .find(|l| l.as_str() == name)
    }
}

/// A label as somebody gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLabel {
    /// Id of the flow (`FlowId`) or of the detection.
    pub subject: String,
    /// What it says.
    pub label: Label,
    /// Attack category, when it is an attack and the category is known.
    pub category: Option<String>,
    /// Why, in the labeller's words.
    pub reason: Option<String>,
    /// Who.
    pub actor: String,
    /// By what way: `api`, `cli`, `csv`, `suricata`, ...
    pub source: String,
    /// When, microseconds since the epoch.
    pub at_us: u64,
}

/// A label of the history. The newest of a subject counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRow {
    /// Grows with every label.
    pub seq: u64,
    /// The label.
    #[serde(flatten)]
    pub label: NewLabel,
}

/// What the centre says of a flow. Kept apart from local labels; one a flow, the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueLabel {
    /// Id of the flow.
    pub subject: String,
    /// What it says.
    pub label: Label,
    /// Attack category.
    pub category: Option<String>,
    /// Who, at the centre.
    pub actor: String,
    /// When it was given, microseconds since the epoch.
    pub at_us: u64,
}

/// What is not to be shown, and why. Absent conditions match everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSuppression {
    /// Initiator's address.
    pub src: Option<Cidr>,
    /// Responder's address.
    pub dst: Option<Cidr>,
    /// Responder's port.
    pub port: Option<u16>,
    /// Attack category.
    pub category: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when, microseconds since the epoch.
    pub created_us: u64,
    /// Until when; none for ever.
    pub expires_us: Option<u64>,
}

/// A suppression and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionRow {
    /// Its number.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub rule: NewSuppression,
    /// When somebody lifted it.
    pub lifted_us: Option<u64>,
    /// Alerts it hid.
    pub hits: u64,
    /// When it hid the last one.
    pub last_hit_us: Option<u64>,
}

impl SuppressionRow {
    /// Whether it is in force.
    #[must_use]
    pub fn is_active(&self, now_us: u64) -> bool {
        self.lifted_us.is_none() && self.rule.expires_us.is_none_or(|expires| expires > now_us)
    }
}

/// An address that is to be kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBlock {
    /// Whom.
    pub address: Cidr,
    /// Only this port of the protected side.
    pub port: Option<u16>,
    /// Id of the detection or incident that caused it.
    pub subject: Option<String>,
    /// Who decided it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when, microseconds since the epoch.
    pub created_us: u64,
    /// Until when.
    pub expires_us: u64,
}

/// A block and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRow {
    /// Its number.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub rule: NewBlock,
    /// When it was lifted before its time.
    pub lifted_us: Option<u64>,
}

/// A change, or the refusal of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAudit {
    /// When, microseconds since the epoch.
    pub at_us: u64,
    /// Who: a token's subject, a local user, `agent`.
    pub actor: String,
    /// The actor's role.
    pub role: String,
    /// What: `label`, `suppress`, `model install`, ...
    pub action: String,
    /// On what.
    pub subject: String,
    /// Whether it was done; a refusal otherwise.
    pub allowed: bool,
    /// What else is worth knowing.
    pub detail: String,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Grows with every line.
    pub seq: u64,
    /// The line.
    #[serde(flatten)]
    pub entry: NewAudit,
}
