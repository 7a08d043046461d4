//! Reference vectors computed with river, MOA, scikit-learn and imbalanced-learn. They lie in `tests/fixtures`
//! (`make.py` there remakes them); where the environment variable `TAPHOUND_ORACLES` names a folder of the same
//! shape, it is read instead. Cases and counts come from the files.

mod adwin;
mod drift_phase;
mod forest;
mod htree;
mod metrics;
mod novelty;
mod primitives;
mod resample;
mod scaler;
mod vote;

use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    match std::env::var_os("TAPHOUND_ORACLES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
    }
}

/// The file's text, plain or zstd-compressed; `None` when neither exists.
fn read_if_there(name: &str) -> Option<String> {
    let plain = folder().join(name);
    if plain.exists() {
        return Some(std::fs::read_to_string(&plain).unwrap());
    }
    let packed = folder().join(format!("{name}.zst"));
    let bytes = std::fs::read(&packed).ok()?;
    Some(String::from_utf8(zstd::stream::decode_all(bytes.as_slice()).unwrap()).unwrap())
}

fn read(name: &str) -> String {
    read_if_there(name).unwrap_or_else(|| panic!("{}: no {name} and no {name}.zst", folder().display()))
}

/// An oracle that only the tests' own folder has.
fn own_json(name: &str) -> Value {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.zst"));
    let bytes = std::fs::read(packed).unwrap();
    serde_json::from_slice(&zstd::stream::decode_all(bytes.as_slice()).unwrap()).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// Feature columns and the class in the last column, below one header line.
fn table(name: &str) -> Vec<(Vec<f64>, usize)> {
    read(name)
        .lines()
        .skip(1)
        .map(|line| {
            let mut values: Vec<f64> = line.split(',').map(|value| value.parse().unwrap()).collect();
            let class = values.pop().unwrap() as usize;
            (values, class)
        })
        .collect()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("a list expected, found {value}"))
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number expected, found {value}"))
}

/// null stands for minus infinity.
fn float_or_minus_infinity(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NEG_INFINITY)
}

fn index(value: &Value) -> usize {
    let count = float(value);
    assert!(count >= 0.0 && count.fract() == 0.0, "a count expected, found {value}");
    count as usize
}

fn floats(value: &Value) -> Vec<f64> {
    list(value).iter().map(float).collect()
}

/// One digit a class.
fn digits(value: &Value) -> Vec<usize> {
    value.as_str().unwrap().bytes().map(|digit| usize::from(digit - b'0')).collect()
}

/// Relative above 1, absolute below.
#[track_caller]
fn assert_close(found: f64, wanted: f64, tolerance: f64, what: &str) {
    let same_infinity = found.is_infinite() && found == wanted;
    let scale = wanted.abs().max(1.0);
    assert!(
        same_infinity || (found - wanted).abs() <= tolerance * scale,
        "{what}: {found} is not {wanted} within {tolerance}"
    );
}

/// The line that says how much was compared.
#[allow(clippy::print_stdout)]
fn summary(oracle: &str, cases: usize, comparisons: usize) {
    println!("counted oracle {oracle}: {cases} cases, {comparisons} comparisons");
    assert!(cases > 0 && comparisons > 0, "oracle {oracle} compared nothing");
}
