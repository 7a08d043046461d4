//! Settings: the shipped file shows what is in force, and mistakes are told with their remedy.

use super::*;

fn read(text: &str) -> Result<Config, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("retrain.toml");
    std::fs::write(&file, text).unwrap();
    load(&file, true)
}

#[test]
fn the_shipped_file_shows_every_key_with_its_default() {
    let shipped = include_str!("../../../config/retrain.toml");
    assert_eq!(read(shipped).unwrap(), Config::default());
    let is_key = |line: &str| line.starts_with('#') && line.contains(" = ") && !line.starts_with("# ");
    let uncommented: String = shipped
        .lines()
        .map(|line| if is_key(line) { &line[1..] } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(read(&uncommented).unwrap(), Config::default());
    let defaults = toml_keys(&serde_json::to_value(Config::default()).unwrap());
    for key in defaults {
        assert!(uncommented.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} is not shown");
    }
}

fn toml_keys(value: &serde_json::Value) -> Vec<String> {
    let sections = value.as_object().into_iter().flatten();
    sections
        .flat_map(|(_, section)| section.as_object().into_iter().flatten().map(|(key, _)| key.clone()))
        .collect()
}

#[test]
fn mistakes_name_the_key_and_the_remedy() {
    for (text, word) in [
        ("[drift]\nlookback = 3\n", "did you mean `lookback_h`?"),
        ("[drift]\nadwin_delta = 0.0\n", "`drift.adwin_delta`"),
        ("[fetch]\nunnamed_attack = \"benign\"\n", "name a category of attacks"),
        ("[train]\nmax_trees = \"many\"\n", "`train.max_trees`"),
        ("[doors]\n", "unknown key `doors`"),
    ] {
        let fault = read(text).unwrap_err();
        assert_eq!(fault.code, crate::failure::CONFIG);
        assert!(fault.message.contains(word), "{}", fault.message);
    }
    let bad: Door<LogTableSettings> = Door::Word("nonsense".into());
    assert_eq!(bad.settings().unwrap_err().code, crate::failure::CONFIG);
}
