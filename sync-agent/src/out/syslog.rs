//! An alert as a syslog message: RFC 5424 over UDP (5426), TCP with octet counting (6587) or TLS (5425).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use super::{Alert, Delivery, cef};
use crate::config::{SyslogOut, Transport};
use crate::fault::Fault;

/// Longest message: what every receiver of RFC 5425 should take, and what fits into a datagram unfragmented.
const BYTES_MAX: usize = 8_192;
const DATAGRAM_MAX: usize = 1_400;
const PATIENCE: Duration = Duration::from_secs(10);
/// Our number among the private enterprises of the examples (RFC 5612): there is no other.
const SD_ID: &str = "taphound@32473";

/// One receiver.
pub struct Syslog {
    address: String,
    transport: Transport,
    tls: Option<TlsConnector>,
    as_cef: bool,
    stream: Option<Box<dyn Stream>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

impl Syslog {
    /// As the settings say.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn new(settings: &SyslogOut) -> Result<Self, Fault> {
        let tls = match settings.transport {
            Transport::Tls => Some(connector(settings)?),
            _ => None,
        };
        Ok(Self {
            address: settings.address.clone(),
            transport: settings.transport,
            tls,
            as_cef: settings.cef,
            stream: None,
        })
    }

    /// Sends one alert. A datagram that nobody misses is taken; a stream takes what its socket took.
    pub async fn send(&mut self, alert: &Alert, sensor_id: &str) -> Delivery {
        let text = message(alert, sensor_id, self.as_cef);
        let sent = tokio::time::timeout(PATIENCE, self.transmit(text.as_bytes())).await;
        match sent {
            Ok(Ok(())) => Delivery::Taken,
            Ok(Err(e)) => {
                self.stream = None;
                Delivery::Later(e.to_string(), None)
            }
            Err(_) => {
                self.stream = None;
                Delivery::Later(format!("no answer within {} s", PATIENCE.as_secs()), None)
            }
        }
    }

    async fn transmit(&mut self, text: &[u8]) -> std::io::Result<()> {
        if self.transport == Transport::Udp {
            let to = self.lookup().await?;
            let from: SocketAddr =
                if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
            let socket = UdpSocket::bind(from).await?;
            socket.send_to(cut(text, DATAGRAM_MAX), to).await?;
            return Ok(());
        }
        if let Some(stream) = &mut self.stream {
            // A receiver that hung up is noticed before a message is given to the void.
            let mut byte = [0];
            let closed = tokio::time::timeout(Duration::ZERO, stream.read(&mut byte)).await;
            if matches!(closed, Ok(Ok(0) | Err(_))) {
                self.stream = None;
            }
        }
        let text = cut(text, BYTES_MAX);
        let framed = [format!("{} ", text.len()).as_bytes(), text].concat();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(&self.address).await?;
                stream.set_nodelay(true)?;
                none.insert(match &self.tls {
                    None => Box::new(stream) as Box<dyn Stream>,
                    Some(tls) => {
                        let host = self
                            .address
                            .rsplit_once(':')
                            .map_or("", |(host, _)| host)
                            .trim_matches(['[', ']']);
                        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
                        Box::new(tls.connect(name, stream).await?)
                    }
                })
            }
        };
        stream.write_all(&framed).await?;
        stream.flush().await
    }

    async fn lookup(&self) -> std::io::Result<SocketAddr> {
        let mut found = tokio::net::lookup_host(&self.address).await?;
        found.next().ok_or_else(|| std::io::Error::other("the name leads to no address"))
    }
}

fn connector(settings: &SyslogOut) -> Result<TlsConnector, Fault> {
    let wrong = |e: &dyn std::fmt::Display| Fault::Config(format!("`out.syslog`, {}: {e}", settings.address));
    let mut roots = RootCertStore::empty();
    if settings.ca_file.as_os_str().is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        let place = settings.ca_file.display();
        let all =
            CertificateDer::pem_file_iter(&settings.ca_file).map_err(|e| wrong(&format!("{place}: {e}")))?;
        for certificate in all {
            let certificate = certificate.map_err(|e| wrong(&format!("{place}: {e}")))?;
            roots.add(certificate).map_err(|e| wrong(&format!("{place}: {e}")))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A message of facility 13 (log audit), with its facts as structured data or as CEF.
#[must_use]
pub fn message(alert: &Alert, sensor_id: &str, as_cef: bool) -> String {
    let severity = match alert.severity.as_str() {
        "critical" => 2,
        "high" => 3,
        "medium" => 4,
        _ => 5,
    };
    let priority = 13 * 8 + severity;
    // HOSTNAME and MSGID are printable ASCII without spaces.
    let name = |text: &str, most: usize| -> String {
        let plain: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
        if plain.is_empty() { "-".into() } else { plain }
    };
    let (host, id) = (name(sensor_id, 255), name(&alert.category, 32));
    let head = format!("<{priority}>1 {} {host} taphound {} {id}", time(alert.shown_us), std::process::id());
    if as_cef {
        return format!("{head} - {}", cef::message(alert, sensor_id));
    }
    let mut data = format!("[{SD_ID}");
    let mut parameter = |key: &str, value: &str| {
        let escaped =
            value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]").replace(['\r', '\n'], " ");
        data.push_str(&format!(" {key}=\"{escaped}\""));
    };
    parameter("id", &alert.id);
    parameter("incident", &alert.incident);
    parameter("severity", &alert.severity);
    parameter("opinion", &alert.opinion);
    parameter("score", &format!("{:.4}", alert.score));
    parameter("proto", &alert.protocol.to_string());
    for (key, value) in [("src", &alert.src_ip), ("dst", &alert.dst_ip)] {
        if let Some(value) = value {
            parameter(key, value);
        }
    }
    for (key, port) in [("sport", alert.src_port), ("dport", alert.dst_port)] {
        if let Some(port) = port {
            parameter(key, &port.to_string());
        }
    }
    parameter("model", &alert.model_version.to_string());
    data.push(']');
    let (any, unknown) = ("many".to_owned(), String::new());
    let reasons = alert.reasons.join("; ").replace(['\r', '\n'], " ");
    let said = if reasons.is_empty() { unknown } else { format!(": {reasons}") };
    let (src, dst) = (alert.src_ip.as_ref().unwrap_or(&any), alert.dst_ip.as_ref().unwrap_or(&any));
    // The mark says that what follows is UTF-8.
    format!("{head} {data} \u{feff}{} from {src} to {dst}{said}", alert.category)
}

/// RFC 3339 with microseconds.
fn time(us: u64) -> String {
    let (days, of_day) = (us / 86_400_000_000, us % 86_400_000_000);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": civil_from_days.
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (s, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{micros:06}Z", s / 3_600, s / 60 % 60, s % 60)
}

/// At most `most` bytes, and no half character.
fn cut(text: &[u8], most: usize) -> &[u8] {
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while end > 0 && text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
