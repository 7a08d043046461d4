//! Finds a conversation's packets in the ring.
//!
//! Blocks outside the time asked for are passed over by their heads. The others are opened, and their frames go through the same
//! decoder as live ones, so that VLANs, tunnels and fragments are told apart just as they were when the flow was metered.

use std::net::IpAddr;
use std::path::Path;

use flowmeter::{
    Context, Endpoint, FlowKey, Frame, HashKey, Intake, LinkType, MeterConfig, Packet, PacketSink,
};

use super::key::Key;
use super::pcap_file::PcapFile;
use super::segment::{self, End, SegmentReader};
use super::tap::RECORD_HEAD;
use crate::fault::Fault;

/// One side of a conversation. What is not said matches everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Side {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
}

/// Which packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The two sides, in either order.
    pub sides: [Side; 2],
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// Not before, microseconds since the epoch.
    pub from_us: u64,
    /// Not after.
    pub to_us: u64,
    /// The first so many that match are left out.
    pub skip: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// A capture file, by time.
    pub pcap: Vec<u8>,
    /// Packets in it.
    pub packets: u64,
    /// There are more: the file has reached its size.
    pub cut: bool,
    /// Packets of another link type than the first one's, which one capture file cannot hold.
    pub other_link: u64,
    /// Segments that break off or were changed; what came before the fault is there.
    pub damaged: u64,
    /// Segments sealed with another key.
    pub other_key: u64,
}

impl Side {
    fn is(&self, endpoint: Endpoint, ports: bool) -> bool {
        self.address.is_none_or(|address| address == endpoint.address)
            && (!ports || self.port.is_none_or(|port| port == endpoint.port))
    }
}

impl Wanted {
    fn wants(&self, key: &FlowKey) -> bool {
        let protocol = key.protocol();
        // Other protocols have no ports; in a key ICMP's type and code stand there.
        let ports = matches!(protocol, 6 | 17 | 132);
        let [a, b] = self.sides;
        let (low, high) = (key.lower(), key.higher());
        self.protocol.is_none_or(|wanted| wanted == protocol)
            && ((a.is(low, ports) && b.is(high, ports)) || (a.is(high, ports) && b.is(low, ports)))
    }

    fn covers(&self, first_us: u64, last_us: u64) -> bool {
        first_us <= self.to_us && last_us >= self.from_us
    }
}

/// Packets of the ring in `folder` that `wanted` describes, in at most `bytes_max` bytes.
pub(super) fn packets(folder: &Path, key: &Key, wanted: &Wanted, bytes_max: usize) -> Result<Found, Fault> {
    let mut matcher = Matcher::new(*wanted)?;
    let mut found = Found::default();
    let mut chosen: Vec<Chosen> = Vec::new();
    let (mut bytes, mut left_out) = (PcapFile::HEAD, 0);
    'segments: for segment in segment::list(folder).map_err(|e| Fault::opening(folder, &e))? {
        let mut reader = match SegmentReader::open(&segment.path, key) {
            Ok(reader) => reader,
            Err(end) => {
                note(&mut found, end);
                continue;
            }
        };
        loop {
            let block = match reader.next(|head| wanted.covers(head.first_us, head.last_us)) {
                Ok((_, block)) => block,
                Err(end) => {
                    note(&mut found, end);
                    break;
                }
            };
            for record in records(block) {
                if !matcher.wants(&record) {
                    continue;
                }
                if left_out < wanted.skip {
                    left_out += 1;
                    continue;
                }
                bytes += PcapFile::PACKET_HEAD + record.bytes.len();
                if bytes > bytes_max {
                    found.cut = true;
                    break 'segments;
                }
                chosen.push(Chosen { bytes: record.bytes.to_vec(), ..Chosen::of(&record) });
            }
        }
    }
    // Several capture threads write blocks of their own.
    chosen.sort_by_key(|packet| packet.time_us);
    let mut file = PcapFile::default();
    for packet in &chosen {
        if file.push(packet.link, packet.time_us, packet.wire_len, &packet.bytes) {
            found.packets += 1;
        } else {
            found.other_link += 1;
        }
    }
    debug_assert!(file.len() <= bytes_max.max(PcapFile::HEAD));
    found.pcap = file.finish();
    Ok(found)
}

fn note(found: &mut Found, end: End) {
    match end {
        End::Whole => {}
        End::Damaged => found.damaged += 1,
        End::OtherKey => found.other_key += 1,
    }
}

/// A packet that is wanted.
struct Chosen {
    time_us: u64,
    link: u32,
    wire_len: u32,
    bytes: Vec<u8>,
}

impl Chosen {
    fn of(record: &Record<'_>) -> Self {
        Self { time_us: record.time_us, link: record.link, wire_len: record.wire_len, bytes: Vec::new() }
    }
}

/// A packet of a block.
struct Record<'a> {
    time_us: u64,
    link: u32,
    wire_len: u32,
    bytes: &'a [u8],
}

/// The packets of an opened block.
fn records(mut block: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (head, rest) = block.split_at_checked(RECORD_HEAD)?;
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        let (bytes, rest) = rest.split_at_checked(number(12) as usize)?;
        block = rest;
        let time_us = u64::from_le_bytes(std::array::from_fn(|i| head[i]));
        Some(Record { time_us, link: number(8), wire_len: number(16), bytes })
    })
}

/// Says whose a frame is.
struct Matcher {
    wanted: Wanted,
    intake: Intake,
}

/// Takes the key of the packet that a frame turns out to be.
#[derive(Default)]
struct KeyOf(Option<FlowKey>);

impl PacketSink for KeyOf {
    fn packet(&mut self, packet: &Packet, _: Option<&Context>) {
        self.0 = Some(packet.key);
    }

    fn epoch_ended(&mut self, _: u32, _: u64) {}
}

impl Matcher {
    fn new(wanted: Wanted) -> Result<Self, Fault> {
        let config = MeterConfig { hash_key: HashKey::fixed(), contexts_max: 0, ..MeterConfig::default() };
        let intake = Intake::new(&config).map_err(|e| Fault::Software(e.to_string()))?;
        Ok(Self { wanted, intake })
    }

    fn wants(&mut self, record: &Record<'_>) -> bool {
        if !self.wanted.covers(record.time_us, record.time_us) {
            return false;
        }
        // All at one time: no packet is held back for its clock, and fragments find each other.
        let link = LinkType::from_pcap(record.link);
        let frame = Frame { link, time_us: 1, wire_len: record.wire_len, bytes: record.bytes };
        let mut key = KeyOf::default();
        self.intake.accept(&frame, &mut key);
        key.0.is_some_and(|key| self.wanted.wants(&key))
    }
}
