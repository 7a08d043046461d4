//! How soon an attack is told of: from its first packet to the moment its incident is shown, in packet time.

use crate::replay::incidents;
use crate::{capture, cases, repo, summary};

/// Where a second counts.
const FAST: [&str; 3] = ["scan", "dos", "bruteforce"];

/// A row of a case's ground truth, and when its first flow began.
struct Attack {
    case: String,
    category: String,
    first_us: u64,
}

/// All attacks of a case are such.
fn is_fast(case: &str) -> bool {
    let labels = std::fs::read_to_string(repo().join("tests/pcaps").join(case).join("labels.csv")).unwrap();
    let mut rows = labels.lines().skip(1).peekable();
    rows.peek().is_some() && rows.all(|row| FAST.iter().any(|category| row.ends_with(category)))
}

/// The labelled attacks of a case, in order of time.
fn attacks(case: &str, folder: &std::path::Path) -> Vec<Attack> {
    let labels = repo().join("tests/pcaps").join(case).join("labels.csv");
    let out = folder.join(format!("{case}.csv"));
    let text = |path: &std::path::Path| path.display().to_string();
    summary(&[&text(&capture(case)), "--labels", &text(&labels), "--out", &text(&out)]);
    let number = |row: &csv::StringRecord, at: usize| row[at].parse::<f64>().unwrap();
    let flows: Vec<csv::StringRecord> =
        csv::Reader::from_path(&out).unwrap().records().map(Result::unwrap).collect();
    let mut found = Vec::new();
    for row in csv::Reader::from_path(&labels).unwrap().records().map(Result::unwrap) {
        let (from, to) = (number(&row, 0) * 1e6, number(&row, 1) * 1e6);
        let begins = flows
            .iter()
            .filter(|f| f[f.len() - 1] == row[8] && (row[5].is_empty() || f[7] == row[5]))
            .map(|f| f[10].parse::<u64>().unwrap())
            .filter(|&at| (from..=to).contains(&(at as f64)));
        let Some(first_us) = begins.min() else { continue };
        found.push(Attack { case: case.to_owned(), category: row[8].to_owned(), first_us });
    }
    found.sort_by_key(|a| a.first_us);
    found
}

#[test]
fn floods_scans_and_guessing_are_told_of_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut delays: Vec<(f64, String)> = Vec::new();
    for case in cases().into_iter().filter(|case| is_fast(case)) {
        let told = incidents(&case);
        for attack in attacks(&case, folder.path()) {
            let time = |o: &serde_json::Value, name: &str| o[name].as_u64().unwrap();
            let same = || told.iter().filter(|o| o["category"] == *attack.category);
            // An incident that was shown when the attack began is no answer to it.
            let answer = same().map(|o| time(o, "shown_us")).filter(|&at| at >= attack.first_us).min();
            let already = same()
                .any(|o| time(o, "shown_us") < attack.first_us && time(o, "last_us") >= attack.first_us);
            let Some(at_us) = answer.filter(|_| !already) else { continue };
            let delay_s = (at_us - attack.first_us) as f64 / 1e6;
            println!("{:>8.3} s  {} in {}", delay_s, attack.category, attack.case);
            delays.push((delay_s, attack.case.clone()));
        }
    }
    delays.sort_by(|a, b| a.0.total_cmp(&b.0));
    let median = delays[delays.len() / 2].0;
    println!(
        "median of {}: {median:.3} s; longest {:.3} s ({})",
        delays.len(),
        delays.last().unwrap().0,
        delays.last().unwrap().1
    );
    assert!(delays.len() >= 8, "{} attacks were measured", delays.len());
    assert!(median <= 1.0, "median {median} s");
}
