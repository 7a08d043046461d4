//! Rows into a file as they come: Parquet in row groups, or CSV, by the file's ending; complete files only.

use super::Row;
use super::parquet_rows::{GROUP_ROWS, Groups, word};
use crate::failure::Failure;
use model::FEATURES;
use parquet::errors::ParquetError;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const LEVEL: i32 = 3;
const WORDS: [&str; 7] = ["category", "provisional", "run", "tool", "split", "Source", "labeller"];

enum Form {
    Parquet(Box<Groups<BufWriter<File>>>, Vec<Row>),
    Csv(Box<csv::Writer<Text>>),
}

/// Where text goes.
enum Text {
    Plain(BufWriter<File>),
    Packed(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Text::Plain(out) => out.write(bytes),
            Text::Packed(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Text::Plain(out) => out.flush(),
            Text::Packed(out) => out.flush(),
        }
    }
}

impl Text {
    fn finish(self) -> std::io::Result<()> {
        match self {
            Text::Plain(mut out) => out.flush(),
            Text::Packed(out) => out.finish()?.flush(),
        }
    }
}

/// A file that rows are written into.
pub(crate) struct RowWriter {
    form: Form,
    part: PathBuf,
    path: PathBuf,
    rows: u64,
}

impl RowWriter {
    /// Parquet when the name ends in `.parquet`, CSV packed by zstd when it ends in `.zst`, else CSV.
    pub(crate) fn create(path: &Path) -> Result<RowWriter, Failure> {
        let name = path.file_name().ok_or_else(|| Failure::cannot_create(path, "it names no file"))?;
        let mut part = name.to_owned();
        part.push(".part");
        let part = path.with_file_name(part);
        let fault = |fault: std::io::Error| Failure::cannot_create(path, fault);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(fault)?;
        }
        let file = BufWriter::new(File::create(&part).map_err(fault)?);
        let form = match path.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => {
                let groups = Groups::new(file, LEVEL, true).map_err(Failure::software)?;
                Form::Parquet(Box::new(groups), Vec::with_capacity(GROUP_ROWS))
            }
            Some("zst") => {
                let packer = zstd::stream::write::Encoder::new(file, LEVEL).map_err(fault)?;
                Form::csv(Text::Packed(packer)).map_err(|e| Failure::cannot_create(path, e))?
            }
            _ => Form::csv(Text::Plain(file)).map_err(|e| Failure::cannot_create(path, e))?,
        };
        Ok(RowWriter { form, part, path: path.to_owned(), rows: 0 })
    }

    /// Writes one row.
    pub(crate) fn write(&mut self, row: Row) -> Result<(), Failure> {
        self.rows += 1;
        let path = &self.path;
        match &mut self.form {
            Form::Parquet(groups, waiting) => {
                waiting.push(row);
                if waiting.len() == GROUP_ROWS {
                    groups.write(waiting).map_err(|fault| cannot(path, &fault))?;
                    waiting.clear();
                }
            }
            Form::Csv(writer) => {
                let fault = |fault: csv::Error| Failure::cannot_create(path, fault);
                let mut number = String::new();
                for value in row.features {
                    number.clear();
                    let _ = write!(number, "{value}");
                    writer.write_field(&number).map_err(fault)?;
                }
                for name in &WORDS {
                    writer.write_field(word(&row, name)).map_err(fault)?;
                }
                writer.write_record(None::<&[u8]>).map_err(fault)?;
            }
        }
        Ok(())
    }

    /// Completes the file; gives how many rows it holds.
    pub(crate) fn finish(self) -> Result<u64, Failure> {
        let RowWriter { form, part, path, rows } = self;
        match form {
            Form::Parquet(mut groups, waiting) => {
                if !waiting.is_empty() {
                    groups.write(&waiting).map_err(|fault| cannot(&path, &fault))?;
                }
                groups.close().map_err(|fault| cannot(&path, &fault))?;
            }
            Form::Csv(writer) => {
                let text = writer.into_inner().map_err(|fault| Failure::cannot_create(&path, fault))?;
                text.finish().map_err(|fault| Failure::cannot_create(&path, fault))?;
            }
        }
        std::fs::rename(&part, &path).map_err(|fault| Failure::cannot_create(&path, fault))?;
        Ok(rows)
    }
}

impl Form {
    fn csv(out: Text) -> Result<Form, csv::Error> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(FEATURES.iter().chain(WORDS.iter()))?;
        Ok(Form::Csv(Box::new(writer)))
    }
}

fn cannot(path: &Path, fault: &ParquetError) -> Failure {
    Failure::cannot_create(path, fault)
}
