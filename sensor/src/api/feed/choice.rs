//! What a listener wants to hear.

use serde::Deserialize;
use store::record::Severity;
use utoipa::IntoParams;

use crate::feed::{Event, Topic};

/// What a listener asks for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// Types of events, with commas between: `prediction`, `alert`, `incident`, `model_updated`, `status`, `drift`, `appliance`, `block`. All unless said.
    #[serde(default)]
    pub types: Option<String>,
    /// The least severity of alerts and incidents: `low`, `medium`, `high` or `critical`.
    #[serde(default)]
    pub min_severity: Option<String>,
    /// The last number that was seen: what came after it is sent first, as far as it is kept.
    #[serde(default)]
    pub since: Option<u64>,
    /// A one-time ticket instead of a token (`/ws` only).
    #[serde(default)]
    #[allow(dead_code)] // read before the query is, to know who asks
    pub ticket: Option<String>,
}

/// What a listener gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    topics: Vec<Topic>,
    severity_min: Option<Severity>,
}

impl FeedQuery {
    /// The choice in it.
    ///
    /// # Errors
    /// A type or severity that does not exist.
    pub(crate) fn choice(&self) -> Result<Choice, String> {
        let topics = match self.types.as_deref() {
            None | Some("") => Topic::ALL.to_vec(),
            Some(list) => list.split(',').map(|name| name.trim().parse()).collect::<Result<_, String>>()?,
        };
        let severity_min = self.min_severity.as_deref().map(severity_named).transpose()?;
        Ok(Choice { topics, severity_min })
    }
}

fn severity_named(name: &str) -> Result<Severity, String> {
    Severity::named(name).ok_or_else(|| {
        let names = Severity::ALL.map(|s| s.as_str());
        format!("`{name}` is no severity; known: {}", names.join(", "))
    })
}

impl Choice {
    /// Whether an event is wanted.
    #[must_use]
    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.topics.contains(&event.topic)
            && match (self.severity_min, event.severity) {
                (Some(least), Some(severity)) => {
                    Severity::named(severity.as_str()).is_none_or(|s| s >= least)
                }
                _ => true,
            }
    }
}
