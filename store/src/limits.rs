//! How much of each class of rows is kept, and what is known of each class.

use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

/// Rows that are worth the same, the least worth first: what the store drops first when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Vectors of flows while they ran.
    Snapshots = 0,
    /// Flows nobody minded.
    PlainFlows = 1,
    /// Flows and alerts that wait for the centre. Sampled flows are dropped before alerts.
    Outbox = 2,
    /// Flows with a detection, and detections and alerts themselves.
    Alerted = 3,
    /// Incidents.
    Incidents = 4,
    /// The audit log.
    Audit = 5,
    /// Flows with a label.
    LabelledFlows = 6,
    /// Labels and their history, labels that wait for the centre, and what the centre says.
    Labels = 7,
}

impl Class {
    /// Every class, the least worth first.
    pub const ALL: [Class; 8] = [
        Class::Snapshots,
        Class::PlainFlows,
        Class::Outbox,
        Class::Alerted,
        Class::Incidents,
        Class::Audit,
        Class::LabelledFlows,
        Class::Labels,
    ];

    /// Its name in metrics and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Snapshots => "snapshots",
            Class::PlainFlows => "plain_flows",
            Class::Outbox => "outbox",
            Class::Alerted => "alerted",
            Class::Incidents => "incidents",
            Class::Audit => "audit",
            Class::LabelledFlows => "labelled_flows",
            Class::Labels => "labels",
        }
    }
}

/// How much of one class is kept. Absent means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limit {
    /// Rows.
    pub rows_max: Option<u64>,
    /// Bytes of rows and their index entries, estimated.
    pub bytes_max: Option<u64>,
    /// Age of the row's own time, s.
    pub age_max_s: Option<u64>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// By class, in the order of [`Class::ALL`].
    pub classes: [Limit; Class::ALL.len()],
    /// Pages in use, in bytes, all classes together; beyond it the lowest class that has rows loses its oldest.
    pub bytes_max: Option<u64>,
}

impl Limits {
    /// The limit of one class.
    #[must_use]
    pub fn of(&self, class: Class) -> Limit {
        self.classes[class as usize]
    }

    /// With another limit for one class.
    #[must_use]
    pub fn with(mut self, class: Class, limit: Limit) -> Self {
        self.classes[class as usize] = limit;
        self
    }

    /// What a sensor keeps unless it is told otherwise: 4 GiB, plain flows for a week, alerts for a quarter, audit for a
    /// year, 1 GiB and a fortnight of outbox, labels for ever.
    #[must_use]
    pub fn sensor() -> Self {
        const DAY: u64 = 86_400;
        const GIB: u64 = 1 << 30;
        let limit = |rows_max, gib: f64, days| Limit {
            rows_max: Some(rows_max),
            bytes_max: Some((gib * GIB as f64) as u64),
            age_max_s: Some(days * DAY),
        };
        Self { bytes_max: Some(4 * GIB), ..Self::default() }
            .with(Class::Snapshots, limit(2_000_000, 0.5, 30))
            .with(Class::PlainFlows, limit(10_000_000, 2.5, 7))
            .with(Class::Outbox, limit(4_000_000, 1.0, 14))
            .with(Class::Alerted, limit(2_000_000, 1.0, 90))
            .with(Class::Incidents, limit(200_000, 0.25, 365))
            .with(Class::Audit, limit(1_000_000, 0.25, 365))
            .with(Class::LabelledFlows, Limit { rows_max: Some(2_000_000), ..Limit::default() })
            .with(Class::Labels, Limit { rows_max: Some(4_000_000), ..Limit::default() })
    }
}

/// What is known of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClassCount {
    /// Rows held.
    pub rows: u64,
    /// Their bytes, estimated.
    pub bytes: u64,
    /// Rows dropped to keep a limit, ever.
    pub dropped: u64,
}

/// What is known of every class; saved with the rows it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    classes: [ClassCount; Class::ALL.len()],
}

impl Tally {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut tally = Self::default();
        let mut select = connection.prepare("SELECT class, rows, bytes, dropped FROM classes")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let count = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
            if let Some(class) =
                usize::try_from(row.get::<_, i64>(0)?).ok().and_then(|c| tally.classes.get_mut(c))
            {
                *class = ClassCount { rows: count(1)?, bytes: count(2)?, dropped: count(3)? };
            }
        }
        Ok(tally)
    }

    pub(crate) fn save(&self, transaction: &Transaction<'_>, before: &Self) -> rusqlite::Result<()> {
        let mut update = transaction
            .prepare_cached("UPDATE classes SET rows = ?2, bytes = ?3, dropped = ?4 WHERE class = ?1")?;
        for (class, (now, then)) in self.classes.iter().zip(&before.classes).enumerate() {
            if now != then {
                let number = |n: u64| n.cast_signed();
                update.execute((class as i64, number(now.rows), number(now.bytes), number(now.dropped)))?;
            }
        }
        Ok(())
    }

    pub(crate) fn of(&self, class: Class) -> ClassCount {
        self.classes[class as usize]
    }

    pub(crate) fn all(&self) -> [ClassCount; Class::ALL.len()] {
        self.classes
    }

    pub(crate) fn add(&mut self, class: Class, bytes: usize) {
        let count = &mut self.classes[class as usize];
        count.rows += 1;
        count.bytes += bytes as u64;
    }

    /// Rows left a class: they take their share of its bytes with them.
    pub(crate) fn take(&mut self, class: Class, rows: u64) -> u64 {
        let count = &mut self.classes[class as usize];
        let rows = rows.min(count.rows);
        let bytes = (u128::from(count.bytes) * u128::from(rows))
            .checked_div(u128::from(count.rows))
            .unwrap_or(0) as u64;
        count.rows -= rows;
        count.bytes -= bytes;
        bytes
    }

    /// Rows go from one class to another.
    pub(crate) fn shift(&mut self, from: Class, to: Class) {
        let bytes = self.take(from, 1);
        self.add(to, bytes as usize);
    }

    pub(crate) fn drop_oldest(&mut self, class: Class, rows: u64) {
        self.take(class, rows);
        self.classes[class as usize].dropped += rows;
    }
}
