//! Objects in S3 or in what speaks its language: checksums both ways, large files in parts, conditions held by the server.

mod parts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ServerSideEncryption};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use super::{
    ETag, KEY_BYTES_MAX, Object, ObjectHead, ObjectStore, PAGE_OBJECTS_MAX, Polled, PutIf, check_key,
    too_large,
};
use crate::aws::{AwsSettings, door_error};
use crate::{Cursor, DoorError, Page};

/// S3 signs no URL for longer.
const PRESIGNED_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Which bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// Name of the bucket.
    pub bucket: String,
    /// What every key begins with, without a slash at its ends.
    #[serde(default)]
    pub prefix: String,
    /// Region.
    pub region: Option<String>,
    /// URL of a server that is not AWS's own.
    pub endpoint: Option<String>,
    /// Profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// File with profiles in the place of `~/.aws/config`.
    pub profile_file: Option<PathBuf>,
    /// The bucket's name goes into the path of URLs, not into the host's name; without it: where there is an endpoint.
    pub path_style: Option<bool>,
    /// KMS key by which objects are encrypted; without it the bucket's own rule applies.
    pub kms_key: Option<String>,
}

/// Objects in a bucket.
pub struct S3Store {
    client: Client,
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
    kms_key: Option<String>,
    place: String,
}

impl S3Store {
    /// Prepares to ask the bucket; nothing is asked yet.
    ///
    /// # Errors
    /// [`DoorError::Invalid`] when the settings name no region, a wrong endpoint or a wrong prefix.
    pub async fn open(settings: &S3Settings) -> Result<Self, DoorError> {
        let prefix = settings.prefix.trim_matches('/');
        let place = format!("s3://{}", [&settings.bucket, prefix].join("/").trim_end_matches('/'));
        if settings.bucket.is_empty() {
            return Err(DoorError::invalid("the settings", &place, "the bucket has no name"));
        }
        let prefix = match prefix {
            "" => String::new(),
            prefix => {
                check_key(&place, prefix)?;
                format!("{prefix}/")
            }
        };
        let aws = AwsSettings {
            region: settings.region.clone(),
            endpoint: settings.endpoint.clone(),
            profile: settings.profile.clone(),
            profile_file: settings.profile_file.clone(),
        };
        let config = aws.load(&place).await?;
        let path_style = settings.path_style.unwrap_or(settings.endpoint.is_some());
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
        let (bucket, kms_key) = (settings.bucket.clone(), settings.kms_key.clone());
        Ok(Self { client: Client::from_conf(config), bucket, prefix, kms_key, place })
    }

    fn key(&self, key: &str) -> Result<String, DoorError> {
        check_key(&self.place, key)?;
        let whole = format!("{}{key}", self.prefix);
        if whole.len() > KEY_BYTES_MAX {
            let detail = format!("with its prefix it has {} bytes, at most {KEY_BYTES_MAX}", whole.len());
            return Err(DoorError::invalid(&self.place, format!("key {key:?}"), detail));
        }
        Ok(whole)
    }

    fn error<E>(&self, key: &str, error: &SdkError<E, HttpResponse>) -> DoorError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        door_error(&self.place, key, error)
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }

    /// Asks for an object unless it is the one that was seen.
    async fn get(&self, key: &str, seen: Option<&ETag>) -> Result<Got, DoorError> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.key(key)?);
        let request = request.checksum_mode(ChecksumMode::Enabled).set_if_none_match(seen.map(quoted));
        match request.send().await {
            Ok(answer) => Ok(Got::Object(Box::new(answer))),
            Err(error) if status(&error) == Some(304) => Ok(Got::Unchanged),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => Ok(Got::Absent),
            Err(error) => Err(self.error(key, &error)),
        }
    }

    /// The body, refused as soon as it is larger than it may be or than it said.
    async fn body(&self, key: &str, answer: GetObjectOutput, bytes_max: u64) -> Result<Object, DoorError> {
        let (etag, expected) = (tag(answer.e_tag.as_deref()), self.expected(key, &answer, bytes_max)?);
        let mut bytes = Vec::with_capacity(usize::try_from(expected.unwrap_or(0)).unwrap_or(0));
        let mut body = answer.body;
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| self.cut(key, &error))?);
            if bytes.len() as u64 > bytes_max {
                return Err(too_large(&self.place, key, bytes.len() as u64, bytes_max));
            }
        }
        self.whole(key, expected, bytes.len() as u64)?;
        Ok(Object { bytes, etag })
    }

    fn expected(
        &self,
        key: &str,
        answer: &GetObjectOutput,
        bytes_max: u64,
    ) -> Result<Option<u64>, DoorError> {
        let expected = answer.content_length.and_then(|length| u64::try_from(length).ok());
        match expected {
            Some(bytes) if bytes > bytes_max => Err(too_large(&self.place, key, bytes, bytes_max)),
            expected => Ok(expected),
        }
    }

    fn whole(&self, key: &str, expected: Option<u64>, bytes: u64) -> Result<(), DoorError> {
        match expected {
            Some(expected) if expected != bytes => {
                Err(self.cut(key, &format!("{bytes} of {expected} bytes arrived")))
            }
            _ => Ok(()),
        }
    }

    /// What broke on its way may arrive next time.
    fn cut(&self, key: &str, why: &dyn std::fmt::Display) -> DoorError {
        let detail = crate::aws::one_line(&format!("reading {key}: {why}"));
        DoorError::Unavailable { place: self.place.clone(), detail, retry_after: None }
    }

    /// Looks before a conditional write. The server holds the condition itself where it can; some ignore it, and there this look is
    /// all there is.
    async fn look(&self, key: &str, when: &PutIf) -> Result<(), DoorError> {
        if *when == PutIf::Always {
            return Ok(());
        }
        let held = match self.held(key).await {
            // Who may write but not look leaves it to the server.
            Err(DoorError::Denied { .. }) => return Ok(()),
            held => held?,
        };
        let holds = match (when, &held) {
            (PutIf::Always, _) | (PutIf::Absent, None) => true,
            (PutIf::Absent, Some(_)) | (PutIf::Unchanged(_), None) => false,
            (PutIf::Unchanged(seen), Some(held)) => seen == held,
        };
        if holds { Ok(()) } else { Err(self.conflict(key)) }
    }

    /// The tag of the object that is there.
    async fn held(&self, key: &str) -> Result<Option<ETag>, DoorError> {
        match self.client.head_object().bucket(&self.bucket).key(self.key(key)?).send().await {
            Ok(answer) => Ok(Some(tag(answer.e_tag()))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.error(key, &error)),
        }
    }

    fn conflict(&self, key: &str) -> DoorError {
        DoorError::Conflict { place: self.place.clone(), thing: key.to_owned() }
    }

    /// What a refused write means: an object that went away is a condition that does not hold.
    fn refused<E>(&self, key: &str, when: &PutIf, error: &SdkError<E, HttpResponse>) -> DoorError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let gone = matches!(when, PutIf::Unchanged(_)) && error.code() == Some("NoSuchKey");
        if gone { self.conflict(key) } else { self.error(key, error) }
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, when: &PutIf) -> Result<ETag, DoorError> {
        let whole = self.key(key)?;
        self.look(key, when).await?;
        let (if_none_match, if_match) = conditions(when);
        let request = self.client.put_object().bucket(&self.bucket).key(whole).body(ByteStream::from(bytes));
        let request = request
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .set_if_none_match(if_none_match)
            .set_if_match(if_match);
        let answer = request.send().await.map_err(|error| self.refused(key, when, &error))?;
        Ok(tag(answer.e_tag()))
    }
}

enum Got {
    Object(Box<GetObjectOutput>),
    Unchanged,
    Absent,
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Tags travel in quotes; some servers forget them.
fn tag(etag: Option<&str>) -> ETag {
    ETag(etag.unwrap_or("").trim_matches('"').to_owned())
}

fn quoted(etag: &ETag) -> String {
    format!("\"{}\"", etag.0)
}

/// `If-None-Match` and `If-Match`.
fn conditions(when: &PutIf) -> (Option<String>, Option<String>) {
    match when {
        PutIf::Always => (None, None),
        PutIf::Absent => (Some("*".to_owned()), None),
        PutIf::Unchanged(seen) => (None, Some(quoted(seen))),
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    fn place(&self) -> &str {
        &self.place
    }

    async fn read(&self, key: &str, bytes_max: u64) -> Result<Option<Object>, DoorError> {
        match self.get(key, None).await? {
            Got::Object(answer) => self.body(key, *answer, bytes_max).await.map(Some),
            Got::Absent | Got::Unchanged => Ok(None),
        }
    }

    async fn poll(&self, key: &str, seen: Option<&ETag>, bytes_max: u64) -> Result<Polled, DoorError> {
        match self.get(key, seen).await? {
            Got::Unchanged => Ok(Polled::Unchanged),
            Got::Absent => Ok(Polled::Absent),
            // A server that ignores the condition sends it again.
            Got::Object(answer) if seen.is_some_and(|seen| *seen == tag(answer.e_tag())) => {
                Ok(Polled::Unchanged)
            }
            Got::Object(answer) => self.body(key, *answer, bytes_max).await.map(Polled::Changed),
        }
    }

    async fn download(&self, key: &str, to: &Path, bytes_max: u64) -> Result<ETag, DoorError> {
        let Got::Object(answer) = self.get(key, None).await? else {
            return Err(DoorError::Absent { place: self.place.clone(), thing: key.to_owned() });
        };
        let (etag, expected) = (tag(answer.e_tag()), self.expected(key, &answer, bytes_max)?);
        let local = |error: std::io::Error| DoorError::io(&to.display().to_string(), "the new file", &error);
        let file = tokio::fs::OpenOptions::new().write(true).create_new(true).open(to).await;
        let mut file = file.map_err(local)?;
        let fill = async {
            let (mut body, mut bytes) = (answer.body, 0_u64);
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| self.cut(key, &error))?;
                bytes += chunk.len() as u64;
                if bytes > bytes_max {
                    return Err(too_large(&self.place, key, bytes, bytes_max));
                }
                file.write_all(&chunk).await.map_err(local)?;
            }
            self.whole(key, expected, bytes)?;
            file.sync_all().await.map_err(local)
        };
        let filled = fill.await;
        if filled.is_err() {
            let _ = tokio::fs::remove_file(to).await;
        }
        filled.map(|()| etag)
    }

    async fn write(&self, key: &str, bytes: Vec<u8>, when: PutIf) -> Result<ETag, DoorError> {
        self.put(key, bytes, &when).await
    }

    async fn upload(&self, key: &str, from: &Path, when: PutIf) -> Result<ETag, DoorError> {
        parts::upload(self, key, from, &when).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ObjectHead>, DoorError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{prefix}", self.prefix))
            .max_keys(i32::try_from(limit.clamp(1, PAGE_OBJECTS_MAX)).unwrap_or(1))
            .set_continuation_token(after.map(|after| after.0.clone()));
        let answer = request.send().await.map_err(|error| self.error(prefix, &error))?;
        let more = answer.is_truncated() == Some(true);
        let next = answer.next_continuation_token().filter(|_| more).map(|token| Cursor(token.to_owned()));
        let head = |object: &aws_sdk_s3::types::Object| {
            let key = object.key()?.strip_prefix(&self.prefix)?.to_owned();
            // Others may keep what is no key of ours, such as the empty objects that stand for folders.
            check_key(&self.place, &key).ok()?;
            let modified_ms = object.last_modified()?.to_millis().ok()?;
            Some(ObjectHead {
                key,
                bytes: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
                etag: tag(object.e_tag()),
                modified_ms: u64::try_from(modified_ms).unwrap_or(0),
            })
        };
        let mut rows: Vec<ObjectHead> = answer.contents().iter().filter_map(head).collect();
        // Some servers that speak S3 leave the tags out of their lists.
        for row in rows.iter_mut().filter(|row| row.etag.0.is_empty()) {
            row.etag = self.held(&row.key).await?.unwrap_or_else(|| tag(None));
        }
        Ok(Page { rows, next })
    }

    async fn remove(&self, key: &str) -> Result<(), DoorError> {
        match self.client.delete_object().bucket(&self.bucket).key(self.key(key)?).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(self.error(key, &error)),
        }
    }

    async fn presigned(&self, key: &str, valid_for: Duration) -> Result<String, DoorError> {
        let whole = self.key(key)?;
        let wrong = |detail: String| DoorError::invalid(&self.place, "the presigned URL", detail);
        if valid_for > PRESIGNED_MAX {
            return Err(wrong("it can be valid for seven days at most".into()));
        }
        let config = PresigningConfig::expires_in(valid_for).map_err(|error| wrong(error.to_string()))?;
        let request = self.client.get_object().bucket(&self.bucket).key(whole).presigned(config).await;
        Ok(request.map_err(|error| self.error(key, &error))?.uri().to_owned())
    }
}
