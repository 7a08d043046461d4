//! The public CIC data sets as they are: three generations of CICFlowMeter's column names and the port of it to Python,
//! their units, and the known faults of their columns.

use model::{FEATURES, N_FEATURES};

/// Who named the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// CIC-IDS2017's names, which are ours too.
    Ours,
    /// CSE-CIC-IDS2018: `Tot Fwd Pkts`.
    Of2018,
    /// CICFlowMeter 4: `Total Fwd Packet`.
    Four,
    /// The port to Python: `tot_fwd_pkts`, times in seconds or, in older releases, in microseconds.
    Python,
}

const OF_2018: [&str; N_FEATURES] = [
    "Flow Duration",
    "Tot Fwd Pkts",
    "Tot Bwd Pkts",
    "TotLen Fwd Pkts",
    "TotLen Bwd Pkts",
    "Fwd Pkt Len Max",
    "Fwd Pkt Len Min",
    "Fwd Pkt Len Mean",
    "Fwd Pkt Len Std",
    "Bwd Pkt Len Max",
    "Bwd Pkt Len Mean",
    "Bwd Pkt Len Std",
    "Flow Byts/s",
    "Fwd Pkts/s",
    "Bwd Pkts/s",
    "Flow IAT Std",
    "Flow IAT Max",
    "Fwd IAT Mean",
    "Fwd IAT Std",
    "Bwd IAT Mean",
];

const FOUR: [&str; N_FEATURES] = [
    "Flow Duration",
    "Total Fwd Packet",
    "Total Bwd packets",
    "Total Length of Fwd Packet",
    "Total Length of Bwd Packet",
    "Fwd Packet Length Max",
    "Fwd Packet Length Min",
    "Fwd Packet Length Mean",
    "Fwd Packet Length Std",
    "Bwd Packet Length Max",
    "Bwd Packet Length Mean",
    "Bwd Packet Length Std",
    "Flow Bytes/s",
    "Fwd Packets/s",
    "Bwd Packets/s",
    "Flow IAT Std",
    "Flow IAT Max",
    "Fwd IAT Mean",
    "Fwd IAT Std",
    "Bwd IAT Mean",
];

const PYTHON: [&str; N_FEATURES] = [
    "flow_duration",
    "tot_fwd_pkts",
    "tot_bwd_pkts",
    "totlen_fwd_pkts",
    "totlen_bwd_pkts",
    "fwd_pkt_len_max",
    "fwd_pkt_len_min",
    "fwd_pkt_len_mean",
    "fwd_pkt_len_std",
    "bwd_pkt_len_max",
    "bwd_pkt_len_mean",
    "bwd_pkt_len_std",
    "flow_byts_s",
    "fwd_pkts_s",
    "bwd_pkts_s",
    "flow_iat_std",
    "flow_iat_max",
    "fwd_iat_mean",
    "fwd_iat_std",
    "bwd_iat_mean",
];

const DURATION: usize = 0;
const RATES: [usize; 3] = [12, 13, 14];
const TIMES: [usize; 6] = [0, 15, 16, 17, 18, 19];

impl Generation {
    /// The generation whose names the header has; ours when it has nobody's.
    pub(super) fn of(header: &csv::StringRecord) -> Generation {
        let has = |name: &str| header.iter().any(|column| column == name);
        let mark = |names: &[&str; N_FEATURES]| has(names[1]) && has(names[2]);
        match () {
            () if mark(&OF_2018) => Generation::Of2018,
            () if mark(&FOUR) => Generation::Four,
            () if mark(&PYTHON) => Generation::Python,
            () => Generation::Ours,
        }
    }

    /// Whether the file is not one of ours.
    pub(super) fn is_foreign(self) -> bool {
        self != Generation::Ours
    }

    /// Its names in the schema's order.
    pub(super) fn names(self) -> &'static [&'static str; N_FEATURES] {
        match self {
            Generation::Ours => &FEATURES,
            Generation::Of2018 => &OF_2018,
            Generation::Four => &FOUR,
            Generation::Python => &PYTHON,
        }
    }

    /// Puts known faults right and refuses what cannot be: gives the column and what is wrong with it.
    pub(super) fn repair(self, x: &mut [f64; N_FEATURES]) -> Result<(), (&'static str, String)> {
        if self == Generation::Python {
            to_microseconds(x)?;
        }
        // Rates over no time are infinite there and 0 here.
        if x[DURATION] == 0.0 {
            for rate in RATES {
                if !x[rate].is_finite() {
                    x[rate] = 0.0;
                }
            }
        }
        if !self.is_foreign() {
            return Ok(());
        }
        match x.iter().position(|value| *value < 0.0 || !value.is_finite()) {
            Some(at) => Err((self.names()[at], format!("`{}` cannot be", x[at]))),
            None => Ok(()),
        }
    }
}

/// The rate of bytes tells the unit of the duration: bytes / rate is in seconds.
fn to_microseconds(x: &mut [f64; N_FEATURES]) -> Result<(), (&'static str, String)> {
    let (duration, bytes, rate) = (x[DURATION], x[3] + x[4], x[RATES[0]]);
    let packets = (x[1] + x[2], x[RATES[1]] + x[RATES[2]]);
    let (amount, rate) = if bytes > 0.0 && rate > 0.0 { (bytes, rate) } else { packets };
    if duration <= 0.0 || amount <= 0.0 || !(rate > 0.0 && rate.is_finite()) {
        return Ok(());
    }
    let units_a_second = duration / (amount / rate);
    if (0.5..2.0).contains(&units_a_second) {
        TIMES.into_iter().for_each(|at| x[at] *= 1e6);
        Ok(())
    } else if (0.5e6..2e6).contains(&units_a_second) {
        Ok(())
    } else {
        Err((
            PYTHON[DURATION],
            format!("`{duration}` is neither seconds nor microseconds by the row's rates"),
        ))
    }
}
