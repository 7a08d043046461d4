//! Who asks: a name for the audit log and a role that says what they may.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may do. Each may what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Label, suppress, ask for predictions.
    Analyst,
    /// Change models and tokens, read the audit log.
    Admin,
}

impl Role {
    /// Every role, the one that may least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Analyst, Self::Admin];

    /// Its name in files and interfaces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| format!("`{name}` is no role; known: viewer, analyst, admin"))
    }
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A token's subject, or a local user's name.
    pub name: String,
    /// What they may.
    pub role: Role,
    /// By what way they came: `api`, `cli`, `agent`.
    pub way: &'static str,
}

impl Actor {
    /// Somebody on the control socket: who may write to it may do everything.
    #[must_use]
    pub fn local(name: &str) -> Self {
        Self { name: name.to_owned(), role: Role::Admin, way: "cli" }
    }
}
