//! Real servers for tests: each starts on a free port of the loopback, is waited for, and ends with its value.
//!
//! They come from `scripts/setup servers` (and `servers-s3`). One that is absent is `None`, and a line `SKIPPED name: reason` says so.
#![allow(dead_code, reason = "each test crate uses some of them")]
#![allow(clippy::print_stdout, reason = "a test that was skipped says so")]

pub(crate) mod faults;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// What started it, and where it says that it is there.
    command: Command,
    health: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its own folder: data and what it printed.
    pub(crate) folder: tempfile::TempDir,
}

impl Server {
    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it and starts it again at the same place. What it keeps in memory alone is gone.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = self.command.spawn().unwrap();
        self.wait();
    }

    fn kill(&mut self) {
        // A server with workers is a process group; it goes as one.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Servers in Python take long to wake on a busy machine.
    fn wait(&mut self) {
        let printed = || std::fs::read_to_string(self.folder.path().join("printed")).unwrap_or_default();
        for _ in 0..2400 {
            if answers(self.address, &self.health) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{:?} ended with {status}: {}", self.command, printed());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{:?} did not answer: {}", self.command, printed());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where `scripts/setup` puts what several clones share.
pub(crate) fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("taphound")
}

/// A program of the shared folder; none, and a line that says so, where it is absent.
pub(crate) fn program(name: &str, relative: &str, remedy: &str) -> Option<PathBuf> {
    let path = cache().join(relative);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED {name}: {} is absent; run `scripts/setup {remedy}`", path.display());
    None
}

/// moto: DynamoDB, S3 and IAM.
pub(crate) fn moto() -> Option<Server> {
    moto_with(&[])
}

/// moto with further environment, such as `INITIAL_NO_AUTH_ACTION_COUNT` for its IAM mode.
pub(crate) fn moto_with(environment: &[(&str, &str)]) -> Option<Server> {
    let program = program("moto", "servers/venv/bin/moto_server", "servers")?;
    Some(start(&program, environment, "/moto-api/", |port, _| {
        vec!["-H".into(), "127.0.0.1".into(), "-p".into(), port.to_string()]
    }))
}

/// dynalite: DynamoDB.
pub(crate) fn dynalite() -> Option<Server> {
    dynalite_with(|_| Vec::new())
}

/// dynalite whose tables outlive a restart.
pub(crate) fn dynalite_kept() -> Option<Server> {
    dynalite_with(|folder| vec!["--path".into(), folder.join("tables").display().to_string()])
}

fn dynalite_with(more: impl Fn(&Path) -> Vec<String>) -> Option<Server> {
    let program = program("dynalite", "servers/node_modules/.bin/dynalite", "servers")?;
    Some(start(&program, &[], "/", |port, folder| {
        let port = port.to_string();
        let mut arguments = [
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--createTableMs",
            "50",
            "--deleteTableMs",
            "50",
            "--updateTableMs",
            "50",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(more(folder));
        arguments
    }))
}

/// Keys that `s3s_fs` takes.
pub(crate) const S3S_KEYS: (&str, &str) = ("tests", "tests-secret");

/// s3s-fs: S3, with one bucket.
pub(crate) fn s3s_fs(bucket: &str) -> Option<Server> {
    let program = program("s3s-fs", "bin/s3s-fs", "servers-s3")?;
    Some(start(&program, &[], "/", |port, folder| {
        std::fs::create_dir(folder.join(bucket)).unwrap();
        let (key, secret) = S3S_KEYS;
        let port = port.to_string();
        let root = folder.display().to_string();
        ["--host", "127.0.0.1", "--port", &port, "--access-key", key, "--secret-key", secret, &root]
            .map(str::to_owned)
            .to_vec()
    }))
}

/// MLflow, its artifacts behind its own proxy or at `artifacts` (`s3://bucket/path`), which clients then reach by themselves.
pub(crate) fn mlflow(artifacts: Option<&str>) -> Option<Server> {
    let program = program("mlflow", "servers/venv/bin/mlflow", "servers")?;
    let environment = [("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")];
    Some(start(&program, &environment, "/health", |port, folder| {
        let at = |name: &str| folder.join(name).display().to_string();
        let (database, port) = (format!("sqlite:///{}", at("mlflow.db")), port.to_string());
        let mut arguments: Vec<String> = [
            "server",
            "--host",
            "127.0.0.1",
            "--workers",
            "1",
            "--port",
            &port,
            "--backend-store-uri",
            &database,
        ]
        .map(str::to_owned)
        .to_vec();
        match artifacts {
            None => arguments.extend(["--artifacts-destination".into(), at("artifacts")]),
            Some(uri) => {
                arguments.extend([
                    "--no-serve-artifacts".into(),
                    "--default-artifact-root".into(),
                    uri.into(),
                ]);
            }
        }
        arguments
    }))
}

fn start(
    program: &Path,
    environment: &[(&str, &str)],
    health: &str,
    arguments: impl Fn(u16, &Path) -> Vec<String>,
) -> Server {
    use std::os::unix::process::CommandExt;
    let folder = tempfile::Builder::new().prefix("taphound-server-").tempdir().unwrap();
    let port = free_port();
    let printed = folder.path().join("printed");
    let log = std::fs::File::create(&printed).unwrap();
    let mut command = Command::new(program);
    command.args(arguments(port, folder.path())).current_dir(folder.path()).envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
    let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut server = Server { child, command, health: health.to_owned(), address, folder };
    server.wait();
    server
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// It speaks HTTP at that path.
fn answers(address: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut begin = [0; 5];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut begin).is_ok()
        && &begin == b"HTTP/"
}
