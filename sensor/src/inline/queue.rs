//! `inline-queue`: packets of flows that were not judged yet come through here, and some are held until their verdict is known.
//!
//! The kernel hands every packet of an unjudged flow over (NFQUEUE). It passes at once, except from the packets on at which the forest
//! scores a running flow (`meter.snapshots`): those wait for that score. Judged benign at the last of them, the flow's connection gets a
//! mark, and the kernel takes its packets past us from then on; judged an attack, its packets are dropped. What is blocked lies in the
//! same sets as with `inline-set`. One thread, no lock: scores come through a bounded channel, and a packet is never held longer
//! than `inline.queue.hold_ms`.

pub mod flows;
pub mod kernel;
pub mod packet;
pub mod rules;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use nfq::{Message, Queue as Netfilter, Verdict};

use super::board::Board;
use super::protected::Protected;
use crate::capture::Clock;
use flows::{Flows, Judged, Says};
use packet::Seen;

/// A packet that waits for the score of its flow.
struct Held {
    message: Message,
    seen: Seen,
    /// Packets of its flow with which the score comes.
    at: u32,
    until_us: u64,
}

/// The thread's state.
pub struct Queue {
    netfilter: Netfilter,
    flows: Flows,
    held: VecDeque<Held>,
    scores: Receiver<Judged>,
    board: Arc<Board>,
    protected: Protected,
    clock: Clock,
}

/// Bytes of a packet that are copied to us: addresses and ports lie within them, IPv6 extension headers included.
const COPIED: u16 = 256;
/// While something is held, scores are looked for so often.
const PAUSE: Duration = Duration::from_micros(200);
/// Scores that may wait. One that finds no room leaves its packets waiting until they are late.
const SCORES_MAX: usize = 4_096;

/// The channel on which scores come.
#[must_use]
pub fn scores() -> (Sender<Judged>, Receiver<Judged>) {
    bounded(SCORES_MAX)
}

impl Queue {
    /// Binds the queue: from here on packets come.
    ///
    /// # Errors
    /// No right to, or another program listens on this queue.
    pub fn bind(board: Arc<Board>, snapshots: &[u32], scores: Receiver<Judged>) -> io::Result<Self> {
        let settings = &board.settings.queue;
        let number = settings.number;
        let mut netfilter = Netfilter::open()?;
        netfilter.bind(number)?;
        netfilter.set_copy_range(number, COPIED)?;
        netfilter.set_queue_max_len(number, settings.packets_max)?;
        netfilter.set_fail_open(number, settings.queue_full.is_open())?;
        // Packets stay as large as the kernel has put them together: none is cut up for us.
        netfilter.set_recv_gso(number, true)?;
        let protected = Protected::find(&board.settings.never);
        let flows = Flows::new(snapshots);
        Ok(Self { netfilter, flows, held: VecDeque::new(), scores, board, protected, clock: Clock::system() })
    }

    /// Works as long as the kernel hands packets over. The process's end ends it.
    pub fn run(mut self) {
        let mut failing = false;
        loop {
            // With nothing held nothing can be late: the next packet may be waited for.
            self.netfilter.set_nonblocking(!self.held.is_empty());
            let came = self.netfilter.recv();
            // Where the installed model was refused, the one inside the program judges: what it says opens nothing here.
            let no_model = self.board.counts.model_missing.load(Ordering::Relaxed);
            while let Ok(judged) = self.scores.try_recv() {
                if !no_model {
                    self.flows.judge(judged);
                }
            }
            match came {
                Ok(message) => {
                    failing = false;
                    self.take(message);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(event = "queue_failed", %error, "the kernel's queue cannot be read");
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            self.release();
        }
    }

    fn take(&mut self, message: Message) {
        self.board.counts.queue_packets.fetch_add(1, Ordering::Relaxed);
        let Some(seen) = Seen::in_packet(message.get_payload()) else {
            // What has no addresses that can be read was never to be stopped.
            return self.give(message, Verdict::Accept, false);
        };
        match self.flows.packet(&seen) {
            Says::Hold { at } => self.hold(message, seen, at),
            says => self.say(message, &seen, says),
        }
    }

    fn say(&mut self, message: Message, seen: &Seen, says: Says) {
        let counts = &self.board.counts;
        match says {
            Says::Drop if !self.is_protected(seen) => {
                counts.queue_dropped.fetch_add(1, Ordering::Relaxed);
                self.give(message, Verdict::Drop, false);
            }
            Says::PassForGood { newly } => {
                counts.queue_bypassed.fetch_add(u64::from(newly), Ordering::Relaxed);
                self.give(message, Verdict::Accept, true);
            }
            Says::Pass | Says::Hold { .. } | Says::Drop => self.give(message, Verdict::Accept, false),
        }
    }

    fn is_protected(&self, seen: &Seen) -> bool {
        self.protected.covers(&seen.from.0.into()).is_some()
    }

    fn hold(&mut self, message: Message, seen: Seen, at: u32) {
        let settings = &self.board.settings.queue;
        let counts = &self.board.counts;
        if counts.model_missing.load(Ordering::Relaxed) {
            counts.queue_no_model.fetch_add(1, Ordering::Relaxed);
            return self.fail(message, &seen, at, settings.model_missing.is_open());
        }
        if self.held.len() >= settings.held_max as usize {
            counts.queue_crowded.fetch_add(1, Ordering::Relaxed);
            return self.fail(message, &seen, at, settings.overload.is_open());
        }
        counts.queue_held.fetch_add(1, Ordering::Relaxed);
        let until_us = self.clock.monotonic_us() + u64::from(settings.hold_ms) * 1_000;
        self.held.push_back(Held { message, seen, at, until_us });
    }

    /// Lets go of what has its verdict, and of what has waited long enough.
    fn release(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let now_us = self.clock.monotonic_us();
        for _ in 0..self.held.len() {
            let Some(held) = self.held.pop_front() else { return };
            match self.flows.verdict(&held.seen, held.at) {
                Some(says) => self.say(held.message, &held.seen, says),
                None if held.until_us <= now_us => {
                    self.board.counts.queue_late.fetch_add(1, Ordering::Relaxed);
                    let open = self.board.settings.queue.overload.is_open();
                    self.fail(held.message, &held.seen, held.at, open);
                }
                None => self.held.push_back(held),
            }
        }
    }

    /// There is no verdict: the settings say what then. Where packets pass, the rest of the flow does not wait for it either.
    fn fail(&mut self, message: Message, seen: &Seen, at: u32, open: bool) {
        let counts = &self.board.counts;
        let count = if open { &counts.queue_opened } else { &counts.queue_closed };
        count.fetch_add(1, Ordering::Relaxed);
        if open {
            self.flows.give_up(seen, at);
        }
        self.give(message, if open { Verdict::Accept } else { Verdict::Drop }, false);
    }

    fn give(&mut self, mut message: Message, verdict: Verdict, for_good: bool) {
        if for_good {
            let mark = message.get_nfmark() | self.board.settings.queue.mark;
            message.set_nfmark(mark);
        }
        message.set_verdict(verdict);
        if let Err(error) = self.netfilter.verdict(message) {
            tracing::debug!(event = "verdict_late", %error, "a verdict came too late");
        }
    }
}
