//! The standard scaler against river's, on-line and frozen.

use super::{assert_close, float, floats, index, json, list, summary};
use model::StandardScaler;

#[test]
fn learn_then_transform() {
    let oracle = json("scaler.json");
    let mut comparisons = 0;
    for case in list(&oracle["cases"]) {
        let rows = list(&case["X"]);
        let mut scaler = StandardScaler::new(list(&rows[0]).len());
        // A list by row, or [row number, values] for some rows.
        let mut wanted = list(&case["after_learn_transform"]).iter().peekable();
        for (i, row) in rows.iter().enumerate() {
            let row = floats(row);
            scaler.learn_one(&row);
            let sparse = wanted.peek().is_some_and(|entry| entry[1].is_array());
            if wanted.peek().is_none_or(|entry| sparse && index(&entry[0]) != i) {
                continue;
            }
            let entry = wanted.next().unwrap();
            let expected = floats(if sparse { &entry[1] } else { entry });
            for (found, expected) in scaler.transform_one(&row).iter().zip(&expected) {
                assert_close(*found, *expected, 1e-9, &format!("row {i}"));
                comparisons += 1;
            }
        }
        assert_eq!(wanted.count(), 0);
        for (found, expected) in scaler.mean().iter().zip(floats(&case["mean"])) {
            assert_close(*found, expected, 1e-9, "mean");
        }
        for (found, expected) in scaler.variance().iter().zip(floats(&case["var_population"])) {
            assert_close(*found, expected, 1e-9, "variance");
        }
        let probe = scaler.transform_one(&floats(&case["probe"]));
        for (found, expected) in probe.iter().zip(list(&case["probe_out"])) {
            assert_close(*found, float(expected), 1e-9, "probe");
        }
        comparisons += 3 * probe.len();
    }
    summary("scaler", list(&oracle["cases"]).len(), comparisons);
}
