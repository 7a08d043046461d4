//! Which implementation stands behind a door: from a section of a configuration file, or from one word of a command line.

use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::log_table::{dynamodb::DynamoTable, embedded::EmbeddedTable};
use crate::objects::{folder::FolderStore, s3::S3Store};
use crate::registry::{folder::FolderRegistry, mlflow::MlflowRegistry};
use crate::{DoorError, LogTable, ObjectStore, Registry};

pub use crate::aws::AwsSettings;
pub use crate::log_table::dynamodb::DynamoSettings;
pub use crate::objects::s3::S3Settings;
pub use crate::registry::mlflow::MlflowSettings;

/// The log table; on a command line `sqlite:PATH` or `dynamodb://TABLE[?region=...&endpoint=...&profile=...]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum LogTableSettings {
    /// A SQLite file.
    Embedded(PathSettings),
    /// A table in DynamoDB.
    Dynamodb(DynamoSettings),
}

/// The object store; on a command line `file:PATH` or `s3://BUCKET[/PREFIX][?region=...&endpoint=...&profile=...&path_style=...]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ObjectsSettings {
    /// A folder.
    Embedded(PathSettings),
    /// A bucket.
    S3(S3Settings),
}

/// The registry; on a command line `folder:PATH` or `mlflow+http(s)://[USER@]HOST[:PORT][/PATH]`, or plain `http(s)://...` as in
/// `MLFLOW_TRACKING_URI`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RegistrySettings {
    /// A folder.
    Embedded(PathSettings),
    /// A server of MLflow.
    Mlflow(Box<MlflowSettings>),
}

/// Something on this machine's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathSettings {
    /// The file or folder. Made where it is missing, for its owner and group.
    pub path: PathBuf,
}

impl LogTableSettings {
    /// Opens the table. One that lies elsewhere is not asked anything yet.
    ///
    /// # Errors
    /// As the implementation's opener.
    pub async fn open(&self) -> Result<Box<dyn LogTable>, DoorError> {
        Ok(match self {
            Self::Embedded(PathSettings { path }) => Box::new(EmbeddedTable::open(path)?),
            Self::Dynamodb(settings) => Box::new(DynamoTable::open(settings).await?),
        })
    }
}

impl ObjectsSettings {
    /// Opens the store. One that lies elsewhere is not asked anything yet.
    ///
    /// # Errors
    /// As the implementation's opener.
    pub async fn open(&self) -> Result<Box<dyn ObjectStore>, DoorError> {
        Ok(match self {
            Self::Embedded(PathSettings { path }) => Box::new(FolderStore::open(path)?),
            Self::S3(settings) => Box::new(S3Store::open(settings).await?),
        })
    }
}

impl RegistrySettings {
    /// Opens the registry. One that lies elsewhere is not asked anything yet.
    ///
    /// # Errors
    /// As the implementation's opener.
    pub async fn open(&self) -> Result<Box<dyn Registry>, DoorError> {
        Ok(match self {
            Self::Embedded(PathSettings { path }) => Box::new(FolderRegistry::open(path)?),
            Self::Mlflow(settings) => Box::new(MlflowRegistry::open(settings)?),
        })
    }
}

impl FromStr for LogTableSettings {
    type Err = DoorError;

    fn from_str(text: &str) -> Result<Self, DoorError> {
        if let Some(path) = on_disk(text, &["sqlite"]) {
            return Ok(Self::Embedded(path));
        }
        let wrong = || unknown("log table", text, "sqlite:PATH or dynamodb://TABLE?region=REGION");
        let url =
            elsewhere(text, "dynamodb").filter(|url| matches!(url.path(), "" | "/")).ok_or_else(wrong)?;
        let mut settings = DynamoSettings {
            table: url.host_str().unwrap_or_default().to_owned(),
            ..DynamoSettings::default()
        };
        for (key, value) in url.query_pairs() {
            let place = match &*key {
                "region" => &mut settings.region,
                "endpoint" => &mut settings.endpoint,
                "profile" => &mut settings.profile,
                _ => return Err(wrong()),
            };
            *place = Some(value.into_owned());
        }
        Ok(Self::Dynamodb(settings))
    }
}

impl FromStr for ObjectsSettings {
    type Err = DoorError;

    fn from_str(text: &str) -> Result<Self, DoorError> {
        if let Some(path) = on_disk(text, &["file", "folder"]) {
            return Ok(Self::Embedded(path));
        }
        let wrong = || unknown("object store", text, "file:PATH or s3://BUCKET/PREFIX?region=REGION");
        let url = elsewhere(text, "s3").ok_or_else(wrong)?;
        let mut settings = S3Settings {
            bucket: url.host_str().unwrap_or_default().to_owned(),
            prefix: crate::keys::name(url.path().trim_matches('/')).ok_or_else(wrong)?,
            ..S3Settings::default()
        };
        for (key, value) in url.query_pairs() {
            let place = match &*key {
                "region" => &mut settings.region,
                "endpoint" => &mut settings.endpoint,
                "profile" => &mut settings.profile,
                "kms_key" => &mut settings.kms_key,
                "path_style" => {
                    settings.path_style = Some(value.parse().map_err(|_| wrong())?);
                    continue;
                }
                _ => return Err(wrong()),
            };
            *place = Some(value.into_owned());
        }
        Ok(Self::S3(settings))
    }
}

impl FromStr for RegistrySettings {
    type Err = DoorError;

    fn from_str(text: &str) -> Result<Self, DoorError> {
        if let Some(path) = on_disk(text, &["folder", "file"]) {
            return Ok(Self::Embedded(path));
        }
        let wrong = || unknown("registry", text, "folder:PATH or mlflow+https://HOST:PORT");
        let uri = text.strip_prefix("mlflow+").unwrap_or(text);
        let mut url =
            Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        let username = Some(url.username().to_owned()).filter(|name| !name.is_empty());
        url.set_username("").map_err(|()| wrong())?;
        let uri = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self::Mlflow(Box::new(MlflowSettings { username, ..MlflowSettings::at(uri) })))
    }
}

/// A path behind one of the words.
fn on_disk(text: &str, words: &[&str]) -> Option<PathSettings> {
    let (word, path) = text.split_once(':')?;
    (words.contains(&word) && !path.is_empty()).then(|| PathSettings { path: PathBuf::from(path) })
}

/// A URL of the scheme, with a name where a host would be and neither user nor port.
fn elsewhere(text: &str, scheme: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == scheme)?;
    let named = url.host_str().is_some_and(|name| !name.is_empty());
    (named && url.username().is_empty() && url.password().is_none() && url.port().is_none()).then_some(url)
}

fn unknown(door: &str, text: &str, forms: &str) -> DoorError {
    DoorError::invalid("the settings", format!("{door} {text:?}"), format!("write it as {forms}"))
}

#[cfg(test)]
mod tests;
