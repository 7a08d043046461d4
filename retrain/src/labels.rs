//! Truth as data sets write it: our categories, and the attack names of the public CIC sets.

use model::Category;

/// The category a label means; `None` for a label that nobody has described.
pub(crate) fn category_of(label: &str) -> Option<Category> {
    if let Ok(category) = label.parse() {
        return Some(category);
    }
    let plain: String =
        label.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let known = |prefixes: &[&str]| prefixes.iter().any(|prefix| plain.starts_with(prefix));
    if known(&["benign", "normal"]) {
        Some(Category::Benign)
    } else if known(&["portscan", "scan"]) {
        Some(Category::Scan)
    } else if known(&["dos", "ddos", "syn", "udpflood"]) {
        Some(Category::Dos)
    } else if known(&["ftppatator", "sshpatator", "ftpbruteforce", "sshbruteforce", "bruteforce"]) {
        Some(Category::Bruteforce)
    } else if known(&["webattack", "sqlinjection", "xss"]) {
        Some(Category::Web)
    } else if known(&["bot"]) {
        Some(Category::C2)
    } else if known(&["heartbleed"]) {
        Some(Category::Exfiltration)
    } else if known(&["drdos"]) {
        Some(Category::Amplification)
    } else if known(&["infilt"]) {
        Some(Category::Spread)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cic_labels_have_categories() {
        let cases = [
            ("BENIGN", Category::Benign),
            ("PortScan", Category::Scan),
            ("DoS Hulk", Category::Dos),
            ("DrDoS_NTP", Category::Amplification),
            ("FTP-Patator", Category::Bruteforce),
            ("Web Attack \u{2013} XSS", Category::Web),
            ("Bot", Category::C2),
            ("exfiltration", Category::Exfiltration),
        ];
        for (label, category) in cases {
            assert_eq!(category_of(label), Some(category), "{label}");
        }
        assert_eq!(category_of("7"), None);
        assert_eq!(category_of(""), None);
    }
}
