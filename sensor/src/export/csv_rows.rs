//! One CSV row a record, in the documented columns. No field can hold a comma or a quote, so none is quoted.

use flowmeter::{EventKind, FlowRecord, OneWay, TcpFlags};
use model::schema::FEATURES;

use super::{FlowRow, RunColumns, binary, text};

const BEFORE_FEATURES: &str = "uid,segment,flow_id,community_id,src_ip,src_port,dst_ip,dst_port,protocol,vlan,\
start_us,end_us,end_reason,fwd_packets,bwd_packets,fwd_bytes,bwd_bytes,fwd_flags,bwd_flags";
const AFTER_FEATURES: &str = "prediction,category,score,novelty,model_version";

/// The header line.
pub(super) fn header(columns: &RunColumns) -> String {
    let mut header = format!("{BEFORE_FEATURES},{},{AFTER_FEATURES}", FEATURES.join(","));
    if columns.with_truth {
        header.push_str(",true_label,true_category");
    }
    if columns.with_provisional {
        header.push_str(",provisional");
    }
    header.push('\n');
    header
}

/// Appends one row.
pub(super) fn row(line: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
    let record = row.record;
    addresses(line, record, columns);
    whole_after_comma(line, record.key.protocol());
    line.push(b',');
    if let Some(vlan) = record.vlan {
        text::whole(line, vlan);
    }
    whole_after_comma(line, record.start_us);
    whole_after_comma(line, record.end_us);
    word_after_comma(line, record.end_reason.map_or("", |reason| reason.as_str()));
    let (forward, backward) = (&record.forward, &record.backward);
    for count in [forward.packets, backward.packets, forward.bytes, backward.bytes] {
        whole_after_comma(line, count);
    }
    for way in [forward, backward] {
        line.push(b',');
        flags(line, way);
    }
    for value in record.features() {
        line.push(b',');
        text::number(line, value);
    }
    let category = row.verdict.category();
    word_after_comma(line, binary(category));
    word_after_comma(line, category.as_str());
    line.push(b',');
    text::number(line, row.scored.prediction.score);
    line.push(b',');
    if let Some(novelty) = row.scored.novelty {
        text::number(line, novelty);
    }
    whole_after_comma(line, columns.model_version);
    if columns.with_truth {
        let (label, category) = row.truth.map_or(("", ""), |truth| (binary(truth), truth.as_str()));
        word_after_comma(line, label);
        word_after_comma(line, category);
    }
    if columns.with_provisional {
        match row.stage {
            EventKind::Snapshot(n) => {
                word_after_comma(line, "snapshot_");
                text::whole(line, n);
            }
            EventKind::Closed => word_after_comma(line, "closed"),
            _ => line.push(b','),
        }
    }
    line.push(b'\n');
}

/// From uid to the responder's port. The flow id is made of the addresses and ports behind it, so that each is written out once.
fn addresses(line: &mut Vec<u8>, record: &FlowRecord, columns: &RunColumns) {
    let (src, dst) = (record.initiator(), record.responder());
    let (mut src_ip, mut dst_ip) = (Vec::with_capacity(40), Vec::with_capacity(40));
    text::address(&mut src_ip, src.address);
    text::address(&mut dst_ip, dst.address);
    let (mut src_port, mut dst_port) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (src_port, dst_port) = (src_port.format(src.port).as_bytes(), dst_port.format(dst.port).as_bytes());
    let (src_ip, dst_ip) = (&src_ip[..], &dst_ip[..]);

    line.extend_from_slice(record.uid(&columns.sensor_id).hex().as_slice());
    whole_after_comma(line, record.segment);
    line.push(b',');
    for part in [src_ip, dst_ip, src_port, dst_port] {
        line.extend_from_slice(part);
        line.push(b'-');
    }
    text::whole(line, record.key.protocol());
    word_after_comma(line, &record.community_id());
    for part in [src_ip, src_port, dst_ip, dst_port] {
        line.push(b',');
        line.extend_from_slice(part);
    }
}

fn whole_after_comma(line: &mut Vec<u8>, value: impl itoa::Integer) {
    line.push(b',');
    text::whole(line, value);
}

fn word_after_comma(line: &mut Vec<u8>, word: &str) {
    line.push(b',');
    line.extend_from_slice(word.as_bytes());
}

/// The flags seen, one letter each.
fn flags(line: &mut Vec<u8>, way: &OneWay) {
    for (letter, count) in TcpFlags::LETTERS.iter().zip(way.flags) {
        if count > 0 {
            line.push(*letter as u8);
        }
    }
}
