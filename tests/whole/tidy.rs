//! The rules of the house, held as tests: who may import whom, what files look like, what no file may say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::repo;

/// Who may import whom among the rooms (`ARCHITECTURE.md` explains it). Everything may use outside crates.
const IMPORTS: &[(&str, &[&str])] = &[
    ("fleet", &[]),
    ("flowmeter", &[]),
    ("model", &[]),
    ("store", &[]),
    ("sensor", &["flowmeter", "model", "store"]),
    ("retrain", &["fleet", "model"]),
    ("bench", &["flowmeter", "model", "sensor"]),
    ("tests", &["flowmeter", "model", "sensor", "store"]),
];

/// Files over the length that is comfortable. The list may only shrink.
const LONG_FILES: &[(&str, usize)] = &[];
const LINES_MAX: usize = 450;

const BANNED_NAMES: &[&str] =
    &["utils", "util", "common", "core", "types", "helpers", "helper", "misc", "manager"];

fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repo()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", ".venv", "node_modules", "runs", "corpus"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(repo()).unwrap().display().to_string()
}

#[test]
fn rooms_import_only_what_the_plan_allows() {
    let plan: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let workspace: toml::Table = std::fs::read_to_string(repo().join("Cargo.toml")).unwrap().parse().unwrap();
    let members: Vec<String> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m.as_str().unwrap().to_owned())
        .collect();
    for member in &members {
        let allowed =
            plan.get(member.as_str()).unwrap_or_else(|| panic!("{member} is not in the import table"));
        let manifest: toml::Table =
            std::fs::read_to_string(repo().join(member).join("Cargo.toml")).unwrap().parse().unwrap();
        assert_eq!(
            manifest["package"]["name"].as_str(),
            Some(member.as_str()),
            "a package is named as its folder"
        );
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used = manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten();
            for (name, _) in used.filter(|(name, _)| members.contains(name)) {
                assert!(allowed.contains(&name.as_str()), "{member} may not import {name}");
            }
        }
    }
}

#[test]
fn libraries_open_no_file_read_no_clock_and_spawn_nothing() {
    let banned = [
        "std::fs",
        "File::",
        "std::net::Tcp",
        "Instant::now",
        "SystemTime::now",
        "thread::spawn",
        "async fn",
    ];
    for path in files(".rs") {
        let name = relative(&path);
        let library = name.starts_with("flowmeter/src") || name.starts_with("model/src");
        if !library || name.contains("tests") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for word in banned {
            assert!(!text.contains(word), "{name} uses {word}");
        }
    }
}

#[test]
fn every_source_file_says_what_it_is_for_and_is_short_enough() {
    let long: BTreeMap<&str, usize> = LONG_FILES.iter().copied().collect();
    for path in files(".rs") {
        let (name, text) = (relative(&path), std::fs::read_to_string(&path).unwrap());
        assert!(text.starts_with("//!"), "{name} does not open with //!");
        let lines = text.lines().count();
        let most = long.get(name.as_str()).copied().unwrap_or(LINES_MAX);
        assert!(lines <= most, "{name} has {lines} lines, more than {most}: split it");
    }
    for (name, _) in LONG_FILES {
        let lines = std::fs::read_to_string(repo().join(name)).map(|t| t.lines().count()).unwrap_or(0);
        assert!(lines > LINES_MAX, "{name} is no longer long: take it off the list");
    }
}

#[test]
fn no_module_is_named_after_nothing() {
    let banned: BTreeSet<&str> = BANNED_NAMES.iter().copied().collect();
    for path in files(".rs").into_iter().chain(files(".py")) {
        let name = relative(&path);
        for part in name.split(['/', '.']) {
            assert!(!banned.contains(part), "{name}: `{part}` says nothing about what is inside");
        }
    }
}

#[test]
fn every_capture_case_says_where_it_comes_from() {
    let cases = std::fs::read_dir(repo().join("tests/pcaps")).unwrap().flatten();
    for case in cases.filter(|c| c.path().is_dir()) {
        let readme = case.path().join("README.md");
        let text = std::fs::read_to_string(&readme).unwrap_or_default();
        assert!(text.to_lowercase().contains("origin"), "{} does not say its origin", relative(&readme));
        let captures = std::fs::read_dir(case.path())
            .unwrap()
            .flatten()
            .filter(|f| f.file_name().to_string_lossy().contains(".pcap"))
            .count();
        assert!(captures >= 1, "{} holds no capture", relative(&case.path()));
    }
}

#[test]
fn shipped_defaults_have_one_version_and_the_changelog_knows_it() {
    let workspace: toml::Table = std::fs::read_to_string(repo().join("Cargo.toml")).unwrap().parse().unwrap();
    let version = workspace["workspace"]["package"]["version"].as_str().unwrap();
    let changelog = std::fs::read_to_string(repo().join("CHANGELOG.md")).unwrap();
    assert!(
        changelog.contains("## [Unreleased]") || changelog.contains(&format!("## [{version}]")),
        "CHANGELOG.md knows neither [Unreleased] nor [{version}]"
    );
}
