//! Three namespaces and the two wires between them: client, bridge, server.

use std::fs::File;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns};

use crate::live::Namespace;
use crate::run::Place;
use crate::taphound;

/// Whom honest clients talk to.
pub(super) const SERVER: [u8; 4] = [10, 77, 0, 2];
/// The same machine under the address that is attacked; the client reaches it as [`ATTACKER`].
pub(super) const VICTIM: [u8; 4] = [10, 77, 0, 3];
/// The attacker's address: the same machine as the honest client.
pub(super) const ATTACKER: &str = "10.77.0.66";
/// The gateway of the bridge's own machine. It is on the client's side, and says nothing.
pub(super) const GATEWAY: &str = "10.77.0.254";
/// Ethernet address of the server, so that frames can be made for it.
pub(super) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Where something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Bridge,
    Server,
}

/// The line. Removed when it goes.
pub(super) struct Line {
    client: Namespace,
    bridge: Namespace,
    server: Namespace,
}

static LINES: AtomicU32 = AtomicU32::new(0);

impl Line {
    /// None, and says so, without the rights or the tools for it.
    pub(super) fn new(test: &str) -> Option<Self> {
        let tool =
            |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
        if !tool("nft") {
            println!("SKIPPED {test}: needs the program `nft`");
            return None;
        }
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        let namespace = |side: &str| {
            let name = format!("inline-{}-{number}-{side}", std::process::id());
            let made = Command::new("ip").args(["netns", "add", &name]).output();
            made.is_ok_and(|o| o.status.success()).then_some(Namespace(name))
        };
        let Some(((client, bridge), server)) = namespace("c").zip(namespace("b")).zip(namespace("s")) else {
            println!("SKIPPED {test}: needs root, network namespaces and the program `ip`");
            return None;
        };
        let line = Self { client, bridge, server };
        line.build();
        let table = "add table bridge probe; delete table bridge probe";
        if !line.nft(&[table]).status.success() {
            println!("SKIPPED {test}: this kernel has no nftables for bridges");
            return None;
        }
        Some(line)
    }

    fn build(&self) {
        let (b, c, s) = (&self.bridge.0, &self.client.0, &self.server.0);
        for command in [
            format!("-n {b} link add br0 type bridge stp_state 0 forward_delay 0"),
            format!("-n {b} link add p0 type veth peer name eth0 netns {c}"),
            format!("-n {b} link add p1 type veth peer name eth0 netns {s}"),
            format!("-n {s} link set eth0 address 02:00:00:00:00:02"),
        ] {
            ip(&command);
        }
        for name in [b, c, s] {
            ip(&format!("-n {name} link set lo up"));
        }
        for device in ["p0", "p1", "br0"] {
            ip(&format!("-n {b} link set {device} addrgenmode none up"));
        }
        for device in ["p0", "p1"] {
            ip(&format!("-n {b} link set {device} master br0"));
        }
        for (name, addresses) in
            [(c, ["10.77.0.1/24", "10.77.0.66/24"]), (s, ["10.77.0.2/24", "10.77.0.3/24"])]
        {
            for address in addresses {
                ip(&format!("-n {name} addr add {address} dev eth0"));
            }
            ip(&format!("-n {name} link set eth0 addrgenmode none up"));
        }
        ip(&format!("-n {c} route add 10.77.0.3/32 dev eth0 src {ATTACKER}"));
        ip(&format!("-n {b} addr add 10.77.0.9/24 dev br0"));
        ip(&format!("-n {b} route add default via {GATEWAY}"));
    }

    fn name(&self, side: Side) -> &str {
        match side {
            Side::Client => &self.client.0,
            Side::Bridge => &self.bridge.0,
            Side::Server => &self.server.0,
        }
    }

    /// Runs `work` on a thread in the namespace of `side`: its sockets are there.
    pub(super) fn on<T: Send + 'static>(
        &self,
        side: Side,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = File::open(format!("/run/netns/{}", self.name(side))).unwrap();
        std::thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        })
    }

    /// `taphound run` on the bridge.
    pub(super) fn command(&self, place: &Place) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", self.name(Side::Bridge)])
            .arg(taphound().get_program())
            .arg("run")
            .arg("--config")
            .arg(place.path("taphound.toml"));
        command
    }

    /// `nft` on the bridge.
    pub(super) fn nft(&self, arguments: &[&str]) -> Output {
        self.exec("nft", arguments)
    }

    /// Runs a program on the bridge.
    pub(super) fn exec(&self, program: &str, arguments: &[&str]) -> Output {
        self.exec_at(Side::Bridge, program, arguments)
    }

    pub(super) fn exec_at(&self, side: Side, program: &str, arguments: &[&str]) -> Output {
        let inside = ["netns", "exec", self.name(side), program];
        Command::new("ip").args(inside).args(arguments).output().unwrap()
    }

    /// Starts a program at `side`; it ends with what is given.
    pub(super) fn spawn(&self, side: Side, program: &str, arguments: &[&str]) -> Running {
        let inside = ["netns", "exec", self.name(side), program];
        let mut command = Command::new("ip");
        command.args(inside).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }

    /// A port of the bridge goes down, or up.
    pub(super) fn set_port(&self, port: &str, state: &str) {
        ip(&format!("-n {} link set {port} {state}", self.bridge.0));
    }

    /// Our table is in the kernel.
    pub(super) fn has_table(&self) -> bool {
        self.nft(&["list", "table", "bridge", "taphound"]).status.success()
    }
}

/// A program at work; killed when it goes.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a program can be run here.
pub(super) fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    found.is_ok_and(|found| found.status.success())
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
