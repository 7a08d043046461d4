//! A feature vector as clients write it: a list, or by name in any of CICFlowMeter's generations.

use std::collections::HashMap;
use std::sync::LazyLock;

use model::schema::{FEATURES, N_FEATURES};
use serde_json::{Map, Value};

use crate::control::Refusal;

/// Columns of CIC-IDS2017 (our own names) need no entry. By feature: CSE-CIC-IDS2018's (and, in snake case, the Python
/// port's), then the corrected data sets' (CICFlowMeter 4, Engelen 2021 and Liu 2022), where it differs.
const OTHER_NAMES: [(&str, &str); N_FEATURES] = [
    ("Flow Duration", "Flow Duration"),
    ("Tot Fwd Pkts", "Total Fwd Packet"),
    ("Tot Bwd Pkts", "Total Bwd packets"),
    ("TotLen Fwd Pkts", "Total Length of Fwd Packet"),
    ("TotLen Bwd Pkts", "Total Length of Bwd Packet"),
    ("Fwd Pkt Len Max", "Fwd Packet Length Max"),
    ("Fwd Pkt Len Min", "Fwd Packet Length Min"),
    ("Fwd Pkt Len Mean", "Fwd Packet Length Mean"),
    ("Fwd Pkt Len Std", "Fwd Packet Length Std"),
    ("Bwd Pkt Len Max", "Bwd Packet Length Max"),
    ("Bwd Pkt Len Mean", "Bwd Packet Length Mean"),
    ("Bwd Pkt Len Std", "Bwd Packet Length Std"),
    ("Flow Byts/s", "Flow Bytes/s"),
    ("Fwd Pkts/s", "Fwd Packets/s"),
    ("Bwd Pkts/s", "Bwd Packets/s"),
    ("Flow IAT Std", "Flow IAT Std"),
    ("Flow IAT Max", "Flow IAT Max"),
    ("Fwd IAT Mean", "Fwd IAT Mean"),
    ("Fwd IAT Std", "Fwd IAT Std"),
    ("Bwd IAT Mean", "Bwd IAT Mean"),
];

/// Letters and digits: generations differ in blanks, case, slashes and underscores, too.
fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

static BY_NAME: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
    let mut known = HashMap::new();
    for (index, (ours, (second, third))) in FEATURES.iter().zip(OTHER_NAMES).enumerate() {
        for name in [ours, second, third] {
            known.insert(bare(name), index);
        }
    }
    known
});

/// The feature that a column or key names.
#[must_use]
pub fn feature_named(name: &str) -> Option<usize> {
    BY_NAME.get(&bare(name)).copied()
}

/// A vector as a client sends it.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// In the order of the schema.
    List(Vec<Value>),
    /// By name.
    ByName(Map<String, Value>),
}

impl Written {
    /// The vector.
    ///
    /// # Errors
    /// A wrong count, or a feature that is unknown, there twice, missing, or not a finite number; every such feature is named.
    pub fn vector(&self) -> Result<[f64; N_FEATURES], Refusal> {
        match self {
            Self::List(list) => from_list(list),
            Self::ByName(map) => from_map(map),
        }
    }
}

fn from_list(list: &[Value]) -> Result<[f64; N_FEATURES], Refusal> {
    if list.len() != N_FEATURES {
        return Err(Refusal::invalid(format!(
            "`features` has {} values; it needs {N_FEATURES}, in the order {}",
            list.len(),
            FEATURES.join(", ")
        )));
    }
    let mut vector = [0.0; N_FEATURES];
    let mut wrong = Vec::new();
    for ((slot, value), name) in vector.iter_mut().zip(list).zip(FEATURES) {
        match finite(value) {
            Some(number) => *slot = number,
            None => wrong.push(format!("`{name}` is {}", short(value))),
        }
    }
    if wrong.is_empty() { Ok(vector) } else { Err(not_finite(&wrong)) }
}

fn from_map(map: &Map<String, Value>) -> Result<[f64; N_FEATURES], Refusal> {
    let mut found: [Option<f64>; N_FEATURES] = [None; N_FEATURES];
    let mut present = [false; N_FEATURES];
    let (mut unknown, mut twice, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in map {
        let Some(index) = feature_named(name) else {
            unknown.push(format!("`{}`", name.chars().take(64).collect::<String>()));
            continue;
        };
        if std::mem::replace(&mut present[index], true) {
            twice.push(format!("`{}`", FEATURES[index]));
        }
        found[index] = finite(value);
        if found[index].is_none() {
            wrong.push(format!("`{name}` is {}", short(value)));
        }
    }
    let missing: Vec<String> = FEATURES
        .iter()
        .zip(present)
        .filter(|(_, there)| !there)
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    for (names, what) in [(unknown, "unknown"), (twice, "there twice"), (missing, "missing")] {
        if !names.is_empty() {
            let (count, names) = (names.len(), names[..names.len().min(N_FEATURES)].join(", "));
            return Err(Refusal::invalid(format!(
                "{count} of `features` {what}: {names}; the schema has {N_FEATURES}"
            )));
        }
    }
    if !wrong.is_empty() {
        return Err(not_finite(&wrong));
    }
    Ok(found.map(Option::unwrap_or_default))
}

fn not_finite(wrong: &[String]) -> Refusal {
    Refusal::invalid(format!("every feature must be a finite number, but {}", wrong.join(", ")))
}

fn finite(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// JSON as some clients write it: bare `NaN`, `Infinity` and numbers beyond f64 become strings, so that a refusal can name the
/// feature instead of a column of text. None when there are none.
#[must_use]
pub fn quote_what_is_no_number(text: &str) -> Option<String> {
    let (mut out, mut changed) = (String::with_capacity(text.len() + 16), false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if c.is_ascii_alphanumeric() || "+-.".contains(c) {
            let end =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
            let word = &rest[..end];
            if word.parse::<f64>().is_ok_and(|number| !number.is_finite()) {
                out.extend(["\"", word, "\""]);
                changed = true;
            } else {
                out.push_str(word);
            }
            rest = &rest[end..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    changed.then_some(out)
}

/// Bytes of the JSON string that `text` begins with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
