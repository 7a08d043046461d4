//! `taphound-sync enroll`: a sensor joins a fleet by a token, without a server that would have to be there.
//!
//! The token says where the grant lies and which key signed it. The grant gives the sensor its name, the keys it may trust and
//! its settings. The sensor makes a key of its own and claims the grant under the condition that nobody has; so a token that was
//! copied is worth nothing once it is used, and the copy's owner shows.

use std::io::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet::DoorError;
use fleet::enrolment::{self, Claim, Grant};
use fleet::objects::PutIf;
use model::artifact::{PublicKey, SecretKey, Trust};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cli::EnrollArgs;
use crate::clock;
use crate::config;
use crate::doors::Doors;
use crate::fault::Fault;
use crate::{files, identity, report};

/// A token begins so.
pub const PREFIX: &str = "taphound-enrol-1:";
/// Clocks may be so far apart.
const SKEW_S: u64 = 3_600;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Where the grant can be read by whoever has this.
    pub url: String,
    /// The key that signed the grant, as a line.
    pub key: String,
}

impl Token {
    /// The token of a text.
    ///
    /// # Errors
    /// It is none.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let none = |e: &dyn std::fmt::Display| {
            Fault::BadData(format!(
                "this is no enrolment token ({e}); copy the whole line that `taphound-retrain enroll-token` printed"
            ))
        };
        let rest = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| none(&format!("it does not begin with {PREFIX}")))?;
        let bytes = URL_SAFE_NO_PAD.decode(rest).map_err(|e| none(&e))?;
        serde_json::from_slice(&bytes).map_err(|e| none(&e))
    }
}

/// Redeems a token.
///
/// # Errors
/// The token or its grant is not valid, somebody else has redeemed it, or a file cannot be written.
pub fn run(arguments: &EnrollArgs) -> Result<(), Fault> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Fault::Software(format!("no threads can be had ({e})")))?;
    runtime.block_on(redeem(arguments))
}

async fn redeem(arguments: &EnrollArgs) -> Result<(), Fault> {
    let text = match std::fs::read_to_string(&arguments.token) {
        Ok(text) => text,
        Err(_) => arguments.token.clone(),
    };
    let token = Token::read(&text)?;
    let key: PublicKey = token.key.parse().map_err(|e| Fault::BadData(format!("the token's key: {e}")))?;
    let (bytes, centre_s) = fetch(&token.url).await?;
    let grant: Grant = report::open(&bytes, &Trust::none().with_key(key)).map_err(|reason| {
        Fault::BadData(format!("the grant cannot be believed: {reason}; ask for a new token"))
    })?;
    let skew = check_time(&grant, clock::now_s(), centre_s)?;

    let settings_file = arguments.run.config.clone().unwrap_or_else(|| arguments.settings.join("sync.toml"));
    let sync_settings =
        format!("{}\n[identity]\ntoken = \"{}\"\n", grant.sync_settings.trim_end(), grant.token);
    let config = config::load_with(&settings_file, &sync_settings, "the grant's settings")
        .map_err(|e| Fault::Config(e.to_string()))?;
    let identity = identity::find_or_make(&config)?;
    claim(&config, &grant, &identity).await?;

    let mut written = Vec::new();
    for line in &grant.keys {
        let key: PublicKey = line.parse().map_err(|e| Fault::BadData(format!("a key of the grant: {e}")))?;
        let path = config.down.keys_dir.join(format!("{}.pub", key.id()));
        files::put(&path, &format!("{}\n", key.to_line()), 0o644)?;
        written.push(path);
    }
    for (path, text) in [
        (settings_file.with_file_name("sync.d").join("enrolled.toml"), &sync_settings),
        (arguments.settings.join("conf.d").join("enrolled.toml"), &grant.sensor_settings),
    ] {
        files::put(&path, text, 0o640)?;
        written.push(path);
    }
    let text = if arguments.json {
        json!({"sensor_id": grant.sensor_id, "identity": identity.public().to_line(), "files": written, "clock_skew_s": skew}).to_string()
    } else {
        let files: Vec<String> = written.iter().map(|path| format!("  {}", path.display())).collect();
        let skew = skew.filter(|s| s.abs() > 60).map_or(String::new(), |s| {
            let way = if s > 0 { "ahead of" } else { "behind" };
            format!("\nthis clock is {} s {way} the centre's: set it", s.abs())
        });
        format!(
            "enrolled as {} (identity {})\n{}{skew}\nnext: systemctl restart taphound taphound-sync",
            grant.sensor_id,
            identity.public().id(),
            files.join("\n")
        )
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// The grant's bytes, and the time at the centre when it tells.
async fn fetch(url: &str) -> Result<(Vec<u8>, Option<u64>), Fault> {
    let url: reqwest::Url = url.parse().map_err(|e| Fault::BadData(format!("the token's URL: {e}")))?;
    let too_large = || {
        Fault::BadData(format!(
            "the grant is larger than {} bytes; ask for a new token",
            enrolment::BYTES_MAX
        ))
    };
    if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| Fault::BadData("the token's URL names no file".into()))?;
        let size = std::fs::metadata(&path).map(|m| m.len());
        let bytes = size.and_then(|size| {
            if size > enrolment::BYTES_MAX { Ok(None) } else { std::fs::read(&path).map(Some) }
        });
        let bytes = bytes.map_err(|e| gone(&path.display().to_string(), &e.to_string()))?;
        return Ok((bytes.ok_or_else(too_large)?, None));
    }
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let client = client.map_err(|e| Fault::Software(format!("no HTTP client can be made ({e})")))?;
    let host = url.host_str().unwrap_or("?").to_owned();
    // The URL is a secret for a while: it is in no message.
    let away = |e: reqwest::Error| {
        Fault::TryAgain(format!("{host} does not answer ({}); check the network", e.without_url()))
    };
    let mut response = client.get(url).send().await.map_err(away)?;
    if !response.status().is_success() {
        return Err(gone(&host, &format!("it answered {}", response.status())));
    }
    let date = response.headers().get("date").and_then(|v| http_date(v.to_str().ok()?));
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > enrolment::BYTES_MAX {
            return Err(too_large());
        }
    }
    Ok((bytes, date))
}

fn gone(place: &str, detail: &str) -> Fault {
    Fault::Unavailable(format!(
        "{place}: the grant is not there ({detail}); the token was withdrawn or is too old: ask for a new one"
    ))
}

/// `Sat, 21 Nov 2026 16:30:45 GMT` as epoch seconds.
fn http_date(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts[..] else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|m| *m == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let clock: Vec<u64> = time.split(':').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let [h, m, s] = clock[..] else { return None };
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": days_from_civil.
    let y = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (y / 400, y % 400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (days.checked_sub(719_468)? * 86_400).checked_add(h.min(23) * 3_600 + m.min(59) * 60 + s.min(60))
}

/// How far this clock is ahead, seconds. The centre's own time decides where it is known; without it an hour is forgiven.
fn check_time(grant: &Grant, now_s: u64, centre_s: Option<u64>) -> Result<Option<i64>, Fault> {
    let (now_s, leeway, skew) = match centre_s {
        Some(centre) => (centre, 0, Some(now_s.cast_signed() - centre.cast_signed())),
        None => (now_s, SKEW_S, None),
    };
    if now_s >= grant.not_after_s.saturating_add(leeway) {
        let late = crate::status::span((now_s - grant.not_after_s) * 1_000_000);
        return Err(Fault::BadData(format!(
            "the token expired {late} ago; ask for a new one (or set this clock)"
        )));
    }
    if now_s + SKEW_S < grant.issued_s {
        let early = crate::status::span((grant.issued_s - now_s) * 1_000_000);
        return Err(Fault::BadData(format!("the token is from {early} ahead of this clock; set the clock")));
    }
    Ok(skew)
}

/// Puts the claim where there is none. One that is ours already is as good.
async fn claim(config: &config::Config, grant: &Grant, identity: &SecretKey) -> Result<(), Fault> {
    let doors = Doors::open(&config.centre).await?;
    let objects = doors.objects.ok_or_else(|| {
        Fault::Config(
            "the grant's settings name no `centre.objects`, where it has to be claimed; ask for a new token"
                .into(),
        )
    })?;
    let claim = Claim {
        token: grant.token.clone(),
        sensor_id: grant.sensor_id.clone(),
        public_key: identity.public().to_line(),
        at_s: clock::now_s(),
    };
    let key = enrolment::claim_key(&grant.token);
    let bytes = serde_json::to_vec(&claim).unwrap_or_default();
    match objects.write(&key, bytes, PutIf::Absent).await {
        Ok(_) => Ok(()),
        Err(DoorError::Conflict { .. }) => {
            let known = objects.read(&key, enrolment::BYTES_MAX).await?;
            let known: Option<Claim> = known.and_then(|object| serde_json::from_slice(&object.bytes).ok());
            match known {
                Some(known) if known.public_key == claim.public_key => Ok(()),
                _ => Err(Fault::NoPermission(format!(
                    "this token was redeemed before, by another machine; if that was not you, revoke {} and ask for a new token",
                    grant.sensor_id
                ))),
            }
        }
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read_as_they_are_written() {
        assert_eq!(http_date("Sat, 21 Nov 2026 16:30:45 GMT"), Some(1_795_278_645));
        assert_eq!(http_date("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
        for text in ["", "Sat, 21 Nov 2026 16:30:45 CET", "x, y z 1 2 GMT", "Sat, 21 Nov 99999 1:1:1 GMT"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn an_hour_of_skew_is_survived_and_told() {
        let grant = Grant {
            token: "t".into(),
            sensor_id: "s".into(),
            issued_s: 10_000,
            not_after_s: 20_000,
            keys: vec![],
            sensor_settings: String::new(),
            sync_settings: String::new(),
        };
        assert_eq!(check_time(&grant, 23_500, None).unwrap(), None);
        assert!(check_time(&grant, 23_601, None).unwrap_err().to_string().contains("expired"));
        assert_eq!(check_time(&grant, 23_700, Some(19_999)).unwrap(), Some(3_701));
        assert!(check_time(&grant, 5_000, Some(20_000)).is_err());
        assert_eq!(check_time(&grant, 6_500, None).unwrap(), None);
        assert!(check_time(&grant, 6_000, None).unwrap_err().to_string().contains("set the clock"));
    }

    #[test]
    fn what_is_no_token_is_told_so() {
        for text in ["", "hello", "taphound-enrol-1:%%%", "taphound-enrol-1:e30"] {
            assert!(Token::read(text).unwrap_err().to_string().contains("no enrolment token"), "{text}");
        }
    }
}
