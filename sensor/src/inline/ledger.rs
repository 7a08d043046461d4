//! The blocks in force, who offended before, and how much is allowed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroUsize;

use lru::LruCache;

use super::target::Target;
use crate::config::Inline;

/// A block in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its number.
    pub id: u64,
    /// What it stops.
    pub target: Target,
    /// Attack category; none for one that a person added.
    pub category: Option<model::Category>,
    /// Id of the detection or incident that caused it.
    pub subject: Option<String>,
    /// Who decided it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when, microseconds since the epoch.
    pub created_us: u64,
    /// Until when, microseconds since the epoch.
    pub expires_us: u64,
    /// The source's offences, this one included.
    pub offence: u32,
    /// Packets that it dropped.
    pub dropped_packets: u64,
    /// It matches nothing although its source goes on.
    pub unenforceable: bool,
}

/// Which cap is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// `inline.blocks_per_minute`.
    PerMinute,
    /// `inline.blocks_max`.
    Total,
}

/// Every block in force.
pub struct Ledger {
    blocks: BTreeMap<u64, Block>,
    by_target: HashMap<Target, u64>,
    offences: LruCache<IpAddr, (u32, u64)>,
    decided: VecDeque<u64>,
    next_id: u64,
    forget_us: u64,
    per_minute: usize,
    max: usize,
}

/// Sources whose offences are remembered.
const OFFENDERS_MAX: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
const MINUTE_US: u64 = 60_000_000;

impl Ledger {
    /// An empty ledger that numbers from `next_id` on.
    #[must_use]
    pub fn new(settings: &Inline, next_id: u64) -> Self {
        Self {
            blocks: BTreeMap::new(),
            by_target: HashMap::new(),
            offences: LruCache::new(OFFENDERS_MAX),
            decided: VecDeque::new(),
            next_id,
            forget_us: u64::from(settings.forget_s) * 1_000_000,
            per_minute: settings.blocks_per_minute as usize,
            max: settings.blocks_max as usize,
        }
    }

    /// The block of exactly this target.
    #[must_use]
    pub fn of(&self, target: &Target) -> Option<&Block> {
        self.by_target.get(target).and_then(|id| self.blocks.get(id))
    }

    /// The block of this number.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Block> {
        self.blocks.get(&id)
    }

    /// The same, to note what became of it.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Block> {
        self.blocks.get_mut(&id)
    }

    /// The block of exactly this target, to note what became of it.
    pub fn of_mut(&mut self, target: &Target) -> Option<&mut Block> {
        self.by_target.get(target).and_then(|id| self.blocks.get_mut(id))
    }

    /// All, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Block> {
        self.blocks.values()
    }

    /// How often this source has offended, not counting what is forgotten.
    #[must_use]
    pub fn offences(&self, source: IpAddr, now_us: u64) -> u32 {
        self.offences
            .peek(&source)
            .filter(|(_, at_us)| now_us.saturating_sub(*at_us) < self.forget_us)
            .map_or(0, |(count, _)| *count)
    }

    /// Which cap one more block would break.
    #[must_use]
    pub fn cap(&self, now_us: u64) -> Option<Cap> {
        let lately = self.decided.iter().filter(|at_us| now_us.saturating_sub(**at_us) < MINUTE_US).count();
        if self.blocks.len() >= self.max {
            Some(Cap::Total)
        } else if lately >= self.per_minute {
            Some(Cap::PerMinute)
        } else {
            None
        }
    }

    /// The number that the next block gets.
    #[must_use]
    pub fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// The same, without using it up.
    #[must_use]
    pub fn peek_id(&self) -> u64 {
        self.next_id
    }

    /// Puts a block in force. `counts`: it was decided by the sensor, and is held against the cap a minute.
    pub fn put(&mut self, block: Block, counts: bool) {
        if counts {
            self.decided.push_back(block.created_us);
            while self.decided.len() > self.per_minute {
                self.decided.pop_front();
            }
        }
        if let Some(source) = single(&block.target) {
            self.offences.put(source, (block.offence, block.created_us));
        }
        self.next_id = self.next_id.max(block.id + 1);
        self.by_target.insert(block.target, block.id);
        self.blocks.insert(block.id, block);
    }

    /// Takes a block out.
    pub fn take(&mut self, id: u64) -> Option<Block> {
        let block = self.blocks.remove(&id)?;
        self.by_target.remove(&block.target);
        Some(block)
    }

    /// Forgets that a source offended: its block was a mistake.
    pub fn forgive(&mut self, target: &Target) {
        if let Some(source) = single(target)
            && let Some((count, _)) = self.offences.get_mut(&source)
        {
            *count = count.saturating_sub(1);
        }
    }

    /// Blocks caused by this detection or incident.
    #[must_use]
    pub fn caused_by(&self, subject: &str) -> Vec<u64> {
        self.blocks.values().filter(|b| b.subject.as_deref() == Some(subject)).map(|b| b.id).collect()
    }

    /// Blocks whose time is over.
    #[must_use]
    pub fn over(&self, now_us: u64) -> Vec<u64> {
        self.blocks.values().filter(|b| b.expires_us <= now_us).map(|b| b.id).collect()
    }
}

fn single(target: &Target) -> Option<IpAddr> {
    match *target {
        Target::Flow { source: (address, _), .. }
        | Target::Pair { source: address, .. }
        | Target::Service { source: address, .. }
        | Target::Source(address) => Some(address),
        Target::Range(_) => None,
    }
}
