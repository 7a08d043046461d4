//! What is sure at first sight is what the entropy says.

use super::Certainty;
use crate::draws::TreeRng;
use crate::forest::Vote;
use crate::numeric::entropy_nats;

#[test]
fn certainty_at_sight_is_what_the_entropy_says() {
    let mut rng = TreeRng::for_tree(1, 1);
    let mut at_sight = 0;
    for case in 0..200_000 {
        let n = 1 + rng.below(10);
        let entropy_max = [0.25, 0.25, 0.01, 0.0, 0.7, 1.5][case % 6];
        let certainty = Certainty::of(Vote::Confident { entropy_max, trees_min: 3 }, n);
        let sharpness = 20.0 * rng.uniform();
        let mut votes: Vec<f64> = (0..n).map(|_| libm::exp(-sharpness * rng.uniform())).collect();
        let sum: f64 = votes.iter().sum();
        votes.iter_mut().for_each(|vote| *vote /= sum);
        let greatest = votes.iter().copied().fold(0.0, f64::max);
        let truth = entropy_nats(&votes) < entropy_max;
        assert_eq!(certainty.holds(&votes), truth);
        if let Some(sure) = certainty.at_sight(greatest) {
            assert_eq!(sure, truth, "{entropy_max} {votes:?}");
            at_sight += 1;
        }
    }
    assert!(at_sight > 100_000, "only {at_sight} seen at sight");
}
