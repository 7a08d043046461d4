//! `fleet`: the sensors as they reported themselves last, with version, lag, health and when they were last heard of.

use crate::enroll_token::door;
use crate::failure::Failure;
use crate::report;
use ::fleet::health::{BYTES_MAX, PREFIX, SensorReport};
use ::fleet::{ObjectStore, ObjectsSettings};
use clap::Args;
use serde_json::json;

/// Where the sensors report to.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// The object store (`file:PATH`, or a bucket)
    #[arg(long, value_name = "STORE")]
    objects: ObjectsSettings,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Lists them, those first that want a look.
pub(crate) fn run(args: &FleetArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(Failure::software)?.block_on(async {
        let objects = args.objects.open().await.map_err(door)?;
        let (mut sensors, damaged, now_ms) = reports(&*objects).await.map_err(door)?;
        let rank = |report: &SensorReport| match report.health.as_str() {
            "ok" => 2,
            "degraded" => 1,
            _ => 0,
        };
        sensors.sort_by(|(a, x), (b, y)| (rank(a), x, &a.sensor_id).cmp(&(rank(b), y, &b.sensor_id)));
        let rows: Vec<_> = sensors
            .iter()
            .map(|(report, seen_ms)| {
                let mut row = serde_json::to_value(report).unwrap_or_default();
                row["last_seen_ms"] = json!(seen_ms);
                row
            })
            .collect();
        let text = table(&sensors, &damaged, now_ms);
        report::print(args.json, &json!({"sensors": rows, "damaged": damaged}), &text);
        Ok(())
    })
}

type Reports = (Vec<(SensorReport, u64)>, Vec<String>, u64);

/// Every report with the time at which the store took it; the keys of those that cannot be read; the newest of the times.
async fn reports(objects: &dyn ObjectStore) -> Result<Reports, ::fleet::DoorError> {
    let (mut sensors, mut damaged, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = objects.list(PREFIX, after.as_ref(), 1_000).await?;
        for head in &page.rows {
            let read = objects.read(&head.key, BYTES_MAX).await;
            let report = read
                .ok()
                .flatten()
                .and_then(|object| serde_json::from_slice::<SensorReport>(&object.bytes).ok());
            match report {
                Some(report) => sensors.push((report, head.modified_ms)),
                None => damaged.push(head.key.clone()),
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let newest = sensors.iter().map(|(_, seen)| *seen).max().unwrap_or(0);
    Ok((sensors, damaged, newest.max(now_ms())))
}

fn table(sensors: &[(SensorReport, u64)], damaged: &[String], now_ms: u64) -> String {
    let mut lines = vec![format!(
        "{:<24} {:<9} {:>10} {:>11} {:>9} {:>9} {:>8}  {}",
        "SENSOR", "HEALTH", "LAST SEEN", "MODEL", "WAITING", "ALERTS %", "ERRORS", "WHY"
    )];
    for (report, seen_ms) in sensors {
        let model = report.models.first();
        let rate = model.map_or("-".into(), |m| format!("{:.2}", m.alert_rate * 100.0));
        let errors =
            model.filter(|m| m.labels > 0).map_or("-".into(), |m| format!("{}/{}", m.label_errors, m.labels));
        let why = report.reasons.first().map_or("", String::as_str);
        lines.push(format!(
            "{:<24} {:<9} {:>10} {:>11} {:>9} {rate:>9} {errors:>8}  {why}",
            report.sensor_id,
            report.health,
            ago(now_ms.saturating_sub(*seen_ms)),
            format!("{} ({})", report.model_version, report.channel.chars().take(4).collect::<String>()),
            report.lag.rows,
        ));
        for pin in &report.pinned {
            lines.push(format!("{:<24} took model {} back: {}", "", pin.version, pin.reason));
        }
    }
    if sensors.is_empty() {
        lines = vec!["no sensor has reported yet".to_owned()];
    }
    lines.extend(damaged.iter().map(|key| format!("{key}: cannot be read")));
    lines.join("\n")
}

fn ago(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

#[allow(clippy::disallowed_methods, reason = "when a sensor was last heard of is a question of now")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
