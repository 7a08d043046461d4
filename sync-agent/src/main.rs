//! `taphound-sync`: reads the command line, runs the command, and turns a fault into one line and an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sync_agent::cli::{Cli, Command};
use sync_agent::status;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap words usage errors well; only its exit code is not sysexits'.
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 64 } else { 0 });
        }
    };
    let outcome = match cli.command {
        Command::Run(arguments) => sync_agent::run::run(&arguments).map(|()| 0),
        Command::Once(arguments) => sync_agent::run::once(&arguments).map(|()| 0),
        Command::Status(arguments) => status::show(&arguments).map(|health| health.exit_code()),
        Command::Enroll(arguments) => sync_agent::enrol::run(&arguments).map(|()| 0),
        Command::Manual(arguments) => sync_agent::manual::run(&arguments).map(|()| 0),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "taphound-sync: {fault}");
            ExitCode::from(fault.exit_code())
        }
    }
}
