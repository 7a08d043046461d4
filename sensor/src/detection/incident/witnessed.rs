//! An incident and its other witnesses: whether an alert of another engine belongs to it, and what it changes.

use std::net::IpAddr;

use store::record::Witness;

use super::{Detection, Incident, Opinion};
use crate::detection::Reason;
use crate::detection::witness::{Heard, Joining, pair};

/// Why an alert of another engine belongs to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::detection) enum JoinedBy {
    /// Both spoke of addresses that the incident is about, at the same time.
    Ends,
    /// Both spoke of the same conversation: what a Community ID names.
    Flow,
}

impl JoinedBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ends => "ends",
            Self::Flow => "flow",
        }
    }
}

impl Incident {
    /// Rules of other engines that are kept of one incident; of further ones nothing is.
    pub const WITNESSES_MAX: usize = 16;

    /// Why an alert of another engine belongs here, if it does. What nobody is shown yet is joined by a conversation alone.
    pub(in crate::detection) fn fits(&self, heard: &Heard, joining: Joining) -> Option<JoinedBy> {
        let at_us = heard.at_us();
        let in_time = at_us + joining.window_us >= self.first_us && at_us <= self.last_us + joining.window_us;
        let (a, b) = (heard.source, heard.target);
        if !in_time || !(self.is_between(a.0, b) || self.is_between(b.0, a)) {
            return None;
        }
        let flow = self.alerts.iter().any(|alert| is_of(alert, heard));
        match (flow, self.is_confirmed()) {
            (true, _) => Some(JoinedBy::Flow),
            (false, true) => Some(JoinedBy::Ends),
            (false, false) => None,
        }
    }

    /// What a conversation from `source` to `target` is about is what this is about.
    fn is_between(&self, source: IpAddr, (target, port): (IpAddr, Option<u16>)) -> bool {
        let scope = &self.scope;
        scope.source.is_none_or(|ip| ip == source)
            && scope.target.is_none_or(|ip| ip == target)
            && scope.port.is_none_or(|wanted| port == Some(wanted))
            && self.sources.may_hold(&source)
            && self.targets.may_hold(&target)
    }

    /// Takes an alert of another engine in. Gives whether it confirmed what only the forest suspected.
    pub(in crate::detection) fn join(&mut self, heard: Heard, by: JoinedBy, joining: Joining) -> bool {
        let grave = heard.witness.severity <= joining.confirm_severity;
        let weighs = by == JoinedBy::Flow
            && self.alerts.iter().any(|alert| {
                alert.opinion == Opinion::Forest && alert.weighs && !alert.revised && is_of(alert, &heard)
            });
        let confirms = !self.confirmed && grave && weighs;
        self.confirmed |= confirms;
        self.changed = true;
        self.add_witness(Witness { joined_by: by.as_str().to_owned(), ..heard.witness });
        confirms
    }

    pub(super) fn add_witness(&mut self, witness: Witness) {
        let rule = |w: &Witness| (w.generator, w.signature_id);
        let room = self.witnesses.len() < Self::WITNESSES_MAX;
        match self.witnesses.iter_mut().find(|known| rule(known) == rule(&witness)) {
            Some(known) => {
                known.first_us = known.first_us.min(witness.first_us);
                known.last_us = known.last_us.max(witness.last_us);
                known.alerts += witness.alerts;
                if witness.joined_by == JoinedBy::Flow.as_str() {
                    known.joined_by = witness.joined_by;
                }
            }
            None if room => self.witnesses.push(witness),
            None => {}
        }
    }

    /// Another engine in words: its gravest rule.
    pub(super) fn other_witness(&self) -> Option<Reason> {
        let gravest = self.witnesses.iter().min_by_key(|witness| witness.severity)?;
        let Witness { engine, signature, generator, signature_id, alerts, .. } = gravest;
        let times = if *alerts == 1 { String::new() } else { format!(", {alerts} times") };
        Some(Reason::Evidence(format!(
            "{engine} saw it, too: {signature} ({generator}:{signature_id}{times})"
        )))
    }

    /// The pairs of addresses that its alerts are between.
    pub(in crate::detection) fn pairs(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        self.alerts.iter().filter_map(|alert| Some(pair(alert.source?, alert.target?)))
    }
}

/// Both speak of one conversation, whichever side either takes for the opener: the same five that a Community ID is made of.
/// Where the engine names no ports (ICMP) the addresses have to do.
fn is_of(alert: &Detection, heard: &Heard) -> bool {
    let (Some(source), Some(target)) = (alert.source, alert.target) else { return false };
    let same = |address: IpAddr, port: Option<u16>, (ip, number): (IpAddr, Option<u16>)| {
        address == ip && (number.is_none() || number == port)
    };
    let (a, b) = (heard.source, heard.target);
    alert.opinion == Opinion::Forest
        && alert.protocol == heard.protocol
        && (same(source, alert.source_port, a) && same(target, alert.target_port, b)
            || same(source, alert.source_port, b) && same(target, alert.target_port, a))
}
