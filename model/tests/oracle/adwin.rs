//! ADWIN against river (both modes) and MOA: detections and widths exactly, sums within 1e-9.

use super::{assert_close, digits, float, floats, index, json, list, read_if_there, summary};
use model::Adwin;
use model::adwin::{AdwinParams, AfterDetection};
use serde_json::Value;

fn stream(inputs: &Value, case: &Value) -> Vec<f64> {
    let input = &inputs[case["input"].as_str().unwrap()];
    if input.is_string() {
        digits(input).into_iter().map(|digit| digit as f64).collect()
    } else {
        floats(input)
    }
}

#[test]
fn river() {
    let oracle = json("adwin.json");
    let (mut cases, mut comparisons) = (0, 0);
    for case in list(&oracle["cases"]) {
        let values = stream(&oracle["inputs"], case);
        let params = &case["params"];
        for (mode, after_detection) in
            [("reset_after_drift", AfterDetection::Reset), ("raw_keep_window", AfterDetection::Keep)]
        {
            let mut adwin = Adwin::new(AdwinParams {
                delta: float(&params["delta"]),
                clock: index(&params["clock"]) as u32,
                max_buckets: index(&params["max_buckets"]),
                min_window_length: index(&params["min_window_length"]) as u32,
                grace_period: index(&params["grace_period"]) as u32,
                after_detection,
            });
            let wanted = &case[mode];
            let mut detections = list(&wanted["detections"]).iter();
            let mut checkpoints = list(&wanted["checkpoints"]).iter().peekable();
            for (i, value) in values.iter().enumerate() {
                let name = format!("{} {mode} delta {} at {i}", case["input"], params["delta"]);
                if adwin.update(*value) {
                    let detection = detections.next().unwrap_or_else(|| panic!("{name}: false alarm"));
                    assert_eq!(index(&detection["i"]), i, "{name}");
                    comparisons += compare_detection(&adwin, detection, &name);
                }
                if checkpoints.peek().is_some_and(|checkpoint| index(&checkpoint[0]) == i) {
                    comparisons += compare(&adwin, list(checkpoints.next().unwrap()), &name);
                }
            }
            assert_eq!(detections.count(), 0, "{} {mode}: changes missed", case["input"]);
            assert_eq!(checkpoints.count(), 0);
            cases += 1;
        }
    }
    summary("adwin (river)", cases, comparisons);
}

fn compare_detection(adwin: &Adwin, wanted: &Value, name: &str) -> usize {
    assert_eq!(adwin.width() as usize, index(&wanted["width"]), "{name}");
    let figures =
        [("estimation", adwin.estimation()), ("total", adwin.total()), ("variance", adwin.variance_sum())];
    for (key, found) in figures {
        if let Some(wanted) = wanted[key].as_f64() {
            assert_close(found, wanted, 1e-9, &format!("{name}: {key}"));
        }
    }
    5
}

/// [index, width, total, variance sum, estimation], as many as there are.
fn compare(adwin: &Adwin, figures: &[Value], name: &str) -> usize {
    let found = [adwin.width() as f64, adwin.total(), adwin.variance_sum(), adwin.estimation()];
    for ((wanted, found), what) in
        figures[1..].iter().zip(found).zip(["width", "total", "variance", "estimation"])
    {
        assert_close(found, float(wanted), 1e-9, &format!("{name}: {what}"));
    }
    figures.len()
}

#[test]
fn moa() {
    let inputs = &json("adwin.json")["inputs"];
    let Some(text) = read_if_there("adwin_moa.json") else { panic!("adwin_moa.json is missing") };
    let oracle: Value = serde_json::from_str(&text).unwrap();
    let (mut cases, mut comparisons) = (0, 0);
    for case in list(&oracle) {
        let values = stream(inputs, case);
        let delta = float(&case["delta"]);
        let params = AdwinParams { delta, after_detection: AfterDetection::Keep, ..AdwinParams::default() };
        let mut adwin = Adwin::new(params);
        let (mut found, mut one_sided) = (Vec::new(), Vec::new());
        for (i, value) in values.iter().enumerate() {
            let before = adwin.estimation();
            if adwin.update(*value) {
                found.push((i, adwin.width() as usize));
                if adwin.estimation() > before {
                    one_sided.push(i);
                }
            }
        }
        let name = format!("{} delta {delta}", case["input"]);
        let wanted: Vec<(usize, usize)> =
            list(&case["adwin_keep_window"]).iter().map(|pair| (index(&pair[0]), index(&pair[1]))).collect();
        let wanted_one_sided: Vec<usize> =
            list(&case["change_detector_one_sided_keep_window"]).iter().map(index).collect();
        assert_eq!(found, wanted, "{name}");
        assert_eq!(one_sided, wanted_one_sided, "{name}");
        assert_eq!(adwin.width() as usize, index(&case["final_width"]), "{name}");
        assert_close(adwin.estimation(), float(&case["final_estimation"]), 1e-9, &name);
        assert_close(adwin.variance(), float(&case["final_variance"]), 1e-9, &name);
        cases += 1;
        comparisons += wanted.len() * 2 + wanted_one_sided.len() + 3;
    }
    summary("adwin (MOA)", cases, comparisons);
}
