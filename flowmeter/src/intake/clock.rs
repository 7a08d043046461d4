//! The capture clock: how far the packets say that time has come, and when they are not to be believed.

/// What a timestamp means to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Within the idle timeout of the clock, either way.
    Plausible,
    /// More than the idle timeout ahead: to be confirmed.
    FarAhead,
    /// More than the idle timeout behind: the clock stepped back.
    FarBehind,
}

#[derive(Clone, Debug)]
pub(super) struct CaptureClock {
    idle_us: u64,
    /// None before the first packet.
    watermark_us: Option<u64>,
    epoch: u32,
}

impl CaptureClock {
    pub(super) fn new(idle_us: u64) -> Self {
        Self { idle_us, watermark_us: None, epoch: 0 }
    }

    pub(super) fn watermark_us(&self) -> u64 {
        self.watermark_us.unwrap_or(0)
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    #[inline]
    pub(super) fn read(&self, time_us: u64) -> Reading {
        match self.watermark_us {
            Some(watermark) if time_us.saturating_sub(watermark) > self.idle_us => Reading::FarAhead,
            Some(watermark) if watermark.saturating_sub(time_us) > self.idle_us => Reading::FarBehind,
            _ => Reading::Plausible,
        }
    }

    /// A packet at `time_us` confirms an earlier one at `held_us`: it is not more than the idle timeout behind it.
    pub(super) fn confirms(&self, time_us: u64, held_us: u64) -> bool {
        held_us.saturating_sub(time_us) <= self.idle_us
    }

    /// Moves on to a believed time; never back.
    #[inline]
    pub(super) fn advance(&mut self, time_us: u64) {
        self.watermark_us = Some(self.watermark_us().max(time_us));
    }

    /// Begins the next epoch.
    pub(super) fn step_back(&mut self, time_us: u64) {
        self.epoch = self.epoch.wrapping_add(1);
        self.watermark_us = Some(time_us);
    }
}
