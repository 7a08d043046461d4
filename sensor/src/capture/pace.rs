//! How fast capture time may pass: a virtual clock that can be stopped and set to another speed while it runs.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::fault::Fault;

/// Speed of a virtual clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as it goes.
    Max,
    /// So many capture seconds a real second; finite and above 0.
    Times(f64),
}

impl FromStr for Speed {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.parse::<f64>().ok().filter(|times| times.is_finite() && *times > 0.0);
        times.map(Self::Times).ok_or_else(|| {
            Fault::Usage(format!("speed {text}: write max, or a multiple of real time such as 1, 0.5 or 20"))
        })
    }
}

/// The knobs of a virtual clock, shared by the thread that follows it and those that turn them.
#[derive(Debug)]
pub struct Pace {
    paused: AtomicBool,
    /// Bits of the f64; those of 0 for [`Speed::Max`].
    times: AtomicU64,
}

impl Pace {
    /// A running clock.
    #[must_use]
    pub fn new(speed: Speed) -> Self {
        let pace = Self { paused: AtomicBool::new(false), times: AtomicU64::new(0) };
        pace.set_speed(speed);
        pace
    }

    /// Another speed, from now on.
    pub fn set_speed(&self, speed: Speed) {
        let times = match speed {
            Speed::Max => 0.0,
            Speed::Times(times) => times,
        };
        self.times.store(f64::to_bits(times), Ordering::Relaxed);
    }

    /// The speed it runs at when it is not paused.
    #[must_use]
    pub fn speed(&self) -> Speed {
        match f64::from_bits(self.times.load(Ordering::Relaxed)) {
            0.0 => Speed::Max,
            times => Speed::Times(times),
        }
    }

    /// Stops the clock, or lets it run again.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// The clock stands.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }
}

/// Where a virtual clock has come to, on the thread that follows it.
#[derive(Debug, Default)]
pub(super) struct VirtualClock {
    /// Capture time that has passed by the clock, in microseconds.
    passed_us: f64,
    /// Capture time that packets have come to, jumps shortened.
    packets_us: u64,
    last_packet_us: Option<u64>,
    last_look_us: Option<u64>,
}

impl VirtualClock {
    /// A capture's clock may jump by years; nobody waits for longer than this.
    const GAP_MAX_US: u64 = 60_000_000;

    /// Goes on to `now_us` (monotonic) at the pace that was set. Called often: a new speed counts from the last call on.
    pub(super) fn turn(&mut self, pace: &Pace, now_us: u64) {
        let elapsed = now_us.saturating_sub(self.last_look_us.unwrap_or(now_us));
        self.last_look_us = Some(now_us);
        if let (Speed::Times(times), false) = (pace.speed(), pace.is_paused()) {
            self.passed_us += elapsed as f64 * times;
        }
    }

    /// A packet of capture time `time_us` is next. Told once a packet.
    pub(super) fn packet(&mut self, time_us: u64) {
        let last = self.last_packet_us.replace(time_us).unwrap_or(time_us);
        self.packets_us += time_us.saturating_sub(last).min(Self::GAP_MAX_US);
    }

    /// Microseconds of real time until that packet is due; 0 when it is.
    pub(super) fn wait_us(&mut self, pace: &Pace) -> u64 {
        match pace.speed() {
            Speed::Max => {
                // Whoever sets a speed later goes on from here.
                self.passed_us = self.passed_us.max(self.packets_us as f64);
                0
            }
            Speed::Times(times) => ((self.packets_us as f64 - self.passed_us).max(0.0) / times) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Speed, VirtualClock};

    #[test]
    fn packets_are_due_by_a_clock_that_can_be_stopped_and_turned() {
        let pace = Pace::new(Speed::Times(2.0));
        let mut clock = VirtualClock::default();
        clock.turn(&pace, 0);
        clock.packet(1_000_000);
        assert_eq!(clock.wait_us(&pace), 0, "the first packet is due at once");
        clock.packet(3_000_000);
        assert_eq!(clock.wait_us(&pace), 1_000_000, "two seconds at double speed");
        clock.turn(&pace, 500_000);
        assert_eq!(clock.wait_us(&pace), 500_000);
        pace.set_paused(true);
        clock.turn(&pace, 9_000_000);
        assert_eq!(clock.wait_us(&pace), 500_000, "a paused clock stands");
        pace.set_paused(false);
        pace.set_speed(Speed::Times(1.0));
        assert_eq!(clock.wait_us(&pace), 1_000_000, "one second left, at real speed");
        pace.set_speed(Speed::Max);
        assert_eq!(clock.wait_us(&pace), 0);
        pace.set_speed(Speed::Times(1.0));
        clock.packet(3_100_000);
        assert_eq!(clock.wait_us(&pace), 100_000, "goes on from where the packets are");
        clock.packet(50 * 365 * 86_400 * 1_000_000);
        assert_eq!(clock.wait_us(&pace), 60_100_000, "a jump of years is a minute");
        clock.packet(0);
        assert_eq!(clock.wait_us(&pace), 60_100_000, "a step back takes no time");
    }

    #[test]
    fn speeds_that_make_no_sense_are_refused() {
        for text in ["", "0", "-1", "inf", "nan", "fast"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
    }
}
