//! The door to the store of objects: bytes under keys, changed only under the conditions that the caller names.

pub mod folder;
pub mod s3;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Cursor, DoorError, Page};

/// Identifies one content of one key; equal tags, equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ETag(pub String);

/// An object and the tag of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their tag.
    pub etag: ETag,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// Tag of its content.
    pub etag: ETag,
    /// When it was written, ms since the epoch, by the store's clock.
    pub modified_ms: u64,
}

/// Under which condition an object is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutIf {
    /// In any case.
    Always,
    /// Only where there is none.
    Absent,
    /// Only over this content.
    Unchanged(ETag),
}

/// Answer to a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// The content is still that of the tag.
    Unchanged,
    /// There is no object.
    Absent,
    /// Another content.
    Changed(Object),
}

/// The store. Keys are relative, with `/` between their parts; `..` and empty parts are refused.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// What to call the place in messages: `s3://bucket/prefix`, a folder.
    fn place(&self) -> &str;

    /// Reads an object of at most `bytes_max`; none where there is none. A larger one is [`DoorError::Damaged`].
    async fn read(&self, key: &str, bytes_max: u64) -> Result<Option<Object>, DoorError>;

    /// Reads an object unless its content is still that of `seen`.
    async fn poll(&self, key: &str, seen: Option<&ETag>, bytes_max: u64) -> Result<Polled, DoorError>;

    /// Reads an object of at most `bytes_max` into a new file; where it ends badly there is no file.
    async fn download(&self, key: &str, to: &Path, bytes_max: u64) -> Result<ETag, DoorError>;

    /// Writes an object with its checksum; [`DoorError::Conflict`] when the condition does not hold.
    async fn write(&self, key: &str, bytes: Vec<u8>, when: PutIf) -> Result<ETag, DoorError>;

    /// Writes a file, in parts when it is large.
    async fn upload(&self, key: &str, from: &Path, when: PutIf) -> Result<ETag, DoorError>;

    /// Objects whose keys begin with `prefix`, by key.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ObjectHead>, DoorError>;

    /// Removes an object; nothing happens where there is none.
    async fn remove(&self, key: &str) -> Result<(), DoorError>;

    /// A URL by which anybody may read the object for a while; for a folder, a `file:` URL.
    async fn presigned(&self, key: &str, valid_for: Duration) -> Result<String, DoorError>;
}

/// Longest key, as in S3.
pub const KEY_BYTES_MAX: usize = 1024;
/// Objects a page, as in S3.
pub const PAGE_OBJECTS_MAX: usize = 1000;

/// Keys are relative paths of plain parts: what a folder and S3 understand alike.
fn check_key(place: &str, key: &str) -> Result<(), DoorError> {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.len() > 255;
    let refused =
        key.len() > KEY_BYTES_MAX || key.contains(['\0', '\\', '\n', '\r']) || key.split('/').any(bad);
    if refused {
        let detail = "a key is a relative path without empty parts, `.` and `..`, of at most 1024 bytes";
        return Err(DoorError::invalid(place, format!("key {key:?}"), detail));
    }
    Ok(())
}

fn too_large(place: &str, key: &str, bytes: u64, bytes_max: u64) -> DoorError {
    let detail = format!("it has {bytes} bytes, at most {bytes_max} are read");
    DoorError::Damaged { place: place.to_owned(), thing: key.to_owned(), detail }
}
