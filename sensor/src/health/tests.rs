//! Faults put into the readings of a day, and the time until the watch warns of each; then days without a fault.
//!
//! `HEALTH_TABLE=1 HEALTH_DAYS=14 cargo nextest run -p sensor health --no-capture` prints the figures of `docs/operate.md`.

use super::{Concern, HealthWatch, Readings, Told};

const STEP_US: u64 = 10_000_000;
const HOUR: u64 = 360;

/// A little noise around 0, the same on every run.
fn noise(n: u64, salt: u64) -> f64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Readings of an ordinary machine at step `n`: load that goes with the hours, a database that grows up to its quota and makes room,
/// memory that a load fills and does not give back, an hourly job, a clock that NTP keeps.
fn ordinary(n: u64) -> Readings {
    let day = (n % (24 * HOUR)) as f64 / (24 * HOUR) as f64;
    let load = 0.5 - 0.4 * (day * std::f64::consts::TAU).cos();
    let job = f64::from(u8::from(n % HOUR < 6));
    let quota = 1.0e9_f64;
    let written = (n as f64 * 20_000.0).min(quota) + (n as f64 * 7.0 % 4e6);
    let rss = 3.0e8 + 5e7 * (1.0 - (-(n as f64) / 2_000.0).exp()) + 2e6 * noise(n, 1);
    let raw_us = 1_000_000_000 + n * STEP_US;
    Readings {
        raw_us,
        // NTP slews by some microseconds a second, to and fro.
        wall_us: 1_800_000_000_000_000 + n * STEP_US + (400.0 + 300.0 * (n as f64 / 500.0).sin()) as u64,
        cpu_cores: Some(0.3 * load + 0.15 * job + 0.02 * noise(n, 2)),
        rss_bytes: Some(rss as u64),
        memory_available_bytes: Some((6e9 - rss - 3e8 * load - 2e8 * job + 1e7 * noise(n, 3)) as u64),
        disk_free_bytes: Some((4.0e10 - written - 1e7 * job + 1e5 * noise(n, 4)) as u64),
        disk_total_bytes: Some(60_000_000_000),
        temperature_c: Some(48.0 + 8.0 * load + noise(n, 5)),
        drop_share: Some(if noise(n, 6) > 0.999 { 2e-4 } else { 0.0 }),
        queue_share: Some((0.02 * load + 0.01 * noise(n, 7)).max(0.0)),
        rows_waiting: Some((40.0 + 30.0 * noise(n, 8)) as u64),
        database_bytes: Some(written as u64),
    }
}

/// A fault: what it does to a reading, so many steps after it began.
type Fault = fn(&mut Readings, f64);

fn add(value: &mut Option<u64>, more: f64) {
    *value = value.map(|v| (v as f64 + more).max(0.0) as u64);
}

/// Name, what it does, what it is warned of as, when it would be too late (minutes after its beginning), and by when the
/// warning must have come.
const FAULTS: [(&str, Fault, Concern, f64, f64); 8] = [
    (
        "memory leak, 100 MB a minute",
        |r, s| {
            add(&mut r.rss_bytes, s * 1.67e7);
            add(&mut r.memory_available_bytes, s * -1.67e7);
        },
        Concern::Memory,
        54.0,
        40.0,
    ),
    (
        "memory leak, 10 MB a minute",
        |r, s| {
            add(&mut r.rss_bytes, s * 1.67e6);
            add(&mut r.memory_available_bytes, s * -1.67e6);
        },
        Concern::Memory,
        540.0,
        75.0,
    ),
    ("disk fills, 1 GB a minute", |r, s| add(&mut r.disk_free_bytes, s * -1.67e8), Concern::Disk, 39.0, 35.0),
    (
        "disk fills, 50 MB a minute",
        |r, s| add(&mut r.disk_free_bytes, s * -8.3e6),
        Concern::Disk,
        780.0,
        75.0,
    ),
    ("drops rise by 0.005 % a minute", |r, s| r.drop_share = Some(s * 8.3e-6), Concern::Drops, 20.0, 5.0),
    (
        "queue before scoring fills over 10 minutes",
        |r, s| r.queue_share = Some((s / 60.0).min(1.0)),
        Concern::Drops,
        10.0,
        8.0,
    ),
    ("clock drifts by 1 ms a second", |r, s| r.wall_us += (s * 10_000.0) as u64, Concern::Clock, 600.0, 65.0),
    ("clock set back by 2 s", |r, _| r.wall_us -= 2_000_000, Concern::Clock, 1.0, 0.5),
];

#[test]
fn injected_faults_are_warned_of_before_it_is_too_late() {
    let began = 12 * HOUR;
    let mut lines = Vec::new();
    for (name, fault, concern, too_late_min, by_min) in FAULTS {
        let mut watch = HealthWatch::new();
        let mut warned = None;
        for n in 0..began + 4 * HOUR {
            let mut readings = ordinary(n);
            if n >= began {
                fault(&mut readings, (n - began) as f64);
            }
            for told in watch.observe(&readings) {
                if let Told::Raised(warning) = told
                    && warning.concern == concern
                    && n >= began
                {
                    warned.get_or_insert(((n - began) as f64 / 6.0, warning.text));
                }
            }
        }
        let (after_min, text) = warned.unwrap_or_else(|| panic!("{name}: no warning"));
        assert!(after_min <= by_min, "{name}: warned after {after_min:.1} min");
        assert!(after_min < too_late_min, "{name}: {after_min:.1} min is too late");
        lines.push(format!("| {name} | {too_late_min:.0} min | {after_min:.1} min | {text} |"));
    }
    if std::env::var_os("HEALTH_TABLE").is_some() {
        println!("{}", lines.join("\n"));
    }
}

#[test]
fn ordinary_days_are_quiet() {
    let mut watch = HealthWatch::new();
    let days: u64 = std::env::var("HEALTH_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(3);
    let mut alarms = Vec::new();
    for n in 0..days * 24 * HOUR {
        for told in watch.observe(&ordinary(n)) {
            if let Told::Raised(warning) = told {
                alarms.push(format!("hour {}: {}", n / HOUR, warning.text));
            }
        }
    }
    if std::env::var_os("HEALTH_TABLE").is_some() {
        println!("{} false alarms in {days} ordinary days: {alarms:#?}", alarms.len());
    }
    assert!(alarms.len() as u64 <= days / 7, "{alarms:#?}");
}

#[test]
fn what_no_rule_knows_is_unusual_and_says_why() {
    let mut watch = HealthWatch::new();
    let mut told = Vec::new();
    for n in 0..6 * HOUR {
        let mut readings = ordinary(n);
        if n > 5 * HOUR {
            readings.rows_waiting = Some(40_000);
            readings.cpu_cores = Some(3.5);
        }
        told.extend(watch.observe(&readings));
    }
    let unusual = told.iter().find_map(|t| match t {
        Told::Raised(warning) if warning.concern == Concern::Unusual => Some(warning.text.clone()),
        _ => None,
    });
    let text = unusual.unwrap_or_else(|| panic!("{told:?}"));
    assert!(text.contains("CPU unusually high") || text.contains("rows that wait"), "{text}");
}

#[test]
fn a_warning_is_told_once_and_ends_when_its_cause_has_gone() {
    let mut watch = HealthWatch::new();
    let mut told = Vec::new();
    for n in 0..3 * HOUR {
        let hot = (HOUR..HOUR + 60).contains(&n);
        let temperature_c = if hot { Some(91.0) } else { Some(50.0) };
        let readings = Readings { temperature_c, ..ordinary(n) };
        told.extend(watch.observe(&readings).into_iter().filter(|t| match t {
            Told::Raised(warning) => warning.concern == Concern::Temperature,
            Told::Ended(concern) => *concern == Concern::Temperature,
        }));
    }
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(&told[0], Told::Raised(w) if w.text.contains("91 °C")), "{told:?}");
    assert_eq!(told[1], Told::Ended(Concern::Temperature));
}

#[test]
fn readings_that_are_missing_are_no_fault() {
    let mut watch = HealthWatch::new();
    for n in 0..HOUR {
        let readings = Readings { raw_us: n * STEP_US, wall_us: n * STEP_US, ..Readings::default() };
        assert_eq!(watch.observe(&readings), Vec::new());
    }
}
