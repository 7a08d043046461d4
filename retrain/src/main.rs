//! `taphound-retrain`: labelled flows become a signed model, one subcommand a step.

mod args;
mod dataset;
mod evaluate;
mod failure;
mod fit;
mod keygen;
mod labels;
mod manual;
mod recipe;
mod report;
mod slice;
mod train;

use args::{Cli, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version go to stdout with success, mistakes to stderr as EX_USAGE.
            let code = if usage.use_stderr() { failure::USAGE } else { 0 };
            let _ = usage.print();
            return ExitCode::from(code);
        }
    };
    let outcome = match cli.command {
        Command::Train(args) => train::run(&args),
        Command::Join(args) => train::join(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Manual(args) => manual::run(&args),
        Command::Dataset { command } => dataset::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            eprintln!("taphound-retrain: {message}");
            ExitCode::from(code)
        }
    }
}
