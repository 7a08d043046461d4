//! What is stopped: shown, added and lifted. The decider does it; this asks it.

use std::net::IpAddr;

use crossbeam_channel::{TrySendError, bounded};
use serde::{Deserialize, Serialize};
use store::record::{BlockRow, Cidr};
use utoipa::ToSchema;

use super::Service;
use super::when::read_time;
use super::who::Actor;
use crate::control::Refusal;
use crate::inline::decider::{Request, Which};
use crate::inline::ledger;
use crate::inline::target::Covers;
use crate::inline::{Asking, Target};

/// What is to be stopped.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddBlock {
    /// The address or range that packets come from.
    pub src: String,
    /// Only towards this address.
    #[serde(default)]
    pub dst: Option<String>,
    /// Only towards this port, of anybody.
    #[serde(default)]
    pub port: Option<u16>,
    /// With `port`: `tcp` (unless said) or `udp`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Why.
    pub reason: String,
    /// For how many seconds (3600).
    #[serde(default)]
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub seconds: Option<u64>,
    /// Until when, instead: `2026-12-24T00:00:00Z`, or seconds since 1970.
    #[serde(default)]
    pub expires: Option<String>,
}

/// Which blocks are to be lifted: one of these.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiftBlocks {
    /// Its number, or the address or range of its source.
    pub which: Option<String>,
    /// Every one.
    pub all: bool,
}

/// A block and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ShownBlock {
    /// Its number.
    pub id: u64,
    /// What it covers; none for one that has ended.
    pub covers: Option<Covers>,
    /// The address or range that is stopped.
    pub src: String,
    /// The source's port, for one flow.
    pub src_port: Option<u16>,
    /// Only towards this address.
    pub dst: Option<String>,
    /// Only towards this port.
    pub port: Option<u16>,
    /// IP protocol number, when it is about one.
    pub protocol: Option<u8>,
    /// Attack category; none for one that a person added.
    pub category: Option<String>,
    /// Id of the detection or incident that caused it.
    pub subject: Option<String>,
    /// Who decided it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The source's offences, this one included.
    pub offence: Option<u32>,
    /// Since when, microseconds since the epoch.
    pub created_us: u64,
    /// Until when.
    pub expires_us: u64,
    /// When it was lifted before its time.
    pub lifted_us: Option<u64>,
    /// It is in force.
    pub active: bool,
    /// Packets that it dropped, as the last look at the rules counted them.
    pub dropped_packets: Option<u64>,
    /// It matches nothing although its source goes on.
    pub unenforceable: bool,
}

/// A range that is never blocked.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProtectedRange {
    /// The address or range.
    pub range: String,
    /// What it is.
    pub what: String,
}

/// What is stopped, and what is not.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BlockList {
    /// `passive` or `inline-set`.
    pub mode: String,
    /// Decisions are reported, and nothing is stopped.
    pub dry_run: bool,
    /// Those in force, newest first, then those that have ended.
    pub items: Vec<ShownBlock>,
    /// What is never blocked.
    pub protected: Vec<ProtectedRange>,
}

/// Blocks that were lifted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Lifted {
    /// How many.
    pub lifted: usize,
}

/// How long a block lasts that somebody adds without saying so.
const SECONDS: u64 = 3_600;
const SECONDS_MAX: u64 = 31_536_000;
const REASON_MAX: usize = 500;
/// Ended blocks that are shown.
const ENDED_SHOWN: usize = 500;

impl Service {
    /// What is in force, and what has ended.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn blocks(&self) -> Result<BlockList, Refusal> {
        let rows = self.readers.read(|reader| reader.blocks())?;
        let Some((board, _)) = &self.parts.inline else {
            let items = rows.into_iter().take(ENDED_SHOWN).map(ended).collect();
            return Ok(BlockList { mode: "passive".into(), dry_run: false, items, protected: Vec::new() });
        };
        let view = board.view.load();
        let mut items: Vec<ShownBlock> = view.blocks.iter().rev().map(in_force).collect();
        let rest = rows.into_iter().filter(|row| view.blocks.iter().all(|block| block.id != row.id));
        items.extend(rest.take(ENDED_SHOWN).map(ended));
        let protected = view
            .protected
            .iter()
            .map(|(range, what)| ProtectedRange { range: range.clone(), what: (*what).to_owned() });
        Ok(BlockList {
            mode: board.settings.mode.as_str().to_owned(),
            dry_run: board.settings.dry_run,
            protected: protected.collect(),
            items,
        })
    }

    /// Stops something; it is in force when this returns.
    ///
    /// # Errors
    /// It cannot be read, it is protected, there are too many, or this sensor stops nothing.
    pub fn block(&self, actor: &Actor, add: &AddBlock) -> Result<ShownBlock, Refusal> {
        let asking = self.asking()?;
        let reason = add.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX {
            return Err(Refusal::invalid(format!("`reason` says why in 1 to {REASON_MAX} characters")));
        }
        let request = Request::Add {
            target: target(add)?,
            ttl_us: self.ttl_us(add)?,
            actor: (actor.name.clone(), actor.role.as_str().to_owned()),
            reason: reason.to_owned(),
        };
        let put = ask(asking, request)?;
        self.settle();
        put.first().map(in_force).ok_or_else(|| Refusal::unavailable("the sensor is shutting down"))
    }

    /// Lets something through again.
    ///
    /// # Errors
    /// No such block is in force, or this sensor stops nothing.
    pub fn lift_blocks(&self, actor: &Actor, lift: &LiftBlocks) -> Result<Lifted, Refusal> {
        let asking = self.asking()?;
        let which = match (&lift.which, lift.all) {
            (None, true) => Which::All,
            (Some(text), false) => match (text.parse::<u64>(), text.parse::<Cidr>()) {
                (Ok(id), _) => Which::Id(id),
                (_, Ok(range)) => Which::Source(range),
                _ => {
                    return Err(Refusal::invalid(format!(
                        "`{text}` is neither a number nor an address or range"
                    )));
                }
            },
            _ => return Err(Refusal::invalid("name a number or a source, or ask for all")),
        };
        let actor = (actor.name.clone(), actor.role.as_str().to_owned());
        let lifted = ask(asking, Request::Lift { which, actor })?.len();
        self.settle();
        if lifted == 0 && which != Which::All {
            let text = lift.which.as_deref().unwrap_or_default();
            return Err(Refusal::not_found(format!("no block `{text}` is in force; taphound block list")));
        }
        Ok(Lifted { lifted })
    }

    /// Waits until what the decider had written down is on the disk, so that the list and the audit log show it. A store that
    /// fails changes nothing about what is stopped.
    fn settle(&self) {
        let _ = self.write(|_, _| Ok(()));
    }

    fn asking(&self) -> Result<&Asking, Refusal> {
        let inline = self.parts.inline.as_ref();
        inline
            .map(|(_, asking)| asking)
            .ok_or_else(|| Refusal::conflict("this sensor stops nothing: set `inline.mode` (docs/inline.md)"))
    }

    fn ttl_us(&self, add: &AddBlock) -> Result<u64, Refusal> {
        let seconds = match (add.seconds, add.expires.as_deref()) {
            (Some(_), Some(_)) => return Err(Refusal::invalid("name `seconds` or `expires`, not both")),
            (Some(seconds), None) => seconds,
            (None, None) => SECONDS,
            (None, Some(text)) => {
                let until = read_time(text).map_err(|e| Refusal::invalid(format!("`expires`: {e}")))?;
                until.saturating_sub(self.now_us()).div_ceil(1_000_000)
            }
        };
        if !(1..=SECONDS_MAX).contains(&seconds) {
            return Err(Refusal::invalid(format!("a block lasts 1 to {SECONDS_MAX} seconds, not {seconds}")));
        }
        Ok(seconds * 1_000_000)
    }
}

fn ask(asking: &Asking, request: Request) -> Result<Vec<ledger::Block>, Refusal> {
    let (answer, answered) = bounded(1);
    asking.try_send((request, answer)).map_err(|e| match e {
        TrySendError::Full(_) => Refusal::unavailable("too many changes wait; try again in a moment"),
        TrySendError::Disconnected(_) => Refusal::unavailable("the sensor is shutting down"),
    })?;
    answered.recv().unwrap_or_else(|_| Err(Refusal::unavailable("the sensor is shutting down")))
}

fn target(add: &AddBlock) -> Result<Target, Refusal> {
    let source: Cidr = add.src.parse().map_err(|e| Refusal::invalid(format!("`src`: {e}")))?;
    let dst = add.dst.as_deref().map(|text| {
        text.parse::<IpAddr>().map_err(|_| Refusal::invalid(format!("`dst`: `{text}` is no address")))
    });
    let protocol = match add.protocol.as_deref() {
        None | Some("tcp") => 6,
        Some("udp") => 17,
        Some(other) => return Err(Refusal::invalid(format!("`protocol` is `{other}`: use tcp or udp"))),
    };
    match (source.is_single(), dst.transpose()?, add.port) {
        (true, None, None) => Ok(Target::Source(source.base())),
        (false, None, None) => Ok(Target::Range(source)),
        (true, Some(target), None) if target.is_ipv4() != source.base().is_ipv4() => {
            Err(Refusal::invalid("`src` and `dst` are not of one IP version"))
        }
        (true, Some(target), None) => Ok(Target::Pair { source: source.base(), target }),
        (true, None, Some(port)) => Ok(Target::Service { source: source.base(), protocol, port }),
        (true, Some(_), Some(_)) => Err(Refusal::invalid("name `dst` or `port`, not both")),
        (false, ..) => Err(Refusal::invalid("a range is blocked as a whole: leave `dst` and `port` out")),
    }
}

fn in_force(block: &ledger::Block) -> ShownBlock {
    let (src_port, protocol) = match block.target {
        Target::Flow { source: (_, port), protocol, .. } => (Some(port), Some(protocol)),
        Target::Service { protocol, .. } => (None, Some(protocol)),
        Target::Pair { .. } | Target::Source(_) | Target::Range(_) => (None, None),
    };
    ShownBlock {
        id: block.id,
        covers: Some(block.target.covers()),
        src: block.target.source().to_string(),
        src_port,
        dst: block.target.target().map(|address| address.to_string()),
        port: block.target.port(),
        protocol,
        category: block.category.map(|category| category.as_str().to_owned()),
        subject: block.subject.clone(),
        owner: block.owner.clone(),
        reason: block.reason.clone(),
        offence: Some(block.offence),
        created_us: block.created_us,
        expires_us: block.expires_us,
        lifted_us: None,
        active: true,
        dropped_packets: Some(block.dropped_packets),
        unenforceable: block.unenforceable,
    }
}

fn ended(BlockRow { id, rule, lifted_us }: BlockRow) -> ShownBlock {
    ShownBlock {
        id,
        covers: None,
        src: rule.address.to_string(),
        src_port: None,
        dst: None,
        port: rule.port,
        protocol: None,
        category: None,
        subject: rule.subject,
        owner: rule.owner,
        reason: rule.reason,
        offence: None,
        created_us: rule.created_us,
        expires_us: rule.expires_us,
        lifted_us,
        active: false,
        dropped_packets: None,
        unenforceable: false,
    }
}
