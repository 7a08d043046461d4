//! Who talks on the line: an honest client that asks again and again, and one that guesses passwords.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::line::{Line, SERVER, Side, VICTIM};
use crate::live::now;

const ECHO: u16 = 7;
const FTP: u16 = 21;
/// A try that gets no answer for so long was dropped.
const PATIENCE: Duration = Duration::from_millis(400);

/// Starts the servers: an echo, and an FTP server that lets nobody in. They end with their namespace's test.
pub(super) fn serve(line: &Line) {
    for (port, talk) in [(ECHO, echo as fn(TcpStream) -> std::io::Result<()>), (FTP, refuse)] {
        let (ready, is_ready) = std::sync::mpsc::channel();
        line.on(Side::Server, move || {
            let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
            ready.send(()).unwrap();
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || talk(stream));
            }
        });
        is_ready.recv().unwrap();
    }
}

fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            n => stream.write_all(&bytes[..n])?,
        }
    }
}

fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"220 ready\r\n")?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    for answer in ["331 password please\r\n", "530 that is not it\r\n"] {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// One guess. An error: some of it was dropped.
fn guess(at: SocketAddr, number: u32) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    for say in [String::new(), "USER root\r\n".to_owned(), format!("PASS secret{number}\r\n")] {
        stream.write_all(say.as_bytes())?;
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// What came of guessing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guessed {
    /// Guesses that were answered.
    pub(super) answered: u32,
    /// From the first packet of the first guess to the first packet that was dropped.
    pub(super) cut_after: Option<Duration>,
}

/// Guesses passwords at the victim, `per_second`, until a guess is dropped or `seconds` are over.
pub(super) fn guessing(line: &Line, per_second: u32, seconds: u64) -> JoinHandle<Guessed> {
    line.on(Side::Client, move || {
        let at = SocketAddr::from((Ipv4Addr::from(VICTIM), FTP));
        let began = now();
        let mut answered = 0;
        while began.elapsed() < Duration::from_secs(seconds) {
            let started: Instant = now();
            if guess(at, answered).is_err() {
                return Guessed { answered, cut_after: Some(started - began) };
            }
            answered += 1;
            std::thread::sleep(
                Duration::from_secs(1).div_f64(per_second.into()).saturating_sub(started.elapsed()),
            );
        }
        Guessed { answered, cut_after: None }
    })
}

/// Whether the attacker's address can reach the attacked service now.
pub(super) fn reaches(line: &Line) -> bool {
    let at = SocketAddr::from((Ipv4Addr::from(VICTIM), FTP));
    line.on(Side::Client, move || guess(at, 0).is_ok()).join().unwrap()
}

/// An honest client at work.
pub(super) struct Honest {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<Result<Vec<Duration>, String>>,
}

impl Honest {
    /// Asks the echo server every five milliseconds, on one connection for twenty questions.
    pub(super) fn at_work(line: &Line) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let thread = line.on(Side::Client, move || {
            let at = SocketAddr::from((Ipv4Addr::from(SERVER), ECHO));
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let asked = ask(at, &mut took, &count);
                asked.map_err(|e| format!("question {}: {e}", took.len()))?;
            }
            Ok(took)
        });
        Self { stop, answered, thread }
    }

    /// Answers so far.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends its work: every question was answered. Gives how long each took.
    pub(super) fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap_or_else(|e| panic!("an honest client was disturbed: {e}"))
    }
}

/// Asks the echo server up to `questions` times on one connection, each as soon as `pause` after the answer before it is over, until
/// one is not answered within `patience`. Gives how long each answer took.
pub(super) fn conversation(
    line: &Line,
    questions: usize,
    pause: Duration,
    patience: Duration,
) -> JoinHandle<Vec<Duration>> {
    line.on(Side::Client, move || {
        let at = SocketAddr::from((Ipv4Addr::from(SERVER), ECHO));
        let mut took = Vec::with_capacity(questions);
        let Ok(mut stream) = TcpStream::connect_timeout(&at, patience) else { return took };
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 100];
        for _ in 0..questions {
            let asked = now();
            if stream.write_all(&bytes).and_then(|()| stream.read_exact(&mut bytes)).is_err() {
                break;
            }
            took.push(asked.elapsed());
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
        took
    })
}

fn ask(at: SocketAddr, took: &mut Vec<Duration>, count: &AtomicU64) -> std::io::Result<()> {
    // A machine that is busy with other tests is not a network that drops.
    const LONG: Duration = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&at, LONG)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LONG))?;
    let mut bytes = [0; 100];
    for _ in 0..20 {
        let asked = now();
        stream.write_all(&bytes)?;
        stream.read_exact(&mut bytes)?;
        took.push(asked.elapsed());
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The share `q` of these is at most so long.
pub(super) fn quantile(took: &mut [Duration], q: f64) -> Duration {
    took.sort_unstable();
    took[((took.len() - 1) as f64 * q) as usize]
}
