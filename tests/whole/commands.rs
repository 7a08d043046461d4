//! A running sensor as its owner steers it: every command that asks it something, and what became of each.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use model::artifact::{Draft, SecretKey, Trust};
use model::{Artifact, N_FEATURES};
use sensor::control::client::Client;
use sensor::embedded;
use serde_json::{Value, json};

use crate::live::{deadline, now};
use crate::{capture, taphound};

/// As the case's README counts them.
const PACKETS_OF_THE_DAY: u64 = 54_422;

/// `taphound run` on a folder that captures are put into.
struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["etc", "keys", "state", "captures", "run", "outside"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let settings = format!(
            "[sensor]\nid = \"commands\"\nstate_dir = \"{}\"\n[capture]\ndirectory = \"{}\"\n[model]\nkeys_dir = \"{}\"\n\
             [control]\nsocket = \"{}\"\n[api]\nlisten = []\n",
            at("state"),
            at("captures"),
            at("keys"),
            at("run/control.sock")
        );
        std::fs::write(at("etc/taphound.toml"), settings).unwrap();
        let child = Self::run(folder.path());
        let running = Self { child, folder };
        running.wait_for("an answer", |r| r.ask(&["status"]).status.code().is_some_and(|code| code <= 2));
        running
    }

    fn run(folder: &Path) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        taphound()
            .args(["run", "--config"])
            .arg(folder.join("etc/taphound.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn again(&mut self) {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}\n{}", self.log());
        self.child = Self::run(self.folder.path());
        self.wait_for("an answer", |r| r.ask(&["status"]).status.code().is_some_and(|code| code <= 2));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Runs a command against it.
    fn ask(&self, arguments: &[&str]) -> Output {
        taphound()
            .args(arguments)
            .arg("--json")
            .arg("--socket")
            .arg(self.path("run/control.sock"))
            .output()
            .unwrap()
    }

    /// What a command prints, which must succeed.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {output:?}"))
    }

    fn items(&self, arguments: &[&str]) -> Vec<Value> {
        self.json(arguments)["items"].as_array().unwrap().clone()
    }

    /// The exit code of a command that must fail, and what it says.
    fn refusal(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.ask(arguments);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// How it is; degraded is no failure here, since nobody sends it packets.
    fn status(&self) -> Value {
        let output = self.ask(&["status"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = ["ok", "degraded", "critical"].iter().position(|h| status["health"] == *h);
        assert_eq!(output.status.code().map(|c| c as usize), expected, "{status}");
        status
    }

    fn packets(&self, term: &str) -> u64 {
        self.status()["accounting"]["packets"][term].as_u64().unwrap()
    }

    /// Puts a capture into the folder, whole.
    fn put(&self, case: &str) {
        let file = capture(case);
        let name = format!("{case}-{}", file.file_name().unwrap().to_string_lossy());
        let outside = self.path("outside").join(&name);
        std::fs::copy(&file, &outside).unwrap();
        std::fs::rename(outside, self.path("captures").join(name)).unwrap();
    }

    fn wait_for(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let until = deadline(120);
        while !is(self) {
            assert!(now() < until, "waited in vain for {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has(items: &[Value], key: &str, value: &str) -> bool {
    items.iter().any(|i| i[key] == value)
}

/// The embedded model's successor: the same forest under the next serial.
pub(crate) fn successor(key: &SecretKey) -> (u64, Vec<u8>) {
    let parent = Artifact::read(embedded::BYTES, &Trust::none().with_digest(embedded::digest())).unwrap();
    let m = parent.manifest();
    let draft = Draft {
        name: m.name.clone(),
        serial: m.serial + 1,
        parent: Some(m.serial),
        training_data: m.training_data,
        metrics: m.metrics.clone(),
        quantiles: m.quantiles.clone(),
        created: m.created,
        expires: None,
        scorer: parent.scorer(),
        learner: None,
        self_test: vec![[1.5; N_FEATURES]],
    };
    (m.serial + 1, draft.write(Some(key)).unwrap())
}

#[test]
fn a_running_sensor_does_what_its_owner_says() {
    let mut sensor = Running::start();
    sensor.put("attack-day");
    sensor.wait_for("the day's attacks", |s| {
        let found = s.items(&["incidents"]);
        has(&found, "category", "scan") && has(&found, "category", "bruteforce")
    });
    // A rule for alerts that are still on their way would hide some of the day's own.
    sensor.wait_for("the day's end", |s| {
        let status = s.status();
        let queued = |what: &str| status["accounting"][what]["queued"].as_u64().unwrap();
        status["accounting"]["packets"]["received"] == PACKETS_OF_THE_DAY
            && queued("flows") + queued("detections") == 0
    });
    let filtered = sensor.packets("filtered");
    labels(&sensor);
    suppressions(&sensor);
    filters(&sensor, filtered);
    tokens(&sensor);
    let (flow, label) = backup(&sensor);
    models(&mut sensor);
    let kept = sensor.json(&["flows", &flow]);
    assert_eq!(kept["label"], label.as_str(), "what people said outlives a restart");

    let mut client = Client::connect(&sensor.path("run/control.sock")).unwrap();
    let audit = client.ask("audit", json!({"limit": 1000})).unwrap();
    let lines = audit["items"].as_array().unwrap();
    for action in
        ["label", "label withdraw", "suppress", "capture/filter", "backup", "model install", "model rollback"]
    {
        assert!(has(lines, "action", action), "`{action}` is not in the audit log: {audit}");
    }
}

fn labels(sensor: &Running) {
    let flow = sensor.items(&["flows", "--limit", "1"])[0]["id"].as_str().unwrap().to_owned();
    let said = ["label", &flow, "--as", "benign", "--reason", "our own backup"];
    assert_eq!(sensor.json(&said)["labelled"], 1);
    let detail = sensor.json(&["flows", &flow]);
    assert_eq!(
        (&detail["label"], &detail["labels"][0]["reason"]),
        (&json!("benign"), &json!("our own backup"))
    );
    assert!(has(&sensor.items(&["flows", "--label", "benign"]), "id", &flow));
    let alert =
        sensor.items(&["alerts", "--category", "scan", "--limit", "1"])[0]["id"].as_str().unwrap().to_owned();
    sensor.json(&["label", &alert, "--as", "attack", "--category", "scan"]);
    assert_eq!(sensor.json(&["alerts", &alert])["label"], "attack");
    sensor.ask(&["label", &alert, "--as", "withdrawn"]);
    assert_eq!(sensor.json(&["alerts", &alert])["label"], Value::Null);
    let (code, said) = sensor.refusal(&["label", &flow, "--as", "attack", "--category", "virus"]);
    assert!(code == 64 && said.contains("virus"), "{code}: {said}");
}

fn suppressions(sensor: &Running) {
    let alerts = |more: &[&str]| {
        let all = ["alerts", "--category", "bruteforce", "--limit", "1000"];
        sensor.items(&[&all[..], more].concat()).len() as u64
    };
    let before = alerts(&[]);
    assert!(before > 0 && alerts(&["--suppressed"]) == 0);
    let rule = ["suppress", "add", "--category", "bruteforce", "--reason", "our own test of passwords"];
    let id = sensor.json(&rule)["id"].as_u64().unwrap();
    sensor.put("bruteforce-ftp");
    let rule = |s: &Running| s.items(&["suppress", "list"]).remove(0);
    sensor.wait_for("guesses that are hidden", |s| {
        let hits = rule(s)["hits"].as_u64().unwrap();
        hits > 0 && hits == alerts(&["--suppressed"])
    });
    assert_eq!(alerts(&[]), before, "what is hidden is not shown");
    sensor.json(&["suppress", "lift", &id.to_string()]);
    let rule = rule(sensor);
    assert_eq!((&rule["id"], &rule["active"]), (&json!(id), &json!(false)));
    assert_eq!(rule["reason"], "our own test of passwords");
}

fn filters(sensor: &Running, filtered: u64) {
    let (code, said) = sensor.refusal(&["capture", "filter", "tcp port nonsense"]);
    assert!(code == 64 && said.contains("nonsense"), "{code}: {said}");
    sensor.json(&["capture", "filter", "tcp port 1"]);
    let received = sensor.packets("received");
    sensor.put("benign-dns");
    sensor.wait_for("packets that are left out", |s| s.packets("filtered") > filtered);
    assert!(sensor.packets("received") > received);
    sensor.json(&["capture", "filter"]);
}

fn tokens(sensor: &Running) {
    let made = sensor.json(&["token", "create", "ann", "--role", "analyst", "--days", "1"]);
    assert_eq!(made["token"].as_str().unwrap().split('.').count(), 3, "{made}");
    let ann = |s: &Running| s.items(&["token", "list"]).into_iter().find(|t| t["subject"] == "ann").unwrap();
    assert_eq!((&ann(sensor)["role"], &ann(sensor)["revoked_s"]), (&json!("analyst"), &Value::Null));
    sensor.json(&["token", "revoke", ann(sensor)["id"].as_str().unwrap()]);
    assert!(ann(sensor)["revoked_s"].is_u64(), "{}", ann(sensor));
}

/// A flow in the copy that somebody labelled, and its label.
fn backup(sensor: &Running) -> (String, String) {
    let file = sensor.path("copy.db");
    let path = file.to_str().unwrap();
    let bytes = sensor.json(&["backup", path])["bytes"].as_u64().unwrap();
    assert_eq!(bytes, std::fs::metadata(&file).unwrap().len());
    let copy =
        rusqlite::Connection::open_with_flags(&file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sound: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    for table in ["flows", "detections", "incidents", "alerts", "labels", "suppressions", "audit"] {
        let rows: i64 =
            copy.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert!(rows > 0, "the copy has no {table}");
    }
    let (code, said) = sensor.refusal(&["backup", path]);
    assert!(code == 73 && said.contains("exists already"), "{code}: {said}");
    let labelled = sensor.items(&["flows", "--label", "labelled", "--limit", "1"]).remove(0);
    (labelled["id"].as_str().unwrap().to_owned(), labelled["label"].as_str().unwrap().to_owned())
}

fn models(sensor: &mut Running) {
    let key = SecretKey::from_entropy([9; 32]);
    let (version, bytes) = successor(&key);
    let file = sensor.path("next.taphound");
    std::fs::write(&file, bytes).unwrap();
    let install = ["model", "install", file.to_str().unwrap()];
    let at_work = |s: &Running| s.json(&["model", "active"])["active"]["version"].as_u64().unwrap();
    assert_eq!(at_work(sensor), version - 1);
    let (code, said) = sensor.refusal(&install);
    assert!(code == 64 || code == 65, "nobody trusts its key; {code}: {said}");
    assert_eq!(at_work(sensor), version - 1);

    std::fs::write(sensor.path("keys/ours.pub"), key.public().to_line()).unwrap();
    let shadow = sensor.json(&["model", "shadow", file.to_str().unwrap()]);
    assert_eq!(shadow["shadow"]["version"], version);
    sensor.json(&["model", "shadow", "--end"]);
    assert_eq!(sensor.json(&["model", "active"])["shadow"], Value::Null);
    let (code, said) = sensor.refusal(&["model", "shadow", "--end"]);
    assert!(code != 0 && said.contains("no model runs as shadow"), "{code}: {said}");
    assert_eq!(sensor.json(&install)["active"]["version"], version);
    assert_eq!(sensor.json(&["model", "rollback"])["active"]["version"], version - 1);
    assert_eq!(sensor.json(&install)["active"]["version"], version);
    assert_eq!(sensor.status()["model"]["version"], version);
    sensor.again();
    assert_eq!(at_work(sensor), version, "it is at work after a restart");
    let (code, said) = sensor.refusal(&["model", "rollback"]);
    assert!(code == 65 && said.contains("no previous model"), "{code}: {said}");
}
