//! Names in payloads, whole, cut at every byte, and almost right.

use super::{Context, ContextKind, dns, http, tls};

/// A ClientHello with a session id, two cipher suites, and extensions with the server name behind another.
fn client_hello(name: &str) -> Vec<u8> {
    let len = |bytes: &[u8]| (bytes.len() as u16).to_be_bytes();
    let entry = [&[0], &len(name.as_bytes())[..], name.as_bytes()].concat();
    let list = [&len(&entry)[..], &entry].concat();
    let server_name = [&[0, 0], &len(&list)[..], &list].concat();
    let extensions = [&[0, 10, 0, 2, 0, 29][..], &server_name, &[0, 16, 0, 0]].concat();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([4, 1, 2, 3, 4]);
    hello.extend([0, 4, 0x13, 1, 0x13, 2]);
    hello.extend([1, 0]);
    hello.extend(len(&extensions));
    hello.extend(&extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(len(&hello));
    handshake.extend(&hello);
    [&[22, 3, 1], &len(&handshake)[..], &handshake].concat()
}

#[test]
fn server_name_of_a_client_hello() {
    let hello = client_hello("www.example.org");
    assert_eq!(tls::server_name(&hello), Some(&b"www.example.org"[..]));
    let end = hello.len() - 4; // the last extension is not needed
    for cut in 0..hello.len() {
        assert_eq!(tls::server_name(&hello[..cut]).is_some(), cut >= end, "cut at {cut}");
    }
    let mut other = hello.clone();
    other[5] = 2; // ServerHello
    assert_eq!(tls::server_name(&other), None);
    assert_eq!(tls::server_name(&client_hello("")), None);
}

#[test]
fn host_of_a_request() {
    for (request, host) in [
        ("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", Some("example.org")),
        ("POST /x HTTP/1.1\r\nAccept: */*\r\nhOsT:example.org:8080 \r\n\r\n", Some("example.org:8080")),
        ("GET / HTTP/1.1\nHost: bare.newlines\n\n", Some("bare.newlines")),
        ("GET / HTTP/1.0\r\n\r\nHost: in.the.body\r\n", None),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nX-Host: no\r\n\r\n", None),
        ("GET /Host: HTTP/1.1\r\n\r\n", None),
        ("GETTING Host: x\r\nHost: y\r\n", None),
        ("HTTP/1.1 200 OK\r\nHost: x\r\n", None),
        ("GET ", None),
    ] {
        assert_eq!(http::host(request.as_bytes()), host.map(str::as_bytes), "{request:?}");
    }
    let far = format!("GET / HTTP/1.1\r\nCookie: {}\r\nHost: far.away\r\n", "x".repeat(3000));
    assert_eq!(http::host(far.as_bytes()), None);
}

#[test]
fn question_of_a_message() {
    let message = |labels: &[u8]| [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], labels, &[0, 1, 0, 1]].concat();
    let name = |labels: &[u8]| dns::question(&message(labels)).map(|it| it.name().to_owned());
    assert_eq!(name(b"\x03www\x07example\x03org\0").as_deref(), Some("www.example.org"));
    assert_eq!(name(b"\0"), None);
    assert_eq!(name(b"\x03www\xc0\x0c"), None);
    assert_eq!(name(b"\x3fshort"), None);
    assert_eq!(name(b"\x05a.b\0\xff\0").as_deref(), Some("a?b??"));
    let whole = message(b"\x03www\x07example\x03org\0");
    for cut in 0..whole.len() - 4 {
        assert_eq!(dns::question(&whole[..cut]), None, "cut at {cut}");
    }
    let mut status = whole.clone();
    status[2] = 0x10; // an opcode other than a query's
    assert_eq!(dns::question(&status), None);
    status = whole.clone();
    status[5] = 0; // no question
    assert_eq!(dns::question(&status), None);

    // Tunnels ask long questions: their beginning is kept.
    let long = [&b"\x3f"[..], &[b'a'; 63], b"\x3f", &[b'b'; 63], b"\0"].concat();
    let context = dns::question(&message(&long)).unwrap();
    assert_eq!(context.name().len(), Context::LEN_MAX);
    assert!(context.is_truncated() && context.name().ends_with(&"b".repeat(29)));
}

#[test]
fn names_are_printable() {
    let context = Context::new(ContextKind::HttpHost, b"a\x1b[2Jb\xffc d");
    assert_eq!(context.name(), "a?[2Jb?c?d");
    assert!(!context.is_truncated());
    assert_eq!(format!("{context:?}"), "http_host=a?[2Jb?c?d");
}
