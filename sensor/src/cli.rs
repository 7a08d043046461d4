//! The command line as typed; everything behind it gets checked values.

mod ask;
mod block;
mod host;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::export::Format;

pub use ask::{
    AddArgs, AskArgs, BackupArgs, CaptureCommand, DoctorArgs, EvidenceArgs, LabelArgs, ModelFileArgs, Said,
    SearchArgs, ShadowArgs, SuppressCommand, TokenCommand, TopArgs, VersusArgs,
};
pub use block::{BlockArgs, BlockCommand};
pub use host::{ManualArgs, SelftestArgs, SetupArgs};

/// A network intrusion sensor that learns: captures become flows, flows are scored, attacks become incidents with reasons.
#[derive(Debug, Parser)]
#[command(name = "taphound", version, about, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run capture files through meter, forest and behaviour counters, and show what was found
    Replay(ReplayArgs),
    /// Watch a wire: capture, score, alert, keep, answer
    Run(RunArgs),
    /// Set this machine up: choose what to watch, make a first token, start the sensor
    Setup(SetupArgs),
    /// Check the settings and print what is in force
    Check(CheckArgs),
    /// Say how the running sensor is (exit code 0 ok, 1 degraded, 2 critical)
    Status(AskArgs),
    /// Watch the running sensor on one screen
    Top(TopArgs),
    /// Show alerts, newest first, or one of them
    Alerts(SearchArgs),
    /// Show incidents, newest first, or one of them
    Incidents(SearchArgs),
    /// Show flows, newest first, or one of them with its features and reasons
    Flows(SearchArgs),
    /// Say what flows or alerts really were
    Label(LabelArgs),
    /// Hide alerts that are right and of no interest, for a reason and a time
    Suppress {
        /// What to do with rules.
        #[command(subcommand)]
        command: SuppressCommand,
    },
    /// Stop traffic of a source, show what is stopped, and let it through again
    Block {
        /// What to do with blocks.
        #[command(subcommand)]
        command: BlockCommand,
    },
    /// Steer what is captured
    Capture {
        /// What to change.
        #[command(subcommand)]
        command: CaptureCommand,
    },
    /// Make and end the tokens of the API
    Token {
        /// What to do with tokens.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Send a harmless capture through the running sensor to an alert, and on to the centre
    Selftest(SelftestArgs),
    /// Gather what whoever helps would ask for: status, settings, machine, log; no secrets, no packets
    Doctor(DoctorArgs),
    /// Write the packets of an alert or a flow, where evidence is kept, into a capture file
    Evidence(EvidenceArgs),
    /// Copy the database of the running sensor into a file
    Backup(BackupArgs),
    /// Look at model files, and put them to work
    Model {
        /// What to do with them.
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Write man pages and shell completions
    #[command(hide = true)]
    Manual(ManualArgs),
}

/// Subcommands of `model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Print what a model file says of itself
    Show(ModelArgs),
    /// Check a model file: format, schema, signature or digest, expiry, self-test
    Verify(ModelArgs),
    /// Judge the flows that a sensor has kept with two models, and show where they differ and why
    Versus(VersusArgs),
    /// Say which models are at work in the running sensor
    Active(AskArgs),
    /// Put a model to work in the running sensor
    Install(ModelFileArgs),
    /// Let a model score beside the one at work, for comparison, or end that
    Shadow(ShadowArgs),
    /// Put the model before to work again
    Rollback(AskArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args, Clone)]
pub struct RunArgs {
    /// The settings; /etc/taphound/taphound.toml and conf.d beside it unless named
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Listen on this interface (may be repeated); instead of those in the settings
    #[arg(short, long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Keep only packets that match this filter (the language of tcpdump)
    #[arg(long, value_name = "EXPR")]
    pub bpf: Option<String>,
    /// Folder of the database and the models
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The control socket
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The settings; /etc/taphound/taphound.toml and conf.d beside it unless named
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say nothing when all is well
    #[arg(short, long)]
    pub quiet: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `model show` and `model verify`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The model file; without one, the model inside this program
    pub file: Option<PathBuf>,
    /// Public key file to trust (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Capture files: pcap or pcapng, plain, gzip or zstd; `-` is standard input; several are merged by time
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Score with this model instead of the one inside this program
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Judge every flow with this model, too, and show where the two differ and why
    #[arg(long, value_name = "FILE")]
    pub versus: Option<PathBuf>,
    /// Suricata's eve.json of the same traffic: its alerts become witnesses of our incidents
    #[arg(long, value_name = "FILE")]
    pub corroborate: Option<PathBuf>,
    /// Write every flow to this file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value = "csv", requires = "out")]
    pub format: Format,
    /// Write provisional records (packets 8 and 32, close) too, with a column that says so
    #[arg(long, requires = "out")]
    pub provisional: bool,
    /// Ground truth (CSV): print a confusion matrix
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// `max`, or a multiple of real time, for example 1 or 0.5 or 20
    #[arg(long, value_name = "max|N", default_value = "max")]
    pub speed: String,
    /// Keep only packets that match this filter (the language of tcpdump)
    #[arg(long, value_name = "EXPR")]
    pub bpf: Option<String>,
    /// Threads that meter and score; the results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub workers: Option<u8>,
    /// Goes into the uid of every flow
    #[arg(long, value_name = "ID", default_value = "replay")]
    pub sensor_id: String,
    /// Serve the API and the page on this address while the replay runs and after it, until Ctrl-C
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:8765")]
    pub serve: Option<std::net::SocketAddr>,
    /// Keep detections and incidents in this SQLite file instead of memory
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Remove exact repeats of packets, as span ports make them
    #[arg(long)]
    pub dedupe: bool,
    /// `json`: print one JSON object with all counts as the last line
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub summary: Option<SummaryFormat>,
    /// Print alerts and incidents as JSON lines instead of tables
    #[arg(long)]
    pub json: bool,
    /// Incidents to show a day at most; what is held back is counted
    #[arg(long, value_name = "N")]
    pub budget: Option<u32>,
    /// Learn for so many seconds of packet time what is usual here, and hold it back from then on
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub burn_in: u64,
    /// Alerts to print
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub alerts: usize,
}

/// How the summary is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SummaryFormat {
    /// One JSON object.
    Json,
}
