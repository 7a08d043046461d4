CREATE TABLE detections (
    id TEXT PRIMARY KEY, opinion TEXT NOT NULL, category TEXT NOT NULL,
    score REAL NOT NULL, confidence REAL NOT NULL, novelty REAL,
    src_ip TEXT, src_port INTEGER, dst_ip TEXT, dst_port INTEGER, protocol INTEGER NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    provisional INTEGER NOT NULL, revised INTEGER NOT NULL, folded INTEGER NOT NULL,
    incident TEXT NOT NULL, reasons TEXT NOT NULL, model_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX detections_by_incident ON detections (incident);
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, category TEXT NOT NULL, severity TEXT NOT NULL,
    source TEXT, target TEXT, port INTEGER,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    detections INTEGER NOT NULL, alerts INTEGER NOT NULL,
    score REAL NOT NULL, revised INTEGER NOT NULL, reasons TEXT NOT NULL
) STRICT, WITHOUT ROWID;
