//! What people ask of the decider: stop this, let that through again.

use store::record::Cidr;

use super::Decider;
use crate::control::Refusal;
use crate::inline::ledger::{Block, Cap};
use crate::inline::target::Target;

/// What people ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Stop this.
    Add {
        /// What.
        target: Target,
        /// For how long, microseconds.
        ttl_us: u64,
        /// Who asks.
        actor: (String, String),
        /// Why.
        reason: String,
    },
    /// Let this through again, and forgive it.
    Lift {
        /// Which.
        which: Which,
        /// Who asks.
        actor: (String, String),
    },
}

/// Which blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one of this number.
    Id(u64),
    /// Every one of a source in this range.
    Source(Cidr),
    /// All.
    All,
}

impl Decider {
    /// Does what people ask.
    pub(super) fn answer(&mut self, request: Request) -> Result<Vec<Block>, Refusal> {
        let now_us = (self.parts.now_us)();
        match request {
            Request::Add { target, ttl_us, actor, reason } => {
                if let Some(why) = self.protected.covers(&target.source()) {
                    return Err(Refusal::conflict(format!(
                        "{} is protected: {why} (`inline.never`)",
                        target.source()
                    )));
                }
                if self.ledger.cap(now_us) == Some(Cap::Total) && self.ledger.of(&target).is_none() {
                    return Err(Refusal::conflict(
                        "`inline.blocks_max` blocks are in force; lift some, or raise it".to_owned(),
                    ));
                }
                if let Some(old) = self.ledger.of(&target).map(|block| block.id) {
                    self.lift(old, now_us);
                }
                let block = Block {
                    id: self.ledger.next_id(),
                    target,
                    category: None,
                    subject: None,
                    owner: actor.0.clone(),
                    reason,
                    created_us: now_us,
                    expires_us: now_us.saturating_add(ttl_us),
                    offence: self.offences(&target, now_us),
                    dropped_packets: 0,
                    unenforceable: false,
                };
                self.count("added");
                self.put(block.clone(), (&actor.0, &actor.1), false, now_us);
                Ok(vec![block])
            }
            Request::Lift { which, actor } => {
                let ids: Vec<u64> = self.ledger.all().filter(|b| which.is(b)).map(|b| b.id).collect();
                let mut lifted = Vec::new();
                for id in ids {
                    if let Some(block) = self.lift(id, now_us) {
                        self.ledger.forgive(&block.target);
                        self.count("lifted");
                        self.note_lifted(&block, (&actor.0, &actor.1), "lifted by hand", now_us);
                        lifted.push(block);
                    }
                }
                Ok(lifted)
            }
        }
    }

    fn offences(&self, target: &Target, now_us: u64) -> u32 {
        let source = target.source();
        if source.is_single() { self.ledger.offences(source.base(), now_us) } else { 0 }
    }
}

impl Which {
    fn is(self, block: &Block) -> bool {
        match self {
            Self::Id(id) => block.id == id,
            Self::Source(range) => {
                let source = block.target.source();
                range == source || range.contains(source.base()) && source.is_single()
            }
            Self::All => true,
        }
    }
}
