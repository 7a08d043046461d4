//! One replayed capture as `taphound replay` left it: its flows, the incidents it gave, and the truth about both.

use super::truth::{self, Activity, Ends};
use crate::dataset::csv_fault;
use crate::failure::{Failure, read_file};
use model::Category;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// One line of the list of replays.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listed {
    /// The capture's name.
    pub(crate) case: String,
    /// What it belongs to, such as `outside, tuning half`.
    pub(crate) group: String,
    /// What was done to it first, such as `loss`; `clean` for nothing.
    pub(crate) variant: String,
    /// Flows: `--out FILE --labels FILE`.
    flows: PathBuf,
    /// Alerts and incidents: `--json`.
    findings: PathBuf,
    /// Truth: what `--labels` was given.
    labels: PathBuf,
}

/// A final record as the sensor judged it.
pub(crate) struct Flow {
    pub(crate) ends: Ends,
    pub(crate) end_us: u64,
    pub(crate) truth: Category,
    pub(crate) predicted: Category,
    pub(crate) score: f64,
    pub(crate) novelty: f64,
}

/// An incident as the sensor told it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Incident {
    pub(crate) category: Category,
    pub(crate) behaviour: Option<String>,
    #[serde(rename = "src_ip")]
    src: Option<IpAddr>,
    #[serde(rename = "dst_ip")]
    dst: Option<IpAddr>,
    dst_port: Option<u16>,
    first_us: u64,
    last_us: u64,
    pub(crate) shown_us: u64,
    pub(crate) reasons: Vec<String>,
}

impl Incident {
    /// Flows that begin this long before or after an incident's times may still be its own.
    const SLACK_US: u64 = 1_000_000;

    /// Whether the flow lies within what the incident is about.
    pub(crate) fn covers(&self, flow: &Ends) -> bool {
        let times =
            self.first_us.saturating_sub(Self::SLACK_US)..=self.last_us.saturating_add(Self::SLACK_US);
        let ends = |a: (IpAddr, u16), b: (IpAddr, u16)| {
            self.src.is_none_or(|src| src == a.0)
                && self.dst.is_none_or(|dst| dst == b.0)
                && self.dst_port.is_none_or(|port| port == b.1)
        };
        times.contains(&flow.start_us) && (ends(flow.src, flow.dst) || ends(flow.dst, flow.src))
    }

    /// Who, whom and which port, as far as it says.
    pub(crate) fn whom(&self) -> String {
        let or_many = |ip: Option<IpAddr>| ip.map_or("many".to_owned(), |ip| ip.to_string());
        let port = self.dst_port.map_or(String::new(), |port| format!(" port {port}"));
        format!("{} -> {}{port}", or_many(self.src), or_many(self.dst))
    }
}

/// A replayed capture.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) flows: Vec<Flow>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) activities: Vec<Activity>,
}

/// Reads the list of replays; paths in it are relative to the current folder.
pub(crate) fn list(path: &Path) -> Result<Vec<Listed>, Failure> {
    let bytes = read_file(path)?;
    csv::Reader::from_reader(bytes.as_slice())
        .deserialize()
        .collect::<Result<_, _>>()
        .map_err(|fault| csv_fault(path, &fault))
}

impl Case {
    pub(crate) fn read(listed: &Listed) -> Result<Case, Failure> {
        Ok(Case {
            name: listed.case.clone(),
            flows: flows(&listed.flows)?,
            incidents: incidents(&listed.findings)?,
            activities: truth::read(&listed.labels)?,
        })
    }

    /// Microseconds in which at least one flow was under way.
    pub(crate) fn active_us(&self) -> u64 {
        let mut spans: Vec<(u64, u64)> = self.flows.iter().map(|f| (f.ends.start_us, f.end_us)).collect();
        spans.sort_unstable();
        let (mut sum, mut until) = (0, 0);
        for (start, end) in spans {
            sum += end.saturating_sub(start.max(until));
            until = until.max(end);
        }
        sum
    }
}

#[derive(Deserialize)]
struct FlowRow {
    src_ip: IpAddr,
    src_port: u16,
    dst_ip: IpAddr,
    dst_port: u16,
    protocol: u8,
    start_us: u64,
    end_us: u64,
    true_category: Category,
    category: Category,
    score: f64,
    novelty: Option<f64>,
    #[serde(default)]
    provisional: String,
}

fn flows(path: &Path) -> Result<Vec<Flow>, Failure> {
    let fault = |fault| csv_fault(path, &fault);
    let mut reader = csv::Reader::from_path(path).map_err(fault)?;
    let mut flows = Vec::new();
    for row in reader.deserialize() {
        let row: FlowRow = row.map_err(fault)?;
        if !row.provisional.is_empty() {
            continue;
        }
        let ends = Ends {
            start_us: row.start_us,
            src: (row.src_ip, row.src_port),
            dst: (row.dst_ip, row.dst_port),
            protocol: row.protocol,
        };
        let (truth, predicted) = (row.true_category, row.category);
        let novelty = row.novelty.unwrap_or(0.0);
        flows.push(Flow { ends, end_us: row.end_us, truth, predicted, score: row.score, novelty });
    }
    Ok(flows)
}

fn incidents(path: &Path) -> Result<Vec<Incident>, Failure> {
    let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
    let mut incidents = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains("\"type\":\"incident\""))
    {
        let incident = serde_json::from_str(line).map_err(|fault| {
            let place = format!("{}:{}", path.display(), number + 1);
            Failure::data(format!("{place}: no incident ({fault}); write it with `taphound replay --json`"))
        })?;
        incidents.push(incident);
    }
    Ok(incidents)
}
