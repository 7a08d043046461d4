//! From a suspicion to a decision: what is stopped, for how long, and why something is not.

#[cfg(test)]
mod tests;

use std::fmt;

use super::ledger::{Cap, Ledger};
use super::protected::Protected;
use super::suspicion::{SuspectFlow, Suspicion};
use super::target::Target;
use crate::config::Inline;
use crate::config::inline::{Scope, SourceProof};

/// What is done about a suspicion.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Stop this.
    Block {
        /// What.
        target: Target,
        /// For how long, microseconds.
        ttl_us: u64,
        /// The source's offences, this one included.
        offence: u32,
        /// Id of what caused it: the incident, or the flow's detection.
        subject: String,
    },
    /// It is stopped already, goes on, and is stopped for longer.
    Prolong {
        /// Number of the block.
        id: u64,
        /// Until when, microseconds since the epoch.
        expires_us: u64,
    },
    /// It is stopped already.
    Stands {
        /// Number of the block.
        id: u64,
    },
    /// Alerts only.
    Refuse(Refused),
}

/// Why something is not stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The category is off.
    Off,
    /// Below the threshold.
    Weak,
    /// Nothing but scores of flows that have not ended.
    Provisional,
    /// No single source, or an end that the scope needs is many.
    NoTarget,
    /// The source may be forged.
    Unproven,
    /// The source is on a list.
    Protected(String),
    /// Too many blocks.
    Capped(Cap),
    /// Nothing in the kernel's sets can match it.
    Unenforceable(&'static str),
}

impl Refused {
    /// Its name in counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Weak => "weak",
            Self::Provisional => "provisional",
            Self::NoTarget => "no_target",
            Self::Unproven => "unproven",
            Self::Protected(_) => "protected",
            Self::Capped(_) => "capped",
            Self::Unenforceable(_) => "unenforceable",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("this category is not blocked (`inline.scope`)"),
            Self::Weak => f.write_str("too weak to block"),
            Self::Provisional => f.write_str("its flows have not ended (`inline.provisional`)"),
            Self::NoTarget => f.write_str("it has no single source"),
            Self::Unproven => {
                f.write_str("its source may be forged: too few of its flows were answered with data over TCP")
            }
            Self::Protected(why) => write!(f, "its source is protected: {why}"),
            Self::Capped(Cap::PerMinute) => f.write_str("`inline.blocks_per_minute` is reached"),
            Self::Capped(Cap::Total) => f.write_str("`inline.blocks_max` is reached"),
            Self::Unenforceable(how) => write!(f, "its packets come in {how}, which no set looks into"),
        }
    }
}

/// Decides on one suspicion.
#[must_use]
pub fn decide(
    settings: &Inline,
    protected: &Protected,
    ledger: &Ledger,
    suspicion: &Suspicion,
    now_us: u64,
) -> Decision {
    match choose(settings, protected, suspicion) {
        Err(refused) => Decision::Refuse(refused),
        Ok((target, subject)) => stop(settings, ledger, suspicion, target, subject, now_us),
    }
}

/// What would be stopped, and what caused it.
fn choose(
    settings: &Inline,
    protected: &Protected,
    suspicion: &Suspicion,
) -> Result<(Target, String), Refused> {
    let scope = settings.scope.of(suspicion.category).unwrap_or(Scope::Off);
    if scope == Scope::Off {
        return Err(Refused::Off);
    }
    weigh(settings, suspicion)?;
    let source = suspicion.source.ok_or(Refused::NoTarget)?;
    if let Some(why) = protected.covers(&source.into()) {
        return Err(Refused::Protected(why.to_owned()));
    }
    if let Some(how) = suspicion.encapsulated {
        return Err(Refused::Unenforceable(how));
    }
    let real = settings.source_proof == SourceProof::None || suspicion.proof.suffices();
    if scope != Scope::Flow && real {
        return Target::of(scope, Some(source), suspicion.target, suspicion.port, suspicion.protocol)
            .map(|target| (target, suspicion.incident.clone()))
            .ok_or(Refused::NoTarget);
    }
    // One conversation whose own two ends are real can be stopped whatever else its source is said to do.
    match strongest(settings, suspicion) {
        Some(flow) => {
            let SuspectFlow { source, target, protocol, .. } = *flow;
            Ok((Target::Flow { source, target, protocol }, flow.id.clone()))
        }
        None if scope == Scope::Flow => Err(Refused::NoTarget),
        None => Err(Refused::Unproven),
    }
}

/// Refuses what is too weak.
fn weigh(settings: &Inline, suspicion: &Suspicion) -> Result<(), Refused> {
    if suspicion.by_behaviour {
        return if suspicion.strength >= settings.strength { Ok(()) } else { Err(Refused::Weak) };
    }
    let threshold = settings.threshold.of(suspicion.category).unwrap_or(f64::INFINITY);
    if suspicion.final_score >= threshold {
        Ok(())
    } else if suspicion.provisional_score < threshold {
        Err(Refused::Weak)
    } else if settings.provisional {
        Ok(())
    } else {
        Err(Refused::Provisional)
    }
}

/// The running flow that is surest to be an attack. Its score is provisional, so either a behaviour counter stands beside it,
/// or finished flows of the same incident do, or the settings allow it.
fn strongest<'a>(settings: &Inline, suspicion: &'a Suspicion) -> Option<&'a SuspectFlow> {
    let threshold = settings.threshold.of(suspicion.category).unwrap_or(f64::INFINITY);
    suspicion
        .flows
        .iter()
        .filter(|flow| flow.proven && flow.score >= threshold)
        .max_by(|a, b| a.score.total_cmp(&b.score))
}

fn stop(
    settings: &Inline,
    ledger: &Ledger,
    suspicion: &Suspicion,
    target: Target,
    subject: String,
    now_us: u64,
) -> Decision {
    let first_s = settings.ttl_s.of(suspicion.category).unwrap_or(1);
    let source = suspicion.source.expect("chosen by its source");
    if let Some(block) = ledger.of(&target) {
        let ttl_us = ttl_us(settings, first_s, block.offence);
        let left_us = block.expires_us.saturating_sub(now_us);
        let goes_on = suspicion.last_us > block.created_us;
        return if goes_on && left_us * 2 < ttl_us {
            Decision::Prolong { id: block.id, expires_us: now_us + ttl_us }
        } else {
            Decision::Stands { id: block.id }
        };
    }
    if let Some(block) = ledger.of(&Target::Source(source)) {
        return Decision::Stands { id: block.id };
    }
    if let Some(cap) = ledger.cap(now_us) {
        return Decision::Refuse(Refused::Capped(cap));
    }
    let offence = ledger.offences(source, now_us).saturating_add(1);
    Decision::Block { target, ttl_us: ttl_us(settings, first_s, offence), offence, subject }
}

/// How long the `offence`-th offence is blocked.
fn ttl_us(settings: &Inline, first_s: u32, offence: u32) -> u64 {
    let grown = f64::from(first_s) * libm::pow(settings.ttl_factor, f64::from(offence.saturating_sub(1)));
    (grown.min(f64::from(settings.ttl_max_s)) * 1e6) as u64
}
