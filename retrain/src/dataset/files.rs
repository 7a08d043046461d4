//! `dataset build` and `dataset export`: labelled flows from one form into the other.

use super::{Dataset, Row, Split, parquet_rows};
use crate::args::{DatasetCommand, DatasetFiles};
use crate::failure::{Failure, write_file};
use crate::report;
use model::{Category, FEATURES};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

const LEVEL: i32 = 19;

/// `dataset`.
pub(crate) fn run(command: &DatasetCommand) -> Result<(), Failure> {
    match command {
        DatasetCommand::Import(args) => super::import::run(args),
        DatasetCommand::Publish(args) => crate::archive::publish(args),
        DatasetCommand::Build(args) => convert(args, parquet_rows::write),
        DatasetCommand::Export(args) => convert(args, |rows| packed(&args.out, text(rows).into_bytes())),
    }
}

fn convert(args: &DatasetFiles, form: impl Fn(&[Row]) -> Result<Vec<u8>, Failure>) -> Result<(), Failure> {
    let dataset = Dataset::read(&args.files)?;
    let bytes = form(&dataset.rows)?;
    write_file(&args.out, &bytes)?;
    let mut lines = format!("{}: {} rows, {} bytes\n", args.out.display(), dataset.rows.len(), bytes.len());
    let mut counts = serde_json::Map::new();
    for split in Split::ALL {
        for category in Category::ALL {
            let rows = dataset.rows.iter().filter(|row| row.split == split && row.truth == category).count();
            if rows > 0 {
                let _ = writeln!(lines, "{:<12}{:<16}{rows:>9}", split.as_str(), category.as_str());
                counts.insert(format!("{}.{}", split.as_str(), category.as_str()), json!(rows));
            }
        }
    }
    let facts =
        json!({"out": args.out, "rows": dataset.rows.len(), "bytes": bytes.len(), "by_split": counts});
    report::print(args.json, &facts, &lines);
    Ok(())
}

/// Numbers are written so that they are read back as they were.
fn text(rows: &[Row]) -> String {
    const WORDS: [&str; 5] = ["category", "provisional", "run", "tool", "split"];
    let mut text = format!("{},{}\n", FEATURES.join(","), WORDS.join(","));
    for row in rows {
        for value in row.features {
            let _ = write!(text, "{value},");
        }
        let words = WORDS.map(|name| quoted(parquet_rows::word(row, name)));
        let _ = writeln!(text, "{}", words.join(","));
    }
    text
}

fn quoted(word: &str) -> String {
    if word.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", word.replace('"', "\"\""))
    } else {
        word.to_owned()
    }
}

/// Packed as the file's name asks for: `.zst`, `.gz` or as it is.
fn packed(out: &Path, text: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match out.extension().and_then(|ending| ending.to_str()) {
        Some("zst") => zstd::stream::encode_all(text.as_slice(), LEVEL).map_err(Failure::software),
        Some("gz") => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            std::io::Write::write_all(&mut packer, &text).map_err(Failure::software)?;
            packer.finish().map_err(Failure::software)
        }
        _ => Ok(text),
    }
}
