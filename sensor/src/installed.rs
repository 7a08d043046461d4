//! The models on disk: `models/<serial>/model.taphound`, and `models/current`, a link to the folder of the one at work.

use std::path::{Path, PathBuf};

use model::artifact::Trust;

use crate::fault::Fault;
use crate::scoring::Model;

/// The file of the model at work.
#[must_use]
pub fn current(state_dir: &Path) -> PathBuf {
    state_dir.join("models/current/model.taphound")
}

/// The model to start with: the installed one, or the one inside this program when none is installed, or when what is
/// installed is not sound (a bad model must not keep the sensor from working; the reason is given beside it).
///
/// # Errors
/// Not even the embedded model can be used.
pub fn load(state_dir: &Path, trust: &Trust) -> Result<(Model, Option<Fault>), Fault> {
    let file = current(state_dir);
    // A link that leads nowhere is a model that was installed and is gone.
    if !file.exists() && state_dir.join("models/current").symlink_metadata().is_err() {
        return Model::load(None).map(|model| (model, None));
    }
    // Expiry gates installing, not running.
    let installed = crate::scoring::read(&file).and_then(|bytes| {
        model::Artifact::read(&bytes, trust).map_err(|e| {
            Fault::BadData(format!(
                "{}: {e}; the model inside this program works in its place",
                file.display()
            ))
        })
    });
    match installed {
        Ok(artifact) => Ok((Model::of(artifact), None)),
        Err(fault) => Model::load(None).map(|model| (model, Some(fault))),
    }
}

/// Puts a model's bytes into its folder and makes it the current one; whoever reads sees the old one or the new one.
///
/// # Errors
/// The folder cannot be written.
pub fn put(state_dir: &Path, serial: u64, bytes: &[u8]) -> Result<(), Fault> {
    let models = state_dir.join("models");
    let folder = models.join(serial.to_string());
    std::fs::create_dir_all(&folder).map_err(|e| Fault::creating(&folder, &e))?;
    let (partial, file) = (folder.join("model.taphound.partial"), folder.join("model.taphound"));
    let written = write_synced(&partial, bytes).and_then(|()| std::fs::rename(&partial, &file));
    written.map_err(|e| Fault::writing(&file.display().to_string(), &e))?;
    point(state_dir, serial)
}

/// Makes an installed model the current one.
///
/// # Errors
/// It is not installed, or the folder cannot be written.
pub fn point(state_dir: &Path, serial: u64) -> Result<(), Fault> {
    let models = state_dir.join("models");
    let (current, next) = (models.join("current"), models.join("current.next"));
    let _ = std::fs::remove_file(&next);
    std::os::unix::fs::symlink(serial.to_string(), &next)
        .and_then(|()| std::fs::rename(&next, &current))
        .map_err(|e| Fault::writing(&current.display().to_string(), &e))
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
