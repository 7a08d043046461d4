//! The API as its users meet it: a replay that is served, sockets of systemd's, and every command of `docs/api.md`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
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
        // Its number may be another's by now.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
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

/// Asks for the sensor's state, and gives the whole answer.
fn state(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn sockets_that_systemd_hands_over_are_served_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::create_dir(at("etc")).unwrap();
    let settings = format!(
        "[sensor]\nstate_dir = \"{}\"\n[control]\nsocket = \"{}\"\n[api]\nlisten = [\"{refused}\"]\n",
        at("state"),
        at("control.sock")
    );
    std::fs::write(at("etc/taphound.toml"), settings).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(at("api.sock")).unwrap();
    let address = tcp.local_addr().unwrap();
    // As sd_listen_fds(3) has it: descriptors from 3 on, and the environment says whose and how many.
    let taphound = taphound();
    let mut child = Command::new("sh")
        .args(["-c", "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\" 3<&0 4<&1 </dev/null >/dev/null"])
        .arg(taphound.get_program())
        .args(["run", "--config", &at("etc/taphound.toml")])
        .stdin(OwnedFd::from(tcp))
        .stdout(OwnedFd::from(unix))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever connects before the sensor is ready waits: the sockets are open already.
    let over_tcp = state(std::net::TcpStream::connect(address).unwrap());
    let over_unix = state(UnixStream::connect(at("api.sock")).unwrap());
    let not_asked = std::net::TcpStream::connect(refused);
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let ended = child.wait().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for answer in [over_tcp, over_unix] {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("running"), "{answer}\n{log}");
    }
    assert!(not_asked.is_err(), "`api.listen` gives way to systemd's sockets\n{log}");
    assert!(ended.success(), "{ended}\n{log}");
}
