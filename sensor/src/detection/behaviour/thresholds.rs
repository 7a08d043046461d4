//! When evidence is an episode: one struct, readable as configuration.

use serde::{Deserialize, Serialize};

/// The thresholds of all behaviour counters. Times are packet time; counts speak of the running period and the one before it.
/// `docs/decisions/0003-detection.md` says where each default comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Fan-out: distinct (host, port) targets of one source within a minute.
    pub fan_out_targets: u32,
    /// Fan-out: share of them that refuse or do not answer, in \[0, 1\].
    pub fan_out_failed_share: f64,
    /// Slow fan-out: distinct targets of one source within an hour.
    pub slow_fan_out_targets: u32,
    /// Slow fan-out: share of them that refuse or do not answer, in \[0, 1\].
    pub slow_fan_out_failed_share: f64,
    /// Failed targets of one source within a minute that must stand behind the forest when it alone speaks of a scan.
    pub scan_support_targets: u32,
    /// Flood: new flows to one target within two seconds.
    pub flood_flows: u32,
    /// Flood: below this share of them ever used it is one, in \[0, 1\].
    pub flood_used_share: f64,
    /// Request flood: new connections of one source to one service within ten seconds.
    pub request_flood_flows: u32,
    /// Hoard: connections of one source to one service open at once.
    pub hoard_flows: u32,
    /// Repetition: refused-looking tries at a login service within a minute.
    pub repetition_flows: u32,
    /// Repetition: as above at remote-procedure services and Kerberos, where a few a minute are ordinary.
    pub repetition_rpc_flows: u32,
    /// Repetition: as above at web servers.
    pub repetition_web_flows: u32,
    /// Amplification: answers nobody asked for, or bought for little, at one target within ten seconds, packets.
    pub amplification_answers: u32,
    /// Amplification: their mean payload, bytes.
    pub amplification_answer_bytes: u32,
    /// Amplification: bytes of answer for each byte of question, where questions are seen.
    pub amplification_ratio: f64,
    /// Beacon: calls before it is judged.
    pub beacon_calls: u32,
    /// Beacon: shortest median interval, seconds.
    pub beacon_interval_s: f64,
    /// Beacon: lowest regularity (mean of the scores of intervals and sizes), in \[0, 1\].
    pub beacon_score: f64,
    /// Beacon: a machine-exact interval (as monitoring keeps) must be kept for this long, seconds.
    pub beacon_exact_s: u64,
    /// DNS tunnel: distinct names of one client below one domain within a minute.
    pub dns_tunnel_names: u32,
    /// DNS tunnel: mean length of what stands before the domain, bytes.
    pub dns_tunnel_name_bytes: u32,
    /// DNS tunnel: questions of one client from one port to one resolver within two minutes.
    pub dns_tunnel_questions: u32,
    /// DNS tunnel: the mean payload of these questions, or a third of the mean payload of their answers, bytes.
    pub dns_tunnel_question_bytes: u32,
    /// ICMP tunnel: bytes of echo payload in one direction within two minutes.
    pub icmp_tunnel_bytes: u64,
    /// ICMP tunnel: spread between the largest and the smallest payload, bytes.
    pub icmp_tunnel_spread_bytes: u32,
    /// ICMP upload: bytes of echo payload in one direction within two minutes, whatever their sizes.
    pub icmp_upload_bytes: u64,
    /// Upload: bytes an inside host sends to one outside peer within an hour.
    pub upload_bytes: u64,
    /// Upload: bytes sent for each byte received.
    pub upload_ratio: f64,
    /// Upload: it goes on for this long, seconds.
    pub upload_s: u64,
    /// Web scan: short conversations of one source with one web server within a minute.
    pub web_scan_flows: u32,
    /// Web scan: distinct request sizes among them.
    pub web_scan_request_sizes: u32,
    /// Web scan: share of them that gets an answer of the commonest size, in \[0, 1\].
    pub web_scan_same_answer_share: f64,
    /// Spread: hosts to which a scanner delivers the same on the port it scans for.
    pub spread_hosts: u32,
    /// Spread: bytes that such a delivery has at least.
    pub spread_bytes: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            fan_out_targets: 25,
            fan_out_failed_share: 0.7,
            slow_fan_out_targets: 40,
            slow_fan_out_failed_share: 0.9,
            scan_support_targets: 10,
            flood_flows: 250,
            flood_used_share: 0.2,
            request_flood_flows: 500,
            hoard_flows: 50,
            repetition_flows: 6,
            repetition_rpc_flows: 15,
            repetition_web_flows: 150,
            amplification_answers: 100,
            amplification_answer_bytes: 250,
            amplification_ratio: 6.0,
            beacon_calls: 20,
            beacon_interval_s: 2.0,
            beacon_score: 0.8,
            beacon_exact_s: 3600,
            dns_tunnel_names: 50,
            dns_tunnel_name_bytes: 30,
            dns_tunnel_questions: 100,
            dns_tunnel_question_bytes: 90,
            icmp_tunnel_bytes: 20_000,
            icmp_tunnel_spread_bytes: 64,
            icmp_upload_bytes: 1_500_000,
            upload_bytes: 20_000_000,
            upload_ratio: 10.0,
            upload_s: 60,
            web_scan_flows: 60,
            web_scan_request_sizes: 16,
            web_scan_same_answer_share: 0.6,
            spread_hosts: 3,
            spread_bytes: 256,
        }
    }
}
