//! `taphound evidence`: an alert's packets from the running sensor into a capture file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli::EvidenceArgs;
use crate::control::client::Client;
use crate::fault::Fault;
use crate::report::print;

/// Bytes before a capture file's first packet.
const FILE_HEAD: usize = 24;

/// Fetches part after part, and writes them as one file.
pub(super) fn fetch(arguments: &EvidenceArgs) -> Result<(), Fault> {
    let wanted = &arguments.out;
    let to_stdout = wanted == Path::new("-");
    if !to_stdout && wanted.exists() {
        return Err(Fault::CannotCreate(format!("{}: exists already; name another file", wanted.display())));
    }
    let mut client = Client::connect(&arguments.ask.socket)?;
    let (mut packets, mut bytes) = (0, Vec::new());
    loop {
        let part = client.ask("evidence", json!({"id": arguments.id, "skip": packets}))?;
        let pcap = STANDARD.decode(part["pcap"].as_str().unwrap_or_default()).map_err(|e| {
            Fault::Unavailable(format!(
                "the sensor's answer cannot be understood ({e}); use the same release on both sides"
            ))
        })?;
        let new = part["packets"].as_u64().unwrap_or(0);
        packets += new;
        // The first part brings the head of the file.
        bytes.extend_from_slice(pcap.get(if bytes.is_empty() { 0 } else { FILE_HEAD }..).unwrap_or_default());
        if part["more"] != Value::Bool(true) || new == 0 {
            break;
        }
    }
    if to_stdout {
        return std::io::stdout().write_all(&bytes).map_err(|e| Fault::writing("standard output", &e));
    }
    let mut file = File::create_new(wanted).map_err(|e| Fault::creating(wanted, &e))?;
    file.write_all(&bytes).map_err(|e| Fault::writing(&wanted.display().to_string(), &e))?;
    print(&if arguments.ask.json {
        format!("{}\n", json!({"path": wanted, "packets": packets, "bytes": bytes.len()}))
    } else {
        format!("{}: {packets} packets, {} bytes\n", wanted.display(), bytes.len())
    })
}
