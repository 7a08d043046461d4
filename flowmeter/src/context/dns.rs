//! The first question of a DNS message (RFC 1035 4.1).

use super::{Context, ContextKind};

/// The name asked for, in dotted form, without its root. Dots within labels are shown as `?`.
pub(super) fn question(payload: &[u8]) -> Option<Context> {
    let (header, mut rest) = payload.split_first_chunk::<12>()?;
    let opcode = header[2] >> 3 & 0x0f;
    let questions = u16::from_be_bytes([header[4], header[5]]);
    // Standard queries only; a handful of questions at most, or it is something else on the port.
    if opcode != 0 || !(1..=8).contains(&questions) {
        return None;
    }
    let mut name = Context::new(ContextKind::DnsName, b"");
    loop {
        let (&len, behind) = rest.split_first()?;
        match len {
            0 => break,
            // No compression in a first question.
            64.. => return None,
            _ => {}
        }
        let (label, behind) = behind.split_at_checked(len.into())?;
        rest = behind;
        if name.len > 0 {
            name.extend(b".");
        }
        for byte in label {
            name.extend(&[if *byte == b'.' { b'?' } else { *byte }]);
        }
    }
    (name.len > 0).then_some(name)
}
