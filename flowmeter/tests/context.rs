//! Names from first payloads reach the records, and only those.

use flowmeter::{ContextKind, EventBatch, EventKind, Meter, MeterConfig};

use crate::build::{ACK, PSH, SYN, ethernet, ipv4, tcp, udp, whole};

const T: u64 = 1_700_000_000_000_000;

fn run(config: &MeterConfig, frames: &[Vec<u8>]) -> (EventBatch, Meter) {
    let mut meter = Meter::new(config).unwrap();
    let mut out = EventBatch::default();
    for (i, bytes) in frames.iter().enumerate() {
        meter.accept(&whole(T + i as u64, bytes), &mut out);
        if i % 2 == 1 {
            meter.flush(&mut out);
        }
    }
    meter.finish(&mut out);
    (out, meter)
}

fn request(port: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(6, &tcp((port, 80), 1, 1, flags, payload)))
}

fn query(port: u16, label: &str) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.len() as u8];
    message.extend(label.bytes());
    message.extend([0, 0, 1, 0, 1]);
    ethernet(0x0800, &ipv4(17, &udp((port, 53), &message)))
}

#[test]
fn the_first_name_of_a_flow_is_kept() {
    let frames = [
        request(1000, SYN, b""),
        request(1000, PSH | ACK, b"GET / HTTP/1.1\r\nHost: one.example\r\n\r\n"),
        request(1000, PSH | ACK, b"GET / HTTP/1.1\r\nHost: two.example\r\n\r\n"),
        query(2000, "first"),
        query(2000, "second"),
        query(3000, "other"),
        request(4000, SYN, b""),
        request(1000, 0x04, b""),
    ];
    let (out, meter) = run(&MeterConfig::default(), &frames);
    let mut names: Vec<_> = Vec::new();
    for event in &out.events {
        let Some(record) = out.record(event) else { continue };
        let name = out.context(record).map(|it| (it.kind(), it.name().to_owned()));
        names.push((event.kind, event.initiator().port, name));
    }
    names.sort_by_key(|it| it.1);
    let rst = EventKind::Ended(flowmeter::EndReason::Rst);
    let over = EventKind::Ended(flowmeter::EndReason::EndOfInput);
    let http = Some((ContextKind::HttpHost, "one.example".to_owned()));
    let dns = |name: &str| Some((ContextKind::DnsName, name.to_owned()));
    assert_eq!(
        names,
        [
            (EventKind::Closed, 1000, http.clone()),
            (rst, 1000, http),
            (over, 2000, dns("first")),
            (over, 3000, dns("other")),
            (over, 4000, None),
        ]
    );
    assert_eq!(meter.shards().counters().contexts_dropped, 0);
    assert_eq!(ContextKind::TlsServerName.as_str(), "tls_sni");
}

#[test]
fn names_are_limited_and_can_be_left_out() {
    let frames: Vec<_> = (0..500).map(|i| query(1000 + i, "name")).collect();
    let few = MeterConfig { contexts_max: 32, ..MeterConfig::default() };
    let (out, meter) = run(&few, &frames);
    assert_eq!(out.contexts.len(), 32);
    assert_eq!(meter.shards().counters().contexts_dropped, 500 - 32);
    let none = MeterConfig { contexts_max: 0, ..MeterConfig::default() };
    let (out, meter) = run(&none, &frames);
    assert_eq!((out.contexts.len(), meter.shards().counters().contexts_dropped), (0, 0));
}
