//! How many bytes of a frame are headers: what is kept where nobody shall read what was said.
//!
//! Bytes are looked at as the network sent them: what does not parse is cut where it stops making sense, never later.

use flowmeter::LinkType;

/// Bytes of link, network and transport headers at the beginning of `bytes`; at most all of it.
pub(super) fn headers_len(link: LinkType, bytes: &[u8]) -> usize {
    let end = match link {
        LinkType::Ethernet => ethernet(bytes),
        LinkType::Null | LinkType::Loop => ip(bytes, 4),
        LinkType::RawIp | LinkType::Ipv4 | LinkType::Ipv6 => ip(bytes, 0),
        LinkType::LinuxSll => ip(bytes, 16),
        LinkType::LinuxSll2 => ip(bytes, 20),
        // Links this short are all address and type.
        _ => 16,
    };
    end.min(bytes.len())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Addresses, any VLAN tags, the type, and what it names if that is IP.
fn ethernet(bytes: &[u8]) -> usize {
    const TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
    const TAGS_MAX: usize = 4;
    let mut at = 12;
    for _ in 0..TAGS_MAX {
        match u16_at(bytes, at) {
            Some(kind) if TAGS.contains(&kind) => at += 4,
            Some(0x0800 | 0x86dd) => return ip(bytes, at + 2),
            // The whole of it is addresses.
            Some(0x0806) => return at + 2 + 28,
            _ => break,
        }
    }
    at + 2
}

fn ip(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at).map(|first| first >> 4) {
        Some(4) => {
            let header = usize::from(bytes[at] & 15) * 4;
            let end = at + header.max(20);
            let fragment = u16_at(bytes, at + 6).unwrap_or(0) & 0x1fff;
            match bytes.get(at + 9) {
                Some(protocol) if fragment == 0 => transport(*protocol, bytes, end),
                _ => end,
            }
        }
        Some(6) => match bytes.get(at + 6) {
            Some(next) => ipv6_extensions(*next, bytes, at + 40),
            None => at + 40,
        },
        _ => at,
    }
}

fn ipv6_extensions(mut next: u8, bytes: &[u8], mut at: usize) -> usize {
    const EXTENSIONS_MAX: usize = 8;
    for _ in 0..EXTENSIONS_MAX {
        let (Some(after), Some(length)) = (bytes.get(at), bytes.get(at + 1)) else { return at };
        match next {
            // Hop by hop, routing, destination options.
            0 | 43 | 60 => at += (usize::from(*length) + 1) * 8,
            44 => {
                let later = u16_at(bytes, at + 2).unwrap_or(0) & 0xfff8 != 0;
                at += 8;
                if later {
                    return at;
                }
            }
            _ => return transport(next, bytes, at),
        }
        next = *after;
    }
    at
}

fn transport(protocol: u8, bytes: &[u8], at: usize) -> usize {
    match protocol {
        6 => at + bytes.get(at + 12).map_or(20, |offset| (usize::from(offset >> 4) * 4).max(20)),
        // UDP, ICMP, ICMPv6.
        17 | 1 | 58 => at + 8,
        132 => at + 12,
        _ => at,
    }
}
