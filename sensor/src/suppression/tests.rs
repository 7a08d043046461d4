//! Suppressions: what a rule hides, and until when.

use store::record::{NewSuppression, SuppressionRow};

use super::{Subject, Suppressions};

fn row(id: u64, src: &str, port: u16, category: &str, expires_us: Option<u64>) -> SuppressionRow {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let rule = NewSuppression {
        src: some(src).map(|s| s.parse().unwrap()),
        dst: None,
        port: (port > 0).then_some(port),
        category: some(category),
        owner: "ann".into(),
        reason: "the scanner".into(),
        created_us: 0,
        expires_us,
    };
    SuppressionRow { id, rule, lifted_us: None, hits: 0, last_hit_us: None }
}

fn subject(src: Option<&str>, port: Option<u16>, category: &'static str, at_us: u64) -> Subject<'static> {
    Subject { src: src.map(|s| s.parse().unwrap()), dst: None, port, category, at_us }
}

#[test]
fn a_rule_hides_what_meets_every_condition_until_it_expires() {
    let rules = Suppressions::default();
    rules.put_in_force(&[row(7, "10.0.0.0/8", 22, "scan", Some(100))], 0);
    let hidden = |s| rules.hides(&s);
    assert_eq!(hidden(subject(Some("10.1.2.3"), Some(22), "scan", 99)), Some(7));
    for other in [
        subject(Some("10.1.2.3"), Some(22), "scan", 100),
        subject(Some("11.1.2.3"), Some(22), "scan", 99),
        subject(Some("10.1.2.3"), Some(23), "scan", 99),
        subject(Some("10.1.2.3"), Some(22), "dos", 99),
        subject(None, Some(22), "scan", 99),
        subject(Some("10.1.2.3"), None, "scan", 99),
    ] {
        assert_eq!(hidden(other), None, "{other:?}");
    }
}

#[test]
fn what_is_lifted_or_expired_is_not_put_in_force_and_the_oldest_rule_counts() {
    let rules = Suppressions::default();
    let lifted = SuppressionRow { lifted_us: Some(5), ..row(1, "", 0, "scan", None) };
    rules.put_in_force(
        &[row(4, "", 0, "scan", None), row(3, "", 22, "", None), lifted, row(2, "", 0, "scan", Some(9))],
        10,
    );
    assert_eq!(rules.len(), 2);
    assert_eq!(rules.hides(&subject(None, Some(22), "scan", 11)), Some(3));
    rules.put_in_force(&[], 10);
    assert!(rules.is_empty());
}
