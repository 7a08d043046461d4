//! What the meter and the model say of a flow, as rows of the store.

use flowmeter::{Context, FlowRecord, OneWay};
use store::record::{FlowId, FlowRow, Judgement, Sent, SnapshotRow, Source};

use crate::scoring::Scored;

/// The row of a final record. `category` is the verdict's; `alerted`: a detection was made on it, at any time of its life.
#[must_use]
pub fn flow_row(
    sensor_id: &str,
    record: &FlowRecord,
    context: Option<&Context>,
    judgement: Judgement,
    alerted: bool,
) -> FlowRow {
    let tuple = record.tuple();
    FlowRow {
        id: flow_id(sensor_id, record),
        source: Source::Capture,
        client_flow_id: None,
        src_ip: Some(tuple.initiator.address),
        src_port: tuple.initiator.port,
        dst_ip: Some(tuple.responder.address),
        dst_port: tuple.responder.port,
        protocol: tuple.protocol,
        vlan: record.vlan,
        community_id: Some(record.community_id()),
        start_us: record.start_us,
        end_us: record.end_us,
        end_reason: record.end_reason.map_or_else(String::new, |reason| reason.as_str().to_owned()),
        forward: sent(&record.forward),
        backward: sent(&record.backward),
        schema: flowmeter::schema::SCHEMA_ID.to_owned(),
        features: record.features(),
        judgement,
        alerted,
        context: context.map(|context| (context.kind().as_str().to_owned(), context.name().to_owned())),
    }
}

/// The row of a provisional record of a flow with so many packets; 0 when it has closed.
#[must_use]
pub fn snapshot_row(sensor_id: &str, record: &FlowRecord, packets: u32, judgement: Judgement) -> SnapshotRow {
    SnapshotRow {
        id: flow_id(sensor_id, record),
        packets,
        at_us: record.end_us,
        features: record.features(),
        judgement,
    }
}

/// What the model says of a record, for its row. `category` is the verdict's name.
#[must_use]
pub fn judgement(scored: &Scored, category: &str, model_version: u64) -> Judgement {
    Judgement {
        category: category.to_owned(),
        score: scored.prediction.score,
        confidence: scored.prediction.confidence,
        novelty: scored.novelty,
        model_version,
    }
}

fn flow_id(sensor_id: &str, record: &FlowRecord) -> FlowId {
    FlowId { uid: *record.uid(sensor_id).as_bytes(), segment: record.segment }
}

fn sent(side: &OneWay) -> Sent {
    Sent {
        packets: side.packets,
        bytes: side.bytes,
        header_bytes: side.header_bytes,
        flags: side.flags,
        retransmissions: side.retransmissions,
        out_of_order: side.out_of_order,
        len_max: side.len_max,
    }
}
