//! The feed over real sockets: who hears what, what is resumed, and a thousand listeners at once.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::rig::Rig;
use crate::api::{Listeners, serve};
use crate::config::Api;
use crate::detection::Severity;
use crate::feed::{Notice, Topic};
use crate::service::who::Role;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Serves the rig on a port of this machine.
pub(crate) fn serve_rig(rig: &Rig, change: impl FnOnce(&mut Api)) -> SocketAddr {
    let mut settings = Api { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Api::default() };
    change(&mut settings);
    let listeners = Listeners::bind(&settings).unwrap().unwrap();
    let address = listeners.addresses()[0];
    tokio::spawn(serve(listeners, rig.service.clone(), settings, rig.stop.subscribe()));
    address
}

async fn listen(address: SocketAddr, query: &str, token: &str) -> Socket {
    let mut request = format!("ws://{address}/ws{query}").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    connect_async(request).await.unwrap().0
}

/// The next event; none when the socket is closed, with its code.
async fn hear(socket: &mut Socket) -> Result<Value, u16> {
    loop {
        let message =
            tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("nothing came");
        match message {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |f| f.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(0),
        }
    }
}

fn alert(n: u64, severity: Severity) -> Notice {
    Notice { topic: Topic::Alert, severity: Some(severity), body: json!({"n": n}) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_choose_and_come_back_without_loss_or_repeats() {
    let rig = Rig::new();
    let address = serve_rig(&rig, |_| {});
    let token = rig.token(Role::Viewer);
    let mut choosy = listen(address, "?types=alert&min_severity=high", &token).await;
    let feed = &rig.service.feed;
    // A listener hears what is published once it is seated.
    while feed.listeners() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    feed.publish(alert(0, Severity::Low));
    feed.publish(Notice {
        topic: Topic::ModelUpdated,
        severity: None,
        body: json!({"version": 2, "reload_count": 1}),
    });
    feed.publish(alert(1, Severity::High));
    assert_eq!(hear(&mut choosy).await.unwrap(), json!({"type": "alert", "sequence": 102, "n": 1}));
    drop(choosy);

    (2..5).for_each(|n| feed.publish(alert(n, Severity::High)));
    let mut back = listen(address, "?since=102", &token).await;
    for n in 2..5 {
        assert_eq!(hear(&mut back).await.unwrap()["n"], n);
    }
    feed.publish(alert(5, Severity::Low));
    assert_eq!(hear(&mut back).await.unwrap()["sequence"], 106);
    let mut early = listen(address, "?since=3", &token).await;
    assert_eq!(hear(&mut early).await.unwrap(), json!({"type": "gap", "since": 3, "newest": 106}));
    assert_eq!(hear(&mut early).await.unwrap()["sequence"], 100);

    rig.stop.send(true).unwrap();
    assert_eq!(hear(&mut back).await, Err(1001));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_without_a_token_and_nonsense_ends_the_connection() {
    use futures_util::SinkExt;
    let rig = Rig::new();
    let address = serve_rig(&rig, |_| {});
    assert!(connect_async(format!("ws://{address}/ws")).await.is_err());
    let mut socket = listen(address, "", &rig.token(Role::Viewer)).await;
    socket.send(Message::text("{\"types\": \"alert\"}")).await.unwrap();
    socket.send(Message::text("{\"types\": \"gossip\"}")).await.unwrap();
    assert_eq!(hear(&mut socket).await, Err(1003));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_listeners_hear_everything_and_no_more_get_in() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const LISTENERS: usize = 1000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let rig = Rig::new();
    let address = serve_rig(&rig, |api| (api.listeners_max, api.requests_per_s) = (LISTENERS, 0));
    let token = rig.token(Role::Viewer);
    let mut sockets = Vec::new();
    for _ in 0..LISTENERS {
        sockets.push(listen(address, "", &token).await);
    }
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    assert!(connect_async(request).await.unwrap_err().to_string().contains("503"));
    while rig.service.feed.listeners() < LISTENERS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (0..10).for_each(|n| rig.service.feed.publish(alert(n, Severity::Medium)));
    for socket in &mut sockets {
        for n in 0..10 {
            assert_eq!(hear(socket).await.unwrap()["n"], n);
        }
    }
    println!("counted {LISTENERS} listeners, 10 events each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_behind_is_let_go_with_a_code_and_the_others_are_not() {
    let rig = Rig::new();
    let address = serve_rig(&rig, |_| {});
    let token = rig.token(Role::Viewer);
    let mut slow = listen(address, "", &token).await;
    while rig.service.feed.listeners() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // More than socket buffers and the listener's lag hold, while nobody reads.
    let padding = "x".repeat(4096);
    for n in 0..(crate::feed::Feed::LAG_MAX * 3) {
        rig.service.feed.publish(Notice {
            topic: Topic::Alert,
            severity: None,
            body: json!({"n": n, "padding": padding}),
        });
    }
    let end = loop {
        match hear(&mut slow).await {
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    assert_eq!(end, 4008);
    let mut other = listen(address, "", &token).await;
    while rig.service.feed.listeners() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig.service.feed.publish(alert(7, Severity::Low));
    assert_eq!(hear(&mut other).await.unwrap()["n"], 7);
}
