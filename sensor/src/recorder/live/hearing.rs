//! What another engine says comes to the incidents.

use super::LiveDesk;
use crate::detection::witness::Heard;

impl LiveDesk {
    /// Takes another engine's alerts in, as a replay has them: all at once.
    pub fn corroborate(&mut self, heard: Vec<Heard>) {
        heard.into_iter().for_each(|alert| self.detector.incidents_mut().hear(alert));
        self.pass_on();
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
