//! What comes in from outside: each direct dependency is used, and stands with its reason in `docs/decisions/0002-libraries.md`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repo;

fn table(path: &Path) -> toml::Table {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).parse().unwrap()
}

/// Every Rust source below a folder, as one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[test]
fn every_dependency_has_a_user_and_a_reason() {
    let workspace = table(&repo().join("Cargo.toml"));
    let workspace = workspace["workspace"].as_table().unwrap();
    let members: Vec<&str> =
        workspace["members"].as_array().unwrap().iter().filter_map(|m| m.as_str()).collect();
    let reasons = std::fs::read_to_string(repo().join("docs/decisions/0002-libraries.md")).unwrap();
    let reasons: String =
        reasons.lines().filter(|line| line.starts_with('|')).flat_map(|line| [line, "\n"]).collect();
    let mut wrong = BTreeSet::new();
    let mut used = BTreeSet::new();
    for member in &members {
        let folder = repo().join(member);
        let (manifest, text) = (table(&folder.join("Cargo.toml")), sources(&folder));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, _) in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                used.insert(name.clone());
                // The crate md-5 calls its library md5.
                let path = if name == "md-5" { "md5".to_owned() } else { name.replace('-', "_") };
                let spoken = [format!("{path}::"), format!("use {path}"), format!("{path}!")];
                if !spoken.iter().any(|word| text.contains(word)) {
                    wrong.insert(format!(
                        "{member} asks for {name} and does not use it: take it out of its Cargo.toml"
                    ));
                }
            }
        }
    }
    for (name, _) in workspace["dependencies"].as_table().unwrap() {
        if members.contains(&name.as_str()) {
            continue;
        }
        if !used.contains(name) {
            wrong.insert(format!("no room uses {name}: take it out of Cargo.toml"));
        }
        if !reasons.contains(&format!("`{name}`")) {
            wrong.insert(format!(
                "{name} has no row in docs/decisions/0002-libraries.md: say what it is here for"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}
