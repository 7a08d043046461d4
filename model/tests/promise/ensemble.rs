//! Adding trees and felling the weakest.

use super::{grown, product_params, rows};

#[test]
fn add_then_prune() {
    let rows = rows(4000, 21);
    let mut forest = grown(&product_params(), &rows[..2000]);
    let before = forest.clone();
    assert_eq!(forest.add_trees(0.3).unwrap(), 2, "0.3 of 5 trees, rounded up");
    assert_eq!(forest.trainers().len(), 7);
    assert_eq!(forest.trainers()[..5], before.trainers()[..], "the old trees are as they were");
    let ids: Vec<u64> = forest.trainers().iter().map(|trainer| trainer.id()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
    for (x, class) in &rows[2000..3000] {
        forest.learn_one(x, *class);
    }
    let kappas = forest.kappas(rows[3000..].iter().map(|(x, class)| (x.as_slice(), *class)));
    assert!(kappas.iter().all(|kappa| *kappa > 0.3), "{kappas:?}");
    let felled = forest.prune(4, &kappas);
    assert_eq!((felled.len(), forest.trainers().len(), forest.params().n_models), (3, 4, 4));
    let weakest_left =
        forest.trainers().iter().map(|trainer| kappas[trainer.id() as usize]).fold(1.0, f64::min);
    assert!(felled.iter().all(|id| kappas[*id as usize] <= weakest_left));
    // Numbers are never used twice, so a new tree's randomness is new.
    forest.add_trees(0.25).unwrap();
    let newest = forest.trainers().last().unwrap().id();
    assert!(newest > forest.trainers().iter().rev().skip(1).map(|trainer| trainer.id()).max().unwrap());
    assert!(forest.prune(100, &[0.0; 5]).is_empty());
    assert_eq!(forest.prune(0, &[0.0; 5]).len(), 4, "one tree always stays");
    assert!(
        forest.add_trees(-0.1).is_err()
            && forest.add_trees(1e9).is_err()
            && forest.add_trees(f64::NAN).is_err()
    );
}

#[test]
fn of_equals_the_older_falls() {
    let mut forest = grown(&product_params(), &rows(200, 22));
    assert_eq!(forest.prune(3, &[0.5, 0.5, 0.5, 0.4, 0.5]), [3, 0]);
}

#[test]
fn a_cutting_knows_what_its_tree_knows_and_goes_its_own_way() {
    let rows = rows(3000, 23);
    let mut forest = grown(&product_params(), &rows[..2000]);
    assert_eq!(forest.add_cuttings(0.4).unwrap(), 2);
    let (old, new) = (&forest.trainers()[1], &forest.trainers()[6]);
    assert_eq!((new.id(), new.tree()), (6, old.tree()));
    for (x, class) in &rows[2000..] {
        forest.learn_one(x, *class);
    }
    assert_ne!(forest.trainers()[1].tree(), forest.trainers()[6].tree());
}
