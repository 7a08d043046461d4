//! The bench captures: made here, the same bytes every time, so that figures can be compared.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A pcap file under way.
struct Pcap {
    out: BufWriter<File>,
    packets: u64,
}

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;

/// One side of a conversation.
#[derive(Clone, Copy)]
struct Host {
    address: u32,
    port: u16,
}

/// A splitmix64 sequence: tiny, and the same everywhere.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

impl Pcap {
    fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { out, packets: 0 })
    }

    #[allow(clippy::too_many_arguments)]
    fn packet(
        &mut self,
        time_us: u64,
        from: Host,
        to: Host,
        protocol: u8,
        flags: u8,
        seq: u32,
        ack: u32,
        payload: usize,
    ) -> io::Result<()> {
        let l4 = if protocol == TCP { 20 } else { 8 };
        let ip_len = IPV4_LEN + l4 + payload;
        let frame_len = (ETHERNET_LEN + ip_len).max(60);
        let mut frame = [0u8; 1514];
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
        frame[12] = 0x08;
        let ip = &mut frame[ETHERNET_LEN..];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&(ip_len as u16).to_be_bytes());
        ip[4..6].copy_from_slice(&(self.packets as u16).to_be_bytes());
        ip[8] = 64;
        ip[9] = protocol;
        ip[12..16].copy_from_slice(&from.address.to_be_bytes());
        ip[16..20].copy_from_slice(&to.address.to_be_bytes());
        let l4_bytes = &mut ip[IPV4_LEN..];
        l4_bytes[..2].copy_from_slice(&from.port.to_be_bytes());
        l4_bytes[2..4].copy_from_slice(&to.port.to_be_bytes());
        if protocol == TCP {
            l4_bytes[4..8].copy_from_slice(&seq.to_be_bytes());
            l4_bytes[8..12].copy_from_slice(&ack.to_be_bytes());
            l4_bytes[12] = 0x50;
            l4_bytes[13] = flags;
        } else {
            l4_bytes[4..6].copy_from_slice(&((8 + payload) as u16).to_be_bytes());
        }
        for word in
            [(time_us / 1_000_000) as u32, (time_us % 1_000_000) as u32, frame_len as u32, frame_len as u32]
        {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.packets += 1;
        self.out.write_all(&frame[..frame_len])
    }
}

/// A conversation that is partly written.
struct Conversation {
    client: Host,
    server: Host,
    protocol: u8,
    /// Payload bytes still to come from the server.
    left: u32,
    step: u32,
    round_trip_us: u64,
    client_seq: u32,
    server_seq: u32,
}

/// Writes a mix of web-like TCP conversations of many sizes and of DNS-like UDP exchanges: at least `packets` packets.
/// Gives the number of packets and of conversations.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_mix(path: &Path, packets: u64) -> io::Result<(u64, u64)> {
    const START_US: u64 = 1_700_000_000_000_000;
    const NEW_FLOW_EVERY_US: u64 = 400;
    let mut pcap = Pcap::create(path)?;
    let mut draw = Draw(1);
    let mut due: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
    let mut running: std::collections::HashMap<u64, Conversation> = std::collections::HashMap::new();
    let (mut conversations, mut next_us) = (0u64, START_US);
    while pcap.packets < packets || !running.is_empty() {
        let start_new = pcap.packets < packets && due.peek().is_none_or(|Reverse((t, _))| next_us <= *t);
        if start_new {
            let udp = draw.below(100) < 50;
            let size = match draw.below(100) {
                0..60 => 200 + draw.below(3_000),
                60..90 => 3_000 + draw.below(30_000),
                _ => 30_000 + draw.below(60_000),
            };
            let conversation = Conversation {
                client: Host {
                    address: 0x0a00_0000 + draw.below(4_000) as u32,
                    port: 1024 + draw.below(60_000) as u16,
                },
                server: Host {
                    address: 0xc0a8_0000 + draw.below(300) as u32,
                    port: if udp { 53 } else { [80, 443, 22, 8080][draw.below(4) as usize] },
                },
                protocol: if udp { UDP } else { TCP },
                left: size as u32,
                step: 0,
                round_trip_us: 300 + draw.below(40_000),
                client_seq: draw.next() as u32,
                server_seq: draw.next() as u32,
            };
            due.push(Reverse((next_us, conversations)));
            running.insert(conversations, conversation);
            conversations += 1;
            next_us += 1 + draw.below(2 * NEW_FLOW_EVERY_US);
            continue;
        }
        let Some(Reverse((now, id))) = due.pop() else { break };
        let Some(conversation) = running.get_mut(&id) else { continue };
        match conversation.step(&mut pcap, now, &mut draw)? {
            Some(wait) => due.push(Reverse((now + wait, id))),
            None => {
                running.remove(&id);
            }
        }
    }
    pcap.out.flush()?;
    Ok((pcap.packets, conversations))
}

impl Conversation {
    /// Writes the next packet; gives the time until the one after it.
    fn step(&mut self, pcap: &mut Pcap, now: u64, draw: &mut Draw) -> io::Result<Option<u64>> {
        let (client, server) = (self.client, self.server);
        let half = self.round_trip_us / 2;
        let step = self.step;
        self.step += 1;
        if self.protocol == UDP {
            return match step {
                0 => pcap
                    .packet(now, client, server, UDP, 0, 0, 0, 30 + draw.below(40) as usize)
                    .map(|()| Some(half)),
                _ => pcap
                    .packet(now, server, client, UDP, 0, 0, 0, 60 + draw.below(400) as usize)
                    .map(|()| None),
            };
        }
        let mut from_client = |flags, payload: usize, seq: &mut u32, ack| {
            let sent = pcap.packet(now, client, server, TCP, flags, *seq, ack, payload);
            *seq = seq.wrapping_add(payload as u32 + u32::from(flags & (SYN | FIN) != 0));
            sent
        };
        match step {
            0 => from_client(SYN, 0, &mut self.client_seq, 0)?,
            1 => {
                pcap.packet(now, server, client, TCP, SYN | ACK, self.server_seq, self.client_seq, 0)?;
                self.server_seq = self.server_seq.wrapping_add(1);
            }
            2 => from_client(ACK, 0, &mut self.client_seq, self.server_seq)?,
            3 => {
                from_client(ACK | PSH, 120 + draw.below(600) as usize, &mut self.client_seq, self.server_seq)?
            }
            _ if self.left > 0 && !step.is_multiple_of(3) => {
                let payload = self.left.min(1460);
                pcap.packet(
                    now,
                    server,
                    client,
                    TCP,
                    ACK | PSH,
                    self.server_seq,
                    self.client_seq,
                    payload as usize,
                )?;
                self.server_seq = self.server_seq.wrapping_add(payload);
                self.left -= payload;
                return Ok(Some(20 + draw.below(300)));
            }
            _ if self.left > 0 => {
                from_client(ACK, 0, &mut self.client_seq, self.server_seq)?;
                return Ok(Some(half));
            }
            _ => {
                // The teardown at once: both sides say FIN, both are acknowledged.
                from_client(ACK | FIN, 0, &mut self.client_seq, self.server_seq)?;
                pcap.packet(now + half, server, client, TCP, ACK | FIN, self.server_seq, self.client_seq, 0)?;
                self.server_seq = self.server_seq.wrapping_add(1);
                pcap.packet(now + half, client, server, TCP, ACK, self.client_seq, self.server_seq, 0)?;
                return Ok(None);
            }
        }
        Ok(Some(half))
    }
}

/// Writes a SYN flood of `flows` random sources on one service.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_syn_flood(path: &Path, flows: u64) -> io::Result<()> {
    let mut pcap = Pcap::create(path)?;
    let mut draw = Draw(2);
    let server = Host { address: 0xc0a8_0001, port: 80 };
    for number in 0..flows {
        let client = Host { address: draw.next() as u32, port: 1024 + draw.below(64_000) as u16 };
        pcap.packet(1_700_000_000_000_000 + number * 5, client, server, TCP, SYN, draw.next() as u32, 0, 0)?;
    }
    pcap.out.flush()
}
