//! What the centre hears of this sensor: how it is, model by model; and what this sensor hears of itself: whether it is still wanted.

use std::sync::{Arc, PoisonError};

use fleet::ObjectStore;
use fleet::enrolment::{self, Revocation, Signed};
use fleet::health::{Lag, ModelHealth, SensorReport, report_key};
use fleet::objects::PutIf;
use model::artifact::{SIGNATURE_BLOCK_BYTES, Trust};
use store::record::OutboxKind;

use crate::clock;
use crate::control::{Sensor, SensorStatus};
use crate::run::Agent;
use crate::status::Status;
use crate::up::Trouble;

/// Model versions of which a report tells.
const MODELS_MAX: usize = 8;

/// Writes a report, if the centre has a place for it, and learns from the answer how far the clocks are apart.
///
/// # Errors
/// The centre does not answer.
pub async fn tell(agent: &Agent, sensor: &mut Sensor) -> Result<(), Trouble> {
    let told = tokio::task::block_in_place(|| sensor.status());
    if let Ok(status) = &told {
        let lag = tokio::task::block_in_place(|| lag(sensor, status));
        let mut facts = agent.facts.lock();
        facts.sensor_id.clone_from(&status.sensor_id);
        facts.down.model_version = status.model.version;
        facts.down.model_digest.clone_from(&status.model.digest);
        (facts.up.lag.rows, facts.up.lag.oldest_s) = (lag.rows, lag.oldest_s);
    }
    let mut own = agent.facts.lock().clone();
    let Some(objects) = agent.doors.objects.clone().filter(|_| !own.sensor_id.is_empty()) else {
        return told.map(|_| ()).map_err(Trouble::from);
    };
    own.judge(clock::now_us());
    let models = match &told {
        Ok(status) => models(agent, status)?,
        Err(_) => Vec::new(),
    };
    let report = compose(&own, told.as_ref().ok(), models, clock::now_ms());
    let key = report_key(&report.sensor_id);
    let bytes = serde_json::to_vec_pretty(&report).unwrap_or_default();
    let before_ms = clock::now_ms();
    objects.write(&key, bytes, PutIf::Always).await?;
    let skew = skew(&*objects, &key, before_ms).await?;
    let mut facts = agent.facts.lock();
    facts.clock_skew_s = skew.or(facts.clock_skew_s);
    drop(facts);
    told.map(|_| ()).map_err(Trouble::from)
}

/// How far this clock is ahead of the store's, in seconds, from the time that the store gave an object just written.
async fn skew(objects: &dyn ObjectStore, key: &str, before_ms: u64) -> Result<Option<i64>, Trouble> {
    let page = objects.list(key, None, 1).await?;
    let after_ms = clock::now_ms();
    let Some(head) = page.rows.iter().find(|head| head.key == key) else { return Ok(None) };
    // It was written between the two; S3 knows only whole seconds.
    let difference = match head.modified_ms {
        early if early + 1_000 < before_ms => (before_ms - early).cast_signed(),
        late if late > after_ms => -(late - after_ms).cast_signed(),
        _ => 0,
    };
    Ok(Some(difference / 1_000))
}

fn lag(sensor: &mut Sensor, status: &SensorStatus) -> Lag {
    let oldest = OutboxKind::ALL
        .iter()
        .filter_map(|kind| Some(sensor.outbox(*kind, 0, 1).ok()?.first()?.created_us))
        .min();
    Lag {
        rows: status.store.rows.get("outbox").copied().unwrap_or(0),
        oldest_s: oldest.map_or(0, |at| status.now_us.saturating_sub(at) / 1_000_000),
        set_aside: 0,
    }
}

/// The models as the sensor tells of them, and what labels say: those that came up from here, and those set at the centre.
fn models(agent: &Agent, status: &SensorStatus) -> Result<Vec<ModelHealth>, Trouble> {
    let cursors = agent.cursors.lock().unwrap_or_else(PoisonError::into_inner);
    let mut models = Vec::new();
    for health in status.model_health.iter().take(MODELS_MAX) {
        let verdicts = cursors.verdicts(health.version)?;
        models.push(ModelHealth {
            version: health.version,
            flows: health.flows,
            attacks: health.alerts,
            alert_rate: if health.flows == 0 { 0.0 } else { health.alerts as f64 / health.flows as f64 },
            labels: verdicts.labels,
            label_errors: verdicts.errors,
            psi: health.psi.map(|psi| psi.max),
            latency_p99_us: health.latency_p99_us.unwrap_or(0.0),
        });
    }
    Ok(models)
}

fn compose(
    own: &Status,
    sensor: Option<&SensorStatus>,
    models: Vec<ModelHealth>,
    now_ms: u64,
) -> SensorReport {
    let mut reasons: Vec<String> = own.reasons.iter().map(|reason| format!("sync: {reason}")).collect();
    let mut health = own.health.as_str();
    match sensor {
        Some(status) => {
            reasons.extend(status.reasons.iter().cloned());
            if status.health == "critical" || (status.health == "degraded" && health == "ok") {
                health = &status.health;
            }
        }
        None => {
            reasons.push("the sensor does not answer its agent".into());
            health = "critical";
        }
    }
    SensorReport {
        sensor_id: own.sensor_id.clone(),
        at_ms: now_ms,
        clock_skew_s: own.clock_skew_s,
        sensor_version: sensor.map_or(String::new(), |status| status.version.clone()),
        agent_version: own.version.clone(),
        health: health.to_owned(),
        reasons,
        channel: own.down.channel.clone(),
        sequence: own.down.sequences.get(&own.down.channel).copied().unwrap_or(0),
        model_version: own.down.model_version,
        model_digest: own.down.model_digest.clone(),
        models,
        pinned: own.down.pinned.clone(),
        refused: own.down.refused.clone(),
        lag: own.up.lag.clone(),
    }
}

/// Whether the centre still wants this sensor; a revocation counts only when a trusted key signed it.
///
/// # Errors
/// The centre does not answer; then what was last known stands.
pub async fn check_revocation(
    objects: &Arc<dyn ObjectStore>,
    sensor_id: &str,
    trust: &Trust,
) -> Result<Option<String>, Trouble> {
    if sensor_id.is_empty() {
        return Ok(None);
    }
    let key = enrolment::revocation_key(sensor_id);
    let Some(object) = objects.read(&key, enrolment::BYTES_MAX).await? else { return Ok(None) };
    match open::<Revocation>(&object.bytes, trust) {
        Ok(revocation) if revocation.sensor_id == sensor_id => Ok(Some(revocation.reason)),
        Ok(revocation) => {
            tracing::warn!(
                event = "revocation_ignored",
                of = revocation.sensor_id,
                "a revocation of another sensor lies under this one's name"
            );
            Ok(None)
        }
        Err(reason) => {
            tracing::warn!(event = "revocation_ignored", reason, "a revocation is not believed");
            Ok(None)
        }
    }
}

/// What is inside a signed object.
///
/// # Errors
/// It is no such object, or no trusted key signed it.
pub fn open<T: serde::de::DeserializeOwned>(bytes: &[u8], trust: &Trust) -> Result<T, String> {
    let signed: Signed =
        serde_json::from_slice(bytes).map_err(|e| format!("it is no signed object ({e})"))?;
    let block = block(&signed.signature).ok_or("its signature is not 144 hex digits")?;
    if trust.signer(&Signed::signed_bytes(&signed.body), &block).is_none() {
        return Err("no key that is trusted here has signed it".to_owned());
    }
    serde_json::from_str(&signed.body).map_err(|e| format!("it is of another kind or release ({e})"))
}

fn block(hex: &str) -> Option<[u8; SIGNATURE_BLOCK_BYTES]> {
    let mut block = [0; SIGNATURE_BLOCK_BYTES];
    if hex.len() != 2 * block.len() || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in block.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(block)
}
