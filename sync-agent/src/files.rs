//! Files of settings and keys: written whole, with their mode from the first moment, and for whoever owns their folder.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use crate::fault::Fault;

/// Writes a file. It gets the owner and the group of its folder where we may give it away: root enrols, the services read.
///
/// # Errors
/// It cannot be written.
pub fn put(path: &Path, text: &str, mode: u32) -> Result<(), Fault> {
    let cannot = |e: std::io::Error| {
        Fault::CannotCreate(format!("{}: cannot be written ({e}); run as root", path.display()))
    };
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let partial = path.with_extension("partial");
    let _ = std::fs::remove_file(&partial);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial).map_err(cannot)?;
    let owner = std::fs::metadata(folder).map_err(cannot)?;
    let mine = file.metadata().map_err(cannot)?;
    if (mine.uid(), mine.gid()) != (owner.uid(), owner.gid()) {
        // Whoever is not root keeps it, and is who reads it.
        let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
    }
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(cannot)?;
    std::fs::rename(&partial, path).map_err(cannot)
}
