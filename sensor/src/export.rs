//! Flows, alerts and incidents as files: CSV for tables, JSON lines for programs, and the formats of Suricata and Zeek for their
//! users' tools.

mod calendar;
mod csv_rows;
mod ecs;
mod eve;
mod json_lines;
#[cfg(test)]
mod tests;
mod text;
mod zeek;

pub(crate) use calendar::time_of;
pub(crate) use ecs::{alert as ecs_alert, flow as ecs_flow, whole_incident as ecs_incident};
pub(crate) use eve::{GENERATOR, alert as eve_alert, flow as eve_flow, witnesses as eve_witnesses};
pub use json_lines::{alert_object, incident_object};

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flowmeter::{Context, EventKind, FlowRecord, OneWay};
use model::Category;

use crate::detection::Incident;
use crate::detection::policy::Verdict;
use crate::fault::Fault;
use crate::scoring::Scored;
use crate::summary::Summary;

/// How an output file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One row a flow, with its features and verdict.
    Csv,
    /// One JSON object a line: flows as they end, then alerts, then incidents.
    Json,
    /// Suricata's EVE JSON: flows as they end, then alerts, then one line of counts.
    Eve,
    /// The Elastic Common Schema: flows as they end, then alerts, then incidents.
    Ecs,
    /// Zeek's conn.log, tab-separated.
    Zeek,
    /// Zeek's conn.log as JSON lines.
    ZeekJson,
}

impl Format {
    /// Can say of a record that its flow still lives.
    fn knows_provisional(self) -> bool {
        matches!(self, Format::Csv | Format::Json)
    }
}

/// One record and what was made of it.
pub struct FlowRow<'a> {
    /// The record.
    pub record: &'a FlowRecord,
    /// The name in the flow's first payload.
    pub context: Option<&'a Context>,
    /// Final, or provisional and why.
    pub stage: EventKind,
    /// What the model says.
    pub scored: &'a Scored,
    /// What the policy decided.
    pub verdict: Verdict,
    /// What it really was, when ground truth was given.
    pub truth: Option<Category>,
}

/// What stands in a column of every row of a run.
#[derive(Debug, Clone)]
pub struct RunColumns {
    /// Goes into the uids.
    pub sensor_id: String,
    /// Serial of the model.
    pub model_version: u64,
    /// Whether rows have a true label.
    pub with_truth: bool,
    /// Whether provisional records are written too, with a column that says so.
    pub with_provisional: bool,
}

/// An output file under way. Rows appear under their final name only when the run is over.
pub struct Export {
    path: PathBuf,
    partial: PathBuf,
    out: BufWriter<File>,
    format: Format,
    columns: RunColumns,
    line: Vec<u8>,
    /// First packet of the first record and last packet of all, once there is a record.
    span_us: Option<(u64, u64)>,
}

impl Export {
    /// Creates `path` (as `path.partial` until [`Export::finish`]).
    ///
    /// # Errors
    /// The folder does not exist or cannot be written, or the format has no place for provisional records.
    pub fn create(path: &Path, format: Format, columns: RunColumns) -> Result<Self, Fault> {
        if columns.with_provisional && !format.knows_provisional() {
            return Err(Fault::Usage(
                "--provisional: the formats of Suricata, Zeek and Elastic have no place for flows that still live; \
                 use --format csv or json"
                    .to_owned(),
            ));
        }
        if path.is_dir() {
            return Err(Fault::CannotCreate(format!(
                "{}: is a directory; name a file to write to",
                path.display()
            )));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|e| Fault::creating(path, &e))?;
        let mut export = Self {
            path: path.to_owned(),
            partial,
            out: BufWriter::with_capacity(256 << 10, file),
            format,
            columns,
            line: Vec::with_capacity(1024),
            span_us: None,
        };
        if format == Format::Csv {
            export.line.extend_from_slice(csv_rows::header(&export.columns).as_bytes());
            export.write_line()?;
        }
        Ok(export)
    }

    /// Writes one record. A provisional one is left out unless the columns ask for it.
    ///
    /// # Errors
    /// The disk is full, or the like.
    pub fn flow(&mut self, row: &FlowRow<'_>) -> Result<(), Fault> {
        let is_final = matches!(row.stage, EventKind::Ended(_));
        if !is_final && !self.columns.with_provisional {
            return Ok(());
        }
        self.line.clear();
        let (start_us, end_us) = (row.record.start_us, row.record.end_us);
        if self.format == Format::Zeek && self.span_us.is_none() {
            zeek::header(&mut self.line, start_us);
        }
        self.span_us = Some(self.span_us.map_or((start_us, end_us), |(from, to)| (from, to.max(end_us))));
        match self.format {
            Format::Csv => csv_rows::row(&mut self.line, row, &self.columns),
            Format::Json => json_lines::flow(&mut self.line, row, &self.columns),
            Format::Eve => eve::flow(&mut self.line, row, &self.columns),
            Format::Ecs => ecs::flow(&mut self.line, row, &self.columns),
            Format::Zeek => zeek::row(&mut self.line, row, &self.columns),
            Format::ZeekJson => zeek::json_row(&mut self.line, row, &self.columns),
        }
        self.write_line()
    }

    /// Hands all rows so far to the system.
    ///
    /// # Errors
    /// The disk is full, or the like.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.out.flush().map_err(|e| Fault::writing(&self.path.display().to_string(), &e))
    }

    /// Writes alerts, incidents and counts where the format has a place for them, and gives the file its name.
    ///
    /// # Errors
    /// The disk is full, or the like.
    pub fn finish<'a>(
        mut self,
        incidents: impl Iterator<Item = &'a Incident>,
        summary: &Summary,
    ) -> Result<(), Fault> {
        self.line.clear();
        let (first_us, last_us) = self.span_us.unwrap_or_default();
        let model_version = self.columns.model_version;
        match self.format {
            Format::Csv | Format::ZeekJson => {}
            Format::Json => {
                incidents.for_each(|incident| json_lines::incident(&mut self.line, incident, model_version));
            }
            Format::Ecs => {
                incidents.for_each(|incident| ecs::incident(&mut self.line, incident, &self.columns));
            }
            Format::Eve => {
                incidents.for_each(|incident| eve::alerts(&mut self.line, incident, model_version));
                eve::stats(&mut self.line, summary, last_us);
            }
            Format::Zeek => {
                if self.span_us.is_none() {
                    zeek::header(&mut self.line, first_us);
                }
                zeek::footer(&mut self.line, last_us);
            }
        }
        self.write_line()?;
        let failed = |e: io::Error| Fault::writing(&self.path.display().to_string(), &e);
        self.out.flush().map_err(failed)?;
        std::fs::rename(&self.partial, &self.path).map_err(failed)
    }

    fn write_line(&mut self) -> Result<(), Fault> {
        self.out.write_all(&self.line).map_err(|e| Fault::writing(&self.path.display().to_string(), &e))
    }
}

/// A verdict's two-valued name.
pub(crate) fn binary(category: Category) -> &'static str {
    if category == Category::Benign { "benign" } else { "attack" }
}

/// Bytes of IP packets by their headers' lengths: IP header, layer-4 header, payload.
fn ip_bytes(way: &OneWay) -> u64 {
    way.header_bytes + way.bytes
}

/// IP protocol numbers that the formats treat apart.
mod protocol {
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const ICMPV6: u8 = 58;
    pub(super) const SCTP: u8 = 132;
}
