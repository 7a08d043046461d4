//! Arguments of the commands that ask a running sensor something, or tell it something.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::control::DEFAULT_SOCKET;
use crate::service::search::Search;

/// Arguments of whatever asks a running sensor.
#[derive(Debug, Args, Clone)]
pub struct AskArgs {
    /// Where the sensor answers
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is looked for.
#[derive(Debug, Args, Clone)]
pub struct SearchArgs {
    /// Show one, whole, instead of a list
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Not before this time: 2026-11-21T13:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Categories, with commas between
    #[arg(long, value_name = "LIST")]
    pub category: Option<String>,
    /// The least severity: low, medium, high or critical (alerts, incidents)
    #[arg(long, value_name = "LEVEL")]
    pub min_severity: Option<String>,
    /// Either side's address or range
    #[arg(long, value_name = "CIDR")]
    pub address: Option<String>,
    /// Either side's port
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Community ID v1 (flows)
    #[arg(long, value_name = "ID")]
    pub community_id: Option<String>,
    /// What people say: attack, benign, unsure, labelled or unlabelled (alerts, flows)
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// At least this score
    #[arg(long, value_name = "SCORE")]
    pub min_score: Option<f64>,
    /// Those that a suppression hid, instead of those that were shown (alerts)
    #[arg(long)]
    pub suppressed: bool,
    /// Of this incident (alerts)
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Rows, newest first
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Go on after the page before
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

impl SearchArgs {
    /// As the service takes it.
    pub(crate) fn search(&self) -> Search {
        let a = self.clone();
        Search {
            from: a.from,
            to: a.to,
            category: a.category,
            min_severity: a.min_severity,
            address: a.address,
            port: a.port,
            community_id: a.community_id,
            label: a.label,
            min_score: a.min_score,
            incident: a.incident,
            cursor: a.cursor,
            limit: Some(a.limit),
            ..Search::default()
        }
    }
}

/// Arguments of `label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// Ids of flows or alerts
    #[arg(required = true, value_name = "ID")]
    pub subjects: Vec<String>,
    /// What they were
    #[arg(long = "as", value_enum, value_name = "LABEL")]
    pub label: Said,
    /// Which attack, if it is known
    #[arg(long, value_name = "NAME")]
    pub category: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// What a label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Said {
    /// An attack
    Attack,
    /// No attack
    Benign,
    /// Looked at, and not clear
    Unsure,
    /// The labels before this one no longer count
    Withdrawn,
}

/// Subcommands of `suppress`.
#[derive(Debug, Subcommand)]
pub enum SuppressCommand {
    /// Show the rules and what they hid
    List(AskArgs),
    /// Do not show alerts that meet every condition
    Add(AddArgs),
    /// End a rule
    Lift {
        /// Its number
        #[arg(value_name = "NUMBER")]
        id: u64,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
}

/// Arguments of `suppress add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The attacker's address or range
    #[arg(long, value_name = "CIDR")]
    pub src: Option<String>,
    /// The victim's address or range
    #[arg(long, value_name = "CIDR")]
    pub dst: Option<String>,
    /// The victim's port
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Attack category
    #[arg(long, value_name = "NAME")]
    pub category: Option<String>,
    /// Who answers for it; whoever adds it unless said
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Until when: 2026-12-24T00:00:00Z; for ever unless said
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Subcommands of `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it; it cannot be shown again
    Create {
        /// Whose it is: the name in the audit log
        #[arg(value_name = "NAME")]
        subject: String,
        /// viewer (look), analyst (label, suppress) or admin (models, tokens)
        #[arg(long, default_value = "viewer")]
        role: String,
        /// How long it lives
        #[arg(long, value_name = "N")]
        days: Option<u32>,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show who has which token
    List(AskArgs),
    /// End a token and its sessions
    Revoke {
        /// Its id, as `token list` shows it
        id: String,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
}

/// Arguments of `model shadow`.
#[derive(Debug, Args)]
pub struct ShadowArgs {
    /// The model file, signed by a key that the sensor trusts
    #[arg(required_unless_present = "end")]
    pub file: Option<PathBuf>,
    /// End the shadow
    #[arg(long, conflicts_with = "file")]
    pub end: bool,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Arguments of `model install`.
#[derive(Debug, Args)]
pub struct ModelFileArgs {
    /// The model file, signed by a key that the sensor trusts
    pub file: PathBuf,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Arguments of `model versus`.
#[derive(Debug, Args)]
pub struct VersusArgs {
    /// The model to compare with
    #[arg(value_name = "FILE")]
    pub versus: PathBuf,
    /// The model compared; the one inside this program unless named
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// The sensor's database, or a copy of it
    #[arg(long, value_name = "FILE", default_value = "/var/lib/taphound/taphound.db")]
    pub store: PathBuf,
    /// Flows that did not begin before this time: 2026-11-21T13:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Flows that began before this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// At most so many flows, the newest
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub limit: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `evidence`.
#[derive(Debug, Args)]
pub struct EvidenceArgs {
    /// Id of an alert or a flow
    #[arg(value_name = "ID")]
    pub id: String,
    /// The capture file to write; it must not exist. `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; it must not exist
    pub file: PathBuf,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE", default_value = "taphound-doctor.tar.gz")]
    pub out: PathBuf,
    /// The settings; /etc/taphound/taphound.toml and conf.d beside it unless named
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the sensor answers
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
}

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Where the sensor answers
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Print so many looks as text, a second apart, instead of drawing on the terminal
    #[arg(long, value_name = "N")]
    pub frames: Option<u32>,
}

/// Subcommands of `capture`.
#[derive(Debug, Subcommand)]
pub enum CaptureCommand {
    /// Keep from now on only what matches; without an expression, everything. Until the next start or reload
    Filter {
        /// In the language of tcpdump
        expression: Option<String>,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Hold a folder of captures where it is
    Pause(AskArgs),
    /// Go on
    Resume(AskArgs),
}
