//! Open-loop load on a sensor's API: requests leave on schedule whether or not answers come, so waiting is measured, not hidden.
//!
//! `load ADDRESS TOKEN RATE SECONDS [PID]`: for `/healthz` and `/predict` in turn, latency from when a request should have left, and
//! the ratio of the two; with the sensor's process id also the CPU time that an answer costs it, which a busy machine distorts less.

#![allow(clippy::disallowed_methods)] // a load generator measures time
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Connections that share the load.
const CONNECTIONS: u32 = 8;

/// What came of one route.
struct Outcome {
    latencies_us: Vec<u64>,
    failed: u64,
    seconds: f64,
    /// The sensor's, all threads, user and system; 0 when nobody said which process it is.
    cpu_us: u64,
}

impl Outcome {
    fn cpu_us_each(&self) -> f64 {
        self.cpu_us as f64 / self.latencies_us.len().max(1) as f64
    }

    fn quantile_us(&self, q: f64) -> u64 {
        let last = self.latencies_us.len().saturating_sub(1);
        self.latencies_us.get((q * last as f64) as usize).copied().unwrap_or(0)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, token, rate, seconds, pid @ ..] = &arguments[..] else {
        eprintln!("load: give ADDRESS TOKEN RATE SECONDS [PID], as 127.0.0.1:8765 eyJ... 500 10");
        return ExitCode::from(64);
    };
    let pid = pid.first().map(String::as_str);
    let (Ok(rate), Ok(seconds)) = (rate.parse::<u32>(), seconds.parse::<u32>()) else {
        eprintln!("load: RATE (requests a second) and SECONDS are whole numbers");
        return ExitCode::from(64);
    };
    let vector: Vec<String> = (1..=20).map(|n| format!("{}.5", n * n)).collect();
    let body = format!("{{\"features\": [{}]}}", vector.join(","));
    let predict = format!(
        "POST /predict HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let health = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    // Turn by turn: what else the machine does meets both alike.
    let rounds = 5;
    let (mut healths, mut predictions) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        healths.push(load(address, &health, rate, seconds / rounds, pid));
        predictions.push(load(address, &predict, rate, seconds / rounds, pid));
    }
    let (health, predict) = (joined(healths), joined(predictions));
    for (name, outcome) in [("/healthz", &health), ("/predict", &predict)] {
        println!(
            "{name:<9} {:>7} answers, {} failed, {:>7.0} a second, p50 {:>6} us, p99 {:>6} us, {:>5.0} us of CPU each",
            outcome.latencies_us.len(),
            outcome.failed,
            outcome.latencies_us.len() as f64 / outcome.seconds,
            outcome.quantile_us(0.5),
            outcome.quantile_us(0.99),
            outcome.cpu_us_each()
        );
    }
    let ratio = |q: f64| predict.quantile_us(q) as f64 / health.quantile_us(q).max(1) as f64;
    let more = |q: f64| predict.quantile_us(q) as i64 - health.quantile_us(q) as i64;
    println!(
        "ratio     p50 {:.2} ({:+} us), p99 {:.2} ({:+} us), CPU {:.2} ({:+.0} us)",
        ratio(0.5),
        more(0.5),
        ratio(0.99),
        more(0.99),
        predict.cpu_us_each() / health.cpu_us_each().max(1.0),
        predict.cpu_us_each() - health.cpu_us_each()
    );
    ExitCode::from(u8::from(health.failed + predict.failed > 0))
}

fn joined(parts: Vec<Outcome>) -> Outcome {
    let mut whole = Outcome { latencies_us: Vec::new(), failed: 0, seconds: 0.0, cpu_us: 0 };
    for part in parts {
        whole.latencies_us.extend(part.latencies_us);
        whole.failed += part.failed;
        whole.seconds += part.seconds;
        whole.cpu_us += part.cpu_us;
    }
    whole.latencies_us.sort_unstable();
    whole
}

/// CPU time that a process has used, microseconds (proc(5): in hundredths of a second).
fn cpu_us(pid: Option<&str>) -> u64 {
    let stat =
        pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
        * 10_000
}

fn load(address: &str, request: &str, rate: u32, seconds: u32, pid: Option<&str>) -> Outcome {
    let used = cpu_us(pid);
    let begun = Instant::now();
    let each = Duration::from_secs(1) * CONNECTIONS / rate.max(1);
    let count = (rate * seconds / CONNECTIONS).max(1);
    let parts: Vec<(Vec<u64>, u64)> = std::thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|n| scope.spawn(move || talk(address, request, begun + each * n / CONNECTIONS, each, count)))
            .collect();
        connections.into_iter().map(|c| c.join().unwrap_or((Vec::new(), u64::from(count)))).collect()
    });
    let (mut latencies_us, mut failed) = (Vec::new(), 0);
    for (part, lost) in parts {
        latencies_us.extend(part);
        failed += lost;
    }
    let seconds = begun.elapsed().as_secs_f64();
    Outcome { latencies_us, failed, seconds, cpu_us: cpu_us(pid).saturating_sub(used) }
}

/// One connection: requests on schedule, answers read by a thread of their own, so that a slow answer holds back no request.
fn talk(address: &str, request: &str, first: Instant, each: Duration, count: u32) -> (Vec<u64>, u64) {
    let Ok(mut stream) = TcpStream::connect(address) else { return (Vec::new(), u64::from(count)) };
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let Ok(reading) = stream.try_clone() else { return (Vec::new(), u64::from(count)) };
    std::thread::scope(|scope| {
        let answers = scope.spawn(move || {
            let mut reading = BufReader::new(reading);
            let (mut latencies_us, mut failed) = (Vec::new(), 0);
            for n in 0..count {
                match answer(&mut reading) {
                    Some(200) => {
                        let waited = Instant::now().saturating_duration_since(first + each * n);
                        latencies_us.push(waited.as_micros() as u64);
                    }
                    Some(_) => failed += 1,
                    None => return (latencies_us, failed + u64::from(count - n)),
                }
            }
            (latencies_us, failed)
        });
        for n in 0..count {
            std::thread::sleep((first + each * n).saturating_duration_since(Instant::now()));
            if stream.write_all(request.as_bytes()).is_err() {
                break;
            }
        }
        answers.join().unwrap_or((Vec::new(), u64::from(count)))
    })
}

/// Reads one answer and gives its status.
fn answer(reading: &mut impl BufRead) -> Option<u16> {
    let mut line = String::new();
    reading.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        line.clear();
        reading.read_line(&mut line).ok()?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => return None,
        }
    }
    let mut body = vec![0; length];
    reading.read_exact(&mut body).ok()?;
    Some(status)
}
