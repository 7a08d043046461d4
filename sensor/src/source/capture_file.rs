//! One capture file, pcap or pcapng, read frame by frame from any byte stream.

use std::io;

use flowmeter::{Frame, LinkType};
use pcap_parser::pcapng::{parse_block_be, parse_block_le};

use super::pcapng::{PacketPlace, Section};
use super::window::{Refill, Window};
use crate::fault::Fault;

/// Why a capture file could not be read to its end. What came before the fault has been read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No bytes at all.
    #[error("{name}: is empty; a capture has at least a file header, so capture it again")]
    Empty {
        /// The file as the user named it.
        name: String,
    },
    /// The first bytes are those of no format we read.
    #[error(
        "{name}: is not a capture (it begins with {begins}); give a pcap or pcapng file, plain or packed with gzip or zstd"
    )]
    NotACapture {
        /// The file as the user named it.
        name: String,
        /// The first bytes, printable.
        begins: String,
    },
    /// The file ends inside a packet or block.
    #[error(
        "{name}: is cut off at byte {offset}, inside what follows packet {packets}; all packets before it were read (copy or capture the file again to have the rest)"
    )]
    Truncated {
        /// The file as the user named it.
        name: String,
        /// Where the unfinished block begins, in uncompressed bytes.
        offset: u64,
        /// Whole packets before it.
        packets: u64,
    },
    /// The bytes contradict the format.
    #[error(
        "{name}: is damaged at byte {offset}, after packet {packets}: {what}; all packets before it were read (`editcap` or `pcapfix` may save the rest)"
    )]
    Damaged {
        /// The file as the user named it.
        name: String,
        /// Where the offending block begins, in uncompressed bytes.
        offset: u64,
        /// Whole packets before it.
        packets: u64,
        /// What was found there.
        what: String,
    },
    /// All of it was read, and nothing of it could be metered.
    #[error(
        "{name}: all of its {packets} packets are of link type {link}, which is not read (counted as unsupported_link); capture on an Ethernet, Linux cooked, raw IP, PPP or loopback link"
    )]
    UnknownLink {
        /// The file as the user named it.
        name: String,
        /// The link type's number.
        link: u32,
        /// Packets in the file.
        packets: u64,
    },
    /// The operating system failed to deliver bytes.
    #[error("{name}: reading failed after packet {packets} ({error}); all packets before it were read")]
    Io {
        /// The file as the user named it.
        name: String,
        /// Whole packets before it.
        packets: u64,
        /// What the system said.
        error: io::Error,
    },
}

impl From<CaptureError> for Fault {
    fn from(error: CaptureError) -> Self {
        let message = error.to_string();
        match error {
            CaptureError::Io { .. } => Fault::Io(message),
            _ => Fault::BadData(message),
        }
    }
}

/// A capture file at one of its frames: `advance`, then `frame`.
pub struct CaptureFile {
    name: String,
    window: Window,
    format: Format,
    current: PacketPlace,
    /// Length of the block that `current` lies in: consumed when the reader moves on.
    block_len: usize,
    packets: u64,
    /// Packets of a link type that is not read, and the number of the last such type.
    unreadable: (u64, u32),
}

enum Format {
    Pcap(PcapVariant),
    PcapNg(Section),
}

struct PcapVariant {
    link: u32,
    nanoseconds: bool,
    big_endian: bool,
    record_header_len: usize,
}

/// What a look at the window's beginning found.
enum Step {
    Packet(PacketPlace, usize),
    Skip(usize),
    NeedMore,
    Damaged(String),
}

impl CaptureFile {
    /// Largest frame we believe: libpcap's `MAXIMUM_SNAPLEN` with room to spare.
    const FRAME_BYTES_MAX: u32 = 1 << 20;
    const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

    /// Reads the file header from `reader`; `name` is used in messages.
    ///
    /// # Errors
    /// The stream is empty, is no capture, ends within its header, or cannot be read.
    pub fn new(name: impl Into<String>, reader: Box<dyn io::Read + Send>) -> Result<Self, CaptureError> {
        let name = name.into();
        let mut window = Window::new(reader);
        while window.data().len() < 24 {
            match window.refill() {
                Ok(Refill::More) => {}
                Ok(_) => break,
                Err(e) => return Err(read_error(&name, window.offset(), 0, e)),
            }
        }
        if window.data().is_empty() {
            return Err(CaptureError::Empty { name });
        }
        let format = if window.data().starts_with(&Self::PCAPNG_MAGIC) {
            Format::PcapNg(Section::default())
        } else {
            let Some(variant) = PcapVariant::by_magic(window.data()) else {
                let begins = printable(window.data());
                return Err(CaptureError::NotACapture { name, begins });
            };
            let Some(header) = window.data().first_chunk::<{ PcapVariant::HEADER_LEN }>() else {
                return Err(CaptureError::Truncated { name, offset: 0, packets: 0 });
            };
            let variant = variant.with_link_of(header);
            window.consume(PcapVariant::HEADER_LEN);
            Format::Pcap(variant)
        };
        let current = PacketPlace { link: 0, time_us: 0, wire_len: 0, start: 0, captured_len: 0 };
        Ok(Self { name, window, format, current, block_len: 0, packets: 0, unreadable: (0, 0) })
    }

    /// Moves to the next frame; `false` at the end of the file.
    ///
    /// # Errors
    /// The file is cut off, damaged or unreadable from here on.
    pub fn advance(&mut self) -> Result<bool, CaptureError> {
        self.window.consume(std::mem::take(&mut self.block_len));
        loop {
            match self.step() {
                Step::Packet(place, block_len) => {
                    self.current = place;
                    self.block_len = block_len;
                    self.packets += 1;
                    if let LinkType::Unsupported(number) = LinkType::from_pcap(place.link) {
                        self.unreadable = (self.unreadable.0 + 1, number);
                    }
                    return Ok(true);
                }
                Step::Skip(n) => self.window.consume(n),
                Step::Damaged(what) => return Err(self.damaged(what)),
                Step::NeedMore => match self.window.refill() {
                    Ok(Refill::More) => {}
                    Ok(Refill::Full) => {
                        return Err(
                            self.damaged(format!("one block of more than {} MiB", Window::BYTES_MAX >> 20))
                        );
                    }
                    Ok(Refill::Ended) if self.window.data().is_empty() => return self.end(),
                    Ok(Refill::Ended) => {
                        let (name, offset) = (self.name.clone(), self.window.offset());
                        return Err(CaptureError::Truncated { name, offset, packets: self.packets });
                    }
                    Err(e) => return Err(read_error(&self.name, self.window.offset(), self.packets, e)),
                },
            }
        }
    }

    /// The end of the file; a fault when not one of its packets could be metered.
    fn end(&mut self) -> Result<bool, CaptureError> {
        let (unreadable, link) = std::mem::take(&mut self.unreadable);
        if unreadable > 0 && unreadable == self.packets {
            return Err(CaptureError::UnknownLink { name: self.name.clone(), link, packets: unreadable });
        }
        Ok(false)
    }

    /// The frame that `advance` moved to.
    #[must_use]
    pub fn frame(&self) -> Frame<'_> {
        let at = self.current;
        Frame {
            link: LinkType::from_pcap(at.link),
            time_us: at.time_us,
            wire_len: at.wire_len,
            bytes: &self.window.data()[at.start..at.start + at.captured_len],
        }
    }

    /// Number of the link type of the frame that `advance` moved to, as capture files write it.
    #[must_use]
    pub fn link_number(&self) -> u32 {
        self.current.link
    }

    /// The file as the user named it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Frames read so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    fn damaged(&self, what: String) -> CaptureError {
        let (name, offset) = (self.name.clone(), self.window.offset());
        CaptureError::Damaged { name, offset, packets: self.packets, what }
    }

    fn step(&mut self) -> Step {
        let data = self.window.data();
        match &mut self.format {
            Format::Pcap(variant) => variant.step(data),
            Format::PcapNg(section) => pcapng_step(section, data),
        }
    }
}

impl PcapVariant {
    const HEADER_LEN: usize = 24;

    /// What the first four bytes say of resolution, record headers and byte order; the link type is still to come.
    fn by_magic(data: &[u8]) -> Option<Self> {
        let magic = data.first_chunk::<4>()?;
        let (big_endian, (nanoseconds, record_header_len)) =
            [false, true].into_iter().find_map(|big_endian| {
                let known = match word(magic, big_endian) {
                    0xa1b2_c3d4 => (false, 16),
                    0xa1b2_3c4d => (true, 16),
                    // Kuznetzov's variant, which some old Linux distributions wrote: eight bytes more a record.
                    0xa1b2_cd34 => (false, 24),
                    _ => return None,
                };
                Some((big_endian, known))
            })?;
        Some(Self { link: 0, nanoseconds, big_endian, record_header_len })
    }

    /// Reads the file header.
    fn with_link_of(mut self, header: &[u8; Self::HEADER_LEN]) -> Self {
        // The upper bits say whether frames carry a frame check sequence; IP's own lengths make that irrelevant.
        self.link = word(&header[20..], self.big_endian) & 0x03ff_ffff;
        self
    }

    /// The record at the beginning of `data`. Its claim is judged before another byte is read on its word, so that how much
    /// happens to be here changes nothing.
    fn step(&self, data: &[u8]) -> Step {
        let Some(header) = data.first_chunk::<16>() else { return Step::NeedMore };
        let [seconds, fraction, captured_len, wire_len] =
            [0, 4, 8, 12].map(|at| word(&header[at..], self.big_endian));
        if captured_len > CaptureFile::FRAME_BYTES_MAX {
            return Step::Damaged(format!("a packet that claims {captured_len} captured bytes"));
        }
        let record_len = self.record_header_len + captured_len as usize;
        if data.len() < record_len {
            return Step::NeedMore;
        }
        let fraction_us = if self.nanoseconds { fraction / 1000 } else { fraction };
        let place = PacketPlace {
            link: self.link,
            time_us: u64::from(seconds) * 1_000_000 + u64::from(fraction_us),
            wire_len: wire_len.max(captured_len),
            start: self.record_header_len,
            captured_len: captured_len as usize,
        };
        Step::Packet(place, record_len)
    }
}

/// The block at the beginning of `data`, taken only when all of it is here: what is behind it, or not yet, is not its matter.
fn pcapng_step(section: &mut Section, data: &[u8]) -> Step {
    const BIG_ENDIAN: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
    const BLOCK_BYTES_MIN: usize = 12;
    let Some(head) = data.first_chunk::<BLOCK_BYTES_MIN>() else { return Step::NeedMore };
    let begins_section = head.starts_with(&CaptureFile::PCAPNG_MAGIC);
    let big_endian = if begins_section { head[8..] == BIG_ENDIAN } else { section.big_endian };
    let claimed = word(&head[4..], big_endian) as usize;
    if !(BLOCK_BYTES_MIN..=Window::BYTES_MAX).contains(&claimed) {
        return Step::Damaged(format!("a block that claims {claimed} bytes"));
    }
    let Some(whole) = data.get(..claimed) else { return Step::NeedMore };
    let parse = if big_endian { parse_block_be } else { parse_block_le };
    match parse(whole) {
        Ok((_, block)) => match section.take(&block) {
            Ok(Some(place)) => Step::Packet(place, claimed),
            Ok(None) => Step::Skip(claimed),
            Err(fault) => Step::Damaged(fault.to_string()),
        },
        Err(_) => Step::Damaged("a block that does not parse".into()),
    }
}

/// The 32-bit number at the beginning of `bytes`.
fn word(bytes: &[u8], big_endian: bool) -> u32 {
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

fn read_error(name: &str, offset: u64, packets: u64, error: io::Error) -> CaptureError {
    let name = name.to_owned();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CaptureError::Truncated { name, offset, packets },
        // What flate2 and zstd say of packed data that is damaged.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            CaptureError::Damaged {
                name,
                offset,
                packets,
                what: format!("the packed data is corrupt ({error})"),
            }
        }
        _ => CaptureError::Io { name, packets, error },
    }
}

fn printable(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(8)];
    if head.iter().all(|b| (0x20..0x7f).contains(b) || b.is_ascii_whitespace()) {
        format!("the text {:?}", String::from_utf8_lossy(head))
    } else {
        head.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
    }
}
