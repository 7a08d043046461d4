//! Requests to MLflow and what its answers mean. Every answer is bounded before it is read.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde_json::Value;

use super::MlflowSettings;
use crate::DoorError;
use crate::aws::one_line;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// A secret in a file.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Who asks.
enum Identity {
    Nobody,
    User(String, String),
    Token(String),
}

/// A server of MLflow.
pub(super) struct Rest {
    client: Client,
    base: Url,
    identity: Identity,
    place: String,
}

impl Rest {
    pub(super) fn open(settings: &MlflowSettings) -> Result<Self, DoorError> {
        let wrong =
            |detail: &str| DoorError::invalid("the settings", format!("registry {:?}", settings.uri), detail);
        let base =
            Url::parse(settings.uri.trim_end_matches('/')).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(wrong("it is no http(s) URL"));
        }
        if base.password().is_some() {
            return Err(wrong(
                "a URL is no place for a password; use `password_file` or MLFLOW_TRACKING_PASSWORD",
            ));
        }
        // One crypto library in the program; who installed it first does not matter.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("taphound/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca_file {
            let pem = secret(path)?;
            let certificates = Certificate::from_pem_bundle(pem.as_bytes());
            client =
                client.tls_certs_merge(certificates.map_err(|error| wrong(&format!("ca_file: {error}")))?);
        }
        let client = client.build().map_err(|error| wrong(&error.to_string()))?;
        let place = format!("mlflow+{base}").trim_end_matches('/').to_owned();
        Ok(Self { client, identity: identity(settings)?, base, place })
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) async fn read(&self, call: &str, question: &[(&str, &str)]) -> Result<Value, DoorError> {
        let mut url = self.url(&format!("api/2.0/mlflow/{call}"));
        url.query_pairs_mut().extend_pairs(question);
        self.json(call, self.client.get(url)).await
    }

    pub(super) async fn post(&self, call: &str, body: &Value) -> Result<Value, DoorError> {
        self.json(call, self.client.post(self.url(&format!("api/2.0/mlflow/{call}"))).json(body)).await
    }

    pub(super) async fn delete(&self, call: &str, body: &Value) -> Result<Value, DoorError> {
        self.json(call, self.client.delete(self.url(&format!("api/2.0/mlflow/{call}"))).json(body)).await
    }

    /// A request for a file among the artifacts that the server hands out itself.
    pub(super) fn artifact(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(&format!("api/2.0/mlflow-artifacts/artifacts/{path}")))
    }

    /// Sends a request; an answer that is not a success is an error.
    pub(super) async fn send(&self, thing: &str, request: RequestBuilder) -> Result<Response, DoorError> {
        let request = match &self.identity {
            Identity::Nobody => request,
            Identity::User(name, password) => request.basic_auth(name, Some(password)),
            Identity::Token(token) => request.bearer_auth(token),
        };
        let answer = request.send().await.map_err(|error| self.broken(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let header = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let body = self.bounded(answer).await.unwrap_or_default();
        Err(self.refusal(thing, status, &body, retry_after))
    }

    async fn json(&self, call: &str, request: RequestBuilder) -> Result<Value, DoorError> {
        let answer = self.send(call, request).await?;
        let body = self.bounded(answer).await?;
        serde_json::from_slice(&body).map_err(|error| DoorError::Unavailable {
            place: self.place.clone(),
            detail: format!("the answer to {call} cannot be read: {error}"),
            retry_after: None,
        })
    }

    async fn bounded(&self, mut answer: Response) -> Result<Vec<u8>, DoorError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(DoorError::Damaged {
                    place: self.place.clone(),
                    thing: "an answer".into(),
                    detail: format!("it has more than {ANSWER_BYTES_MAX} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn broken(&self, error: &reqwest::Error) -> DoorError {
        // The chain says what the top only names.
        let mut detail = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(deeper) = cause {
            detail += &format!(": {deeper}");
            cause = deeper.source();
        }
        let (place, detail) = (self.place.clone(), one_line(&detail));
        match error.is_builder() {
            true => DoorError::Invalid { place, thing: "the request".into(), detail },
            false => DoorError::Unavailable { place, detail, retry_after: None },
        }
    }

    fn refusal(
        &self,
        thing: &str,
        status: StatusCode,
        body: &[u8],
        retry_after: Option<Duration>,
    ) -> DoorError {
        let said: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let (code, message) = (text(&said["error_code"]), text(&said["message"]));
        let detail = one_line(&format!("{thing}: {} {code} {message}", status.as_u16()));
        let (place, thing) = (self.place.clone(), thing.to_owned());
        match (status.as_u16(), code.as_str()) {
            (401 | 403, _) | (_, "PERMISSION_DENIED" | "UNAUTHENTICATED") => {
                DoorError::Denied { place, detail }
            }
            (_, "RESOURCE_ALREADY_EXISTS") => DoorError::Conflict { place, thing },
            (_, "TEMPORARILY_UNAVAILABLE" | "REQUEST_LIMIT_EXCEEDED" | "INTERNAL_ERROR")
            | (408 | 429 | 500.., _) => DoorError::Unavailable { place, detail, retry_after },
            (404, _) => DoorError::Absent { place, thing: detail },
            (409, _) => DoorError::Conflict { place, thing },
            // Without a code it is not MLflow that speaks: something between us refuses today.
            (_, "") => DoorError::Unavailable { place, detail, retry_after },
            _ => DoorError::Invalid { place, thing, detail },
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        url
    }
}

fn identity(settings: &MlflowSettings) -> Result<Identity, DoorError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let token = settings.token_file.as_deref().map(secret).transpose()?;
    if let Some(token) =
        token.or_else(|| variable("MLFLOW_TRACKING_TOKEN").filter(|_| settings.username.is_none()))
    {
        return Ok(Identity::Token(token));
    }
    let Some(name) = settings.username.clone().or_else(|| variable("MLFLOW_TRACKING_USERNAME")) else {
        return Ok(Identity::Nobody);
    };
    let password = settings.password_file.as_deref().map(secret).transpose()?;
    Ok(Identity::User(name, password.or_else(|| variable("MLFLOW_TRACKING_PASSWORD")).unwrap_or_default()))
}

fn secret(path: &Path) -> Result<String, DoorError> {
    use std::io::Read;
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| DoorError::io(&path.display().to_string(), "the file", &error))?;
    Ok(text.trim_end().to_owned())
}

/// A text of an answer, whether it is written as one or as a number.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A whole number of an answer, whether it is written as one or as a text.
pub(super) fn whole(value: &Value) -> u64 {
    text(value).parse().unwrap_or(0)
}

/// Tags of an answer: a list of `{key, value}`.
pub(super) fn map(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_array().into_iter().flatten();
    entries.map(|entry| (text(&entry["key"]), text(&entry["value"]))).collect()
}

#[cfg(test)]
mod tests;
