//! Settings: what wins, what is refused and in which words, and that the shipped file shows the truth.

use std::path::PathBuf;

use super::{Config, load};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn fault(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    load(&folder.path().join("taphound.toml"), true).unwrap_err().to_string()
}

#[test]
fn the_shipped_file_shows_every_key_with_its_default() {
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config/taphound.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let shown: toml::Table = uncommented.parse().unwrap();
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    assert_eq!(shown, defaults);
}

#[test]
fn later_files_win_and_only_toml_files_count() {
    let folder = folder(&[
        ("taphound.toml", "[capture]\ninterfaces = [\"eth0\"]\nsnaplen = 128\n"),
        ("conf.d/10-a.toml", "[capture]\ninterfaces = [\"eth1\"]\n"),
        ("conf.d/20-b.toml", "[capture]\nfilter = \"tcp\"\n"),
        ("conf.d/30-c.toml.dpkg-old", "this is no TOML"),
    ]);
    let config = load(&folder.path().join("taphound.toml"), true).unwrap();
    assert_eq!(config.capture.interfaces, ["eth1"]);
    assert_eq!((config.capture.snaplen, config.capture.filter.as_str()), (128, "tcp"));
}

#[test]
fn without_a_file_the_defaults_are_in_force() {
    let folder = folder(&[]);
    assert_eq!(load(&folder.path().join("taphound.toml"), false).unwrap(), Config::default());
    assert!(load(&folder.path().join("taphound.toml"), true).is_err());
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one_and_the_file() {
    let line = fault(&[("taphound.toml", "[capture]\ninterface = \"eth0\"\n")]);
    assert!(line.contains("taphound.toml: unknown key `interface` in [capture]"), "{line}");
    assert!(line.contains("did you mean `interfaces`?"), "{line}");
}

#[test]
fn a_wrong_type_names_key_and_file() {
    let line = fault(&[("taphound.toml", ""), ("conf.d/a.toml", "[capture]\nsnaplen = \"big\"\n")]);
    assert!(line.contains("a.toml") && line.contains("capture.snaplen"), "{line}");
}

#[test]
fn values_outside_their_range_are_refused_all_at_once() {
    let line =
        fault(&[("taphound.toml", "[capture]\nsnaplen = 1\nrings = 0\n[model]\nchannel = \"prod\"\n")]);
    for key in ["capture.snaplen", "capture.rings", "model.channel"] {
        assert!(line.contains(key), "{line}");
    }
}
