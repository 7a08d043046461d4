//! How the trees' opinions become the forest's: weighted, unweighted and confident votes.

use super::params::Vote;
use crate::tree::CLASSES_MAX;

/// One tree's opinion as a vote sees it.
#[derive(Clone, Copy, Debug)]
pub struct Ballot {
    /// Probability by class, summing to 1, or all 0 for a tree that abstains.
    pub votes: [f64; CLASSES_MAX],
    /// Entropy of the votes in nats.
    pub entropy: f64,
    /// The tree's accuracy, used by [`Vote::Weighted`].
    pub accuracy: f64,
    /// Whether the tree has no opinion.
    pub abstains: bool,
}

/// Weight of every ballot in the election, into `weights`; all 0 when nobody votes.
///
/// A weighted vote gives a tree whose accuracy is 0 the weight 1, as river does.
pub fn weigh(ballots: &[Ballot], vote: Vote, weights: &mut [f64]) {
    let sure = |ballot: &Ballot, limit: f64| !ballot.abstains && ballot.entropy < limit;
    let only_sure = match vote {
        Vote::Confident { entropy_max, trees_min } => {
            let count = ballots.iter().filter(|ballot| sure(ballot, entropy_max)).count();
            (count >= trees_min.max(1)).then_some(entropy_max)
        }
        _ => None,
    };
    for (ballot, weight) in ballots.iter().zip(weights.iter_mut()) {
        *weight = match (vote, only_sure) {
            _ if ballot.abstains => 0.0,
            (_, Some(limit)) if !sure(ballot, limit) => 0.0,
            (Vote::Weighted, _) if ballot.accuracy > 0.0 => ballot.accuracy,
            _ => 1.0,
        };
    }
}

/// The weighted mean of the ballots into `out`, summed in tree order; false when nobody votes.
pub fn tally(ballots: &[Ballot], weights: &[f64], out: &mut [f64]) -> bool {
    out.fill(0.0);
    for (ballot, &weight) in ballots.iter().zip(weights) {
        if weight > 0.0 {
            for (sum, vote) in out.iter_mut().zip(&ballot.votes) {
                *sum += weight * vote;
            }
        }
    }
    let total = out.iter().fold(0.0, |sum, vote| sum + vote);
    if total <= 0.0 {
        return false;
    }
    for vote in out.iter_mut() {
        *vote /= total;
    }
    true
}
