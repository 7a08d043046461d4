//! Limits over real sockets: of headers, of a client's patience with us and ours with it, and of connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::feed::serve_rig;
use super::rig::Rig;
use crate::service::who::Role;

/// Sends bytes and gives what came back until the other side closed, or nothing came for `patience`.
async fn say(address: SocketAddr, bytes: &[u8], patience: Duration) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may hang up in the middle of it.
    let _ = stream.write_all(bytes).await;
    let heard = hear(&mut stream, patience).await;
    (stream, heard)
}

async fn hear(stream: &mut TcpStream, patience: Duration) -> String {
    let (mut heard, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(n)) = tokio::time::timeout(patience, stream.read(&mut part)).await {
        if n == 0 {
            break;
        }
        heard.extend_from_slice(&part[..n]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

const ENOUGH: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_or_too_many_headers_end_the_connection() {
    let rig = Rig::new();
    let address = serve_rig(&rig, |_| {});
    let request = |headers: &str| {
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    for (headers, status) in [
        (many(60), "200"),
        (many(65), "431"),
        (format!("X-Long: {}\r\n", "y".repeat(16 << 10)), "200"),
        (format!("X-Long: {}\r\n", "y".repeat(64 << 10)), "431"),
    ] {
        let (_, heard) = say(address, request(&headers).as_bytes(), ENOUGH).await;
        assert_eq!(heard.split(' ').nth(1), Some(status), "{} bytes of headers: {heard}", headers.len());
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "y".repeat(64 << 10));
    let (_, heard) = say(address, long.as_bytes(), ENOUGH).await;
    assert!(heard.starts_with("HTTP/1.1 4"), "a request line of 64 KiB: {heard}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_finish_a_request_is_let_go() {
    let rig = Rig::new();
    let address = serve_rig(&rig, |api| api.request_timeout_s = 1);
    let token = rig.token(Role::Analyst);
    let body = format!(
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{"
    );
    let half = say(address, body.as_bytes(), Duration::from_secs(20));
    // Ten seconds for the headers: hardly anything of this machine's time is spent in them.
    let unheaded = say(address, b"GET /healthz HTTP/1.1\r\nHost: loc", Duration::from_secs(60));
    let ((_, half), (mut unheaded, heard)) = tokio::join!(half, unheaded);
    assert!(half.starts_with("HTTP/1.1 503") && half.contains("retry-after: 1"), "{half}");
    assert!(half.contains("api.request_timeout_s"), "{half}");
    assert!(!heard.contains("200 OK"), "{heard}");
    assert!(matches!(unheaded.read(&mut [0]).await, Ok(0) | Err(_)), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_most_connections_a_client_waits_for_a_seat() {
    let rig = Rig::new();
    let address = serve_rig(&rig, |api| api.connections_max = 2);
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let moment = Duration::from_millis(500);
    let mut seated = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        seated.push(stream);
    }
    let (mut waiting, heard) = say(address, request, moment).await;
    assert_eq!(heard, "", "both seats are taken");
    seated.pop();
    let heard = hear(&mut waiting, ENOUGH).await;
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
}
