//! Microseconds since the epoch as the dates that Suricata and Zeek write, in UTC.

/// A moment of the Gregorian calendar.
struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    micros: u64,
}

impl Moment {
    /// Days are counted in years that begin in March, so that the leap day is the last of its year; 400 such years have 146,097
    /// days, and five months from March or August on have 153.
    fn of(us: u64) -> Self {
        let (seconds, micros) = (us / 1_000_000, us % 1_000_000);
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        // From 0000-03-01 to 1970-01-01.
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            micros,
        }
    }
}

/// `2026-11-21T12:00:00.000000+0000`.
pub(super) fn eve_time(us: u64) -> String {
    let Moment { year, month, day, hour, minute, second, micros } = Moment::of(us);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+0000")
}

/// `2026-11-21T12:00:00.000000Z`.
pub(super) fn ecs_time(us: u64) -> String {
    eve_time(us).replace("+0000", "Z")
}

/// `2026-11-21 12:00:00`, for people.
pub(crate) fn time_of(us: u64) -> String {
    let Moment { year, month, day, hour, minute, second, .. } = Moment::of(us);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// `2026-11-21-12-00-00`, as in the comments around a Zeek log.
pub(super) fn zeek_date(us: u64) -> String {
    let Moment { year, month, day, hour, minute, second, .. } = Moment::of(us);
    format!("{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}")
}

#[cfg(test)]
mod tests;
