//! Making a training set fairer: splits that keep every class's share, and synthetic rows for rare classes.

use crate::draws::TreeRng;

/// Which rows go to the test part (true): `ceil(test_share * n)` of them, every class by its share (largest
/// remainders first), as scikit-learn's `train_test_split(stratify=...)`.
pub fn stratified_split(classes: &[usize], test_share: f64, rng: &mut TreeRng) -> Vec<bool> {
    let n = classes.len();
    let n_classes = classes.iter().max().map_or(0, |most| most + 1);
    let mut members = vec![Vec::new(); n_classes];
    for (row, &class) in classes.iter().enumerate() {
        members[class].push(row);
    }
    // Rounded up, but 0.3 * 340 must not become 103 because 0.3 is not exact.
    let exact = test_share.clamp(0.0, 1.0) * n as f64;
    let n_test = if (exact - exact.round()).abs() < 1e-9 { exact.round() } else { exact.ceil() } as usize;
    let counts: Vec<usize> = members.iter().map(Vec::len).collect();
    let in_train = apportion(&counts, n - n_test);
    let left: Vec<usize> = counts.iter().zip(&in_train).map(|(count, taken)| count - taken).collect();
    let in_test = apportion(&left, n_test);
    let mut is_test = vec![false; n];
    for (rows, &wanted) in members.iter_mut().zip(&in_test) {
        for i in 0..wanted {
            let j = i + rng.below(rows.len() - i);
            rows.swap(i, j);
            is_test[rows[i]] = true;
        }
    }
    is_test
}

/// Parts `total` seats by the method of largest remainders; the lower class wins a tie.
fn apportion(counts: &[usize], total: usize) -> Vec<usize> {
    let all: usize = counts.iter().sum();
    if all == 0 {
        return vec![0; counts.len()];
    }
    let mut seats: Vec<usize> = counts.iter().map(|count| count * total / all).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|class| std::cmp::Reverse(counts[*class] * total % all));
    let missing = total - seats.iter().sum::<usize>();
    for class in by_remainder.into_iter().take(missing) {
        seats[class] += 1;
    }
    seats
}

/// Row numbers of the `k` nearest other members of `row`'s class (Euclidean, nearest first, lower number first
/// among equals).
pub fn nearest_in_class(rows: &[Vec<f64>], members: &[usize], row: usize, k: usize) -> Vec<usize> {
    let distance = |other: usize| {
        rows[row].iter().zip(&rows[other]).fold(0.0, |sum, (a, b)| {
            let d = a - b;
            sum + d * d
        })
    };
    let mut others: Vec<(f64, usize)> =
        members.iter().filter(|other| **other != row).map(|other| (distance(*other), *other)).collect();
    let by_distance = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if others.len() > k && k > 0 {
        others.select_nth_unstable_by(k - 1, by_distance);
        others.truncate(k);
    }
    others.truncate(k);
    others.sort_by(by_distance);
    others.into_iter().map(|(_, other)| other).collect()
}

/// A class that is too small for [`smote`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "class {class} has {rows} rows, SMOTE with {k} neighbours needs {needed}; lower k or leave the class out"
)]
pub struct TooFewRows {
    /// The class.
    pub class: usize,
    /// Its rows.
    pub rows: usize,
    /// Neighbours asked for.
    pub k: usize,
    /// Rows needed.
    pub needed: usize,
}

/// Raises every class to the size of the largest one with synthetic rows: each lies on the line from a random row of
/// the class to one of its `k` nearest, at a random place. Originals come first, unchanged and in order.
///
/// Chawla, Bowyer, Hall, Kegelmeyer: SMOTE, JAIR 16, 2002.
///
/// # Errors
/// A class with rows, but not more than `k`.
pub fn smote(
    rows: &[Vec<f64>],
    classes: &[usize],
    k: usize,
    rng: &mut TreeRng,
) -> Result<(Vec<Vec<f64>>, Vec<usize>), TooFewRows> {
    let members = by_class(classes);
    let most = members.iter().map(Vec::len).max().unwrap_or(0);
    let wanted: Vec<usize> = members.iter().map(|rows| if rows.is_empty() { 0 } else { most }).collect();
    smote_to(rows, classes, &wanted, k, rng)
}

/// Row numbers of each class.
fn by_class(classes: &[usize]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); classes.iter().max().map_or(0, |most| most + 1)];
    for (row, &class) in classes.iter().enumerate() {
        members[class].push(row);
    }
    members
}

/// [`smote`], but raises class `c` to `wanted[c]` rows; a class that has as many or is not listed stays as it is.
///
/// # Errors
/// A class that is to be raised, but has not more than `k` rows.
pub fn smote_to(
    rows: &[Vec<f64>],
    classes: &[usize],
    wanted: &[usize],
    k: usize,
    rng: &mut TreeRng,
) -> Result<(Vec<Vec<f64>>, Vec<usize>), TooFewRows> {
    let members = by_class(classes);
    let (mut out_rows, mut out_classes) = (rows.to_vec(), classes.to_vec());
    for (class, members) in members.iter().enumerate() {
        let wanted = wanted.get(class).copied().unwrap_or(0);
        if wanted <= members.len() {
            continue;
        }
        if members.len() <= k || k == 0 {
            return Err(TooFewRows { class, rows: members.len(), k, needed: k + 1 });
        }
        let mut neighbours: Vec<Option<Vec<usize>>> = vec![None; members.len()];
        for _ in members.len()..wanted {
            let place = rng.below(members.len());
            let base = members[place];
            let near = neighbours[place].get_or_insert_with(|| nearest_in_class(rows, members, base, k));
            let other = near[rng.below(near.len())];
            let step = rng.uniform();
            let line = rows[base].iter().zip(&rows[other]).map(|(from, to)| from + step * (to - from));
            out_rows.push(line.collect());
            out_classes.push(class);
        }
    }
    Ok((out_rows, out_classes))
}
