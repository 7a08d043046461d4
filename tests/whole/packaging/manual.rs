//! Pages and completions that the programs write of themselves: a page a command, none that `man` complains of.

use std::path::Path;
use std::process::Command;

use super::{content, has, text};
use crate::{program, repo};

/// Programs that write their own manual, with a command that each has.
const PROGRAMS: &[(&str, &str)] =
    &[("taphound", "replay"), ("taphound-sync", "once"), ("taphound-retrain", "train")];

/// Renders a page; whatever `man` warns of is a fault.
fn render(page: &Path) -> String {
    let output = Command::new("man")
        .args(["--warnings", "--local-file"])
        .arg(page)
        .env("MANWIDTH", "100")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{}: {said}", page.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_command_has_a_page_and_every_shell_completions() {
    for (name, command) in PROGRAMS {
        let folder = tempfile::tempdir().unwrap();
        content(program(name).arg("manual").arg(folder.path()), true);
        let at = |path: String| folder.path().join(path);
        assert!(at(format!("man/{name}-{command}.1")).exists());
        assert!(!at(format!("man/{name}-manual.1")).exists(), "a command for packagers has a page");
        for (shell, file) in
            [("bash", format!("{name}.bash")), ("zsh", format!("_{name}")), ("fish", format!("{name}.fish"))]
        {
            let file = at(format!("completions/{file}"));
            assert!(text(&file).contains(command), "{}", file.display());
            if has(shell) {
                content(Command::new(shell).arg("-n").arg(&file), true);
            }
        }
        if has("man") {
            let page = render(&at(format!("man/{name}.1")));
            assert!(page.contains(command), "{page}");
            render(&at(format!("man/{name}-{command}.1")));
        }
    }
}

#[test]
fn the_page_of_features_has_them_all_in_order() {
    let path = repo().join("packaging/man/taphound-features.7");
    let page = text(&path);
    let mut from = 0;
    for (number, name) in model::schema::FEATURES.iter().enumerate() {
        let row = format!("\n{}|{name}|", number + 1);
        let found = page[from..]
            .find(&row)
            .unwrap_or_else(|| panic!("taphound-features(7) has no row `{}`", row.trim()));
        from += found;
    }
    if has("man") && has("tbl") {
        render(&path);
    }
}

#[test]
fn the_pages_of_settings_have_every_key() {
    if !has("python3") || !has("man") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (program, file) in
        [("taphound", "taphound.toml"), ("taphound-sync", "sync.toml"), ("taphound-retrain", "retrain.toml")]
    {
        let example = repo().join("config").join(file);
        if !example.exists() {
            continue;
        }
        let page = folder.path().join(format!("{program}.toml.5"));
        let script = "import sys; sys.path.insert(0, 'packaging'); sys.dont_write_bytecode = True; import manual; \
                      print(manual.settings_page(open(sys.argv[1]).read(), sys.argv[2], '1', '2026-01-01'), end='')";
        let written = Command::new("python3")
            .args(["-B", "-c", script])
            .arg(&example)
            .arg(program)
            .current_dir(repo())
            .output();
        let written = written.unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        std::fs::write(&page, written.stdout).unwrap();
        let shown = render(&page);
        for line in text(&example).lines() {
            let setting =
                line.strip_prefix('#').filter(|l| !l.starts_with(' ')).and_then(|l| l.split_once(" = "));
            if let Some((key, _)) = setting {
                assert!(shown.contains(&format!("{key} = ")), "{program}.toml(5) does not show `{key}`");
            }
        }
    }
}
