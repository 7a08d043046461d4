//! Community ID v1 (<https://github.com/corelight/community-id-spec>): a flow's name that other tools compute too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::decode::protocol;
use crate::key::FlowKey;

/// The Community ID of a key, with seed 0: `1:` and the base64 of a SHA-1 over addresses, protocol and ports.
///
/// A key is already in the order that the specification asks for: endpoints ascending, one-way ICMP as sent.
pub(crate) fn community_id(key: &FlowKey) -> String {
    let v4 = key.lower().address.is_ipv4() && key.higher().address.is_ipv4();
    let skip = if v4 { 12 } else { 0 };
    let mut hash = Sha1::new()
        .chain_update([0, 0]) // the seed
        .chain_update(&key.lower[skip..])
        .chain_update(&key.higher[skip..])
        .chain_update([key.protocol, 0]);
    let has_ports = [protocol::TCP, protocol::UDP, protocol::SCTP, protocol::ICMP, protocol::ICMPV6];
    if has_ports.contains(&key.protocol) {
        hash.update(key.lower_port.to_be_bytes());
        hash.update(key.higher_port.to_be_bytes());
    }
    let mut text = String::from("1:");
    STANDARD.encode_string(hash.finalize(), &mut text);
    text
}
