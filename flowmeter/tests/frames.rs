//! Frames of any link type with any bytes, one after another through the whole meter: no panic, every frame in one count,
//! every feature finite, every event in order. What the `packet` fuzz target checks, and a test over its corpus.
//!
//! Input: one byte of configuration, then frames: link type (1), time since the last (2, LE, times 64 us; odd: backwards and
//! times 8192), bytes cut off by the snap length (1), length (2, LE), bytes.

use flowmeter::{EventBatch, EventOrder, Frame, LinkType, Meter, MeterConfig, Tunnels};

const LINKS: [u32; 14] = [1, 0, 9, 12, 51, 101, 104, 108, 113, 228, 229, 276, 50, 147];

struct Checked {
    out: EventBatch,
    last: Option<EventOrder>,
}

impl Checked {
    fn check(&mut self) {
        for event in &self.out.events {
            assert!(self.last.is_none_or(|last| last < event.order), "events come in order");
            self.last = Some(event.order);
            let Some(record) = self.out.record(event) else {
                continue;
            };
            assert!(record.features().iter().all(|value| value.is_finite() && *value >= 0.0));
            assert!(record.start_us <= record.end_us && record.flow_start_us <= record.start_us);
            assert!(record.forward.packets + record.backward.packets > 0);
            if let Some(context) = self.out.context(record) {
                assert!(context.name().bytes().all(|byte| byte.is_ascii_graphic()));
            }
            let (flow_id, community_id) = (record.flow_id(), record.community_id());
            assert!(!flow_id.is_empty() && community_id.len() == 30);
        }
        self.out.clear();
    }
}

/// Meters the frames of one input.
pub fn check(data: &[u8]) {
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    let config = MeterConfig {
        tunnels: if settings & 1 == 0 { Tunnels::Inner } else { Tunnels::Outer },
        dedupe: settings & 2 != 0,
        tunnel_depth_max: settings >> 2 & 3,
        fragments_max: if settings & 16 == 0 { 4 } else { 0 },
        track_vlan: settings & 32 != 0,
        contexts_max: if settings & 64 == 0 { 32 } else { 0 },
        flows_max: 64,
        ..MeterConfig::default()
    };
    let mut meter = Meter::new(&config).expect("the configuration is valid");
    let mut checked = Checked { out: EventBatch::default(), last: None };
    let mut time_us = if settings & 128 == 0 { 1_700_000_000_000_000u64 } else { 0 };
    while let [link, t0, t1, snapped, l0, l1, behind @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*l0, *l1])).min(behind.len());
        let (bytes, behind) = behind.split_at(len);
        rest = behind;
        let moved = i64::from(u16::from_le_bytes([*t0, *t1]));
        time_us = time_us.wrapping_add_signed(if moved & 1 == 0 { moved * 64 } else { -moved * 8192 });
        let wire_len = len as u32 + u32::from(*snapped);
        let link = LinkType::from_pcap(LINKS[usize::from(*link) % LINKS.len()]);
        meter.accept(&Frame { link, time_us, wire_len, bytes }, &mut checked.out);
        assert!(meter.packets().is_balanced());
        if link == LinkType::Ethernet && snapped % 4 == 0 {
            meter.flush(&mut checked.out);
        }
        if checked.out.events.is_empty() {
            continue;
        }
        checked.check();
    }
    meter.finish(&mut checked.out);
    checked.check();
    assert!(meter.packets().is_balanced() && meter.flows().is_balanced());
    assert_eq!((meter.packets().queued, meter.flows().active), (0, 0));
}

#[test]
fn every_input_of_the_fuzz_corpus_is_metered() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/packet");
    let mut inputs = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs in {corpus}");
}
