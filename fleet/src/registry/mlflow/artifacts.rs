//! A run's files: through the server where it hands them out, straight to the bucket where it does not.

use std::path::Path;

use reqwest::{Body, Method};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::MlflowRegistry;
use crate::objects::s3::{S3Settings, S3Store};
use crate::objects::{ObjectStore, PutIf};
use crate::{DoorError, Registry};

/// Where a file among the artifacts is.
enum Way {
    /// The path behind the server's proxy.
    Proxy(String),
    /// A bucket and a key.
    Bucket(Box<S3Store>, String),
}

async fn way(registry: &MlflowRegistry, uri: &str) -> Result<Way, DoorError> {
    let wrong = |detail: &str| DoorError::invalid(registry.place(), format!("artifact {uri:?}"), detail);
    if uri.split('/').any(|part| part == "..") {
        return Err(wrong("it leaves its folder"));
    }
    if let Some(path) = uri.strip_prefix("mlflow-artifacts:") {
        // `mlflow-artifacts:/path`, or `mlflow-artifacts://host/path` of the same server.
        let path = match path.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => path,
        };
        return Ok(Way::Proxy(path.trim_matches('/').to_owned()));
    }
    if let Some((bucket, key)) = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
        let endpoint = registry.s3.endpoint.clone().or_else(|| std::env::var("MLFLOW_S3_ENDPOINT_URL").ok());
        let settings = S3Settings {
            bucket: bucket.to_owned(),
            region: registry.s3.region.clone(),
            endpoint,
            profile: registry.s3.profile.clone(),
            profile_file: registry.s3.profile_file.clone(),
            ..S3Settings::default()
        };
        return Ok(Way::Bucket(Box::new(S3Store::open(&settings).await?), key.to_owned()));
    }
    Err(wrong("it lies neither behind the server nor in S3; start the server with --artifacts-destination"))
}

/// Writes a file to its place among the artifacts.
pub(super) async fn send(registry: &MlflowRegistry, uri: &str, from: &Path) -> Result<(), DoorError> {
    match way(registry, uri).await? {
        Way::Bucket(store, key) => store.upload(&key, from, PutIf::Always).await.map(|_| ()),
        Way::Proxy(path) => {
            let local = |error| DoorError::io(&from.display().to_string(), "the file", &error);
            let file = File::open(from).await.map_err(local)?;
            let bytes = file.metadata().await.map_err(local)?.len();
            let request = registry.rest.artifact(Method::PUT, &path);
            let request = request.header("content-length", bytes).body(Body::from(file));
            registry.rest.send("the artifact", request).await.map(|_| ())
        }
    }
}

/// Reads a file of at most so many bytes into a new one; where it ends badly there is no file.
pub(super) async fn fetch(
    registry: &MlflowRegistry,
    uri: &str,
    to: &Path,
    bytes_max: u64,
) -> Result<(), DoorError> {
    let path = match way(registry, uri).await? {
        Way::Bucket(store, key) => return store.download(&key, to, bytes_max).await.map(|_| ()),
        Way::Proxy(path) => path,
    };
    let local = |error| DoorError::io(&to.display().to_string(), "the new file", &error);
    let mut answer = registry.rest.send("the artifact", registry.rest.artifact(Method::GET, &path)).await?;
    let too_large = |bytes: u64| DoorError::Damaged {
        place: registry.place().to_owned(),
        thing: uri.to_owned(),
        detail: format!("it has {bytes} bytes or more, at most {bytes_max} are read"),
    };
    if let Some(bytes) = answer.content_length().filter(|bytes| *bytes > bytes_max) {
        return Err(too_large(bytes));
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(to).await.map_err(local)?;
    let fill = async {
        let mut bytes = 0;
        while let Some(chunk) = answer.chunk().await.map_err(|error| registry.rest.broken(&error))? {
            bytes += chunk.len() as u64;
            if bytes > bytes_max {
                return Err(too_large(bytes));
            }
            file.write_all(&chunk).await.map_err(local)?;
        }
        file.sync_all().await.map_err(local)
    };
    let filled = fill.await;
    if filled.is_err() {
        let _ = tokio::fs::remove_file(to).await;
    }
    filled
}
