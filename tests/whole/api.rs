//! The API as its users meet it: a replay that is served, and every command of `docs/api.md`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{capture, repo, taphound};

/// A replay that stays up.
struct Served {
    child: Child,
    url: String,
    token: String,
}

impl Served {
    fn start(case: &str) -> Self {
        let mut child = taphound()
            .args(["replay", "--serve=127.0.0.1:0", "--json"])
            .arg(capture(case))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let serving = lines.find(|line| line.starts_with("Serving ")).expect("it says where it serves");
        let url = serving.split_whitespace().nth(1).unwrap().trim_end_matches("/ui/").to_owned();
        let token = lines.next().unwrap();
        lines.find(|line| line.starts_with("The replay has ended")).expect("it says when it has ended");
        Self { child, url, token }
    }

    fn curl(&self, path: &str) -> Value {
        let bearer = format!("Authorization: Bearer {}", self.token);
        let output = Command::new("curl")
            .args(["-sf", "-H", &bearer, &format!("{}{path}", self.url)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{path}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("SKIPPED: no {program}");
    }
    found
}

#[test]
fn a_served_replay_shows_what_it_found_and_ends_when_told() {
    if !has("curl") {
        return;
    }
    let mut served = Served::start("scan-syn");
    let incidents = served.curl("/api/v1/incidents");
    let shown = incidents["items"].as_array().unwrap();
    assert!(shown.iter().any(|i| i["category"] == "scan"), "{incidents}");
    let id = shown[0]["id"].as_str().unwrap();
    assert!(!served.curl(&format!("/api/v1/incidents/{id}"))["shown"].as_array().unwrap().is_empty());
    let flows = served.curl("/api/v1/flows?limit=1");
    let flow = flows["items"][0]["id"].as_str().unwrap();
    let detail = served.curl(&format!("/api/v1/flows/{flow}"));
    assert_eq!(detail["features"].as_array().unwrap().len(), 20, "{detail}");
    let community = detail["community_id"].as_str().unwrap().replace('+', "%2B").replace('=', "%3D");
    let found = served.curl(&format!("/api/v1/flows?community_id={community}"));
    assert!(!found["items"].as_array().unwrap().is_empty(), "{found}");
    Command::new("kill").arg(served.child.id().to_string()).status().unwrap();
    for _ in 0..200 {
        if let Some(status) = served.child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it does not end");
}

#[test]
fn every_command_of_the_documentation_works() {
    if !has("curl") || !has("python3") {
        return;
    }
    let served = Served::start("scan-syn");
    let text = std::fs::read_to_string(repo().join("docs/api.md")).unwrap();
    let mut ran = 0;
    for (language, program) in [("sh", &["sh", "-ec"]), ("python", &["python3", "-c"])] {
        for block in text.split(&format!("```{language}\n")).skip(1) {
            let block = block.split("\n```").next().unwrap();
            let output = Command::new(program[0])
                .args([program[1], block])
                .envs([("URL", &served.url), ("TOKEN", &served.token)])
                .output()
                .unwrap();
            assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
            ran += 1;
        }
    }
    assert!(ran >= 6, "docs/api.md has {ran} blocks of commands");
    println!("counted {ran} blocks of commands of docs/api.md");
}
