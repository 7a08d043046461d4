//! Times as people and other programs write them, as microseconds since the epoch.

/// Reads epoch seconds (`1700000000`, `1700000000.25`) or RFC 3339 and its kin (`2026-11-21T13:00:00Z`,
/// `2026-11-21T13:00:00.123456+0100`, `2026-11-21`).
///
/// # Errors
/// It is neither.
pub fn read_time(text: &str) -> Result<u64, String> {
    let text = text.trim();
    seconds(text).or_else(|| date_time(text)).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("`{shown}` is no time: write 2026-11-21T13:00:00Z, or seconds since 1970")
    })
}

fn seconds(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || whole.len() < 5 || !(part.is_empty() || digits(part)) {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros(part)?)
}

/// Digits behind the point as microseconds; more than six are cut.
fn micros(part: &str) -> Option<u64> {
    let six: String = part.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

fn date_time(text: &str) -> Option<u64> {
    let date = text.get(..10)?;
    let mut parts = date.split('-');
    let mut next = |length: usize| {
        let part = parts.next()?;
        (part.len() == length && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<i64>().ok())?
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let midnight_s = days_from_civil(year, month, day) * 86_400;
    let rest = &text[10..];
    let (time_us, offset_s) = if rest.is_empty() { (0, 0) } else { time_of_day(rest.get(1..)?)? };
    u64::try_from((midnight_s - offset_s).checked_mul(1_000_000)?.checked_add(time_us)?).ok()
}

/// `13:00`, `13:00:00.5`, with `Z`, `+01:00`, `+0100` or nothing (UTC) behind.
fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let zone_at = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let (clock, part) = clock.split_once('.').unwrap_or((clock, ""));
    let numbers: Vec<i64> = clock
        .split(':')
        .map(|p| if p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()) { p.parse().ok() } else { None })
        .collect::<Option<_>>()?;
    let (hour, minute, second) = match numbers[..] {
        [h, m] => (h, m, 0),
        [h, m, s] => (h, m, s),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 60 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let offset_s = match zone.as_bytes().first() {
        None | Some(b'Z' | b'z') => 0,
        Some(sign) => {
            let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
            let number: i64 = if digits.len() == 4 { digits.parse().ok()? } else { return None };
            (number / 100 * 3600 + number % 100 * 60) * if *sign == b'-' { -1 } else { 1 }
        }
    };
    let us = i64::try_from(micros(part)?).ok()?;
    Some(((hour * 3600 + minute * 60 + second) * 1_000_000 + us, offset_s))
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::read_time;

    #[test]
    fn times_are_read_as_people_and_programs_write_them() {
        for (text, us) in [
            ("1700000000", 1_700_000_000_000_000),
            ("1700000000.25", 1_700_000_000_250_000),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000_000),
            ("2023-11-14T23:13:20.000001+0100", 1_700_000_000_000_001),
            ("2023-11-14 17:13:20-05:00", 1_700_000_000_000_000),
            ("2023-11-14", 1_699_920_000_000_000),
            ("2024-02-29T00:00Z", 1_709_164_800_000_000),
        ] {
            assert_eq!(read_time(text), Ok(us), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "12",
            "-5",
            "2023-13-01",
            "2023-11-14T25:00Z",
            "2023-11-14T22:13:20+1",
            "1e9",
            "20231114T101010",
        ] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }
}
