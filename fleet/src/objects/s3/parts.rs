//! Files in parts: each with its checksum, put together at the end under the condition, or taken back.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{S3Store, conditions, tag};
use crate::DoorError;
use crate::objects::{ETag, PutIf};

/// A file up to this size goes in one request.
const PART_BYTES: u64 = 8 << 20;
/// S3 takes 10,000 parts of one object.
const PARTS_MAX: u64 = 10_000;

pub(super) async fn upload(store: &S3Store, key: &str, from: &Path, when: &PutIf) -> Result<ETag, DoorError> {
    let whole = store.key(key)?;
    let local = |error: std::io::Error| DoorError::io(&from.display().to_string(), "the file", &error);
    let mut file = File::open(from).await.map_err(local)?;
    let bytes = file.metadata().await.map_err(local)?.len();
    if bytes <= PART_BYTES {
        let content = part(&mut file, bytes).await.map_err(local)?;
        return store.put(key, content, when).await;
    }
    store.look(key, when).await?;
    let begin = store.client.create_multipart_upload().bucket(&store.bucket).key(&whole);
    let begin = begin
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .set_server_side_encryption(store.encryption())
        .set_ssekms_key_id(store.kms_key.clone());
    let begun = begin.send().await.map_err(|error| store.error(key, &error))?;
    let id = begun.upload_id().unwrap_or_default().to_owned();
    let outcome = send_parts(store, key, &whole, &id, &mut file, bytes, from).await;
    let outcome = match outcome {
        Ok(parts) => complete(store, key, &whole, &id, parts, when).await,
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        // What cannot be taken back now, the bucket's rule for unfinished uploads takes back later.
        let abort = store.client.abort_multipart_upload().bucket(&store.bucket).key(&whole).upload_id(&id);
        if let Err(error) = abort.send().await {
            let error = store.error(key, &error);
            tracing::warn!(%error, "the parts of an unfinished upload stay in the bucket");
        }
    }
    outcome
}

async fn send_parts(
    store: &S3Store,
    key: &str,
    whole: &str,
    id: &str,
    file: &mut File,
    bytes: u64,
    from: &Path,
) -> Result<Vec<CompletedPart>, DoorError> {
    let size = PART_BYTES.max(bytes.div_ceil(PARTS_MAX));
    let (mut parts, mut sent) = (Vec::new(), 0);
    while sent < bytes {
        let length = size.min(bytes - sent);
        let content = part(file, length).await;
        let content =
            content.map_err(|error| DoorError::io(&from.display().to_string(), "the file", &error))?;
        let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
        let request = store.client.upload_part().bucket(&store.bucket).key(whole).upload_id(id);
        let request = request
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(content));
        let answer = request.send().await.map_err(|error| store.error(key, &error))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag);
        parts.push(part.set_checksum_sha256(answer.checksum_sha256).build());
        sent += length;
    }
    Ok(parts)
}

async fn complete(
    store: &S3Store,
    key: &str,
    whole: &str,
    id: &str,
    parts: Vec<CompletedPart>,
    when: &PutIf,
) -> Result<ETag, DoorError> {
    let (if_none_match, if_match) = conditions(when);
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let request = store.client.complete_multipart_upload().bucket(&store.bucket).key(whole).upload_id(id);
    let request = request.multipart_upload(parts).set_if_none_match(if_none_match).set_if_match(if_match);
    let answer = request.send().await.map_err(|error| store.refused(key, when, &error))?;
    Ok(tag(answer.e_tag()))
}

/// Exactly so many bytes: a file that shrinks meanwhile is an error.
async fn part(file: &mut File, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut content = vec![0; usize::try_from(bytes).map_err(std::io::Error::other)?];
    file.read_exact(&mut content).await?;
    Ok(content)
}
