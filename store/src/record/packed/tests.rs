//! Every vector comes back bit for bit; damaged bytes never panic.

use proptest::prelude::*;

use super::{FEATURES, pack_features, unpack_features};

#[test]
fn a_usual_vector_takes_half_its_bytes() {
    let mut features = [0.0; FEATURES];
    features[..8].copy_from_slice(&[1_234_567.0, 12.0, 9.0, 4_000.0, 90_000.0, 1_460.0, 0.0, 333.25]);
    let mut packed = vec![9];
    pack_features(&features, &mut packed);
    assert_eq!(unpack_features(&packed), Some(features));
    assert!(packed.len() <= 80, "{} bytes", packed.len());
}

proptest! {
    #[test]
    fn what_is_packed_comes_back_with_the_same_bits(
        features in prop::array::uniform20(prop_oneof![
            Just(0.0), Just(-0.0), any::<f64>(), (0u64..1 << 50).prop_map(|n| n as f64),
        ])
    ) {
        let mut packed = Vec::new();
        pack_features(&features, &mut packed);
        let back = unpack_features(&packed).unwrap();
        for (a, b) in features.iter().zip(back) {
            prop_assert_eq!(a.to_bits(), b.to_bits());
        }
    }

    #[test]
    fn other_bytes_are_refused_or_read_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = unpack_features(&bytes);
    }
}
