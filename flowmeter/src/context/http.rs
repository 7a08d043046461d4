//! The `Host` of an HTTP/1 request (RFC 9110 7.2).

/// How far into a request the header is looked for.
const SEARCH_MAX: usize = 2048;

const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE "];

/// The host, if the payload begins with a request that names one.
pub(super) fn host(payload: &[u8]) -> Option<&[u8]> {
    if !METHODS.iter().any(|method| payload.starts_with(method)) {
        return None;
    }
    let searched = &payload[..payload.len().min(SEARCH_MAX)];
    for line in searched.split(|&byte| byte == b'\n').skip(1) {
        let line = line.trim_ascii();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_first_chunk::<5>() else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"host:") {
            return Some(value.trim_ascii()).filter(|value| !value.is_empty());
        }
    }
    None
}
