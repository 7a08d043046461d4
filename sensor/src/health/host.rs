//! Readings of this machine: `/proc`, the file system, the thermal sensors.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::time::{ClockId, clock_gettime};

use super::Readings;

/// What only differences make sense of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    raw_us: u64,
    cpu_s: f64,
    received: u64,
    dropped: u64,
}

/// What the sensor knows of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own {
    /// CPU used since the start, seconds.
    pub cpu_s: f64,
    /// Memory held, bytes.
    pub rss_bytes: u64,
    /// Frames that came, and that were dropped before they reached the sensor.
    pub received: u64,
    /// As above.
    pub dropped: u64,
    /// Records before scoring, as a share of those that may wait.
    pub queue_share: f64,
    /// Rows that wait for the disk.
    pub rows_waiting: u64,
    /// Size of the database and its log.
    pub database_bytes: u64,
}

/// Readings now, at `wall_us`; the disk is the one that `state_dir` is on.
#[must_use]
pub fn read(own: &Own, state_dir: &Path, wall_us: u64, before: &mut Before) -> Readings {
    let raw_us = raw_us();
    let seconds = raw_us.saturating_sub(before.raw_us) as f64 / 1e6;
    let first = before.raw_us == 0 || seconds <= 0.0;
    let cpu_cores = (!first).then(|| (own.cpu_s - before.cpu_s).max(0.0) / seconds);
    let came = own.received.saturating_sub(before.received);
    let lost = own.dropped.saturating_sub(before.dropped);
    let drop_share = (!first).then(|| if lost == 0 { 0.0 } else { lost as f64 / (came + lost) as f64 });
    *before = Before { raw_us, cpu_s: own.cpu_s, received: own.received, dropped: own.dropped };
    let disk = statvfs(state_dir).ok();
    #[allow(clippy::useless_conversion, reason = "how wide these are depends on the machine")]
    let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
    Readings {
        raw_us,
        wall_us,
        cpu_cores,
        rss_bytes: Some(own.rss_bytes).filter(|n| *n > 0),
        memory_available_bytes: memory_available(&file("/proc/meminfo")),
        disk_free_bytes: disk.as_ref().map(|d| bytes(d.blocks_available(), d.fragment_size())),
        disk_total_bytes: disk.as_ref().map(|d| bytes(d.blocks(), d.fragment_size())),
        temperature_c: temperature(Path::new("/sys/class/thermal")),
        drop_share,
        queue_share: Some(own.queue_share),
        rows_waiting: Some(own.rows_waiting),
        database_bytes: Some(own.database_bytes),
    }
}

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A clock that nobody sets and NTP does not slow down.
fn raw_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_RAW);
    now.map_or(0, |t| (t.tv_sec() as u64).saturating_mul(1_000_000) + t.tv_nsec() as u64 / 1_000)
}

/// `MemAvailable` of `/proc/meminfo`, bytes.
fn memory_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The hottest zone below `folder`, degrees Celsius; none on machines that have none.
fn temperature(folder: &Path) -> Option<f64> {
    let zones = std::fs::read_dir(folder).ok()?.flatten().filter_map(|zone| {
        let text = std::fs::read_to_string(zone.path().join("temp")).ok()?;
        // Thousandths; a zone without a sensor says nonsense.
        text.trim().parse::<f64>().ok().map(|t| t / 1000.0).filter(|c| (-40.0..=150.0).contains(c))
    });
    zones.fold(None, |hottest: Option<f64>, c| Some(hottest.map_or(c, |h| h.max(c))))
}

#[cfg(test)]
mod tests {
    use super::{Before, Own, memory_available, read, temperature};

    #[test]
    fn this_machine_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = Before::default();
        let own = Own { cpu_s: 1.0, rss_bytes: 5, ..Own::default() };
        let first = read(&own, folder.path(), 7, &mut before);
        assert!(first.raw_us > 0 && first.memory_available_bytes.unwrap() > 1 << 20, "{first:?}");
        assert!(first.disk_total_bytes > first.disk_free_bytes.filter(|n| *n > 0), "{first:?}");
        assert_eq!((first.cpu_cores, first.drop_share), (None, None));
        let lost = Own { received: 900, dropped: 100, ..own };
        let second = read(&lost, folder.path(), 8, &mut before);
        assert_eq!(second.drop_share, Some(0.1));
        assert_eq!(second.cpu_cores, Some(0.0));
    }

    #[test]
    fn what_the_kernel_says_is_understood() {
        assert_eq!(memory_available("MemTotal: 9 kB\nMemAvailable:   12 kB\n"), Some(12 * 1024));
        assert_eq!(memory_available("nonsense"), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(temperature(folder.path()), None);
        for (zone, text) in [("zone0", "41000\n"), ("zone1", "77500"), ("zone2", "-274000"), ("zone3", "x")] {
            std::fs::create_dir(folder.path().join(zone)).unwrap();
            std::fs::write(folder.path().join(zone).join("temp"), text).unwrap();
        }
        assert_eq!(temperature(folder.path()), Some(77.5));
    }
}
