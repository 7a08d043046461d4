//! The rules that hand packets over: by `iptables-nft`, since nftables' own `queue` is not in every kernel that has NFQUEUE.
//!
//! A chain of ours in the table `mangle`, jumped to from `FORWARD` for packets between our interfaces; what carries the mark of a flow
//! that was judged benign goes by. Installed once, removed by a clean stop; what happens without us is in the rule (`--queue-bypass`).

use crate::config::Inline;
use crate::config::inline::Family;
use crate::inline::nft::{NftFault, run_tool};

/// The chains that hand over, and that save marks.
const CHAIN: &str = "TAPHOUND";
const CHAIN_SAVES: &str = "TAPHOUND-SAVE";
/// IPv4 and IPv6.
const PROGRAMS: [&str; 2] = ["iptables-nft", "ip6tables-nft"];
/// Frames between ports of a bridge are shown to these rules only with these settings.
const BRIDGE_SETTINGS: [&str; 2] =
    ["/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"];

/// What hands packets over.
#[derive(Debug, Clone)]
pub struct QueueRules {
    number: String,
    mark: String,
    bypass: bool,
    matches: Vec<Vec<String>>,
    bridge: bool,
}

impl QueueRules {
    /// Rules for packets that come in by `interfaces`.
    #[must_use]
    pub fn new(settings: &Inline, interfaces: &[String]) -> Self {
        let bridge = settings.family == Family::Bridge;
        let by = |name: &String| match bridge {
            true => {
                ["-m", "physdev", "--physdev-is-bridged", "--physdev-in", name].map(str::to_owned).to_vec()
            }
            false => vec!["-i".to_owned(), name.clone()],
        };
        Self {
            number: settings.queue.number.to_string(),
            mark: format!("{0:#x}/{0:#x}", settings.queue.mark),
            bypass: settings.queue.sensor_dead.is_open(),
            matches: interfaces.iter().map(by).collect(),
            bridge,
        }
    }

    /// Puts the rules into the kernel, in place of those that an earlier run left.
    ///
    /// # Errors
    /// No such program, no right to, or the kernel shows a bridge's packets to no rules.
    pub fn install(&self) -> Result<(), NftFault> {
        if self.bridge {
            let closed = |file: &&str| std::fs::read_to_string(file).is_ok_and(|text| text.trim() != "1");
            let missing = |file: &&str| !std::path::Path::new(file).exists();
            if let Some(file) = BRIDGE_SETTINGS.iter().find(|file| missing(file) || closed(file)) {
                return Err(NftFault::Failed(format!(
                    "the kernel shows packets of a bridge to no rule of iptables ({file} is not 1): modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1"
                )));
            }
        }
        self.remove();
        for program in PROGRAMS {
            for rule in self.rules() {
                let words: Vec<&str> =
                    ["-w", "5", "-t", "mangle"].into_iter().chain(rule.iter().map(String::as_str)).collect();
                run_tool(program, &words, "")?;
            }
        }
        Ok(())
    }

    /// Takes the rules out of the kernel; what is not there is passed over.
    pub fn remove(&self) {
        for program in PROGRAMS {
            let ours = self.jumps().into_iter().map(|jump| [&["-D".to_owned()][..], &jump].concat());
            let chains = [CHAIN, CHAIN_SAVES].into_iter().flat_map(|chain| {
                [["-F", chain], ["-X", chain]].map(|words| words.map(str::to_owned).to_vec())
            });
            for rule in ours.chain(chains) {
                let words: Vec<&str> =
                    ["-w", "5", "-t", "mangle"].into_iter().chain(rule.iter().map(String::as_str)).collect();
                // Not there: nothing to remove.
                let _ = run_tool(program, &words, "");
            }
        }
    }

    /// Where our chains are jumped to from.
    fn jumps(&self) -> Vec<Vec<String>> {
        let from = |chain: &str, matches: &[String], to: &str| {
            let mut words = vec![chain.to_owned()];
            words.extend_from_slice(matches);
            words.extend(["-j".to_owned(), to.to_owned()]);
            words
        };
        let mut jumps: Vec<_> = self.matches.iter().map(|m| from("FORWARD", m, CHAIN)).collect();
        jumps.push(from("POSTROUTING", &[], CHAIN_SAVES));
        jumps
    }

    fn rules(&self) -> Vec<Vec<String>> {
        let line = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let bypass = if self.bypass { " --queue-bypass" } else { "" };
        let mask = self.mark.split('/').next().unwrap_or_default();
        let mut rules = vec![
            line(&format!("-N {CHAIN}")),
            line(&format!("-A {CHAIN} -m connmark --mark {} -j RETURN", self.mark)),
            line(&format!("-A {CHAIN} -j NFQUEUE --queue-num {}{bypass}", self.number)),
            line(&format!("-N {CHAIN_SAVES}")),
            line(&format!(
                "-A {CHAIN_SAVES} -m mark --mark {} -j CONNMARK --save-mark --nfmask {mask} --ctmask {mask}",
                self.mark
            )),
        ];
        rules.extend(self.jumps().into_iter().map(|jump| [&["-A".to_owned()][..], &jump].concat()));
        rules
    }
}
