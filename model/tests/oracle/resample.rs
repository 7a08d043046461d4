//! SMOTE and stratified splits against imbalanced-learn and scikit-learn: neighbours and totals exactly, random
//! choices by the properties that every right implementation has.

use super::{float, floats, index, json, list, summary};
use model::draws::TreeRng;
use model::resample::{nearest_in_class, smote, stratified_split};

#[test]
fn smote_properties() {
    let oracle = json("smote.json");
    let mut comparisons = 0;
    for (number, case) in list(&oracle["cases"]).iter().enumerate() {
        let k = index(&case["k"]);
        let rows: Vec<Vec<f64>> = list(&case["X"]).iter().map(floats).collect();
        let classes: Vec<usize> = list(&case["y"]).iter().map(index).collect();
        let members =
            |class: usize| (0..rows.len()).filter(|row| classes[*row] == class).collect::<Vec<usize>>();
        for (class, table) in case["knn_within_class"].as_object().unwrap() {
            for (row, wanted) in table.as_object().into_iter().flatten() {
                let found =
                    nearest_in_class(&rows, &members(class.parse().unwrap()), row.parse().unwrap(), k);
                let wanted: Vec<usize> = list(wanted).iter().map(index).collect();
                assert_eq!(found, wanted, "case {number}: neighbours of row {row}");
                comparisons += 1;
            }
        }
        let (out_rows, out_classes) =
            smote(&rows, &classes, k, &mut TreeRng::for_tree(number as u64, 0)).unwrap();
        assert_eq!(&out_rows[..rows.len()], &rows[..]);
        assert_eq!(&out_classes[..classes.len()], &classes[..]);
        for (class, count) in case["counts_after"].as_object().unwrap() {
            let class: usize = class.parse().unwrap();
            assert_eq!(out_classes.iter().filter(|c| **c == class).count(), index(count), "case {number}");
            comparisons += 1;
        }
        for (point, &class) in out_rows.iter().zip(&out_classes).skip(rows.len()) {
            let own = members(class);
            let explained = own.iter().any(|&base| {
                nearest_in_class(&rows, &own, base, k)
                    .iter()
                    .any(|&other| lies_between(point, &rows[base], &rows[other]))
            });
            assert!(explained, "case {number}: {point:?} lies on no line from a row to a neighbour");
            comparisons += 1;
        }
        let too_many = own_size(&classes);
        assert!(smote(&rows, &classes, too_many, &mut TreeRng::for_tree(1, 1)).is_err());
    }
    summary("smote", list(&oracle["cases"]).len(), comparisons);
}

/// Size of the smallest class: one neighbour too many for SMOTE.
fn own_size(classes: &[usize]) -> usize {
    let sizes =
        (0..=*classes.iter().max().unwrap()).map(|class| classes.iter().filter(|c| **c == class).count());
    sizes.filter(|size| *size > 0).min().unwrap()
}

/// One step in [0, 1) for all coordinates.
fn lies_between(point: &[f64], from: &[f64], to: &[f64]) -> bool {
    let widest =
        (0..from.len()).max_by(|a, b| (to[*a] - from[*a]).abs().total_cmp(&(to[*b] - from[*b]).abs()));
    let axis = widest.unwrap();
    if to[axis] == from[axis] {
        return point == from;
    }
    let step = (point[axis] - from[axis]) / (to[axis] - from[axis]);
    (-1e-9..1.0).contains(&step)
        && (0..from.len()).all(|i| (from[i] + step * (to[i] - from[i]) - point[i]).abs() < 1e-9)
}

#[test]
fn stratified_splits() {
    let oracle = json("stratified_split.json");
    let mut comparisons = 0;
    for case in list(&oracle["cases"]) {
        let counts: Vec<usize> = list(&case["counts"]).iter().map(index).collect();
        let classes: Vec<usize> =
            counts.iter().enumerate().flat_map(|(class, count)| std::iter::repeat_n(class, *count)).collect();
        let is_test = stratified_split(&classes, float(&case["test_size"]), &mut TreeRng::for_tree(5, 5));
        let in_test =
            |class: usize| classes.iter().zip(&is_test).filter(|(c, test)| **c == class && **test).count();
        let wanted: Vec<usize> = list(&case["test"]).iter().map(index).collect();
        for (class, &count) in wanted.iter().enumerate() {
            let found = in_test(class);
            assert!(found.abs_diff(count) <= 1, "{case}: class {class} has {found} test rows");
            comparisons += 1;
        }
        assert_eq!(is_test.iter().filter(|test| **test).count(), wanted.iter().sum::<usize>(), "{case}");
        comparisons += 1;
    }
    summary("stratified_split", list(&oracle["cases"]).len(), comparisons);
}
