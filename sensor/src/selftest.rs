//! `taphound selftest`: a harmless capture goes through the running sensor to an alert, and from its outbox to the centre.

pub mod capture;
pub mod drill;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::SelftestArgs;
use crate::control::client::Client;
use crate::fault::Fault;
use crate::report::print;

/// Between two looks at what still waits for the agent.
const LOOK: Duration = Duration::from_millis(500);
/// Rows of the outbox that one look takes in.
const ROWS: usize = 10_000;

/// Asks the sensor for a drill, and follows its alert to where it should arrive.
///
/// # Errors
/// No sensor answers; no alert came of it; the agent has not taken it in time.
pub fn run(arguments: &SelftestArgs) -> Result<(), Fault> {
    let mut client = Client::connect(&arguments.ask.socket)?;
    let waiting_before = newest_waiting(&mut client)?;
    let drill = client.ask("selftest", Value::Null)?;
    let mut report = Report { json: arguments.ask.json, steps: Vec::new() };
    report.step(
        "sensor",
        true,
        format!(
            "{} packets, {} flows, scored by model {}",
            drill["packets"], drill["flows"], drill["model_version"]
        ),
    );
    if let Err(fault) = detected(&mut client, &drill, &mut report) {
        return report.end(Err(fault));
    }
    if drill["outbox"] != true {
        report.step("agent", true, "not asked: this sensor has no centre (`outbox.enabled`)".to_owned());
        return report.end(Ok(()));
    }
    let outcome = taken(&mut client, waiting_before, arguments.wait, &mut report);
    report.end(outcome)
}

/// The alert can be read as anybody would read it.
fn detected(client: &mut Client, drill: &Value, report: &mut Report) -> Result<(), Fault> {
    let scanner = Ipv4Addr::from(capture::SCANNER).to_string();
    let suppressed = drill["suppressed"].as_u64().unwrap_or(0) > 0 && drill["alerts"] == 0;
    let search = json!({"address": scanner, "limit": 1, "suppressed": suppressed});
    let alerts = client.ask("alerts", search)?;
    let alert = &alerts["items"][0];
    if drill["alerts"].as_u64().unwrap_or(0) + drill["suppressed"].as_u64().unwrap_or(0) == 0
        || alert.is_null()
    {
        report.step("alert", false, "none".to_owned());
        return Err(Fault::Unavailable(
            "the scan raised no alert; `taphound status` says what fails, `taphound doctor` gathers the rest"
                .to_owned(),
        ));
    }
    let hidden = if suppressed { ", hidden by a suppression" } else { "" };
    let text = |name: &str| alert[name].as_str().unwrap_or("?").to_owned();
    report.step("alert", true, format!("{} {} from {scanner}{hidden}", text("category"), text("id")));
    Ok(())
}

/// The highest sequence that waited for the agent before.
fn newest_waiting(client: &mut Client) -> Result<u64, Fault> {
    let mut newest = 0;
    loop {
        let rows = client.ask("outbox", json!({"kind": "alert", "after": newest, "limit": ROWS}))?;
        match rows["rows"].as_array().and_then(|rows| rows.last()?["sequence"].as_u64()) {
            Some(last) => newest = last,
            None => return Ok(newest),
        }
    }
}

/// Waits until the agent has acknowledged every alerted flow of the drill.
fn taken(client: &mut Client, before: u64, wait_s: u64, report: &mut Report) -> Result<(), Fault> {
    let mut left = Duration::from_secs(wait_s);
    loop {
        let rows = client.ask("outbox", json!({"kind": "alert", "after": before, "limit": 1}))?;
        if rows["rows"].as_array().is_none_or(Vec::is_empty) {
            report.step("agent", true, "has taken the alert to the centre and whom it tells".to_owned());
            return Ok(());
        }
        if left.is_zero() {
            report.step("agent", false, format!("has not taken the alert within {wait_s} s"));
            return Err(Fault::Unavailable(
                "the alert still waits in the outbox; look at `taphound-sync status` and `journalctl -u taphound-sync`"
                    .to_owned(),
            ));
        }
        std::thread::sleep(LOOK.min(left));
        left = left.saturating_sub(LOOK);
    }
}

/// What came of each step.
struct Report {
    json: bool,
    steps: Vec<(&'static str, bool, String)>,
}

impl Report {
    fn step(&mut self, name: &'static str, done: bool, detail: String) {
        self.steps.push((name, done, detail));
    }

    fn end(self, outcome: Result<(), Fault>) -> Result<(), Fault> {
        let text = if self.json {
            let steps: Vec<Value> = self
                .steps
                .iter()
                .map(|(name, done, detail)| json!({"step": name, "ok": done, "detail": detail}))
                .collect();
            format!("{}\n", json!({"ok": outcome.is_ok(), "steps": steps}))
        } else {
            let line = |(name, done, detail): &(&str, bool, String)| {
                format!("{:<5} {name:<7} {detail}\n", if *done { "ok" } else { "FAIL" })
            };
            self.steps.iter().map(line).collect()
        };
        print(&text)?;
        outcome
    }
}
