//! Looking for alerts, incidents and flows: one set of conditions, pages that resume by a cursor.

use serde::{Deserialize, Serialize};
use store::record::{Label, Severity, Source};
use store::{Cursor, Filter, LabelFilter, Reader, StoreError};
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::answers::{Alert, Flow, Incident, Page};
use super::when::read_time;
use crate::control::Refusal;

/// What is looked for. Absent conditions match everything; one that makes no sense for what is asked is refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Not before: `2026-11-21T13:00:00Z`, or seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Categories, with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The least severity (alerts, incidents): `low`, `medium`, `high` or `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_severity: Option<String>,
    /// Either side's address or range: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Either side's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Community ID v1 (flows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community_id: Option<String>,
    /// What people say (flows, alerts): `attack`, `benign`, `unsure`, `labelled` or `unlabelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// At least this score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f64>,
    /// At most this score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_score: Option<f64>,
    /// Of this incident (alerts).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// `capture` or `api` (flows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A detection was made (flows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerted: Option<bool>,
    /// A suppression hid it (alerts).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<bool>,
    /// Where to go on: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows a page, 1 to 1000 (100).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// Rows a page.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

impl Search {
    /// The store's filter.
    ///
    /// # Errors
    /// A condition that cannot be read; the refusal names it.
    pub fn filter(&self) -> Result<Filter, Refusal> {
        let named = |name: &str, e: String| Refusal::invalid(format!("`{name}`: {e}"));
        let time = |name: &str, text: &Option<String>| {
            text.as_deref().map(read_time).transpose().map_err(|e| named(name, e))
        };
        let categories: Vec<String> = self
            .category
            .iter()
            .flat_map(|list| list.split(','))
            .map(|name| name.parse::<model::Category>().map(|c| c.as_str().to_owned()))
            .collect::<Result<_, _>>()
            .map_err(|e| named("category", e.to_string()))?;
        for (name, score) in [("min_score", self.min_score), ("max_score", self.max_score)] {
            if score.is_some_and(|s| !(0.0..=1.0).contains(&s)) {
                return Err(named(name, "a score lies between 0 and 1".to_owned()));
            }
        }
        Ok(Filter {
            from_us: time("from", &self.from)?,
            to_us: time("to", &self.to)?,
            categories,
            severity_min: self.min_severity.as_deref().map(severity).transpose()?,
            address: self
                .address
                .as_deref()
                .map(str::parse::<store::record::Cidr>)
                .transpose()
                .map_err(|e| named("address", e.to_string()))?,
            port: self.port,
            community_id: self.community_id.clone(),
            label: self.label.as_deref().map(label).transpose()?,
            score_min: self.min_score,
            score_max: self.max_score,
            incident: self.incident.clone(),
            id: None,
            source: self.source.as_deref().map(source).transpose()?,
            alerted: self.alerted,
            suppressed: self.suppressed,
        })
    }

    fn cursor(&self) -> Result<Option<Cursor>, Refusal> {
        let read =
            |text: &str| text.parse::<Cursor>().map_err(|e| Refusal::invalid(format!("`cursor`: {e}")));
        self.cursor.as_deref().map(read).transpose()
    }

    fn limit(&self) -> Result<usize, Refusal> {
        match self.limit {
            None => Ok(LIMIT),
            Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
            Some(limit) => {
                Err(Refusal::invalid(format!("`limit` is {limit}: use a value from 1 to {LIMIT_MAX}")))
            }
        }
    }
}

fn severity(name: &str) -> Result<Severity, Refusal> {
    Severity::named(name).ok_or_else(|| {
        Refusal::invalid(format!("`min_severity`: `{name}` is none; known: low, medium, high, critical"))
    })
}

fn source(name: &str) -> Result<Source, Refusal> {
    match name {
        "capture" => Ok(Source::Capture),
        "api" => Ok(Source::Api),
        _ => Err(Refusal::invalid(format!("`source`: `{name}` is none; known: capture, api"))),
    }
}

fn label(name: &str) -> Result<LabelFilter, Refusal> {
    match name {
        "unlabelled" => Ok(LabelFilter::Unlabelled),
        "labelled" => Ok(LabelFilter::Labelled),
        _ => match Label::named(name) {
            Some(Label::Withdrawn) | None => Err(Refusal::invalid(format!(
                "`label`: `{name}` is none; known: attack, benign, unsure, labelled, unlabelled"
            ))),
            Some(label) => Ok(LabelFilter::Is(label)),
        },
    }
}

impl Service {
    /// Alerts, newest first.
    ///
    /// # Errors
    /// A condition makes no sense, or the store does not answer.
    pub fn alerts(&self, search: &Search) -> Result<Page<Alert>, Refusal> {
        self.page(search, |reader, filter, after, limit| reader.alerts(filter, after, limit), Alert::from)
    }

    /// Incidents, newest first.
    ///
    /// # Errors
    /// A condition makes no sense, or the store does not answer.
    pub fn incidents(&self, search: &Search) -> Result<Page<Incident>, Refusal> {
        self.page(
            search,
            |reader, filter, after, limit| reader.incidents(filter, after, limit),
            Incident::from,
        )
    }

    /// Flows, newest first.
    ///
    /// # Errors
    /// A condition makes no sense, or the store does not answer.
    pub fn flows(&self, search: &Search) -> Result<Page<Flow>, Refusal> {
        self.page(search, |reader, filter, after, limit| reader.flows(filter, after, limit), |f| Flow::of(&f))
    }

    fn page<R, T>(
        &self,
        search: &Search,
        read: impl FnOnce(&Reader, &Filter, Option<Cursor>, usize) -> Result<store::Page<R>, StoreError>,
        show: impl FnMut(R) -> T,
    ) -> Result<Page<T>, Refusal> {
        let (filter, after, limit) = (search.filter()?, search.cursor()?, search.limit()?);
        let page = self.readers.read(|reader| read(reader, &filter, after, limit))?;
        Ok(Page {
            items: page.rows.into_iter().map(show).collect(),
            next: page.next.map(|cursor| cursor.to_string()),
            out_of_time: page.out_of_time,
        })
    }
}
