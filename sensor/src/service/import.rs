//! Labels from elsewhere: a CSV of ids, or the alerts of a Suricata that watched the same wire.

use serde::Deserialize;
use store::record::NewLabel;

use super::Service;
use super::labels::Labelled;
use super::when::read_time;
use super::who::Actor;
use crate::control::Refusal;

/// Labels that one import may give.
const IMPORT_MAX: usize = 10_000;
const PROBLEMS_MAX: usize = 20;
/// A Suricata alert lies within its flow, give or take what two clocks and two taps differ by.
const SLACK_US: u64 = 5_000_000;

/// What an import needs of a line of `eve.json`.
#[derive(Deserialize)]
struct EveAlert {
    event_type: String,
    timestamp: String,
    #[serde(default)]
    community_id: Option<String>,
    #[serde(default)]
    alert: Option<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    #[serde(default)]
    signature: String,
    #[serde(default)]
    signature_id: u64,
}

#[derive(Default)]
struct Taken {
    labels: Vec<NewLabel>,
    outcome: Labelled,
}

impl Taken {
    fn skip(&mut self, line: usize, why: impl std::fmt::Display) {
        self.outcome.skipped += 1;
        if self.outcome.problems.len() < PROBLEMS_MAX {
            self.outcome.problems.push(format!("line {line}: {why}"));
        }
    }

    fn take(&mut self, label: NewLabel) -> Result<(), Refusal> {
        if self.labels.len() == IMPORT_MAX {
            return Err(Refusal::invalid(format!(
                "an import gives at most {IMPORT_MAX} labels; cut the file in parts"
            )));
        }
        self.labels.push(label);
        Ok(())
    }
}

impl Service {
    /// A CSV with the columns `subject` (or `uid`, `id`), `label`, and optionally `category` and `reason`. Lines that cannot be
    /// used are told, the others count.
    ///
    /// # Errors
    /// It is no such CSV, holds too much, or the store does not keep it.
    pub fn import_csv(&self, actor: &Actor, bytes: &[u8]) -> Result<Labelled, Refusal> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let header = reader.headers().map_err(unreadable)?.clone();
        let column =
            |names: &[&str]| header.iter().position(|h| names.iter().any(|n| h.eq_ignore_ascii_case(n)));
        let (Some(subject), Some(label)) = (column(&["subject", "uid", "id"]), column(&["label"])) else {
            return Err(Refusal::invalid(
                "the CSV needs the columns subject and label (category and reason are welcome)",
            ));
        };
        let (category, reason) = (column(&["category"]), column(&["reason"]));
        let mut taken = Taken::default();
        for (index, row) in reader.records().enumerate() {
            let row = row.map_err(unreadable)?;
            let cell = |at: Option<usize>| {
                at.and_then(|at| row.get(at)).filter(|c| !c.is_empty()).map(str::to_owned)
            };
            let subject = row.get(subject).unwrap_or_default();
            if !self.knows(subject)? {
                taken.skip(index + 2, format_args!("no flow or alert `{}`", super::flows::short(subject)));
                continue;
            }
            let label = row.get(label).unwrap_or_default().to_ascii_lowercase();
            match self.new_label(actor, "csv", subject, &label, cell(category), cell(reason)) {
                Ok(label) => taken.take(label)?,
                Err(refusal) => taken.skip(index + 2, refusal.message),
            }
        }
        self.finish(actor, taken, "label import csv")
    }

    /// The alerts of Suricata's `eve.json`: flows of the same Community ID at that time are attacks.
    ///
    /// # Errors
    /// It holds too much, or the store does not answer.
    pub fn import_suricata(&self, actor: &Actor, bytes: &[u8]) -> Result<Labelled, Refusal> {
        let mut taken = Taken::default();
        let mut seen = std::collections::HashSet::new();
        for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Ok(event) = serde_json::from_slice::<EveAlert>(line) else {
                taken.skip(index + 1, "no event of Suricata");
                continue;
            };
            if event.event_type != "alert" {
                continue;
            }
            let Some(community_id) = event.community_id else {
                taken.skip(index + 1, "no community_id; set `community-id: true` in suricata.yaml");
                continue;
            };
            let at_us = match read_time(&event.timestamp) {
                Ok(at_us) => at_us,
                Err(e) => {
                    taken.skip(index + 1, e);
                    continue;
                }
            };
            let found = self.flows_at(&community_id, at_us)?;
            if found.is_empty() {
                taken.skip(
                    index + 1,
                    format_args!("no flow {} at that time", super::flows::short(&community_id)),
                );
            }
            let signature =
                event.alert.map(|a| format!("{} ({})", super::flows::short(&a.signature), a.signature_id));
            for subject in found {
                // Several alerts of one flow say the same.
                if seen.insert(subject.clone()) {
                    taken.take(self.new_label(
                        actor,
                        "suricata",
                        &subject,
                        "attack",
                        None,
                        signature.clone(),
                    )?)?;
                }
            }
        }
        self.finish(actor, taken, "label import suricata")
    }

    fn finish(&self, actor: &Actor, taken: Taken, action: &str) -> Result<Labelled, Refusal> {
        let given = self.give(actor, taken.labels, action)?;
        Ok(Labelled { labelled: given.labelled, ..taken.outcome })
    }

    fn knows(&self, subject: &str) -> Result<bool, Refusal> {
        self.readers
            .read(|reader| Ok(reader.flow(subject)?.is_some() || reader.detection(subject)?.is_some()))
    }

    fn flows_at(&self, community_id: &str, at_us: u64) -> Result<Vec<String>, Refusal> {
        // A flow begins at most an active timeout and its slack before what happens in it; segments are flows of their own.
        const LIFE_MAX_US: u64 = 3_600_000_000;
        let filter = store::Filter {
            community_id: Some(community_id.to_owned()),
            from_us: Some(at_us.saturating_sub(LIFE_MAX_US)),
            to_us: Some(at_us.saturating_add(SLACK_US)),
            ..store::Filter::default()
        };
        let page = self.readers.read(|reader| reader.flows(&filter, None, 100))?;
        let during = |flow: &&store::StoredFlow| flow.row.end_us.saturating_add(SLACK_US) >= at_us;
        Ok(page.rows.iter().filter(during).map(|flow| flow.row.id.to_string()).collect())
    }
}

fn unreadable(error: csv::Error) -> Refusal {
    Refusal::invalid(format!("the CSV cannot be read: {error}"))
}
