//! What is measured inside this process: a bare libpcap loop, our reader, reader and meter, and the forest alone.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use flowmeter::{EventBatch, EventKind, Meter, MeterConfig};
use model::{Category, Prediction};
use sensor::detection::policy::Verdict;
use sensor::export::{Export, FlowRow, Format, RunColumns};
use sensor::scoring::{Model, Scored, ScoringDesk};
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
    let mut records = 0;
    metered(file, |out| {
        records += out.records.len();
        Ok(())
    })?;
    black_box(records);
    Ok(())
}

/// Reads, meters and writes the CSV rows of every flow as `taphound replay` does: with the model's verdict on it, or
/// all with the same made-up one. What the product costs without its detector, and without its forest.
pub(crate) fn write(file: &Path, to: &Path, scored: bool) -> Result<()> {
    let model = if scored { Some(Model::load(None)?) } else { None };
    let (mut desk, mut scores) = (ScoringDesk::default(), Vec::new());
    let prediction = Prediction {
        category: Category::Benign,
        attack: false,
        score: 1.0 / 7.0,
        confidence: 6.0 / 7.0,
        probabilities: [0.0; Category::COUNT],
    };
    let made_up = Scored { prediction, novelty: Some(4.0 / 9.0) };
    let columns = RunColumns {
        sensor_id: "bench".to_owned(),
        model_version: 1,
        with_truth: false,
        with_provisional: false,
    };
    let mut export = Export::create(to, Format::Csv, columns)?;
    metered(file, |out| {
        let ended = out.events.iter().filter(|event| matches!(event.kind, EventKind::Ended(_)));
        let records = ended.filter_map(|event| Some((event, out.record(event)?)));
        if let Some(model) = &model {
            model.score_batch(records.clone().map(|(_, record)| record), &mut desk, &mut scores);
        }
        for (at, (event, record)) in records.enumerate() {
            let (context, stage) = (out.context(record), event.kind);
            let scored = scores.get(at).unwrap_or(&made_up);
            let row = FlowRow { record, context, stage, scored, verdict: Verdict::Benign, truth: None };
            export.flow(&row)?;
        }
        Ok(())
    })?;
    export.flush()?;
    Ok(())
}

/// Hands out what was made of each batch of frames.
fn metered(file: &Path, mut take: impl FnMut(&EventBatch) -> Result<()>) -> Result<()> {
    const BATCH_FRAMES: u32 = 2048;
    let mut capture = opened(file)?;
    let mut meter = Meter::new(&MeterConfig::default())?;
    let mut out = EventBatch::default();
    let mut in_batch = 0;
    while capture.advance()? {
        meter.accept(&capture.frame(), &mut out);
        in_batch += 1;
        if in_batch == BATCH_FRAMES {
            in_batch = 0;
            meter.flush(&mut out);
            take(&out)?;
            out.clear();
        }
    }
    meter.finish(&mut out);
    take(&out)
}

/// Scores the flows of the mix one at a time, and prints nanoseconds a score.
#[allow(clippy::print_stdout, clippy::disallowed_methods)] // the one clock of the bench: a loop too short for process times
pub(crate) fn score(file: &Path) -> Result<()> {
    const VECTORS: usize = 50_000;
    let model = Model::load(None)?;
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
