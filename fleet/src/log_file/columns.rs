//! Columns of a log file: what types they have, and their values, written and read.

use std::io::Write;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::RowGroupReader;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::Type;

/// What a column holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Whole,
    Millis,
    Micros,
    Real,
}

/// Whether every row has a value.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Need {
    Always,
    Sometimes,
}

/// A value.
#[derive(Clone)]
pub(super) enum Cell {
    Text(String),
    Whole(i64),
    Real(f64),
}

impl Kind {
    pub(super) fn field(self, name: &str, need: Need) -> Result<Type, ParquetError> {
        let (physical, logical) = match self {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Whole => (Physical::INT64, None),
            Kind::Millis => (Physical::INT64, Some(timestamp(TimeUnit::MILLIS))),
            Kind::Micros => (Physical::INT64, Some(timestamp(TimeUnit::MICROS))),
            Kind::Real => (Physical::DOUBLE, None),
        };
        let repetition = if need == Need::Always { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(repetition)
            .build()
    }
}

fn timestamp(unit: TimeUnit) -> LogicalType {
    LogicalType::timestamp(true, unit)
}

/// Writes the next column of a group.
pub(super) fn write<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: Kind,
    need: Need,
    cells: impl Iterator<Item = Option<Cell>>,
) -> Result<(), ParquetError> {
    match kind {
        Kind::Text => typed::<ByteArrayType, W>(group, need, cells, |cell| match cell {
            Cell::Text(text) => Some(ByteArray::from(text.into_bytes())),
            _ => None,
        }),
        Kind::Whole | Kind::Millis | Kind::Micros => {
            typed::<Int64Type, W>(group, need, cells, |cell| match cell {
                Cell::Whole(number) => Some(number),
                _ => None,
            })
        }
        Kind::Real => typed::<DoubleType, W>(group, need, cells, |cell| match cell {
            Cell::Real(number) => Some(number),
            _ => None,
        }),
    }
}

fn typed<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    need: Need,
    cells: impl Iterator<Item = Option<Cell>>,
    value: impl Fn(Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let cell = cell.and_then(&value);
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    let missing = || ParquetError::General("no column left".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let levels = (need == Need::Sometimes).then_some(levels.as_slice());
    column.typed::<T>().write_batch(&values, levels, None)?;
    column.close()
}

/// Reads a column of a group, a value or none a row.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(group: &dyn RowGroupReader, place: usize) -> Result<Vec<Option<Cell>>, String> {
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
    let column = group.metadata().column(place).column_descr_ptr();
    if column.max_rep_level() > 0 || column.max_def_level() > 1 {
        return Err("it is nested".into());
    }
    let optional = column.max_def_level() == 1;
    match group.get_column_reader(place).map_err(|error| error.to_string())? {
        ColumnReader::ByteArrayColumnReader(reader) => values(reader, rows, optional, |bytes: ByteArray| {
            bytes.as_utf8().map(|text| Cell::Text(text.to_owned())).map_err(|error| error.to_string())
        }),
        ColumnReader::Int64ColumnReader(reader) => values(reader, rows, optional, |n| Ok(Cell::Whole(n))),
        ColumnReader::Int32ColumnReader(reader) => {
            values(reader, rows, optional, |n| Ok(Cell::Whole(i64::from(n))))
        }
        ColumnReader::DoubleColumnReader(reader) => values(reader, rows, optional, |n| Ok(Cell::Real(n))),
        ColumnReader::FloatColumnReader(reader) => {
            values(reader, rows, optional, |n| Ok(Cell::Real(f64::from(n))))
        }
        _ => Err("it has a type that no column of ours has".into()),
    }
}

fn values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    optional: bool,
    cell: impl Fn(T::T) -> Result<Cell, String>,
) -> Result<Vec<Option<Cell>>, String> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let (records, ..) = reader
            .read_records(rows - read, optional.then_some(&mut levels), None, &mut values)
            .map_err(|error| error.to_string())?;
        if records == 0 {
            break;
        }
        read += records;
    }
    if !optional {
        levels = vec![1; values.len()];
    }
    let mut values = values.into_iter();
    let mut cells = Vec::with_capacity(rows);
    for level in levels {
        let value = if level == 1 { values.next() } else { None };
        cells.push(value.map(&cell).transpose()?);
    }
    if cells.len() == rows { Ok(cells) } else { Err(format!("{} of {rows} values are there", cells.len())) }
}
