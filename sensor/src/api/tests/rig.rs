//! A sensor without packets: a temporary store with a few flows and findings, and the API over it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use store::Store;
use store::record::{
    AlertRow, Batch, DetectionRow, FlowId, FlowRow, IncidentRow, Judgement, Sent, Severity, SnapshotRow,
    Source,
};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::api::{Door, Peer, router};
use crate::config::{Api, Inline};
use crate::feed::{Feed, Telling};
use crate::inline::decider::{self, Decider, Kept};
use crate::inline::{Asking, Board};
use crate::scoring::Model;
use crate::service::who::Role;
use crate::service::{Parts, Service};
use crate::slot::ModelSlot;
use crate::status::Status;
use crate::suppression::Suppressions;
use crate::writer::{Writer, WriterHandle, WriterSettings};

/// The rig's clock, microseconds: fixed, so that what is stored can be named.
pub(crate) const NOW_US: u64 = 1_800_000_000_000_000;
static CLOCK: AtomicU64 = AtomicU64::new(NOW_US);

fn clock() -> u64 {
    // Never the same twice.
    CLOCK.fetch_add(1, Ordering::Relaxed)
}

pub(crate) struct Rig {
    pub(crate) service: Arc<Service>,
    pub(crate) router: Router,
    pub(crate) suppressions: Arc<Suppressions>,
    pub(crate) stop: watch::Sender<bool>,
    folder: tempfile::TempDir,
    writer: Option<Writer>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Api)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taphound.db");
        let mut store = Store::open(&path).unwrap();
        store.commit(&findings(), NOW_US).unwrap();
        let settings = WriterSettings { now_us: clock, ..WriterSettings::default() };
        let (writer, handle) = Writer::spawn(store, settings, |_| {}).unwrap();
        let (feed, telling, notices) = Feed::new(100);
        let passing = Arc::clone(&feed);
        std::thread::spawn(move || passing.pass_on(&notices));
        let suppressions = Arc::new(Suppressions::default());
        let mut api = Api { listen: Vec::new(), ..Api::default() };
        change(&mut api);
        let inline = deciding(&folder, &handle, &telling);
        let service = Service::new(Parts {
            sensor_id: "rig".into(),
            store: path,
            state_dir: folder.path().to_owned(),
            keys_dir: folder.path().join("keys"),
            writer: handle,
            slot: Arc::new(ModelSlot::new(Model::load(None).unwrap())),
            feed,
            telling,
            suppressions: Arc::clone(&suppressions),
            inline: Some(inline),
            status: Box::new(Status::default),
            evidence: None,
            metrics: Box::new(|| "taphound_up 1\n".to_owned()),
            clock,
            store_predictions: api.store_predictions,
            token_leeway_s: api.leeway_s,
        })
        .unwrap();
        let service = Arc::new(service);
        let (stop, stopped) = watch::channel(false);
        let door = Door::new(Arc::clone(&service), api, stopped);
        let router = router(door);
        Self { service, router, suppressions, stop, folder, writer: Some(writer) }
    }

    pub(crate) fn token(&self, role: Role) -> String {
        self.service.tokens.create(role.as_str(), role, NOW_US / 1_000_000 - 10, 3600).unwrap().token
    }

    /// Folder of the sensor's state.
    pub(crate) fn state_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until what was offered to the writer is kept.
    pub(crate) fn settle(&self) {
        self.service.write(|store, now_us| store.sync(now_us)).unwrap();
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, token, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.ask("POST", path, token, "application/json", body.to_string()).await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        kind: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        self.send("192.0.2.1", request.body(body.into()).unwrap()).await
    }

    /// As it would come from that address.
    pub(crate) async fn send(&self, from: &str, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(Peer { address: Some(from.parse().unwrap()), tls: false });
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.close();
        }
    }
}

/// Ids of the flows in the rig, oldest first.
pub(crate) fn flow_id(n: u8) -> String {
    id(n).to_string()
}

fn id(n: u8) -> FlowId {
    FlowId { uid: [n; 16], segment: 0 }
}

fn judgement(category: &str, score: f64) -> Judgement {
    Judgement {
        category: category.into(),
        score,
        confidence: score.max(1.0 - score),
        novelty: Some(0.4),
        model_version: embedded_version(),
    }
}

pub(crate) fn embedded_version() -> u64 {
    Model::load(None).unwrap().version()
}

fn flow(n: u8, category: &str, score: f64) -> FlowRow {
    let mut features = [1.0; 20];
    features[0] = f64::from(n) * 1000.0;
    let start_us = NOW_US - 60_000_000 + u64::from(n) * 1_000_000;
    FlowRow {
        id: id(n),
        source: Source::Capture,
        client_flow_id: None,
        src_ip: Some(format!("10.0.0.{n}").parse().unwrap()),
        src_port: 40_000 + u16::from(n),
        dst_ip: Some("192.168.1.5".parse().unwrap()),
        dst_port: 22,
        protocol: 6,
        vlan: None,
        community_id: Some(format!(
            "1:{}",
            ["AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "BBBBBBBBBBBBBBBBBBBBBBBBBBA="][usize::from(n % 2)]
        )),
        start_us,
        end_us: start_us + 500_000,
        end_reason: "fin".into(),
        forward: Sent { packets: 10, bytes: 500, ..Sent::default() },
        backward: Sent { packets: 8, bytes: 900, ..Sent::default() },
        schema: model::schema_id().into(),
        features,
        judgement: judgement(category, score),
        alerted: category != "benign",
        context: Some(("tls_sni".into(), "<script>alert(1)</script>".into())),
    }
}

fn detection(n: u8) -> DetectionRow {
    let flow = flow(n, "bruteforce", 0.9);
    DetectionRow {
        id: flow.id.to_string(),
        opinion: "forest".into(),
        category: "bruteforce".into(),
        score: 0.9,
        confidence: 0.9,
        novelty: Some(0.4),
        src_ip: flow.src_ip.map(|ip| ip.to_string()),
        src_port: Some(flow.src_port),
        dst_ip: flow.dst_ip.map(|ip| ip.to_string()),
        dst_port: Some(22),
        protocol: 6,
        first_us: flow.start_us,
        last_us: flow.end_us,
        provisional: false,
        revised: false,
        folded: false,
        incident: "00000000000000aa".into(),
        reasons: vec!["Flow Duration 1000 (+0.20)".into()],
        model_version: flow.judgement.model_version,
    }
}

/// Flows 1 to 4 are benign, 5 and 6 are one incident.
fn findings() -> Batch {
    let mut flows: Vec<FlowRow> = (1..=4).map(|n| flow(n, "benign", 0.1 * f64::from(n))).collect();
    flows.extend((5..=6).map(|n| flow(n, "bruteforce", 0.9)));
    let detections: Vec<DetectionRow> = (5..=6).map(detection).collect();
    let alerts = detections
        .iter()
        .map(|d| AlertRow {
            id: d.id.clone(),
            shown_us: d.last_us,
            severity: Severity::High,
            suppression: None,
        })
        .collect();
    let incident = IncidentRow {
        id: "00000000000000aa".into(),
        category: "bruteforce".into(),
        severity: "high".into(),
        source: None,
        target: Some("192.168.1.5".into()),
        port: Some(22),
        first_us: detections[0].first_us,
        last_us: detections[1].last_us,
        detections: 2,
        alerts: 2,
        score: 0.9,
        revised: false,
        reasons: vec!["2 attempts".into()],
        witnesses: Vec::new(),
    };
    let snapshot = SnapshotRow {
        id: id(5),
        packets: 8,
        at_us: flow(5, "bruteforce", 0.9).start_us + 100_000,
        features: [1.0; 20],
        judgement: judgement("bruteforce", 0.8),
    };
    Batch {
        flows,
        snapshots: vec![snapshot],
        detections,
        alerts,
        incidents: vec![incident],
        ..Batch::default()
    }
}

/// A decider that stops nothing in the kernel and makes a list: all of it but nft.
fn deciding(folder: &tempfile::TempDir, writer: &WriterHandle, telling: &Telling) -> (Arc<Board>, Asking) {
    let never = vec!["192.0.2.1".parse().unwrap()];
    let board = Arc::new(Board::new(Inline { list: true, never, ..Inline::default() }));
    let parts = decider::Parts {
        board: Arc::clone(&board),
        writer: writer.clone(),
        telling: telling.clone(),
        state_dir: folder.path().to_owned(),
        interfaces: Vec::new(),
        kept: Kept::default(),
        now_us: clock,
    };
    let decider = Decider::start(parts).unwrap();
    let (handles, inputs) = decider::queues();
    let (news, stop) = (handles.news, handles.stop);
    std::thread::spawn(move || {
        decider.run(&inputs);
        drop((news, stop));
    });
    (board, handles.asking)
}
