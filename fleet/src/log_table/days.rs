//! Days and their shards: how a table finds a day's items without reading all of it.

/// Shards of a day: as many writers as one day's index key would otherwise hold back.
pub const DAY_SHARDS: u32 = 16;

/// The UTC day of a time in ms since the epoch, as `2026-11-21`.
#[must_use]
pub fn utc_day(timestamp_ms: u64) -> String {
    // Howard Hinnant's civil_from_days, for days since 1970 and no negative ones.
    let z = timestamp_ms / 86_400_000 + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The shard of a day in which a flow lies: `2026-11-21#07`.
#[must_use]
pub fn day_shard(flow_id: &str, timestamp_ms: u64) -> String {
    format!("{}#{:02}", utc_day(timestamp_ms), crc32fast::hash(flow_id.as_bytes()) % DAY_SHARDS)
}

/// Every shard of the day of a time.
#[must_use]
pub fn day_shards(timestamp_ms: u64) -> Vec<String> {
    let day = utc_day(timestamp_ms);
    (0..DAY_SHARDS).map(|shard| format!("{day}#{shard:02}")).collect()
}

#[cfg(test)]
mod tests;
