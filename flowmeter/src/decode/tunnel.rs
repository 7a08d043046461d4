//! Tunnels over IP, opened one at a time down to the IP header inside.
//!
//! A tunnel over UDP is known by a port, which anyone may use for something else: its header must look right too, or the
//! packet is taken for plain UDP.

use super::link::{Content, to_ip};
use super::{Cursor, Decoded, Undecodable, be16, be32, protocol};
use crate::key::TunnelKind;

/// UDP ports that tunnels are sent to.
mod port {
    pub(super) const GTP_U: u16 = 2152;
    pub(super) const TEREDO: u16 = 3544;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const GENEVE: u16 = 6081;
    /// VXLAN's before it had a number of its own, and Linux's default still.
    pub(super) const OLD_VXLAN: u16 = 8472;
}

/// Extension headers of one GTP-U packet.
const GTP_EXTENSIONS_MAX: usize = 8;

/// What a tunnel's header leads to.
type Opened<'a> = Result<(Cursor<'a>, Content), Undecodable>;

/// Whether [`open`] might find a tunnel: asked of every packet, so that the few tunnels cost the others nothing.
#[inline]
pub(super) fn may_be(packet: &Decoded<'_>) -> bool {
    match packet.protocol {
        protocol::TCP => false,
        protocol::UDP => is_tunnel_port(packet.destination_port) || packet.source_port == port::TEREDO,
        _ => true,
    }
}

#[inline]
fn is_tunnel_port(number: u16) -> bool {
    matches!(
        number,
        port::VXLAN | port::OLD_VXLAN | port::VXLAN_GPE | port::GENEVE | port::GTP_U | port::TEREDO
    )
}

/// A cursor at the IP header inside, if this packet is a tunnel's. An error: it is one, but what it carries is not IP or is
/// broken.
pub(super) fn open<'a>(packet: &Decoded<'a>) -> Option<Result<Cursor<'a>, Undecodable>> {
    if packet.is_later_fragment {
        return None;
    }
    let cursor = Cursor {
        rest: packet.payload,
        wire: packet.payload_len,
        partial: packet.first_fragments > 0,
        vlan: packet.vlan,
        tunnel: packet.tunnel,
    };
    let opened = match packet.protocol {
        protocol::UDP => over_udp(packet, cursor)?,
        protocol::IPV4 | protocol::IPV6 => Ok((cursor, Content::Ip)),
        protocol::GRE => gre(cursor),
        protocol::ETHER_IP => cursor.skip(2).map(|inside| (inside, Content::Ethernet)),
        protocol::MPLS => Ok((cursor, Content::Mpls)),
        _ => return None,
    };
    Some(opened.and_then(|(cursor, content)| to_ip(cursor, content)))
}

fn over_udp<'a>(packet: &Decoded<'a>, cursor: Cursor<'a>) -> Option<Opened<'a>> {
    match packet.destination_port {
        port::VXLAN | port::OLD_VXLAN => vxlan(cursor),
        port::VXLAN_GPE => vxlan_gpe(cursor),
        port::GENEVE => geneve(cursor),
        port::GTP_U => gtp_u(cursor),
        port::TEREDO => teredo(cursor),
        _ if packet.source_port == port::TEREDO => teredo(cursor),
        _ => None,
    }
}

/// RFC 7348: 8 bytes with the I flag, a 24-bit network identifier, and an Ethernet frame. Other flags and the reserved
/// fields before the identifier are used by extensions (group policy).
fn vxlan(mut cursor: Cursor<'_>) -> Option<Opened<'_>> {
    let header = cursor.peek(8).ok()?;
    if header[0] & 0x08 == 0 || header[7] != 0 {
        return None;
    }
    cursor.tunnel = (TunnelKind::Vxlan as u8, be32(&header[4..]) >> 8);
    Some(cursor.skip(8).map(|inside| (inside, Content::Ethernet)))
}

/// VXLAN with a protocol field (draft-ietf-nvo3-vxlan-gpe): the P flag and a number of its own in the fourth byte.
fn vxlan_gpe(mut cursor: Cursor<'_>) -> Option<Opened<'_>> {
    let header = cursor.peek(8).ok()?;
    if header[0] & 0x0c != 0x0c || header[7] != 0 {
        return None;
    }
    let content = match header[3] {
        1 | 2 => Content::Ip,
        3 => Content::Ethernet,
        5 => Content::Mpls,
        _ => return Some(Err(Undecodable::NotIp)),
    };
    cursor.tunnel = (TunnelKind::Vxlan as u8, be32(&header[4..]) >> 8);
    Some(cursor.skip(8).map(|inside| (inside, content)))
}

/// RFC 8926: version 0, options of up to 252 bytes, an EtherType, a 24-bit network identifier.
fn geneve(mut cursor: Cursor<'_>) -> Option<Opened<'_>> {
    let header = cursor.peek(8).ok()?;
    if header[0] >> 6 != 0 || header[7] != 0 {
        return None;
    }
    let options = usize::from(header[0] & 0x3f) * 4;
    let content = Content::EtherType(be16(&header[2..]));
    cursor.tunnel = (TunnelKind::Geneve as u8, be32(&header[4..]) >> 8);
    Some(cursor.skip(8 + options).map(|inside| (inside, content)))
}

/// 3GPP TS 29.281: version 1, message 255 (a user's packet), then IP. Its TEIDs differ by direction, so they are no part of
/// the flow. Other messages (echo, error indication) are GTP's own traffic.
fn gtp_u(cursor: Cursor<'_>) -> Option<Opened<'_>> {
    let header = cursor.peek(8).ok()?;
    if header[0] & 0xf0 != 0x30 || header[1] != 255 {
        return None;
    }
    let mut len = 8;
    if header[0] & 0x07 != 0 {
        len += 4;
        let mut next = *cursor.rest.get(11)?;
        for _ in 0..GTP_EXTENSIONS_MAX {
            if next == 0 {
                break;
            }
            let units = usize::from(*cursor.rest.get(len)?);
            if units == 0 {
                return None;
            }
            len += units * 4;
            next = *cursor.rest.get(len - 1)?;
        }
    }
    Some(cursor.skip(len).map(|inside| (inside, Content::Ip)))
}

/// RFC 4380: authentication and origin indication may stand before the IPv6 packet, which fills the datagram but for trailers
/// (RFC 6081).
fn teredo(mut cursor: Cursor<'_>) -> Option<Opened<'_>> {
    if let Ok([0, 1, client, key]) = cursor.peek(4) {
        cursor = cursor.skip(13 + usize::from(*client) + usize::from(*key)).ok()?;
    }
    if let Ok([0, 0]) = cursor.peek(2) {
        cursor = cursor.skip(8).ok()?;
    }
    let header = cursor.peek(6).ok()?;
    let len = 40 + u32::from(be16(&header[4..]));
    let fills = len == cursor.wire || trailers_fill(&cursor, len);
    (header[0] >> 4 == 6 && fills).then_some(Ok((cursor, Content::Ip)))
}

/// What lies behind the first `len` bytes are trailers, each a type, a length and so many bytes, and nothing else.
fn trailers_fill(cursor: &Cursor<'_>, len: u32) -> bool {
    let Some(mut rest) = cursor.rest.get(len as usize..cursor.wire as usize) else { return false };
    while let [_, len, more @ ..] = rest {
        let Some(next) = more.get(usize::from(*len)..) else { return false };
        rest = next;
    }
    rest.is_empty()
}

/// RFC 2784 and 2890, and PPTP's version 1 (RFC 2637). Version 0's key is part of the flow; version 1's holds a length and a
/// call number that differs by direction.
fn gre(mut cursor: Cursor<'_>) -> Opened<'_> {
    let header = cursor.peek(4)?;
    let (flags, kind) = (be16(header), be16(&header[2..]));
    let version = flags & 7;
    let mut len = 4;
    // Checksum and routing share a word; a packet that is source-routed has more behind it than can be passed.
    if flags & 0x4000 != 0 || version > 1 {
        return Err(Undecodable::NotIp);
    }
    if flags & 0x8000 != 0 {
        len += 4;
    }
    if flags & 0x2000 != 0 {
        let key = be32(&cursor.peek(len + 4)?[len..]);
        if version == 0 {
            cursor.tunnel = (TunnelKind::Gre as u8, key);
        }
        len += 4;
    }
    let has_sequence = flags & 0x1000 != 0;
    if has_sequence {
        len += 4;
    }
    if version == 1 && flags & 0x0080 != 0 {
        len += 4;
    }
    let cursor = cursor.skip(len)?;
    match kind {
        0x880b => Ok((cursor, Content::Ppp)),
        // ERSPAN type II has a sequence number and a header of its own; type I has neither (draft-foschiano-erspan).
        0x88be if has_sequence => Ok((cursor.skip(8)?, Content::Ethernet)),
        0x88be => Ok((cursor, Content::Ethernet)),
        0x22eb => {
            let header = cursor.peek(12)?;
            let frame_type = header[10] >> 2 & 0x1f;
            let subheader = if header[11] & 1 == 1 { 8 } else { 0 };
            let content = match frame_type {
                0 => Content::Ethernet,
                2 => Content::Ip,
                _ => return Err(Undecodable::NotIp),
            };
            Ok((cursor.skip(12 + subheader)?, content))
        }
        other => Ok((cursor, Content::EtherType(other))),
    }
}
