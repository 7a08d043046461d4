//! Labels parse as written or say what is wrong and where; networks and times match as they read.

use std::io::Write;
use std::net::IpAddr;

use super::{Network, Truth, micros};
use crate::fault::Fault;

const HEADER: &str = "start,end,src,dst,src_port,dst_port,protocol,label,category\n";

fn read(text: &str) -> Result<Truth, Fault> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Truth::read(file.path())
}

#[test]
fn seconds_become_exact_microseconds() {
    let cases = [
        ("0", Some(0)),
        ("1700000000.25", Some(1_700_000_000_250_000)),
        ("1.2345678", Some(1_234_567)),
        ("1.", Some(1_000_000)),
        (".5", None),
        ("-1", None),
        ("1e9", None),
        ("99999999999999999999", None),
    ];
    for (text, expected) in cases {
        assert_eq!(micros(text), expected, "{text}");
    }
}

#[test]
fn networks_contain_what_their_prefix_says() {
    let cases = [
        ("10.0.0.0/8", "10.255.1.2", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1", "10.0.0.2", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "::1", false),
        ("fd00::/16", "fd00:1::1", true),
        ("::/0", "ffff::", true),
    ];
    for (network, address, expected) in cases {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(Network::parse(network).unwrap().contains(address), expected, "{network} {address}");
    }
    assert!(Network::parse("10.0.0.0/33").is_none());
}

#[test]
fn a_bad_row_names_line_column_and_remedy() {
    let cases = [
        ("x,2,,,,,,attack,scan", "`start` holds \"x\""),
        ("3,2,,,,,,attack,scan", "end lies before"),
        ("1,2,10.0.0.0/99,,,,,attack,scan", "`src`"),
        ("1,2,,,70000,,,attack,scan", "`src_port`"),
        ("1,2,,,,,smtp,attack,scan", "`protocol`"),
        ("1,2,,,,,tcp,evil,scan", "`label`"),
        ("1,2,,,,,tcp,attack,weird", "`category`"),
        ("1,2,,,,,tcp,benign,scan", "contradict"),
        ("1,2,,", "not CSV"),
    ];
    for (row, expected) in cases {
        let fault = read(&format!("{HEADER}1,2,,,,,,attack,scan\n{row}\n")).unwrap_err();
        let message = fault.to_string();
        assert_eq!(fault.exit_code(), 65, "{row}");
        assert!(message.contains(expected) && message.contains(":3"), "{row}: {message}");
    }
    assert!(read("start,end\n1,2\n").unwrap_err().to_string().contains("no column `src`"));
}
