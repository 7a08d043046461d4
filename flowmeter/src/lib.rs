//! Packets (bytes, timestamps and a link type) become flow events and flow records with 20 features.
//!
//! ```text
//! Frame -> Intake (one, sequential) -> Packet -> Shards (one a worker) -> EventBatch {events, records}
//! ```
//!
//! [`Intake`] numbers and decodes frames, finds the flow of later fragments, counts exact repeats and keeps the capture
//! clock. [`Shards`] are a worker's share of the 16 logical [`FlowTable`]s. [`Meter`] is both in one thread.
//!
//! Nothing here reads a clock, opens a file, or spawns a thread: time is what packets say, and the same packets give the
//! same events in the same order however they were batched and on however many workers.

mod accounting;
mod community;
mod config;
mod context;
mod decode;
mod event;
mod frame;
mod intake;
mod key;
mod meter;
mod packet;
mod record;
pub mod schema;
mod table;
mod uid;

pub use accounting::{FlowAccounting, IntakeCounters, PacketAccounting, TableCounters};
pub use config::{ConfigError, HashKey, MeterConfig, Tunnels};
pub use context::{Context, ContextKind};
pub use event::{EndReason, EventBatch, EventKind, EventOrder, FlowEvent, Phase, RecordIndex};
pub use frame::{Frame, LinkType};
pub use intake::{Intake, PacketSink};
pub use key::{Direction, Endpoint, FiveTuple, FlowKey, Tunnel, TunnelKind};
pub use meter::{Meter, PacketBatch, Shards};
pub use packet::{Packet, SHARDS, TcpFlags, TcpSegment};
pub use record::{CLIPPED_LEN_MAX, FlowRecord, OneWay};
pub use schema::FeatureVector;
pub use table::FlowTable;
pub use uid::{Uid, UidParseError};
