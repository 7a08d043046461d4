//! A ring written, read back, flooded, cut off and opened with the wrong key.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use flowmeter::{Frame, LinkType};

use super::find::{Side, Wanted};
use super::{EvidenceConfig, Mode, headers, open};

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

fn config(folder: &Path, mode: Mode, quota_mib: u64) -> EvidenceConfig {
    let key_file = folder.join("key");
    std::fs::write(&key_file, HEX).unwrap();
    EvidenceConfig { mode, quota_mib, key_file, directory: folder.join("ring") }
}

/// A UDP frame from 10.0.0.`host` to 10.0.0.200:53 with `payload`.
fn frame(host: u8, payload: &[u8]) -> Vec<u8> {
    let length = (28 + payload.len()) as u16;
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    bytes.extend_from_slice(&[0x45, 0]);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 0, 0, 200]);
    bytes.extend_from_slice(&[0x30, 0x39, 0, 53]);
    bytes.extend_from_slice(&(length - 20).to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

fn wanted(host: u8) -> Wanted {
    let at = |last| Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    Wanted {
        sides: [Side { address: at(200), port: Some(53) }, Side { address: at(host), port: None }],
        protocol: Some(17),
        from_us: 0,
        to_us: u64::MAX,
        skip: 0,
    }
}

/// Writes `count` packets of ten hosts, and gives the ring's status at its end.
fn write(config: &EvidenceConfig, count: u64, payload: &[u8]) -> (super::Evidence, super::EvidenceStatus) {
    let (evidence, taps, thread) = open(config, Path::new("/nowhere")).unwrap().unwrap().start().unwrap();
    let mut tap = taps.tap();
    drop(taps);
    for n in 0..count {
        let bytes = frame((n % 10) as u8, payload);
        let wire_len = bytes.len() as u32;
        tap.offer(&Frame { link: LinkType::Ethernet, time_us: 1_000 + n, wire_len, bytes: &bytes }, n, true);
    }
    drop(tap);
    thread.join().unwrap();
    let status = evidence.status();
    (evidence, status)
}

fn on_disk(config: &EvidenceConfig) -> u64 {
    std::fs::read_dir(&config.directory).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn what_was_kept_is_found_and_nothing_of_it_is_readable_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), Mode::Full, 8);
    let secret = b"a secret that was said";
    let (evidence, status) = write(&config, 5_000, secret);
    assert_eq!((status.packets, status.shed, status.failed), (5_000, 0, 0));
    assert_eq!((status.oldest_us, status.newest_us), (Some(1_000), Some(5_999)));
    let found = evidence.packets(&wanted(3), 1 << 20).unwrap();
    assert_eq!((found.packets, found.cut, found.damaged, found.other_key), (500, false, 0, 0));
    let bytes = Box::new(std::io::Cursor::new(found.pcap.clone()));
    let mut captured = crate::source::CaptureFile::new("it", bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut seen = 0;
    while captured.advance().unwrap() {
        let frame = captured.frame();
        assert_eq!((frame.bytes[29], &frame.bytes[42..]), (3, secret.as_slice()));
        seen += 1;
    }
    assert_eq!(seen, 500);
    for file in std::fs::read_dir(&config.directory).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "plain text on disk");
    }
    let few = evidence.packets(&wanted(3), 2_000).unwrap();
    assert!(few.cut && few.pcap.len() <= 2_000 && few.packets > 10, "{}", few.packets);
    let rest = evidence.packets(&Wanted { skip: few.packets, ..wanted(3) }, 1 << 20).unwrap();
    assert_eq!((rest.packets, rest.cut), (500 - few.packets, false));
    let late = Wanted { from_us: 5_000, ..wanted(3) };
    assert_eq!(evidence.packets(&late, 1 << 20).unwrap().packets, 100);
}

#[test]
fn the_quota_holds_under_a_flood_and_the_newest_packets_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), Mode::Full, 8);
    let (evidence, status) = write(&config, 60_000, &[7; 1_000]);
    assert!(status.bytes <= status.quota_bytes && on_disk(&config) <= 8 << 20, "{status:?}");
    assert!(status.bytes > 6 << 20, "most of the quota is used: {status:?}");
    let found = evidence.packets(&wanted(9), 1 << 30).unwrap();
    assert!(found.packets > 500, "{}", found.packets);
    assert_eq!(status.newest_us, Some(60_999));
    // A smaller quota at the next start makes room at once.
    let smaller = EvidenceConfig { quota_mib: 8, ..config.clone() };
    let (_, again) = write(&smaller, 10, b"");
    assert!(again.bytes <= 8 << 20 && again.segments >= 2, "{again:?}");
}

#[test]
fn a_crash_leaves_a_readable_ring_and_a_wrong_key_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), Mode::Full, 8);
    let (evidence, _) = write(&config, 2_000, &[1; 800]);
    let newest = std::fs::read_dir(&config.directory).unwrap().map(|f| f.unwrap().path()).max().unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() - 100]).unwrap();
    let found = evidence.packets(&wanted(4), 1 << 30).unwrap();
    assert_eq!(found.damaged, 1);
    assert!(found.packets > 100 && found.packets < 200, "{}", found.packets);
    // One bit changed in the first block: what is in it is not believed.
    let oldest = std::fs::read_dir(&config.directory).unwrap().map(|f| f.unwrap().path()).min().unwrap();
    let mut bytes = std::fs::read(&oldest).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&oldest, bytes).unwrap();
    assert!(evidence.packets(&wanted(4), 1 << 30).unwrap().damaged >= 1);
    // The next run goes on beside it.
    let (_, status) = write(&config, 100, b"x");
    assert_eq!(status.packets, 100);
    std::fs::write(&config.key_file, HEX.replace("00", "ff")).unwrap();
    let (other, _) = write(&config, 10, b"x");
    let found = other.packets(&wanted(4), 1 << 30).unwrap();
    assert!(found.other_key >= 2 && found.packets == 1, "{found:?}");
}

#[test]
fn headers_only_keeps_no_payload() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), Mode::Headers, 8);
    let (evidence, _) = write(&config, 100, b"a password");
    let found = evidence.packets(&wanted(1), 1 << 20).unwrap();
    assert_eq!(found.packets, 10);
    assert!(!found.pcap.windows(10).any(|w| w == b"a password"));
    assert_eq!(found.pcap.len(), 24 + 10 * (16 + 42));
}

#[test]
fn headers_end_where_they_end() {
    let udp = frame(1, b"payload");
    let mut tagged = udp[..12].to_vec();
    tagged.extend_from_slice(&[0x81, 0, 0, 5]);
    tagged.extend_from_slice(&udp[12..]);
    let mut tcp = udp.clone();
    tcp[23] = 6;
    tcp.resize(80, 0);
    tcp[46] = 0x80;
    let mut later = udp.clone();
    later[20] = 1;
    let cases: [(&str, LinkType, &[u8], usize); 7] = [
        ("UDP", LinkType::Ethernet, &udp, 42),
        ("tagged", LinkType::Ethernet, &tagged, 46),
        ("TCP with options", LinkType::Ethernet, &tcp, 66),
        ("a later fragment", LinkType::Ethernet, &later, 34),
        ("bare IP", LinkType::RawIp, &udp[14..], 28),
        ("cut off", LinkType::Ethernet, &udp[..20], 20),
        ("nothing", LinkType::Ethernet, &[], 0),
    ];
    for (name, link, bytes, expected) in cases {
        assert_eq!(headers::headers_len(link, bytes), expected, "{name}");
    }
    for length in 0..80 {
        for first in [0x45, 0x4f, 0x60, 0xff] {
            let mut bytes = vec![0xff; length];
            if let Some(b) = bytes.get_mut(14) {
                *b = first;
            }
            assert!(headers::headers_len(LinkType::Ethernet, &bytes) <= length);
        }
    }
}

#[test]
fn a_missing_or_wrong_key_is_a_fault_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), Mode::Full, 8);
    std::fs::write(&config.key_file, "short").unwrap();
    let fault = open(&config, folder.path()).err().unwrap();
    assert_eq!(fault.exit_code(), 78, "{fault}");
    config.key_file = folder.path().join("missing");
    assert_eq!(open(&config, folder.path()).err().unwrap().exit_code(), 66);
    config.mode = Mode::Off;
    assert!(open(&config, folder.path()).unwrap().is_none(), "off needs no key");
}
