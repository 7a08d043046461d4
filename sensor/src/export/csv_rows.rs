//! One CSV row a record, in the documented columns. No field can hold a comma or a quote, so none is quoted.

use std::io::Write;

use flowmeter::{EventKind, OneWay, TcpFlags};
use model::schema::FEATURES;

use super::{FlowRow, RunColumns, binary};

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

/// Appends one row. Writing into memory cannot fail.
pub(super) fn row(line: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
    let record = row.record;
    let (src, dst) = (record.initiator(), record.responder());
    let _ = write!(
        line,
        "{},{},{},{},{},{},{},{},{},",
        record.uid(&columns.sensor_id),
        record.segment,
        record.flow_id(),
        record.community_id(),
        src.address,
        src.port,
        dst.address,
        dst.port,
        record.key.protocol(),
    );
    if let Some(vlan) = record.vlan {
        let _ = write!(line, "{vlan}");
    }
    let _ = write!(
        line,
        ",{},{},{},{},{},{},{},",
        record.start_us,
        record.end_us,
        record.end_reason.map_or("", |reason| reason.as_str()),
        record.forward.packets,
        record.backward.packets,
        record.forward.bytes,
        record.backward.bytes,
    );
    flags(line, &record.forward);
    line.push(b',');
    flags(line, &record.backward);
    for value in record.features() {
        let _ = write!(line, ",{value}");
    }
    let category = row.verdict.category();
    let _ = write!(line, ",{},{},{},", binary(category), category.as_str(), row.scored.prediction.score);
    if let Some(novelty) = row.scored.novelty {
        let _ = write!(line, "{novelty}");
    }
    let _ = write!(line, ",{}", columns.model_version);
    if columns.with_truth {
        let (label, category) = row.truth.map_or(("", ""), |truth| (binary(truth), truth.as_str()));
        let _ = write!(line, ",{label},{category}");
    }
    if columns.with_provisional {
        match row.stage {
            EventKind::Snapshot(n) => {
                let _ = write!(line, ",snapshot_{n}");
            }
            EventKind::Closed => line.extend_from_slice(b",closed"),
            _ => line.push(b','),
        }
    }
    line.push(b'\n');
}

/// The flags seen, one letter each.
fn flags(line: &mut Vec<u8>, way: &OneWay) {
    for (letter, count) in TcpFlags::LETTERS.iter().zip(way.flags) {
        if count > 0 {
            line.push(*letter as u8);
        }
    }
}
