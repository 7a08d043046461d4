//! Wires that go away, come back, are half connected or lie about their frames; and users who lack the right.

use std::process::Command;
use std::time::Duration;

use sensor::fault::Fault;
use sensor::live::{Alarm, LinkState, start};

use super::sender::{Conversations, Sender, tcp};
use super::settings;
use crate::live::{counting, ip, ran_in_namespace, slot, wait_until};

fn is_down(state: &LinkState, word: &str) -> bool {
    matches!(state, LinkState::Down { reason } if reason.contains(word))
}

#[test]
fn an_interface_goes_away_and_comes_back() {
    if ran_in_namespace("live_wire::trouble::an_interface_goes_away_and_comes_back") {
        return;
    }
    for rings in [1, 2] {
        let live = start(settings(rings), slot(), counting().0).unwrap();
        let mut sent = Sender::on("near0").send_all(Conversations::new(20));
        wait_until(&live, "frames before", 5, |r| r.packets.received == sent);

        ip("link set far0 down");
        let down = wait_until(&live, "down", 5, |r| r.rings.iter().all(|r| is_down(&r.state, "is down")));
        assert!(matches!(&down.alarms[0], Alarm::Down { interface, .. } if interface == "far0"));
        ip("link set far0 up");
        wait_until(&live, "up", 10, |r| r.rings.iter().all(|r| r.state == LinkState::Up));
        sent += Sender::on("near0").send_all(Conversations::range(20..40));
        wait_until(&live, "frames after", 5, |r| r.packets.received == sent);

        ip("link del far0");
        wait_until(&live, "gone", 5, |r| r.rings.iter().all(|r| matches!(r.state, LinkState::Down { .. })));
        ip("link add near0 type veth peer name far0");
        ip("link set near0 addrgenmode none up");
        ip("link set far0 addrgenmode none up");
        wait_until(&live, "back", 10, |r| r.rings.iter().all(|r| r.state == LinkState::Up));
        sent += Sender::on("near0").send_all(Conversations::range(40..60));
        wait_until(&live, "frames on the new one", 5, |r| r.packets.received == sent);
        let sums = live.stop().unwrap();
        assert!(sums.is_balanced(), "{sums:#?}");
        assert_eq!((sums.packets.metered, sums.flows.started), (sent, 60));
        assert!(sums.rings.iter().all(|ring| ring.wire.opened >= 3));
    }
}

#[test]
fn an_interface_that_is_missing_at_the_start_is_refused_or_waited_for() {
    if ran_in_namespace(
        "live_wire::trouble::an_interface_that_is_missing_at_the_start_is_refused_or_waited_for",
    ) {
        return;
    }
    ip("link del far0");
    let mut settings = settings(1);
    let Err(fault) = start(settings.clone(), slot(), counting().0) else { panic!("captured on nothing") };
    assert!(matches!(&fault, Fault::NoInput(text) if text.contains("far0") && text.contains("ip link")));
    settings.wire.wait_at_start = true;
    let live = start(settings, slot(), counting().0).unwrap();
    wait_until(&live, "down", 5, |r| is_down(&r.rings[0].state, "there is none of this name"));
    ip("link add near0 type veth peer name far0");
    ip("link set near0 addrgenmode none up");
    ip("link set far0 addrgenmode none up");
    wait_until(&live, "up", 10, |r| r.rings[0].state == LinkState::Up);
    live.stop().unwrap();
}

#[test]
fn silence_and_half_conversations_are_alarms() {
    if ran_in_namespace("live_wire::trouble::silence_and_half_conversations_are_alarms") {
        return;
    }
    let mut settings = settings(1);
    settings.alarms.no_traffic_after = Duration::from_millis(400);
    settings.meter.idle_timeout_us = 300_000;
    let live = start(settings, slot(), counting().0).unwrap();
    let silent = |alarm: &Alarm| matches!(alarm, Alarm::NoTraffic { interface, .. } if interface == "far0");
    wait_until(&live, "an alarm for silence", 5, |r| r.alarms.iter().any(silent));
    // What the client sends, without what the server answers.
    let mut sender = Sender::on("near0");
    for port in 0..30 {
        for (flags, sequence, payload) in [(0x02, 1, 0), (0x10, 2, 0), (0x18, 2, 700), (0x18, 702, 700)] {
            let mut frame = tcp(true, flags, sequence, 9, payload);
            frame[35] = port;
            sender.send(&frame);
        }
    }
    let reports = wait_until(&live, "an alarm for half a tap", 5, |r| {
        r.alarms.iter().any(|alarm| matches!(alarm, Alarm::OneWay { share } if *share == 1.0))
    });
    assert_eq!(reports.one_way_share, Some(1.0));
    live.stop().unwrap();
}

#[test]
fn frames_that_offload_put_together_are_noticed() {
    if ran_in_namespace("live_wire::trouble::frames_that_offload_put_together_are_noticed") {
        return;
    }
    // TCP between two namespaces: the kernel hands veth segments of up to 64 KiB, and nobody cuts them.
    let other = format!("{}-peer", std::env::var("TAPHOUND_TEST_NAMESPACE").unwrap());
    ip(&format!("netns add {other}"));
    let _gone = crate::live::Namespace(other.clone());
    ip(&format!("link set near0 netns {other}"));
    ip(&format!("-n {other} addr add 10.99.0.2/24 dev near0"));
    ip(&format!("-n {other} link set near0 up"));
    ip("addr add 10.99.0.1/24 dev far0");
    let live = start(settings(1), slot(), counting().0).unwrap();
    let listener = std::net::TcpListener::bind("10.99.0.1:9").unwrap();
    let mut sending = Command::new("ip")
        .args(["netns", "exec", &other, "bash", "-c", "head -c 4000000 /dev/zero >/dev/tcp/10.99.0.1/9"])
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(std::io::copy(&mut stream, &mut std::io::sink()).unwrap(), 4_000_000);
    assert!(sending.wait().unwrap().success());
    let reports = wait_until(&live, "an alarm for offload", 5, |r| {
        r.alarms.iter().any(|alarm| matches!(alarm, Alarm::Offload { longest, .. } if *longest > 1536))
    });
    assert!(reports.rings[0].wire.offload_frames > 10, "{:?}", reports.rings[0]);
    let sums = live.stop().unwrap();
    println!("measured offload: {:?}", sums.rings[0].wire);
}

#[test]
fn cap_net_raw_is_needed_and_enough() {
    const AS_NOBODY: &str = "TAPHOUND_TEST_AS_NOBODY";
    let name = "live_wire::trouble::cap_net_raw_is_needed_and_enough";
    if ran_in_namespace(name) {
        return;
    }
    match std::env::var(AS_NOBODY).as_deref() {
        Ok("without") => {
            let Err(fault) = start(settings(1), slot(), counting().0) else { panic!("captured without") };
            let text = fault.to_string();
            assert!(matches!(fault, Fault::NoPermission(_)), "{text}");
            assert!(text.contains("CAP_NET_RAW") && text.contains("setcap cap_net_raw=ep"), "{text}");
            return;
        }
        Ok(_) => {
            // Two rings: joining them takes no more than one does.
            let live = start(settings(2), slot(), counting().0).unwrap();
            let sent = Sender::on("near0").send_all(Conversations::new(20));
            wait_until(&live, "frames", 5, |r| r.packets.received == sent);
            live.stop().unwrap();
            return;
        }
        Err(_) => {}
    }
    // The program may lie where nobody else may read it.
    let folder = tempfile::Builder::new().prefix("wire-").tempdir_in("/tmp").unwrap();
    let program = folder.path().join("whole");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for open in [folder.path(), &program] {
        std::fs::set_permissions(open, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let with = ["--inh-caps=+net_raw", "--ambient-caps=+net_raw", "--bounding-set=-all,+net_raw"];
    for (capabilities, value) in [(&["--inh-caps=-all"][..], "without"), (&with[..], "with")] {
        let run = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(capabilities)
            .arg(&program)
            .args([name, "--exact", "--nocapture"])
            .env(AS_NOBODY, value)
            .current_dir("/")
            .output();
        let Ok(output) = run else {
            println!("SKIPPED {name}: needs the program `setpriv` of util-linux");
            return;
        };
        assert!(
            output.status.success(),
            "{value}: {} {}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
