//! What a person reads after a replay: incidents, alerts, a confusion matrix, and the sums.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};
use model::Category;

use crate::detection::{Detection, Incident, Severity};
use crate::fault::Fault;
use crate::truth::Confusion;

/// Whether tables may use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// A terminal.
    Colour,
    /// A file or a pipe.
    Plain,
}

/// Incidents, the gravest first.
#[must_use]
pub fn incident_table<'a>(incidents: impl Iterator<Item = &'a Incident>, ink: Ink) -> String {
    let mut shown: Vec<&Incident> = incidents.collect();
    shown.sort_by_key(|i| (std::cmp::Reverse(i.severity()), i.first_us));
    let mut table = table(["severity", "what", "who", "whom", "when", "flows", "how sure", "why"]);
    for incident in shown {
        let ports = match (incident.port(), incident.ports.count()) {
            (Some(port), _) => format!(":{port}"),
            (None, (0, _)) => String::new(),
            (None, (n, more)) => format!(" ({} ports)", at_least(n, more)),
        };
        let whom = side(incident.target(), incident.targets.count(), "host");
        let sure = if incident.is_revised() { "revised".to_owned() } else { percent(incident.score) };
        table.add_row(vec![
            severity_cell(incident.severity(), ink),
            Cell::new(match incident.technique() {
                Some(technique) => format!("{}\n{}", incident.scope.category.as_str(), technique.id),
                None => incident.scope.category.as_str().to_owned(),
            }),
            Cell::new(side(incident.source(), incident.sources.count(), "source")),
            Cell::new(format!("{whom}{ports}")),
            Cell::new(format!(
                "{} for {}",
                clock(incident.first_us),
                span(incident.first_us, incident.last_us)
            )),
            Cell::new(incident.flows),
            Cell::new(sure),
            Cell::new(incident.reasons().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        ]);
    }
    table.to_string()
}

/// The first alerts by time.
#[must_use]
pub fn alert_table<'a>(alerts: impl Iterator<Item = &'a Detection>, most: usize) -> String {
    let mut shown: Vec<&Detection> = alerts.collect();
    shown.sort_by(|a, b| (a.first_us, &a.id).cmp(&(b.first_us, &b.id)));
    let all = shown.len();
    let mut table = table(["when", "by", "what", "who", "whom", "how sure", "why"]);
    for alert in shown.iter().take(most) {
        let sure = if alert.revised { "revised".to_owned() } else { percent(alert.score) };
        table.add_row(vec![
            clock(alert.first_us),
            alert.opinion.as_str().to_owned(),
            alert.category.as_str().to_owned(),
            end(alert.source, alert.source_port),
            end(alert.target, alert.target_port),
            sure,
            alert.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        ]);
    }
    let mut text = table.to_string();
    if all > most {
        let _ = write!(
            text,
            "\n... and {} more (--alerts N, or --out FILE --format json, shows them)",
            all - most
        );
    }
    text
}

/// Truth against verdict, in all categories that occur.
#[must_use]
pub fn confusion_table(confusion: &Confusion) -> String {
    let mut columns: Vec<Category> = Vec::new();
    for (truth, given) in &confusion.by_category {
        columns.extend([truth].into_iter().chain(given.keys()));
    }
    columns.sort_unstable();
    columns.dedup();
    let header =
        ["truth \\ verdict".to_owned()].into_iter().chain(columns.iter().map(|c| c.as_str().to_owned()));
    let mut table = table(header);
    for (truth, given) in &confusion.by_category {
        let counts = columns.iter().map(|c| given.get(c).copied().unwrap_or(0).to_string());
        table.add_row([truth.as_str().to_owned()].into_iter().chain(counts));
    }
    let flows: u64 = confusion.by_category.values().flat_map(|given| given.values()).sum();
    if confusion.true_positives + confusion.false_negatives == 0 {
        let (false_alarms, share) =
            (confusion.false_positives, confusion.false_positives as f64 / flows.max(1) as f64);
        return format!(
            "{table}\nno attacks among {flows} flows; {false_alarms} called attacks ({})",
            percent(share)
        );
    }
    format!(
        "{table}\nattack or benign: precision {}, recall {}, F1 {:.3} ({} right alarms, {} false, {} missed)",
        percent(confusion.precision()),
        percent(confusion.recall()),
        confusion.f1(),
        confusion.true_positives,
        confusion.false_positives,
        confusion.false_negatives,
    )
}

/// Alerts by category, as `--summary json` counts them.
#[must_use]
pub fn alerts_by_category<'a>(alerts: impl Iterator<Item = &'a Detection>) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for alert in alerts {
        *counts.entry(alert.category.as_str()).or_default() += 1;
    }
    counts
}

pub(crate) fn table<T: Into<Cell>>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.into_iter().map(Into::into).collect::<Vec<Cell>>());
    if !table.is_tty() {
        table.set_width(150);
    }
    for column in table.column_iter_mut() {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(6)));
    }
    table
}

fn severity_cell(severity: Severity, ink: Ink) -> Cell {
    let cell = Cell::new(severity.as_str());
    match (ink, severity) {
        (Ink::Plain, _) => cell,
        (_, Severity::High) => cell.fg(Color::Red),
        (_, Severity::Medium) => cell.fg(Color::Yellow),
        (_, Severity::Low) => cell.fg(Color::Grey),
    }
}

fn side(only: Option<std::net::IpAddr>, (n, more): (usize, bool), noun: &str) -> String {
    match only {
        Some(address) => address.to_string(),
        None if n == 0 || more => "many".to_owned(),
        None => format!("{n} {noun}s"),
    }
}

fn end(address: Option<std::net::IpAddr>, port: Option<u16>) -> String {
    match (address, port) {
        (Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string(),
        (Some(address), None) => address.to_string(),
        (None, _) => "many".to_owned(),
    }
}

fn at_least(n: usize, more: bool) -> String {
    if more { format!("{n}+") } else { n.to_string() }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Time of day in UTC.
fn clock(time_us: u64) -> String {
    let seconds = time_us / 1_000_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn span(first_us: u64, last_us: u64) -> String {
    let seconds = last_us.saturating_sub(first_us) as f64 / 1e6;
    if seconds < 120.0 { format!("{seconds:.1} s") } else { format!("{:.0} min", seconds / 60.0) }
}

/// The sums in a few lines.
#[must_use]
pub fn overview(summary: &crate::summary::Summary) -> String {
    let noticed = &summary.noticed;
    let mut text = format!(
        "{} packets ({} bytes), {} flows, {} detections, {} alerts, {} incidents, {:.2} s, model {}\n",
        summary.packets,
        summary.bytes,
        summary.flows,
        summary.detections,
        summary.alerts,
        summary.incidents,
        summary.seconds,
        summary.model_version,
    );
    for (cause, n) in summary.held_back.iter().filter(|(_, n)| **n > 0) {
        let why = match *cause {
            "burn_in" => "they came in the burn-in (--burn-in)",
            "usual" => "they are no more than the burn-in has seen (--burn-in)",
            _ => "the day's budget was spent (--budget)",
        };
        let _ = writeln!(text, "{n} incidents were held back: {why}");
    }
    if noticed.duplicates_seen * 10 > summary.packets {
        let _ = writeln!(
            text,
            "{} packets are exact repeats of the one before, as span ports make them (--dedupe removes them)",
            noticed.duplicates_seen
        );
    }
    if noticed.clock_outliers + noticed.clock_steps_back > 0 {
        let _ = writeln!(
            text,
            "the capture's clock jumped: {} packets far ahead, {} steps back",
            noticed.clock_outliers, noticed.clock_steps_back
        );
    }
    text
}

/// Prints on standard output. Whoever reads may stop when they have read enough.
///
/// # Errors
/// The other end of a pipe, or the disk, takes no more.
pub fn print(text: &str) -> Result<(), Fault> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| Fault::writing("standard output", &e)),
    }
}
