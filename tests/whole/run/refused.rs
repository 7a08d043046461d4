//! What keeps a sensor from starting, and what does not: each says what it is, where, and what helps.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Daemon, Place, told};
use crate::{repo, taphound};

#[test]
fn a_key_that_does_not_exist_is_named() {
    let place = Place::new("fliter = \"udp\"");
    let (code, text) = place.refused();
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("fliter") && text.contains("filter") && text.contains("taphound.toml"), "{text}");
    let place = Place::new("");
    let (code, text) = told(&place.command().env("TAPHOUND__CAPTURE__FLITER", "udp").output().unwrap());
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("FLITER") || text.contains("fliter"), "{text}");
}

#[test]
fn one_place_has_one_sensor() {
    let place = Place::new("");
    let daemon = Daemon::start(&place);
    let (code, text) = place.refused();
    assert_eq!(code, 73, "{text}");
    assert!(text.contains("another sensor works in this folder"), "{text}");
    // Another socket does not help while the folder is the same, nor another folder while the socket is.
    let (code, text) = told(&place.command().arg("--socket").arg(place.path("other.sock")).output().unwrap());
    assert!(code == 73 && text.contains("`sensor.state_dir`"), "{code} {text}");
    let (code, text) = told(&place.command().arg("--state-dir").arg(place.path("other")).output().unwrap());
    assert!(code == 73 && text.contains("another sensor answers on this socket"), "{code} {text}");
    // None of this has done the first one any harm. It captures nothing, and says so.
    let (status, code) = daemon.status();
    assert_eq!(code, 1, "{status:#}");
    assert!(status["reasons"][0].as_str().unwrap().contains("capture.interfaces"), "{status:#}");
    daemon.kill();
    // A killed sensor's lock and socket keep nobody out.
    Daemon::start(&place).kill();
    let nobody = taphound().args(["status", "--socket"]).arg(place.path("control.sock")).output().unwrap();
    assert_eq!(nobody.status.code(), Some(69), "{nobody:?}");
}

#[test]
fn a_broken_model_is_told_of_and_the_embedded_one_works() {
    let place = Place::new("");
    let folder = place.path("state/models/7");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("7", place.path("state/models/current")).unwrap();
    for broken in [b"TAPHND01 and then nothing that makes sense".as_slice(), b""] {
        std::fs::write(folder.join("model.taphound"), broken).unwrap();
        let daemon = Daemon::start(&place);
        let (status, code) = daemon.status();
        assert_eq!(code, 1, "{status:#}");
        let reasons = status["reasons"].to_string();
        assert!(
            reasons.contains("model.taphound") && reasons.contains("the model inside this program"),
            "{reasons}"
        );
        let log = daemon.log.lock().unwrap();
        assert!(
            log.iter().any(|entry| entry["event"] == "model_refused" && entry["level"] == "ERROR"),
            "{log:#?}"
        );
    }
    // One that is sound is taken: the default model, as an installed one.
    std::fs::copy(repo().join("data/default.taphound"), folder.join("model.taphound")).unwrap();
    let daemon = Daemon::start(&place);
    assert!(!daemon.status().0["reasons"].to_string().contains("model.taphound"));
}

#[test]
fn a_store_of_a_later_release_is_refused_and_left_alone() {
    let place = Place::new("");
    std::fs::create_dir_all(place.path("state")).unwrap();
    drop(store::Store::open(&place.database()).unwrap());
    let database = rusqlite::Connection::open(place.database()).unwrap();
    database.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(database);
    let (code, text) = place.refused();
    assert_eq!(code, 65, "{text}");
    assert!(text.contains("taphound.db") && text.contains("99"), "{text}");
    assert_eq!(place.count("SELECT user_version FROM pragma_user_version"), 99);
}

#[test]
fn a_missing_right_is_named() {
    let place = Place::new("interfaces = [\"lo\"]");
    // The program may lie where nobody else may read it.
    let program = place.path("taphound");
    std::fs::copy(taphound().get_program(), &program).unwrap();
    for open in [place.path(""), program.clone()] {
        std::fs::set_permissions(open, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let run = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"])
        .arg(program)
        .arg("run")
        .arg("--config")
        .arg(place.path("taphound.toml"))
        .current_dir("/")
        .output();
    let Ok(output) = run else {
        println!("SKIPPED run::refused::a_missing_right_is_named: needs the program `setpriv` of util-linux");
        return;
    };
    if output.status.code() == Some(127) {
        println!(
            "SKIPPED run::refused::a_missing_right_is_named: needs root, to become a user without rights"
        );
        return;
    }
    let (code, text) = told(&output);
    assert_eq!(code, 77, "{text}");
    assert!(text.contains("CAP_NET_RAW") && text.contains("setcap cap_net_raw=ep"), "{text}");
}
