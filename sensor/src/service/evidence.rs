//! The packets of an alert's or a flow's conversation, out of the evidence ring; who fetched them stands in the audit log.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use store::record::FlowId;

use super::Service;
use super::flows::short;
use super::who::{Actor, Role};
use crate::control::{Code, Refusal};
use crate::evidence::find::{Found, Side, Wanted};

/// Whose packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceOf {
    /// Id of a flow or of an alert.
    pub id: String,
    /// Packets that were given already.
    #[serde(default)]
    pub skip: u64,
}

/// Packets as the control socket gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidencePart {
    /// A capture file, base64.
    pub pcap: String,
    /// Packets in it.
    pub packets: u64,
    /// There are more: ask again, with these added to `skip`.
    pub more: bool,
}

/// Packets this long before a flow's first and after its last are its own, too: clocks of rows and packets are the same, and
/// retransmissions come late.
const MARGIN_US: u64 = 1_000_000;

impl Service {
    /// Largest capture file over HTTP, and in one answer of the control socket.
    pub const EVIDENCE_BYTES_MAX: usize = 64 << 20;
    const PART_BYTES_MAX: usize = 8 << 20;

    /// The packets of a flow or an alert as a capture file.
    ///
    /// # Errors
    /// Evidence is off, the id names nothing, nothing is left of it, or the disk does not answer.
    pub fn evidence(&self, actor: &Actor, id: &str) -> Result<Found, Refusal> {
        self.fetch(actor, &EvidenceOf { id: id.to_owned(), skip: 0 }, Self::EVIDENCE_BYTES_MAX)
    }

    /// As [`Service::evidence`], in parts.
    ///
    /// # Errors
    /// As there.
    pub fn evidence_part(&self, actor: &Actor, of: &EvidenceOf) -> Result<EvidencePart, Refusal> {
        let found = self.fetch(actor, of, Self::PART_BYTES_MAX)?;
        Ok(EvidencePart { pcap: STANDARD.encode(&found.pcap), packets: found.packets, more: found.cut })
    }

    fn fetch(&self, actor: &Actor, of: &EvidenceOf, bytes_max: usize) -> Result<Found, Refusal> {
        // The table of routes says the same; packets are worth a second look.
        if actor.role < Role::Analyst {
            return Err(Refusal {
                code: Code::Forbidden,
                message: "packets are for analysts and admins".into(),
            });
        }
        let Some(evidence) = &self.parts.evidence else {
            return Err(Refusal::conflict(
                "no evidence is kept: set `evidence.mode` to headers or full, and give it a key (docs/evidence.md)",
            ));
        };
        let wanted = Wanted { skip: of.skip, ..self.wanted(&of.id)? };
        let found = evidence.packets(&wanted, bytes_max).map_err(|e| Refusal::unavailable(e.to_string()))?;
        if of.skip == 0 {
            let cut = if found.cut { ", cut off" } else { "" };
            let detail = format!("{} packets, {} bytes{cut}", found.packets, found.pcap.len());
            self.audit(actor, "evidence fetch", &of.id, detail)?;
        }
        if found.packets == 0 && of.skip == 0 {
            let why = match (found.other_key, found.damaged) {
                (0, 0) => "it is older than the ring reaches, or was not captured".to_owned(),
                (0, n) => format!("{n} segments of the ring are damaged"),
                (n, _) => format!("{n} segments of the ring were sealed with another key"),
            };
            return Err(Refusal::not_found(format!("no packet of {} is left: {why}", short(&of.id))));
        }
        Ok(found)
    }

    /// What to look for, from the alert's or the flow's row.
    fn wanted(&self, id: &str) -> Result<Wanted, Refusal> {
        let (detection, flow) = self.readers.read(|reader| {
            let flow = match id.parse::<FlowId>() {
                Ok(flow) => reader.flow(&flow.to_string())?,
                Err(_) => None,
            };
            Ok((reader.detection(id)?, flow))
        })?;
        let around = |first_us: u64, last_us: u64, sides, protocol| Wanted {
            sides,
            protocol: Some(protocol),
            from_us: first_us.saturating_sub(MARGIN_US),
            to_us: last_us.saturating_add(MARGIN_US),
            skip: 0,
        };
        if let Some(stored) = flow {
            let row = stored.row;
            let side = |address, port| Side { address, port: Some(port) };
            let sides = [side(row.src_ip, row.src_port), side(row.dst_ip, row.dst_port)];
            return Ok(around(row.start_us, row.end_us, sides, row.protocol));
        }
        let Some(stored) = detection else {
            return Err(Refusal::not_found(format!("there is no flow and no alert {}", short(id))));
        };
        let row = stored.row;
        let side = |ip: &Option<String>, port| Side {
            address: ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok()),
            port,
        };
        let sides = [side(&row.src_ip, row.src_port), side(&row.dst_ip, row.dst_port)];
        if sides.iter().all(|side| side.address.is_none()) {
            return Err(Refusal::invalid(
                "the alert is about many hosts; fetch the packets of one of its flows",
            ));
        }
        Ok(around(row.first_us, row.last_us, sides, row.protocol))
    }
}
