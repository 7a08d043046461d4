//! Every single altered bit and every truncation of a signed file is refused, and no bytes whatever make the readers
//! panic.

use super::{draft, key, rows, small_scorer};
use model::artifact::{Artifact, Channel, ChannelPointer, Digest, Trust};
use proptest::prelude::*;

fn trust() -> Trust {
    Trust::none().with_key(key(1).public())
}

fn pointer() -> ChannelPointer {
    ChannelPointer {
        format: 1,
        name: "small".to_owned(),
        channel: Channel::Production,
        digest: Digest::of(b"artifact"),
        serial: 7,
        sequence: 3,
        cohort_percent: 100,
        not_after: 1_800_000_000,
    }
}

fn small_artifact() -> Vec<u8> {
    let rows = rows(300, 1);
    let (scorer, _) = small_scorer(&rows);
    draft(&scorer, &rows).write(Some(&key(1))).unwrap()
}

/// Returns how many altered files were tried.
fn every_alteration_is_refused(bytes: &[u8], accepts: impl Fn(&[u8]) -> bool) -> usize {
    assert!(accepts(bytes), "the file itself is sound");
    let mut altered = bytes.to_vec();
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            altered[offset] ^= 1 << bit;
            assert!(!accepts(&altered), "bit {bit} of byte {offset} may be flipped");
            altered[offset] ^= 1 << bit;
        }
    }
    for length in 0..bytes.len() {
        assert!(!accepts(&bytes[..length]), "accepted when cut to {length} bytes");
    }
    bytes.len() * 9
}

#[test]
#[allow(clippy::print_stdout)]
fn every_bit_and_every_truncation() {
    let trust = trust();
    let artifact = small_artifact();
    let tried = every_alteration_is_refused(&artifact, |bytes| Artifact::read(bytes, &trust).is_ok());
    println!("counted tamper: artifact of {} bytes, {tried} alterations refused", artifact.len());
    let pointer = pointer().write(&key(1)).unwrap();
    let tried = every_alteration_is_refused(&pointer, |bytes| ChannelPointer::read(bytes, &trust).is_ok());
    println!("counted tamper: pointer of {} bytes, {tried} alterations refused", pointer.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Noise that the reader has been told to trust still gives an error.
    #[test]
    fn noise_gives_an_error(tail in proptest::collection::vec(any::<u8>(), 0..400), length in 0u32..400) {
        for magic in [b"TAPHND01", b"TAPHPTR1"] {
            let mut bytes = magic.to_vec();
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&tail);
            let trust = trust().with_digest(Digest::of(&bytes));
            prop_assert!(Artifact::read(&bytes, &trust).is_err());
            prop_assert!(ChannelPointer::read(&bytes, &trust).is_err());
        }
    }
}

/// What a signer could have damaged before signing: the trusted digest lets the altered file through to the decoders.
#[test]
fn altered_and_trusted_files_never_panic() {
    let bytes = small_artifact();
    let mut rng = model::draws::TreeRng::for_tree(5, 5);
    let mut accepted = 0;
    for _ in 0..4000 {
        let mut altered = bytes.clone();
        for _ in 0..=rng.below(3) {
            let offset = rng.below(altered.len());
            altered[offset] = rng.next_u64() as u8;
        }
        if rng.below(4) == 0 {
            let cut = rng.below(altered.len());
            altered.truncate(cut);
        }
        let trust = Trust::none().with_digest(Digest::of(&altered));
        accepted += usize::from(Artifact::read(&altered, &trust).is_ok());
    }
    // A changed metric or quantile still reads; most changes do not.
    assert!(accepted < 3000, "{accepted} of 4000 altered files were read");
}

/// Hostile structures behind a sound container: the body is packed anew after every change.
#[test]
fn altered_bodies_never_panic() {
    let bytes = small_artifact();
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let mut manifest: model::artifact::Manifest = rmp_serde::from_slice(&bytes[12..12 + length]).unwrap();
    let body_at = 12 + length + 72;
    let body_end = body_at + manifest.sections[0].length as usize;
    let plain = zstd::stream::decode_all(&bytes[body_at..body_end]).unwrap();
    let mut rng = model::draws::TreeRng::for_tree(6, 6);
    for _ in 0..4000 {
        let mut altered = plain.clone();
        for _ in 0..=rng.below(2) {
            let offset = rng.below(altered.len());
            altered[offset] = rng.next_u64() as u8;
        }
        let packed = zstd::bulk::compress(&altered, 1).unwrap();
        manifest.sections[0].length = packed.len() as u64;
        manifest.sections[0].plain_length = altered.len() as u64;
        manifest.sections[0].sha256 = Digest::of(&packed);
        let head = rmp_serde::to_vec_named(&manifest).unwrap();
        let mut file = b"TAPHND01".to_vec();
        file.extend_from_slice(&(head.len() as u32).to_le_bytes());
        file.extend_from_slice(&head);
        let block = key(1).block(&file);
        file.extend_from_slice(&block);
        file.extend_from_slice(&packed);
        file.extend_from_slice(&bytes[body_end..]);
        let _ = Artifact::read(&file, &trust());
    }
}
