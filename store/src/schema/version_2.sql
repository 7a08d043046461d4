-- Addresses are kept as 4 or 16 bytes, so that a range of them is a range; severities as ranks.
-- `address()` and `rank()` are functions of the migration.
ALTER TABLE detections RENAME TO detections_1;
DROP INDEX detections_by_incident;
CREATE TABLE detections (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, opinion TEXT NOT NULL, category TEXT NOT NULL,
    score REAL NOT NULL, confidence REAL NOT NULL, novelty REAL,
    src BLOB, src_port INTEGER, dst BLOB, dst_port INTEGER, protocol INTEGER NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    provisional INTEGER NOT NULL, revised INTEGER NOT NULL, folded INTEGER NOT NULL,
    incident TEXT NOT NULL, reasons TEXT NOT NULL, model_version INTEGER NOT NULL
) STRICT;
INSERT INTO detections SELECT NULL, id, opinion, category, score, confidence, novelty, address(src_ip), src_port,
    address(dst_ip), dst_port, protocol, first_us, last_us, provisional, revised, folded, incident, reasons, model_version
    FROM detections_1 ORDER BY first_us, id;
DROP TABLE detections_1;
CREATE INDEX detections_by_first ON detections (first_us);
CREATE INDEX detections_by_incident ON detections (incident, first_us);

ALTER TABLE incidents RENAME TO incidents_1;
CREATE TABLE incidents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, category TEXT NOT NULL, severity INTEGER NOT NULL,
    source BLOB, target BLOB, port INTEGER,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    detections INTEGER NOT NULL, alerts INTEGER NOT NULL,
    score REAL NOT NULL, revised INTEGER NOT NULL, reasons TEXT NOT NULL
) STRICT;
INSERT INTO incidents SELECT NULL, id, category, rank(severity), address(source), address(target), port,
    first_us, last_us, detections, alerts, score, revised, reasons FROM incidents_1 ORDER BY first_us, id;
DROP TABLE incidents_1;
CREATE INDEX incidents_by_first ON incidents (first_us);

CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, shown_us INTEGER NOT NULL, severity INTEGER NOT NULL, suppression INTEGER
) STRICT;

CREATE INDEX alerts_by_shown ON alerts (shown_us);

-- Words that rows repeat.
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- kept: 0 plain, 1 alerted, 2 labelled. source: 0 capture, 1 api. label, true_label: 1 attack, 2 benign, 3 unsure.
CREATE TABLE flows (
    seq INTEGER PRIMARY KEY,
    uid BLOB NOT NULL, segment INTEGER NOT NULL, kept INTEGER NOT NULL, source INTEGER NOT NULL,
    start_us INTEGER NOT NULL, end_us INTEGER NOT NULL,
    src BLOB, src_port INTEGER NOT NULL, dst BLOB, dst_port INTEGER NOT NULL, protocol INTEGER NOT NULL, vlan INTEGER,
    community BLOB, end_reason INTEGER NOT NULL, counters BLOB NOT NULL,
    schema INTEGER NOT NULL, features BLOB NOT NULL,
    category INTEGER NOT NULL, score REAL NOT NULL, confidence REAL NOT NULL, novelty REAL, model_version INTEGER NOT NULL,
    label INTEGER, true_label INTEGER,
    client_flow_id TEXT, context_kind INTEGER, context TEXT
) STRICT;
CREATE UNIQUE INDEX flows_by_uid ON flows (uid, segment);
CREATE INDEX flows_by_start ON flows (start_us);
CREATE INDEX flows_by_community ON flows (community, start_us);
CREATE INDEX flows_by_kept ON flows (kept);

-- Vectors of running flows.
CREATE TABLE snapshots (
    seq INTEGER PRIMARY KEY,
    uid BLOB NOT NULL, segment INTEGER NOT NULL, packets INTEGER NOT NULL, at_us INTEGER NOT NULL, features BLOB NOT NULL,
    category INTEGER NOT NULL, score REAL NOT NULL, confidence REAL NOT NULL, novelty REAL, model_version INTEGER NOT NULL,
    UNIQUE (uid, segment, packets)
) STRICT;

CREATE TABLE labels (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL, label TEXT NOT NULL, category TEXT, reason TEXT, actor TEXT NOT NULL, source TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX labels_by_subject ON labels (subject, seq);
CREATE TABLE true_labels (
    subject TEXT PRIMARY KEY, label TEXT NOT NULL, category TEXT, actor TEXT NOT NULL, at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE suppressions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    src TEXT, dst TEXT, port INTEGER, category TEXT, owner TEXT NOT NULL, reason TEXT NOT NULL,
    created_us INTEGER NOT NULL, expires_us INTEGER, lifted_us INTEGER, hits INTEGER NOT NULL DEFAULT 0, last_hit_us INTEGER
) STRICT;
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL, port INTEGER, subject TEXT, owner TEXT NOT NULL, reason TEXT NOT NULL,
    created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, lifted_us INTEGER
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
    allowed INTEGER NOT NULL, detail TEXT NOT NULL
) STRICT;

-- kind: 0 label, 1 alert, 2 flow.
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL, uid TEXT NOT NULL, rev INTEGER NOT NULL, payload BLOB NOT NULL, created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_kind ON outbox (kind);

-- The keys of items at the centre: each pair belongs to one flow, each flow has one.
CREATE TABLE log_keys (
    seq INTEGER PRIMARY KEY,
    subject TEXT NOT NULL UNIQUE, flow_id TEXT NOT NULL, timestamp INTEGER NOT NULL, created_us INTEGER NOT NULL,
    UNIQUE (flow_id, timestamp)
) STRICT;

CREATE TABLE settings (key TEXT PRIMARY KEY, value BLOB NOT NULL, at_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- What the quotas know of each class.
CREATE TABLE classes (
    class INTEGER PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, dropped INTEGER NOT NULL
) STRICT;
INSERT INTO classes VALUES (0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0),
    (3, (SELECT count(*) FROM detections), (SELECT count(*) * 400 FROM detections), 0),
    (4, (SELECT count(*) FROM incidents), (SELECT count(*) * 400 FROM incidents), 0),
    (5, 0, 0, 0), (6, 0, 0, 0), (7, 0, 0, 0);
-- How far each table had come at some time: rows are aged by when they were written, whatever clock their packets had.
CREATE TABLE ages (
    at_us INTEGER PRIMARY KEY, flows INTEGER NOT NULL, snapshots INTEGER NOT NULL, detections INTEGER NOT NULL,
    incidents INTEGER NOT NULL, audit INTEGER NOT NULL, outbox INTEGER NOT NULL, labels INTEGER NOT NULL,
    log_keys INTEGER NOT NULL
) STRICT;
