//! Settings as people write them, right and wrong.

use super::*;

#[test]
fn words_of_the_command_line_name_a_door() {
    let path = |path: &str| PathSettings { path: PathBuf::from(path) };
    assert_eq!("sqlite:/a/b.db".parse(), Ok(LogTableSettings::Embedded(path("/a/b.db"))));
    assert_eq!("file:objects".parse(), Ok(ObjectsSettings::Embedded(path("objects"))));
    assert_eq!("folder:/r".parse(), Ok(RegistrySettings::Embedded(path("/r"))));
    for wrong in ["", "sqlite:", "/a/b.db", "oracle:x"] {
        let error = wrong.parse::<LogTableSettings>().unwrap_err().to_string();
        assert!(error.contains("sqlite:PATH"), "{error}");
    }
}

#[test]
fn sections_of_a_file_are_strict() {
    let section: ObjectsSettings =
        serde_json::from_str(r#"{"kind": "embedded", "path": "/var/lib/objects"}"#).unwrap();
    assert_eq!(section, ObjectsSettings::Embedded(PathSettings { path: "/var/lib/objects".into() }));
    let error = serde_json::from_str::<ObjectsSettings>(r#"{"kind": "embedded", "path": "/x", "pth": 1}"#);
    assert!(error.unwrap_err().to_string().contains("pth"));
    let error = serde_json::from_str::<ObjectsSettings>(r#"{"kind": "tape", "path": "/x"}"#);
    assert!(error.unwrap_err().to_string().contains("tape"));
}
