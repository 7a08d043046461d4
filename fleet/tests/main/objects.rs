//! What every object store does.

use std::time::Duration;

use fleet::objects::{ETag, Object, ObjectHead, Polled, PutIf, folder::FolderStore};
use fleet::{DoorError, ObjectStore};

const MOST: u64 = 64 << 20;

/// The whole contract, in an empty store.
pub(crate) async fn contract(store: &dyn ObjectStore) {
    one_object(store).await;
    conditions(store).await;
    files(store).await;
    lists(store).await;
    refusals(store).await;
}

async fn one_object(store: &dyn ObjectStore) {
    let key = "models/ARF Baseline Model/7/größe+x.taphound";
    assert_eq!(store.read(key, MOST).await, Ok(None));
    assert_eq!(store.poll(key, None, MOST).await, Ok(Polled::Absent));
    let etag = store.write(key, b"one".to_vec(), PutIf::Always).await.unwrap();
    let object = Object { bytes: b"one".to_vec(), etag: etag.clone() };
    assert_eq!(store.read(key, MOST).await, Ok(Some(object.clone())));
    assert_eq!(store.poll(key, None, MOST).await, Ok(Polled::Changed(object)));
    assert_eq!(store.poll(key, Some(&etag), MOST).await, Ok(Polled::Unchanged));
    let newer = store.write(key, b"two".to_vec(), PutIf::Always).await.unwrap();
    assert_ne!(newer, etag);
    let polled = store.poll(key, Some(&etag), MOST).await.unwrap();
    assert_eq!(polled, Polled::Changed(Object { bytes: b"two".to_vec(), etag: newer }));
    store.remove(key).await.unwrap();
    store.remove(key).await.unwrap();
    assert_eq!(store.read(key, MOST).await, Ok(None));
    assert_eq!(store.poll(key, Some(&etag), MOST).await, Ok(Polled::Absent));
    // Nothing at all is an object too.
    store.write("empty", vec![], PutIf::Always).await.unwrap();
    assert_eq!(store.read("empty", 0).await.unwrap().unwrap().bytes, b"");
    store.remove("empty").await.unwrap();
}

async fn conditions(store: &dyn ObjectStore) {
    let key = "channels/m/production";
    let first = store.write(key, b"1".to_vec(), PutIf::Absent).await.unwrap();
    let conflict = |outcome: Result<ETag, DoorError>| {
        assert!(matches!(outcome, Err(DoorError::Conflict { .. })), "{outcome:?}");
    };
    conflict(store.write(key, b"2".to_vec(), PutIf::Absent).await);
    let second = store.write(key, b"2".to_vec(), PutIf::Unchanged(first.clone())).await.unwrap();
    conflict(store.write(key, b"3".to_vec(), PutIf::Unchanged(first)).await);
    conflict(store.write("channels/m/none", b"3".to_vec(), PutIf::Unchanged(second)).await);
    assert_eq!(store.read(key, MOST).await.unwrap().unwrap().bytes, b"2");
    store.remove(key).await.unwrap();
}

async fn files(store: &dyn ObjectStore) {
    let folder = tempfile::tempdir().unwrap();
    // More than one part of a multipart upload, and no two parts alike.
    let large: Vec<u8> =
        (0..9_000_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 16).to_le_bytes()).collect();
    for (name, bytes) in [("small", &b"few bytes"[..]), ("large", &large[..20 << 20])] {
        let (from, to, key) =
            (folder.path().join(name), folder.path().join(format!("{name} back")), format!("f/{name}"));
        std::fs::write(&from, bytes).unwrap();
        let etag = store.upload(&key, &from, PutIf::Absent).await.unwrap();
        let again = store.upload(&key, &from, PutIf::Absent).await;
        assert!(matches!(again, Err(DoorError::Conflict { .. })), "{name}: {again:?}");
        assert_eq!(store.download(&key, &to, MOST).await, Ok(etag.clone()));
        assert!(std::fs::read(&to).unwrap() == bytes, "{name} comes back as it was");
        assert_eq!(store.poll(&key, Some(&etag), MOST).await, Ok(Polled::Unchanged));
        // Never over a file that is there, never a part of one.
        let over = store.download(&key, &to, MOST).await;
        assert!(matches!(over, Err(DoorError::Conflict { .. })), "{over:?}");
        let cut = folder.path().join("cut");
        let outcome = store.download(&key, &cut, bytes.len() as u64 - 1).await;
        assert!(matches!(outcome, Err(DoorError::Damaged { .. })), "{outcome:?}");
        assert!(!cut.exists());
        store.remove(&key).await.unwrap();
    }
    let absent = store.download("f/none", &folder.path().join("none"), MOST).await;
    assert!(matches!(absent, Err(DoorError::Absent { .. })), "{absent:?}");
    assert!(!folder.path().join("none").exists());
    assert!(store.upload("f/x", &folder.path().join("none"), PutIf::Always).await.is_err());
}

async fn lists(store: &dyn ObjectStore) {
    let keys = ["l/a", "l/a-b", "l/a.b/c", "l/a/b", "l/a0", "l/b c/d e", "l/é", "m"];
    // A folder cannot hold both `l/a` and `l/a/b`.
    let keys: Vec<&str> = keys.into_iter().filter(|key| *key != "l/a").collect();
    for key in &keys {
        store.write(key, key.as_bytes().to_vec(), PutIf::Always).await.unwrap();
    }
    for (prefix, expected) in
        [("l/", &keys[..6]), ("l/a", &keys[..4]), ("l/a/", &keys[2..3]), ("", &keys[..]), ("x", &[])]
    {
        for limit in [1, 2, 1000] {
            let (mut found, mut after): (Vec<ObjectHead>, _) = (Vec::new(), None);
            loop {
                let page = store.list(prefix, after.as_ref(), limit).await.unwrap();
                assert!(page.rows.len() <= limit);
                found.extend(page.rows);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let names: Vec<&str> = found.iter().map(|head| head.key.as_str()).collect();
            assert_eq!(names, expected, "{prefix:?} by {limit}");
            for head in found {
                assert_eq!(head.bytes, head.key.len() as u64);
                assert!(head.modified_ms > 1_700_000_000_000, "{}", head.modified_ms);
                assert_eq!(store.read(&head.key, MOST).await.unwrap().unwrap().etag, head.etag);
            }
        }
    }
    for key in keys {
        store.remove(key).await.unwrap();
    }
}

async fn refusals(store: &dyn ObjectStore) {
    for key in ["", "/etc/passwd", "a/../../b", "..", "a//b", "a/./b", "a/", "a\0b", &"x/".repeat(600)] {
        let outcome = store.write(key, vec![1], PutIf::Always).await;
        assert!(matches!(outcome, Err(DoorError::Invalid { .. })), "{key:?}: {outcome:?}");
        assert!(store.read(key, MOST).await.is_err(), "{key:?}");
        assert!(store.remove(key).await.is_err(), "{key:?}");
        assert!(store.presigned(key, Duration::from_secs(60)).await.is_err(), "{key:?}");
    }
    store.write("big", vec![7; 1000], PutIf::Always).await.unwrap();
    let outcome = store.read("big", 999).await;
    assert!(matches!(&outcome, Err(DoorError::Damaged { .. })), "{outcome:?}");
    store.remove("big").await.unwrap();
    assert!(!store.place().is_empty());
}

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(&folder.path().join("deep/objects")).unwrap();
    contract(&store).await;
    let incoming = folder.path().join("deep/objects/.incoming");
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0, "nothing half-written is left");
    assert!(store.write(".lock", vec![], PutIf::Always).await.is_err());
    assert!(store.write(".incoming/x", vec![], PutIf::Always).await.is_err());
    store.write("a b/c", b"x".to_vec(), PutIf::Always).await.unwrap();
    let url = store.presigned("a b/c", Duration::from_secs(1)).await.unwrap();
    assert!(url.starts_with("file:///") && url.ends_with("/a%20b/c"), "{url}");
}

#[tokio::test]
async fn of_many_writers_of_a_folder_one_wins_each_turn() {
    let folder = tempfile::tempdir().unwrap();
    let key = "channels/m/production";
    let first =
        FolderStore::open(folder.path()).unwrap().write(key, b"0".to_vec(), PutIf::Always).await.unwrap();
    let attempts: Vec<_> = (1..=16_u8)
        .map(|n| {
            let (store, first) = (FolderStore::open(folder.path()).unwrap(), first.clone());
            tokio::spawn(async move { store.write(key, vec![n], PutIf::Unchanged(first)).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        won += u32::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}
