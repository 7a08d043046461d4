//! MITRE ATT&CK (Enterprise) techniques by category, and by behaviour where a counter knows more.

use model::Category;

use super::{BehaviourKind, Opinion};

/// A technique and the tactic it serves here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Technique {
    /// Technique id, such as `T1110.001`.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Tactic id, such as `TA0006`.
    pub tactic_id: &'static str,
    /// The tactic's name.
    pub tactic: &'static str,
}

const fn of(id: &'static str, name: &'static str, tactic: (&'static str, &'static str)) -> Technique {
    Technique { id, name, tactic_id: tactic.0, tactic: tactic.1 }
}

const RECONNAISSANCE: (&str, &str) = ("TA0043", "Reconnaissance");
const INITIAL_ACCESS: (&str, &str) = ("TA0001", "Initial Access");
const CREDENTIAL_ACCESS: (&str, &str) = ("TA0006", "Credential Access");
const DISCOVERY: (&str, &str) = ("TA0007", "Discovery");
const LATERAL_MOVEMENT: (&str, &str) = ("TA0008", "Lateral Movement");
const COMMAND_AND_CONTROL: (&str, &str) = ("TA0011", "Command and Control");
const EXFILTRATION: (&str, &str) = ("TA0010", "Exfiltration");
const IMPACT: (&str, &str) = ("TA0040", "Impact");

impl Technique {
    /// The technique of a category; none for benign.
    #[must_use]
    pub fn of_category(category: Category) -> Option<Self> {
        Some(match category {
            Category::Benign => return None,
            Category::Scan => of("T1046", "Network Service Discovery", DISCOVERY),
            Category::Dos => of("T1498", "Network Denial of Service", IMPACT),
            Category::Bruteforce => of("T1110", "Brute Force", CREDENTIAL_ACCESS),
            Category::Web => of("T1190", "Exploit Public-Facing Application", INITIAL_ACCESS),
            Category::C2 => of("T1071", "Application Layer Protocol", COMMAND_AND_CONTROL),
            Category::Exfiltration => of("T1048", "Exfiltration Over Alternative Protocol", EXFILTRATION),
            Category::Tunnel => of("T1572", "Protocol Tunneling", COMMAND_AND_CONTROL),
            Category::Amplification => of("T1498.002", "Reflection Amplification", IMPACT),
            Category::Spread => of("T1210", "Exploitation of Remote Services", LATERAL_MOVEMENT),
        })
    }

    /// The technique that a behaviour counter has seen.
    #[must_use]
    pub fn of_behaviour(kind: BehaviourKind) -> Option<Self> {
        Some(match kind {
            BehaviourKind::Flood => of("T1498.001", "Direct Network Flood", IMPACT),
            BehaviourKind::RequestFlood | BehaviourKind::Hoard => {
                of("T1499.002", "Service Exhaustion Flood", IMPACT)
            }
            BehaviourKind::Repetition => of("T1110.001", "Password Guessing", CREDENTIAL_ACCESS),
            BehaviourKind::WebScan => of("T1595.002", "Vulnerability Scanning", RECONNAISSANCE),
            BehaviourKind::DnsTunnel => of("T1071.004", "DNS", COMMAND_AND_CONTROL),
            BehaviourKind::DnsUpload | BehaviourKind::IcmpUpload => {
                of("T1048.003", "Exfiltration Over Unencrypted Non-C2 Protocol", EXFILTRATION)
            }
            BehaviourKind::IcmpTunnel => of("T1095", "Non-Application Layer Protocol", COMMAND_AND_CONTROL),
            BehaviourKind::FanOut
            | BehaviourKind::Amplification
            | BehaviourKind::Beacon
            | BehaviourKind::Upload
            | BehaviourKind::Spread => return Self::of_category(kind.category()),
        })
    }

    /// The technique behind a detection: what its opinion knows of it.
    #[must_use]
    pub fn of_opinion(opinion: Opinion, category: Category) -> Option<Self> {
        match opinion {
            Opinion::Forest => Self::of_category(category),
            Opinion::Behaviour(kind) => Self::of_behaviour(kind),
        }
    }
}
