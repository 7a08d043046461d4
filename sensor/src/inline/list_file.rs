//! The blocks in force as files for other people's tools: one address or range a line, and a script for `ipset restore`.
//!
//! `blocks.txt` is what CrowdSec's blocklist mirror serves and what its bouncers, fail2ban's and ipset scripts read. Only blocks of a
//! whole source or range are in it: a line knows no port. Each file is replaced as a whole.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::ledger::Block;
use super::target::Target;

/// Name of the plain list in the state folder.
pub const PLAIN: &str = "blocks.txt";
/// Name of the ipset script in the state folder.
pub const IPSET: &str = "blocks.ipset";

/// Writes both files.
///
/// # Errors
/// The folder cannot be written.
pub fn write<'a>(folder: &Path, blocks: impl Iterator<Item = &'a Block>, now_us: u64) -> io::Result<()> {
    let whole: Vec<&Block> = blocks
        .filter(|b| matches!(b.target, Target::Source(_) | Target::Range(_)) && b.expires_us > now_us)
        .collect();
    replace(&folder.join(PLAIN), &plain(&whole))?;
    replace(&folder.join(IPSET), &ipset(&whole, now_us))
}

fn plain(blocks: &[&Block]) -> String {
    blocks.iter().map(|block| format!("{}\n", block.target.source())).collect()
}

/// Two sets, since one holds one family, filled aside and then swapped: a packet never sees half a list.
fn ipset(blocks: &[&Block], now_us: u64) -> String {
    let mut text = String::new();
    for (name, family, is_v4) in [("taphound4", "inet", true), ("taphound6", "inet6", false)] {
        let _ = writeln!(text, "create {name} hash:net family {family} timeout 0 -exist");
        let _ = writeln!(text, "create {name}-new hash:net family {family} timeout 0 -exist");
        let _ = writeln!(text, "flush {name}-new");
        for block in blocks.iter().filter(|b| b.target.source().base().is_ipv4() == is_v4) {
            // ipset takes at most 2147483 seconds.
            let left_s = (block.expires_us.saturating_sub(now_us)).div_ceil(1_000_000).clamp(1, 2_147_483);
            let _ = writeln!(text, "add {name}-new {} timeout {left_s}", block.target.source());
        }
        let _ = writeln!(text, "swap {name}-new {name}\ndestroy {name}-new");
    }
    text
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}
