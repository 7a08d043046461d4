//! What is not to be shown: rules that the recorder reads without a lock and the control plane replaces as a whole.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use store::record::{Cidr, SuppressionRow};

/// One rule. Absent conditions match everything; a condition on what a detection does not have matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    id: u64,
    src: Option<Cidr>,
    dst: Option<Cidr>,
    port: Option<u16>,
    category: Option<String>,
    expires_us: u64,
}

/// What an alert is about, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The attacker; none when there are many.
    pub src: Option<IpAddr>,
    /// The victim; none when there are many.
    pub dst: Option<IpAddr>,
    /// The victim's port; none when there are many.
    pub port: Option<u16>,
    /// Attack category.
    pub category: &'a str,
    /// When, microseconds since the epoch: a rule that has expired by then hides nothing.
    pub at_us: u64,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Suppressions {
    rules: ArcSwap<Vec<Rule>>,
}

impl Suppressions {
    /// Puts the rules among `rows` in force that are at `now_us`, at once and in place of those before.
    pub fn put_in_force(&self, rows: &[SuppressionRow], now_us: u64) {
        let mut rules: Vec<Rule> = rows
            .iter()
            .filter(|row| row.is_active(now_us))
            .map(|row| Rule {
                id: row.id,
                src: row.rule.src,
                dst: row.rule.dst,
                port: row.rule.port,
                category: row.rule.category.clone(),
                expires_us: row.rule.expires_us.unwrap_or(u64::MAX),
            })
            .collect();
        // The oldest that matches gets the hit, whatever order the rows came in.
        rules.sort_by_key(|rule| rule.id);
        self.rules.store(Arc::new(rules));
    }

    /// The number of the rule that hides this, if one does. Takes no lock and allocates nothing.
    #[must_use]
    pub fn hides(&self, subject: &Subject<'_>) -> Option<u64> {
        self.rules.load().iter().find(|rule| rule.matches(subject)).map(|rule| rule.id)
    }

    /// How many rules are in force.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.load().len()
    }

    /// Nothing is hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Rule {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        let within = |range: Option<Cidr>, address: Option<IpAddr>| {
            range.is_none_or(|range| address.is_some_and(|address| range.contains(address)))
        };
        subject.at_us < self.expires_us
            && self.port.is_none_or(|port| subject.port == Some(port))
            && self.category.as_deref().is_none_or(|category| category == subject.category)
            && within(self.src, subject.src)
            && within(self.dst, subject.dst)
    }
}
