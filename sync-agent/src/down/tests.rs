//! Which pointers may be acted upon: signature, model, channel, sequence and time, each refused with its reason.

use model::artifact::{Digest, SecretKey};

use super::*;

fn pointer(sequence: u64) -> ChannelPointer {
    ChannelPointer {
        format: 1,
        name: "m".into(),
        channel: Channel::Production,
        digest: Digest([1; 32]),
        serial: 5,
        sequence,
        cohort_percent: 100,
        not_after: 1_000,
    }
}

#[test]
fn a_pointer_is_believed_for_its_signature_and_its_sequence() {
    let (key, stranger) = (SecretKey::from_entropy([1; 32]), SecretKey::from_entropy([2; 32]));
    let trust = Trust::none().with_key(key.public());
    let last = pointer(7);
    let read = |pointer: &ChannelPointer, key: &SecretKey, now_s| {
        accept(&pointer.write(key).unwrap(), "m", Channel::Production, Some(&last), &trust, now_s)
    };
    assert_eq!(read(&last, &key, 10).unwrap(), last);
    assert_eq!(read(&pointer(8), &key, 10).unwrap(), pointer(8));
    let other = |change: fn(&mut ChannelPointer)| {
        let mut pointer = pointer(8);
        change(&mut pointer);
        pointer
    };
    let refused = [
        (read(&pointer(6), &key, 10), "sequence"),
        (read(&other(|p| (p.sequence, p.serial) = (7, 6)), &key, 10), "sequence 7 already points to model 5"),
        (read(&pointer(8), &stranger, 10), "not"),
        (read(&pointer(8), &key, 1_000), "not after"),
        (read(&other(|p| p.name = "n".into()), &key, 10), "model name"),
        (read(&other(|p| p.channel = Channel::Canary), &key, 10), "channel"),
    ];
    for (outcome, words) in refused {
        let reason = outcome.unwrap_err();
        assert!(reason.contains(words), "{reason} lacks {words}");
    }
    let mut bytes = pointer(8).write(&key).unwrap();
    bytes.push(0);
    assert!(accept(&bytes, "m", Channel::Production, None, &trust, 10).is_err());
    bytes.truncate(40);
    assert!(accept(&bytes, "m", Channel::Production, None, &trust, 10).is_err());
}
