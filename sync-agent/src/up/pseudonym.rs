//! Addresses under other names: keyed, one to one, and prefix-preserving, so that networks stay networks.
//!
//! Crypto-PAn: Fan, Xu, Ammar, Moon, "Prefix-preserving IP address anonymization", Computer Networks 46 (2004), with AES-128.
//! Who holds the key can undo it; who can place traffic of their own on the wire can learn some of the mapping.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use store::record::{LabelItem, LogItem};

use crate::fault::Fault;

/// The mapping of one key.
#[derive(Clone)]
pub struct Pseudonyms {
    cipher: Aes128,
    pad: [u8; 16],
}

impl Pseudonyms {
    /// The mapping of a key: 16 bytes for AES, 16 for the pad.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let (aes, pad) = key.split_at(16);
        let block = |bytes: &[u8]| {
            let mut block = [0; 16];
            block.copy_from_slice(bytes);
            block
        };
        let cipher = Aes128::new(&Array(block(aes)));
        let mut pad = Array(block(pad));
        cipher.encrypt_block(&mut pad);
        Self { cipher, pad: pad.0 }
    }

    /// Reads the key's file: 32 bytes.
    ///
    /// # Errors
    /// It cannot be read, or is no key.
    pub fn from_file(path: &Path) -> Result<Self, Fault> {
        let bytes = std::fs::read(path).map_err(|e| {
            Fault::Config(format!("{}: cannot be read ({e}); check `up.pseudonyms.key_file`", path.display()))
        })?;
        let key = bytes.as_slice().try_into().map_err(|_| {
            Fault::Config(format!(
                "{}: has {} bytes, a key has 32; make one with `head -c 32 /dev/urandom`",
                path.display(),
                bytes.len()
            ))
        })?;
        Ok(Self::new(key))
    }

    /// The pseudonym of an address, of the same family.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => IpAddr::V4(
                (self.map(u128::from(v4.to_bits()) << 96, 32) >> 96)
                    .try_into()
                    .map_or(v4, |bits: u32| bits.into()),
            ),
            IpAddr::V6(v6) => IpAddr::V6(self.map(v6.to_bits(), 128).into()),
        }
    }

    /// Each bit is flipped by a function of the bits before it. `address` lies in the upper `bits`.
    fn map(&self, address: u128, bits: u32) -> u128 {
        let pad = u128::from_be_bytes(self.pad);
        let mut flips = 0;
        for at in 0..bits {
            let kept = if at == 0 { 0 } else { u128::MAX << (128 - at) };
            let mut block = Array(((address & kept) | (pad & !kept)).to_be_bytes());
            self.cipher.encrypt_block(&mut block);
            flips |= u128::from(block.0[0] >> 7) << (127 - at);
        }
        address ^ flips
    }

    /// A text with every address in it replaced.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let part_of_address = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c| !part_of_address(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            out.push_str(&self.word(word));
            let next = after.find(part_of_address).unwrap_or(after.len());
            let (between, after) = after.split_at(next);
            out.push_str(between);
            rest = after;
        }
        out
    }

    fn word(&self, word: &str) -> String {
        // What ends a sentence, or stands before a port, is not part of the address.
        let core = word.trim_end_matches(['.', ':']);
        let tail = &word[core.len()..];
        if let Ok(address) = core.parse::<IpAddr>() {
            return format!("{}{tail}", self.address(address));
        }
        match core.parse::<SocketAddr>() {
            Ok(socket) => format!("{}{tail}", SocketAddr::new(self.address(socket.ip()), socket.port())),
            Err(_) => word.to_owned(),
        }
    }

    /// `sensor|src-dst-sport-dport-proto` with other addresses; a name that is no such thing (a client's own) becomes `uid`.
    #[must_use]
    pub fn flow_id(&self, flow_id: &str, uid: &str) -> String {
        let (sensor, flow) = flow_id.split_once('|').unwrap_or(("", flow_id));
        let parts: Vec<&str> = flow.split('-').collect();
        if let [src, dst, sport, dport, proto] = parts[..]
            && let (Ok(src), Ok(dst)) = (src.parse::<IpAddr>(), dst.parse::<IpAddr>())
        {
            return format!("{sensor}|{}-{}-{sport}-{dport}-{proto}", self.address(src), self.address(dst));
        }
        format!("{sensor}|{uid}")
    }

    /// A log item without a true address. Its Community ID goes too: it is a hash of the addresses that anybody can search.
    pub fn item(&self, item: &mut LogItem) {
        item.flow_id = self.flow_id(&item.flow_id, &item.uid);
        item.content = self.text(&item.content);
        item.community_id = None;
    }

    /// A label without a true address.
    pub fn label(&self, label: &mut LabelItem) {
        label.flow_id = self.flow_id(&label.flow_id, &label.uid);
        label.reason = label.reason.as_deref().map(|reason| self.text(reason));
        if let Some(item) = &mut label.item {
            self.item(item);
        }
    }
}

#[cfg(test)]
mod tests;
