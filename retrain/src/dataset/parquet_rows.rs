//! Labelled flows in Parquet: a double a feature, a string each for schema id, category, stage, run, tool and split.
//! Integer and single-precision columns of other writers are read as well.

use super::bytes::Hashing;
use super::{BadWord, Names, Row, Sink, Words, run_of};
use crate::failure::Failure;
use model::artifact::Digest;
use model::{FEATURES, N_FEATURES, schema_id};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Rows of a group: what is in memory at once beside the rows themselves.
pub(super) const GROUP_ROWS: usize = 1 << 16;
const LEVEL: i32 = 19;
const WORDS: [&str; 8] = ["schema", "category", "provisional", "run", "tool", "split", "Source", "labeller"];
/// Of [`WORDS`], those that every file has; the others are written by the steps of a retrain.
const WORDS_ALWAYS: usize = 6;

/// Reads every row, a row group at a time; gives the digest of the file.
pub(super) fn read(
    path: &Path,
    file: File,
    labelled: bool,
    names: &mut Names,
    sink: Sink<'_>,
) -> Result<Digest, Failure> {
    let io = |fault| Failure::no_input(path, fault);
    let mut bytes = Hashing::new(file.try_clone().map_err(io)?);
    std::io::copy(&mut bytes, &mut std::io::sink()).map_err(io)?;
    let digest = bytes.digest();
    let broken = |fault: ParquetError| {
        Failure::data(format!("{}: not a sound Parquet file ({fault}); fetch it again", path.display()))
    };
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let columns = Columns::find(path, &reader, labelled)?;
    let run = run_of(path);
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(broken)?;
        columns.rows(path, &run, group.as_ref(), names, sink)?;
    }
    Ok(digest)
}

/// Where the columns lie.
struct Columns {
    features: Vec<usize>,
    words: [Option<usize>; WORDS.len()],
}

impl Columns {
    fn find(path: &Path, reader: &SerializedFileReader<File>, labelled: bool) -> Result<Columns, Failure> {
        let schema = reader.metadata().file_metadata().schema_descr();
        let place = |name: &str| schema.columns().iter().position(|column| column.name() == name);
        let file = path.display();
        let features = FEATURES
            .iter()
            .map(|name| {
                place(name).ok_or_else(|| {
                    let remedy = "write it with `taphound-retrain dataset build`";
                    Failure::data(format!("{file}: column `{name}` is missing; {remedy}"))
                })
            })
            .collect::<Result<_, _>>()?;
        let mut words = WORDS.map(place);
        if !labelled {
            words[1] = None;
        } else if words[1].is_none() {
            let remedy = "write it with `taphound-retrain dataset build`";
            return Err(Failure::data(format!("{file}: column `category` is missing; {remedy}")));
        }
        Ok(Columns { features, words })
    }

    fn rows(
        &self,
        path: &Path,
        run: &str,
        group: &dyn RowGroupReader,
        names: &mut Names,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let fault = |name: &str, what: String| {
            Failure::data(format!("{}: column `{name}`: {what}; write the file again", path.display()))
        };
        let column = |place: usize, name: &str| {
            group.get_column_reader(place).map_err(|broken| fault(name, broken.to_string()))
        };
        let mut features = vec![[0.0; N_FEATURES]; count];
        for (feature, (&place, name)) in self.features.iter().zip(FEATURES).enumerate() {
            let values = numbers(column(place, name)?, count).map_err(|what| fault(name, what))?;
            for (row, value) in features.iter_mut().zip(values) {
                row[feature] = value;
            }
        }
        let mut words: [Vec<ByteArray>; WORDS.len()] = Default::default();
        for ((slot, place), name) in words.iter_mut().zip(self.words).zip(WORDS) {
            if let Some(place) = place {
                *slot = strings(column(place, name)?, count).map_err(|what| fault(name, what))?;
            }
        }
        for (number, features) in features.into_iter().enumerate() {
            let word = |which: usize, absent: &'static str| match words[which].get(number) {
                None => Ok(absent),
                Some(bytes) => {
                    bytes.as_utf8().map_err(|_| fault(WORDS[which], format!("row {number} is not UTF-8")))
                }
            };
            let schema = word(0, schema_id())?;
            if schema != schema_id() {
                let what = format!("row {number} is of `{schema}`, this program reads `{}`", schema_id());
                return Err(fault("schema", what));
            }
            let of_run = if words[3].is_empty() { run } else { word(3, "")? };
            let words = Words {
                truth: word(1, "benign")?,
                stage: word(2, "")?,
                run: of_run,
                tool: word(4, "")?,
                split: word(5, "")?,
                source: word(6, "")?,
                labeller: word(7, "")?,
            };
            let row = words.row(features, names).map_err(|BadWord(role, what, remedy)| {
                let name = if role == "truth" { "category" } else { role };
                fault(name, format!("row {number}: {what} ({remedy})"))
            })?;
            sink(row)?;
        }
        Ok(())
    }
}

/// Every value of a column, or that one is missing.
fn values<T: DataType>(mut reader: ColumnReaderImpl<T>, rows: usize) -> Result<Vec<T::T>, String> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let (records, _, _) = reader
            .read_records(rows - read, Some(&mut levels), None, &mut values)
            .map_err(|e| e.to_string())?;
        if records == 0 {
            break;
        }
        read += records;
    }
    if values.len() == rows {
        Ok(values)
    } else {
        Err(format!("{} of {rows} values are there", values.len()))
    }
}

fn numbers(reader: ColumnReader, rows: usize) -> Result<Vec<f64>, String> {
    Ok(match reader {
        ColumnReader::DoubleColumnReader(reader) => values(reader, rows)?,
        ColumnReader::FloatColumnReader(reader) => values(reader, rows)?.into_iter().map(f64::from).collect(),
        ColumnReader::Int32ColumnReader(reader) => values(reader, rows)?.into_iter().map(f64::from).collect(),
        ColumnReader::Int64ColumnReader(reader) => {
            values(reader, rows)?.into_iter().map(|v| v as f64).collect()
        }
        _ => return Err("not a column of numbers".to_owned()),
    })
}

fn strings(reader: ColumnReader, rows: usize) -> Result<Vec<ByteArray>, String> {
    match reader {
        ColumnReader::ByteArrayColumnReader(reader) => values(reader, rows),
        _ => Err("not a column of strings".to_owned()),
    }
}

/// The rows as a Parquet file.
pub(super) fn write(rows: &[Row]) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut groups = Groups::new(&mut bytes, LEVEL, false).map_err(Failure::software)?;
    for rows in rows.chunks(GROUP_ROWS) {
        groups.write(rows).map_err(Failure::software)?;
    }
    groups.close().map_err(Failure::software)?;
    Ok(bytes)
}

/// A Parquet file under construction.
pub(super) struct Groups<W: Write + Send> {
    file: SerializedFileWriter<W>,
    words: usize,
}

impl<W: Write + Send> Groups<W> {
    /// `level` is zstd's; `of_retrain` adds where rows came from and who labelled them.
    pub(super) fn new(out: W, level: i32, of_retrain: bool) -> Result<Self, ParquetError> {
        let words_written = if of_retrain { WORDS.len() } else { WORDS_ALWAYS };
        let words = WORDS[..words_written].iter().map(|name| {
            Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_logical_type(Some(LogicalType::String))
                .with_repetition(Repetition::REQUIRED)
                .build()
        });
        let numbers = FEATURES.iter().map(|name| {
            Type::primitive_type_builder(name, Physical::DOUBLE).with_repetition(Repetition::REQUIRED).build()
        });
        let fields = numbers.chain(words).map(|field| field.map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(Type::group_type_builder("flows").with_fields(fields).build()?);
        // Numbers are packed better as they are (5.9 MB for 122,797 rows) than behind dictionaries (6.8 MB).
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_dictionary_enabled(false);
        for name in WORDS {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), true);
        }
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties.build()))?;
        Ok(Groups { file, words: words_written })
    }

    /// Writes a row group.
    pub(super) fn write(&mut self, rows: &[Row]) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for feature in 0..N_FEATURES {
            let values: Vec<f64> = rows.iter().map(|row| row.features[feature]).collect();
            column::<DoubleType, W>(&mut group, &values)?;
        }
        for name in &WORDS[..self.words] {
            let values: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(word(row, name))).collect();
            column::<ByteArrayType, W>(&mut group, &values)?;
        }
        group.close()?;
        Ok(())
    }

    /// Writes what readers begin with.
    pub(super) fn close(self) -> Result<(), ParquetError> {
        self.file.close().map(|_| ())
    }
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let mut column =
        group.next_column()?.ok_or_else(|| ParquetError::General("no column left".to_owned()))?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

/// A row's word for one of [`WORDS`].
pub(super) fn word<'a>(row: &'a Row, name: &str) -> &'a str {
    match name {
        "schema" => schema_id(),
        "category" => row.truth.as_str(),
        "provisional" => &row.stage,
        "run" => &row.run,
        "tool" => &row.tool,
        "Source" => &row.source,
        "labeller" => &row.labeller,
        _ => row.split.as_str(),
    }
}
