//! What the model's targets share: a small sound model file, and files made of its parts.

use model::artifact::{Artifact, Digest, Draft, Manifest, SecretKey, Trust};
use model::draws::TreeRng;
use model::forest::ForestParams;
use model::novelty::{IsolationForest, NoveltyParams};
use model::quantiles::ReferenceQuantiles;
use model::scorer::Transform;
use model::{AdaptiveRandomForest, Category, N_FEATURES, Scorer, Thresholds};
use std::collections::BTreeMap;

/// The trusted key.
pub fn key() -> SecretKey {
    SecretKey::from_entropy([7; 32])
}

/// Trusts [`key`].
pub fn trust() -> Trust {
    Trust::none().with_key(key().public())
}

/// A small model file, signed by [`key`]. It is kept with the seeds because the compressor's best level trips the
/// address sanitizer.
pub static SMALL: &[u8] = include_bytes!("../corpus/artifact/small");

/// Makes [`SMALL`] anew, as after a change of format.
pub fn make_small() -> Vec<u8> {
    let mut rng = TreeRng::for_tree(1, 1);
    let params = ForestParams { n_models: 3, ..ForestParams::product(N_FEATURES, 2) };
    let mut forest = AdaptiveRandomForest::new(params).expect("sound parameters");
    let mut benign = Vec::new();
    for _ in 0..400 {
        let class = rng.below(2);
        let x: [f64; N_FEATURES] = std::array::from_fn(|_| rng.uniform() + class as f64 * 0.5);
        forest.learn_one(&x, class);
        benign.push(x.to_vec());
    }
    let novelty = IsolationForest::fit(&benign, NoveltyParams { trees: 2, sample_size: 8, seed: 1 });
    let classes = vec![Category::Benign, Category::Scan];
    let scorer = Scorer::new(Transform::default(), forest.freeze(), novelty, classes, Thresholds::default());
    let scorer = scorer.expect("sound parts");
    let none = Vec::new;
    let quantiles = ReferenceQuantiles {
        probabilities: none(),
        features: Vec::new(),
        score: none(),
        score_benign: none(),
        novelty_benign: none(),
    };
    let draft = Draft {
        name: "small".to_owned(),
        serial: 1,
        parent: None,
        training_data: Digest::of(b""),
        metrics: BTreeMap::new(),
        quantiles,
        created: 0,
        expires: None,
        scorer: &scorer,
        learner: Some(&forest),
        self_test: vec![[0.5; N_FEATURES]],
    };
    draft.write(Some(&key())).expect("small enough")
}

/// A head between magic and signature block.
pub fn seal(magic: &[u8; 8], head: &[u8]) -> Vec<u8> {
    let mut file = magic.to_vec();
    file.extend_from_slice(&(head.len() as u32).to_le_bytes());
    file.extend_from_slice(head);
    let block = key().block(&file);
    file.extend_from_slice(&block);
    file
}

/// The small model with one section's plain bytes replaced, and signed anew.
pub fn with_section(number: usize, plain: &[u8]) -> Vec<u8> {
    let length = u32::from_le_bytes(SMALL[8..12].try_into().expect("four bytes")) as usize;
    let mut manifest: Manifest = rmp_serde::from_slice(&SMALL[12..12 + length]).expect("our own manifest");
    let mut at = 12 + length + 72;
    let mut packed = Vec::new();
    for (i, section) in manifest.sections.iter_mut().enumerate() {
        let bytes = &SMALL[at..at + section.length as usize];
        at += bytes.len();
        if i == number {
            let replaced = zstd::bulk::compress(plain, 1).expect("compresses");
            section.length = replaced.len() as u64;
            section.plain_length = plain.len() as u64;
            section.sha256 = Digest::of(&replaced);
            packed.extend_from_slice(&replaced);
        } else {
            packed.extend_from_slice(bytes);
        }
    }
    let mut file = seal(b"TAPHND01", &rmp_serde::to_vec_named(&manifest).expect("encodes"));
    file.extend_from_slice(&packed);
    file
}

/// Uses everything that a model offers.
pub fn exercise(artifact: &Artifact) {
    for value in [0.0, 1.0, -3.5, 1e12, f64::NAN, f64::INFINITY] {
        let x = [value; N_FEATURES];
        let prediction = artifact.predict(&x);
        assert!((0.0..=1.0).contains(&prediction.score));
        let _ = (artifact.explain(&x), artifact.novelty(&x), artifact.predict_provisional(&x));
    }
    if let Ok(Some(mut forest)) = artifact.learner() {
        for class in [0, forest.params().tree.n_classes - 1] {
            forest.learn_one(&[0.5; N_FEATURES], class);
        }
    }
}
