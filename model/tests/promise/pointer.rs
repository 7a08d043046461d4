//! The channel pointer: who may move it, forwards only, to whom and until when.

use super::{draft, key, rows, small_scorer};
use model::artifact::{Artifact, ArtifactError, Channel, ChannelPointer, Digest, Expectation, Trust};

fn pointer() -> ChannelPointer {
    ChannelPointer {
        format: 1,
        name: "small".to_owned(),
        channel: Channel::Canary,
        digest: Digest::of(b"artifact"),
        serial: 7,
        sequence: 5,
        cohort_percent: 30,
        not_after: 2000,
    }
}

#[test]
fn survives_its_file_and_needs_a_trusted_key() {
    let bytes = pointer().write(&key(1)).unwrap();
    let trust = Trust::none().with_key(key(1).public());
    assert_eq!(ChannelPointer::read(&bytes, &trust).unwrap(), pointer());
    let stranger = Trust::none().with_key(key(2).public());
    assert!(matches!(ChannelPointer::read(&bytes, &stranger), Err(ArtifactError::UnknownKey { .. })));
    let by_digest = Trust::none().with_digest(Digest::of(&bytes));
    assert!(ChannelPointer::read(&bytes, &by_digest).is_err(), "a pointer's digest is no trust");
    let artifact = Artifact::read(&bytes, &trust).unwrap_err();
    assert!(matches!(artifact, ArtifactError::Magic { .. }), "a pointer is no artifact");
    let newer = ChannelPointer { format: 2, ..pointer() }.write(&key(1)).unwrap();
    assert!(matches!(ChannelPointer::read(&newer, &trust), Err(ArtifactError::Newer { .. })));
    let absurd = ChannelPointer { cohort_percent: 101, ..pointer() }.write(&key(1)).unwrap();
    assert!(ChannelPointer::read(&absurd, &trust).is_err());
}

#[test]
fn moves_forwards_only() {
    let expected = Expectation { name: "small", channel: Channel::Canary, last_sequence: 5, now_s: 1999 };
    assert!(pointer().check(&expected).is_ok(), "the pointer already acted upon");
    let refused = [
        Expectation { name: "other", ..expected },
        Expectation { channel: Channel::Production, ..expected },
        Expectation { last_sequence: 6, ..expected },
        Expectation { now_s: 2000, ..expected },
    ];
    for expected in refused {
        assert!(matches!(pointer().check(&expected), Err(ArtifactError::Channel { .. })), "{expected:?}");
    }
}

#[test]
fn a_rollback_is_a_higher_sequence_to_an_older_artifact() {
    let rows = rows(600, 1);
    let (scorer, _) = small_scorer(&rows);
    let bytes = draft(&scorer, &rows).write(Some(&key(1))).unwrap();
    let artifact = Artifact::read(&bytes, &Trust::none().with_key(key(1).public())).unwrap();
    let rollback = ChannelPointer { digest: artifact.digest(), sequence: 99, ..pointer() };
    assert!(rollback.admits(&artifact).is_ok());
    for wrong in [
        pointer(),
        ChannelPointer { serial: 8, ..rollback.clone() },
        ChannelPointer { name: "other".to_owned(), ..rollback.clone() },
    ] {
        assert!(matches!(wrong.admits(&artifact), Err(ArtifactError::Channel { .. })));
    }
}

#[test]
fn a_growing_cohort_keeps_its_members() {
    let sensors: Vec<String> = (0..2000).map(|i| format!("sensor-{i}")).collect();
    let members = |cohort_percent| {
        let pointer = ChannelPointer { cohort_percent, ..pointer() };
        sensors.iter().filter(|sensor| pointer.includes(sensor)).cloned().collect::<Vec<_>>()
    };
    assert!(members(0).is_empty());
    assert_eq!(members(100).len(), sensors.len());
    let (few, many) = (members(10), members(40));
    assert!(few.iter().all(|sensor| many.contains(sensor)));
    assert!(
        (120..280).contains(&few.len()) && (700..900).contains(&many.len()),
        "{} {}",
        few.len(),
        many.len()
    );
}
