//! A span of time in which a counter stood above its threshold.

/// When evidence began, when it was last seen, and how much of it was told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Episode {
    pub(super) first_us: u64,
    pub(super) last_us: u64,
    told_at: u32,
}

impl Episode {
    /// Flows may begin this long before the evidence sufficed, or after the last of it.
    const SLACK_US: u64 = 2_000_000;
    /// Quiet for this long, the episode is over.
    const GAP_US: u64 = 60_000_000;

    pub(super) fn covers(&self, start_us: u64) -> bool {
        self.last_us > 0
            && start_us + Self::SLACK_US >= self.first_us
            && start_us <= self.last_us + Self::SLACK_US
    }

    /// Notes evidence of `count`; tells whether it is news: an episode's beginning (true), or a quarter more of it.
    pub(super) fn note(&mut self, first_us: u64, now_us: u64, count: u32) -> Option<bool> {
        self.note_after(Self::GAP_US, first_us, now_us, count)
    }

    /// As [`Episode::note`], for evidence that comes more rarely: quiet for `gap_us`, the episode is over.
    pub(super) fn note_after(&mut self, gap_us: u64, first_us: u64, now_us: u64, count: u32) -> Option<bool> {
        let began = self.last_us == 0 || now_us.saturating_sub(self.last_us) > gap_us;
        if began {
            *self = Self { first_us, last_us: now_us, told_at: count };
            return Some(true);
        }
        self.last_us = self.last_us.max(now_us);
        (count >= self.told_at.saturating_add(self.told_at / 4 + 1)).then(|| {
            self.told_at = count;
            false
        })
    }

    /// The latest evidence is recent.
    pub(super) fn is_running(&self, now_us: u64) -> bool {
        self.last_us > 0 && now_us.saturating_sub(self.last_us) <= Self::GAP_US
    }
}
