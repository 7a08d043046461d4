//! What is measured inside this process: a bare libpcap loop, our reader, reader and meter, and the forest alone.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use flowmeter::{EventBatch, Meter, MeterConfig};
use sensor::source::{CaptureFile, Progress, open};

/// Reads every packet with libpcap and looks at its length, nothing else.
pub(crate) fn libpcap(file: &Path) -> Result<()> {
    let mut capture = pcap::Capture::from_file(file)?;
    let mut bytes = 0u64;
    loop {
        match capture.next_packet() {
            Ok(packet) => bytes += u64::from(packet.header.len),
            Err(pcap::Error::NoMorePackets) => break,
            Err(e) => return Err(e.into()),
        }
    }
    black_box(bytes);
    Ok(())
}

fn opened(file: &Path) -> Result<CaptureFile> {
    let reader = open(file, &Progress::default())?;
    Ok(CaptureFile::new(file.display().to_string(), reader)?)
}

/// Reads every packet with our reader.
pub(crate) fn read(file: &Path) -> Result<()> {
    let mut capture = opened(file)?;
    let mut bytes = 0u64;
    while capture.advance()? {
        bytes += u64::from(capture.frame().wire_len);
    }
    black_box(bytes);
    Ok(())
}

/// Reads and meters every packet in one thread; records are made and thrown away.
pub(crate) fn meter(file: &Path) -> Result<()> {
    const BATCH_FRAMES: u32 = 2048;
    let mut capture = opened(file)?;
    let mut meter = Meter::new(&MeterConfig::default())?;
    let mut out = EventBatch::default();
    let (mut records, mut in_batch) = (0, 0);
    while capture.advance()? {
        meter.accept(&capture.frame(), &mut out);
        in_batch += 1;
        if in_batch == BATCH_FRAMES {
            in_batch = 0;
            meter.flush(&mut out);
            records += out.records.len();
            out.clear();
        }
    }
    meter.finish(&mut out);
    black_box(records + out.records.len());
    Ok(())
}

/// Scores the flows of the mix one at a time, and prints nanoseconds a score.
#[allow(clippy::print_stdout, clippy::disallowed_methods)] // the one clock of the bench: a loop too short for process times
pub(crate) fn score(file: &Path) -> Result<()> {
    const VECTORS: usize = 50_000;
    let model = sensor::scoring::Model::load(None)?;
    let mut capture = opened(file)?;
    let mut meter = Meter::new(&MeterConfig::default())?;
    let mut out = EventBatch::default();
    while out.records.len() < VECTORS && capture.advance()? {
        meter.accept(&capture.frame(), &mut out);
        if meter.packets().received.is_multiple_of(2048) {
            meter.flush(&mut out);
        }
    }
    let started = Instant::now();
    let attacks =
        out.records.iter().filter(|record| black_box(model.score(record)).prediction.attack).count();
    let nanos = started.elapsed().as_nanos() as f64 / out.records.len() as f64;
    println!(
        "\nscore: {nanos:.0} ns a record, forest and novelty ({} records of the mix, one at a time; {attacks} called attacks)",
        out.records.len()
    );
    Ok(())
}
