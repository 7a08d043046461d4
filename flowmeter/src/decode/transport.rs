//! Layer 4: ports, TCP's flags and numbers, and how many bytes the application sent.

use super::{Decoded, Undecodable, be16, be32, protocol};
use crate::packet::{TcpFlags, TcpSegment};

/// Reads the layer-4 header. "Good IP, broken layer 4" is malformed: a header that contradicts itself or the IP length, or
/// whose ports (TCP: flags) were not captured. A protocol without ports, or a fragment without a header, counts with its
/// whole IP payload.
#[inline]
pub(super) fn open(packet: &mut Decoded<'_>) -> Result<(), Undecodable> {
    packet.source_port = 0;
    packet.destination_port = 0;
    packet.one_way = false;
    packet.tcp = None;
    match packet.protocol {
        _ if packet.is_later_fragment => Ok(()),
        protocol::TCP => tcp(packet),
        protocol::UDP => udp(packet),
        protocol::ICMP => icmp(packet, icmp_counterpart),
        protocol::ICMPV6 => icmp(packet, icmpv6_counterpart),
        protocol::SCTP => sctp(packet),
        _ => Ok(()),
    }
}

/// Passes the layer-4 header.
#[inline]
fn pass(packet: &mut Decoded<'_>, header_len: u32) -> Result<(), Undecodable> {
    packet.payload_len = packet.payload_len.checked_sub(header_len).ok_or(Undecodable::Malformed)?;
    packet.header_len += header_len;
    packet.payload = packet.payload.get(header_len as usize..).unwrap_or_default();
    Ok(())
}

#[inline]
fn tcp(packet: &mut Decoded<'_>) -> Result<(), Undecodable> {
    let header: &[u8; 14] = packet.payload.first_chunk().ok_or(Undecodable::Malformed)?;
    let header_len = u32::from(header[12] >> 4) * 4;
    if header_len < 20 {
        return Err(Undecodable::Malformed);
    }
    packet.source_port = be16(header);
    packet.destination_port = be16(&header[2..]);
    packet.tcp =
        Some(TcpSegment { seq: be32(&header[4..]), ack: be32(&header[8..]), flags: TcpFlags(header[13]) });
    pass(packet, header_len)
}

/// The datagram ends where its own length or IP's says, whichever is sooner. A length of 0 is IP's where IP's is the frame's
/// (offload) or a jumbogram's (RFC 2675).
#[inline]
fn udp(packet: &mut Decoded<'_>) -> Result<(), Undecodable> {
    let header: &[u8; 4] = packet.payload.first_chunk().ok_or(Undecodable::Malformed)?;
    packet.source_port = be16(header);
    packet.destination_port = be16(&header[2..]);
    let own = match packet.payload.get(4..6).map(be16) {
        Some(0) if packet.notes.zero_length || packet.payload_len > 0xffff => packet.payload_len,
        Some(own) => u32::from(own),
        None => packet.payload_len,
    };
    packet.payload_len = packet.payload_len.min(own);
    pass(packet, 8)
}

/// ICMP's type and code in place of ports: Community ID v1.
fn icmp(packet: &mut Decoded<'_>, counterpart: fn(u8) -> Option<u8>) -> Result<(), Undecodable> {
    let &[kind, code, ..] = packet.payload else {
        return Err(Undecodable::Malformed);
    };
    let other = counterpart(kind);
    packet.source_port = kind.into();
    packet.destination_port = other.unwrap_or(code).into();
    packet.one_way = other.is_none();
    pass(packet, 8)
}

/// The type that answers an ICMP type, or that it answers.
fn icmp_counterpart(kind: u8) -> Option<u8> {
    Some(match kind {
        0 => 8, // echo
        8 => 0,
        9 => 10, // router advertisement and solicitation
        10 => 9,
        13 => 14, // timestamp
        14 => 13,
        15 => 16, // information
        16 => 15,
        17 => 18, // address mask
        18 => 17,
        _ => return None,
    })
}

/// The type that answers an ICMPv6 type, or that it answers.
fn icmpv6_counterpart(kind: u8) -> Option<u8> {
    Some(match kind {
        128 => 129, // echo
        129 => 128,
        130 => 131, // multicast listener query and report
        131 => 130,
        133 => 134, // router solicitation and advertisement
        134 => 133,
        135 => 136, // neighbour solicitation and advertisement
        136 => 135,
        139 => 140, // node information
        140 => 139,
        144 => 145, // home agent address discovery
        145 => 144,
        _ => return None,
    })
}

/// SCTP has ports in its 12-byte common header; its chunks are not opened, so the whole IP payload counts.
fn sctp(packet: &mut Decoded<'_>) -> Result<(), Undecodable> {
    let header: &[u8; 4] = packet.payload.first_chunk().ok_or(Undecodable::Malformed)?;
    if packet.payload_len < 12 {
        return Err(Undecodable::Malformed);
    }
    packet.source_port = be16(header);
    packet.destination_port = be16(&header[2..]);
    Ok(())
}
