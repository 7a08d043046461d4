//! The confident vote: which trees are sure, who decides, and what comes out. The limit is in nats.

use super::{assert_close, floats, index, json, list, summary};
use model::forest::Vote;
use model::forest::vote::{Ballot, tally, weigh};
use model::numeric::{argmax, entropy_nats};
use model::tree::CLASSES_MAX;

#[test]
fn confident_vote() {
    let oracle = json("confident_vote.json");
    let mut comparisons = 0;
    for (number, case) in list(&oracle["cases"]).iter().enumerate() {
        let name = format!("case {number}");
        let wanted = &case["nats"];
        let probabilities: Vec<Vec<f64>> = list(&case["proba"]).iter().map(floats).collect();
        let n_classes = probabilities[0].len();
        let ballots: Vec<Ballot> = probabilities
            .iter()
            .map(|tree| {
                let mut votes = [0.0; CLASSES_MAX];
                votes[..n_classes].copy_from_slice(tree);
                Ballot { votes, entropy: entropy_nats(tree), accuracy: 1.0, abstains: false }
            })
            .collect();
        for (ballot, entropy) in ballots.iter().zip(floats(&wanted["entropy"])) {
            assert_close(ballot.entropy, entropy, 1e-9, &name);
        }
        let confident: Vec<usize> = (0..ballots.len()).filter(|tree| ballots[*tree].entropy < 0.25).collect();
        assert_eq!(confident, list(&wanted["confident"]).iter().map(index).collect::<Vec<_>>(), "{name}");
        let mut weights = vec![0.0; ballots.len()];
        weigh(&ballots, Vote::CONFIDENT, &mut weights);
        let decided: Vec<usize> = (0..weights.len()).filter(|tree| weights[*tree] > 0.0).collect();
        let everyone: Vec<usize> = (0..weights.len()).collect();
        assert_eq!(decided, if wanted["fallback"] == true { everyone } else { confident }, "{name}");
        let mut mean = vec![0.0; n_classes];
        assert!(tally(&ballots, &weights, &mut mean));
        for (found, expected) in mean.iter().zip(floats(&wanted["avg"])) {
            assert_close(*found, expected, 1e-9, &name);
        }
        assert_eq!(argmax(&mean), Some(index(&wanted["label"])), "{name}");
        comparisons += 3 + ballots.len() + n_classes;
    }
    summary("confident_vote", list(&oracle["cases"]).len(), comparisons);
}
