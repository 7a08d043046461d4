//! `--speed`: how fast capture time may pass.

use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::pipeline::Feed;

/// A virtual clock that capture time may not overtake.
#[derive(Debug)]
pub(super) struct Pace {
    /// Capture seconds a real second; none for as fast as it goes.
    times: Option<f64>,
    started: Option<Instant>,
    last_us: u64,
    /// Capture time that has passed, jumps shortened.
    passed_us: u64,
}

impl Pace {
    /// A capture's clock may jump by years; nobody waits for longer than this.
    const GAP_MAX_US: u64 = 60_000_000;
    /// Shorter waits are not worth a system call.
    const WAIT_MIN: Duration = Duration::from_millis(1);

    /// Waits until a packet of `time_us` is due. What was gathered before it is sent on first.
    #[allow(clippy::disallowed_methods)] // pacing is the one thing here that is about real time
    pub(super) fn wait_for(&mut self, time_us: u64, feed: &mut Feed) {
        let Some(times) = self.times else { return };
        let started = *self.started.get_or_insert_with(|| {
            self.last_us = time_us;
            Instant::now()
        });
        self.passed_us += time_us.saturating_sub(self.last_us).min(Self::GAP_MAX_US);
        self.last_us = time_us;
        let due = Duration::from_micros((self.passed_us as f64 / times) as u64);
        if let Some(wait) = due.checked_sub(started.elapsed()).filter(|wait| *wait >= Self::WAIT_MIN) {
            feed.flush();
            thread::sleep(wait);
        }
    }
}

impl FromStr for Pace {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let times = match text {
            "max" => None,
            _ => Some(text.parse::<f64>().ok().filter(|t| t.is_finite() && *t > 0.0).ok_or_else(|| {
                Fault::Usage(format!(
                    "--speed {text}: write max, or a multiple of real time such as 1, 0.5 or 20"
                ))
            })?),
        };
        Ok(Self { times, started: None, last_us: 0, passed_us: 0 })
    }
}
