//! `--format ecs` holds the Elastic Common Schema's fields, types and values, and the table of `docs/ecs.md` is what comes out.

use std::collections::{BTreeMap, BTreeSet};

use sensor::service::when::read_time;
use serde_json::Value;

use crate::{capture, repo, summary};

/// A field of the schema.
struct Field {
    kind: String,
    array: bool,
    allowed: Vec<String>,
}

fn schema() -> BTreeMap<String, Field> {
    let text = std::fs::read_to_string(repo().join("tests/whole/ecs/fields.csv")).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let parts: Vec<&str> = line.split(',').collect();
        let allowed = parts[3].split_whitespace().map(str::to_owned).collect();
        (parts[0].to_owned(), Field { kind: parts[1].to_owned(), array: parts[2] == "array", allowed })
    })
    .collect()
}

/// Every field of an object by its dotted name.
fn fields<'a>(prefix: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                fields(&name, value, found);
            }
        }
        other => found.push((prefix.to_owned(), other)),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "keyword" | "match_only_text" | "wildcard" => value.is_string(),
        "long" => value.is_u64(),
        "float" => value.is_number(),
        "ip" => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "date" => value.as_str().is_some_and(|text| text.ends_with('Z') && read_time(text).is_ok()),
        other => panic!("{other}: no such type is expected"),
    }
}

/// Names in the first column of the tables of `docs/ecs.md`.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repo().join("docs/ecs.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    cells
        .flat_map(|cell| cell.split([' ', ',', '`']).filter(|name| !name.is_empty()).map(str::to_owned))
        .collect()
}

#[test]
fn what_elastic_is_given_is_what_its_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let (schema, mut used, mut datasets) = (schema(), BTreeSet::new(), BTreeMap::<String, u64>::new());
    for case in ["attack-day", "benign-dns", "benign-browsing"] {
        let out = folder.path().join(case);
        let file = capture(case).display().to_string();
        let counts = summary(&[&file, "--out", &out.display().to_string(), "--format", "ecs"]);
        let text = std::fs::read_to_string(&out).unwrap();
        let before = datasets.clone();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            *datasets.entry(event["event"]["dataset"].as_str().unwrap().to_owned()).or_default() += 1;
            let mut found = Vec::new();
            fields("", &event, &mut found);
            for name in ["@timestamp", "ecs.version", "event.kind", "event.category", "event.type"] {
                assert!(found.iter().any(|(has, _)| has == name), "no {name}: {line}");
            }
            for (name, value) in found.into_iter().filter(|(name, _)| !name.starts_with("taphound.")) {
                let field = schema.get(&name).unwrap_or_else(|| panic!("{name} is no field of ECS: {line}"));
                let values: Vec<&Value> = match (field.array, value) {
                    (true, Value::Array(items)) => items.iter().collect(),
                    (false, one) => vec![one],
                    (true, _) => panic!("{name} is not an array: {line}"),
                };
                for value in values {
                    assert!(is_of(&field.kind, value), "{name} is no {}: {value}", field.kind);
                    let word = value.as_str().unwrap_or_default();
                    let allowed = field.allowed.is_empty() || field.allowed.iter().any(|a| a == word);
                    assert!(allowed, "{name}: {word} is not allowed");
                }
                used.insert(name);
            }
        }
        let more = |dataset: &str| datasets.get(dataset).unwrap_or(&0) - before.get(dataset).unwrap_or(&0);
        assert_eq!(more("taphound.flow"), counts["flows"].as_u64().unwrap(), "{case}");
        assert_eq!(more("taphound.alert"), counts["alerts"].as_u64().unwrap(), "{case}");
        assert_eq!(more("taphound.incident"), counts["incidents"].as_u64().unwrap(), "{case}");
    }
    assert!(datasets.len() == 3 && datasets.values().all(|n| *n > 0), "{datasets:?}");
    let written: BTreeSet<String> =
        documented().into_iter().filter(|name| !name.starts_with("taphound.")).collect();
    // No capture of tests/pcaps speaks TLS.
    used.insert("tls.client.server_name".to_owned());
    assert!(schema.contains_key("tls.client.server_name"));
    assert_eq!(written, used, "docs/ecs.md and what is written");
}
