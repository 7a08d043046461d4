//! A capture file of any bytes, plain or packed, through reader and meter: no panic, every frame within bounds and in one
//! count, every fault one clean line, and the same frames and fault however the bytes arrive. What the `capture` fuzz target
//! checks, and a test over its corpus.

use std::io::{self, Cursor, Read};

use flowmeter::{EventBatch, Meter, MeterConfig};

use super::{CaptureFile, MergedFiles, unpacked};

/// A packed file may hold far more than it is long; what lies behind this many frames is like what came before.
const FRAMES_MAX: usize = 20_000;

/// What reading a file came to: its frames as (link, time, wire length, captured bytes), and how it ended.
#[derive(PartialEq, Debug, Default)]
struct Reading {
    frames: Vec<(u32, u64, u32, Vec<u8>)>,
    fault: Option<String>,
}

/// Delivers a stream in small, odd portions, as a pipe may.
struct Dribble<R>(R, usize);

impl<R: Read> Read for Dribble<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 61 + 7;
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

fn opened(reader: Box<dyn Read + Send>) -> Result<CaptureFile, String> {
    let plain = unpacked(reader).map_err(|e| e.to_string())?;
    CaptureFile::new("fuzzed", plain).map_err(|e| e.to_string())
}

fn reading(reader: Box<dyn Read + Send>) -> Reading {
    let mut read = Reading::default();
    let mut file = match opened(reader) {
        Ok(file) => file,
        Err(fault) => return Reading { fault: Some(fault), ..read },
    };
    while read.frames.len() < FRAMES_MAX {
        match file.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => {
                read.fault = Some(fault.to_string());
                break;
            }
        }
        let frame = file.frame();
        assert!(frame.bytes.len() <= frame.wire_len as usize, "more bytes than were on the wire");
        read.frames.push((file.link_number(), frame.time_us, frame.wire_len, frame.bytes.to_vec()));
        assert_eq!(file.packets(), read.frames.len() as u64);
    }
    read
}

/// The file beside itself, merged and metered.
fn meter(data: &[u8]) {
    let files =
        [data, data].into_iter().filter_map(|bytes| opened(Box::new(Cursor::new(bytes.to_vec()))).ok());
    let mut merged = MergedFiles::new(files.collect());
    let config = MeterConfig { flows_max: 64, ..MeterConfig::default() };
    let mut meter = Meter::new(&config).expect("the configuration is valid");
    let mut out = EventBatch::default();
    let mut accepted = 0;
    while accepted < FRAMES_MAX as u64 {
        let Some((frame, _)) = merged.next_frame() else { break };
        meter.accept(&frame, &mut out);
        accepted += 1;
        if accepted.is_multiple_of(256) {
            meter.flush(&mut out);
            out.clear();
        }
    }
    meter.finish(&mut out);
    assert!(meter.packets().is_balanced() && meter.flows().is_balanced());
    assert_eq!((meter.packets().received, meter.flows().active), (accepted, 0));
}

/// Reads one file.
pub(crate) fn check(data: &[u8]) {
    let whole = reading(Box::new(Cursor::new(data.to_vec())));
    let dribbled = reading(Box::new(Dribble(Cursor::new(data.to_vec()), 0)));
    if [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd]].iter().any(|magic| data.starts_with(magic)) {
        // How much an unpacker delivers before it finds that the rest is corrupt depends on how it is fed.
        let shared = whole.frames.len().min(dribbled.frames.len());
        assert_eq!(whole.frames[..shared], dribbled.frames[..shared], "how bytes arrive changes frames");
        assert_eq!(
            whole.fault.is_none(),
            dribbled.fault.is_none(),
            "how bytes arrive changes whether all is well"
        );
    } else {
        assert_eq!(whole, dribbled, "how bytes arrive changes what is read");
    }
    if let Some(fault) = &whole.fault {
        assert!(!fault.is_empty() && !fault.contains('\n'), "a fault is one line: {fault:?}");
    }
    if !whole.frames.is_empty() {
        meter(data);
    }
}

#[test]
fn every_file_of_the_fuzz_corpus_is_read_or_refused() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/capture");
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files > 10, "{files} files in {corpus}");
}
