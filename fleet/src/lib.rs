//! The three doors to the centre: a table of logs, a store of objects, a registry of models. Each is a trait with an embedded
//! implementation (SQLite, folders) and a real one (DynamoDB, S3, MLflow), and whoever uses a door cannot tell which it is.
//!
//! Nothing here retries or waits: a [`DoorError`] says whether another attempt can help and when, and the caller decides.

pub mod enrolment;
pub mod health;
pub mod keys;
pub mod log_file;
pub mod log_table;
pub mod objects;
pub mod registry;
pub mod settings;

mod aws;
mod error;
mod folders;

pub use error::DoorError;
pub use log_table::LogTable;
pub use objects::ObjectStore;
pub use registry::Registry;
pub use settings::{AwsSettings, LogTableSettings, ObjectsSettings, RegistrySettings};

/// A part of a longer answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is in this part.
    pub rows: Vec<T>,
    /// Where the next part begins; none at the end.
    pub next: Option<Cursor>,
}

/// Where a page ended. Only the door that made it can read it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor(pub String);
