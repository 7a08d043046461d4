//! The server name of a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3), as far as it was captured.

/// Content type of handshake records.
pub(super) const HANDSHAKE: u8 = 22;

const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// The host name, if the payload begins with a ClientHello that has one.
pub(super) fn server_name(payload: &[u8]) -> Option<&[u8]> {
    let [HANDSHAKE, 3, 0..=4, _, _, CLIENT_HELLO, _, _, _, hello @ ..] = payload else {
        return None;
    };
    // Version and random; then session id, cipher suites and compression methods, each behind its length.
    let mut rest = hello.get(34..)?;
    take_u8(&mut rest)?;
    take_u16(&mut rest)?;
    take_u8(&mut rest)?;
    // The extensions' own length is not needed: they end where the capture does.
    rest = rest.get(2..)?;
    while let [kind_high, kind_low, behind @ ..] = rest {
        rest = behind;
        let kind = u16::from_be_bytes([*kind_high, *kind_low]);
        if kind == SERVER_NAME {
            // A list whose first entry counts; its length and the extension's may be cut off, the name itself not.
            let [_, _, _, _, HOST_NAME, name @ ..] = rest else {
                return None;
            };
            let mut name = name;
            return take_u16(&mut name).filter(|name| !name.is_empty());
        }
        take_u16(&mut rest)?;
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(taken)
}

/// What stands behind an 8-bit length.
fn take_u8<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take(rest, 1)?[0];
    take(rest, len.into())
}

/// What stands behind a 16-bit length.
fn take_u16<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take(rest, 2)?;
    take(rest, u16::from_be_bytes([len[0], len[1]]).into())
}
