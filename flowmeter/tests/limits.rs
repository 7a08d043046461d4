//! What happens at each limit, and that each is kept.

use flowmeter::{ConfigError, EndReason, EventKind, MeterConfig, PacketBatch, SHARDS, Shards};

use crate::build::{ACK, Pair, SYN, Step, whole};
use crate::run::{intake, meter_with_cuts, records};

const T: u64 = 1_700_000_000_000_000;

/// SYNs from as many sources as there are packets.
fn flood(n: u32, gap_us: u64) -> Vec<Step> {
    let source = |i: u32| -> std::net::IpAddr { std::net::Ipv4Addr::from(0x0b00_0000 + i).into() };
    let step = |i: u32| {
        let pair = Pair { client: (source(i), 1024 + (i % 60_000) as u16), ..Pair::tcp(0) };
        pair.up(T + u64::from(i) * gap_us, SYN, i, 0, 0)
    };
    (0..n).map(step).collect()
}

#[test]
fn a_flood_stays_within_the_limit() {
    let config = MeterConfig { flows_max: 1600, ..MeterConfig::default() };
    let (all, meter) = meter_with_cuts(&config, &flood(20_000, 10), |number| number % 1000 == 0);
    let counters = meter.shards().counters();
    let mut active = 0i64;
    for it in &all {
        match it.kind() {
            EventKind::Started => active += 1,
            EventKind::Ended(_) => active -= 1,
            _ => {}
        }
        assert!(active <= 1600 + 16, "never more than the limit, but for shards told one after another");
    }
    assert!(counters.evicted_unreplied > 18_000, "{counters:?}");
    assert_eq!((counters.evicted_replied, counters.evicted_emergency), (0, 0));
    // Oldest first, in every shard.
    let evicted: Vec<_> = records(&all);
    let evicted = evicted.iter().filter(|it| it.end_reason == Some(EndReason::Evicted));
    let starts: Vec<u64> = evicted.map(|it| it.start_us).collect();
    let disorder = starts.windows(2).filter(|pair| pair[0] > pair[1] + 20_000).count();
    assert_eq!(disorder, 0);
}

#[test]
fn answered_flows_outlive_a_flood() {
    let config = MeterConfig { flows_max: 1600, ..MeterConfig::default() };
    let mut steps: Vec<Step> = Vec::new();
    for port in 1..=200 {
        let pair = Pair::tcp(port);
        steps.push(pair.up(T - 200, SYN, 1, 0, 0));
        steps.push(pair.down(T - 100, SYN | ACK, 9, 2, 0));
    }
    steps.extend(flood(20_000, 10));
    let (all, meter) = meter_with_cuts(&config, &steps, |_| false);
    let kept = records(&all)
        .iter()
        .filter(|it| it.backward.packets > 0)
        .all(|it| it.end_reason == Some(EndReason::EndOfInput));
    assert!(kept);
    assert_eq!(meter.shards().counters().evicted_replied, 0);
}

#[test]
fn a_nearly_full_table_ends_silent_unanswered_flows_early() {
    let config = MeterConfig { flows_max: 1600, ..MeterConfig::default() };
    // 100 a second: after 14 s the table is 7/8 full, and whoever was silent for 5 s goes.
    let (_, meter) = meter_with_cuts(&config, &flood(4000, 10_000), |_| false);
    let counters = meter.shards().counters();
    assert!(counters.evicted_emergency > 2000, "{counters:?}");
    assert_eq!((counters.evicted_unreplied, counters.evicted_replied), (0, 0));
}

#[test]
fn the_emergency_timeout_is_exact() {
    // One place in each shard: the limit and seven eighths of it are the same flow.
    let config = MeterConfig { flows_max: 16, emergency_timeout_us: 1000, ..MeterConfig::default() };
    let run = |second_us: u64| {
        // Some are left in every shard, and every shard is asked for room again.
        let mut steps = flood(128, 0);
        steps.truncate(64);
        steps.extend(flood(128, 0).split_off(64).into_iter().map(|it| Step { time_us: T + second_us, ..it }));
        meter_with_cuts(&config, &steps, |_| false).1.shards().counters().evicted_emergency
    };
    assert_eq!(run(1000), 0);
    assert!(run(1001) > 0);
}

#[test]
fn shards_get_equal_shares() {
    for v6 in [false, true] {
        let mut shares = [0; SHARDS];
        let steps = flood(8000, 1);
        let frames: Vec<Vec<u8>> = steps
            .into_iter()
            .map(|mut step| {
                if v6 && let std::net::IpAddr::V4(address) = step.source.0 {
                    step.source.0 = std::net::Ipv6Addr::from(u128::from(address.to_bits()) << 64).into();
                    step.destination.0 = crate::build::v6(2).into();
                }
                step.frame()
            })
            .collect();
        let (out, _) = intake(&MeterConfig::default(), frames.iter().map(|it| whole(T, it)));
        out.packets.iter().for_each(|it| shares[it.shard()] += 1);
        assert!(shares.iter().all(|share| (400..600).contains(share)), "{shares:?}");
    }
}

#[test]
fn the_tiniest_table_works() {
    let config = MeterConfig { flows_max: 1, fragments_max: 0, contexts_max: 0, ..MeterConfig::default() };
    let (all, meter) = meter_with_cuts(&config, &flood(500, 10), |number| number % 10 == 0);
    assert_eq!(meter.flows().started, 500);
    assert_eq!(records(&all).len(), 500);
}

#[test]
fn nonsense_is_refused_by_name() {
    let default = MeterConfig::default;
    let cases = [
        (
            MeterConfig { idle_timeout_us: 0, ..default() },
            "idle_timeout_us is 0: use a value from 1000 to 600000000",
        ),
        (MeterConfig { active_timeout_us: u64::MAX, ..default() }, "active_timeout_us"),
        (MeterConfig { linger_us: 61_000_000, ..default() }, "linger_us"),
        (MeterConfig { emergency_timeout_us: 600_000_001, ..default() }, "emergency_timeout_us"),
        (MeterConfig { flows_max: 0, ..default() }, "flows_max"),
        (MeterConfig { snapshots: vec![8, 8], ..default() }, "snapshots [8, 8] are not in ascending order"),
        (MeterConfig { snapshots: vec![0], ..default() }, "snapshots is 0"),
        (MeterConfig { snapshots: (1..10).collect(), ..default() }, "the number of snapshots is 9"),
        (MeterConfig { tunnel_depth_max: 17, ..default() }, "tunnel_depth_max"),
    ];
    for (config, message) in cases {
        let error = config.check().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    assert!(matches!(Shards::new(&default(), 0, 17), Err(ConfigError::OutOfRange { .. })));
    assert!(matches!(Shards::new(&default(), 2, 2), Err(ConfigError::OutOfRange { .. })));
    assert!(PacketBatch::default().is_empty());
}
