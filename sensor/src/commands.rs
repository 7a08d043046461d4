//! Questions to a running sensor from the command line: asked over the control socket, shown as tables or JSON.

use serde_json::Value;

use crate::cli::AskArgs;
use crate::control::client::Client;
use crate::fault::Fault;
use crate::report::print;
use crate::status::{Health, Status};

/// `taphound status`.
///
/// # Errors
/// No sensor answers.
pub fn status(arguments: &AskArgs) -> Result<Health, Fault> {
    let answer = Client::connect(&arguments.socket)?.ask("status", Value::Null)?;
    let status: Status = serde_json::from_value(answer.clone()).map_err(|e| {
        Fault::Unavailable(format!(
            "the sensor's answer cannot be understood ({e}); use the same release on both sides"
        ))
    })?;
    print(&if arguments.json { format!("{answer}\n") } else { status.describe() })?;
    Ok(status.health)
}
