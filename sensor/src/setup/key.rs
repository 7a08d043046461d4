//! The key of a lone box: it signs the models that the box trains for itself.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::artifact::SecretKey;
use nix::unistd::User;

use super::denied;
use crate::fault::Fault;

/// Who trains: the secret key is that user's alone.
const TRAINER: &str = "taphound-retrain";

/// A key that is there now.
pub(super) struct Key {
    pub(super) id: String,
    secret: PathBuf,
    public: PathBuf,
    is_new: bool,
}

impl Key {
    pub(super) fn told(&self) -> String {
        let verb = if self.is_new { "made" } else { "kept" };
        format!(
            "{verb} {}: {} signs, {} is what the sensor trusts",
            self.id,
            self.secret.display(),
            self.public.display()
        )
    }
}

/// Makes `signing.key` in `keys_dir` and its public half beside it, as `taphound-retrain keygen` does. A key that is there is kept: models signed by it are at work.
pub(super) fn ensure(keys_dir: &Path) -> Result<Key, Fault> {
    let (secret_path, public_path) = (keys_dir.join("signing.key"), keys_dir.join("signing.key.pub"));
    std::fs::create_dir_all(keys_dir).map_err(|e| denied(keys_dir, &e))?;
    let is_new = !secret_path.exists();
    let secret = if is_new { make(&secret_path)? } else { read(&secret_path)? };
    let line = format!("{}\n", secret.public().to_line());
    std::fs::write(&public_path, line).map_err(|e| denied(&public_path, &e))?;
    Ok(Key { id: secret.public().id().to_string(), secret: secret_path, public: public_path, is_new })
}

fn make(path: &Path) -> Result<SecretKey, Fault> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)
        .map_err(|e| Fault::Software(format!("the system gives no random numbers ({e})")))?;
    let secret = SecretKey::from_entropy(entropy);
    // Nobody else can read it from its first moment on.
    std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{}\n", secret.to_line()).as_bytes()))
        .map_err(|e| denied(path, &e))?;
    if let Some(user) = User::from_name(TRAINER).ok().flatten() {
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(|e| denied(path, &e))?;
    }
    Ok(secret)
}

fn read(path: &Path) -> Result<SecretKey, Fault> {
    let text = std::fs::read_to_string(path).map_err(|e| Fault::opening(path, &e))?;
    text.parse()
        .map_err(|e| Fault::Config(format!("{}: {e}; move it away to have a new one made", path.display())))
}
