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

#[test]
fn what_lies_elsewhere_is_named_by_urls() {
    let table = "dynamodb://ids_Log.system?region=eu-west-1&endpoint=http://127.0.0.1:8000".parse().unwrap();
    let LogTableSettings::Dynamodb(table) = table else { panic!("{table:?}") };
    assert_eq!((table.table.as_str(), table.region.as_deref()), ("ids_Log.system", Some("eu-west-1")));
    assert_eq!(table.endpoint.as_deref(), Some("http://127.0.0.1:8000"));
    let store = "s3://bucket/a/b%20c?path_style=true&kms_key=alias/x".parse().unwrap();
    let ObjectsSettings::S3(store) = store else { panic!("{store:?}") };
    assert_eq!((store.bucket.as_str(), store.prefix.as_str()), ("bucket", "a/b c"));
    assert_eq!((store.path_style, store.kms_key.as_deref()), (Some(true), Some("alias/x")));
    for (uri, plain) in [
        ("mlflow+https://ann@host:5000/p/", "https://host:5000/p"),
        ("http://10.0.0.1:5000", "http://10.0.0.1:5000"),
    ] {
        let RegistrySettings::Mlflow(registry) = uri.parse().unwrap() else { panic!("{uri}") };
        assert_eq!(registry.uri, plain);
        assert_eq!(registry.username.is_some(), uri.contains('@'));
        assert_eq!(registry.experiment, "taphound");
    }
    for wrong in
        ["s3:bucket", "s3://", "s3://key:secret@bucket", "s3://b?regoin=x", "s3://b?path_style=maybe"]
    {
        assert!(wrong.parse::<ObjectsSettings>().is_err(), "{wrong}");
    }
    for wrong in ["dynamodb://t/sub", "dynamodb://t?reg=x", "dynamodb:t"] {
        assert!(wrong.parse::<LogTableSettings>().is_err(), "{wrong}");
    }
    assert!("mlflow+ftp://host".parse::<RegistrySettings>().is_err());
}

#[test]
fn sections_of_what_lies_elsewhere_are_strict_and_have_defaults() {
    let table: LogTableSettings =
        serde_json::from_str(r#"{"kind": "dynamodb", "region": "eu-west-1"}"#).unwrap();
    let LogTableSettings::Dynamodb(table) = table else { panic!("{table:?}") };
    assert_eq!(table.table, "ids_log_system");
    let registry: RegistrySettings =
        serde_json::from_str(r#"{"kind": "mlflow", "uri": "https://h", "s3": {"endpoint": "http://e"}}"#)
            .unwrap();
    let RegistrySettings::Mlflow(registry) = registry else { panic!("{registry:?}") };
    assert_eq!(registry.s3.endpoint.as_deref(), Some("http://e"));
    for wrong in [r#"{"kind": "s3", "bucket": "b", "secret_key": "x"}"#, r#"{"kind": "s3", "prefix": "b"}"#] {
        assert!(serde_json::from_str::<ObjectsSettings>(wrong).is_err(), "{wrong}");
    }
    assert!(
        serde_json::from_str::<RegistrySettings>(r#"{"kind": "mlflow", "uri": "x", "s3": {"keys": 1}}"#)
            .is_err()
    );
}
