//! Tokens: what opens, what no longer does, and what forgers try.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Role, Tokens};

const NOW: u64 = 1_800_000_000;

fn tokens(folder: &tempfile::TempDir) -> Tokens {
    Tokens::open(&folder.path().join("api"), 30).unwrap()
}

#[test]
fn a_token_opens_until_it_expires_or_is_revoked_over_restarts_too() {
    let folder = tempfile::tempdir().unwrap();
    let made = tokens(&folder).create("ann", Role::Analyst, NOW, 100).unwrap();
    let tokens = tokens(&folder);
    let bearer = tokens.verify(&made.token, NOW + 99).unwrap();
    assert_eq!((bearer.subject.as_str(), bearer.role, bearer.session), ("ann", Role::Analyst, false));
    assert!(tokens.verify(&made.token, NOW + 129).is_ok(), "within the leeway");
    assert_eq!(tokens.verify(&made.token, NOW + 130), Err("the token has expired"));
    assert_eq!(tokens.verify(&made.token, NOW - 31), Err("the token is not valid yet"));
    tokens.revoke(&made.entry.id, NOW + 1).unwrap();
    assert_eq!(tokens.verify(&made.token, NOW + 2), Err("the token was revoked"));
    assert_eq!(super::tests::tokens(&folder).verify(&made.token, NOW + 2), Err("the token was revoked"));
}

#[test]
fn a_session_is_short_can_be_ended_and_dies_with_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder);
    let made = tokens.create("ann", Role::Viewer, NOW, 1000).unwrap();
    let bearer = tokens.verify(&made.token, NOW).unwrap();
    let (first, expires_s) = tokens.session(&bearer, NOW, 100).unwrap();
    assert_eq!(expires_s, NOW + 100);
    let (second, _) = tokens.session(&bearer, NOW, 100_000).unwrap();
    let of_second = tokens.verify(&second, NOW).unwrap();
    assert_eq!((of_second.expires_s, of_second.session), (NOW + 1000, true), "no longer than its parent");
    tokens.end_session(&tokens.verify(&first, NOW).unwrap(), NOW).unwrap();
    assert!(tokens.verify(&first, NOW).is_err() && tokens.verify(&second, NOW).is_ok());
    tokens.revoke(&made.entry.id, NOW).unwrap();
    assert!(tokens.verify(&second, NOW).is_err());
}

#[test]
fn forged_tokens_open_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder);
    let made = tokens.create("ann", Role::Viewer, NOW, 1000).unwrap();
    let parts: Vec<&str> = made.token.split('.').collect();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let raised = encode(&claims.replace("viewer", "admin"));
    let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
    let other = encode(r#"{"alg":"HS512","typ":"JWT"}"#);
    for forged in [
        format!("{}.{raised}.{}", parts[0], parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{raised}.{}", parts[2]),
        format!("{other}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        String::new(),
        "a.b.c".into(),
    ] {
        assert!(tokens.verify(&forged, NOW).is_err(), "{forged}");
    }
    let stranger = tempfile::tempdir().unwrap();
    let theirs = super::tests::tokens(&stranger).create("ann", Role::Admin, NOW, 1000).unwrap();
    assert!(tokens.verify(&theirs.token, NOW).is_err(), "another sensor's");
}

#[test]
fn files_are_ours_alone_and_anything_else_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(tokens(&folder).create("ann", Role::Viewer, NOW, 10).unwrap());
    for name in ["key", "tokens.json"] {
        let path = folder.path().join("api").join(name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let fault = Tokens::open(&folder.path().join("api"), 0).err().unwrap().to_string();
        assert!(fault.contains("chmod 600"), "{fault}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn names_that_could_lie_in_a_log_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder);
    for name in ["", "a b", "a\nb", "é", &"x".repeat(65)] {
        assert!(tokens.create(name, Role::Viewer, NOW, 10).is_err(), "{name:?}");
    }
    assert!(tokens.create("ann@example.org", Role::Viewer, NOW, 0).is_err());
}
