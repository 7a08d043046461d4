//! Many items, page by page: by the indexes, or by scan where a table lacks them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::item::{n, s};
use super::schema::{BY_DAY, BY_LABEL};
use super::{Attributes, DynamoTable};
use crate::log_table::limits::PAGE_ROWS_MAX;
use crate::log_table::{DayQuery, StoredItem, UNKNOWN, day_shard};
use crate::{Cursor, DoorError, Page};

/// What is asked for: by an index, or of every item.
struct Question {
    index: &'static str,
    /// On the index's keys.
    condition: &'static str,
    /// The same of every item.
    scan_filter: &'static str,
    /// On what the index gave.
    filter: Option<&'static str>,
    names: HashMap<String, String>,
    values: Attributes,
}

/// Where a page ended, and by which way it was read.
#[derive(Serialize, Deserialize)]
struct Position {
    scan: bool,
    key: BTreeMap<String, Scalar>,
}

/// A key's value.
#[derive(Serialize, Deserialize)]
enum Scalar {
    S(String),
    N(String),
}

pub(super) async fn by_day(table: &DynamoTable, query: &DayQuery) -> Result<Page<StoredItem>, DoorError> {
    if query.to_ms <= query.from_ms {
        return Ok(Page { rows: Vec::new(), next: None });
    }
    let mut question = Question {
        index: BY_DAY,
        condition: "#day_shard = :day_shard AND #timestamp BETWEEN :from AND :to",
        scan_filter: "#timestamp BETWEEN :from AND :to",
        filter: None,
        names: names(&["day_shard", "timestamp"]),
        values: HashMap::from([
            (":day_shard".into(), s(&query.day_shard)),
            (":from".into(), n(query.from_ms)),
            (":to".into(), n(query.to_ms - 1)),
        ]),
    };
    if query.labelled_only {
        question.filter = Some("attribute_exists(#true_label) AND #true_label <> :unknown");
        question.names.extend(names(&["true_label"]));
        question.values.insert(":unknown".into(), s(UNKNOWN));
    }
    let mut page = table.ask(question, query.after.as_ref(), query.limit).await?;
    // A scan gives every shard's items, of the earlier system too, which have no shard of their own.
    page.rows.retain(|row| day_shard(&row.item.key.flow_id, row.item.key.timestamp_ms) == query.day_shard);
    Ok(page)
}

pub(super) async fn labelled(
    table: &DynamoTable,
    sensor_id: &str,
    since_ms: u64,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<StoredItem>, DoorError> {
    let question = Question {
        index: BY_LABEL,
        condition: "#labeled_sensor = :sensor AND #labeled_at >= :since",
        scan_filter: "#labeled_sensor = :sensor AND #labeled_at >= :since",
        filter: None,
        names: names(&["labeled_sensor", "labeled_at"]),
        values: HashMap::from([(":sensor".into(), s(sensor_id)), (":since".into(), n(since_ms))]),
    };
    table.ask(question, after, limit).await
}

fn names(names: &[&str]) -> HashMap<String, String> {
    names.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect()
}

impl DynamoTable {
    async fn ask(
        &self,
        question: Question,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<StoredItem>, DoorError> {
        let limit = i32::try_from(limit.clamp(1, PAGE_ROWS_MAX)).unwrap_or(i32::MAX);
        let after = after.map(|cursor| self.position(cursor)).transpose()?;
        let scan = after.as_ref().map_or(self.by_scan.load(Ordering::Relaxed), |position| position.scan);
        let start = after.map(Position::into_key);
        if !scan {
            match self.query(&question, start.clone(), limit).await? {
                Some((items, last)) => return self.page(items, last, false),
                None => self.by_scan.store(true, Ordering::Relaxed),
            }
        }
        let (items, last) = self.scan(question, start, limit).await?;
        self.page(items, last, true)
    }

    /// By the index; none where the table lacks it.
    async fn query(
        &self,
        question: &Question,
        start: Option<Attributes>,
        limit: i32,
    ) -> Result<Option<(Vec<Attributes>, Option<Attributes>)>, DoorError> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(question.index)
            .key_condition_expression(question.condition)
            .set_filter_expression(question.filter.map(str::to_owned))
            .set_expression_attribute_names(Some(question.names.clone()))
            .set_expression_attribute_values(Some(question.values.clone()))
            .set_exclusive_start_key(start)
            .limit(limit);
        match request.send().await {
            Ok(answer) => Ok(Some((answer.items.unwrap_or_default(), answer.last_evaluated_key))),
            Err(error) => {
                let error = self.error("the query", &error);
                let lacks = matches!(&error, DoorError::Invalid { detail, .. } if detail.contains(question.index))
                    || matches!(&error, DoorError::Invalid { detail, .. } | DoorError::Absent { thing: detail, .. }
                        if detail.to_lowercase().contains("index"));
                if lacks { Ok(None) } else { Err(error) }
            }
        }
    }

    async fn scan(
        &self,
        mut question: Question,
        start: Option<Attributes>,
        limit: i32,
    ) -> Result<(Vec<Attributes>, Option<Attributes>), DoorError> {
        let filter = match question.filter {
            Some(filter) => format!("({}) AND {filter}", question.scan_filter),
            None => question.scan_filter.to_owned(),
        };
        // Names and values that an expression does not use are an error there.
        question.names.retain(|name, _| filter.contains(name.as_str()));
        question.values.retain(|name, _| filter.contains(name.as_str()));
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression(filter)
            .set_expression_attribute_names(Some(question.names))
            .set_expression_attribute_values(Some(question.values))
            .set_exclusive_start_key(start)
            .limit(limit);
        let answer = request.send().await.map_err(|error| self.error("the scan", &error))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    fn page(
        &self,
        items: Vec<Attributes>,
        last: Option<Attributes>,
        scan: bool,
    ) -> Result<Page<StoredItem>, DoorError> {
        let rows = items.iter().map(|item| self.read(item)).collect::<Result<_, _>>()?;
        let next = last.filter(|key| !key.is_empty()).map(|key| {
            let scalars = key.into_iter().filter_map(|(name, value)| match value {
                AttributeValue::S(text) => Some((name, Scalar::S(text))),
                AttributeValue::N(number) => Some((name, Scalar::N(number))),
                _ => None,
            });
            Cursor(serde_json::to_string(&Position { scan, key: scalars.collect() }).unwrap_or_default())
        });
        Ok(Page { rows, next })
    }

    fn position(&self, cursor: &Cursor) -> Result<Position, DoorError> {
        serde_json::from_str(&cursor.0)
            .map_err(|_| DoorError::invalid(&self.place, "the cursor", "this table did not make it"))
    }
}

impl Position {
    fn into_key(self) -> Attributes {
        let value = |scalar| match scalar {
            Scalar::S(text) => AttributeValue::S(text),
            Scalar::N(number) => AttributeValue::N(number),
        };
        self.key.into_iter().map(|(name, scalar)| (name, value(scalar))).collect()
    }
}
