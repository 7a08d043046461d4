//! Numbers and addresses as text, digit for digit what `Display` writes, without its machinery: rows are half numbers.

use std::io::Write;
use std::net::IpAddr;

/// Appends a whole number.
pub(super) fn whole(line: &mut Vec<u8>, value: impl itoa::Integer) {
    line.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a finite number: the shortest digits that read back as the same number, never with an exponent.
pub(super) fn number(line: &mut Vec<u8>, value: f64) {
    /// Whole numbers below this are exact in both types.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < WHOLE_MAX && !(value == 0.0 && value.is_sign_negative()) {
        return whole(line, value as i64);
    }
    let mut buffer = ryu::Buffer::new();
    let digits = if value.is_finite() { buffer.format_finite(value) } else { "e" };
    if digits.contains('e') {
        // Far from one, or not a number. Writing into memory cannot fail.
        let _ = write!(line, "{value}");
    } else {
        line.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
    }
}

/// Appends an address.
pub(super) fn address(line: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    line.push(b'.');
                }
                whole(line, octet);
            }
        }
        IpAddr::V6(address) => {
            let _ = write!(line, "{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::{address, number};

    fn text(value: f64) -> String {
        let mut line = Vec::new();
        number(&mut line, value);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn numbers_at_the_edges_read_as_display_writes_them() {
        let edges =
            [0.0, -0.0, 1.0, -1.5, 0.1, 1e-7, 1e-5, 123_456.789, 1e15, 1e16, 9.007_199_254_740_993e15];
        let extremes = [1e22, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NAN];
        for value in edges.into_iter().chain(extremes) {
            assert_eq!(text(value), value.to_string());
        }
    }

    proptest! {
        #[test]
        fn any_number_reads_back_and_is_as_short_as_display_writes_it(
            bits in any::<u64>(),
            part in 0u64..1 << 40,
            of in 1u64..1 << 20,
        ) {
            for value in [f64::from_bits(bits), part as f64 / of as f64] {
                let (ours, display) = (text(value), value.to_string());
                // A number half-way between two texts of one length has both: 105134698967459.125 ends in .12 here, in .13 there.
                prop_assert_eq!(ours.len(), display.len(), "{} {}", ours, display);
                prop_assert!(value.is_nan() && ours == display || ours.parse() == Ok(value), "{} {}", ours, display);
            }
        }

        #[test]
        fn any_address_reads_as_display_writes_it(bits in any::<u32>()) {
            let mut line = Vec::new();
            address(&mut line, Ipv4Addr::from_bits(bits).into());
            prop_assert_eq!(String::from_utf8(line).unwrap(), Ipv4Addr::from_bits(bits).to_string());
        }
    }
}
