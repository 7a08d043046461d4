//! Alerts of other engines find the incidents that they belong to, whoever comes first.

use super::Incidents;
use crate::detection::Incident;
use crate::detection::witness::{Heard, Joining, Waiting, WitnessSums};

impl Incidents {
    /// Listens to another engine from now on.
    pub fn listen(&mut self, joining: Joining) {
        self.waiting = Some(Waiting::new(joining));
    }

    /// Another engine has spoken: it becomes a witness of the incident that it fits best, or waits for one.
    pub fn hear(&mut self, heard: Heard) {
        let Some(joining) = self.waiting.as_ref().map(|waiting| waiting.joining) else { return };
        self.witnesses.heard += 1;
        // What people see first, then what is surest, then what is newest.
        let fits = |incident: &Incident| incident.fits(&heard, joining).map(|by| (incident.is_shown(), by));
        let best = self.all.iter().filter_map(|(index, incident)| Some((fits(incident)?, *index))).max();
        match best {
            Some(((_, by), index)) => self.join(index, vec![(heard, by)]),
            None => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.push(heard);
                }
            }
        }
    }

    /// Where alerts of the other engine went.
    #[must_use]
    pub fn witnesses(&self) -> WitnessSums {
        self.witnesses
    }

    pub(super) fn note_growth(&mut self, index: usize) {
        // (One that grows again and again is mostly the last one noted.)
        if self.waiting.is_some() && self.grown.last() != Some(&index) {
            self.grown.push(index);
        }
    }

    /// Holds what waits against the incidents that have grown.
    pub(super) fn join_waiting(&mut self) {
        let mut grown = std::mem::take(&mut self.grown);
        if self.waiting.as_ref().is_none_or(Waiting::is_empty) {
            return;
        }
        grown.sort_unstable();
        grown.dedup();
        for index in grown {
            let (Some(waiting), Some(incident)) = (&mut self.waiting, self.all.get(&index)) else { continue };
            // What nobody is shown yet is joined by a conversation alone, so most of it is passed over quickly.
            if !incident.is_confirmed() && !incident.pairs().any(|pair| waiting.has_pair(pair)) {
                continue;
            }
            let joining = waiting.joining;
            let taken = waiting.take(|heard| incident.fits(heard, joining));
            if !taken.is_empty() {
                self.join(index, taken);
            }
        }
    }

    fn join(&mut self, index: usize, taken: Vec<(Heard, super::super::incident::JoinedBy)>) {
        let (Some(waiting), Some(incident)) = (&self.waiting, self.all.get_mut(&index)) else { return };
        self.witnesses.incidents += u64::from(incident.witnesses.is_empty());
        for (heard, by) in taken {
            self.witnesses.joined += 1;
            self.witnesses.confirmed += u64::from(incident.join(heard, by, waiting.joining));
        }
        self.decide(index);
    }
}

#[cfg(test)]
mod tests;
