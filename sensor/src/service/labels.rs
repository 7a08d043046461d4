//! What people say of flows: given one by one, by filter, or withdrawn; and the queue of flows worth asking about.

use model::schema::FEATURES;
use serde::{Deserialize, Serialize};
use store::record::{Label, LabelRow, NewLabel};
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::answers::Queued;
use super::flows::short;
use super::search::Search;
use super::when::read_time;
use super::who::Actor;
use crate::control::Refusal;

/// A label to give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveLabel {
    /// Id of a flow or of an alert.
    pub subject: String,
    /// `attack`, `benign` or `unsure`.
    #[schema(value_type = LabelName)]
    pub label: String,
    /// Which attack, if it is one and known.
    #[serde(default)]
    pub category: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// For the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code)]
pub enum LabelName {
    /// It was an attack.
    Attack,
    /// It was not.
    Benign,
    /// Looked at, and not clear; never used for training.
    Unsure,
}

/// Labels to give: all or none.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveLabels {
    /// At most 10,000.
    #[schema(max_items = 10000)]
    pub labels: Vec<GiveLabel>,
}

/// One label for everything that is found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelByFilter {
    /// What is looked for among flows. Must hold at least one condition.
    pub filter: Search,
    /// `attack`, `benign` or `unsure`.
    #[schema(value_type = LabelName)]
    pub label: String,
    /// Which attack.
    #[serde(default)]
    pub category: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Only say how many flows it would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of labels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Labelled {
    /// Labels given.
    pub labelled: usize,
    /// What was not labelled, and why; at most 20 lines.
    pub problems: Vec<String>,
    /// Lines and rows that were not labelled.
    pub skipped: usize,
}

/// A label of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LabelEntry {
    /// Grows with every label.
    pub seq: u64,
    /// Id of the flow or alert.
    pub subject: String,
    /// `attack`, `benign`, `unsure`, or `withdrawn`: the ones before no longer count.
    pub label: &'static str,
    /// Which attack.
    pub category: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub actor: String,
    /// By what way: `api`, `cli`, `csv`, `suricata`.
    pub source: String,
    /// When, microseconds since the epoch.
    pub at_us: u64,
}

impl From<LabelRow> for LabelEntry {
    fn from(row: LabelRow) -> Self {
        let NewLabel { subject, label, category, reason, actor, source, at_us } = row.label;
        Self { seq: row.seq, subject, label: label.as_str(), category, reason, actor, source, at_us }
    }
}

/// Which labels.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LabelsAfter {
    /// After this number (0: from the first).
    pub after: u64,
    /// At most so many, 1 to 1000 (100).
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// Which part of the queue.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QueueOf {
    /// Not before; the last day unless said.
    pub from: Option<String>,
    /// Before; now unless said.
    pub to: Option<String>,
    /// At most so many of each kind, 1 to 1000 (20).
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// Labels, oldest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LabelPage {
    /// The labels.
    pub items: Vec<LabelEntry>,
    /// Send it as `after` for those that follow; none when there are no more.
    pub next: Option<u64>,
}

/// Flows worth a label.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Queue {
    /// The most uncertain first, then the random ones.
    pub items: Vec<Queued>,
}

/// Longest reason, in characters.
const REASON_MAX: usize = 1000;
/// Flows that one filter may label.
const BY_FILTER_MAX: usize = 10_000;

pub(super) fn limit(asked: Option<usize>, default: usize) -> Result<usize, Refusal> {
    match asked {
        None => Ok(default),
        Some(limit @ 1..=1000) => Ok(limit),
        Some(limit) => Err(Refusal::invalid(format!("`limit` is {limit}: use a value from 1 to 1000"))),
    }
}

impl Service {
    /// Gives labels: all or none.
    ///
    /// # Errors
    /// A label that makes no sense, a subject that does not exist, or a store that does not keep them.
    pub fn label(&self, actor: &Actor, give: &GiveLabels) -> Result<Labelled, Refusal> {
        let labels = give
            .labels
            .iter()
            .map(|g| {
                self.new_label(actor, actor.way, &g.subject, &g.label, g.category.clone(), g.reason.clone())
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.give(actor, labels, "label")
    }

    /// Takes every label of a subject back; the history stays.
    ///
    /// # Errors
    /// It has none, or the store does not keep it.
    pub fn withdraw_label(&self, actor: &Actor, subject: &str) -> Result<(), Refusal> {
        let history = self.readers.read(|reader| reader.labels_of(subject))?;
        if history.last().is_none_or(|row| row.label.label == Label::Withdrawn) {
            return Err(Refusal::not_found(format!("{} has no label", short(subject))));
        }
        let label = NewLabel {
            subject: subject.to_owned(),
            label: Label::Withdrawn,
            category: None,
            reason: None,
            actor: actor.name.clone(),
            source: actor.way.to_owned(),
            at_us: self.now_us(),
        };
        self.give(actor, vec![label], "label withdraw").map(|_| ())
    }

    /// One label for every flow that is found.
    ///
    /// # Errors
    /// A filter without a condition or that finds too much, or a store that does not keep them.
    pub fn label_by_filter(&self, actor: &Actor, asked: &LabelByFilter) -> Result<Labelled, Refusal> {
        let bare = Search { limit: None, cursor: None, ..asked.filter.clone() };
        if bare == Search::default() {
            return Err(Refusal::invalid(
                "`filter` has no condition: it would label every flow; name at least one",
            ));
        }
        // A label that makes no sense is refused before anything is looked for.
        self.new_label(actor, actor.way, "-", &asked.label, asked.category.clone(), asked.reason.clone())?;
        let filter = bare.filter()?;
        let page = self.readers.read(|reader| reader.flows(&filter, None, BY_FILTER_MAX))?;
        if page.next.is_some() {
            return Err(Refusal::invalid(format!(
                "the filter finds more than {BY_FILTER_MAX} flows, or takes too long; narrow its time range"
            )));
        }
        if asked.dry_run {
            return Ok(Labelled { labelled: page.rows.len(), ..Labelled::default() });
        }
        let labels = page
            .rows
            .iter()
            .map(|flow| {
                let subject = flow.row.id.to_string();
                self.new_label(
                    actor,
                    actor.way,
                    &subject,
                    &asked.label,
                    asked.category.clone(),
                    asked.reason.clone(),
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.give(actor, labels, "label by filter")
    }

    /// Labels after a number, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn labels(&self, asked: &LabelsAfter) -> Result<LabelPage, Refusal> {
        let limit = limit(asked.limit, 100)?;
        let rows = self.readers.read(|reader| reader.labels(asked.after, limit))?;
        let next = if rows.len() == limit { rows.last().map(|row| row.seq) } else { None };
        Ok(LabelPage { items: rows.into_iter().map(LabelEntry::from).collect(), next })
    }

    /// What was said of a subject, oldest first.
    ///
    /// # Errors
    /// Nothing was, or the store does not answer.
    pub fn labels_of(&self, subject: &str) -> Result<LabelPage, Refusal> {
        let rows = self.readers.read(|reader| reader.labels_of(subject))?;
        if rows.is_empty() {
            return Err(Refusal::not_found(format!("nothing was said of {}", short(subject))));
        }
        Ok(LabelPage { items: rows.into_iter().map(LabelEntry::from).collect(), next: None })
    }

    /// Flows that are worth a label.
    ///
    /// # Errors
    /// A time that cannot be read, or a store that does not answer.
    pub fn label_queue(&self, asked: &QueueOf) -> Result<Queue, Refusal> {
        const DAY_US: u64 = 86_400_000_000;
        let time = |text: &Option<String>, default: u64| {
            text.as_deref().map_or(Ok(default), |t| read_time(t).map_err(Refusal::invalid))
        };
        let to_us = time(&asked.to, self.now_us())?;
        let from_us = time(&asked.from, to_us.saturating_sub(DAY_US))?;
        let limit = limit(asked.limit, 20)?;
        let serving = self.slot().load();
        let own = serving.active.artifact().scorer().thresholds();
        let threshold = serving.thresholds.as_ref().unwrap_or(own).attack;
        let queue = self.readers.read(|reader| reader.label_queue(from_us, to_us, threshold, limit))?;
        Ok(Queue { items: queue.iter().map(Queued::of).collect() })
    }

    pub(super) fn new_label(
        &self,
        actor: &Actor,
        source: &str,
        subject: &str,
        label: &str,
        category: Option<String>,
        reason: Option<String>,
    ) -> Result<NewLabel, Refusal> {
        let known = Label::named(label).filter(|l| *l != Label::Withdrawn);
        let label = known.ok_or_else(|| {
            Refusal::invalid(format!("`label`: `{}` is none; known: attack, benign, unsure", short(label)))
        })?;
        let category = match category.as_deref().filter(|c| !c.is_empty()) {
            None => None,
            Some(name) => {
                let category: model::Category =
                    name.parse().map_err(|e: model::category::UnknownCategory| {
                        Refusal::invalid(format!("`category`: {e}"))
                    })?;
                if (label == Label::Attack) != category.is_attack() {
                    return Err(Refusal::invalid(format!(
                        "`category`: {category} does not go with {}",
                        label.as_str()
                    )));
                }
                (label == Label::Attack).then(|| category.as_str().to_owned())
            }
        };
        if reason.as_ref().is_some_and(|r| r.chars().count() > REASON_MAX) {
            return Err(Refusal::invalid(format!("`reason` is longer than {REASON_MAX} characters")));
        }
        Ok(NewLabel {
            subject: subject.to_owned(),
            label,
            category,
            reason,
            actor: actor.name.clone(),
            source: source.to_owned(),
            at_us: self.now_us(),
        })
    }

    pub(super) fn give(
        &self,
        actor: &Actor,
        labels: Vec<NewLabel>,
        action: &str,
    ) -> Result<Labelled, Refusal> {
        let count = labels.len();
        let subject = labels.first().map_or(String::new(), |l| l.subject.clone());
        let said = labels.first().map_or("", |l| l.label.as_str());
        if count == 0 {
            return Ok(Labelled::default());
        }
        self.write(move |store, now_us| store.label(&labels, &FEATURES, now_us))?;
        self.audit(actor, action, &subject, format!("{count} x {said}"))?;
        Ok(Labelled { labelled: count, ..Labelled::default() })
    }
}
