//! Where key and list lie: two files that nobody else may read, replaced whole.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Listed;
use crate::fault::Fault;

const KEY_BYTES: usize = 32;

pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(super) fn open(folder: &Path) -> Result<Self, Fault> {
        match fs::DirBuilder::new().mode(0o700).recursive(true).create(folder) {
            Ok(()) => Ok(Self { folder: folder.to_owned() }),
            Err(e) => Err(Fault::creating(folder, &e)),
        }
    }

    /// The signing key, made when there is none.
    pub(super) fn key(&self) -> Result<Vec<u8>, Fault> {
        let path = self.folder.join("key");
        if let Some(bytes) = self.private(&path)? {
            if bytes.len() != KEY_BYTES {
                return Err(Fault::BadData(format!(
                    "{}: has {} bytes instead of {KEY_BYTES}; delete it to make a new one (every token becomes worthless)",
                    path.display(),
                    bytes.len()
                )));
            }
            return Ok(bytes);
        }
        let mut bytes = vec![0; KEY_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|e| Fault::Io(format!("the system gives no random numbers ({e}); try again")))?;
        self.replace(&path, &bytes)?;
        Ok(bytes)
    }

    pub(super) fn list(&self) -> Result<Listed, Fault> {
        let path = self.list_path();
        let Some(bytes) = self.private(&path)? else {
            return Ok(Listed::default());
        };
        serde_json::from_slice(&bytes).map_err(|e| {
            Fault::BadData(format!(
                "{}: is no list of tokens ({e}); restore it, or delete it (every token becomes worthless)",
                path.display()
            ))
        })
    }

    pub(super) fn keep(&self, listed: &Listed) -> Result<(), Fault> {
        let bytes = serde_json::to_vec_pretty(listed)
            .map_err(|e| Fault::Software(format!("the list of tokens cannot be written ({e})")))?;
        self.replace(&self.list_path(), &bytes)
    }

    fn list_path(&self) -> PathBuf {
        self.folder.join("tokens.json")
    }

    /// The bytes of a file that only we can read; none when there is no such file.
    fn private(&self, path: &Path) -> Result<Option<Vec<u8>>, Fault> {
        let mode = match fs::metadata(path) {
            Ok(metadata) => metadata.permissions().mode(),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Fault::opening(path, &e)),
        };
        if mode & 0o077 != 0 {
            let name = path.display();
            return Err(Fault::NoPermission(format!(
                "{name}: others may read or write it (mode {:o}); `chmod 600 {name}`, and delete it if others had access",
                mode & 0o777
            )));
        }
        fs::read(path).map(Some).map_err(|e| Fault::opening(path, &e))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
        let fresh = path.with_extension("new");
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        write().map_err(|e| Fault::creating(path, &e))
    }
}
