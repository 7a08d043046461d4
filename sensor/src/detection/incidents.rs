//! Detections that are one story: grouped by category, actor and time.

mod corroboration;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use model::Category;

use super::budget::Budget;
use super::incident::Incident;
use super::witness::{Waiting, WitnessSums};
use super::{Detection, Reason, Scope};

/// What an incident groups by, for a detection of the forest that no behaviour episode owns.
#[must_use]
pub fn scope_of(category: Category, source: IpAddr, target: IpAddr, port: u16) -> Scope {
    let (source, target) = (Some(source), Some(target));
    match category {
        Category::Scan | Category::Spread => Scope { category, source, target: None, port: None },
        Category::Dos | Category::Amplification => Scope { category, source: None, target, port: None },
        Category::Bruteforce => Scope { category, source, target, port: Some(port) },
        _ => Scope { category, source, target, port: None },
    }
}

/// Where a detection went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    incident: usize,
    shown: bool,
}

impl Place {
    /// It is an alert there, not only a count.
    #[must_use]
    pub fn is_shown(self) -> bool {
        self.shown
    }
}

/// All incidents of a run: the open ones by scope, and those that are over.
#[derive(Debug, Default)]
pub struct Incidents {
    all: BTreeMap<usize, Incident>,
    open: HashMap<Scope, usize>,
    /// Where an incident went that was merged into another.
    merged: BTreeMap<usize, usize>,
    /// Ids of incidents that were merged, and of those they went into.
    moved: Vec<(String, String)>,
    next: usize,
    forgotten: u64,
    budget: Budget,
    /// Packet time has come this far.
    now_us: u64,
    /// What other engines have said that fits no incident yet; none when nobody listens to them.
    waiting: Option<Waiting>,
    /// Incidents that have grown since waiting witnesses were last held against them.
    grown: Vec<usize>,
    witnesses: WitnessSums,
}

impl Incidents {
    /// Incidents kept in memory; the oldest is forgotten (and counted) when there are more.
    const KEPT_MAX: usize = 4096;
    /// An incident may be this much older than an episode's evidence and still be its beginning.
    pub const LEAD_US: u64 = 2_000_000;
    /// Quiet for this long, an incident is over: what comes then is another one.
    const GAP_US: u64 = 600_000_000;

    /// Adds a detection to the incident of `scope`, opening it if need be. The detection is shown (kept as an alert)
    /// while the incident has room for it; `explain` fills its reasons in then.
    /// `strength` is a behaviour's evidence as a multiple of its threshold, 0 for the forest.
    /// Gives where it went, the detection as it stands there, and the incident's id.
    pub fn add(
        &mut self,
        scope: Scope,
        mut detection: Detection,
        strength: f64,
        explain: impl FnOnce(&mut Detection),
    ) -> (Place, Detection, String) {
        let index = self.incident_of(scope, detection.first_us);
        let incident = self.all.get_mut(&index).expect("an open incident is kept");
        let shown = incident.has_room();
        if shown {
            explain(&mut detection);
        }
        incident.strengthen(strength);
        incident.add(&detection, shown);
        let id = incident.id.clone();
        self.decide(index);
        self.note_growth(index);
        (Place { incident: index, shown }, detection, id)
    }

    /// The open incident of `scope` is confirmed and has as many detections as are kept of one.
    #[must_use]
    pub fn is_full(&self, scope: Scope, first_us: u64) -> bool {
        self.open.get(&scope).and_then(|index| self.all.get(index)).is_some_and(|incident| {
            incident.detections >= Incident::DETECTIONS_MAX
                && incident.is_confirmed()
                && first_us.saturating_sub(incident.last_us) <= Self::GAP_US
        })
    }

    /// A detection that its full incident only counts.
    pub fn count_detection(&mut self, scope: Scope, detection: &Detection) {
        if let Some(incident) = self.open_mut(scope) {
            incident.add(detection, false);
        }
    }

    /// An episode of `scope` begins at `first_us`: what the forest alone had seen there long before is another story.
    pub fn part_from_suspicions(&mut self, scope: Scope, first_us: u64) {
        if self
            .open_mut(scope)
            .is_some_and(|i| i.by_behaviour.is_none() && i.first_us + Self::LEAD_US < first_us)
        {
            self.open.remove(&scope);
        }
    }

    /// A behaviour episode grew: its newest words replace the older ones in its incident's alert.
    pub fn refresh(
        &mut self,
        scope: Scope,
        last_us: u64,
        detection_id: &str,
        (source, target): (Option<IpAddr>, Option<IpAddr>),
        strength: f64,
        reasons: Vec<Reason>,
    ) {
        let Some(incident) = self.open_mut(scope) else {
            return;
        };
        incident.strengthen(strength);
        incident.changed = true;
        incident.last_us = incident.last_us.max(last_us);
        incident.met(source, target);
        if let Some(alert) = incident.alerts.iter_mut().find(|a| a.id == detection_id) {
            alert.last_us = alert.last_us.max(last_us);
            alert.reasons = reasons;
        }
        if let Some(&index) = self.open.get(&scope) {
            self.decide(index);
            self.note_growth(index);
        }
    }

    /// A flow started within the episode of `scope`.
    pub fn count_flow(&mut self, scope: Scope, at_us: u64) {
        let Some(incident) = self.open_mut(scope) else {
            return;
        };
        incident.changed = true;
        incident.flows += 1;
        incident.last_us = incident.last_us.max(at_us);
    }

    /// The episode of `scope` has begun with so many flows behind it.
    pub fn count_flows(&mut self, scope: Scope, flows: u32) {
        let Some(incident) = self.open_mut(scope) else {
            return;
        };
        incident.flows = incident.flows.max(u64::from(flows));
    }

    fn open_mut(&mut self, scope: Scope) -> Option<&mut Incident> {
        self.open.get(&scope).and_then(|index| self.all.get_mut(index))
    }

    /// The final word on the detection `id` that was provisional: its final score, or none when it is taken back.
    pub fn settle(&mut self, place: Place, id: &str, last_us: u64, score: Option<f64>) {
        let index = self.current(place.incident);
        let Some(incident) = self.all.get_mut(&index) else {
            return;
        };
        incident.settle(place.shown.then_some(id), last_us, score);
        self.decide(index);
    }

    /// Asks the budget about an incident that is confirmed and not shown.
    fn decide(&mut self, index: usize) {
        let Some(incident) = self.all.get_mut(&index).filter(|i| i.is_confirmed() && !i.is_shown()) else {
            return;
        };
        let held = self.budget.admit(incident, self.now_us);
        incident.stand(held, self.now_us);
        incident.changed = true;
    }

    /// Puts a budget in the way of what is confirmed from now on.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// The budget as it stands.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Time has come to `now_us`.
    pub fn tick(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        self.budget.tick(now_us);
    }

    /// Confirmed incidents that the budget holds back, oldest first.
    pub fn held_back(&self) -> impl Iterator<Item = &Incident> {
        self.all.values().filter(|incident| incident.is_confirmed() && !incident.is_shown())
    }

    /// Merges incidents that `inside` calls part of `scope`'s into it.
    pub fn absorb(&mut self, scope: Scope, inside: impl Fn(&Incident) -> bool) {
        let Some(&into) = self.open.get(&scope) else {
            return;
        };
        let mut inner: Vec<usize> = self.open.values().copied().filter(|&index| index != into).collect();
        inner.sort_unstable();
        inner.retain(|index| self.all.get(index).is_some_and(&inside));
        for index in inner {
            let incident = self.all.remove(&index).expect("an open incident is kept");
            self.open.remove(&incident.scope);
            self.merged.insert(index, into);
            if self.merged.len() > Self::KEPT_MAX {
                self.merged.pop_first();
            }
            let outer = self.all.get_mut(&into).expect("an open incident is kept");
            self.moved.push((incident.id.clone(), outer.id.clone()));
            outer.absorb(incident);
        }
    }

    /// Every incident that is shown, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.all.values().filter(|incident| incident.is_shown())
    }

    /// Incidents no longer in memory.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Incidents shown that changed since the last call; and who was merged into whom, in that order.
    pub fn take_changes(&mut self, mut changed: impl FnMut(&Incident)) -> Vec<(String, String)> {
        self.join_waiting();
        for incident in self.all.values_mut().filter(|i| i.changed && i.is_shown()) {
            incident.changed = false;
            changed(incident);
            incident.told();
        }
        std::mem::take(&mut self.moved)
    }

    fn incident_of(&mut self, scope: Scope, first_us: u64) -> usize {
        if let Some(&index) = self.open.get(&scope)
            && self.all.get(&index).is_some_and(|i| first_us.saturating_sub(i.last_us) <= Self::GAP_US)
        {
            return index;
        }
        if self.all.len() == Self::KEPT_MAX
            && let Some((index, oldest)) = self.all.pop_first()
        {
            self.forgotten += u64::from(oldest.is_shown());
            if self.open.get(&oldest.scope) == Some(&index) {
                self.open.remove(&oldest.scope);
            }
            self.merged.retain(|_, into| *into != index);
        }
        let index = self.next;
        self.next += 1;
        self.all.insert(index, Incident::new(scope, first_us));
        self.open.insert(scope, index);
        index
    }

    fn current(&self, mut index: usize) -> usize {
        while let Some(&into) = self.merged.get(&index) {
            index = into;
        }
        index
    }
}

#[cfg(test)]
mod tests;
