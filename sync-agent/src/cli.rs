//! The command line as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Everything of a sensor that dials out: logs and labels up, models and labels down, alerts out.
#[derive(Debug, Parser)]
#[command(name = "taphound-sync", version, about, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep in step with the centre until told to end
    Run(RunArgs),
    /// Send what waits, look once at the channel and for labels, and end
    Once(RunArgs),
    /// Say how the running agent is (exit code 0 ok, 1 degraded, 2 critical)
    Status(StatusArgs),
    /// Join a fleet by the token that `taphound-retrain enroll-token` printed
    Enroll(EnrollArgs),
    /// Write man pages and shell completions
    #[command(hide = true)]
    Manual(ManualArgs),
}

/// Arguments of `manual`.
#[derive(Debug, Clone, Args)]
pub struct ManualArgs {
    /// Folder for `man/` and `completions/`
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Arguments of `run` and `once`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Settings (default: /etc/taphound/sync.toml)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `enroll`.
#[derive(Debug, Clone, Args)]
pub struct EnrollArgs {
    /// The token, or a file that holds it (so that it shows in no list of processes)
    #[arg(value_name = "TOKEN|FILE")]
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Where the sensor's settings lie; the grant's go to conf.d/enrolled.toml in it
    #[arg(long, value_name = "DIR", default_value = "/etc/taphound")]
    pub(crate) settings: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
