//! Zeek's `conn.log`, as tab-separated values and as JSON lines: one entry for every final record.
//!
//! Where ours is not what Zeek would have written:
//! - `uid` is `C` and the flow's whole uid in base 62 (22 digits, where Zeek has 17). A connection longer than 120 s is written in
//!   segments, each an entry of its own with the same uid.
//! - `orig_bytes`, `resp_bytes` are payload bytes by the headers' lengths, retransmissions included; Zeek takes them from TCP's
//!   sequence numbers. They are also there where Zeek leaves them out because the connection has no duration.
//! - `missed_bytes` is unset: gaps in the sequence are not counted in bytes. `local_orig`, `local_resp` are unset, as Zeek leaves
//!   them where it knows no local networks; so is `tunnel_parents`.
//! - `service` is there if a name was read from the first payload: `ssl`, `dns`, `http`.
//! - `history` does not tell the order of things: letters stand in the order in which a connection usually goes, each at most once
//!   a side. `A` is there when a side sent more acknowledgements than SYNs, FINs and RSTs, since packets with data are not counted
//!   apart. `C`, `G`, `I`, `Q`, `W`, `^` and repeats never are.
//! - `conn_state` follows from flags and counts ([`state`] has its own list).
//! - `#open` and `#close` are times of the capture.

pub(super) mod state;

use std::io::Write;

use flowmeter::{Context, ContextKind, FlowRecord, Uid};
use serde_json::{Map, Value, json};

use super::calendar::zeek_date;
use super::{FlowRow, RunColumns, ip_bytes, protocol};

const FIELDS: [(&str, &str); 22] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("community_id", "string"),
];

/// One entry; what is none is unset.
struct Entry {
    ts_us: u64,
    uid: String,
    proto: &'static str,
    service: Option<&'static str>,
    duration_us: Option<u64>,
    conn_state: &'static str,
    history: Option<String>,
    community_id: String,
}

impl Entry {
    fn of(row: &FlowRow<'_>, columns: &RunColumns) -> Self {
        let record = row.record;
        let history = state::history(record);
        Self {
            ts_us: record.start_us,
            uid: zeek_uid(&record.uid(&columns.sensor_id)),
            proto: proto(record),
            service: row.context.map(service),
            duration_us: Some(record.duration_us()).filter(|&us| us > 0),
            conn_state: state::conn_state(record),
            history: Some(history).filter(|h| !h.is_empty()),
            community_id: record.community_id(),
        }
    }
}

/// The comments before the first entry.
pub(super) fn header(line: &mut Vec<u8>, open_us: u64) {
    let names = FIELDS.map(|(name, _)| name).join("\t");
    let types = FIELDS.map(|(_, kind)| kind).join("\t");
    let _ = write!(
        line,
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t{}\n\
         #fields\t{names}\n#types\t{types}\n",
        zeek_date(open_us)
    );
}

/// The comment after the last entry.
pub(super) fn footer(line: &mut Vec<u8>, close_us: u64) {
    let _ = writeln!(line, "#close\t{}", zeek_date(close_us));
}

/// Appends an entry, tab-separated. No value holds a tab. Writing into memory cannot fail.
pub(super) fn row(line: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
    let (entry, record) = (Entry::of(row, columns), row.record);
    let (orig, resp) = (record.initiator(), record.responder());
    let _ = write!(
        line,
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t",
        seconds(entry.ts_us),
        entry.uid,
        orig.address,
        orig.port,
        resp.address,
        resp.port,
        entry.proto,
        entry.service.unwrap_or("-"),
    );
    let _ = writeln!(
        line,
        "{}\t{}\t{}\t{}\t-\t-\t-\t{}\t{}\t{}\t{}\t{}\t-\t{}",
        entry.duration_us.map_or("-".to_owned(), seconds),
        record.forward.bytes,
        record.backward.bytes,
        entry.conn_state,
        entry.history.as_deref().unwrap_or("-"),
        record.forward.packets,
        ip_bytes(&record.forward),
        record.backward.packets,
        ip_bytes(&record.backward),
        entry.community_id,
    );
}

/// Appends an entry as a JSON object; fields that are unset are left out, as Zeek does.
pub(super) fn json_row(line: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
    let (entry, record) = (Entry::of(row, columns), row.record);
    let (orig, resp) = (record.initiator(), record.responder());
    let values = [
        ("ts", Some(in_seconds(entry.ts_us))),
        ("uid", Some(json!(entry.uid))),
        ("id.orig_h", Some(json!(orig.address))),
        ("id.orig_p", Some(json!(orig.port))),
        ("id.resp_h", Some(json!(resp.address))),
        ("id.resp_p", Some(json!(resp.port))),
        ("proto", Some(json!(entry.proto))),
        ("service", entry.service.map(|service| json!(service))),
        ("duration", entry.duration_us.map(in_seconds)),
        ("orig_bytes", Some(json!(record.forward.bytes))),
        ("resp_bytes", Some(json!(record.backward.bytes))),
        ("conn_state", Some(json!(entry.conn_state))),
        ("history", entry.history.map(|history| json!(history))),
        ("orig_pkts", Some(json!(record.forward.packets))),
        ("orig_ip_bytes", Some(json!(ip_bytes(&record.forward)))),
        ("resp_pkts", Some(json!(record.backward.packets))),
        ("resp_ip_bytes", Some(json!(ip_bytes(&record.backward)))),
        ("community_id", Some(json!(entry.community_id))),
    ];
    let object: Map<String, Value> =
        values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let _ = serde_json::to_writer(&mut *line, &object);
    line.push(b'\n');
}

/// Zeek's names of transports: ICMPv6 is `icmp` too.
fn proto(record: &FlowRecord) -> &'static str {
    match record.key.protocol() {
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::ICMP | protocol::ICMPV6 => "icmp",
        _ => "unknown_transport",
    }
}

fn service(context: &Context) -> &'static str {
    match context.kind() {
        ContextKind::TlsServerName => "ssl",
        ContextKind::DnsName => "dns",
        ContextKind::HttpHost => "http",
    }
}

/// `C` and the 128 bits in base 62.
fn zeek_uid(uid: &Uid) -> String {
    const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const LEN: usize = 22;
    let mut rest = u128::from_be_bytes(*uid.as_bytes());
    let mut digits = [b'0'; LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    let mut text = String::with_capacity(LEN + 1);
    text.push('C');
    text.extend(digits.iter().map(|&digit| digit as char));
    text
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// A JSON number that reads back as the same microsecond for any date of this millennium.
fn in_seconds(us: u64) -> Value {
    json!(us as f64 / 1e6)
}
