//! Small capture files of every format that the reader knows, made by hand, as seeds of the `capture` target.

use std::io::{self, Write};

/// Bytes in the byte order of a file.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn half(self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn word(self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|&value| self.word(value)).collect()
    }
}

/// A DNS question over Ethernet, IPv4 and UDP.
fn question() -> Vec<u8> {
    let dns = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02ab\x03com\x00\x00\x01\x00\x01";
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 28 + dns.len() as u8, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x30, 0x39, 0, 53, 0, 8 + dns.len() as u8, 0, 0]);
    frame.extend(dns);
    frame
}

/// A SYN over Ethernet, IPv4 and TCP.
fn syn() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 2, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 3]);
    frame.extend([0x30, 0x3a, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0]);
    frame
}

fn pcap(order: Order, magic: u32, link: u32, frames: &[&[u8]]) -> Vec<u8> {
    const MODIFIED: u32 = 0xa1b2_cd34;
    let mut out = order.word(magic).to_vec();
    out.extend([order.half(2), order.half(4)].concat());
    out.extend(order.words(&[0, 0, 65_535, link]));
    for (index, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        out.extend(order.words(&[1_700_000_000, 1000 * index as u32, len, len + 4]));
        if magic == MODIFIED {
            out.extend([0; 8]);
        }
        out.extend(*frame);
    }
    out
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(4), 0);
    let len = padded.len() as u32 + 12;
    [&order.words(&[kind, len])[..], &padded, &order.word(len)].concat()
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut out = [order.half(code), order.half(value.len() as u16)].concat();
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn interface(order: Order, link: u16, snaplen: u32, options: &[Vec<u8>]) -> Vec<u8> {
    let mut body = [order.half(link), order.half(0)].concat();
    body.extend(order.word(snaplen));
    body.extend(options.concat());
    block(order, 1, &body)
}

/// Interfaces of different link types, resolutions, offsets and snap lengths; enhanced, simple and obsolete packet blocks;
/// names, statistics and a block that nobody knows; a second section.
fn pcapng(order: Order) -> Vec<u8> {
    let section = block(order, 0x0a0d_0d0a, &[order.words(&[0x1a2b_3c4d, 1]), vec![0xff; 8]].concat());
    let (first, second) = (question(), syn());
    let end = option(order, 0, &[]);
    let packet = |interface: u32, ticks: u64, frame: &[u8]| {
        let len = frame.len() as u32;
        let head = order.words(&[interface, (ticks >> 32) as u32, ticks as u32, len, len]);
        block(order, 6, &[&head[..], frame].concat())
    };
    let obsolete = {
        let mut body = [order.half(1), order.half(0)].concat();
        body.extend(order.words(&[0x0006_0a24, 7, 20, 20]));
        body.extend(&second[14..34]);
        block(order, 2, &body)
    };
    let wide = option(order, 14, &if order.big { 5u64.to_be_bytes() } else { 5u64.to_le_bytes() });
    [
        section.clone(),
        interface(order, 1, 262_144, &[option(order, 9, &[9]), wide, end.clone()]),
        interface(order, 101, 0, &[option(order, 2, b"eth1"), option(order, 9, &[0x8a]), end]),
        packet(0, 1_700_000_000_000_000_000, &first),
        packet(1, 1_700_000_000 << 10, &second[14..]),
        block(order, 3, &[&order.word(first.len() as u32)[..], &first].concat()),
        obsolete,
        block(order, 4, &order.words(&[0])),
        block(order, 5, &order.words(&[0, 0, 0])),
        block(order, 0x0bad, b"what is this"),
        section,
        interface(order, 276, 64, &[]),
        packet(0, 5, &first),
    ]
    .concat()
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(plain)?;
    packer.finish()
}

/// Names and bytes of the seeds.
pub fn seeds() -> io::Result<Vec<(String, Vec<u8>)>> {
    let (first, second) = (question(), syn());
    let frames = [&first[..], &second];
    let mut seeds = Vec::new();
    for (order_name, big) in [("little", false), ("big", true)] {
        let order = Order { big };
        for (kind, magic) in [("micro", 0xa1b2_c3d4), ("nano", 0xa1b2_3c4d), ("modified", 0xa1b2_cd34)] {
            seeds.push((format!("pcap-{kind}-{order_name}"), pcap(order, magic, 1, &frames)));
        }
        seeds.push((format!("pcapng-{order_name}"), pcapng(order)));
    }
    let plain = pcap(Order { big: false }, 0xa1b2_c3d4, 1, &frames);
    seeds.push(("gzip".into(), gzip(&plain)?));
    seeds.push(("gzip-twice".into(), [gzip(&plain)?, gzip(&plain[24..])?].concat()));
    seeds.push(("zstd".into(), zstd::encode_all(&plain[..], 3)?));
    seeds.push(("raw-ip".into(), pcap(Order { big: false }, 0xa1b2_c3d4, 101, &[&first[14..]])));
    seeds.push(("link-unknown".into(), pcap(Order { big: false }, 0xa1b2_c3d4, 147, &[&first])));
    seeds.push(("with-check-sequence".into(), pcap(Order { big: false }, 0xa1b2_c3d4, 0x2400_0001, &[&first])));
    Ok(seeds)
}
