//! Log items as a Parquet file, which DuckDB, Athena, Spark and pandas read as it is; it lies at [`crate::keys::log_file`].
//!
//! | column | type | what it is |
//! |---|---|---|
//! | `flow_id` | string | `sensor_id\|src-dst-sport-dport-proto` |
//! | `timestamp` | timestamp (ms, UTC) | start of the flow, made unique by the sensor |
//! | `uid`, `sensor_id` | string | the flow's id at the sensor, the sensor |
//! | `rev` | int64 | 0 provisional, 1 final |
//! | `content` | string | one readable line |
//! | `label`, `category` | string | predicted |
//! | `score`, `confidence` | double | 1 - P(benign); probability of the category |
//! | `model_version` | int64 | serial of the model |
//! | `schema_id` | string | schema of the features (`schema` is the partition's name for it) |
//! | `community_id` | string? | Community ID v1 |
//! | `start_us`, `end_us` | timestamp (µs, UTC) | first and last packet |
//! | `expires_at` | int64? | when the table may forget the item, epoch seconds |
//! | `true_label`, `label_category`, `label_source`, `label_by`, `label_reason` | string? | the label, once there is one |
//! | `labeled_at` | timestamp? (ms, UTC) | when it was given |
//! | every feature by its name | double? | null where an item has none of that name |

mod columns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};

use crate::DoorError;
use crate::log_table::{Key, LogItem, StoredItem, TrueLabel};
use columns::{Cell, Kind, Need};

/// Rows of one file at most.
pub const ROWS_MAX: usize = 1 << 20;
/// Rows of a group: what a reader has in memory at once.
const GROUP_ROWS: usize = 1 << 16;
/// Bytes that a file may say it unpacks to.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;
/// Features by different names in one file.
const FEATURES_MAX: usize = 1024;
const LEVEL: i32 = 9;

const COLUMNS: [(&str, Kind, Need); 22] = [
    ("flow_id", Kind::Text, Need::Always),
    ("timestamp", Kind::Millis, Need::Always),
    ("uid", Kind::Text, Need::Always),
    ("sensor_id", Kind::Text, Need::Always),
    ("rev", Kind::Whole, Need::Always),
    ("content", Kind::Text, Need::Always),
    ("label", Kind::Text, Need::Always),
    ("category", Kind::Text, Need::Always),
    ("score", Kind::Real, Need::Always),
    ("confidence", Kind::Real, Need::Always),
    ("model_version", Kind::Whole, Need::Always),
    ("schema_id", Kind::Text, Need::Always),
    ("community_id", Kind::Text, Need::Sometimes),
    ("start_us", Kind::Micros, Need::Always),
    ("end_us", Kind::Micros, Need::Always),
    ("expires_at", Kind::Whole, Need::Sometimes),
    ("true_label", Kind::Text, Need::Sometimes),
    ("label_category", Kind::Text, Need::Sometimes),
    ("label_source", Kind::Text, Need::Sometimes),
    ("label_by", Kind::Text, Need::Sometimes),
    ("labeled_at", Kind::Millis, Need::Sometimes),
    ("label_reason", Kind::Text, Need::Sometimes),
];

/// Columns of few different values, which pack best behind a dictionary.
const REPETITIVE: [&str; 8] = [
    "sensor_id",
    "label",
    "category",
    "model_version",
    "schema_id",
    "true_label",
    "label_source",
    "label_by",
];

/// Writes items as one file.
///
/// # Errors
/// [`DoorError::Invalid`] for more than [`ROWS_MAX`] items, or for a feature that has a column's name.
pub fn encode(items: &[StoredItem]) -> Result<Vec<u8>, DoorError> {
    let wrong = |detail: String| DoorError::invalid("a Parquet file", "the log", detail);
    if items.len() > ROWS_MAX {
        return Err(wrong(format!("{} items, a file has at most {ROWS_MAX}", items.len())));
    }
    let features: BTreeSet<&str> =
        items.iter().flat_map(|row| row.item.features.keys().map(String::as_str)).collect();
    if features.len() > FEATURES_MAX {
        return Err(wrong(format!("{} features, a file has at most {FEATURES_MAX}", features.len())));
    }
    // Athena, DuckDB and Spark take `Label` and `label` for one.
    let taken = |feature: &&&str| COLUMNS.iter().any(|(name, ..)| name.eq_ignore_ascii_case(feature));
    if let Some(feature) = features.iter().find(taken) {
        return Err(wrong(format!("feature {feature:?} has the name of a column")));
    }
    let features: Vec<&str> = features.into_iter().collect();
    write(items, &features).map_err(|error| wrong(error.to_string()))
}

fn write(items: &[StoredItem], features: &[&str]) -> Result<Vec<u8>, ParquetError> {
    let fixed = COLUMNS.iter().map(|(name, kind, need)| kind.field(name, *need));
    let named = features.iter().map(|name| Kind::Real.field(name, Need::Sometimes));
    let fields = fixed.chain(named).map(|field| field.map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("log").with_fields(fields).build()?);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false);
    for name in REPETITIVE {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), true);
    }
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
    for rows in items.chunks(GROUP_ROWS) {
        let mut group = file.next_row_group()?;
        for (at, (_, kind, need)) in COLUMNS.iter().enumerate() {
            columns::write(&mut group, *kind, *need, rows.iter().map(|row| cell(row, at)))?;
        }
        for name in features {
            let values = rows.iter().map(|row| row.item.features.get(*name).copied().map(Cell::Real));
            columns::write(&mut group, Kind::Real, Need::Sometimes, values)?;
        }
        group.close()?;
    }
    file.into_inner()
}

/// The value of one of [`COLUMNS`].
fn cell(row: &StoredItem, at: usize) -> Option<Cell> {
    let (item, truth) = (&row.item, row.truth.as_ref());
    let text = |text: &str| Some(Cell::Text(text.to_owned()));
    let whole = |number: u64| Some(Cell::Whole(i64::try_from(number).unwrap_or(i64::MAX)));
    match at {
        0 => text(&item.key.flow_id),
        1 => whole(item.key.timestamp_ms),
        2 => text(&item.uid),
        3 => text(&item.sensor_id),
        4 => whole(u64::from(item.rev)),
        5 => text(&item.content),
        6 => text(&item.label),
        7 => text(&item.category),
        8 => Some(Cell::Real(item.score)),
        9 => Some(Cell::Real(item.confidence)),
        10 => whole(item.model_version),
        11 => text(&item.schema),
        12 => item.community_id.as_deref().and_then(text),
        13 => whole(item.start_us),
        14 => whole(item.end_us),
        15 => item.expires_at_s.and_then(whole),
        16 => truth.and_then(|truth| text(&truth.label)),
        17 => truth.and_then(|truth| truth.category.as_deref()).and_then(text),
        18 => truth.and_then(|truth| text(&truth.source)),
        19 => truth.and_then(|truth| text(&truth.by)),
        20 => truth.and_then(|truth| whole(truth.at_ms)),
        _ => truth.and_then(|truth| truth.reason.as_deref()).and_then(text),
    }
}

/// Reads a file that [`encode`] made, or another writer with the same columns. `place` names the file in errors.
///
/// # Errors
/// [`DoorError::Damaged`], also for a file that says it is larger than one of ours can be.
pub fn decode(place: &str, bytes: Vec<u8>) -> Result<Vec<StoredItem>, DoorError> {
    let damaged =
        |detail: String| DoorError::Damaged { place: place.to_owned(), thing: "the log file".into(), detail };
    let broken = |error: ParquetError| damaged(error.to_string());
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(broken)?;
    let metadata = file.metadata();
    let rows = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or(usize::MAX);
    let unpacked = |group: &parquet::file::metadata::RowGroupMetaData| {
        u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX)
    };
    let unpacked = metadata.row_groups().iter().map(unpacked).fold(0, u64::saturating_add);
    let schema = metadata.file_metadata().schema_descr();
    if rows > ROWS_MAX || unpacked > UNPACKED_BYTES_MAX || schema.num_columns() > COLUMNS.len() + FEATURES_MAX
    {
        return Err(damaged(format!("{rows} rows and {unpacked} bytes, more than a file of ours has")));
    }
    let position = |name: &str| schema.columns().iter().position(|column| column.name() == name);
    let mut places = Vec::with_capacity(COLUMNS.len());
    for (name, ..) in COLUMNS {
        places.push(position(name).ok_or_else(|| damaged(format!("column `{name}` is missing")))?);
    }
    let features: Vec<(usize, String)> = (0..schema.num_columns())
        .filter(|place| !places.contains(place))
        .map(|place| (place, schema.column(place).name().to_owned()))
        .collect();
    let mut items = Vec::with_capacity(rows);
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(broken)?;
        let read = |place: usize| {
            columns::read(group.as_ref(), place)
                .map_err(|what| damaged(format!("column `{}`: {what}", schema.column(place).name())))
        };
        let mut fixed = places.iter().map(|place| read(*place)).collect::<Result<Vec<_>, _>>()?;
        let mut named = Vec::with_capacity(features.len());
        for (place, name) in &features {
            named.push((name, read(*place)?));
        }
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        for row in 0..count {
            let mut cells = Cells { columns: &mut fixed, row };
            let mut item = cells.item().map_err(|what| damaged(format!("row {}: {what}", items.len())))?;
            item.item.features = named
                .iter()
                .filter_map(|(name, column)| match column.get(row) {
                    Some(Some(Cell::Real(value))) => Some(((*name).clone(), *value)),
                    _ => None,
                })
                .collect();
            items.push(item);
        }
    }
    Ok(items)
}

/// One row of a group.
struct Cells<'a> {
    columns: &'a mut [Vec<Option<Cell>>],
    row: usize,
}

impl Cells<'_> {
    fn take(&mut self, name: &str) -> Option<Cell> {
        let at = COLUMNS.iter().position(|(column, ..)| *column == name)?;
        self.columns[at].get_mut(self.row)?.take()
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn whole(&mut self, name: &str) -> Option<u64> {
        match self.take(name) {
            Some(Cell::Whole(number)) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    fn real(&mut self, name: &str) -> Option<f64> {
        match self.take(name) {
            Some(Cell::Real(number)) => Some(number),
            _ => None,
        }
    }

    fn item(&mut self) -> Result<StoredItem, String> {
        let lacks = |name: &str| format!("it has no `{name}`");
        macro_rules! needed {
            ($read:ident, $name:literal) => {
                self.$read($name).ok_or_else(|| lacks($name))?
            };
        }
        let item = LogItem {
            key: Key { flow_id: needed!(text, "flow_id"), timestamp_ms: needed!(whole, "timestamp") },
            uid: needed!(text, "uid"),
            rev: u32::try_from(needed!(whole, "rev")).map_err(|error| error.to_string())?,
            sensor_id: needed!(text, "sensor_id"),
            content: needed!(text, "content"),
            features: BTreeMap::new(),
            label: needed!(text, "label"),
            category: needed!(text, "category"),
            score: needed!(real, "score"),
            confidence: needed!(real, "confidence"),
            model_version: needed!(whole, "model_version"),
            schema: needed!(text, "schema_id"),
            community_id: self.text("community_id"),
            start_us: needed!(whole, "start_us"),
            end_us: needed!(whole, "end_us"),
            expires_at_s: self.whole("expires_at"),
        };
        let truth = match self.text("true_label") {
            None => None,
            Some(label) => Some(TrueLabel {
                label,
                category: self.text("label_category"),
                source: needed!(text, "label_source"),
                by: needed!(text, "label_by"),
                at_ms: needed!(whole, "labeled_at"),
                reason: self.text("label_reason"),
            }),
        };
        Ok(StoredItem { item, truth })
    }
}

#[cfg(test)]
mod tests;
