//! Alerts as they are sent: to a webhook that refuses at first, and to syslog over UDP, TCP and TLS; each alert once, signed, in order.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use sha2::Sha256;

use super::{Agent, configure, drop_in_later, place, settled};
use crate::live::{deadline, now};
use crate::run::{Daemon, Place, form, wall_us};

/// A capture that makes alerts.
const CASE: &str = "bruteforce-ssh";
pub(crate) const SECRET: &[u8] = b"a secret of the receiver";

/// A request as it came: its headers in lower case, and its body.
pub(crate) type Request = (BTreeMap<String, String>, Vec<u8>);

/// Requests that were answered with 2xx, and how many there were at all.
pub(crate) type Taken = Arc<Mutex<Vec<Request>>>;
pub(crate) type Asked = Arc<Mutex<usize>>;

/// Answers every request by `answer`, which is given how many came before it. Keeps those that it answered with 2xx.
pub(crate) fn web(answer: impl Fn(usize) -> String + Send + 'static) -> (u16, Taken, Asked) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (taken, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
    let (keep, count) = (Arc::clone(&taken), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(request) = read_request(stream.try_clone().unwrap()) else { continue };
            let mut asked = count.lock().unwrap();
            let said = answer(*asked);
            *asked += 1;
            if said.contains(" 2") {
                keep.lock().unwrap().push(request);
            }
            let mut stream = stream;
            let _ = stream.write_all(said.as_bytes());
        }
    });
    (port, taken, asked)
}

pub(crate) fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn read_request(mut stream: TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let headers: BTreeMap<String, String> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "))
                .map(|(key, value)| (key.to_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length")?.parse().ok()?;
            if bytes.len() >= at + 4 + length {
                return Some((headers, bytes[at + 4..at + 4 + length].to_vec()));
            }
        }
        match stream.read(&mut chunk) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}

/// The message of a request whose signature is right, and of now.
pub(crate) fn signed((headers, body): &Request) -> Value {
    let said = &headers["taphound-signature"];
    let (time, signature) = said.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).unwrap();
    assert!(time.parse::<u64>().unwrap().abs_diff(wall_us() / 1_000_000) < 120, "{said}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update([time.as_bytes(), b".", body].concat().as_slice());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signature, hex);
    serde_json::from_slice(body).unwrap()
}

/// Octet-counted messages of a stream (RFC 6587).
fn read_frames(mut stream: impl Read, into: &Mutex<Vec<String>>) {
    let mut one = [0; 1];
    loop {
        let mut length = String::new();
        loop {
            if stream.read_exact(&mut one).is_err() {
                return;
            }
            match one[0] {
                b' ' => break,
                digit => length.push(char::from(digit)),
            }
        }
        let mut message = vec![0; length.parse().expect("a message begins with its length")];
        stream.read_exact(&mut message).unwrap();
        into.lock().unwrap().push(String::from_utf8(message).unwrap());
    }
}

type Messages = Arc<Mutex<Vec<String>>>;

fn tcp() -> (u16, Messages) {
    let (listener, heard) = (TcpListener::bind(("127.0.0.1", 0)).unwrap(), Messages::default());
    let (port, keep) = (listener.local_addr().unwrap().port(), Arc::clone(&heard));
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| read_frames(stream, &keep)));
    (port, heard)
}

/// Over TLS, with a certificate for `localhost` that is written to `ca.pem`.
fn tls(place: &Place) -> (u16, Messages) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(place.path("ca.pem"), made.cert.pem()).unwrap();
    let certificate = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let (listener, heard) = (TcpListener::bind(("localhost", 0)).unwrap(), Messages::default());
    let (port, keep) = (listener.local_addr().unwrap().port(), Arc::clone(&heard));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            read_frames(rustls::StreamOwned::new(server, stream), &keep);
        }
    });
    (port, heard)
}

fn udp() -> (u16, Messages) {
    let (socket, heard) = (UdpSocket::bind(("127.0.0.1", 0)).unwrap(), Messages::default());
    let (port, keep) = (socket.local_addr().unwrap().port(), Arc::clone(&heard));
    std::thread::spawn(move || {
        let mut datagram = [0; 2_048];
        while let Ok(length) = socket.recv(&mut datagram) {
            keep.lock().unwrap().push(String::from_utf8(datagram[..length].to_vec()).unwrap());
        }
    });
    (port, heard)
}

/// Ids of alerts that nothing hides.
fn alerts_of(place: &Place) -> Vec<String> {
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let mut select = database.prepare("SELECT id FROM alerts ORDER BY id").unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The id in a message's structured data.
fn id_of(message: &str) -> String {
    let (_, rest) = message.split_once(" id=\"").unwrap_or_else(|| panic!("no id: {message}"));
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn every_receiver_has_every_alert_once_signed_and_none_waits_for_another() {
    let place = place();
    let (port, taken, asked) = web(|n| match n {
        0 => status("503 Busy"),
        1 => status("429 Slow").replace("Content", "Retry-After: 1\r\nContent"),
        2 => String::new(),
        _ => status("204 No Content"),
    });
    // One that sends on to somewhere else, which must not be followed, and one that never takes anything.
    let (elsewhere, followed, _) = web(|_| status("200 OK"));
    let (sends_on, _, asked_of_it) = web(move |_| {
        status("307 There").replace("Content", &format!("Location: http://127.0.0.1:{elsewhere}/\r\nContent"))
    });
    let (udp_port, by_udp) = udp();
    let (tcp_port, by_tcp) = tcp();
    let (tls_port, by_tls) = tls(&place);
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let secret = place.path("secret").display().to_string();
    let ca = place.path("ca.pem").display().to_string();
    let hook = |url: &str, rest: &str| format!("[[out.webhooks]]\nurl = \"{url}\"\n{rest}\n");
    let syslog = |transport: &str, address: &str, rest: &str| {
        format!("[[out.syslog]]\naddress = \"{address}\"\ntransport = \"{transport}\"\n{rest}\n")
    };
    let out = [
        hook(
            &format!("http://127.0.0.1:{port}/hook"),
            &format!("secret_file = \"{secret}\"\nallow_private = true"),
        ),
        hook(&format!("http://127.0.0.1:{sends_on}/"), "allow_private = true"),
        // This machine, by address and by name, and the cloud's metadata service.
        hook(&format!("http://127.0.0.1:{elsewhere}/own"), ""),
        hook(&format!("http://localhost:{elsewhere}/named"), ""),
        hook("http://169.254.169.254/latest/meta-data", ""),
        syslog("udp", &format!("127.0.0.1:{udp_port}"), ""),
        syslog("tcp", &format!("127.0.0.1:{tcp_port}"), "cef = true"),
        syslog("tls", &format!("localhost:{tls_port}"), &format!("ca_file = \"{ca}\"")),
    ];
    configure(&place, &out.concat());
    let sensor = Daemon::start(&place);
    let agent = Agent::start(&place);
    agent.until("the agent", 30, |status| status["sensor_id"] == "proof");
    // Receivers are told of what is new: the capture is of now.
    let now_s = u32::try_from(wall_us() / 1_000_000).unwrap();
    drop_in_later(&place, CASE, "now", now_s.wrapping_sub(super::begins_s(CASE)));
    settled(&sensor);
    let wanted = alerts_of(&place);
    assert!(!wanted.is_empty(), "the capture makes no alert");
    let until = deadline(60);
    let counts = || {
        [
            taken.lock().unwrap().len(),
            by_udp.lock().unwrap().len(),
            by_tcp.lock().unwrap().len(),
            by_tls.lock().unwrap().len(),
        ]
    };
    while counts().iter().any(|count| *count < wanted.len()) {
        let told = || format!("{:?} of {}: {:#?}", counts(), wanted.len(), Agent::status(&place));
        assert!(now() < until, "not everybody was told: {}", told());
        std::thread::sleep(Duration::from_millis(100));
    }
    // Killed and started again it tells nobody anything twice.
    agent.kill();
    let agent = Agent::start(&place);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(counts(), [wanted.len(); 4]);

    let mut ids = Vec::new();
    for request in taken.lock().unwrap().iter() {
        let message = signed(request);
        let (headers, _) = request;
        assert_eq!((&message["type"], &message["sensor_id"]), (&"alert".into(), &"proof".into()));
        assert_eq!(message["alert"]["id"], headers["taphound-delivery"].as_str());
        ids.push(headers["taphound-delivery"].clone());
    }
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(ids), wanted);
    assert_eq!(*asked.lock().unwrap(), wanted.len() + 3, "three were refused or broken off, and tried again");
    for heard in [&by_udp, &by_tls] {
        let heard = heard.lock().unwrap();
        assert!(
            heard.iter().all(|message| message.starts_with("<10") && message.contains("[taphound@32473 ")),
            "{heard:#?}"
        );
        assert_eq!(sorted(heard.iter().map(|message| id_of(message)).collect()), wanted);
    }
    assert!(by_tcp.lock().unwrap().iter().all(|message| message.contains("CEF:0|")), "{by_tcp:#?}");
    // The others have had nothing, and say why.
    assert!(*asked_of_it.lock().unwrap() > 0);
    assert!(followed.lock().unwrap().is_empty(), "a redirect was followed, or a private address asked");
    let status = agent.until("the troubles", 30, |status| {
        status["troubles"]
            .as_object()
            .is_some_and(|troubles| troubles.keys().filter(|key| key.starts_with("out ")).count() == 4)
    });
    for (receiver, words) in [
        ("/own", "allow_private"),
        ("/named", "allow_private"),
        ("169.254.169.254", "allow_private"),
        (&sends_on.to_string(), "307"),
    ] {
        let troubles = status["troubles"].as_object().unwrap();
        let trouble = troubles
            .iter()
            .find(|(key, _)| key.contains(receiver))
            .unwrap_or_else(|| panic!("{receiver}: {troubles:#?}"));
        assert!(trouble.1["detail"].as_str().unwrap().contains(words), "{receiver}: {trouble:?}");
    }
    println!(
        "counted receivers: {} alerts to one webhook (3 more attempts) and to syslog by UDP, TCP and TLS, each once",
        wanted.len()
    );
}

/// A program that ends with its value.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_syslog_daemon_understands_every_message_by_udp_tcp_and_tls() {
    const DAEMON: &str = "/usr/sbin/rsyslogd";
    if !form(false, true) || !std::path::Path::new(DAEMON).exists() {
        println!("SKIPPED rsyslog: a real syslog daemon is asked by `make test-fleet`");
        return;
    }
    let place = place();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(place.path("ca.pem"), made.cert.pem()).unwrap();
    std::fs::write(place.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let path = |name: &str| place.path(name).display().to_string();
    let [udp, tcp, tls] = std::array::from_fn(|_| crate::servers::free_port());
    let settings = format!(
        "global(workDirectory=\"{}\" DefaultNetstreamDriverCAFile=\"{ca}\" DefaultNetstreamDriverCertFile=\"{ca}\" DefaultNetstreamDriverKeyFile=\"{}\")\n\
         module(load=\"imudp\")\nmodule(load=\"imtcp\")\n\
         template(name=\"line\" type=\"string\" string=\"%inputname%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\\n\")\n\
         input(type=\"imudp\" address=\"127.0.0.1\" port=\"{udp}\" name=\"udp\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tcp}\" name=\"tcp\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tls}\" name=\"tls\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\")\n\
         *.* action(type=\"omfile\" file=\"{}\" template=\"line\")\n",
        path("").trim_end_matches('/'),
        path("key.pem"),
        path("heard"),
        ca = path("ca.pem"),
    );
    std::fs::write(place.path("rsyslog.conf"), settings).unwrap();
    let printed = std::fs::File::create(place.path("rsyslog.log")).unwrap();
    let mut daemon = std::process::Command::new(DAEMON);
    daemon.args(["-n", "-f", &path("rsyslog.conf"), "-i", &path("rsyslog.pid")]);
    let _daemon = Running(daemon.stdout(printed.try_clone().unwrap()).stderr(printed).spawn().unwrap());
    let until = deadline(30);
    while TcpStream::connect(("127.0.0.1", tls)).is_err() {
        let said = || std::fs::read_to_string(place.path("rsyslog.log")).unwrap();
        assert!(now() < until, "rsyslogd does not listen: {}", said());
        std::thread::sleep(Duration::from_millis(100));
    }
    let syslog = |transport: &str, host: &str, port: u16| {
        let ca = path("ca.pem");
        format!(
            "[[out.syslog]]\naddress = \"{host}:{port}\"\ntransport = \"{transport}\"\nca_file = \"{ca}\"\n"
        )
    };
    let out =
        [syslog("udp", "127.0.0.1", udp), syslog("tcp", "127.0.0.1", tcp), syslog("tls", "localhost", tls)];
    configure(&place, &out.concat());
    let sensor = Daemon::start(&place);
    let agent = Agent::start(&place);
    agent.until("the agent", 30, |status| status["sensor_id"] == "proof");
    let now_s = u32::try_from(wall_us() / 1_000_000).unwrap();
    drop_in_later(&place, CASE, "now", now_s.wrapping_sub(super::begins_s(CASE)));
    settled(&sensor);
    let wanted = alerts_of(&place);
    let heard = || std::fs::read_to_string(place.path("heard")).unwrap_or_default();
    let until = deadline(60);
    let of = |input: &str| -> Vec<String> {
        let all = heard();
        let lines = all.lines().filter(|line| line.starts_with(&format!("{input}|proof|taphound|")));
        let mut ids: Vec<String> = lines.map(id_of).collect();
        ids.sort();
        ids
    };
    while ["udp", "tcp", "tls"].iter().any(|input| of(input).len() < wanted.len()) {
        let told = || format!("{}\n{:#?}", heard(), Agent::status(&place));
        assert!(now() < until, "rsyslogd has not heard everything: {}", told());
        std::thread::sleep(Duration::from_millis(100));
    }
    for input in ["udp", "tcp", "tls"] {
        assert_eq!(of(input), wanted, "{input}");
    }
    println!("measured rsyslog: {} alerts by UDP, TCP and TLS each, parsed as RFC 5424", wanted.len());
}
