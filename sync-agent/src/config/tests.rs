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

#[test]
fn the_shipped_file_shows_every_key_with_its_default() {
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config/sync.toml");
    let text = std::fs::read_to_string(&shipped).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let shown: toml::Table = uncommented.parse().unwrap();
    assert_eq!(shown, toml::Table::try_from(Config::default()).unwrap());
    assert_eq!(load(&shipped, true).unwrap(), Config::default());
}

#[test]
fn later_files_win_and_tables_of_receivers_are_read() {
    let folder = folder(&[
        ("sync.toml", "[centre]\ntable = \"sqlite:/a.db\"\nobjects = \"file:/o\"\n"),
        ("sync.d/10-a.toml", "[centre.table]\nkind = \"embedded\"\npath = \"/b.db\"\n"),
        (
            "sync.d/20-b.toml",
            "[[out.webhooks]]\nurl = \"https://a.example/h\"\n[[out.syslog]]\naddress = \"h:514\"\ntransport = \"tls\"\n",
        ),
        ("sync.d/30-c.toml.dpkg-old", "this is no TOML"),
    ]);
    let config = load(&folder.path().join("sync.toml"), true).unwrap();
    let table = config.centre.table.settings().unwrap().unwrap();
    assert_eq!(table, "sqlite:/b.db".parse().unwrap());
    assert_eq!(config.centre.objects.settings().unwrap(), Some("file:/o".parse().unwrap()));
    assert!(config.centre.registry.settings().unwrap().is_none());
    assert_eq!((config.out.webhooks.len(), config.out.syslog[0].transport), (1, super::Transport::Tls));
}

#[test]
fn what_is_wrong_is_said_in_one_line_each() {
    let cases: &[(&str, &[&str])] = &[
        (
            "[centre]\ntabel = \"x\"\n",
            &["sync.toml: unknown key `tabel` in [centre]", "did you mean `table`?"],
        ),
        ("[centre]\nobjects = \"nowhere\"\n", &["`centre.objects`", "file:PATH"]),
        ("[up]\nrows_max = \"many\"\n", &["sync.toml", "up.rows_max"]),
        ("[up]\nrows_max = 0\nuncertain = [0.9, 0.1]\n", &["`up.rows_max` is 0", "`up.uncertain`"]),
        ("[down]\nchannel = \"prod\"\npoll_s = 0\n", &["`down.channel` is `prod`", "`down.poll_s`"]),
        ("[up.pseudonyms]\nenabled = true\n", &["names no key"]),
        ("[[out.syslog]]\naddress = \"host\"\n", &["use host:port"]),
        ("[[out.webhooks]]\nurl = \"ftp://x\"\nmin_severity = \"bad\"\n", &["https://", "use low, medium"]),
    ];
    for (text, words) in cases {
        let folder = folder(&[("sync.toml", text)]);
        let fault = load(&folder.path().join("sync.toml"), true).unwrap_err().to_string();
        for word in *words {
            assert!(fault.contains(word), "{fault:?} lacks {word:?}");
        }
    }
}
