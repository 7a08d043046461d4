//! Arguments of the commands that set a machine up and prove that it works.

use std::path::PathBuf;

use clap::Args;

use super::AskArgs;

/// Arguments of `setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Watch this interface (may be repeated); without one, setup shows what there is and asks
    #[arg(short, long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// The settings; what is chosen is written into conf.d beside them
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Whose the first token is: the name in the audit log
    #[arg(long, value_name = "NAME", default_value = "admin", conflicts_with = "no_token")]
    pub token: String,
    /// Make no token
    #[arg(long)]
    pub no_token: bool,
    /// This box has no centre: make a key that signs the models it trains for itself, and train by a timer
    #[arg(long)]
    pub lone: bool,
    /// Write settings and key only: enable and start nothing, make no token
    #[arg(long)]
    pub no_start: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Seconds that the agent may take to bring the alert to the centre
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Arguments of `manual`.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// Folder for `man/` and `completions/`
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
