//! How large a capture ring should be.

/// The smallest ring that is of use.
pub const RING_BYTES_MIN: u64 = 2 << 20;
/// The largest that is chosen without being asked for: an idle sensor should stay small.
const RING_BYTES_MAX: u64 = 24 << 20;
/// Speed where the driver tells none.
const DEFAULT_MBPS: u64 = 1_000;
/// How long the sensor may be kept from reading at full line rate, in milliseconds.
const STALL_MS: u64 = 100;
/// Share of the machine's memory that all rings may take together.
const MEMORY_SHARE: u64 = 32;

/// Bytes of each of `rings` rings on an interface of `speed_mbps` in a machine with `memory_bytes`: what the line delivers in
/// 100 ms, all rings together at most 24 MiB and 1/32 of the memory, each at least 2 MiB.
#[must_use]
pub fn ring_bytes(speed_mbps: Option<u64>, memory_bytes: u64, rings: usize) -> u64 {
    let mbps = speed_mbps.filter(|&mbps| mbps > 0).unwrap_or(DEFAULT_MBPS);
    let stall = mbps.saturating_mul(1_000_000 / 8 / 1_000 * STALL_MS);
    let all = stall.min(RING_BYTES_MAX).min(memory_bytes / MEMORY_SHARE);
    (all / rings.max(1) as u64).max(RING_BYTES_MIN)
}

/// The machine's memory; 1 GiB where the kernel does not say.
pub(super) fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kilobytes.map_or(1 << 30, |kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{RING_BYTES_MIN, ring_bytes};

    #[test]
    fn a_ring_holds_100_ms_of_the_line_within_its_limits() {
        const GIB: u64 = 1 << 30;
        for (mbps, memory, rings, bytes) in [
            (Some(1_000), 24 * GIB, 1, 12_500_000),
            (None, 24 * GIB, 1, 12_500_000),
            (Some(0), 24 * GIB, 1, 12_500_000),
            (Some(10_000), 24 * GIB, 1, 24 << 20),
            (Some(10_000), 24 * GIB, 4, 6 << 20),
            (Some(10_000), GIB / 4, 1, 8 << 20),
            (Some(10), 24 * GIB, 1, RING_BYTES_MIN),
            (Some(u64::MAX), 24 * GIB, 16, RING_BYTES_MIN),
        ] {
            assert_eq!(ring_bytes(mbps, memory, rings), bytes, "{mbps:?} {memory} {rings}");
        }
    }
}
