//! Frames made by hand, header by header, so that no parser's idea of a packet is tested against itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flowmeter::{Frame, LinkType};

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// Joins headers and payloads.
pub fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    cat(&[&hex("020000000002 020000000001"), &ether_type.to_be_bytes(), payload])
}

/// A VLAN tag and the EtherType behind it.
pub fn tag(number: u16, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    cat(&[&number.to_be_bytes(), &ether_type.to_be_bytes(), payload])
}

pub fn v4(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

pub fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
}

/// What varies in an IPv4 header.
#[derive(Clone, Copy)]
pub struct Ipv4 {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub protocol: u8,
    pub id: u16,
    /// Flags and offset as on the wire: 0x2000 more fragments.
    pub fragment: u16,
    /// None: as long as it is.
    pub total_len: Option<u16>,
    /// 32-bit words of options.
    pub options: u8,
}

impl Default for Ipv4 {
    fn default() -> Self {
        let (source, destination) = (v4(1), v4(2));
        Self { source, destination, protocol: 6, id: 7, fragment: 0, total_len: None, options: 0 }
    }
}

impl Ipv4 {
    pub fn with(self, payload: &[u8]) -> Vec<u8> {
        let header_len = 20 + 4 * usize::from(self.options);
        let total = self.total_len.unwrap_or((header_len + payload.len()) as u16);
        cat(&[
            &[0x45 + self.options, 0],
            &total.to_be_bytes(),
            &self.id.to_be_bytes(),
            &self.fragment.to_be_bytes(),
            &[64, self.protocol, 0, 0],
            &self.source.octets(),
            &self.destination.octets(),
            &vec![1; header_len - 20],
            payload,
        ])
    }
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    Ipv4 { protocol, ..Ipv4::default() }.with(payload)
}

/// `next` is the first next-header value.
pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_between(v6(1), v6(2), next, payload, None)
}

pub fn ipv6_between(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next: u8,
    payload: &[u8],
    len: Option<u16>,
) -> Vec<u8> {
    let len = len.unwrap_or(payload.len() as u16);
    let (source, destination) = (source.octets(), destination.octets());
    cat(&[&hex("60000000"), &len.to_be_bytes(), &[next, 64], &source, &destination, payload])
}

pub fn tcp(ports: (u16, u16), seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    tcp_with_options(ports, seq, ack, flags, 0, payload)
}

pub fn tcp_with_options(
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    flags: u8,
    words: u8,
    payload: &[u8],
) -> Vec<u8> {
    cat(&[
        &ports.0.to_be_bytes(),
        &ports.1.to_be_bytes(),
        &seq.to_be_bytes(),
        &ack.to_be_bytes(),
        &[(5 + words) << 4, flags],
        &hex("ffff 0000 0000"),
        &vec![1; 4 * usize::from(words)],
        payload,
    ])
}

pub fn udp(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    udp_of_len(ports, 8 + payload.len() as u16, payload)
}

pub fn udp_of_len(ports: (u16, u16), len: u16, payload: &[u8]) -> Vec<u8> {
    cat(&[&ports.0.to_be_bytes(), &ports.1.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload])
}

pub fn icmp(kind: u8, code: u8, payload: &[u8]) -> Vec<u8> {
    cat(&[&[kind, code], &hex("0000 0001 0001"), payload])
}

/// A packet of a made-up conversation, and the frame it becomes.
#[derive(Clone, Debug)]
pub struct Step {
    pub time_us: u64,
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
    /// TCP, UDP or ICMP (whose type and code are the ports).
    pub protocol: u8,
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub payload_len: u16,
    /// Makes otherwise equal packets differ.
    pub id: u16,
}

impl Step {
    pub fn frame(&self) -> Vec<u8> {
        let payload = vec![0; usize::from(self.payload_len)];
        let ports = (self.source.1, self.destination.1);
        let body = match self.protocol {
            6 => tcp(ports, self.seq, self.ack, self.flags, &payload),
            17 => udp(ports, &payload),
            _ => icmp(ports.0 as u8, ports.1 as u8, &payload),
        };
        match (self.source.0, self.destination.0) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let protocol = self.protocol;
                ethernet(
                    0x0800,
                    &Ipv4 { source, destination, protocol, id: self.id, ..Ipv4::default() }.with(&body),
                )
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                ethernet(0x86dd, &ipv6_between(source, destination, self.protocol, &body, None))
            }
            mixed => panic!("{mixed:?} cannot be in one packet"),
        }
    }
}

/// A frame as it was on the wire, whole.
pub fn whole(time_us: u64, bytes: &[u8]) -> Frame<'_> {
    Frame { link: LinkType::Ethernet, time_us, wire_len: bytes.len() as u32, bytes }
}

/// Both ends of a TCP or UDP conversation.
#[derive(Clone, Copy)]
pub struct Pair {
    pub protocol: u8,
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
}

impl Pair {
    pub fn tcp(port: u16) -> Self {
        Self { protocol: 6, client: (v4(1).into(), port), server: (v4(2).into(), 80) }
    }

    pub fn udp(port: u16) -> Self {
        Self { protocol: 17, client: (v4(1).into(), port), server: (v4(2).into(), 53) }
    }

    /// From the client at a time, with TCP flags, sequence and acknowledgement numbers and a payload length.
    pub fn up(&self, time_us: u64, flags: u8, seq: u32, ack: u32, payload_len: u16) -> Step {
        let (source, destination) = (self.client, self.server);
        let protocol = self.protocol;
        Step { time_us, source, destination, protocol, flags, seq, ack, payload_len, id: time_us as u16 }
    }

    /// From the server.
    pub fn down(&self, time_us: u64, flags: u8, seq: u32, ack: u32, payload_len: u16) -> Step {
        let Step { source, destination, .. } = self.up(0, 0, 0, 0, 0);
        Step { source: destination, destination: source, ..self.up(time_us, flags, seq, ack, payload_len) }
    }
}
