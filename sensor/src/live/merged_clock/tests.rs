//! Clocks of several rings in one: skews, steps and stragglers.

use flowmeter::{Frame, Intake, LinkType, MeterConfig, Packet, PacketBatch, PacketSink};

use super::MergedClock;

const IDLE_US: u64 = 60_000_000;
const HOUR_US: u64 = 3_600_000_000;
const NOON_US: u64 = 1_700_000_000_000_000;

/// Puts packets into a batch.
#[derive(Default)]
struct Into(PacketBatch);

impl PacketSink for Into {
    fn packet(&mut self, packet: &Packet, context: Option<&flowmeter::Context>) {
        self.0.push(packet, context);
    }

    fn epoch_ended(&mut self, _: u32, _: u64) {}
}

/// A batch as ring `epoch`-many steps into its life would send it: one packet at `time_us`.
fn batch(epoch: u32, time_us: u64) -> PacketBatch {
    let mut bytes = vec![0; 42];
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14] = 0x45;
    bytes[17] = 28;
    bytes[23] = 17;
    bytes[39] = 8;
    let frame = Frame { link: LinkType::Ethernet, time_us, wire_len: 42, bytes: &bytes };
    let mut into = Into::default();
    Intake::new(&MeterConfig::default()).unwrap().accept(&frame, &mut into);
    (into.0.epoch, into.0.watermark_us) = (epoch, time_us);
    assert_eq!(into.0.len(), 1);
    into.0
}

/// What ring `from`'s packet of `time_us` becomes: epoch, its time, the clock.
fn take(clock: &mut MergedClock, from: usize, epoch: u32, time_us: u64) -> (u32, u64, u64) {
    let mut batch = batch(epoch, time_us);
    clock.take(from, &mut batch);
    let packet = batch.packets()[0];
    assert_eq!((packet.epoch, packet.watermark_us), (batch.epoch, batch.watermark_us));
    (packet.epoch, packet.time_us, packet.watermark_us)
}

#[test]
fn rings_that_lag_a_little_keep_their_times_and_the_clock_never_goes_back() {
    let mut clock = MergedClock::new(2, IDLE_US);
    assert_eq!(take(&mut clock, 0, 0, NOON_US), (0, NOON_US, NOON_US));
    assert_eq!(take(&mut clock, 1, 0, NOON_US - 10_000), (0, NOON_US - 10_000, NOON_US));
    assert_eq!(take(&mut clock, 1, 0, NOON_US + 10_000), (0, NOON_US + 10_000, NOON_US + 10_000));
}

#[test]
fn numbers_of_packets_stay_apart() {
    let mut clock = MergedClock::new(3, IDLE_US);
    let numbers = [0, 1, 2].map(|ring| {
        let mut batch = batch(0, NOON_US);
        clock.take(ring, &mut batch);
        batch.packets()[0].seq
    });
    assert_eq!(numbers, [0, 1, 2]);
}

#[test]
fn a_step_back_is_one_step_and_stragglers_from_before_it_do_not_undo_it() {
    let mut clock = MergedClock::new(3, IDLE_US);
    for ring in 0..3 {
        take(&mut clock, ring, 0, NOON_US);
    }
    let back = NOON_US - HOUR_US;
    assert_eq!(take(&mut clock, 0, 1, back), (1, back, back));
    // Ring 1 had this one in its hands when the clock was set.
    assert_eq!(take(&mut clock, 1, 0, NOON_US + 5), (1, back, back), "late");
    assert_eq!(take(&mut clock, 1, 1, back + 10), (1, back + 10, back + 10), "no second step");
    assert_eq!(take(&mut clock, 2, 1, back + 20), (1, back + 20, back + 20));
}

#[test]
fn after_a_second_of_the_new_time_a_ring_that_is_ahead_is_believed() {
    let mut clock = MergedClock::new(2, IDLE_US);
    take(&mut clock, 0, 0, NOON_US);
    take(&mut clock, 1, 0, NOON_US);
    let back = NOON_US - HOUR_US;
    take(&mut clock, 0, 1, back);
    take(&mut clock, 0, 1, back + 1_500_000);
    // The clock was set forward again, and ring 1 had seen nothing in between.
    let again = NOON_US + 2_000_000;
    assert_eq!(take(&mut clock, 1, 0, again), (1, again, again));
    // Ring 0's packets from before that are late, and do not set the clock back.
    assert_eq!(take(&mut clock, 0, 1, back + 1_600_000), (1, again, again));
    assert_eq!(take(&mut clock, 0, 1, again + 1), (1, again + 1, again + 1));
}

#[test]
fn a_ring_that_has_seen_nothing_knows_no_time_and_quiet_moves_only_a_running_clock() {
    let mut clock = MergedClock::new(2, IDLE_US);
    assert_eq!(clock.advance(NOON_US), (0, 0));
    let mut empty = PacketBatch::default();
    clock.take(1, &mut empty);
    take(&mut clock, 0, 0, NOON_US);
    clock.take(1, &mut empty);
    assert_eq!((empty.epoch, empty.watermark_us), (0, NOON_US));
    assert_eq!(clock.advance(NOON_US - 1), (0, NOON_US));
    assert_eq!(clock.advance(NOON_US + 7), (0, NOON_US + 7));
}
