//! What both AWS doors share: credentials by the default chain, one TLS stack, no retries, and what an answer means.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde::{Deserialize, Serialize};

use crate::DoorError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the request's first byte to the answer's first: the longest is the completion of a large upload.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);

/// Where an AWS service is and who asks it. What is left out comes from the environment, as for every AWS program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsSettings {
    /// Region.
    pub region: Option<String>,
    /// URL of a server that is not AWS's own.
    pub endpoint: Option<String>,
    /// Profile: credentials by role, process, web identity.
    pub profile: Option<String>,
    /// File with profiles, written as `~/.aws/config`, which it stands for; such as one that systemd hands over.
    pub profile_file: Option<PathBuf>,
}

impl AwsSettings {
    /// The SDK's configuration. Credentials are looked for at the first request, not here.
    pub(crate) async fn load(&self, place: &str) -> Result<SdkConfig, DoorError> {
        let client = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(path) = &self.profile_file {
            if !path.is_file() {
                let detail = format!("profile_file {} is no file", path.display());
                return Err(DoorError::invalid("the settings", place, detail));
            }
            let files = EnvConfigFiles::builder().with_file(EnvConfigFileKind::Config, path).build();
            loader = loader.profile_files(files);
        }
        if let Some(endpoint) = &self.endpoint {
            check_endpoint(place, endpoint)?;
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        if config.region().is_some() {
            return Ok(config);
        }
        if self.endpoint.is_none() {
            let detail = "no region is known; set `region`, or AWS_REGION, or one in the profile";
            return Err(DoorError::invalid("the settings", place, detail));
        }
        // A server that is not AWS's own takes any, but signatures need one.
        Ok(config.into_builder().region(Region::new("us-east-1")).build())
    }
}

fn check_endpoint(place: &str, endpoint: &str) -> Result<(), DoorError> {
    let url = reqwest::Url::parse(endpoint).ok();
    if url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        return Ok(());
    }
    Err(DoorError::invalid("the settings", place, format!("endpoint {endpoint:?} is no http(s) URL")))
}

/// What a failed request means to the caller. `thing` is what the request was about.
pub(crate) fn door_error<E>(place: &str, thing: &str, error: &SdkError<E, HttpResponse>) -> DoorError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (place, detail) = (place.to_owned(), one_line(&DisplayErrorContext(error).to_string()));
    let unavailable =
        |detail, retry_after| DoorError::Unavailable { place: place.clone(), detail, retry_after };
    match error {
        SdkError::ServiceError(context) => {
            let (status, code) = (context.raw().status().as_u16(), context.err().code().unwrap_or(""));
            let said = context.err().message().unwrap_or("");
            let detail = one_line(&format!("{status} {code} {said}"));
            match meaning(status, code) {
                Meaning::Later => unavailable(detail, retry_after(context.raw())),
                Meaning::Denied => DoorError::Denied { place, detail },
                Meaning::Absent => DoorError::Absent { place, thing: format!("{thing} ({detail})") },
                Meaning::Conflict => DoorError::Conflict { place, thing: thing.to_owned() },
                Meaning::Wrong => DoorError::Invalid { place, thing: thing.to_owned(), detail },
            }
        }
        // An answer that cannot be read was damaged on its way, or comes from something between.
        SdkError::ResponseError(context) => unavailable(detail, retry_after(context.raw())),
        SdkError::ConstructionFailure(_) => DoorError::Invalid { place, thing: thing.to_owned(), detail },
        _ if lacks_credentials(&detail) => DoorError::Denied { place, detail },
        _ => unavailable(detail, None),
    }
}

enum Meaning {
    Later,
    Denied,
    Absent,
    Conflict,
    Wrong,
}

fn meaning(status: u16, code: &str) -> Meaning {
    match code {
        "ThrottlingException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "ResourceInUseException"
        | "TransactionInProgressException"
        | "RequestTimeout"
        | "SlowDown"
        | "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "IncompleteBody" => Meaning::Later,
        "ResourceNotFoundException" | "NoSuchBucket" | "NoSuchKey" => Meaning::Absent,
        "ConditionalCheckFailedException" | "PreconditionFailed" | "ConditionalRequestConflict" => {
            Meaning::Conflict
        }
        code if DENIALS.contains(&code) => Meaning::Denied,
        _ => match status {
            401 | 403 => Meaning::Denied,
            404 => Meaning::Absent,
            409 | 412 => Meaning::Conflict,
            408 | 429 | 500.. => Meaning::Later,
            // An answer without a code is not the service's: something between us refuses today.
            _ if code.is_empty() => Meaning::Later,
            _ => Meaning::Wrong,
        },
    }
}

const DENIALS: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    response.headers().get("retry-after")?.parse().ok().map(Duration::from_secs)
}

fn lacks_credentials(detail: &str) -> bool {
    ["CredentialsNotLoaded", "no providers in chain", "credential provider", "InvalidConfiguration"]
        .iter()
        .any(|sign| detail.contains(sign))
}

/// What a server said, fit for one line of a log.
pub(crate) fn one_line(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > 400 {
        let end = (0..=400).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(end);
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests;
