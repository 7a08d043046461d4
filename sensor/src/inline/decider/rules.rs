//! The rules in the kernel over time: installed, changed, looked at, put back when somebody else has removed them.

use crate::config::inline::WhenFlushed;
use crate::inline::board::Board;
use crate::inline::ledger::{Block, Ledger};
use crate::inline::nft::{Nft, NftFault, Seen};
use crate::inline::target::Target;

/// The table and what is known of it.
pub(super) struct Rules {
    nft: Nft,
    seen_us: u64,
    looked_us: u64,
    flushed: u64,
    /// Packets dropped by tables that were replaced since.
    before: u64,
    dropped: u64,
    fault: Option<String>,
}

/// An element with less time left may expire before it is looked for.
const EXPIRING_US: u64 = 2_000_000;

impl Rules {
    /// Installs the table with everything in force.
    pub(super) fn install(nft: Nft, ledger: &Ledger, now_us: u64) -> Result<Self, NftFault> {
        nft.install(&elements(ledger, now_us))?;
        Ok(Self { nft, seen_us: now_us, looked_us: now_us, flushed: 0, before: 0, dropped: 0, fault: None })
    }

    /// Changes elements. A fault is kept for `status`; the next look tries again.
    pub(super) fn change(
        &mut self,
        add: &[(Target, u64)],
        remove: &[Target],
        ledger: &Ledger,
        board: &Board,
        now_us: u64,
    ) {
        match self.nft.change(add, remove) {
            Ok(()) => {}
            Err(NftFault::Gone) => {
                self.put_back(ledger, board, now_us, "the table is gone");
                if self.fault.is_none()
                    && let Err(fault) = self.nft.change(add, remove)
                {
                    self.fail(&fault);
                }
            }
            Err(fault) => self.fail(&fault),
        }
    }

    /// Compares the kernel with the ledger, every `inline.check_s`. Gives whether there is something to tell.
    pub(super) fn look_after(&mut self, ledger: &mut Ledger, board: &Board, now_us: u64) -> bool {
        if now_us.saturating_sub(self.looked_us) < u64::from(board.settings.check_s) * 1_000_000 {
            return false;
        }
        self.looked_us = now_us;
        match self.nft.look() {
            Ok(seen) => self.compare(&seen, ledger, board, now_us),
            Err(NftFault::Gone) => self.put_back(ledger, board, now_us, "the table is gone"),
            Err(fault) => self.fail(&fault),
        }
        true
    }

    fn compare(&mut self, seen: &Seen, ledger: &mut Ledger, board: &Board, now_us: u64) {
        self.seen_us = now_us;
        self.dropped = seen.dropped_packets;
        let mut missing = 0;
        let mut counted = Vec::new();
        for block in ledger.all() {
            match seen.packets(&block.target) {
                Some(packets) => counted.push((block.id, packets)),
                None if is_due(block, now_us) => missing += 1,
                None => {}
            }
        }
        for (id, packets) in counted {
            if let Some(block) = ledger.get_mut(id) {
                block.dropped_packets = packets;
                block.unenforceable &= packets == 0;
            }
        }
        if !seen.whole {
            self.put_back(ledger, board, now_us, "rules of the table are gone");
        } else if missing > 0 {
            self.put_back(ledger, board, now_us, "elements of its sets are gone");
        } else {
            self.fault = None;
        }
    }

    /// Somebody else has emptied or removed what we had installed.
    fn put_back(&mut self, ledger: &Ledger, board: &Board, now_us: u64, what: &str) {
        let alarmed = self.fault.is_some();
        if board.settings.when_flushed == WhenFlushed::Alarm {
            if !alarmed {
                self.flushed += 1;
                tracing::error!(
                    event = "rules_flushed",
                    what,
                    "somebody else has changed the rules; they are left so"
                );
            }
            self.fault = Some(format!(
                "{what}: somebody else has changed the table taphound, and nothing or not everything is blocked; restart the sensor to put it back"
            ));
            return;
        }
        self.flushed += 1;
        self.before += std::mem::take(&mut self.dropped);
        match self.nft.install(&elements(ledger, now_us)) {
            Ok(()) => {
                self.fault = None;
                tracing::warn!(
                    event = "rules_restored",
                    what,
                    "somebody else has changed the rules; they are back"
                );
            }
            Err(fault) => self.fail(&fault),
        }
    }

    fn fail(&mut self, fault: &NftFault) {
        let text = format!("the rules cannot be written or read: {fault}");
        if self.fault.as_ref() != Some(&text) {
            tracing::error!(event = "rules_failed", fault = %fault, "the rules cannot be written or read");
        }
        self.fault = Some(text);
    }

    /// Removes the table; a fault is logged.
    pub(super) fn remove(&self) {
        if let Err(fault) = self.nft.remove() {
            tracing::error!(event = "rules_left", fault = %fault, "the rules could not be removed; nft delete table");
        }
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.fault.clone()
    }

    pub(super) fn flushed(&self) -> u64 {
        self.flushed
    }

    pub(super) fn dropped_packets(&self) -> u64 {
        self.before + self.dropped
    }

    /// When the kernel was last seen, microseconds since the epoch.
    pub(super) fn seen_us(&self) -> u64 {
        self.seen_us
    }
}

fn is_due(block: &Block, now_us: u64) -> bool {
    block.expires_us > now_us + EXPIRING_US
}

fn elements(ledger: &Ledger, now_us: u64) -> Vec<(Target, u64)> {
    ledger
        .all()
        .filter(|block| block.expires_us > now_us)
        .map(|block| (block.target, (block.expires_us - now_us) / 1_000))
        .collect()
}
