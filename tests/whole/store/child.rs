//! The process that writes: flows all the time, a label whenever the last was acknowledged, and says so.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sensor::writer::{RowKind, StoreNews, Writer, WriterHandle, WriterSettings, opener};
use store::record::{
    Batch, FlowId, FlowRow, Judgement, Label, LogItem, LogRow, NewLabel, OutboxKind, Sent, Source,
};
use store::{Class, Limit, Limits};

/// Flow `number` begins at microsecond `number`, so that a store's rows say which they are.
pub(super) fn flow(number: u64) -> FlowRow {
    let uid = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
    FlowRow {
        id: FlowId { uid, segment: 0 },
        source: Source::Capture,
        client_flow_id: None,
        src_ip: Some([10, 0, 0, number as u8].into()),
        src_port: number as u16,
        dst_ip: Some([192, 0, 2, 1].into()),
        dst_port: 443,
        protocol: 6,
        vlan: None,
        community_id: None,
        start_us: number,
        end_us: number + 1,
        end_reason: "fin".into(),
        forward: Sent::default(),
        backward: Sent::default(),
        schema: "cic20/1:00000000".into(),
        features: [number as f64 + 0.5; 20],
        judgement: Judgement {
            category: "benign".into(),
            score: 0.1,
            confidence: 0.9,
            novelty: None,
            model_version: 1,
        },
        alerted: false,
        context: None,
    }
}

const NAMES: [&str; 20] = ["f"; 20];

/// Lines for the parent: to standard output, or to a file whose writes the shim puts in order with those of the store.
type Says = Arc<Mutex<dyn Write + Send>>;

fn say(says: &Says, line: String) {
    // One write a line, so that a killed process leaves whole ones.
    let _ = says.lock().unwrap().write_all(format!("\n{line}\n").as_bytes());
}

#[test]
#[ignore = "the other half of the tests beside it, which start it as a process"]
fn writes_until_told_otherwise() {
    let Some(path) = std::env::var_os("STORE_FILE").map(PathBuf::from) else { return };
    let first: u64 = std::env::var("STORE_FIRST").unwrap().parse().unwrap();
    let says: Says = match std::env::var_os("STORE_SAYS") {
        Some(file) => Arc::new(Mutex::new(std::fs::File::create(file).unwrap())),
        None => Arc::new(Mutex::new(std::io::stdout())),
    };
    let limit = |rows| Limit { rows_max: Some(rows), ..Limit::default() };
    let limits = Limits::default().with(Class::PlainFlows, limit(4_000)).with(Class::Outbox, limit(1_000));
    let told = Arc::clone(&says);
    let tell = move |news| match news {
        StoreNews::Failing { reason } => say(&told, format!("news failing {reason}")),
        StoreNews::Recovered { failed_rows, .. } => say(&told, format!("news recovered {failed_rows}")),
        StoreNews::Refused { reason, .. } => say(&told, format!("news refused {reason}")),
    };
    let settings = WriterSettings {
        held_rows_max: 5_000,
        pause_max: Duration::from_millis(200),
        ..WriterSettings::default()
    };
    let open = opener(path, limits, Some("sensor-1".into()));
    let (writer, handle) = Writer::spawn_opening(open, settings, tell).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let listening = Arc::clone(&stop);
    std::thread::spawn(move || {
        // A line, or the end of input: time to end in good order.
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        listening.store(true, Ordering::Relaxed);
    });
    write_on(&handle, &says, first, &stop);
    writer.close();
    account(&handle, &says);
}

#[allow(clippy::disallowed_methods)] // the test is about time
fn write_on(handle: &WriterHandle, says: &Says, first: u64, stop: &AtomicBool) {
    const FLOWS: u64 = 20;
    let begun = Instant::now();
    let at = |time: Instant| time.duration_since(begun).as_micros();
    let asked = Arc::new(AtomicBool::new(false));
    let mut next = first;
    while !stop.load(Ordering::Relaxed) {
        let flows: Vec<FlowRow> = (next..next + FLOWS).map(flow).collect();
        let log = LogRow { kind: OutboxKind::Flow, item: LogItem::of(&flows[0], "sensor-1", &NAMES) };
        let before = Instant::now();
        handle.offer(Batch { flows, log: vec![log], ..Batch::default() });
        let after = Instant::now();
        next += FLOWS;
        say(
            says,
            format!("offered {} {} {}", next - 1, at(before), after.duration_since(before).as_micros()),
        );
        // A label syncs the disk. Every other second has none, so that what is kept without them is seen too.
        let labelling = begun.elapsed().as_secs().is_multiple_of(2);
        if labelling && !asked.swap(true, Ordering::Relaxed) {
            let (answered, heard, number) = (Arc::clone(&asked), Arc::clone(says), next - 1);
            let label = NewLabel {
                subject: flow(number).id.to_string(),
                label: Label::Attack,
                category: None,
                reason: None,
                actor: "mia".into(),
                source: "cli".into(),
                at_us: number,
            };
            handle.ask(
                move |store, now_us| store.label(&[label], &NAMES, now_us),
                move |outcome| {
                    match outcome {
                        Ok(_) => say(&heard, format!("label {number}")),
                        Err(e) => say(&heard, format!("refused {e}")),
                    }
                    answered.store(false, Ordering::Relaxed);
                },
            );
        }
        if next % 1_000 < FLOWS {
            account(handle, says);
        }
        std::thread::sleep(Duration::from_millis(8));
    }
}

fn account(handle: &WriterHandle, says: &Says) {
    let rows = handle.counts().of(RowKind::Flows);
    let line = format!(
        "rows {} {} {} {} {}",
        rows.made, rows.stored, rows.dropped_at_queue, rows.store_failed, rows.queued
    );
    say(says, line);
}
