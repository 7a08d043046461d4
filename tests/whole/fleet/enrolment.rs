//! A sensor joins the fleet by a token, shows there, and is put out of it.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{Agent, place};
use crate::program;
use crate::run::Daemon;

fn run(name: &str, arguments: &[&str]) -> Output {
    program(name).args(arguments).output().unwrap()
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_token_lets_one_machine_in_once_and_a_revocation_puts_it_out() {
    let place = place();
    let objects = format!("file:{}", text(&place.path("objects")));
    let key = text(&place.path("centre.key"));
    ok(&run("taphound-retrain", &["keygen", "--out", &key]));
    let more = place.path("sync-more.toml");
    std::fs::write(
        &more,
        format!(
            "[agent]\nstate_dir = \"{}\"\nsocket = \"{}\"\n[centre]\nobjects = \"{objects}\"\n[down]\nkeys_dir = \"{}\"\n[report]\ninterval_s = 1\n[log]\nformat = \"json\"\n",
            text(&place.path("sync")),
            text(&place.path("control.sock")),
            text(&place.path("keys")),
        ),
    )
    .unwrap();
    let issue =
        ["enroll-token", "proof", "--objects", &objects, "--key", &key, "--sync-settings", &text(&more)];
    let token = ok(&run("taphound-retrain", &issue));
    assert!(token.starts_with("taphound-enrol-1:"), "{token}");

    // The settings of a machine lie in a folder; sync.toml itself may be missing.
    let etc = text(&place.path("etc"));
    let config = format!("{etc}/sync.toml");
    std::fs::create_dir(&etc).unwrap();
    std::fs::write(&config, "").unwrap();
    let enroll = |etc: &str, config: &str| {
        run("taphound-sync", &["enroll", &token, "--settings", etc, "--config", config])
    };
    let said = ok(&enroll(&etc, &config));
    assert!(said.contains("enrolled as proof"), "{said}");
    let sensor_settings = std::fs::read_to_string(format!("{etc}/conf.d/enrolled.toml")).unwrap();
    assert!(sensor_settings.contains("id = \"proof\""), "{sensor_settings}");
    // Once more on the same machine does no harm.
    ok(&enroll(&etc, &config));
    // A machine with another identity is too late, and hears why.
    std::fs::rename(place.path("sync/identity.key"), place.path("first.key")).unwrap();
    let late = enroll(&etc, &config);
    let words = String::from_utf8_lossy(&late.stderr).into_owned();
    assert_eq!(late.status.code(), Some(77), "{words}");
    assert!(words.contains("redeemed before"), "{words}");
    std::fs::rename(place.path("first.key"), place.path("sync/identity.key")).unwrap();
    // A grant that somebody changed is not believed.
    let grants: Vec<_> =
        std::fs::read_dir(place.path("objects/enrolment")).unwrap().flatten().map(|e| e.path()).collect();
    let grant = grants.iter().find(|path| !text(path).contains("claimed")).unwrap();
    let signed = std::fs::read_to_string(grant).unwrap();
    std::fs::write(grant, signed.replace("proof", "prooF")).unwrap();
    let forged = enroll(&etc, &config);
    assert_eq!(forged.status.code(), Some(65), "{}", String::from_utf8_lossy(&forged.stderr));

    let sensor = Daemon::start(&place);
    std::fs::copy(&config, place.path("sync.toml")).unwrap();
    std::fs::create_dir(place.path("sync.d")).unwrap();
    std::fs::copy(format!("{etc}/sync.d/enrolled.toml"), place.path("sync.d/enrolled.toml")).unwrap();
    let agent = Agent::start(&place);
    agent.until("a report", 30, |_| place.path("objects/health/proof.json").exists());
    let fleet: Value =
        serde_json::from_str(&ok(&run("taphound-retrain", &["fleet", "--objects", &objects, "--json"])))
            .unwrap();
    assert_eq!(fleet["sensors"][0]["sensor_id"], "proof", "{fleet:#}");
    assert_eq!(fleet["sensors"][0]["model_version"], sensor.status().0["model"]["version"], "{fleet:#}");
    println!("{}", ok(&run("taphound-retrain", &["fleet", "--objects", &objects])));

    let revoke =
        ["enroll-token", "proof", "--objects", &objects, "--key", &key, "--revoke", "stolen from its rack"];
    ok(&run("taphound-retrain", &revoke));
    agent.until("the revocation", 30, |status| status["revoked"] == "stolen from its rack");
    assert_eq!(Agent::status(&place).unwrap().1, 2);
    // Only a trusted key can put a sensor out.
    let other = text(&place.path("other.key"));
    ok(&run("taphound-retrain", &["keygen", "--out", &other]));
    let forged = ["enroll-token", "proof", "--objects", &objects, "--key", &other, "--revoke", "ha"];
    ok(&run("taphound-retrain", &forged));
    agent.until("a revocation that nobody believes", 30, |status| status["revoked"].is_null());
}
