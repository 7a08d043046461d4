//! An alert as ArcSight's Common Event Format, version 0.

use super::Alert;

/// `CEF:0|Taphound|taphound|VERSION|CATEGORY|NAME|SEVERITY|EXTENSION`.
#[must_use]
pub fn message(alert: &Alert, sensor_id: &str) -> String {
    let severity = match alert.severity.as_str() {
        "critical" => 10,
        "high" => 8,
        "medium" => 5,
        _ => 3,
    };
    let name = format!("{} detected by {}", alert.category, alert.opinion);
    let mut text = format!(
        "CEF:0|Taphound|taphound|{}|{}|{}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        header(&alert.category),
        header(&name)
    );
    let mut fields: Vec<(&str, String)> = vec![
        ("externalId", alert.id.clone()),
        ("rt", (alert.shown_us / 1_000).to_string()),
        ("start", (alert.first_us / 1_000).to_string()),
        ("end", (alert.last_us / 1_000).to_string()),
        ("cat", alert.category.clone()),
        ("dvchost", sensor_id.to_owned()),
        ("proto", alert.protocol.to_string()),
    ];
    let mut address = |v4: &'static str,
                       (v6, label, said): (&'static str, &'static str, &'static str),
                       value: &Option<String>| {
        match value {
            // CEF's src and dst hold IPv4 alone; IPv6 has fields with a label.
            Some(ip) if ip.contains(':') => {
                fields.push((v6, ip.clone()));
                fields.push((label, said.to_owned()));
            }
            Some(ip) => fields.push((v4, ip.clone())),
            None => {}
        }
    };
    address("src", ("c6a2", "c6a2Label", "Source IPv6 Address"), &alert.src_ip);
    address("dst", ("c6a3", "c6a3Label", "Destination IPv6 Address"), &alert.dst_ip);
    fields.extend(alert.src_port.map(|port| ("spt", port.to_string())));
    fields.extend(alert.dst_port.map(|port| ("dpt", port.to_string())));
    fields.push(("cfp1", format!("{:.4}", alert.score)));
    fields.push(("cfp1Label", "score".into()));
    fields.push(("cn1", alert.model_version.to_string()));
    fields.push(("cn1Label", "model".into()));
    fields.push(("cs1", alert.incident.clone()));
    fields.push(("cs1Label", "incident".into()));
    fields.push(("msg", alert.reasons.join("; ")));
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", extension(value))).collect();
    text.push_str(&fields.join(" "));
    text
}

/// In the header a pipe and a backslash are escaped, and there are no lines.
fn header(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ")
}

/// In the extension an equals sign and a backslash are escaped; a line break is written as `\n`.
fn extension(text: &str) -> String {
    text.replace('\\', "\\\\").replace('=', "\\=").replace("\r\n", "\n").replace(['\r', '\n'], "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_fields_and_hostile_text_stays_inside_them() {
        let alert = Alert {
            id: "abc".into(),
            category: "scan".into(),
            opinion: "fore|st\\".into(),
            severity: "high".into(),
            score: 0.93,
            src_ip: Some("10.0.0.1".into()),
            dst_ip: Some("2001:db8::1".into()),
            dst_port: Some(22),
            reasons: vec!["x=1\nCEF:0|fake".into()],
            ..Alert::default()
        };
        let text = message(&alert, "s=1");
        assert!(text.starts_with("CEF:0|Taphound|taphound|"), "{text}");
        assert!(text.contains("|scan|scan detected by fore\\|st\\\\|8|externalId=abc "), "{text}");
        assert!(
            text.contains("src=10.0.0.1 c6a3=2001:db8::1 c6a3Label=Destination IPv6 Address dpt=22"),
            "{text}"
        );
        assert!(text.contains("dvchost=s\\=1") && text.ends_with("msg=x\\=1\\nCEF:0|fake"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
