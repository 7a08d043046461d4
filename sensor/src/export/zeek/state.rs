//! Zeek's summary of a connection, `conn_state` and `history`, as far as flags and counts of a record tell.
//!
//! | `conn_state` | here |
//! |---|---|
//! | `S0` | a SYN, and nothing from the responder |
//! | `S1` | both SYNs, no FIN, no RST |
//! | `SF` | both SYNs, both FINs, no RST |
//! | `REJ` | a SYN answered by a RST, no SYN from the responder; or RSTs of both sides and no payload |
//! | `S2`, `S3` | both SYNs, a FIN of the originator (`S2`) or the responder (`S3`) only |
//! | `RSTO`, `RSTR` | both SYNs, a RST of the originator or the responder; of both, the responder's counts |
//! | `RSTOS0` | a SYN, then a RST of the originator, no SYN from the responder |
//! | `RSTRH` | a RST of the responder, no SYN from the originator |
//! | `SH` | a SYN and a FIN of the originator, no SYN from the responder |
//! | `SHR` | a SYN and a FIN of the responder, no SYN from the originator |
//! | `OTH` | anything else: met in its middle, or no TCP or UDP |
//!
//! UDP is `SF` when both sides spoke, `S0` when only the originator did. A later segment of a TCP connection that began with a SYN and
//! has none of its own counts as established.

use flowmeter::{FlowRecord, OneWay, TcpFlags};

use super::protocol;

/// What one side did.
struct Side {
    spoke: bool,
    syn: bool,
    fin: bool,
    rst: bool,
}

impl Side {
    fn of(way: &OneWay) -> Self {
        let seen = way.flags_seen();
        Self {
            spoke: way.packets > 0,
            syn: seen.contains(TcpFlags::SYN),
            fin: seen.contains(TcpFlags::FIN),
            rst: seen.contains(TcpFlags::RST),
        }
    }
}

/// One of Zeek's thirteen states.
pub(in crate::export) fn conn_state(record: &FlowRecord) -> &'static str {
    let (mut orig, mut resp) = (Side::of(&record.forward), Side::of(&record.backward));
    match record.key.protocol() {
        protocol::TCP => {}
        protocol::UDP => {
            return match (orig.spoke, resp.spoke) {
                (true, true) => "SF",
                (true, false) => "S0",
                (false, _) => "SHR",
            };
        }
        _ => return "OTH",
    }
    if record.segment > 0 && record.began_with_syn && !orig.syn && !resp.syn {
        (orig.syn, resp.syn) = (true, true);
    }
    let no_payload = record.forward.bytes == 0 && record.backward.bytes == 0;
    match (orig.syn, resp.syn) {
        (true, _) if resp.rst && orig.rst && no_payload => "REJ",
        (true, false) if resp.rst => "REJ",
        (true, true) if resp.rst => "RSTR",
        (false, _) if resp.rst => "RSTRH",
        (_, true) if orig.rst => "RSTO",
        (true, false) if orig.rst => "RSTOS0",
        (true, true) => match (orig.fin, resp.fin) {
            (true, true) => "SF",
            (true, false) => "S2",
            (false, true) => "S3",
            (false, false) => "S1",
        },
        (true, false) if orig.fin => "SH",
        (true, false) if !resp.spoke => "S0",
        (false, true) if resp.fin => "SHR",
        _ => "OTH",
    }
}

/// Zeek's letters, upper case for the originator; empty where there is nothing to tell.
pub(in crate::export) fn history(record: &FlowRecord) -> String {
    let (orig, resp) = (&record.forward, &record.backward);
    let mut letters = String::new();
    let mut tell = |letter: char, by_orig: bool, by_resp: bool| {
        if by_orig {
            letters.push(letter.to_ascii_uppercase());
        }
        if by_resp {
            letters.push(letter);
        }
    };
    let data = |way: &OneWay| way.bytes > 0;
    if record.key.protocol() == protocol::UDP {
        tell('d', data(orig), data(resp));
        return letters;
    }
    if record.key.protocol() != protocol::TCP {
        return letters;
    }
    let seen = |way: &OneWay, flag: TcpFlags| way.flags_seen().contains(flag);
    // Its packets without ACK may all be RSTs: then its SYN came with one.
    let syn_ack = |way: &OneWay| {
        let without_ack = way.packets.saturating_sub(way.flags[ACK].into());
        seen(way, TcpFlags::SYN) && without_ack <= way.flags[RST].into()
    };
    let began = record.began_with_syn && record.segment == 0;
    tell(
        's',
        seen(orig, TcpFlags::SYN) && (began || !syn_ack(orig)),
        seen(resp, TcpFlags::SYN) && !syn_ack(resp),
    );
    tell('h', !began && syn_ack(orig), syn_ack(resp));
    tell('a', acknowledged(orig), false);
    tell('d', data(orig), false);
    tell('a', false, acknowledged(resp));
    tell('d', false, data(resp));
    tell('t', data(orig) && orig.retransmissions > 0, data(resp) && resp.retransmissions > 0);
    tell('f', seen(orig, TcpFlags::FIN), seen(resp, TcpFlags::FIN));
    tell('r', seen(orig, TcpFlags::RST), seen(resp, TcpFlags::RST));
    letters
}

/// Places in [`TcpFlags::LETTERS`].
const FIN: usize = 0;
const SYN: usize = 1;
const RST: usize = 2;
const ACK: usize = 4;

/// Acknowledgements beyond those that come with a SYN, FIN or RST. The originator's own SYN has none.
fn acknowledged(way: &OneWay) -> bool {
    let flags = way.flags.map(u64::from);
    let without_ack = way.packets.saturating_sub(flags[ACK]);
    let with_ack = (flags[SYN] + flags[FIN] + flags[RST]).saturating_sub(without_ack);
    flags[ACK] > with_ack
}
