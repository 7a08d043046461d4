//! What another engine says comes to the incidents.

use super::LiveDesk;
use crate::detection::witness::Heard;
use crate::slot::Serving;

impl LiveDesk {
    /// Takes another engine's alerts in, as a replay has them: all at once.
    pub fn corroborate(&mut self, heard: Vec<Heard>) {
        heard.into_iter().for_each(|alert| self.detector.incidents_mut().hear(alert));
        self.pass_on();
    }

    /// What it says while no packet comes is not left waiting.
    pub(super) fn hear_in_quiet(&mut self) {
        if self.outlets.hearing.is_some() {
            self.pass_on();
        }
    }

    /// A model that was put to work since the start ends the time without one.
    pub(super) fn tell_watch_of(&mut self, serving: &Serving) {
        if let Some(watch) = self.outlets.watch.as_mut().filter(|_| serving.generation > 0) {
            watch.model_changed();
        }
    }

    /// What another engine has said since the last time finds its incidents.
    pub(super) fn hear(&mut self) {
        if let Some(hearing) = &self.outlets.hearing {
            let incidents = self.detector.incidents_mut();
            hearing.take().for_each(|heard| incidents.hear(heard));
            hearing.note(incidents.witnesses());
        }
    }
}
