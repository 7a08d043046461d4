//! Setup: what is written, what is refused, and what is said of the interfaces there are.

use std::path::Path;

use super::interfaces::{Interface, present};
use super::{ask, capture_settings, key, lone, sound};

#[test]
fn names_that_no_interface_has_are_refused() {
    for name in ["eth0", "enp3s0f1np1", "tap-0.42@x"] {
        assert_eq!(sound(name).unwrap(), name);
    }
    for name in ["", "eth0/../x", "a b", "sixteen-letters-", "x\"]\ny"] {
        assert_eq!(sound(name).unwrap_err().exit_code(), 64, "{name}");
    }
}

#[test]
fn what_is_written_is_read_as_meant() {
    let text = capture_settings(&["eth1".into(), "eth2".into()]);
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["capture"]["interfaces"].as_array().unwrap().len(), 2);
}

#[test]
fn it_asks_until_it_is_answered() {
    let mut said = Vec::new();
    let answer = ask(&mut &b"\na/b\neth1, eth2\n"[..], &mut said, "  eth1").unwrap();
    assert_eq!(answer, ["eth1", "eth2"]);
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.matches("Which are to be watched").count(), 3);
    assert!(said.contains("`a/b` is no interface's name"));
    assert_eq!(ask(&mut &b""[..], &mut Vec::new(), "").unwrap_err().exit_code(), 64);
}

#[test]
fn interfaces_are_described_by_what_the_kernel_says() {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("sys/class/net/lo/operstate", "unknown\n");
    put("sys/class/net/eth0/operstate", "up\n");
    put("sys/class/net/eth0/speed", "1000\n");
    put("sys/class/net/eth0/device/vendor", "0x8086\n");
    put("sys/class/net/veth1/operstate", "down\n");
    put("sys/class/net/veth1/speed", "-1\n");
    put(
        "proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nveth1\t0000A8C0\t0\t1\t0\t0\t0\t00FFFFFF\neth0\t00000000\t0101A8C0\t3\t0\t0\t0\t00000000\n",
    );
    let found = present(root.path());
    let interface = |name: &str, state: &str, speed, has_default_route, is_virtual| Interface {
        name: name.into(),
        state: state.into(),
        speed,
        has_default_route,
        is_virtual,
    };
    assert_eq!(
        found,
        [interface("eth0", "up", Some(1000), true, false), interface("veth1", "down", None, false, true)]
    );
    assert!(found[0].remark().unwrap().contains("own traffic"));
    assert!(found[1].remark().unwrap().contains("ip link set veth1 up"));
    assert!(present(Path::new("/nowhere")).is_empty());
}

#[test]
fn a_lone_box_keeps_its_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let made = key::ensure(&keys).unwrap();
    let again = key::ensure(&keys).unwrap();
    assert_eq!(made.id, again.id);
    assert!(made.told().starts_with("made") && again.told().starts_with("kept"));
    let mode = std::fs::metadata(keys.join("signing.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o400);
    let public: model::artifact::PublicKey =
        std::fs::read_to_string(keys.join("signing.key.pub")).unwrap().parse().unwrap();
    assert_eq!(public.id().to_string(), made.id);
}

#[test]
fn a_lone_box_is_its_own_centre() {
    let etc = tempfile::tempdir().unwrap();
    std::fs::create_dir(etc.path().join("conf.d")).unwrap();
    std::fs::create_dir(etc.path().join("retrain.d")).unwrap();
    let written = lone::settle(etc.path()).unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap();
    let [sensor, trainer] = &written[..] else { panic!("{written:?}: the agent is not installed") };
    assert_eq!(read(sensor)["outbox"]["enabled"].as_bool(), Some(true));
    assert_eq!(read(trainer)["promote"]["canary_percent"].as_integer(), Some(100));
    std::fs::create_dir(etc.path().join("sync.d")).unwrap();
    assert_eq!(lone::settle(etc.path()).unwrap().len(), 3);
}
