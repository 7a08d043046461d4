//! The two-phase drift check: every change that ADWIN found, its figures, and what was decided.

use super::{assert_close, digits, float, index, json, list, summary};
use model::adwin::AdwinParams;
use model::drift_phase::{DriftPhase, DriftPhaseParams, Turn};
use serde_json::Value;

#[test]
fn every_change_and_decision() {
    let oracle = json("drift_phase.json");
    let mut comparisons = 0;
    for case in list(&oracle["cases"]) {
        let trend_length = index(&case["K"]);
        let adwin = AdwinParams::with_delta(float(&case["delta"]));
        let mut check = DriftPhase::new(DriftPhaseParams { adwin, trend_length });
        let mut wanted = list(&case["adwin_detections"]).iter().filter(|change| !change["past"].is_null());
        let mut pairs: Vec<[Option<usize>; 2]> = Vec::new();
        for (i, (label, truth)) in
            digits(&case["label"]).into_iter().zip(digits(&case["true_label"])).enumerate()
        {
            let Some(change) = check.update(label != truth) else {
                continue;
            };
            let name = format!("{} delta {} at {i}", case["name"], case["delta"]);
            let expected = wanted.next().unwrap_or_else(|| panic!("{name}: false alarm"));
            assert_eq!(index(&expected["i"]), i, "{name}");
            assert_eq!(index(&expected["width"]) as u64, change.width, "{name}");
            for (key, found) in
                [("past", change.past), ("recent", change.recent), ("estimation", change.estimation)]
            {
                assert_close(found, float(&expected[key]), 1e-9, &format!("{name}: {key}"));
            }
            let decision = match change.turn {
                Some(Turn::Start) => Value::from("start"),
                Some(Turn::End) => Value::from("end"),
                None => Value::Null,
            };
            assert_eq!(expected["decision"], decision, "{name}");
            match (change.turn, pairs.last_mut()) {
                (Some(Turn::Start), _) => pairs.push([Some(i), None]),
                (Some(Turn::End), Some(pair)) => pair[1] = Some(i),
                _ => {}
            }
            comparisons += 6;
        }
        assert_eq!(wanted.count(), 0, "{}: changes missed", case["name"]);
        assert_eq!(serde_json::to_value(&pairs).unwrap(), case["all_pairs"], "{}", case["name"]);
        let first = pairs.first().copied().unwrap_or([None, None]);
        assert_eq!(case["first_drift_index"].as_u64().map(|i| i as usize), first[0]);
        assert_eq!(case["second_drift_index"].as_u64().map(|i| i as usize), first[1]);
        comparisons += 3;
    }
    summary("drift_phase", list(&oracle["cases"]).len(), comparisons);
}
