//! What another engine says: one alert of it, and where alerts wait for an incident that they fit.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use store::record::Witness;

/// An address and, where the protocol has them, a port.
pub type End = (IpAddr, Option<u16>);

/// One alert of another engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Who opened the conversation, as far as the engine knows.
    pub source: End,
    /// The other side.
    pub target: End,
    /// IP protocol number.
    pub protocol: u8,
    /// What is kept of it: the rule, with one alert.
    pub witness: Witness,
}

impl Heard {
    /// When it spoke, microseconds since the epoch.
    #[must_use]
    pub fn at_us(&self) -> u64 {
        self.witness.first_us
    }

    /// Both addresses, in an order that does not depend on who opened the conversation.
    pub(super) fn pair(&self) -> (IpAddr, IpAddr) {
        pair(self.source.0, self.target.0)
    }
}

/// Two addresses in their own order.
pub(super) fn pair(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    if a <= b { (a, b) } else { (b, a) }
}

/// How alerts of other engines are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// An alert may be so much earlier or later than the packets of an incident, microseconds.
    pub window_us: u64,
    /// Rules of this severity or graver (1 is the gravest) confirm what the forest suspects of the same flow; 0: none does.
    pub confirm_severity: u8,
}

/// Where alerts of other engines went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WitnessSums {
    /// Alerts that came.
    pub heard: u64,
    /// Alerts that became part of an incident. The others fit none.
    pub joined: u64,
    /// Incidents with a witness.
    pub incidents: u64,
    /// Incidents that the forest suspected and that a witness confirmed.
    pub confirmed: u64,
}

/// Alerts that fit no incident yet: the newest, oldest first.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) joining: Joining,
    alerts: VecDeque<Heard>,
    pairs: HashMap<(IpAddr, IpAddr), u32>,
}

impl Waiting {
    /// Alerts that wait at once; beyond it the oldest is let go.
    pub(super) const MAX: usize = 4096;

    pub(super) fn new(joining: Joining) -> Self {
        Self { joining, alerts: VecDeque::new(), pairs: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    pub(super) fn push(&mut self, heard: Heard) {
        if self.alerts.len() == Self::MAX
            && let Some(oldest) = self.alerts.pop_front()
        {
            self.forget_pair(oldest.pair());
        }
        *self.pairs.entry(heard.pair()).or_default() += 1;
        self.alerts.push_back(heard);
    }

    /// An alert waits that is between these addresses.
    pub(super) fn has_pair(&self, pair: (IpAddr, IpAddr)) -> bool {
        self.pairs.contains_key(&pair)
    }

    /// Takes out the alerts that `fits` says something of, with what it says, in the order in which they came.
    pub(super) fn take<T>(&mut self, mut fits: impl FnMut(&Heard) -> Option<T>) -> Vec<(Heard, T)> {
        let mut taken = Vec::new();
        let mut at = 0;
        while at < self.alerts.len() {
            match fits(&self.alerts[at]) {
                Some(said) => {
                    let heard = self.alerts.remove(at).expect("it is there");
                    self.forget_pair(heard.pair());
                    taken.push((heard, said));
                }
                None => at += 1,
            }
        }
        taken
    }

    fn forget_pair(&mut self, pair: (IpAddr, IpAddr)) {
        if let Some(count) = self.pairs.get_mut(&pair) {
            *count -= 1;
            if *count == 0 {
                self.pairs.remove(&pair);
            }
        }
    }
}
