//! Objects as files of a folder: written whole or not at all, under conditions that hold between programs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{ETag, Object, ObjectHead, ObjectStore, PAGE_OBJECTS_MAX, Polled, PutIf, check_key, too_large};
use crate::folders::{self, INCOMING, Incoming, LOCK, blocking};
use crate::{Cursor, DoorError, Page};

/// Objects in a folder. A tag is the SHA-256 of the content.
#[derive(Clone)]
pub struct FolderStore {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    place: String,
}

impl FolderStore {
    /// Opens the folder, or makes it for its owner and group.
    ///
    /// # Errors
    /// [`DoorError::Denied`], [`DoorError::Invalid`] when it is no folder.
    pub fn open(root: &Path) -> Result<Self, DoorError> {
        let place = format!("file:{}", root.display());
        folders::make_shared(root).map_err(|error| DoorError::io(&place, "the folder", &error))?;
        let root = root.canonicalize().map_err(|error| DoorError::io(&place, "the folder", &error))?;
        Ok(Self { inner: Arc::new(Inner { root, place }) })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, DoorError> + Send + 'static,
    ) -> Result<T, DoorError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner)).await
    }
}

impl Inner {
    fn path(&self, key: &str) -> Result<PathBuf, DoorError> {
        check_key(&self.place, key)?;
        if is_ours(key.split('/').next().unwrap_or("")) {
            return Err(DoorError::invalid(
                &self.place,
                format!("key {key:?}"),
                "the folder keeps this name",
            ));
        }
        Ok(self.root.join(key))
    }

    fn io(&self, key: &str) -> impl Fn(io::Error) -> DoorError {
        move |error| DoorError::io(&self.place, key, &error)
    }

    /// The file of an object; none where there is none.
    fn open(&self, key: &str, bytes_max: u64) -> Result<Option<File>, DoorError> {
        let file = match File::open(self.path(key)?) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.io(key)(error)),
        };
        let metadata = file.metadata().map_err(self.io(key))?;
        if metadata.is_dir() {
            return Ok(None);
        }
        if metadata.len() > bytes_max {
            return Err(too_large(&self.place, key, metadata.len(), bytes_max));
        }
        Ok(Some(file))
    }

    fn read(&self, key: &str, bytes_max: u64) -> Result<Option<Object>, DoorError> {
        let Some(file) = self.open(key, bytes_max)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes).map_err(self.io(key))?;
        let etag = ETag(folders::hex(&Sha256::digest(&bytes)));
        Ok(Some(Object { bytes, etag }))
    }

    fn place(&self, key: &str, incoming: Incoming, when: &PutIf) -> Result<ETag, DoorError> {
        let (to, etag) = (self.path(key)?, ETag(incoming.digest()));
        let _held = folders::lock(&self.root).map_err(self.io(LOCK))?;
        let present = || match folders::digest_of(&to) {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.io(key)(error)),
        };
        let holds = match when {
            PutIf::Always => true,
            PutIf::Absent => present()?.is_none(),
            PutIf::Unchanged(seen) => present()?.as_ref() == Some(&seen.0),
        };
        if !holds {
            return Err(DoorError::Conflict { place: self.place.clone(), thing: key.to_owned() });
        }
        incoming.place(&to).map_err(self.io(key))?;
        Ok(etag)
    }

    /// Keys under a prefix in their order, after one of them.
    fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, DoorError> {
        let mut found = Vec::new();
        let mut walk = vec![String::new()];
        // Depth first, with folders sorted as if their names ended in `/`: the order of whole keys.
        while let Some(at) = walk.pop() {
            if found.len() >= limit {
                break;
            }
            if !at.is_empty() && !at.ends_with('/') {
                found.push(at);
                continue;
            }
            let mut names = Vec::new();
            let entries = match std::fs::read_dir(self.root.join(&at)) {
                Ok(entries) => entries,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(self.io(&at)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(self.io(&at))?;
                let kind = entry.file_type().map_err(self.io(&at))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                if at.is_empty() && is_ours(&name) {
                    continue;
                }
                let key = format!("{at}{name}{}", if kind.is_dir() { "/" } else { "" });
                let under = key.starts_with(prefix) || (kind.is_dir() && prefix.starts_with(&key));
                let later = after
                    .is_none_or(|after| key.as_str() > after || (kind.is_dir() && after.starts_with(&key)));
                if under && later {
                    names.push(key);
                }
            }
            names.sort_unstable_by(|a, b| b.cmp(a));
            walk.append(&mut names);
        }
        Ok(found)
    }
}

fn is_ours(name: &str) -> bool {
    name == LOCK || name == INCOMING
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[async_trait]
impl ObjectStore for FolderStore {
    fn place(&self) -> &str {
        &self.inner.place
    }

    async fn read(&self, key: &str, bytes_max: u64) -> Result<Option<Object>, DoorError> {
        let key = key.to_owned();
        self.run(move |inner| inner.read(&key, bytes_max)).await
    }

    async fn poll(&self, key: &str, seen: Option<&ETag>, bytes_max: u64) -> Result<Polled, DoorError> {
        Ok(match self.read(key, bytes_max).await? {
            None => Polled::Absent,
            Some(object) if Some(&object.etag) == seen => Polled::Unchanged,
            Some(object) => Polled::Changed(object),
        })
    }

    async fn download(&self, key: &str, to: &Path, bytes_max: u64) -> Result<ETag, DoorError> {
        let (key, to) = (key.to_owned(), to.to_owned());
        self.run(move |inner| {
            let from = inner
                .open(&key, bytes_max)?
                .ok_or_else(|| DoorError::Absent { place: inner.place.clone(), thing: key.clone() })?;
            let local = |error: io::Error| DoorError::io(&to.display().to_string(), "the new file", &error);
            let mut file = OpenOptions::new().write(true).create_new(true).open(&to).map_err(local)?;
            let copied = io::copy(&mut from.take(bytes_max), &mut file).and_then(|_| file.sync_all());
            copied.and_then(|()| folders::digest_of(&to)).map(ETag).map_err(|error| {
                let _ = std::fs::remove_file(&to);
                local(error)
            })
        })
        .await
    }

    async fn write(&self, key: &str, bytes: Vec<u8>, when: PutIf) -> Result<ETag, DoorError> {
        let key = key.to_owned();
        self.run(move |inner| {
            inner.path(&key)?;
            let mut incoming = Incoming::begin(&inner.root).map_err(inner.io(&key))?;
            incoming.write_all(&bytes).map_err(inner.io(&key))?;
            inner.place(&key, incoming, &when)
        })
        .await
    }

    async fn upload(&self, key: &str, from: &Path, when: PutIf) -> Result<ETag, DoorError> {
        let (key, from) = (key.to_owned(), from.to_owned());
        self.run(move |inner| {
            inner.path(&key)?;
            let local = |error: io::Error| DoorError::io(&from.display().to_string(), "the file", &error);
            let mut file = File::open(&from).map_err(local)?;
            let mut incoming = Incoming::begin(&inner.root).map_err(inner.io(&key))?;
            incoming.take(&mut file).map_err(inner.io(&key))?;
            inner.place(&key, incoming, &when)
        })
        .await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ObjectHead>, DoorError> {
        let (prefix, after) = (prefix.to_owned(), after.map(|after| after.0.clone()));
        self.run(move |inner| {
            let limit = limit.clamp(1, PAGE_OBJECTS_MAX);
            let mut keys = inner.keys(&prefix, after.as_deref(), limit + 1)?;
            let more = keys.len() > limit;
            keys.truncate(limit);
            let next = keys.last().filter(|_| more).map(|last| Cursor(last.clone()));
            let mut rows = Vec::with_capacity(keys.len());
            for key in keys {
                let path = inner.root.join(&key);
                let head =
                    std::fs::metadata(&path).and_then(|metadata| Ok((metadata, folders::digest_of(&path)?)));
                match head {
                    Ok((metadata, digest)) => rows.push(ObjectHead {
                        key,
                        bytes: metadata.len(),
                        etag: ETag(digest),
                        modified_ms: folders::modified_ms(&metadata),
                    }),
                    // Removed meanwhile.
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(inner.io(&key)(error)),
                }
            }
            Ok(Page { rows, next })
        })
        .await
    }

    async fn remove(&self, key: &str) -> Result<(), DoorError> {
        let key = key.to_owned();
        self.run(move |inner| {
            let path = inner.path(&key)?;
            let _held = folders::lock(&inner.root).map_err(inner.io(LOCK))?;
            match std::fs::remove_file(&path) {
                Ok(()) => Ok(()),
                Err(error) if is_absent(&error) || path.is_dir() => Ok(()),
                Err(error) => Err(inner.io(&key)(error)),
            }
        })
        .await
    }

    async fn presigned(&self, key: &str, _valid_for: Duration) -> Result<String, DoorError> {
        let path = self.inner.path(key)?;
        let mut url = String::from("file://");
        for byte in path.as_os_str().as_encoded_bytes() {
            if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
                url.push(char::from(*byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        Ok(url)
    }
}
