//! A line of Suricata's `eve.json`, as far as a witness needs it.

use std::net::IpAddr;

use serde::Deserialize;
use store::record::Witness;

use crate::detection::witness::Heard;
use crate::export::GENERATOR;
use crate::service::when::read_time;

/// What a line is.
pub(super) enum Line {
    /// An alert.
    Alert(Box<Heard>),
    /// Something else that Suricata writes.
    Other,
    /// Nothing that makes sense.
    Malformed,
}

/// Longest text that is kept of a rule.
const TEXT_MAX: usize = 256;

#[derive(Deserialize)]
struct Event {
    event_type: String,
    timestamp: Option<String>,
    src_ip: Option<IpAddr>,
    src_port: Option<u16>,
    dest_ip: Option<IpAddr>,
    dest_port: Option<u16>,
    proto: Option<String>,
    community_id: Option<String>,
    alert: Option<Alert>,
    flow: Option<Flow>,
    direction: Option<String>,
}

#[derive(Deserialize)]
struct Alert {
    #[serde(default)]
    gid: u64,
    signature_id: u64,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    category: String,
    severity: Option<u8>,
}

/// The conversation as Suricata's flow engine has it: its source is who opened it (Suricata 7 and later).
#[derive(Deserialize)]
struct Flow {
    src_ip: Option<IpAddr>,
    src_port: Option<u16>,
    dest_ip: Option<IpAddr>,
    dest_port: Option<u16>,
}

pub(super) fn parse(line: &[u8]) -> Line {
    let Ok(event) = serde_json::from_slice::<Event>(line) else { return Line::Malformed };
    if event.event_type != "alert" {
        return Line::Other;
    }
    match event.alert.as_ref().map(|alert| alert.gid) {
        // Our own, in a file that both write to.
        Some(gid) if gid == u64::from(GENERATOR) => Line::Other,
        _ => heard(event).map_or(Line::Malformed, |heard| Line::Alert(Box::new(heard))),
    }
}

fn heard(event: Event) -> Option<Heard> {
    let at_us = read_time(event.timestamp.as_deref()?).ok()?;
    let packet = ((event.src_ip?, event.src_port), (event.dest_ip?, event.dest_port));
    // The packet that a rule matched may be an answer.
    let turned = event.direction.as_deref() == Some("to_client");
    let by_packet = if turned { (packet.1, packet.0) } else { packet };
    let by_flow = event.flow.and_then(|f| Some(((f.src_ip?, f.src_port), (f.dest_ip?, f.dest_port))));
    let (source, target) = by_flow.unwrap_or(by_packet);
    let alert = event.alert?;
    let witness = Witness {
        engine: "suricata".to_owned(),
        generator: alert.gid,
        signature_id: alert.signature_id,
        signature: cut(alert.signature),
        class: cut(alert.category),
        // What has no severity is taken for the mildest.
        severity: alert.severity.unwrap_or(u8::MAX),
        first_us: at_us,
        last_us: at_us,
        alerts: 1,
        community_id: event.community_id.map(cut),
        joined_by: String::new(),
    };
    Some(Heard { source, target, protocol: protocol(&event.proto?)?, witness })
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Names and numbers as Suricata writes them.
fn protocol(name: &str) -> Option<u8> {
    Some(match name {
        "TCP" => 6,
        "UDP" => 17,
        "ICMP" => 1,
        "IPv6-ICMP" => 58,
        "SCTP" => 132,
        "IGMP" => 2,
        "GRE" => 47,
        "ESP" => 50,
        "AH" => 51,
        number => number.parse().ok()?,
    })
}
