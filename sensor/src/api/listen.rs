//! Sockets and connections: what is bound before the sensor locks itself in, and how much of one a client may use.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use super::peer::Peer;
use super::stopped;
use super::tls::Certificates;
use crate::config::Api;
use crate::fault::Fault;

/// Bytes of a request line and headers.
const HEAD_BYTES_MAX: usize = 32 << 10;
const HEADERS_MAX: usize = 64;
/// A client that does not finish its headers, or its handshake, in so much time is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that are busy when the sensor stops get so long to finish.
const FAREWELL: Duration = Duration::from_secs(3);

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Sockets that are bound, and the certificates for them.
pub struct Listeners {
    sockets: Vec<Socket>,
    certificates: Option<Arc<Certificates>>,
    connections_max: usize,
}

impl Listeners {
    /// Takes the sockets that systemd hands over, or binds those that are asked for. None when nothing is asked for.
    ///
    /// # Errors
    /// An address is taken or not ours, or the certificate cannot be used.
    pub fn bind(settings: &Api) -> Result<Option<Self>, Fault> {
        let mut sockets = handed_over()?;
        if sockets.is_empty() {
            for address in &settings.listen {
                let taken = |e: std::io::Error| {
                    Fault::CannotCreate(format!(
                        "{address}: cannot be listened on ({e}); stop who does, or set another `api.listen`"
                    ))
                };
                let listener = match TcpListener::bind(address) {
                    Ok(listener) => listener,
                    // The service's own confinement: it may open no IP socket, and losing the page must not lose detection.
                    Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                        tracing::warn!(
                            event = "api_refused",
                            %address,
                            "this service may open no IP socket, so HTTP is off; taphound.socket opens it: `systemctl status taphound.socket`"
                        );
                        continue;
                    }
                    Err(e) => return Err(taken(e)),
                };
                listener.set_nonblocking(true).map_err(taken)?;
                sockets.push(Socket::Tcp(listener));
            }
        }
        if sockets.is_empty() {
            return Ok(None);
        }
        let certificates = if settings.tls() {
            Some(Arc::new(Certificates::load(&settings.tls_cert, &settings.tls_key)?))
        } else {
            None
        };
        Ok(Some(Self { sockets, certificates, connections_max: settings.connections_max }))
    }

    /// Addresses of the TCP sockets.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets
            .iter()
            .filter_map(|s| if let Socket::Tcp(s) = s { s.local_addr().ok() } else { None })
            .collect()
    }

    /// Connections are encrypted.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.certificates.is_some()
    }

    /// Serves until `stop` says so, then lets those finish that have begun.
    pub(super) async fn serve(self, router: Router, stop: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(self.connections_max));
        let mut tasks = tokio::task::JoinSet::new();
        if let Some(certificates) = &self.certificates {
            tokio::spawn(Arc::clone(certificates).watch(stop.clone()));
        }
        for socket in self.sockets {
            let door = Entrance {
                router: router.clone(),
                certificates: self.certificates.clone(),
                room: Arc::clone(&room),
                stop: stop.clone(),
            };
            tasks.spawn(door.admit(socket));
        }
        while tasks.join_next().await.is_some() {}
        // Every connection holds a seat.
        let all = u32::try_from(self.connections_max).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(FAREWELL, room.acquire_many(all)).await;
    }
}

/// Sockets of a `.socket` unit (sd_listen_fds(3)).
fn handed_over() -> Result<Vec<Socket>, Fault> {
    let mut sockets = Vec::new();
    let mut given = listenfd::ListenFd::from_env();
    for index in 0..given.len() {
        let unusable = |e: std::io::Error| {
            Fault::Config(format!(
                "socket {index} from systemd cannot be used ({e}); use ListenStream= of type TCP or unix"
            ))
        };
        if let Ok(Some(listener)) = given.take_tcp_listener(index) {
            listener.set_nonblocking(true).map_err(unusable)?;
            sockets.push(Socket::Tcp(listener));
        } else if let Some(listener) = given.take_unix_listener(index).map_err(unusable)? {
            listener.set_nonblocking(true).map_err(unusable)?;
            sockets.push(Socket::Unix(listener));
        }
    }
    Ok(sockets)
}

struct Entrance {
    router: Router,
    certificates: Option<Arc<Certificates>>,
    room: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Entrance {
    async fn admit(mut self, socket: Socket) {
        let outcome = match socket {
            Socket::Tcp(listener) => self.admit_tcp(listener).await,
            Socket::Unix(listener) => self.admit_unix(listener).await,
        };
        if let Err(e) = outcome {
            tracing::error!(error = %e, "a socket of the API cannot be served");
        }
    }

    async fn admit_tcp(&mut self, listener: TcpListener) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let Ok(seat) = Arc::clone(&self.room).acquire_owned().await else { return Ok(()) };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut self.stop) => return Ok(()),
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    wait_after(&e).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let peer = Peer { address: Some(address.ip()), tls: self.certificates.is_some() };
            let (router, stop) = (self.router.clone(), self.stop.clone());
            let acceptor = self.certificates.as_ref().map(|c| c.acceptor());
            tokio::spawn(async move {
                match acceptor {
                    None => converse(stream, router, peer, stop).await,
                    Some(acceptor) => match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => converse(stream, router, peer, stop).await,
                        Ok(Err(e)) => tracing::debug!(error = %e, %address, "no TLS with this client"),
                        Err(_) => tracing::debug!(%address, "a client did not finish its TLS handshake"),
                    },
                }
                drop(seat);
            });
        }
    }

    async fn admit_unix(&mut self, listener: UnixListener) -> std::io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(listener)?;
        loop {
            let Ok(seat) = Arc::clone(&self.room).acquire_owned().await else { return Ok(()) };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut self.stop) => return Ok(()),
            };
            match accepted {
                Ok((stream, _)) => {
                    let (router, stop) = (self.router.clone(), self.stop.clone());
                    tokio::spawn(async move {
                        converse(stream, router, Peer { address: None, tls: false }, stop).await;
                        drop(seat);
                    });
                }
                Err(e) => wait_after(&e).await,
            }
        }
    }
}

async fn wait_after(error: &std::io::Error) {
    tracing::warn!(%error, "the API could not take a client");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn converse<S>(stream: S, router: Router, peer: Peer, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(FAREWELL, connection).await;
        }
    }
}
