//! Arguments of `block`: what is stopped.

use clap::{Args, Subcommand};

use super::AskArgs;

/// Subcommands of `block`.
#[derive(Debug, Subcommand)]
pub enum BlockCommand {
    /// Show what is stopped, for how long, and why
    List {
        /// Those that have ended, too
        #[arg(long)]
        ended: bool,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Stop a source
    Add(BlockArgs),
    /// Let it through again
    Remove {
        /// Its number, or the address or range of its source
        #[arg(value_name = "NUMBER|CIDR", required_unless_present = "all", conflicts_with = "all")]
        which: Option<String>,
        /// Every block
        #[arg(long)]
        all: bool,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
}

/// Arguments of `block add`.
#[derive(Debug, Args)]
pub struct BlockArgs {
    /// The address or range that packets come from
    #[arg(value_name = "CIDR")]
    pub src: String,
    /// Only towards this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "port")]
    pub dst: Option<String>,
    /// Only towards this port, of anybody
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// With --port: tcp or udp
    #[arg(long, value_name = "NAME", requires = "port")]
    pub protocol: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// For how many seconds; an hour unless said
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Until when, instead: 2026-12-24T00:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "seconds")]
    pub expires: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}
