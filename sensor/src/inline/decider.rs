//! The one thread that decides: asks the policy, keeps the ledger, has the kernel carry it out, and writes down why.

mod asked;
mod kept;
mod rules;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select, tick};
use lru::LruCache;

pub use asked::{Request, Which};
pub use kept::{KEPT, Kept};
use rules::Rules;

use super::board::{Board, View};
use super::ledger::{Block, Ledger};
use super::list_file;
use super::nft::Nft;
use super::policy::{self, Decision, Refused};
use super::protected::Protected;
use super::suspicion::Suspicion;
use super::watch::News;
use crate::control::Refusal;
use crate::feed::Telling;
use crate::writer::WriterHandle;

/// A request and where its answer goes: the blocks it put in force or lifted.
pub type Asked = (Request, Sender<Result<Vec<Block>, Refusal>>);
/// Where requests go.
pub type Asking = Sender<Asked>;

/// What the decider works with.
pub struct Parts {
    /// Where it publishes. The settings are in it.
    pub board: Arc<Board>,
    /// The store's writer.
    pub writer: WriterHandle,
    /// How listeners are told.
    pub telling: Telling,
    /// Folder for the list files.
    pub state_dir: PathBuf,
    /// Interfaces whose packets may be stopped.
    pub interfaces: Vec<String>,
    /// What an earlier run left in force.
    pub kept: Kept,
    /// Wall clock, microseconds since the epoch.
    pub now_us: fn() -> u64,
}

/// The thread's state.
pub struct Decider {
    parts: Parts,
    protected: Protected,
    ledger: Ledger,
    rules: Option<Rules>,
    outcomes: BTreeMap<&'static str, u64>,
    capped_us: Option<u64>,
    /// Refusals that were written down lately: (incident, cause).
    told: LruCache<(String, &'static str), u64>,
    protected_us: u64,
    changed: bool,
}

/// How often the decider looks after what is over.
const TICK: Duration = Duration::from_millis(200);
/// Suspicions and lifts that wait.
const NEWS_MAX: usize = 1_024;
/// Requests of people that wait.
const ASKED_MAX: usize = 64;
const TOLD_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
/// A refusal of the same kind of the same incident is written down no more often.
const TOLD_EVERY_US: u64 = 600_000_000;
/// Gateways and name servers may change.
const PROTECTED_EVERY_US: u64 = 60_000_000;
/// A block that has matched nothing for so long while its source goes on cannot be enforced.
const UNMATCHED_US: u64 = 3_000_000;

/// The ends that others hold.
pub struct Handles {
    /// Where the recorder hands over.
    pub news: Sender<News>,
    /// Where people ask.
    pub asking: Asking,
    /// Ends the thread, cleanly: rules are removed.
    pub stop: Sender<()>,
}

/// The ends that the thread reads from.
pub struct Inputs {
    news: Receiver<News>,
    asked: Receiver<Asked>,
    stop: Receiver<()>,
}

/// The queues between the decider and the rest.
#[must_use]
pub fn queues() -> (Handles, Inputs) {
    let (news, news_in) = bounded(NEWS_MAX);
    let (asking, asked) = bounded(ASKED_MAX);
    let (stop, stop_in) = bounded(1);
    (Handles { news, asking, stop }, Inputs { news: news_in, asked, stop: stop_in })
}

impl Decider {
    /// A decider with what was in force before, and with its rules in the kernel when the mode has any.
    ///
    /// # Errors
    /// The rules cannot be installed: no `nft`, or no right to.
    pub fn start(parts: Parts) -> Result<Self, super::nft::NftFault> {
        let settings = &parts.board.settings;
        let now_us = (parts.now_us)();
        let mut ledger = Ledger::new(settings, parts.kept.next_id);
        if !settings.dry_run {
            for block in parts.kept.blocks(now_us) {
                ledger.put(block, false);
            }
        }
        let rules = settings.enforces().then(|| Nft::new(settings.family, &parts.interfaces));
        let rules = rules.map(|nft| Rules::install(nft, &ledger, now_us)).transpose()?;
        let protected = Protected::find(&settings.never);
        let mut decider = Self {
            protected,
            ledger,
            rules,
            outcomes: BTreeMap::new(),
            capped_us: None,
            told: LruCache::new(TOLD_MAX),
            protected_us: now_us,
            changed: true,
            parts,
        };
        decider.publish(now_us);
        Ok(decider)
    }

    /// Works until it is told to stop; then removes its rules.
    pub fn run(mut self, inputs: &Inputs) {
        let ticks = tick(TICK);
        let (nothing, mut listens) = (never(), true);
        loop {
            let news = if listens { &inputs.news } else { &nothing };
            select! {
                recv(news) -> came => match came {
                    Ok(came) => self.hear(came),
                    // The recorder has ended; people may still ask.
                    Err(_) => listens = false,
                },
                recv(inputs.asked) -> asked => if let Ok((request, answer)) = asked {
                    let done = self.answer(request);
                    // Whoever asked sees it at the next look, or has gone.
                    self.publish((self.parts.now_us)());
                    let _ = answer.send(done);
                },
                recv(ticks) -> _ => self.look_after((self.parts.now_us)()),
                recv(inputs.stop) -> _ => break,
            }
            if self.changed {
                self.publish((self.parts.now_us)());
            }
        }
        if let Some(rules) = &self.rules {
            rules.remove();
        }
        // What was asked of the writer is done when it answers this: it goes by turns, and may be told to end next.
        let _ = self.parts.writer.wait_for(|_, _| Ok(()));
    }

    /// Takes news of the recorder in.
    fn hear(&mut self, news: News) {
        let now_us = (self.parts.now_us)();
        match news {
            News::Suspected(suspicion) => self.judge(&suspicion, now_us),
            News::Cleared(subject) => {
                for id in self.ledger.caused_by(&subject) {
                    if let Some(block) = self.lift(id, now_us) {
                        self.ledger.forgive(&block.target);
                        self.count("cleared");
                        self.note_lifted(
                            &block,
                            ("sensor", "sensor"),
                            "what was said of it was taken back",
                            now_us,
                        );
                    }
                }
            }
        }
    }

    fn judge(&mut self, suspicion: &Suspicion, now_us: u64) {
        let board = Arc::clone(&self.parts.board);
        match policy::decide(&board.settings, &self.protected, &self.ledger, suspicion, now_us) {
            Decision::Block { target, ttl_us, offence, subject } => {
                let block = Block {
                    id: self.ledger.next_id(),
                    target,
                    category: Some(suspicion.category),
                    subject: Some(subject),
                    owner: "sensor".to_owned(),
                    reason: telling::reason(suspicion),
                    created_us: now_us,
                    expires_us: now_us + ttl_us,
                    offence,
                    dropped_packets: 0,
                    unenforceable: false,
                };
                self.count(if board.settings.dry_run { "would_block" } else { "blocked" });
                self.put(block, ("sensor", "sensor"), true, now_us);
            }
            Decision::Prolong { id, expires_us } => self.prolong(id, expires_us, suspicion, now_us),
            Decision::Stands { id } => self.goes_on(id, suspicion, now_us),
            Decision::Refuse(refused) => self.refuse(suspicion, &refused, now_us),
        }
    }

    /// Puts a block in force, first in the kernel, then on paper.
    fn put(&mut self, block: Block, actor: (&str, &str), counts: bool, now_us: u64) {
        if let Some(rules) = &mut self.rules {
            rules.change(
                &[(block.target, left_ms(&block, now_us))],
                &[],
                &self.ledger,
                &self.parts.board,
                now_us,
            );
        }
        self.note_put(&block, actor, now_us);
        self.ledger.put(block, counts);
        self.changed = true;
    }

    fn prolong(&mut self, id: u64, expires_us: u64, suspicion: &Suspicion, now_us: u64) {
        if let Some(block) = self.ledger.get_mut(id) {
            block.expires_us = expires_us;
            let element = (block.target, left_ms(block, now_us));
            if let Some(rules) = &mut self.rules {
                rules.change(&[element], &[], &self.ledger, &self.parts.board, now_us);
            }
            self.parts.writer.ask(
                move |store, now_us| store.prolong_block(id, expires_us, now_us),
                telling::unwritten("a longer block"),
            );
            self.count("prolonged");
            self.changed = true;
        }
        self.goes_on(id, suspicion, now_us);
    }

    /// What is blocked goes on. If nothing of it meets the block, the block cannot match it.
    fn goes_on(&mut self, id: u64, suspicion: &Suspicion, now_us: u64) {
        let Some(rules) = &self.rules else { return };
        let Some(block) = self.ledger.get_mut(id) else { return };
        let since_us = block.created_us + UNMATCHED_US;
        let unmatched = rules.seen_us() > since_us && block.dropped_packets == 0;
        if suspicion.last_us > since_us && now_us > since_us && unmatched && !block.unenforceable {
            block.unenforceable = true;
            tracing::warn!(
                event = "block_unenforceable", block = id, target = %block.target,
                "its packets go on and none meets the block: another encapsulation (QinQ, a tunnel), or another way"
            );
            self.changed = true;
        }
    }

    fn refuse(&mut self, suspicion: &Suspicion, refused: &Refused, now_us: u64) {
        self.count(refused.name());
        if matches!(refused, Refused::Capped(_)) {
            self.capped_us = Some(now_us);
        }
        self.changed = true;
        let key = (suspicion.incident.clone(), refused.name());
        let told = self.told.get(&key).is_some_and(|at_us| now_us.saturating_sub(*at_us) < TOLD_EVERY_US);
        if told || matches!(refused, Refused::Weak | Refused::Off) {
            return;
        }
        self.told.put(key, now_us);
        self.note_refused(suspicion, refused, now_us);
    }

    /// Takes a block out of the kernel and the ledger.
    fn lift(&mut self, id: u64, now_us: u64) -> Option<Block> {
        let block = self.ledger.take(id)?;
        if let Some(rules) = &mut self.rules {
            rules.change(&[], &[block.target], &self.ledger, &self.parts.board, now_us);
        }
        self.parts
            .writer
            .ask(move |store, now_us| store.lift_block(id, now_us), telling::unwritten("the end of a block"));
        self.changed = true;
        Some(block)
    }

    /// What is over ends; the rules are looked at; gateways may have changed.
    fn look_after(&mut self, now_us: u64) {
        for id in self.ledger.over(now_us) {
            // The kernel has let go of it by itself.
            if let Some(block) = self.ledger.take(id) {
                tracing::info!(event = "block_over", block = id, target = %block.target, "a block has expired");
                self.count("expired");
                self.changed = true;
            }
        }
        let settings = &self.parts.board.settings;
        if now_us.saturating_sub(self.protected_us) >= PROTECTED_EVERY_US {
            self.protected_us = now_us;
            self.protected = Protected::find(&settings.never);
        }
        if let Some(rules) = &mut self.rules {
            self.changed |= rules.look_after(&mut self.ledger, &self.parts.board, now_us);
        }
    }

    fn count(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    fn publish(&mut self, now_us: u64) {
        self.changed = false;
        let blocks: Vec<Block> = self.ledger.all().cloned().collect();
        // What a dry run would stop must not be stopped by others.
        let listed = if self.parts.board.settings.dry_run { &[][..] } else { &blocks[..] };
        if self.parts.board.settings.list
            && let Err(error) = list_file::write(&self.parts.state_dir, listed.iter(), now_us)
        {
            tracing::warn!(event = "list_failed", %error, "the list of blocks cannot be written");
        }
        self.keep();
        let rules = self.rules.as_ref();
        self.parts.board.view.store(Arc::new(View {
            blocks,
            outcomes: self.outcomes.clone(),
            fault: rules.and_then(Rules::fault),
            protected: self.protected.shown(),
            capped_us: self.capped_us,
            flushed: rules.map_or(0, Rules::flushed),
            dropped_packets: rules.map_or(0, Rules::dropped_packets),
        }));
    }
}

fn left_ms(block: &Block, now_us: u64) -> u64 {
    block.expires_us.saturating_sub(now_us) / 1_000
}
