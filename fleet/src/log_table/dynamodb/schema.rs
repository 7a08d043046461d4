//! The table and its indexes: made where they are missing, and waited for.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

use super::DynamoTable;
use crate::DoorError;

pub(super) const BY_DAY: &str = "by_day";
pub(super) const BY_LABEL: &str = "by_label";
const EXPIRY: &str = "expires_at";

/// Index, its hash key (S), its range key (N).
const INDEXES: [(&str, &str, &str); 2] =
    [(BY_DAY, "day_shard", "timestamp"), (BY_LABEL, "labeled_sensor", "labeled_at")];

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Ten minutes: an index of a large table takes its time; later calls go on waiting for it.
const LOOKS_MAX: usize = 2400;

pub(super) async fn ensure(table: &DynamoTable) -> Result<(), DoorError> {
    if describe(table).await?.is_none() {
        create(table).await?;
    }
    for look in 0..LOOKS_MAX {
        if look > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let Some(state) = describe(table).await? else { continue };
        if state.table_status() != Some(&TableStatus::Active) {
            continue;
        }
        let index =
            |name| state.global_secondary_indexes().iter().find(|index| index.index_name() == Some(name));
        if let Some(missing) = INDEXES.iter().find(|(name, ..)| index(name).is_none()) {
            // One at a time is what the service takes.
            add_index(table, missing).await?;
            continue;
        }
        if INDEXES
            .iter()
            .all(|(name, ..)| index(name).and_then(|i| i.index_status()) == Some(&IndexStatus::Active))
        {
            expire(table).await;
            table.by_scan.store(false, std::sync::atomic::Ordering::Relaxed);
            return Ok(());
        }
    }
    Err(DoorError::Unavailable {
        place: table.place.clone(),
        detail: "the table and its indexes are still being made".into(),
        retry_after: Some(Duration::from_secs(60)),
    })
}

async fn describe(table: &DynamoTable) -> Result<Option<TableDescription>, DoorError> {
    match table.client.describe_table().table_name(&table.table).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => {
            Ok(None)
        }
        Err(error) => Err(table.error("the table", &error)),
    }
}

async fn create(table: &DynamoTable) -> Result<(), DoorError> {
    let wrong = |error: aws_sdk_dynamodb::error::BuildError| {
        DoorError::invalid(&table.place, "the table", error.to_string())
    };
    let mut request = table.client.create_table().table_name(&table.table);
    request = request.billing_mode(BillingMode::PayPerRequest);
    for element in keys("flow_id", "timestamp").map_err(wrong)? {
        request = request.key_schema(element);
    }
    for (name, kind) in [
        ("flow_id", ScalarAttributeType::S),
        ("timestamp", ScalarAttributeType::N),
        ("day_shard", ScalarAttributeType::S),
        ("labeled_sensor", ScalarAttributeType::S),
        ("labeled_at", ScalarAttributeType::N),
    ] {
        request = request.attribute_definitions(definition(name, kind).map_err(wrong)?);
    }
    for (name, hash, range) in INDEXES {
        let index = GlobalSecondaryIndex::builder().index_name(name);
        let index = index.set_key_schema(Some(keys(hash, range).map_err(wrong)?)).projection(everything());
        request = request.global_secondary_indexes(index.build().map_err(wrong)?);
    }
    match request.send().await {
        Ok(_) => Ok(()),
        // Somebody else makes it at this moment.
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
        Err(error) => Err(table.error("the table", &error)),
    }
}

async fn add_index(table: &DynamoTable, (name, hash, range): &(&str, &str, &str)) -> Result<(), DoorError> {
    let wrong = |error: aws_sdk_dynamodb::error::BuildError| {
        DoorError::invalid(&table.place, format!("index {name}"), error.to_string())
    };
    let action = CreateGlobalSecondaryIndexAction::builder().index_name(*name);
    let action = action.set_key_schema(Some(keys(hash, range).map_err(wrong)?)).projection(everything());
    let update = GlobalSecondaryIndexUpdate::builder().create(action.build().map_err(wrong)?).build();
    let request = table.client.update_table().table_name(&table.table).global_secondary_index_updates(update);
    let request = request
        .attribute_definitions(definition(hash, ScalarAttributeType::S).map_err(wrong)?)
        .attribute_definitions(definition(range, ScalarAttributeType::N).map_err(wrong)?);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
        Err(error) => Err(table.error(&format!("index {name}"), &error)),
    }
}

/// Lets the table forget what is due. One that cannot, or a caller who may not, does without: it costs space, nothing else.
async fn expire(table: &DynamoTable) {
    let state = table.client.describe_time_to_live().table_name(&table.table).send().await;
    let status = state.ok().and_then(|answer| answer.time_to_live_description?.time_to_live_status);
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return;
    }
    let Ok(wanted) = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRY).build() else {
        return;
    };
    let outcome = table
        .client
        .update_time_to_live()
        .table_name(&table.table)
        .time_to_live_specification(wanted)
        .send()
        .await;
    if let Err(error) = outcome {
        let error = table.error("the time to live", &error);
        tracing::warn!(%error, "items of the table will not expire by themselves");
    }
}

fn keys(hash: &str, range: &str) -> Result<Vec<KeySchemaElement>, aws_sdk_dynamodb::error::BuildError> {
    [(hash, KeyType::Hash), (range, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build())
        .collect()
}

fn definition(
    name: &str,
    kind: ScalarAttributeType,
) -> Result<AttributeDefinition, aws_sdk_dynamodb::error::BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
}

fn everything() -> Projection {
    Projection::builder().projection_type(ProjectionType::All).build()
}
