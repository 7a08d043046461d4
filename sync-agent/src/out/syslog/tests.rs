//! Messages as RFC 5424 wants them, and each transport against a real socket.

use tokio::net::TcpListener;

use super::*;

fn alert() -> Alert {
    Alert {
        id: "abc".into(),
        category: "scan".into(),
        severity: "high".into(),
        opinion: "forest".into(),
        score: 0.5,
        src_ip: Some("10.0.0.1".into()),
        dst_port: Some(22),
        shown_us: 1_795_278_645_123_456,
        reasons: vec!["a \"quoted\"] thing\nnext".into()],
        ..Alert::default()
    }
}

#[test]
fn a_message_is_one_line_with_structured_data() {
    let text = message(&alert(), "tap 1]\n", false);
    let wanted = format!(
        "<107>1 2026-11-21T16:30:45.123456Z tap1] taphound {} scan [taphound@32473 id=\"abc\" incident=\"\" severity=\"high\" \
         opinion=\"forest\" score=\"0.5000\" proto=\"0\" src=\"10.0.0.1\" dport=\"22\" model=\"0\"] \u{feff}scan from 10.0.0.1 to many: \
         a \"quoted\"] thing next",
        std::process::id()
    );
    assert_eq!(text, wanted);
    assert!(
        message(&alert(), "", true).contains(" - taphound ")
            && message(&alert(), "", true).contains(" - CEF:0|")
    );
    assert_eq!(
        (time(0), time(951_782_400_000_000)),
        ("1970-01-01T00:00:00.000000Z".into(), "2000-02-29T00:00:00.000000Z".into())
    );
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(cut("aé".as_bytes(), 2), b"a");
    assert_eq!(cut(b"abc", 3), b"abc");
}

fn settings(address: SocketAddr, transport: Transport) -> SyslogOut {
    SyslogOut { address: address.to_string(), transport, ..SyslogOut::default() }
}

#[tokio::test]
async fn datagrams_and_counted_octets_arrive_whole() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut out = Syslog::new(&settings(udp.local_addr().unwrap(), Transport::Udp)).unwrap();
    assert_eq!(out.send(&alert(), "s").await, Delivery::Taken);
    let mut bytes = [0; 2_000];
    let n = udp.recv(&mut bytes).await.unwrap();
    assert_eq!(std::str::from_utf8(&bytes[..n]).unwrap(), message(&alert(), "s", false));

    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut out = Syslog::new(&settings(tcp.local_addr().unwrap(), Transport::Tcp)).unwrap();
    let wanted = message(&alert(), "s", false);
    let framed = format!("{} {wanted}", wanted.len());
    for round in 0..2 {
        // The second round finds that the receiver hung up, and connects anew.
        assert_eq!(out.send(&alert(), "s").await, Delivery::Taken, "{round}");
        let (mut stream, _) = tcp.accept().await.unwrap();
        let mut bytes = vec![0; framed.len()];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), framed);
        drop(stream);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(tcp);
    assert!(matches!(out.send(&alert(), "s").await, Delivery::Later(..)));
}
