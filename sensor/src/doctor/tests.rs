//! The bundle: it is there without a sensor, and secrets are not in it.

use std::io::Read;

use serde_json::json;

use super::{mask, run};
use crate::cli::DoctorArgs;

#[test]
fn a_bundle_is_made_without_a_sensor_and_never_over_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("doctor.tar.gz");
    let arguments = DoctorArgs { out: out.clone(), config: None, socket: folder.path().join("nobody.sock") };
    run(&arguments).unwrap();
    let mut bundle = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&out).unwrap()));
    let mut status = None;
    let mut names = Vec::new();
    for part in bundle.entries().unwrap() {
        let mut part = part.unwrap();
        let name = part.path().unwrap().display().to_string();
        if name.ends_with("status.json") {
            let mut text = String::new();
            part.read_to_string(&mut text).unwrap();
            status = Some(text);
        }
        names.push(name);
    }
    assert!(names.iter().any(|name| name.ends_with("settings.json")), "{names:?}");
    assert!(status.unwrap().contains("no sensor answers"));
    assert_eq!(run(&arguments).unwrap_err().exit_code(), 73);
}

#[test]
fn what_sounds_like_a_secret_is_masked() {
    let mut value =
        json!({"api": {"admin_token": "abc", "listen": ["127.0.0.1:1"]}, "secret": "x", "empty_token": ""});
    mask(&mut value);
    assert_eq!(
        value,
        json!({"api": {"admin_token": "(removed)", "listen": ["127.0.0.1:1"]}, "secret": "(removed)", "empty_token": ""})
    );
}
