//! `taphound model versus`: two models over the flows that a sensor has kept.

use std::sync::Arc;
use std::time::Duration;

use store::record::{Label, Source};
use store::{Filter, Reader, StoreError};

use super::Comparison;
use crate::capture::Clock;
use crate::cli::VersusArgs;
use crate::fault::Fault;
use crate::report;
use crate::scoring::Model;
use crate::service::when::read_time;

/// Rows read at once.
const PAGE: usize = 5_000;

/// Judges the flows of a store, newest first, with both models and prints where they differ.
///
/// # Errors
/// A model or the store cannot be read, or a time makes no sense.
pub fn run(arguments: &VersusArgs) -> Result<(), Fault> {
    let first = Model::load(arguments.model.as_deref())?;
    let second = Model::load(Some(&arguments.versus))?;
    let path = &arguments.store;
    if !path.exists() {
        return Err(Fault::NoInput(format!(
            "{}: no such store; name one with --store (a copy made by `taphound backup` will do)",
            path.display()
        )));
    }
    let time = |text: &Option<String>| text.as_deref().map(read_time).transpose().map_err(Fault::Usage);
    let filter = Filter { from_us: time(&arguments.from)?, to_us: time(&arguments.to)?, ..Filter::default() };
    let clock = Clock::system();
    let reader = Reader::open(path, Duration::from_secs(60), Arc::new(move || clock.monotonic_us()))
        .map_err(of_store)?;
    let mut comparison = Comparison::new(&first, &second);
    let (mut cursor, mut left) = (None, arguments.limit);
    while left > 0 {
        let page = reader.flows(&filter, cursor, PAGE.min(left)).map_err(of_store)?;
        left -= page.rows.len();
        for stored in &page.rows {
            let said = stored.true_label.or(stored.label);
            let attack = match said {
                Some(Label::Attack) => Some(true),
                Some(Label::Benign) => Some(false),
                _ => None,
            };
            // Judged anew by both: the store's verdict may be an older model's.
            let scored = first.score_vector(&stored.row.features, true);
            let client = stored.row.source == Source::Api;
            comparison.add(&stored.row.features, &scored, attack, || {
                let named = stored.row.client_flow_id.clone().filter(|_| client);
                (stored.row.id.to_string(), named.unwrap_or_else(|| stored.row.flow_id()))
            });
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let versus = comparison.summary();
    report::print(&if arguments.json {
        format!("{}\n", serde_json::to_string(&versus).unwrap_or_default())
    } else {
        versus.describe(first.version())
    })
}

fn of_store(e: StoreError) -> Fault {
    if e.is_refusal() { Fault::BadData(e.to_string()) } else { Fault::Io(e.to_string()) }
}
