//! What is in force outlives the process: kept in the store, put back by the next start.

use serde::{Deserialize, Serialize};

use super::Decider;
use super::telling::unwritten;
use crate::inline::ledger::Block;
use crate::inline::target::Target;

/// Where the store keeps it.
pub const KEPT: &str = "inline.blocks";

/// What was in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The number that the next block gets.
    pub next_id: u64,
    blocks: Vec<KeptBlock>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptBlock {
    id: u64,
    target: Target,
    category: Option<String>,
    subject: Option<String>,
    owner: String,
    reason: String,
    created_us: u64,
    expires_us: u64,
    offence: u32,
}

impl Kept {
    /// What an earlier run wrote down.
    ///
    /// # Errors
    /// The bytes are no such thing.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Nothing in force, and numbers from `next_id` on.
    #[must_use]
    pub fn from_id(next_id: u64) -> Self {
        Self { next_id, blocks: Vec::new() }
    }

    /// The same, with numbers after `last`.
    #[must_use]
    pub fn after(mut self, last: u64) -> Self {
        self.next_id = self.next_id.max(last + 1);
        self
    }

    /// Those that are still in force.
    pub(super) fn blocks(&self, now_us: u64) -> impl Iterator<Item = Block> + '_ {
        self.blocks.iter().filter(move |kept| kept.expires_us > now_us).map(|kept| Block {
            id: kept.id,
            target: kept.target,
            category: kept.category.as_deref().and_then(|name| name.parse().ok()),
            subject: kept.subject.clone(),
            owner: kept.owner.clone(),
            reason: kept.reason.clone(),
            created_us: kept.created_us,
            expires_us: kept.expires_us,
            offence: kept.offence,
            dropped_packets: 0,
            unenforceable: false,
        })
    }
}

impl Decider {
    /// Has the writer keep what is in force.
    pub(super) fn keep(&mut self) {
        // What a dry run would have stopped must not be stopped by the next start.
        if self.parts.board.settings.dry_run {
            return;
        }
        let blocks: Vec<KeptBlock> = self.ledger.all().map(KeptBlock::from).collect();
        let kept = Kept { next_id: self.ledger.peek_id(), blocks };
        if kept == self.parts.kept {
            return;
        }
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        self.parts.kept = kept;
        self.parts.writer.ask(
            move |store, now_us| store.note_setting(KEPT, &bytes, now_us),
            unwritten("what is in force"),
        );
    }
}

impl From<&Block> for KeptBlock {
    fn from(block: &Block) -> Self {
        Self {
            id: block.id,
            target: block.target,
            category: block.category.map(|category| category.as_str().to_owned()),
            subject: block.subject.clone(),
            owner: block.owner.clone(),
            reason: block.reason.clone(),
            created_us: block.created_us,
            expires_us: block.expires_us,
            offence: block.offence,
        }
    }
}
