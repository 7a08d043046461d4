//! A model tried as a shadow before it may work, models that the objects lack and the registry has, and labels that wait for their
//! flow: on a real sensor, with time in our hands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ::fleet::log_table::{Key, LogItem};
use ::fleet::{LogTable, LogTableSettings, Registry, RegistrySettings, registry::NewVersion};
use model::artifact::Channel;
use serde_json::json;
use store::Store;
use store::record::{Batch, FlowRow, Label};
use sync_agent::clock::Clocks;
use sync_agent::config::{Down, Gate, Up};
use sync_agent::control::Sensor;
use sync_agent::cursors::Cursors;
use sync_agent::down::Follower;
use sync_agent::status::Facts;
use sync_agent::up::Uploader;
use sync_agent::up::encode::Encoder;

use super::models::{MODEL, Publisher};
use super::{at_the_centre, drop_in, drop_in_later, place, settled, table, week};
use crate::run::{Daemon, Place, form, wall_us};

/// A follower of the channel, with what it knows.
fn follower(
    place: &Place,
    centre: &Publisher,
    down: &Down,
    registry: Option<Arc<dyn Registry>>,
) -> (Follower, Arc<Facts>) {
    let cursors = Arc::new(Mutex::new(Cursors::open(&place.path("sync"), 0).unwrap()));
    let facts = Arc::new(Facts::new(0));
    let sensor = Sensor::at(&place.path("control.sock"));
    let objects = Arc::clone(&centre.objects);
    let follower =
        Follower::new(sensor, objects, registry, down, &place.path("sync"), cursors, Arc::clone(&facts));
    (follower.unwrap(), facts)
}

#[test]
fn a_model_is_a_shadow_first_and_one_that_disagrees_never_works() {
    let place = place();
    let mut centre = Publisher::new(&place);
    let sensor = Daemon::start(&place);
    let before = sensor.status().0["model"]["version"].clone();
    let down = Down {
        keys_dir: place.path("keys"),
        shadow_minutes: 5,
        gate: Gate { minutes: 0, ..Gate::default() },
        ..Down::default()
    };
    let (mut follower, facts) = follower(&place, &centre, &down, None);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut look = |at_s: u64| runtime.block_on(follower.poll(at_s)).unwrap();
    let now_s = wall_us() / 1_000_000;
    centre.publish(Channel::Production, 4_001, None);
    look(now_s);
    let model = |what: &str| sensor.status().0["model"][what].clone();
    assert_eq!((model("version"), model("shadow_version")), (before.clone(), 4_001.into()));
    drop_in(&place, "benign-mixed", "first");
    settled(&sensor);
    look(now_s + 299);
    assert_eq!((model("version"), model("shadow_version")), (before, 4_001.into()), "its time is not over");
    look(now_s + 300);
    assert_eq!(model("version"), 4_001, "{:#?}", facts.lock());
    // To this one everything is an attack.
    centre.publish(Channel::Production, 4_002, Some(0.0));
    look(now_s + 600);
    assert_eq!(model("shadow_version"), 4_002);
    drop_in_later(&place, "benign-mixed", "second", 4_000);
    settled(&sensor);
    look(now_s + 900);
    assert_eq!(model("version"), 4_001);
    let refused = facts.lock().down.refused.clone().unwrap();
    assert!(refused.contains("as a shadow it agreed"), "{refused}");
    println!("counted shadow: {refused}");
}

#[test]
fn a_model_that_the_objects_lack_comes_from_the_registry_and_the_other_way_round() {
    let place = place();
    let mut centre = Publisher::new(&place);
    let server = form(false, true).then(|| crate::servers::mlflow(None)).flatten();
    let word = match &server {
        Some(server) => format!("mlflow+{}", server.url()),
        None => format!("folder:{}", place.path("registry").display()),
    };
    let settings: RegistrySettings = word.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry: Arc<dyn Registry> = runtime.block_on(settings.open()).unwrap().into();
    let sensor = Daemon::start(&place);
    let down = Down {
        keys_dir: place.path("keys"),
        gate: Gate { minutes: 0, ..Gate::default() },
        ..Down::default()
    };
    let (mut follower, facts) = follower(&place, &centre, &down, Some(Arc::clone(&registry)));
    let now_s = wall_us() / 1_000_000;

    // Only in the registry: the pointer alone lies among the objects.
    let pointer = centre.publish(Channel::Production, 5_001, None);
    let key = ::fleet::keys::model(MODEL, 5_001, &pointer.digest.to_string());
    let object = runtime.block_on(centre.objects.read(&key, 1 << 30)).unwrap().unwrap();
    let file = place.path("model.taphound");
    std::fs::write(&file, &object.bytes).unwrap();
    runtime.block_on(centre.objects.remove(&key)).unwrap();
    runtime.block_on(follower.poll(now_s)).unwrap();
    let refused = facts.lock().down.refused.clone().unwrap_or_default();
    assert!(refused.contains("has no"), "{refused}");
    let tags = [("serial", "5001".to_owned()), ("digest", pointer.digest.to_string())];
    let tags = tags.map(|(key, value)| (key.to_owned(), value)).into();
    let none = BTreeMap::new();
    let metrics = BTreeMap::new();
    let new = NewVersion {
        run_name: "proof",
        artifact: &file,
        learner: None,
        files: &[],
        parameters: &none,
        metrics: &metrics,
        tags: &tags,
    };
    runtime.block_on(registry.register(MODEL, &new)).unwrap();
    runtime.block_on(follower.poll(now_s + 300)).unwrap();
    assert_eq!(sensor.status().0["model"]["version"], 5_001, "{:#?}", facts.lock());
    // The registry is away: what lies among the objects comes all the same, and what does not is waited for.
    match server {
        Some(server) => drop(server),
        None => std::fs::rename(place.path("registry"), place.path("away")).unwrap(),
    }
    centre.publish(Channel::Production, 5_002, None);
    runtime.block_on(follower.poll(now_s + 600)).unwrap();
    assert_eq!(sensor.status().0["model"]["version"], 5_002, "{:#?}", facts.lock());
    println!("counted registry: {word}: one model from it alone, one without it");
}

/// A flow as its item at the centre.
pub(super) fn item(flow: &FlowRow) -> LogItem {
    LogItem {
        key: Key { flow_id: format!("proof|{}", flow.flow_id()), timestamp_ms: flow.start_us / 1_000 },
        uid: flow.id.to_string(),
        rev: 1,
        sensor_id: "proof".into(),
        content: "a flow".into(),
        features: BTreeMap::from([("Flow Duration".to_owned(), 1.5)]),
        label: "attack".into(),
        category: "scan".into(),
        score: 0.9,
        confidence: 0.9,
        model_version: 1,
        schema: flow.schema.clone(),
        community_id: None,
        start_us: flow.start_us,
        end_us: flow.end_us,
        expires_at_s: None,
    }
}

static NOW_US: AtomicU64 = AtomicU64::new(0);

#[test]
fn a_label_waits_for_its_flow_for_a_day_and_is_then_set_aside() {
    let place = place();
    std::fs::create_dir_all(place.path("state")).unwrap();
    let begin_us = wall_us() - 3_600_000_000;
    let (with_flow, without) = (week::flow(1, begin_us), week::flow(2, begin_us));
    {
        // Labels that were given while their flows ran: known by their detections.
        let mut store = Store::open(&place.database()).unwrap().with_outbox("proof");
        let detections = vec![week::detection(&with_flow), week::detection(&without)];
        store.commit(&Batch { detections, ..Batch::default() }, begin_us).unwrap();
        let labels = [
            week::label(&with_flow, Label::Attack, begin_us),
            week::label(&without, Label::Attack, begin_us),
        ];
        store.label(&labels, &flowmeter::schema::FEATURES, begin_us).unwrap();
    }
    let sensor = Daemon::start(&place);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cursors = Arc::new(Mutex::new(Cursors::open(&place.path("sync"), 0).unwrap()));
    let facts = Arc::new(Facts::new(0));
    let settings: LogTableSettings = format!("sqlite:{}", table(&place).display()).parse().unwrap();
    let centre: Arc<dyn LogTable> = runtime.block_on(settings.open()).unwrap().into();
    let up = Up::default();
    let clocks = Clocks { seconds: || 0.0, now_us: || NOW_US.load(Ordering::Relaxed) };
    let socket = Sensor::at(&place.path("control.sock"));
    let (table, encoder) = (Some(Arc::clone(&centre)), Encoder::new(&up, None));
    let mut uploader =
        Uploader::new(socket, table, None, encoder, &up, Arc::clone(&cursors), Arc::clone(&facts), clocks);
    let mut round = |after_h: u64| {
        NOW_US.store(begin_us + after_h * 3_600_000_000, Ordering::Relaxed);
        runtime.block_on(uploader.round()).unwrap()
    };
    let waiting = || place.count("SELECT count(*) FROM outbox");
    round(1);
    assert_eq!(
        (at_the_centre(&place).len(), waiting()),
        (0, 2),
        "both wait, and nothing else is at the centre"
    );
    // One of the flows comes to the centre by another way.
    let (flow_id, timestamp_ms) = key_of(&place, &with_flow.id.to_string());
    let item = LogItem { key: Key { flow_id, timestamp_ms }, ..item(&with_flow) };
    runtime.block_on(centre.update(&item)).unwrap();
    round(2);
    assert_eq!(at_the_centre(&place), [(with_flow.id.to_string(), Some("attack".to_owned()))]);
    assert_eq!(waiting(), 1);
    round(23);
    assert_eq!(waiting(), 1, "a day is not over");
    round(25);
    assert_eq!(waiting(), 0);
    let aside = cursors.lock().unwrap().newest_set_aside(5).unwrap();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].reason.contains("within a day"), "{aside:?}");
    assert_eq!(sensor.status().0["health"], "ok", "{}", json!(aside));
}

/// The key of a flow's item, as the sensor chose it.
fn key_of(place: &Place, subject: &str) -> (String, u64) {
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()));
    database.query_row("SELECT flow_id, timestamp FROM log_keys WHERE subject = ?1", [subject], row).unwrap()
}
