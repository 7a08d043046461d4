//! IPv4 and IPv6 headers, extension headers and fragments; the lengths that everything else is measured by.

use etherparse::{IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice};

use super::{Cursor, Decoded, Fragment, Fragments, Undecodable};
use crate::key::mapped;

mod next_header {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const NONE: u8 = 59;
    pub(super) const DESTINATION_OPTIONS: u8 = 60;
}

/// Extension headers that one packet may have; real ones have one or two.
const EXTENSIONS_MAX: usize = 16;

/// Opens the IP packet at the cursor, down to what it carries: addresses, protocol, and lengths of headers and payload. The
/// first nibble tells the version, whatever the layer below said.
#[inline]
pub(super) fn open<'a>(
    cursor: Cursor<'a>,
    packet: &mut Decoded<'a>,
    fragments: &mut Fragments,
) -> Result<(), Undecodable> {
    packet.vlan = cursor.vlan;
    packet.tunnel = cursor.tunnel;
    packet.is_later_fragment = false;
    match cursor.peek(1)?[0] >> 4 {
        4 => open_v4(cursor, packet, fragments),
        6 => open_v6(cursor, packet, fragments),
        _ => Err(Undecodable::Malformed),
    }
}

#[inline]
fn open_v4<'a>(
    cursor: Cursor<'a>,
    packet: &mut Decoded<'a>,
    fragments: &mut Fragments,
) -> Result<(), Undecodable> {
    let header = Ipv4HeaderSlice::from_slice(cursor.rest).map_err(|_| Undecodable::Malformed)?;
    let header_len = header.slice().len();
    let mut total = u32::from(header.total_len());
    if total == 0 {
        total = cursor.wire;
        packet.notes.zero_length = true;
    }
    total = believed(total, &cursor, packet);
    packet.source = mapped(header.source());
    packet.destination = mapped(header.destination());
    packet.protocol = header.protocol().0;
    packet.header_len = header_len as u32;
    packet.payload_len = total.checked_sub(header_len as u32).ok_or(Undecodable::Malformed)?;
    packet.ip = &cursor.rest[..cursor.rest.len().min(total as usize)];
    packet.payload = &packet.ip[header_len..];
    let offset = u32::from(header.fragments_offset().value()) * 8;
    let more = header.more_fragments();
    if more || offset > 0 {
        let id = header.identification().into();
        note_fragment(packet, fragments, packet.protocol, id, offset, more);
    }
    if packet.protocol == next_header::AUTHENTICATION && offset == 0 {
        pass_authentication(packet)?;
    }
    Ok(())
}

fn open_v6<'a>(
    cursor: Cursor<'a>,
    packet: &mut Decoded<'a>,
    fragments: &mut Fragments,
) -> Result<(), Undecodable> {
    let header = Ipv6HeaderSlice::from_slice(cursor.rest).map_err(|_| Undecodable::Malformed)?;
    packet.source = header.source();
    packet.destination = header.destination();
    packet.protocol = header.next_header().0;
    let mut payload_len = u32::from(header.payload_length());
    if payload_len == 0 && packet.protocol != next_header::NONE {
        payload_len = match jumbo_length(packet.protocol, &cursor.rest[40..]) {
            // 32 bits are too many to be believed against the wire.
            Some(length) => length.min(cursor.wire.saturating_sub(40)),
            None => {
                packet.notes.zero_length = true;
                cursor.wire.saturating_sub(40)
            }
        };
    }
    let total = believed(payload_len.saturating_add(40), &cursor, packet);
    packet.header_len = 40;
    packet.payload_len = total.checked_sub(40).ok_or(Undecodable::Malformed)?;
    packet.ip = &cursor.rest[..cursor.rest.len().min(total as usize)];
    packet.payload = &packet.ip[40..];
    let mut is_fragment = false;
    for _ in 0..EXTENSIONS_MAX {
        match packet.protocol {
            next_header::HOP_BY_HOP | next_header::ROUTING | next_header::DESTINATION_OPTIONS => {
                let [next, units, ..] = *packet.payload else {
                    return Err(Undecodable::Malformed);
                };
                pass(packet, next, (usize::from(units) + 1) * 8)?;
            }
            next_header::AUTHENTICATION => pass_authentication(packet)?,
            next_header::FRAGMENT => {
                let header = Ipv6FragmentHeaderSlice::from_slice(packet.payload)
                    .map_err(|_| Undecodable::Malformed)?;
                let offset = u32::from(header.fragment_offset().value()) * 8;
                let (more, id) = (header.more_fragments(), header.identification());
                pass(packet, header.next_header().0, 8)?;
                // A fragment that is the whole datagram is none (RFC 6946). Only the outermost header of several counts.
                if (more || offset > 0) && !is_fragment {
                    is_fragment = true;
                    note_fragment(packet, fragments, 255, id, offset, more);
                }
                if offset > 0 {
                    packet.is_later_fragment = true;
                    return Ok(());
                }
            }
            _ => return Ok(()),
        }
    }
    Err(Undecodable::Malformed)
}

/// Remembers what a fragment is a part of.
#[cold]
fn note_fragment(
    packet: &mut Decoded<'_>,
    fragments: &mut Fragments,
    protocol: u8,
    id: u32,
    offset: u32,
    more: bool,
) {
    let Decoded { source, destination, vlan, tunnel, payload_len: len, .. } = *packet;
    let fragment = Fragment { source, destination, protocol, vlan, tunnel, id, offset, len, more };
    if offset > 0 {
        packet.is_later_fragment = true;
        fragments.later = fragment;
    } else if let Some(first) = fragments.first.get_mut(usize::from(packet.first_fragments)) {
        packet.first_fragments += 1;
        *first = fragment;
    }
}

/// The length to go by. A header that claims more than was on the wire is believed, unless it was cut there by fragmentation
/// of the tunnel around it: then the tunnel's later fragments count the rest.
#[inline]
fn believed(total: u32, cursor: &Cursor<'_>, packet: &mut Decoded<'_>) -> u32 {
    if total <= cursor.wire {
        return total;
    }
    if cursor.partial {
        return cursor.wire;
    }
    packet.notes.beyond_wire = true;
    total
}

/// Moves past an extension header of `len` bytes.
fn pass(packet: &mut Decoded<'_>, next: u8, len: usize) -> Result<(), Undecodable> {
    packet.payload = packet.payload.get(len..).ok_or(Undecodable::Malformed)?;
    packet.payload_len = packet.payload_len.checked_sub(len as u32).ok_or(Undecodable::Malformed)?;
    packet.header_len += len as u32;
    packet.protocol = next;
    Ok(())
}

fn pass_authentication(packet: &mut Decoded<'_>) -> Result<(), Undecodable> {
    let header = IpAuthHeaderSlice::from_slice(packet.payload).map_err(|_| Undecodable::Malformed)?;
    let (next, len) = (header.next_header().0, header.slice().len());
    pass(packet, next, len)
}

/// The length that a jumbogram's hop-by-hop option gives (RFC 2675).
fn jumbo_length(protocol: u8, payload: &[u8]) -> Option<u32> {
    if protocol != next_header::HOP_BY_HOP {
        return None;
    }
    let end = (usize::from(*payload.get(1)?) + 1) * 8;
    let mut options = payload.get(2..end)?;
    loop {
        match *options {
            [0, ..] => options = &options[1..],
            [0xc2, 4, a, b, c, d, ..] => return Some(u32::from_be_bytes([a, b, c, d])),
            [_, len, ..] => options = options.get(2 + usize::from(len)..)?,
            _ => return None,
        }
    }
}
