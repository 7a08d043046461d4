//! `taphound-retrain`: labelled flows become a signed model, one subcommand a step.

mod archive;
mod args;
mod card;
mod centre;
mod champion;
mod check_drift;
mod circle;
mod clock;
mod compact;
mod comparison;
mod config;
mod dataset;
mod drift;
mod enroll_token;
mod evaluate;
mod failure;
mod fetch;
mod fit;
mod fleet;
mod incremental;
mod keygen;
mod labels;
mod lease;
mod logging;
mod manual;
mod merge;
mod outcome;
mod preprocess;
mod promote;
mod pull_base;
mod rebuild;
mod recipe;
mod register;
mod report;
mod sample;
mod slice;
mod train;
mod trust;

use args::{Cli, Command};
use clap::Parser;
use failure::Failure;
use outcome::Outcome;
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
    let told = obey(&cli.command).and_then(|outcome| outcome.tell(cli.outcome_file.as_deref()));
    told.unwrap_or_else(|Failure { code, message }| {
        eprintln!("taphound-retrain: {message}");
        ExitCode::from(code)
    })
}

fn obey(command: &Command) -> Result<Outcome, Failure> {
    let done = |result: Result<(), Failure>| result.map(|()| Outcome::Done);
    match command {
        Command::CheckDrift(args) => check_drift::run(args),
        Command::Fetch(args) => fetch::run(args),
        Command::Archive(args) => done(archive::run(args)),
        Command::PullBase(args) => done(pull_base::run(args)),
        Command::Merge(args) => merge::run(args),
        Command::Preprocess(args) => preprocess::run(args),
        Command::Train(args) => train::run(args),
        Command::Join(args) => train::join(args),
        Command::Register(args) => done(register::run(args)),
        Command::Promote(args) => promote::run(args),
        Command::Rollback(args) => promote::rollback(args),
        Command::Run(args) => circle::run(args),
        Command::Watch(args) => circle::watch(args),
        Command::Evaluate(args) => done(evaluate::run(args)),
        Command::Keygen(args) => done(keygen::run(args)),
        Command::EnrollToken(args) => done(enroll_token::run(args)),
        Command::Fleet(args) => done(fleet::run(args)),
        Command::Compact(args) => done(compact::run(args)),
        Command::Rebuild(args) => done(rebuild::run(args)),
        Command::Manual(args) => done(manual::run(args)),
        Command::Dataset { command } => done(dataset::run(command)),
    }
}
