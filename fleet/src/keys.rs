//! Where things lie in the object store: one place that says it, for those who write and those who read.

/// Objects of log files begin so.
pub const LOGS: &str = "logs/";
/// Objects of model files begin so.
pub const MODELS: &str = "models/";
/// Objects of model files with their learning state end so.
pub const LEARNER_END: &str = ".learner.taphound";
/// Schema of a row of logs that has no flow: a label that was given while its flow ran.
pub const NO_FLOW: &str = "none";
/// When the centre last retrained.
pub const LAST_RETRAIN: &str = "cooldown/last_retrain_ts.txt";

/// A channel's pointer.
#[must_use]
pub fn channel(model: &str, channel: &str) -> String {
    format!("channels/{}/{}", part(model), part(channel))
}

/// A model file. Its name is its digest (SHA-256 in hex), so a serial that was given twice never overwrites.
#[must_use]
pub fn model(model: &str, serial: u64, digest: &str) -> String {
    format!("{}{}.taphound", model_versions(model, serial), part(digest))
}

/// A model file with its learning state, by its own digest.
#[must_use]
pub fn learner(model: &str, serial: u64, digest: &str) -> String {
    format!("{}{}{LEARNER_END}", model_versions(model, serial), part(digest))
}

/// What the files of one serial of a model begin with.
#[must_use]
pub fn model_versions(model: &str, serial: u64) -> String {
    format!("{MODELS}{}/{serial}/", part(model))
}

/// A file of logs. `name` tells the files of one day apart and ends the key with `.parquet`.
#[must_use]
pub fn log_file(schema: &str, sensor_id: &str, day: &str, name: &str) -> String {
    format!("{}{}.parquet", log_day(schema, sensor_id, day), part(name))
}

/// What the log files of one day of a sensor begin with, partitioned as Hive, Athena, Spark and DuckDB read it.
#[must_use]
pub fn log_day(schema: &str, sensor_id: &str, day: &str) -> String {
    format!("{LOGS}schema={}/sensor={}/date={}/", part(schema), part(sensor_id), part(day))
}

/// A name as one part of a key: what folders, S3 and Hive partitions do not take is written `%2F`.
#[must_use]
pub fn part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let plain =
            c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '+' | '@' | ',') || (c == '.' && at > 0);
        if plain {
            part.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                part.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    part
}

/// The name that became a part of a key; none when no name becomes it.
#[must_use]
pub fn name(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
