//! What can be set about the running sensor's pipeline, checked once.

use std::time::Duration;

use flowmeter::{HashKey, MeterConfig};

use crate::capture::{Clock, Input, Speed, WireSettings};
use crate::evidence::Taps;
use crate::fault::Fault;
use crate::source::filter::Filter;

/// How long a packet may wait in the kernel's block where other interfaces' packets wait for it, milliseconds.
const BLOCK_SEVERAL_MS: u16 = 3;

fn several(input: &Input) -> bool {
    // (One interface's rings are shared out by flow: each flow's packets are in order.)
    matches!(input, Input::Interfaces(interfaces) if interfaces.len() > 1)
}

/// Settings of a run.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// Where frames come from.
    pub input: Input,
    /// How they are captured, from interfaces.
    pub wire: WireSettings,
    /// Keeps only what this expression of `man pcap-filter` matches.
    pub filter: Option<String>,
    /// How fast files are replayed.
    pub speed: Speed,
    /// How flows are made. For interfaces [`LiveSettings::new`] puts in a random hash key.
    pub meter: MeterConfig,
    /// Threads that score (1); a ring's records all go to the same one, so no more than rings are of use.
    pub scorers: usize,
    /// Records that may wait for scoring (32,768, some 18 MiB at most); beyond, interfaces shed records and files wait.
    pub records_waiting_max: u64,
    /// When something is worth a warning.
    pub alarms: Alarms,
    /// Where packets are kept as evidence, if they are.
    pub evidence: Option<Taps>,
    /// The clocks.
    pub clock: Clock,
}

/// Thresholds of the alarms about the tap itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alarms {
    /// An interface from which nothing came for so long (5 minutes).
    pub no_traffic_after: Duration,
    /// Share of conversations seen in one direction only (0.5) from which a tap counts as half connected.
    pub one_way_share: f64,
    /// Conversations from which that share means something (20).
    pub one_way_conversations: u64,
}

impl Default for Alarms {
    fn default() -> Self {
        Self { no_traffic_after: Duration::from_secs(300), one_way_share: 0.5, one_way_conversations: 20 }
    }
}

impl LiveSettings {
    /// The defaults for `input`: interfaces get a hash key that nobody can guess, files the one that every replay has.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(input: Input) -> Result<Self, Fault> {
        let mut meter = MeterConfig::default();
        if let Input::Interfaces(_) = input {
            let mut key = [0; 16];
            getrandom::fill(&mut key)
                .map_err(|e| Fault::Software(format!("the system gives no random numbers ({e})")))?;
            meter.hash_key = HashKey::from(u128::from_ne_bytes(key));
        }
        let mut wire = WireSettings::default();
        if several(&input) {
            // What one ring holds back, packets of the others wait for.
            wire.block_ms = BLOCK_SEVERAL_MS;
        }
        Ok(Self {
            input,
            wire,
            filter: None,
            speed: Speed::Max,
            meter,
            scorers: 1,
            records_waiting_max: super::Live::RECORDS_WAITING_MAX,
            alarms: Alarms::default(),
            evidence: None,
            clock: Clock::system(),
        })
    }

    /// Rings of all interfaces: the number of capture threads.
    #[must_use]
    pub fn rings(&self) -> usize {
        match &self.input {
            Input::Interfaces(interfaces) => interfaces.iter().map(|interface| interface.rings).sum(),
            Input::Files(_) | Input::Folder { .. } => 1,
        }
    }

    /// Packets of different rings are put in the order of their timestamps: those of a flow may come by several.
    #[must_use]
    pub fn reorders(&self) -> bool {
        several(&self.input)
    }

    /// Refuses what cannot run.
    ///
    /// # Errors
    /// The first setting that makes no sense, with a remedy.
    pub fn check(&self) -> Result<(), Fault> {
        let usage = |text: String| Err(Fault::Usage(text));
        self.wire.check()?;
        self.meter.check().map_err(|e| Fault::Usage(e.to_string()))?;
        if let Some(filter) = &self.filter {
            Filter::new(filter)?;
        }
        if let Input::Interfaces(interfaces) = &self.input {
            for (at, interface) in interfaces.iter().enumerate() {
                let name = &interface.name;
                if interface.rings == 0 {
                    return usage(format!("interface {name}: rings is 0: use a value from 1 to 16"));
                }
                if interfaces[..at].iter().any(|before| before.name == *name) {
                    return usage(format!("interface {name} is named twice; give it more rings instead"));
                }
            }
        }
        let rings = self.rings();
        if !(1..=flowmeter::SHARDS).contains(&rings) {
            return usage(format!(
                "there are {rings} rings: name at least one interface, and {} rings in all at most",
                flowmeter::SHARDS
            ));
        }
        if self.scorers == 0 {
            return usage("scorers is 0: use a value from 1 to 16".to_owned());
        }
        if !(1_024..=1 << 24).contains(&self.records_waiting_max) {
            return usage(format!(
                "records_waiting_max is {}: use a value from 1024 to {}",
                self.records_waiting_max,
                1 << 24
            ));
        }
        if !(0.0..=1.0).contains(&self.alarms.one_way_share) {
            return usage(format!("one_way_share is {}: use a value from 0 to 1", self.alarms.one_way_share));
        }
        Ok(())
    }
}
