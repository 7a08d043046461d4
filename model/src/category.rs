//! The classes a model can tell apart: benign traffic and nine kinds of attack, spelled one way everywhere.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a flow is. A model may know fewer; its artifact lists which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Category {
    /// No attack.
    Benign,
    /// Looking for hosts, ports or services.
    Scan,
    /// Denial of service: floods and slow exhaustion.
    Dos,
    /// Guessing credentials.
    Bruteforce,
    /// Attacks on web applications.
    Web,
    /// Command and control.
    C2,
    /// Data leaving that should not.
    Exfiltration,
    /// Another protocol smuggled inside an allowed one.
    Tunnel,
    /// Reflection with amplification.
    Amplification,
    /// Lateral movement and worms.
    Spread,
}

impl Category {
    /// How many categories there are.
    pub const COUNT: usize = 10;

    /// Every category, in the order of their numbers.
    pub const ALL: [Category; Category::COUNT] = [
        Category::Benign,
        Category::Scan,
        Category::Dos,
        Category::Bruteforce,
        Category::Web,
        Category::C2,
        Category::Exfiltration,
        Category::Tunnel,
        Category::Amplification,
        Category::Spread,
    ];

    /// The spelling used in files, interfaces and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Category::Benign => "benign",
            Category::Scan => "scan",
            Category::Dos => "dos",
            Category::Bruteforce => "bruteforce",
            Category::Web => "web",
            Category::C2 => "c2",
            Category::Exfiltration => "exfiltration",
            Category::Tunnel => "tunnel",
            Category::Amplification => "amplification",
            Category::Spread => "spread",
        }
    }

    /// Its place in [`Category::ALL`], 0 for benign.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it is anything but benign.
    pub const fn is_attack(self) -> bool {
        !matches!(self, Category::Benign)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names none of the ten categories.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no category; known: benign, scan, dos, bruteforce, web, c2, exfiltration, tunnel, \
     amplification, spread"
)]
pub struct UnknownCategory(pub String);

impl FromStr for Category {
    type Err = UnknownCategory;

    /// Reads a category, whatever its letter case and surrounding blanks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.trim();
        Category::ALL
            .into_iter()
            .find(|category| category.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownCategory(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_serde_agree() {
        for (number, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category.index(), number);
            assert_eq!(category.as_str().parse(), Ok(category));
            assert_eq!(serde_json::to_string(&category).unwrap(), format!("\"{category}\""));
            assert_eq!(category.is_attack(), number != 0);
        }
        assert_eq!(" BENIGN ".parse(), Ok(Category::Benign));
        assert!("portscan".parse::<Category>().unwrap_err().to_string().contains("`portscan`"));
    }
}
