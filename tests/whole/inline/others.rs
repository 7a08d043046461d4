//! Decisions go to others: a webhook, ipset, CrowdSec; and people take them back over HTTP.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::line::{ATTACKER, Line, Side, has};
use super::traffic::{guessing, reaches, serve};
use super::{block, in_force, sensor, settings};
use crate::fleet::receivers::{SECRET, Taken, signed, status, web};
use crate::fleet::{Agent, configure};
use crate::live::{deadline, now};
use crate::run::Place;
use crate::taphound;

/// Waits for the receiver to have been told of a block's beginning or end. Every message's signature must be right.
fn told(taken: &Taken, action: &str) -> Value {
    let until = deadline(30);
    loop {
        let messages: Vec<Value> = taken.lock().unwrap().iter().map(signed).collect();
        let found = messages.iter().find(|m| m["type"] == "block" && m["action"] == action);
        if let Some(message) = found {
            return message.clone();
        }
        assert!(now() < until, "no message of a {action}: {messages:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_decision_reaches_a_receiver_signed_and_is_undone_over_http() {
    let Some(line) =
        Line::new("inline::others::a_decision_reaches_a_receiver_signed_and_is_undone_over_http")
    else {
        return;
    };
    serve(&line);
    let place = Place::new(&settings(""));
    let (port, taken, _) = web(|n| status(if n == 0 { "503 Busy" } else { "204 No Content" }));
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let secret = place.path("secret").display().to_string();
    let hook = format!(
        "[[out.webhooks]]\nurl = \"http://127.0.0.1:{port}/hook\"\nsecret_file = \"{secret}\"\nallow_private = true\nblocks = true\n"
    );
    configure(&place, &hook);
    let daemon = sensor(&line, &place);
    let agent = Agent::start(&place);
    agent.until("the agent", 30, |status| status["sensor_id"] == "proof");
    let guessed = guessing(&line, 20, 30).join().unwrap();
    assert!(guessed.cut_after.is_some(), "{guessed:?}");
    let ours = in_force(&place).remove(0);
    let message = told(&taken, "block");
    assert_eq!(message["sensor_id"], "proof");
    for name in ["id", "src", "covers", "port", "category", "expires_us", "reason"] {
        assert_eq!(message["block"][name], ours[name], "{name}: {message:#}");
    }
    assert_eq!(message["block"]["src"], ATTACKER);

    // Undone over HTTP, by a person whose name is then in the audit log.
    assert!(!reaches(&line));
    let mut command = taphound();
    command.args(["token", "create", "mia", "--role", "analyst", "--json", "--socket"]);
    let made = command.arg(place.path("control.sock")).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let bearer = format!("Authorization: Bearer {}", made["token"].as_str().unwrap());
    let url = format!("http://127.0.0.1:8765/api/v1/blocks/{}", ours["id"]);
    let code = |method: &str| {
        let said = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "-H", &bearer, &url];
        String::from_utf8(line.exec("curl", &said).stdout).unwrap()
    };
    assert_eq!(code("DELETE"), "204");
    assert!(reaches(&line), "what was lifted passes");
    assert_eq!(code("DELETE"), "404", "it is lifted once");
    let message = told(&taken, "lift");
    assert_eq!((&message["block"]["id"], &message["block"]["active"]), (&ours["id"], &false.into()));
    let audit = daemon.ask("audit");
    assert!(audit.iter().any(|line| line["action"] == "block lift" && line["actor"] == "mia"), "{audit:#?}");
    let messages: Vec<Value> = taken.lock().unwrap().iter().map(signed).collect();
    let of_blocks = messages.iter().filter(|message| message["type"] == "block").count();
    println!(
        "measured others: {} messages with the right HMAC, {of_blocks} of them decisions; undone over HTTP",
        messages.len()
    );
    daemon.end();
}

#[test]
fn ipset_takes_the_list_and_lets_go_of_what_is_lifted() {
    const NAME: &str = "inline::others::ipset_takes_the_list_and_lets_go_of_what_is_lifted";
    let Some(line) = Line::new(NAME) else { return };
    if let Some(missing) = ["ipset", "iptables-nft"].into_iter().find(|tool| !has(tool)) {
        println!("SKIPPED {NAME}: needs the program `{missing}` (scripts/setup inline)");
        return;
    }
    serve(&line);
    // The sensor stops nothing itself: the list is all that comes of a decision, and the server's own firewall reads it.
    let place = Place::new(&settings("list = true\n").replace("inline-set", "passive"));
    let daemon = sensor(&line, &place);
    for (source, seconds) in [(ATTACKER, "600"), ("2001:db8::66", "600"), ("198.51.100.0/24", "90000")] {
        block(&place, &["add", source, "--reason", "by hand", "--seconds", seconds]).unwrap();
    }
    let script = place.path("state/blocks.ipset");
    let restore = || {
        let done =
            line.exec_at(Side::Server, "ipset", &["restore", "-exist", "-file", script.to_str().unwrap()]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    restore();
    let rule = "-I INPUT -m set --match-set taphound4 src -j DROP".split(' ').collect::<Vec<_>>();
    assert!(line.exec_at(Side::Server, "iptables-nft", &rule).status.success());
    let listed =
        |set: &str| String::from_utf8(line.exec_at(Side::Server, "ipset", &["save", set]).stdout).unwrap();
    let (four, six) = (listed("taphound4"), listed("taphound6"));
    assert!(four.contains(&format!("add taphound4 {ATTACKER} timeout 5")), "{four}");
    assert!(four.contains("add taphound4 198.51.100.0/24 timeout 899"), "{four}");
    assert!(six.contains("add taphound6 2001:db8::66 timeout 5"), "{six}");
    assert!(!reaches(&line), "the server's firewall drops what the list names");
    block(&place, &["remove", ATTACKER]).unwrap();
    restore();
    assert!(reaches(&line), "and what it names no more passes");
    println!(
        "measured ipset: 3 entries restored with their timeouts, the attacker dropped, and let through again"
    );
    daemon.end();
}

#[test]
#[ignore = "a real CrowdSec: make test-inline"]
fn crowdsec_takes_the_plain_list() {
    const NAME: &str = "inline::others::crowdsec_takes_the_plain_list";
    if let Some(missing) = ["crowdsec", "cscli"].into_iter().find(|tool| !has(tool)) {
        println!("SKIPPED {NAME}: needs the program `{missing}` (apt install crowdsec)");
        return;
    }
    let place = Place::new("interfaces = []\n[inline]\nlist = true\n[api]\nlisten = []\n");
    let daemon = crate::run::Daemon::start(&place);
    for source in ["203.0.113.9", "2001:db8::66", "198.51.100.0/24"] {
        block(&place, &["add", source, "--reason", "by hand", "--seconds", "600"]).unwrap();
    }
    // An engine of its own, that knows nobody and tells nobody.
    let path = |name: &str| place.path(name).display().to_string();
    let port = crate::servers::free_port();
    std::fs::create_dir_all(place.path("crowdsec/data")).unwrap();
    std::fs::create_dir_all(place.path("crowdsec/hub")).unwrap();
    std::fs::write(
        place.path("crowdsec/config.yaml"),
        format!(
            "common:\n  daemonize: false\n  log_media: stdout\n  log_level: info\n  working_dir: .\n\
             config_paths:\n  config_dir: {dir}\n  data_dir: {dir}/data\n  hub_dir: {dir}/hub\n  index_path: {dir}/hub/.index.json\n  simulation_path: {dir}/simulation.yaml\n\
             cscli:\n  output: json\n\
             db_config:\n  type: sqlite\n  db_path: {dir}/data/crowdsec.db\n\
             api:\n  client:\n    credentials_path: {dir}/credentials.yaml\n  server:\n    log_level: info\n    listen_uri: 127.0.0.1:{port}\n    profiles_path: {dir}/profiles.yaml\n\
             prometheus:\n  enabled: false\n",
            dir = path("crowdsec")
        ),
    )
    .unwrap();
    std::fs::write(place.path("crowdsec/simulation.yaml"), "simulation: false\n").unwrap();
    std::fs::write(place.path("crowdsec/hub/.index.json"), "{}\n").unwrap();
    std::fs::write(
        place.path("crowdsec/profiles.yaml"),
        "name: all\nfilters:\n - Alert.Remediation == true\ndecisions:\n - type: ban\n   duration: 4h\non_success: break\n",
    )
    .unwrap();
    let cscli = |arguments: &[&str]| {
        let config = path("crowdsec/config.yaml");
        let output = Command::new("cscli").args(["-c", &config]).args(arguments).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output, said)
    };
    let (made, said) = cscli(&[
        "machines",
        "add",
        "proof",
        "--password",
        "proof",
        "--force",
        "-f",
        &path("crowdsec/credentials.yaml"),
        "-u",
        &format!("http://127.0.0.1:{port}"),
    ]);
    assert!(made.status.success(), "{said}");
    let log = std::fs::File::create(place.path("crowdsec.log")).unwrap();
    let mut engine = Command::new("crowdsec");
    engine.args(["-c", &path("crowdsec/config.yaml"), "-no-cs"]);
    let mut engine = engine.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let until = deadline(30);
    let heard = || std::fs::read_to_string(place.path("crowdsec.log")).unwrap();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(now() < until, "crowdsec does not listen: {}", heard());
        std::thread::sleep(Duration::from_millis(100));
    }
    // As a table of one column: releases before 1.5 know no `--format values`.
    let lines = std::fs::read_to_string(place.path("state/blocks.txt")).unwrap();
    std::fs::write(place.path("blocks.csv"), format!("value\n{lines}")).unwrap();
    let import = ["decisions", "import", "--duration", "1h", "--input"];
    let (list, table) = (path("state/blocks.txt"), path("blocks.csv"));
    let (mut taken, mut said) = cscli(&[&import[..], &[&list, "--format", "values"]].concat());
    if said.contains("unknown flag: --format") {
        (taken, said) = cscli(&[&import[..], &[&table]].concat());
    }
    let (_, decisions) = cscli(&["decisions", "list", "-a", "-o", "json"]);
    let _ = engine.kill();
    let _ = engine.wait();
    assert!(taken.status.success(), "{said}\n{}", heard());
    for source in ["203.0.113.9", "2001:db8::66", "198.51.100.0/24"] {
        assert!(decisions.contains(&format!("\"{source}\"")), "{source}: {decisions}");
    }
    println!("measured crowdsec: cscli decisions import took all 3 lines of blocks.txt");
    daemon.end();
}
