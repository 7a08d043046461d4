//! Ground truth: which flows of a capture are attacks, and how well the verdicts agree with it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use flowmeter::FlowRecord;
use model::Category;
use serde::Serialize;

use crate::fault::Fault;

/// A labels file: rows in order, first match wins, a flow that matches none is benign.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    rows: Vec<TruthRow>,
}

/// One activity: flows that begin within its time between its ends, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TruthRow {
    start_us: u64,
    end_us: u64,
    src: Option<Network>,
    dst: Option<Network>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    protocol: Option<u8>,
    category: Category,
}

/// An address range in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

const COLUMNS: [&str; 9] =
    ["start", "end", "src", "dst", "src_port", "dst_port", "protocol", "label", "category"];

impl Truth {
    /// Reads a labels file.
    ///
    /// # Errors
    /// The file cannot be opened, lacks a column, or has a row that does not parse; the message names line and column.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let name = path.display();
        if path.is_dir() {
            return Err(Fault::is_directory(path));
        }
        let file = std::fs::File::open(path).map_err(|e| Fault::opening(path, &e))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(file);
        let bad_csv = |e: &csv::Error| {
            let line = e.position().map_or(1, csv::Position::line);
            Fault::BadData(format!(
                "{name}:{line}: is not CSV ({e}); every row needs {} fields",
                COLUMNS.len()
            ))
        };
        let header = reader.headers().map_err(|e| bad_csv(&e))?.clone();
        let mut at = [0; COLUMNS.len()];
        for (index, column) in COLUMNS.iter().enumerate() {
            at[index] = header.iter().position(|h| h == *column).ok_or_else(|| {
                Fault::BadData(format!(
                    "{name}:1: has no column `{column}`; the first line must be {}",
                    COLUMNS.join(",")
                ))
            })?;
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| bad_csv(&e))?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = TruthRow::parse(|column| record.get(at[column]).unwrap_or(""))
                .map_err(|e| Fault::BadData(format!("{name}:{line}: {e}")))?;
            rows.push(row);
        }
        Ok(Self { rows })
    }

    /// What the flow (or segment) really was.
    #[must_use]
    pub fn category(&self, flow: &FlowRecord) -> Category {
        self.rows.iter().find(|row| row.matches(flow)).map_or(Category::Benign, |row| row.category)
    }
}

impl TruthRow {
    fn parse<'a>(field: impl Fn(usize) -> &'a str) -> Result<Self, String> {
        let wrong = |column: usize, remedy: &str| {
            format!("column `{}` holds {:?}; {remedy}", COLUMNS[column], field(column))
        };
        let time = |column: usize, if_empty: u64| match field(column) {
            "" => Ok(if_empty),
            text => {
                micros(text).ok_or_else(|| wrong(column, "write epoch seconds, for example 1700000000.25"))
            }
        };
        let network = |column: usize| match field(column) {
            "" => Ok(None),
            text => Network::parse(text).map(Some).ok_or_else(|| {
                wrong(column, "write an address or a CIDR, for example 10.0.0.0/8, or leave it empty")
            }),
        };
        let port = |column: usize| match field(column) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| wrong(column, "write a port from 0 to 65535, or leave it empty")),
        };
        let protocol = match field(6).to_ascii_lowercase().as_str() {
            "" => None,
            "tcp" => Some(6),
            "udp" => Some(17),
            "icmp" => Some(1),
            "icmpv6" | "ipv6-icmp" => Some(58),
            text => Some(text.parse().map_err(|_| {
                wrong(6, "write tcp, udp, icmp, icmpv6 or a protocol number, or leave it empty")
            })?),
        };
        let attack = match field(7).to_ascii_lowercase().as_str() {
            "attack" | "1" => true,
            "benign" | "0" => false,
            _ => return Err(wrong(7, "write attack or benign")),
        };
        let category: Category = field(8).parse().map_err(|_| {
            let known: Vec<&str> = Category::ALL.iter().map(|c| c.as_str()).collect();
            wrong(8, &format!("write one of {}", known.join(", ")))
        })?;
        if attack == (category == Category::Benign) {
            return Err(wrong(8, "label and category contradict each other"));
        }
        let (start_us, end_us) = (time(0, 0)?, time(1, u64::MAX)?);
        if end_us < start_us {
            return Err(wrong(1, "the end lies before the start"));
        }
        let (src, dst) = (network(2)?, network(3)?);
        Ok(Self { start_us, end_us, src, dst, src_port: port(4)?, dst_port: port(5)?, protocol, category })
    }

    fn matches(&self, flow: &FlowRecord) -> bool {
        let (a, b) = (flow.initiator(), flow.responder());
        let ends = |src: flowmeter::Endpoint, dst: flowmeter::Endpoint| {
            self.src.is_none_or(|n| n.contains(src.address))
                && self.dst.is_none_or(|n| n.contains(dst.address))
                && self.src_port.is_none_or(|p| p == src.port)
                && self.dst_port.is_none_or(|p| p == dst.port)
        };
        (self.start_us..=self.end_us).contains(&flow.start_us)
            && self.protocol.is_none_or(|p| p == flow.key.protocol())
            && (ends(a, b) || ends(b, a))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse::<u8>().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let bits = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { address, prefix })
    }

    fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Decimal seconds as exact microseconds, rounded down; none when it is no such number.
fn micros(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)
}

/// Counts of truth against verdict, over final records.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Confusion {
    /// Attacks called attacks.
    pub true_positives: u64,
    /// Benign flows called attacks.
    pub false_positives: u64,
    /// Attacks called benign.
    pub false_negatives: u64,
    /// Benign flows called benign.
    pub true_negatives: u64,
    /// Counts by true category, then by category given.
    pub by_category: BTreeMap<Category, BTreeMap<Category, u64>>,
}

impl Confusion {
    /// Counts one flow.
    pub fn count(&mut self, truth: Category, given: Category) {
        *match (truth != Category::Benign, given != Category::Benign) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (true, false) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        } += 1;
        *self.by_category.entry(truth).or_default().entry(given).or_default() += 1;
    }

    /// Share of alarms that are right; 1 when there are none.
    #[must_use]
    pub fn precision(&self) -> f64 {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of attacks that are found; 1 when there are none.
    #[must_use]
    pub fn recall(&self) -> f64 {
        ratio(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Harmonic mean of precision and recall.
    #[must_use]
    pub fn f1(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
