//! The slot: what is loaded, what is kept, what is freed and when.

use std::sync::Arc;

use model::artifact::Trust;
use model::{Category, Thresholds};

use super::{ModelSlot, installable_bytes, rejudge};
use crate::embedded;
use crate::scoring::Model;

fn model() -> Arc<Model> {
    Arc::new(Model::load(None).unwrap())
}

#[test]
fn what_is_replaced_lives_until_its_last_reader_has_gone_and_is_freed_by_the_control_side() {
    let slot = ModelSlot::new(Model::load(None).unwrap());
    let reader = slot.load();
    let first = Arc::downgrade(&reader.active);
    let second = model();
    slot.install(second.clone());
    assert!(Arc::ptr_eq(&slot.load().active, &second));
    assert_eq!(reader.generation, 0, "a batch that has begun ends with the model it began with");
    slot.install(model());
    assert_eq!(slot.reap(), 1, "the reader still holds the first");
    drop(reader);
    assert!(first.upgrade().is_some(), "letting go frees nothing on the reader's thread");
    assert_eq!(slot.reap(), 0);
    assert!(first.upgrade().is_none(), "but here");
}

#[test]
fn a_rollback_brings_the_previous_model_back_and_a_second_one_undoes_it() {
    let slot = ModelSlot::new(Model::load(None).unwrap());
    assert!(slot.rollback().is_err() && slot.previous_version().is_none());
    let (first, second) = (slot.load().active.clone(), model());
    slot.install(second.clone());
    assert_eq!(slot.previous_version(), Some(first.version()));
    slot.rollback().unwrap();
    assert!(Arc::ptr_eq(&slot.load().active, &first));
    slot.rollback().unwrap();
    assert!(Arc::ptr_eq(&slot.load().active, &second));
}

#[test]
fn a_shadow_is_promoted_once_and_goes_when_it_is_installed() {
    let slot = ModelSlot::new(Model::load(None).unwrap());
    assert!(slot.promote_shadow().is_err());
    let shadow = model();
    slot.set_shadow(Some(shadow.clone()));
    slot.promote_shadow().unwrap();
    assert!(Arc::ptr_eq(&slot.load().active, &shadow) && slot.load().shadow.is_none());
    slot.set_shadow(Some(model()));
    slot.install(model());
    assert!(slot.load().shadow.is_none(), "the same model by digest was promoted");
}

#[test]
fn thresholds_judge_the_same_probabilities_anew() {
    let slot = ModelSlot::new(Model::load(None).unwrap());
    assert!(slot.set_thresholds(Some(Thresholds { attack: 1.5, provisional: 0.5 })).is_err());
    slot.set_thresholds(Some(Thresholds { attack: 0.0, provisional: 0.0 })).unwrap();
    assert_eq!(slot.load().thresholds.unwrap().attack, 0.0);

    let serving = slot.load();
    let artifact = serving.active.artifact();
    let mut prediction = artifact.predict(&[0.0; 20]);
    let score = prediction.score;
    rejudge(&mut prediction, artifact.classes(), 0.0);
    assert!(prediction.attack && prediction.category != Category::Benign);
    assert_eq!(prediction.confidence, prediction.probabilities[prediction.category.index()]);
    rejudge(&mut prediction, artifact.classes(), artifact.manifest().thresholds.attack);
    assert_eq!(prediction, artifact.predict(&[0.0; 20]), "the model's own threshold gives its own verdict");
    assert_eq!(prediction.score, score);
}

#[test]
fn only_trusted_sound_and_current_files_are_installable() {
    let trust = Trust::none().with_digest(embedded::digest());
    assert!(installable_bytes(embedded::BYTES, &trust, 0).is_ok());
    let fault = |bytes: &[u8], trust: &Trust| {
        let Err(fault) = installable_bytes(bytes, trust, 0) else { panic!("installable") };
        fault.exit_code()
    };
    assert_eq!(fault(embedded::BYTES, &Trust::none()), 65);
    let mut broken = embedded::BYTES.to_vec();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(fault(&broken, &trust), 65);
}
