//! The table in DynamoDB. Every write but a first one carries the condition under which it may happen; nothing is read to decide it.

mod checksum;
mod item;
mod pages;
mod schema;
mod updates;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde::{Deserialize, Serialize};

use super::limits::{fault, label_fault};
use super::{CENTRE, DayQuery, Key, LogItem, LogTable, StoredItem, TrueLabel, Written};
use crate::aws::{AwsSettings, door_error};
use crate::{Cursor, DoorError, Page};

/// An item's attributes by name.
type Attributes = HashMap<String, AttributeValue>;

/// How often a write is tried whose item appeared or went away between its condition and our look at it.
const TURNS: usize = 3;

/// Which table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamoSettings {
    /// Name of the table.
    #[serde(default = "default_table")]
    pub table: String,
    /// Region.
    pub region: Option<String>,
    /// URL of a server that is not AWS's own.
    pub endpoint: Option<String>,
    /// Profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// File with profiles in the place of `~/.aws/config`.
    pub profile_file: Option<PathBuf>,
}

fn default_table() -> String {
    "ids_log_system".into()
}

impl Default for DynamoSettings {
    fn default() -> Self {
        Self { table: default_table(), region: None, endpoint: None, profile: None, profile_file: None }
    }
}

/// A table in DynamoDB.
pub struct DynamoTable {
    client: Client,
    table: String,
    place: String,
    /// The table has turned out to lack its indexes: it is read by scan.
    by_scan: AtomicBool,
}

impl DynamoTable {
    /// Prepares to ask the table; nothing is asked yet.
    ///
    /// # Errors
    /// [`DoorError::Invalid`] when the settings name no region or a wrong endpoint.
    pub async fn open(settings: &DynamoSettings) -> Result<Self, DoorError> {
        let place = format!("dynamodb://{}", settings.table);
        let aws = AwsSettings {
            region: settings.region.clone(),
            endpoint: settings.endpoint.clone(),
            profile: settings.profile.clone(),
            profile_file: settings.profile_file.clone(),
        };
        let config = aws_sdk_dynamodb::config::Builder::from(&aws.load(&place).await?);
        let client = Client::from_conf(config.interceptor(checksum::CheckAnswers).build());
        Ok(Self { client, table: settings.table.clone(), place, by_scan: AtomicBool::new(false) })
    }

    fn error<E>(&self, thing: &str, error: &SdkError<E, HttpResponse>) -> DoorError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        door_error(&self.place, thing, error)
    }

    /// The attributes of an item as they are now, whoever wrote them last.
    async fn attributes(&self, key: &Key) -> Result<Option<Attributes>, DoorError> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(item::key(key)));
        let answer =
            request.consistent_read(true).send().await.map_err(|error| self.error("the item", &error))?;
        Ok(answer.item)
    }

    fn read(&self, attributes: &Attributes) -> Result<StoredItem, DoorError> {
        item::read(attributes).map_err(|(thing, detail)| DoorError::Damaged {
            place: self.place.clone(),
            thing,
            detail,
        })
    }

    fn restless(&self) -> DoorError {
        let detail = "the item keeps changing under this write".to_owned();
        DoorError::Unavailable { place: self.place.clone(), detail, retry_after: None }
    }
}

#[async_trait]
impl LogTable for DynamoTable {
    async fn ensure(&self) -> Result<(), DoorError> {
        schema::ensure(self).await
    }

    async fn put_fresh(&self, items: &[LogItem]) -> Result<Vec<Written>, DoorError> {
        super::check_batch(&self.place, items)?;
        let mut outcomes: Vec<Written> =
            items.iter().map(|item| fault(item).map_or(Written::Stored, Written::Rejected)).collect();
        let mut requests = Vec::with_capacity(items.len());
        for (item, _) in items.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Written::Stored) {
            let put = PutRequest::builder().set_item(Some(item::attributes(item))).build();
            let put = put.map_err(|error| DoorError::invalid(&self.place, "the batch", error.to_string()))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        if requests.is_empty() {
            return Ok(outcomes);
        }
        let answer = self.client.batch_write_item().request_items(&self.table, requests).send().await;
        let answer = answer.map_err(|error| self.error("the batch", &error))?;
        let left = answer.unprocessed_items.unwrap_or_default();
        for request in left.get(&self.table).into_iter().flatten() {
            let key = request.put_request().and_then(|put| item::key_of(put.item()));
            let at = key.and_then(|key| items.iter().position(|item| item.key == key));
            match at {
                Some(at) => outcomes[at] = Written::Unprocessed,
                // Whatever it is that was not taken: nothing is certain then.
                None => outcomes
                    .iter_mut()
                    .filter(|o| **o == Written::Stored)
                    .for_each(|o| *o = Written::Unprocessed),
            }
        }
        Ok(outcomes)
    }

    async fn update(&self, item: &LogItem) -> Result<Written, DoorError> {
        if let Some(why) = fault(item) {
            return Ok(Written::Rejected(why));
        }
        for _ in 0..TURNS {
            let Err(held) = self.send(updates::of_item(item)).await? else { return Ok(Written::Stored) };
            let held = match held {
                Some(held) => Some(held),
                None => self.attributes(&item.key).await?,
            };
            match held {
                Some(held) if item::text(&held, "uid") != item.uid => return Ok(Written::Kept),
                Some(held) if item::number(&held, "rev") >= u64::from(item.rev) => return Ok(Written::Known),
                _ => {}
            }
        }
        Err(self.restless())
    }

    async fn label(
        &self,
        key: &Key,
        uid: &str,
        truth: &TrueLabel,
        item: Option<&LogItem>,
    ) -> Result<Written, DoorError> {
        super::check_label(&self.place, key, uid, item)?;
        if let Some(why) = label_fault(truth).or_else(|| item.and_then(fault)) {
            return Ok(Written::Rejected(why));
        }
        for _ in 0..TURNS {
            let Err(held) = self.send(updates::of_label(key, uid, truth)).await? else {
                return Ok(Written::Stored);
            };
            let held = match held {
                Some(held) => Some(held),
                None => self.attributes(key).await?,
            };
            match (held, item) {
                (None, None) => return Err(super::no_item(&self.place, key)),
                (None, Some(item)) => {
                    if self.send(updates::of_labelled_item(item, truth)).await?.is_ok() {
                        return Ok(Written::Stored);
                    }
                }
                (Some(held), _) if item::text(&held, "uid") != uid => return Ok(Written::Kept),
                (Some(held), _) => match self.read(&held)?.truth {
                    Some(held) if held == *truth => return Ok(Written::Known),
                    Some(held) if held.source == CENTRE => return Ok(Written::Kept),
                    Some(held) if held.at_ms >= truth.at_ms => return Ok(Written::Known),
                    _ => {}
                },
            }
        }
        Err(self.restless())
    }

    async fn label_at_centre(&self, key: &Key, truth: &TrueLabel) -> Result<Written, DoorError> {
        if let Some(why) = label_fault(truth) {
            return Ok(Written::Rejected(why));
        }
        let truth = TrueLabel { source: CENTRE.to_owned(), ..truth.clone() };
        let held = self.attributes(key).await?.ok_or_else(|| super::no_item(&self.place, key))?;
        let held = self.read(&held)?;
        if held.truth.as_ref() == Some(&truth) {
            return Ok(Written::Known);
        }
        match self.send(updates::of_central_label(key, &held.item.sensor_id, &truth)).await? {
            Ok(()) => Ok(Written::Stored),
            Err(_) => Err(super::no_item(&self.place, key)),
        }
    }

    async fn item(&self, key: &Key) -> Result<Option<StoredItem>, DoorError> {
        self.attributes(key).await?.map(|attributes| self.read(&attributes)).transpose()
    }

    async fn by_day(&self, query: &DayQuery) -> Result<Page<StoredItem>, DoorError> {
        pages::by_day(self, query).await
    }

    async fn labelled(
        &self,
        sensor_id: &str,
        since_ms: u64,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<StoredItem>, DoorError> {
        pages::labelled(self, sensor_id, since_ms, after, limit).await
    }
}
