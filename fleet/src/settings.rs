//! Which implementation stands behind a door: from a section of a configuration file, or from one word of a command line.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::log_table::embedded::EmbeddedTable;
use crate::objects::folder::FolderStore;
use crate::registry::folder::FolderRegistry;
use crate::{DoorError, LogTable, ObjectStore, Registry};

/// The log table; on a command line `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum LogTableSettings {
    /// A SQLite file.
    Embedded(PathSettings),
}

/// The object store; on a command line `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ObjectsSettings {
    /// A folder.
    Embedded(PathSettings),
}

/// The registry; on a command line `folder:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RegistrySettings {
    /// A folder.
    Embedded(PathSettings),
}

/// Something on this machine's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathSettings {
    /// The file or folder. Made where it is missing, for its owner and group.
    pub path: PathBuf,
}

impl LogTableSettings {
    /// Opens the table.
    ///
    /// # Errors
    /// As the implementation's opener.
    pub async fn open(&self) -> Result<Box<dyn LogTable>, DoorError> {
        match self {
            Self::Embedded(PathSettings { path }) => Ok(Box::new(EmbeddedTable::open(path)?)),
        }
    }
}

impl ObjectsSettings {
    /// Opens the store.
    ///
    /// # Errors
    /// As the implementation's opener.
    pub async fn open(&self) -> Result<Box<dyn ObjectStore>, DoorError> {
        match self {
            Self::Embedded(PathSettings { path }) => Ok(Box::new(FolderStore::open(path)?)),
        }
    }
}

impl RegistrySettings {
    /// Opens the registry.
    ///
    /// # Errors
    /// As the implementation's opener.
    pub async fn open(&self) -> Result<Box<dyn Registry>, DoorError> {
        match self {
            Self::Embedded(PathSettings { path }) => Ok(Box::new(FolderRegistry::open(path)?)),
        }
    }
}

impl FromStr for LogTableSettings {
    type Err = DoorError;

    fn from_str(text: &str) -> Result<Self, DoorError> {
        on_disk(text, &["sqlite"])
            .map(Self::Embedded)
            .ok_or_else(|| unknown("log table", text, "sqlite:PATH"))
    }
}

impl FromStr for ObjectsSettings {
    type Err = DoorError;

    fn from_str(text: &str) -> Result<Self, DoorError> {
        on_disk(text, &["file", "folder"])
            .map(Self::Embedded)
            .ok_or_else(|| unknown("object store", text, "file:PATH"))
    }
}

impl FromStr for RegistrySettings {
    type Err = DoorError;

    fn from_str(text: &str) -> Result<Self, DoorError> {
        on_disk(text, &["folder", "file"])
            .map(Self::Embedded)
            .ok_or_else(|| unknown("registry", text, "folder:PATH"))
    }
}

/// A path behind one of the words.
fn on_disk(text: &str, words: &[&str]) -> Option<PathSettings> {
    let (word, path) = text.split_once(':')?;
    (words.contains(&word) && !path.is_empty()).then(|| PathSettings { path: PathBuf::from(path) })
}

fn unknown(door: &str, text: &str, forms: &str) -> DoorError {
    DoorError::invalid("the settings", format!("{door} {text:?}"), format!("write it as {forms}"))
}

#[cfg(test)]
mod tests;
