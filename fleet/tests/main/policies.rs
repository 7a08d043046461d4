//! The policies that are shipped, executed: a sensor can do its work with its own, and nothing of the centre's.
//!
//! moto holds signatures and actions; it passes conditions and DynamoDB's resources over, so they are checked as text.

use std::path::Path;

use fleet::log_table::{LogTable, Written};
use fleet::objects::{ObjectStore, PutIf};
use fleet::{DoorError, LogTableSettings};
use serde_json::{Value, json};

use crate::real::{dynamo, make_bucket, profile, reqwest_client, s3};
use crate::{servers, table};

fn policy(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/iam").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["Statement"].as_array().unwrap().iter()
}

#[test]
fn policies_name_every_action_and_every_resource() {
    for name in ["sensor.json", "centre.json"] {
        let policy = policy(name);
        for statement in statements(&policy) {
            assert_eq!(statement["Effect"], "Allow", "{name}");
            for action in statement["Action"].as_array().unwrap() {
                assert!(!action.as_str().unwrap().contains('*'), "{name}: {action}");
            }
            for resource in statement["Resource"].as_array().unwrap() {
                assert!(resource.as_str().unwrap().starts_with("${"), "{name}: {resource}");
            }
        }
    }
    let sensor = policy("sensor.json");
    let writes = statements(&sensor).find(|s| s.to_string().contains("UpdateItem")).unwrap();
    assert!(writes["Condition"].to_string().contains("${sensor_id}|*"), "a sensor writes its own items only");
    for statement in statements(&sensor).filter(|s| s.to_string().contains("s3:PutObject")) {
        for resource in statement["Resource"].as_array().unwrap() {
            let resource = resource.as_str().unwrap();
            assert!(resource.contains("${sensor_id}") || resource.contains("claimed"), "{resource}");
        }
    }
}

/// Asks moto's IAM.
async fn iam(url: &str, parameters: &[(&str, &str)]) -> String {
    let body = parameters.iter().map(|(key, value)| {
        let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{key}={value}")
    });
    let answer = reqwest_client()
        .post(format!("{url}/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0")
        .body(body.collect::<Vec<_>>().join("&"))
        .send()
        .await
        .unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    text
}

/// Makes a user with a policy; its keys.
async fn user(url: &str, name: &str, policy: &Value) -> (String, String) {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        let statement = statement.as_object_mut().unwrap();
        statement.remove("Condition");
        statement.insert("Resource".into(), json!("*"));
    }
    let version = ("Version", "2010-05-08");
    iam(url, &[("Action", "CreateUser"), ("UserName", name), version]).await;
    let text = policy.to_string();
    let put = [
        ("Action", "PutUserPolicy"),
        ("UserName", name),
        ("PolicyName", "p"),
        ("PolicyDocument", &text),
        version,
    ];
    iam(url, &put).await;
    let keys = iam(url, &[("Action", "CreateAccessKey"), ("UserName", name), version]).await;
    let between = |tag: &str| {
        let (_, rest) = keys.split_once(&format!("<{tag}>")).unwrap_or_else(|| panic!("{keys}"));
        rest.split_once('<').unwrap().0.to_owned()
    };
    (between("AccessKeyId"), between("SecretAccessKey"))
}

fn denied<T: std::fmt::Debug>(outcome: &Result<T, DoorError>) -> bool {
    matches!(outcome, Err(DoorError::Denied { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_can_do_its_work_and_the_centre_its_own() {
    let Some(server) = servers::moto() else { return };
    let url = server.url();
    make_bucket(&url).await;
    let sensor = user(&url, "sensor", &policy("sensor.json")).await;
    let centre = user(&url, "centre", &policy("centre.json")).await;
    let reset =
        reqwest_client().post(format!("{url}/moto-api/reset-auth")).header("content-type", "text/plain");
    assert!(reset.body("0").send().await.unwrap().status().is_success());
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let file = |at: usize, keys: &(String, String)| profile(folders[at].path(), (&keys.0, &keys.1));

    // The centre makes the table; a sensor may not, and finds it made.
    let (own, central) =
        (dynamo(&url, file(0, &sensor), "t").await, dynamo(&url, file(1, &centre), "t").await);
    let outcome = own.ensure().await;
    assert!(denied(&outcome), "{outcome:?}");
    central.ensure().await.unwrap();
    own.ensure().await.unwrap();
    let item = table::item("policies", 1_763_683_200_000);
    assert_eq!(own.put_fresh(std::slice::from_ref(&item)).await, Ok(vec![Written::Stored]));
    assert_eq!(own.update(&item).await, Ok(Written::Known));
    let truth = table::truth("attack", 5);
    assert_eq!(own.label(&item.key, &item.uid, &truth, None).await, Ok(Written::Stored));
    assert_eq!(central.label_at_centre(&item.key, &table::truth("benign", 9)).await, Ok(Written::Stored));
    assert_eq!(own.labelled("tap-1", 0, None, 10).await.unwrap().rows.len(), 1);

    let (mine, all) = (s3(&url, file(0, &sensor), "fleet").await, s3(&url, file(1, &centre), "fleet").await);
    all.write("channels/m/production", b"pointer".to_vec(), PutIf::Absent).await.unwrap();
    assert_eq!(mine.read("channels/m/production", 100).await.unwrap().unwrap().bytes, b"pointer");
    mine.write("logs/schema=x/sensor=tap-1/date=2026-11-21/1.parquet", vec![1], PutIf::Absent).await.unwrap();
    let outcome = mine.remove("channels/m/production").await;
    assert!(denied(&outcome), "{outcome:?}");
    all.remove("channels/m/production").await.unwrap();

    // Somebody with other keys can do nothing.
    let stranger = dynamo(&url, file(2, &(sensor.0.clone(), "wrong".into())), "t").await;
    let outcome = stranger.item(&item.key).await;
    assert!(denied(&outcome), "{outcome:?}");
    assert!(matches!("dynamodb://t".parse(), Ok(LogTableSettings::Dynamodb(_))));
}
