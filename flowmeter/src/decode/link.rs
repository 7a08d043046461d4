//! From a frame's first byte to its IP header: link layers, VLAN tags, LLC/SNAP, PPPoE and MPLS.

use super::{Cursor, NO_VLAN, Undecodable, be16, be32};
use crate::frame::{Frame, LinkType};

/// EtherTypes that lead on.
mod ether_type {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const QINQ: u16 = 0x88a8;
    pub(super) const OLD_QINQ: [u16; 2] = [0x9100, 0x9200];
    pub(super) const IPV6: u16 = 0x86dd;
    pub(super) const MPLS: [u16; 2] = [0x8847, 0x8848];
    pub(super) const PPPOE_SESSION: u16 = 0x8864;
    pub(super) const BRIDGED_ETHERNET: u16 = 0x6558;
    pub(super) const CISCO_METADATA: u16 = 0x8909;
}

/// Headers below IP that one frame may have; real ones have a handful.
const LAYERS_MAX: usize = 16;

/// What the cursor stands at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Ethernet,
    EtherType(u16),
    Llc,
    Ppp,
    Mpls,
    Ip,
}

/// A cursor at the frame's IP header.
#[inline]
pub(super) fn open<'a>(frame: &Frame<'a>) -> Result<Cursor<'a>, Undecodable> {
    let captured = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
    let cursor = Cursor {
        rest: frame.bytes,
        wire: frame.wire_len.max(captured),
        partial: false,
        vlan: NO_VLAN,
        tunnel: (0, 0),
    };
    let (cursor, content) = match frame.link {
        LinkType::Ethernet => match frame.bytes {
            // Nearly every frame.
            [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x00, ..] => return cursor.skip(14),
            _ => (cursor, Content::Ethernet),
        },
        LinkType::RawIp | LinkType::Ipv4 | LinkType::Ipv6 => (cursor, Content::Ip),
        LinkType::Null | LinkType::Loop => {
            let family = be32(cursor.peek(4)?);
            // The capturing host's byte order is not told; no family is larger than a byte.
            match if family > 0xffff { family.swap_bytes() } else { family } {
                2 | 10 | 24 | 28 | 30 => (cursor.skip(4)?, Content::Ip),
                // Some writers put an EtherType into the second half.
                _ if matches!(family as u16, ether_type::IPV4 | ether_type::IPV6) => {
                    (cursor.skip(4)?, Content::Ip)
                }
                _ => return Err(Undecodable::NotIp),
            }
        }
        LinkType::Ppp => (cursor, Content::Ppp),
        LinkType::PppOverEthernet => (cursor, Content::EtherType(ether_type::PPPOE_SESSION)),
        LinkType::CiscoHdlc => (cursor.skip(4)?, Content::EtherType(be16(&cursor.peek(4)?[2..]))),
        LinkType::LinuxSll => (cursor.skip(16)?, sll_content(be16(&cursor.peek(16)?[14..]))),
        LinkType::LinuxSll2 => (cursor.skip(20)?, sll_content(be16(cursor.peek(20)?))),
        LinkType::Unsupported(_) => return Err(Undecodable::UnsupportedLink),
    };
    to_ip(cursor, content)
}

/// Linux writes small numbers of its own where other frames have no EtherType.
fn sll_content(protocol: u16) -> Content {
    match protocol {
        0x0004 => Content::Llc,
        0x0007 | 0x0008 => Content::Ppp,
        other => Content::EtherType(other),
    }
}

/// Passes everything that lies below IP.
pub(super) fn to_ip(mut cursor: Cursor<'_>, mut content: Content) -> Result<Cursor<'_>, Undecodable> {
    for _ in 0..LAYERS_MAX {
        (cursor, content) = match content {
            Content::Ip => return Ok(cursor),
            Content::Ethernet => {
                let kind = be16(&cursor.peek(14)?[12..]);
                // Tags of a frame around this one are another network's.
                cursor.vlan = NO_VLAN;
                let content = if kind < 0x0600 { Content::Llc } else { Content::EtherType(kind) };
                (cursor.skip(14)?, content)
            }
            Content::EtherType(ether_type::IPV4 | ether_type::IPV6) => return Ok(cursor),
            Content::EtherType(ether_type::VLAN | ether_type::QINQ) => vlan(cursor)?,
            Content::EtherType(kind) if ether_type::OLD_QINQ.contains(&kind) => vlan(cursor)?,
            Content::EtherType(kind) if ether_type::MPLS.contains(&kind) => (cursor, Content::Mpls),
            Content::EtherType(ether_type::PPPOE_SESSION) => {
                // Version 1, type 1, code 0 (session data), session, length.
                let header = cursor.peek(6)?;
                if header[0] != 0x11 || header[1] != 0 {
                    return Err(Undecodable::Malformed);
                }
                (cursor.skip(6)?, Content::Ppp)
            }
            // A security group tag: version 1, length 1, option (2), tag (2), EtherType.
            Content::EtherType(ether_type::CISCO_METADATA) => match cursor.peek(8)? {
                [1, 1, .., high, low] => {
                    let kind = u16::from_be_bytes([*high, *low]);
                    (cursor.skip(8)?, Content::EtherType(kind))
                }
                _ => return Err(Undecodable::NotIp),
            },
            Content::EtherType(ether_type::BRIDGED_ETHERNET) => (cursor, Content::Ethernet),
            Content::EtherType(_) => return Err(Undecodable::NotIp),
            Content::Llc => match cursor.peek(8) {
                Ok([0xaa, 0xaa, 0x03, 0, 0, 0, high, low]) => {
                    let kind = u16::from_be_bytes([*high, *low]);
                    (cursor.skip(8)?, Content::EtherType(kind))
                }
                _ => return Err(Undecodable::NotIp),
            },
            Content::Ppp => ppp(cursor)?,
            Content::Mpls => {
                let label = be32(cursor.peek(4)?);
                let cursor = cursor.skip(4)?;
                let bottom_of_stack = label & 0x100 != 0;
                if bottom_of_stack { under_mpls(cursor)? } else { (cursor, Content::Mpls) }
            }
        };
    }
    Err(Undecodable::NotIp)
}

fn vlan(mut cursor: Cursor<'_>) -> Result<(Cursor<'_>, Content), Undecodable> {
    let tag = cursor.peek(4)?;
    let number = be16(tag) & 0x0fff;
    // Number 0 is a priority without a VLAN (802.1Q 9.6).
    if number != 0 {
        cursor.vlan = number;
    }
    let kind = be16(&tag[2..]);
    let content = if kind < 0x0600 { Content::Llc } else { Content::EtherType(kind) };
    Ok((cursor.skip(4)?, content))
}

/// PPP with or without address and control bytes, protocol field compressed or not (RFC 1661, RFC 1662).
fn ppp(mut cursor: Cursor<'_>) -> Result<(Cursor<'_>, Content), Undecodable> {
    if let Ok([0xff, 0x03]) = cursor.peek(2) {
        cursor = cursor.skip(2)?;
    }
    let compressed = cursor.peek(1)?[0] & 1 == 1;
    let (protocol, len) =
        if compressed { (u16::from(cursor.rest[0]), 1) } else { (be16(cursor.peek(2)?), 2) };
    let content = match protocol {
        0x0021 | 0x0057 => Content::Ip,
        0x0281 | 0x0283 => Content::Mpls,
        _ => return Err(Undecodable::NotIp),
    };
    Ok((cursor.skip(len)?, content))
}

/// Below the last label nothing names the payload: IP by its first nibble, else a pseudowire's Ethernet frame, behind a
/// control word (first nibble 0, RFC 4385) unless an EtherType already stands where a bare frame would have it.
fn under_mpls(cursor: Cursor<'_>) -> Result<(Cursor<'_>, Content), Undecodable> {
    match cursor.peek(1)?[0] >> 4 {
        4 | 6 => Ok((cursor, Content::Ip)),
        0 => {
            let kind = be16(&cursor.peek(14)?[12..]);
            let bare =
                [ether_type::IPV4, ether_type::IPV6, ether_type::VLAN, ether_type::QINQ].contains(&kind);
            Ok((if bare { cursor } else { cursor.skip(4)? }, Content::Ethernet))
        }
        _ => Err(Undecodable::NotIp),
    }
}
