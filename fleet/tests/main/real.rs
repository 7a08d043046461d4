//! The contracts on real servers: DynamoDB on moto and dynalite, S3 on moto and s3s-fs, MLflow; and what bad links do to them.

use std::path::{Path, PathBuf};

use fleet::log_table::{LogTable, Written, dynamodb::DynamoTable};
use fleet::objects::{ObjectStore, PutIf, s3::S3Store};
use fleet::registry::mlflow::MlflowRegistry;
use fleet::settings::{DynamoSettings, MlflowSettings, S3Settings};
use fleet::{AwsSettings, DoorError};

use crate::servers::faults::{FAULTS, Fault, Proxy};
use crate::servers::{self, S3S_KEYS, Server};
use crate::{objects, registry, table};

/// A profile with these keys.
pub(crate) fn profile(folder: &Path, keys: (&str, &str)) -> Option<PathBuf> {
    let path = folder.join("aws-profile");
    let text = format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", keys.0, keys.1);
    std::fs::write(&path, text).unwrap();
    Some(path)
}

pub(crate) async fn dynamo(endpoint: &str, profile_file: Option<PathBuf>, name: &str) -> DynamoTable {
    let settings = DynamoSettings {
        table: name.into(),
        region: Some("eu-central-1".into()),
        endpoint: Some(endpoint.into()),
        profile: None,
        profile_file,
    };
    DynamoTable::open(&settings).await.unwrap()
}

pub(crate) async fn s3(endpoint: &str, profile_file: Option<PathBuf>, prefix: &str) -> S3Store {
    let settings = S3Settings {
        bucket: "bucket".into(),
        prefix: prefix.into(),
        region: Some("us-east-1".into()),
        endpoint: Some(endpoint.into()),
        profile_file,
        ..S3Settings::default()
    };
    S3Store::open(&settings).await.unwrap()
}

fn keys_of(server: &Server) -> Option<PathBuf> {
    profile(server.folder.path(), ("AKIDTESTS", "secret"))
}

/// Makes the bucket. Servers that check no signature take it as it is.
pub(crate) async fn make_bucket(url: &str) {
    let answer = reqwest_client().put(format!("{url}/bucket")).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

pub(crate) fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_keeps_the_contract_on_moto() {
    let Some(server) = servers::moto() else { return };
    table::contract(&dynamo(&server.url(), keys_of(&server), "ids_log_system").await).await;
    assert!(server.url().starts_with("http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_keeps_the_contract_on_dynalite_and_by_scan_without_its_indexes() {
    let Some(server) = servers::dynalite() else { return };
    let whole = dynamo(&server.url(), keys_of(&server), "ids_log_system").await;
    table::contract(&whole).await;
    table::the_largest_item(&whole).await;
    // A table of somebody else's: the keys are right, the indexes are missing.
    let bare = dynamo(&server.url(), keys_of(&server), "bare").await;
    let body = r#"{"TableName": "bare", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "flow_id", "AttributeType": "S"}, {"AttributeName": "timestamp", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "flow_id", "KeyType": "HASH"}, {"AttributeName": "timestamp", "KeyType": "RANGE"}]}"#;
    let answer = reqwest_client()
        .post(server.url())
        .header("x-amz-target", "DynamoDB_20120810.CreateTable")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20261121T000000Z")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=a/20261121/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00")
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    let mut made = false;
    for _ in 0..100 {
        made = bare.update(&table::item("probe", 1)).await.is_ok();
        if made {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(made, "the table never came up");
    table::reads(&bare).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_contract_on_moto() {
    let Some(server) = servers::moto() else { return };
    make_bucket(&server.url()).await;
    objects::contract(&s3(&server.url(), keys_of(&server), "").await).await;
    let under = s3(&server.url(), keys_of(&server), "fleet/one").await;
    objects::contract(&under).await;
    presigned_urls_open_an_object(&under).await;
    let settings =
        S3Settings { bucket: "nobodys".into(), endpoint: Some(server.url()), ..S3Settings::default() };
    let absent = S3Store::open(&S3Settings { profile_file: keys_of(&server), ..settings }).await.unwrap();
    let outcome = absent.read("x", 1).await;
    assert!(
        matches!(outcome, Err(DoorError::Absent { .. })),
        "a missing bucket is no missing object: {outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_contract_on_s3s_fs() {
    let Some(server) = servers::s3s_fs("bucket") else { return };
    let profile = profile(server.folder.path(), S3S_KEYS);
    let store = s3(&server.url(), profile, "fleet").await;
    objects::contract(&store).await;
    presigned_urls_open_an_object(&store).await;
    let wrong = s3(&server.url(), self::profile(server.folder.path(), ("tests", "wrong")), "fleet").await;
    let outcome = wrong.read("x", 1).await;
    assert!(matches!(outcome, Err(DoorError::Denied { .. })), "{outcome:?}");
}

async fn presigned_urls_open_an_object(store: &S3Store) {
    store.write("token of one.json", b"{}".to_vec(), PutIf::Always).await.unwrap();
    let url = store.presigned("token of one.json", std::time::Duration::from_secs(60)).await.unwrap();
    let answer = reqwest_client().get(url).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "{}"));
    let long = store.presigned("x", std::time::Duration::from_secs(8 * 86_400)).await;
    assert!(matches!(long, Err(DoorError::Invalid { .. })), "{long:?}");
    store.remove("token of one.json").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mlflow_keeps_the_contract_through_its_proxy_and_straight_to_s3() {
    if std::env::var_os("DOORS_PROOF").is_none() {
        println!("SKIPPED mlflow: its servers take half a minute and more to start; run `make test-doors`");
        return;
    }
    let Some(server) = servers::mlflow(None) else { return };
    let proxied = MlflowRegistry::open(&MlflowSettings::at(server.url())).unwrap();
    registry::contract(&proxied, "ARF Baseline Model").await;
    drop(server);
    let (Some(bucket), Some(server)) = (servers::moto(), servers::mlflow(Some("s3://bucket/art"))) else {
        return;
    };
    make_bucket(&bucket.url()).await;
    let s3 = AwsSettings {
        region: Some("us-east-1".into()),
        endpoint: Some(bucket.url()),
        profile: None,
        profile_file: keys_of(&bucket),
    };
    let direct = MlflowRegistry::open(&MlflowSettings { s3, ..MlflowSettings::at(server.url()) }).unwrap();
    registry::contract(&direct, "ARF Baseline Model").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bad_links_do_passes_and_every_item_arrives() {
    let Some(server) = servers::moto() else { return };
    let clean = dynamo(&server.url(), keys_of(&server), "ids_log_system").await;
    clean.ensure().await.unwrap();
    let proxy = Proxy::start(server.address, &FAULTS, 60, 7).await;
    let faulty = dynamo(&proxy.url(), keys_of(&server), "ids_log_system").await;
    let rows = 50;
    let mut attempts = 0;
    for n in 0..rows {
        let item = table::item("faults", 1_000_000 + n);
        loop {
            attempts += 1;
            assert!(attempts < 50 * rows, "no end in sight");
            match faulty.update(&item).await {
                Ok(Written::Stored | Written::Known) => break,
                Ok(other) => panic!("{other:?}"),
                Err(error) => assert!(error.is_passing(), "{error}"),
            }
        }
    }
    for n in 0..rows {
        let item = table::item("faults", 1_000_000 + n);
        assert_eq!(clean.item(&item.key).await.unwrap().unwrap().item, item);
    }
    let (met, connections) = proxy.met();
    println!("faults met in {connections} connections: {met:?}");
    assert!(met.len() == FAULTS.len(), "every fault was met: {met:?}");
    proxy.set_down(true);
    assert!(faulty.update(&table::item("down", 1)).await.unwrap_err().is_passing());
    proxy.set_down(false);
    proxy.set_percent(0);
    assert!(faulty.update(&table::item("down", 1)).await.is_ok());
    assert_eq!(FAULTS[0], Fault::Delay);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_port_and_no_credentials_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = format!("http://127.0.0.1:{}", servers::free_port());
    let table = dynamo(&nobody, profile(folder.path(), ("a", "b")), "t").await;
    let error = table.update(&table::item("x", 1)).await.unwrap_err();
    assert!(error.is_passing() && error.to_string().starts_with("dynamodb://t "), "{error}");
    let store = s3(&nobody, profile(folder.path(), ("a", "b")), "p").await;
    assert!(store.read("x", 1).await.unwrap_err().is_passing());
    let registry = MlflowRegistry::open(&MlflowSettings::at(nobody)).unwrap();
    assert!(fleet::Registry::versions(&registry, "m").await.unwrap_err().is_passing());
}
