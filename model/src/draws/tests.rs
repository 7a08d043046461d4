//! Holds the generator to its published outputs and its draws to their distributions.

use super::*;

/// The stream is part of the artifact format: these numbers may never change.
#[test]
fn the_stream_is_fixed() {
    // Reference outputs of SplitMix64 with state 0, as published with the algorithm.
    let mut plain = TreeRng { state: 0 };
    assert_eq!(plain.next_u64(), 0xe220_a839_7b1d_cdaf);
    assert_eq!(plain.next_u64(), 0x6e78_9e6a_a1b9_65f4);
    let mut tree = TreeRng::for_tree(13, 4);
    let first: Vec<u32> = (0..8).map(|_| tree.poisson(7.0)).collect();
    let mut again = TreeRng::for_tree(13, 4);
    assert_eq!(first, (0..8).map(|_| again.poisson(7.0)).collect::<Vec<_>>());
    assert_ne!(TreeRng::for_tree(13, 5), TreeRng::for_tree(13, 4));
    assert_ne!(TreeRng::for_tree(14, 4), TreeRng::for_tree(13, 4));
}

#[test]
fn poisson_has_its_mean_and_variance() {
    for lambda in [0.3, 1.0, 7.0, 40.0, 700.0] {
        let mut rng = TreeRng::for_tree(1, 2);
        let draws: Vec<f64> = (0..20_000).map(|_| f64::from(rng.poisson(lambda))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / draws.len() as f64;
        let error = 4.0 * (lambda / draws.len() as f64).sqrt();
        assert!((mean - lambda).abs() < error, "lambda {lambda}: mean {mean}");
        assert!((variance / lambda - 1.0).abs() < 0.06, "lambda {lambda}: variance {variance}");
    }
    let mut rng = TreeRng::for_tree(1, 2);
    for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(rng.poisson(nonsense), 0);
    }
}

#[test]
fn subsets_are_different_features_each_equally_often() {
    let mut rng = TreeRng::for_tree(9, 0);
    let mut seen = [0u32; 20];
    let mut subset = Vec::new();
    for _ in 0..20_000 {
        rng.subset(20, 4, &mut subset);
        let mut sorted = subset.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 4);
        for &feature in &subset {
            seen[usize::from(feature)] += 1;
        }
    }
    assert!(seen.iter().all(|&n| (3_700..4_300).contains(&n)), "{seen:?}");
    rng.subset(3, 9, &mut subset);
    assert_eq!(subset.len(), 3);
}
