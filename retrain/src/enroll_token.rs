//! `enroll-token`: a sensor is let into the fleet, or put out of it, by a signed object; no server has to be there.

use crate::failure::{Failure, read_file, write_file};
use crate::report;
use ::fleet::enrolment::{self, Grant, Revocation, Signed};
use ::fleet::objects::PutIf;
use ::fleet::{DoorError, ObjectStore, ObjectsSettings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use model::artifact::{PublicKey, SecretKey};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// How a token begins; `taphound-sync enroll` reads it.
const PREFIX: &str = "taphound-enrol-1:";

/// Whom to let in, and by what.
#[derive(Debug, Args)]
pub(crate) struct EnrollTokenArgs {
    /// Name of the sensor in the fleet
    #[arg(value_name = "SENSOR")]
    sensor: String,
    /// The object store (`file:PATH`, or a bucket)
    #[arg(long, value_name = "STORE")]
    objects: ObjectsSettings,
    /// Sign with this secret key (a file that `keygen` made)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Public keys that the sensor shall trust, beside the one that signs
    #[arg(long, num_args = 1.., value_name = "FILE")]
    trust: Vec<PathBuf>,
    /// Settings for taphound-sync (TOML); must name `centre.objects` as the sensor reaches it
    #[arg(long, value_name = "FILE")]
    sync_settings: Option<PathBuf>,
    /// Further settings for the sensor (TOML)
    #[arg(long, value_name = "FILE")]
    sensor_settings: Option<PathBuf>,
    /// Hours that the token is good for, at most 168
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168), value_name = "N")]
    hours: u32,
    /// Put the sensor out of the fleet, for this reason, in place of letting it in
    #[arg(long, value_name = "REASON", conflicts_with_all = ["trust", "sync_settings", "sensor_settings"])]
    revoke: Option<String>,
    /// Write the token into this file, in place of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Writes the object and prints the token.
pub(crate) fn run(args: &EnrollTokenArgs) -> Result<(), Failure> {
    let odd = |c: char| "|/# \"\\".contains(c) || c.is_control();
    if args.sensor.is_empty() || args.sensor.len() > 64 || args.sensor.contains(odd) {
        let fault = "use at most 64 characters, without spaces, quotes, `|`, `/`, `\\` and `#`";
        return Err(Failure::usage(format!("`{}` is no name of a sensor: {fault}", args.sensor)));
    }
    let text = String::from_utf8(read_file(&args.key)?)
        .map_err(|e| Failure::data(format!("{}: {e}", args.key.display())))?;
    let key: SecretKey = text.parse().map_err(|e| Failure::data(format!("{}: {e}", args.key.display())))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(Failure::software)?.block_on(async {
        let objects = args.objects.open().await.map_err(door)?;
        match &args.revoke {
            Some(reason) => revoke(args, &*objects, &key, reason).await,
            None => grant(args, &*objects, &key).await,
        }
    })
}

async fn grant(args: &EnrollTokenArgs, objects: &dyn ObjectStore, key: &SecretKey) -> Result<(), Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(Failure::software)?;
    let token: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut keys = vec![key.public().to_line()];
    for path in &args.trust {
        let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
        let trusted: PublicKey =
            text.parse().map_err(|e| Failure::data(format!("{}: {e}", path.display())))?;
        keys.push(trusted.to_line());
    }
    let settings = |path: &Option<PathBuf>| -> Result<String, Failure> {
        let Some(path) = path else { return Ok(String::new()) };
        let wrong = |e: &dyn std::fmt::Display| Failure::data(format!("{}: {e}", path.display()));
        String::from_utf8(read_file(path)?).map_err(|e| wrong(&e))
    };
    let now_s = now_s();
    let sync_settings = match &args.sync_settings {
        Some(_) => settings(&args.sync_settings)?,
        None => {
            let place = objects.place().replace('\\', "\\\\").replace('"', "\\\"");
            format!("[centre]\nobjects = \"{place}\"\n")
        }
    };
    let own = format!("[sensor]\nid = \"{}\"\n[outbox]\nenabled = true\n", args.sensor);
    let grant = Grant {
        token: token.clone(),
        sensor_id: args.sensor.clone(),
        issued_s: now_s,
        not_after_s: now_s + u64::from(args.hours) * 3_600,
        keys,
        sensor_settings: own + &settings(&args.sensor_settings)?,
        sync_settings,
    };
    let object = enrolment::grant_key(&token);
    objects.write(&object, sign(&grant, key)?, PutIf::Absent).await.map_err(door)?;
    // A sensor that was put out and is let in again is wanted again.
    objects.remove(&enrolment::revocation_key(&args.sensor)).await.map_err(door)?;
    let url =
        objects.presigned(&object, Duration::from_secs(u64::from(args.hours) * 3_600)).await.map_err(door)?;
    let said = json!({"url": url, "key": key.public().to_line()}).to_string();
    let line = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(said));
    let mut facts = json!({"sensor_id": args.sensor, "token_id": token, "object": object, "not_after_s": grant.not_after_s});
    let text = match &args.out {
        Some(path) => {
            write_file(path, format!("{line}\n").as_bytes())?;
            facts["file"] = json!(path);
            format!(
                "token for {} in {}; good for {} hours, once: taphound-sync enroll FILE",
                args.sensor,
                path.display(),
                args.hours
            )
        }
        None => {
            facts["token"] = json!(line);
            line
        }
    };
    report::print(args.json, &facts, &text);
    Ok(())
}

async fn revoke(
    args: &EnrollTokenArgs,
    objects: &dyn ObjectStore,
    key: &SecretKey,
    reason: &str,
) -> Result<(), Failure> {
    let revocation = Revocation { sensor_id: args.sensor.clone(), at_s: now_s(), reason: reason.to_owned() };
    let object = enrolment::revocation_key(&args.sensor);
    objects.write(&object, sign(&revocation, key)?, PutIf::Always).await.map_err(door)?;
    let facts = json!({"sensor_id": args.sensor, "object": object, "revoked": reason});
    let text = format!(
        "{} is revoked: its agent stops when it next looks; take its credentials away too",
        args.sensor
    );
    report::print(args.json, &facts, &text);
    Ok(())
}

fn sign(what: &impl Serialize, key: &SecretKey) -> Result<Vec<u8>, Failure> {
    let body = serde_json::to_string(what).map_err(Failure::software)?;
    let signature =
        key.block(&Signed::signed_bytes(&body)).iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::to_vec(&Signed { body, signature }).map_err(Failure::software)
}

/// What a door's error means for the exit code.
pub(crate) fn door(error: DoorError) -> Failure {
    let code = match &error {
        DoorError::Unavailable { .. } | DoorError::Conflict { .. } => 75,
        DoorError::Denied { .. } => 77,
        DoorError::Absent { .. } => crate::failure::NO_INPUT,
        DoorError::Invalid { .. } | DoorError::Damaged { .. } => crate::failure::DATA,
    };
    Failure { code, message: error.to_string() }
}

#[allow(clippy::disallowed_methods, reason = "a grant and a revocation bear the time of their making")]
fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
