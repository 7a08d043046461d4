//! The settings of a lone box: folders of this machine are its centre, and it is its own canary.

use std::path::{Path, PathBuf};

use super::write;
use crate::fault::Fault;

/// The shared folder that the packages of agent and trainer make.
const CENTRE: &str = "/var/lib/taphound-fleet";

/// Writes what each program needs to know, into those of their folders that are there (their packages are installed). Gives
/// the files.
///
/// # Errors
/// A file cannot be written.
pub(super) fn settle(etc: &Path) -> Result<Vec<PathBuf>, Fault> {
    let head = "# Written by `taphound setup --lone`, which writes it anew. Settings of your own: another file in this folder.\n";
    let settings = [
        ("conf.d/11-lone.toml", "[outbox]\nenabled = true\n".to_owned()),
        (
            "sync.d/10-lone.toml",
            format!(
                "[centre]\ntable = \"sqlite:{CENTRE}/log.db\"\nobjects = \"folder:{CENTRE}/objects\"\nregistry = \"folder:{CENTRE}/registry\"\n"
            ),
        ),
        (
            "retrain.d/10-lone.toml",
            "# There is no other sensor that could try a new model first.\n[promote]\ncanary_percent = 100\n"
                .to_owned(),
        ),
    ];
    let mut written = Vec::new();
    for (file, text) in settings {
        let path = etc.join(file);
        if path.parent().is_some_and(Path::is_dir) {
            write(&path, &format!("{head}{text}"))?;
            written.push(path);
        }
    }
    Ok(written)
}
