//! A model survives its file bit for bit, and files that should not be used are refused with a reason.

use super::{draft, key, rows, small_scorer};
use model::artifact::{Artifact, ArtifactError, Digest, Manifest, Trust, TrustedBy, without_learner};
use model::{FEATURES, schema_id};

#[test]
fn comes_back_bit_for_bit() {
    let rows = rows(3000, 1);
    let (scorer, forest) = small_scorer(&rows);
    let mut draft = draft(&scorer, &rows);
    draft.learner = Some(&forest);
    let bytes = draft.write(Some(&key(1))).unwrap();
    assert_eq!(bytes, draft.write(Some(&key(1))).unwrap(), "the same draft gives the same bytes");
    let artifact = Artifact::read(&bytes, &Trust::none().with_key(key(1).public())).unwrap();
    assert_eq!(artifact.trusted_by(), TrustedBy::Key(key(1).public().id()));
    assert_eq!(artifact.digest(), Digest::of(&bytes));
    assert_eq!(artifact.scorer(), &scorer);
    assert_eq!(artifact.learner().unwrap().as_ref(), Some(&forest), "with caches restored");
    let manifest = artifact.manifest();
    assert_eq!((manifest.name.as_str(), manifest.serial, manifest.parent), ("small", 7, Some(6)));
    assert_eq!(manifest.features, FEATURES);
    assert_eq!(manifest.quantiles, draft.quantiles);
    for (x, _) in rows.iter().take(200) {
        assert_eq!(artifact.predict(x), scorer.predict(x));
        assert_eq!(artifact.novelty(x).to_bits(), scorer.novelty(x).to_bits());
    }
}

#[test]
fn learning_goes_on_where_it_stopped() {
    let rows = rows(4000, 2);
    let (scorer, forest) = small_scorer(&rows[..2000]);
    let mut draft = draft(&scorer, &rows[..2000]);
    draft.learner = Some(&forest);
    let trust = Trust::none().with_key(key(1).public());
    let artifact = Artifact::read(&draft.write(Some(&key(1))).unwrap(), &trust).unwrap();
    let (mut resumed, mut kept) = (artifact.learner().unwrap().unwrap(), forest);
    for (x, class) in &rows[2000..] {
        assert_eq!(resumed.learn_one(x, *class), kept.learn_one(x, *class));
    }
    assert_eq!(resumed.freeze(), kept.freeze());
}

#[test]
fn sensors_get_the_same_model_without_what_it_learns_from() {
    let rows = rows(3000, 9);
    let (scorer, forest) = small_scorer(&rows);
    let mut draft = draft(&scorer, &rows);
    draft.learner = Some(&forest);
    let whole = draft.write(Some(&key(1))).unwrap();
    let trust = Trust::none().with_key(key(1).public());
    let lean = without_learner(&whole, &trust, Some(&key(1))).unwrap();
    assert!(lean.len() < whole.len(), "{} of {} bytes", lean.len(), whole.len());
    assert_eq!(without_learner(&lean, &trust, Some(&key(1))).unwrap(), lean, "nothing to leave out");
    let [whole, lean] = [&whole, &lean].map(|bytes| Artifact::read(bytes, &trust).unwrap());
    assert!(whole.can_learn() && !lean.can_learn() && whole.judges_as(&lean));
    assert_eq!((lean.scorer(), lean.learner()), (&scorer, Ok(None)));
    let mut same_but_for_sections = lean.manifest().clone();
    same_but_for_sections.sections.push(whole.manifest().sections[2].clone());
    assert_eq!(&same_but_for_sections, whole.manifest());
    // Whoever signs it vouches for it: the file is read as critically as any.
    let bytes = draft.write(Some(&key(1))).unwrap();
    let strangers = Trust::none().with_key(key(2).public());
    let unknown = without_learner(&bytes, &strangers, Some(&key(2)));
    assert!(matches!(unknown, Err(ArtifactError::UnknownKey { .. })), "{unknown:?}");
    let resigned = without_learner(&bytes, &trust, Some(&key(2))).unwrap();
    assert_eq!(Artifact::read(&resigned, &strangers).unwrap().scorer(), &scorer);
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(without_learner(&damaged, &trust, None).is_err(), "a damaged section");
}

#[test]
fn trust_is_a_key_or_a_digest() {
    let rows = rows(600, 3);
    let (scorer, _) = small_scorer(&rows);
    let draft = draft(&scorer, &rows);
    let (unsigned, signed) = (draft.write(None).unwrap(), draft.write(Some(&key(2))).unwrap());
    let strangers = Trust::none().with_key(key(1).public());
    assert!(matches!(Artifact::read(&unsigned, &strangers), Err(ArtifactError::Unsigned { .. })));
    assert!(matches!(Artifact::read(&signed, &strangers), Err(ArtifactError::UnknownKey { .. })));
    let by_digest = Trust::none().with_digest(Digest::of(&unsigned));
    assert_eq!(Artifact::read(&unsigned, &by_digest).unwrap().trusted_by(), TrustedBy::Digest);
    assert!(Artifact::read(&signed, &by_digest).is_err(), "another file");
    // Rotation: both keys are trusted for a while, then only the new one.
    let both = strangers.clone().with_key(key(2).public());
    assert!(Artifact::read(&signed, &both).is_ok());
    assert!(Artifact::read(&draft.write(Some(&key(1))).unwrap(), &both).is_ok());
    let only_new = Trust::none().with_key(key(1).public());
    assert!(Artifact::read(&signed, &only_new).is_err());
}

#[test]
fn expiry_gates_installing_only() {
    let rows = rows(600, 4);
    let (scorer, _) = small_scorer(&rows);
    let bytes = draft(&scorer, &rows).write(Some(&key(1))).unwrap();
    let artifact = Artifact::read(&bytes, &Trust::none().with_key(key(1).public())).unwrap();
    assert!(artifact.installable(1_799_999_999).is_ok());
    let late = artifact.installable(1_800_000_000).unwrap_err();
    assert_eq!(late, ArtifactError::Expired { expires: 1_800_000_000, now: 1_800_000_000 });
    assert!(late.to_string().contains("install a newer model"));
}

/// The file's parts, as the format says: where the manifest ends, and the manifest.
fn manifest_of(bytes: &[u8]) -> (usize, Manifest) {
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    (12 + length, rmp_serde::from_slice(&bytes[12..12 + length]).unwrap())
}

/// The file with another manifest, signed anew by the same trusted key.
fn resigned(bytes: &[u8], manifest: &impl serde::Serialize) -> Vec<u8> {
    let (end, _) = manifest_of(bytes);
    let head = rmp_serde::to_vec_named(manifest).unwrap();
    let mut out = bytes[..8].to_vec();
    out.extend_from_slice(&(head.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    let block = key(1).block(&out);
    out.extend_from_slice(&block);
    out.extend_from_slice(&bytes[end + block.len()..]);
    out
}

#[test]
fn a_trusted_signer_can_still_be_wrong() {
    let rows = rows(600, 5);
    let (scorer, _) = small_scorer(&rows);
    let bytes = draft(&scorer, &rows).write(Some(&key(1))).unwrap();
    let trust = Trust::none().with_key(key(1).public());
    let read = |change: &dyn Fn(&mut Manifest)| {
        let (_, mut manifest) = manifest_of(&bytes);
        change(&mut manifest);
        Artifact::read(&resigned(&bytes, &manifest), &trust)
    };
    assert!(read(&|_| {}).is_ok());
    assert!(matches!(read(&|m| m.format = 2), Err(ArtifactError::Newer { found: 2, known: 1 })));
    let other = read(&|m| m.schema = "cic20/1:00000000".to_owned()).unwrap_err();
    assert!(other.to_string().contains("cic20/1:00000000") && other.to_string().contains(schema_id()));
    assert!(matches!(read(&|m| m.features.swap(0, 1)), Err(ArtifactError::Schema { .. })));
    assert!(matches!(read(&|m| m.classes.swap(0, 1)), Err(ArtifactError::SelfTest { .. })));
    assert!(matches!(read(&|m| m.classes.truncate(2)), Err(ArtifactError::Model(_))));
    assert!(matches!(read(&|m| m.thresholds.attack = f64::NAN), Err(ArtifactError::Model(_))));
    assert!(matches!(read(&|m| m.sections.swap(0, 1)), Err(ArtifactError::SectionDigest { .. })));
    assert!(matches!(read(&|m| m.sections.truncate(1)), Err(ArtifactError::Layout { .. })));
    assert!(matches!(read(&|m| m.sections[1].length -= 1), Err(ArtifactError::SectionDigest { .. })));
    assert!(matches!(read(&|m| m.sections[0].length = u64::MAX), Err(ArtifactError::Layout { .. })));
    assert!(matches!(read(&|m| m.sections[0].plain_length += 1), Err(ArtifactError::Decode { .. })));
    assert!(matches!(read(&|m| m.sections[0].plain_length = 1 << 40), Err(ArtifactError::Decode { .. })));
    assert!(matches!(
        read(&|m| m.sections[0].name = "script".to_owned()),
        Err(ArtifactError::Sections { .. })
    ));
    assert!(matches!(read(&|m| m.sections[1].name = "body".to_owned()), Err(ArtifactError::Sections { .. })));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Artifact::read(&longer, &trust), Err(ArtifactError::Layout { .. })));
}

/// Readers must go on reading what older writers wrote: fields that came later have defaults.
#[test]
fn fields_that_came_later_may_be_missing() {
    let rows = rows(600, 6);
    let (scorer, _) = small_scorer(&rows);
    let bytes = draft(&scorer, &rows).write(Some(&key(1))).unwrap();
    let (_, manifest) = manifest_of(&bytes);
    let mut map = serde_json::to_value(&manifest).unwrap();
    for field in ["thresholds", "parent", "expires"] {
        map.as_object_mut().unwrap().remove(field).unwrap();
    }
    map["comes_later"] = 1.into();
    let artifact = Artifact::read(&resigned(&bytes, &map), &Trust::none().with_key(key(1).public())).unwrap();
    assert_eq!(artifact.manifest().expires, None);
    assert_eq!(artifact.manifest().thresholds.attack, 0.5);
}
