//! Merging rings: earlier first, nobody waits for long, nothing is lost, and steady work needs no new memory.

use flowmeter::{Context, Frame, Intake, LinkType, MeterConfig, Packet, PacketBatch, PacketSink};

use super::{PACKETS_MAX, Reorder, WAIT_US};

const NOON_US: u64 = 1_700_000_000_000_000;

#[derive(Default)]
struct Into(PacketBatch);

impl PacketSink for Into {
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        self.0.push(packet, context);
    }

    fn epoch_ended(&mut self, _: u32, _: u64) {}
}

/// A ring's packets at these times after noon, each a DNS question whose name is its time.
fn batch(times: impl IntoIterator<Item = u64>) -> PacketBatch {
    let mut into = Into::default();
    let mut intake = Intake::new(&MeterConfig::default()).unwrap();
    for time in times {
        let bytes = question(&format!("t{time}"));
        let frame = Frame {
            link: LinkType::Ethernet,
            time_us: NOON_US + time,
            wire_len: bytes.len() as u32,
            bytes: &bytes,
        };
        intake.accept(&frame, &mut into);
    }
    into.0
}

fn question(name: &str) -> Vec<u8> {
    let mut dns = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u8];
    dns.extend_from_slice(name.as_bytes());
    dns.extend_from_slice(&[0, 0, 1, 0, 1]);
    let mut bytes = vec![0; 12];
    bytes.extend_from_slice(&[8, 0, 0x45, 0]);
    bytes.extend_from_slice(&(28 + dns.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0, 53]);
    bytes.extend_from_slice(&(8 + dns.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&dns);
    bytes
}

fn put(reorder: &mut Reorder, from: usize, times: &[u64], now_us: u64) {
    let mut batch = batch(times.iter().copied());
    assert_eq!(batch.len(), times.len());
    reorder.put(from, &mut batch, NOON_US + times.last().unwrap(), now_us);
    assert!(batch.is_empty());
}

/// Times of what is given out at `now_us`; the clock that each carries never goes back.
fn released(reorder: &mut Reorder, now_us: u64) -> Vec<u64> {
    let mut out = PacketBatch::default();
    reorder.release(now_us, &mut out);
    times(&out)
}

fn times(out: &PacketBatch) -> Vec<u64> {
    assert!(out.packets().is_sorted_by_key(|packet| packet.watermark_us));
    assert!(out.packets().iter().all(|packet| packet.watermark_us >= packet.time_us));
    out.packets().iter().map(|packet| packet.time_us - NOON_US).collect()
}

#[test]
fn both_directions_come_out_in_the_order_of_their_time_with_their_names() {
    let mut reorder = Reorder::new(2);
    put(&mut reorder, 1, &[20, 40, 60], 0);
    assert_eq!(released(&mut reorder, 0), [0; 0], "the other ring may have earlier ones");
    put(&mut reorder, 0, &[10, 30, 50], 0);
    let mut out = PacketBatch::default();
    reorder.release(0, &mut out);
    assert_eq!(times(&out), [10, 20, 30, 40, 50], "beyond 50 ring 0 is not known yet");
    assert_eq!(reorder.held(), 1);
    // Each has its own name: the first packet's is not the second's.
    let mut again = PacketBatch::default();
    let mut names = 0;
    for at in 0..out.len() {
        let before = names;
        out.copy_to(&mut again, at, &mut names, 0);
        assert_eq!(names, before + 1);
    }
    put(&mut reorder, 0, &[70], 0);
    assert_eq!(released(&mut reorder, 0), [60]);
    assert_eq!(reorder.late(), 0);
}

#[test]
fn nobody_waits_longer_than_the_wait_and_what_comes_later_is_counted() {
    let mut reorder = Reorder::new(3);
    put(&mut reorder, 0, &[100], 1_000);
    assert_eq!(released(&mut reorder, 1_000 + WAIT_US - 1), [0; 0]);
    // What is earlier goes before what is due, though it came later.
    put(&mut reorder, 1, &[90, 110], 2_000);
    assert_eq!(released(&mut reorder, 1_000 + WAIT_US), [90, 100]);
    assert_eq!(reorder.late(), 0);
    put(&mut reorder, 2, &[95, 105], 2_000 + WAIT_US);
    assert_eq!(released(&mut reorder, 2_000 + 2 * WAIT_US), [95, 105, 110]);
    assert_eq!((reorder.late(), reorder.held()), (1, 0));
}

#[test]
fn too_many_do_not_wait_and_nothing_is_lost() {
    let mut reorder = Reorder::new(2);
    let mut out = PacketBatch::default();
    let mut sent = 0;
    while sent < PACKETS_MAX + 4_096 {
        let mut some = batch((sent as u64..).take(2_048));
        sent += some.len();
        reorder.put(0, &mut some, 0, 0);
        reorder.release(0, &mut out);
        assert!(reorder.held() <= PACKETS_MAX);
    }
    assert_eq!(out.len() + reorder.held(), sent);
    reorder.release_all(&mut out);
    assert_eq!(times(&out), (0..sent as u64).collect::<Vec<_>>());
    // After that a clock that was set back begins anew.
    put(&mut reorder, 0, &[5], 0);
    assert_eq!(released(&mut reorder, WAIT_US), [5]);
    assert_eq!(reorder.late(), 0);
}

#[test]
fn steady_work_uses_the_same_memory_again() {
    let mut reorder = Reorder::new(2);
    let mut rings = [batch(0..64), batch(0..64)];
    let mut out = PacketBatch::default();
    let mut known = std::collections::BTreeSet::new();
    let memory = |batch: &PacketBatch| batch.packets().as_ptr() as usize;
    for round in 0..200_u64 {
        for (ring, open) in rings.iter_mut().enumerate() {
            // As an intake fills it: in place.
            if open.is_empty() {
                let filled = batch(0..64);
                let mut names = 0;
                (0..filled.len()).for_each(|at| filled.copy_to(open, at, &mut names, 0));
            }
            let fresh = known.insert(memory(open));
            assert!(!fresh || round < 10, "round {round}: memory that was not used before");
            reorder.put(ring, open, NOON_US + 63, round);
        }
        reorder.release(round, &mut out);
        assert_eq!(out.len(), 128);
        out.clear();
    }
}
