//! A proxy that does to requests what bad links do: delays, cuts, corrupts, refuses, half-closes, at a given rate by a seed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What may happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// Everything arrives half a second late.
    Delay,
    /// The answer ends somewhere in the middle.
    Cut,
    /// The connection ends before the server heard of it.
    Refuse,
    /// One byte of the answer's body is another one.
    Corrupt,
    /// An answer of the proxy's own: 400, 429 (with `Retry-After`), 500, 503.
    Status(u16),
    /// The server has all of the request, the client nothing of the answer.
    HalfClose,
}

/// Every fault, as often one as another.
pub(crate) const FAULTS: [Fault; 9] = [
    Fault::Delay,
    Fault::Cut,
    Fault::Refuse,
    Fault::Corrupt,
    Fault::Status(400),
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(503),
    Fault::HalfClose,
];

/// A running proxy; it ends with its value.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    upstream: SocketAddr,
    faults: Vec<Fault>,
    /// Of 100 connections, so many meet a fault.
    percent: AtomicU64,
    /// Nothing gets through: the link is down.
    down: AtomicBool,
    seed: Mutex<u64>,
    met: Mutex<std::collections::BTreeMap<Fault, u64>>,
    connections: AtomicU64,
}

impl Proxy {
    /// Listens on a free port before `upstream`.
    pub(crate) async fn start(upstream: SocketAddr, faults: &[Fault], percent: u64, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            upstream,
            faults: faults.to_vec(),
            percent: AtomicU64::new(percent),
            down: AtomicBool::new(false),
            seed: Mutex::new(seed),
            met: Mutex::default(),
            connections: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move { state.serve(client).await });
            }
        });
        Self { address, state, task }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on so many of 100 connections meet a fault.
    pub(crate) fn set_percent(&self, percent: u64) {
        self.state.percent.store(percent, Ordering::Relaxed);
    }

    /// Takes the link down, or up again.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::Relaxed);
    }

    /// How many connections met which fault, and how many there were.
    pub(crate) fn met(&self) -> (std::collections::BTreeMap<Fault, u64>, u64) {
        (self.state.met.lock().unwrap().clone(), self.state.connections.load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// SplitMix64: the same seed, the same faults.
    fn draw(&self) -> u64 {
        let mut seed = self.seed.lock().unwrap();
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn next_fault(&self) -> Option<Fault> {
        let hit = self.draw() % 100 < self.percent.load(Ordering::Relaxed) && !self.faults.is_empty();
        let fault =
            hit.then(|| self.faults[usize::try_from(self.draw() % self.faults.len() as u64).unwrap()])?;
        *self.met.lock().unwrap().entry(fault).or_default() += 1;
        Some(fault)
    }

    /// One request of one connection. Answers say `Connection: close`, so that every request is a throw of the dice.
    async fn serve(&self, mut client: TcpStream) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) {
            return;
        }
        let fault = self.next_fault();
        if fault == Some(Fault::Refuse) {
            return;
        }
        let Some(request) = read_message(&mut client).await else { return };
        if let Some(Fault::Status(status)) = fault {
            let retry = if status == 429 { "Retry-After: 1\r\n" } else { "" };
            let answer = format!(
                "HTTP/1.1 {status} Fault\r\n{retry}Content-Length: 5\r\nConnection: close\r\n\r\nfault"
            );
            let _ = client.write_all(answer.as_bytes()).await;
            return;
        }
        if fault == Some(Fault::Delay) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let Ok(mut server) = TcpStream::connect(self.upstream).await else { return };
        if server.write_all(&request).await.is_err() {
            return;
        }
        let mut answer = Vec::new();
        if server.read_to_end(&mut answer).await.is_err() || fault == Some(Fault::HalfClose) {
            // The client may still speak, and hears nothing.
            let _ = client.shutdown().await;
            return;
        }
        match fault {
            Some(Fault::Cut) => {
                answer.truncate(usize::try_from(self.draw() % (answer.len() as u64 + 1)).unwrap())
            }
            Some(Fault::Corrupt) => {
                let body = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
                if body < answer.len() {
                    let at = body + usize::try_from(self.draw() % (answer.len() - body) as u64).unwrap();
                    answer[at] ^= 0x55;
                }
            }
            _ => {}
        }
        let _ = client.write_all(&answer).await;
        let _ = client.shutdown().await;
    }
}

/// A whole HTTP/1.1 request, told to close its connection.
async fn read_message(client: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head_end) = head_end {
            let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
            let header = |name: &str| {
                head.lines()
                    .filter_map(|line| line.split_once(':'))
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
            };
            if header("expect").is_some() && bytes.len() == head_end {
                client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
            }
            let chunked = header("transfer-encoding").is_some_and(|(_, value)| value.contains("chunked"));
            let length =
                header("content-length").and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
            let whole =
                if chunked { bytes.ends_with(b"0\r\n\r\n") } else { bytes.len() >= head_end + length };
            if whole {
                let kept =
                    |line: &&str| !line.to_ascii_lowercase().starts_with("connection:") && !line.is_empty();
                let mut message = head.split("\r\n").filter(kept).collect::<Vec<_>>().join("\r\n");
                message += "\r\nConnection: close\r\n\r\n";
                let mut message = message.into_bytes();
                message.extend_from_slice(&bytes[head_end..]);
                return Some(message);
            }
        }
        match client.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}
