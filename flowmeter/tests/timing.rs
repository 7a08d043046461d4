//! Time as packets tell it: idle, active, epochs, outliers.

use flowmeter::EventKind::Ended;
use flowmeter::{EndReason, EventBatch, Intake, Meter, MeterConfig, Phase};

use crate::build::{Pair, Step, whole};
use crate::run::{Collected, Told, meter, meter_with_cuts, records};

const S: u64 = 1_000_000;
const T: u64 = 1_700_000_000 * S;

fn at(port: u16, time_us: u64) -> Step {
    Pair::udp(port).up(time_us, 0, 0, 0, 10)
}

fn ends(all: &[Told]) -> Vec<(u16, EndReason, u64)> {
    let mut ends = Vec::new();
    for it in all {
        if let Ended(reason) = it.kind() {
            ends.push((it.event.initiator().port, reason, it.record.as_ref().unwrap().forward.packets));
        }
    }
    ends
}

#[test]
fn idle_is_more_than_the_timeout() {
    let all = meter(&[at(1, T), at(1, T + 60 * S), at(1, T + 120 * S)]);
    assert_eq!(ends(&all), [(1, EndReason::EndOfInput, 3)]);
    let all = meter(&[at(1, T), at(2, T + 60 * S), at(1, T + 60 * S + 1), at(2, T + 60 * S + 1)]);
    assert_eq!(
        ends(&all),
        [(1, EndReason::Idle, 1), (2, EndReason::EndOfInput, 2), (1, EndReason::EndOfInput, 1)]
    );
    let idle = all.iter().find(|it| it.kind() == Ended(EndReason::Idle)).unwrap();
    assert_eq!((idle.event.order.at_us, idle.event.order.phase), (T + 60 * S, Phase::Expiry));
}

#[test]
fn active_is_more_than_the_timeout_and_keeps_the_flow() {
    let steps: Vec<Step> = [0, 30, 60, 90, 120].map(|s| at(1, T + s * S)).into();
    assert_eq!(ends(&meter(&steps)), [(1, EndReason::EndOfInput, 5)]);
    let mut cut = steps.clone();
    cut[4].time_us += 1;
    cut.push(Pair::udp(1).down(T + 121 * S, 0, 0, 0, 7));
    let all = meter(&cut);
    assert_eq!(ends(&all), [(1, EndReason::Active, 4), (1, EndReason::EndOfInput, 1)]);
    let records = records(&all);
    assert_eq!(records[0].uid("x"), records[1].uid("x"));
    assert_eq!((records[0].segment, records[1].segment), (0, 1));
    assert_eq!((records[0].end_us, records[1].start_us), (T + 90 * S, T + 120 * S + 1));
    assert_eq!((records[1].flow_start_us, records[1].first_seq), (T, 0));
    assert_eq!(records[1].gap_max_us, S - 1, "the gap between segments belongs to neither");
    assert_eq!(records[1].backward.packets, 1, "direction is inherited");
}

/// A conversation that only the responder goes on with: its packets stay backward in the next segment.
#[test]
fn a_segment_may_begin_backward() {
    let pair = Pair::udp(1);
    let mut steps = vec![pair.up(T, 0, 0, 0, 1)];
    steps.extend((1..6).map(|i| pair.down(T + i * 30 * S, 0, 0, 0, 2)));
    let records = records(&meter(&steps));
    assert_eq!((records[1].forward.packets, records[1].backward.packets), (0, 1));
    assert_eq!(records[1].initiator().port, 1);
    assert_eq!(records[1].backward.first_us, T + 150 * S);
    assert_eq!(records[1].features()[6], 0.0, "an empty statistic");
}

#[test]
fn a_small_step_back_stays_in_flow_time() {
    let records = records(&meter(&[at(1, T), at(1, T + 100), at(1, T + 40), at(1, T + 130)]));
    let record = &records[0];
    assert_eq!((record.time_steps_back, record.duration_us(), record.gap_max_us), (1, 130, 100));
    assert_eq!(record.gap_squares, 100 * 100 + 30 * 30);
}

#[test]
fn a_step_back_ends_everything_and_begins_an_epoch() {
    let steps =
        [at(1, T), at(2, T + 59 * S), at(2, T + 61 * S), at(1, T + 61 * S), at(1, T + S - 1), at(2, T)];
    for every in [1, 2, 100] {
        let (all, meter) = meter_with_cuts(&MeterConfig::default(), &steps, |number| number % every == 0);
        assert_eq!(
            ends(&all),
            [
                (1, EndReason::Idle, 1),
                (2, EndReason::ClockStep, 2),
                (1, EndReason::ClockStep, 1),
                (1, EndReason::EndOfInput, 1),
                (2, EndReason::EndOfInput, 1),
            ]
        );
        assert_eq!(meter.counters().clock_steps_back, 1);
        let ordinals: Vec<u32> = records(&all).iter().map(|it| it.ordinal).collect();
        assert_eq!(ordinals, [0, 0, 0, 65536, 65536]);
        assert!(all.windows(2).all(|pair| pair[0].event.order < pair[1].event.order));
    }
    // Exactly the timeout behind is no step.
    let (all, meter) = meter_with_cuts(&MeterConfig::default(), &[at(1, T + 60 * S), at(2, T)], |_| true);
    assert_eq!((meter.counters().clock_steps_back, all.len()), (0, 4));
}

/// As one real capture does: 49 years ahead for one packet.
#[test]
fn an_outlier_is_metered_at_the_clock() {
    let steps = [at(1, T), at(1, T + S), at(1, T + 49 * 365 * 86_400 * S), at(1, T + 2 * S)];
    let (all, meter) = meter_with_cuts(&MeterConfig::default(), &steps, |_| true);
    assert_eq!(ends(&all), [(1, EndReason::EndOfInput, 4)]);
    assert_eq!(meter.counters().clock_outliers, 1);
    let record = &records(&all)[0];
    assert_eq!((record.duration_us(), record.gap_max_us, record.time_steps_back), (2 * S, S, 0));
}

#[test]
fn a_jump_ahead_is_confirmed_by_the_next_packet() {
    // The confirming packet may itself be up to the idle timeout behind the jump.
    for (back, outliers) in [(60 * S, 0), (60 * S + 1, 1)] {
        let jump = T + 3600 * S;
        let (all, meter) =
            meter_with_cuts(&MeterConfig::default(), &[at(1, T), at(1, jump), at(2, jump - back)], |_| false);
        assert_eq!(meter.counters().clock_outliers, outliers);
        let flows: Vec<u64> = records(&all).iter().map(|it| it.forward.packets).collect();
        assert_eq!(flows, if outliers == 0 { vec![1, 1, 1] } else { vec![2, 1] });
    }
}

#[test]
fn at_the_end_a_jump_stands() {
    let (all, meter) = meter_with_cuts(&MeterConfig::default(), &[at(1, T), at(1, T + 61 * S)], |_| true);
    assert_eq!(ends(&all), [(1, EndReason::Idle, 1), (1, EndReason::EndOfInput, 1)]);
    assert_eq!(meter.counters().clock_outliers, 0);
}

#[test]
fn a_held_packet_is_queued() {
    let mut intake = Intake::new(&MeterConfig::default()).unwrap();
    let mut out = Collected::default();
    for (time_us, metered, queued) in [(T, 1, 0), (T + 100 * S, 1, 1), (T + 100 * S, 3, 0)] {
        intake.accept(&whole(time_us, &at(1, time_us).frame()), &mut out);
        let accounting = intake.accounting();
        assert_eq!((accounting.metered, accounting.queued), (metered, queued));
        assert!(accounting.is_balanced());
    }
    let seqs: Vec<u64> = out.packets.iter().map(|it| it.seq).collect();
    assert_eq!(seqs, [0, 1, 2]);
}

/// Live, with no packets: the wire's clock moves the capture's, and releases what it confirms.
#[test]
fn silence_moves_the_clock_too() {
    let mut intake = Intake::new(&MeterConfig::default()).unwrap();
    let mut out = Collected::default();
    intake.accept(&whole(T, &at(1, T).frame()), &mut out);
    intake.advance(T + S, &mut out);
    assert_eq!(intake.watermark_us(), T + S);
    intake.advance(T, &mut out);
    assert_eq!(intake.watermark_us(), T + S);
    let jump = T + 100 * S;
    intake.accept(&whole(jump, &at(1, jump).frame()), &mut out);
    intake.advance(T + 30 * S, &mut out);
    assert_eq!((intake.accounting().queued, intake.watermark_us()), (1, T + S));
    intake.advance(T + 50 * S, &mut out);
    assert_eq!((intake.accounting().queued, intake.watermark_us()), (0, jump));
}

/// Years without a packet, then flows with deadlines of every size: the wheel finds its way.
#[test]
fn the_wheel_survives_long_silences() {
    let mut steps = Vec::new();
    let mut time_us = T;
    for pause in
        [1, 1023, 1024, 1 << 20, (1 << 20) - 1, 59 * S, 61 * S, 3600 * S, 40_000 * S, 20 * 365 * 86_400 * S]
    {
        time_us += pause;
        steps.extend([at(steps.len() as u16, time_us), at(1000, time_us)]);
    }
    let (whole, _) = meter_with_cuts(&MeterConfig::default(), &steps, |_| false);
    let (cut, _) = meter_with_cuts(&MeterConfig::default(), &steps, |_| true);
    assert!(whole == cut);
}

/// Before the first packet a batch end has nothing to say and does no harm.
#[test]
fn empty_batches_come_first() {
    let mut meter = Meter::new(&MeterConfig::default()).unwrap();
    let mut out = EventBatch::default();
    meter.flush(&mut out);
    meter.accept(&whole(T, &at(1, T).frame()), &mut out);
    meter.flush(&mut out);
    meter.finish(&mut out);
    assert_eq!(out.events.len(), 2);
}

/// Timestamps at both ends of what 64 bits hold, as hostile captures have them.
#[test]
fn absurd_times_are_survived() {
    for times in [
        [u64::MAX, u64::MAX, u64::MAX],
        [0, u64::MAX, u64::MAX],
        [u64::MAX, 0, u64::MAX - 1],
        [0, 0, 1],
        [u64::MAX / 2, u64::MAX, 0],
    ] {
        let steps: Vec<Step> = times.iter().map(|&time_us| at(1, time_us)).collect();
        for every in [1, 100] {
            let (all, _) = meter_with_cuts(&MeterConfig::default(), &steps, |number| number % every == 0);
            assert_eq!(records(&all).iter().map(|it| it.forward.packets).sum::<u64>(), 3);
        }
    }
}
