//! `taphound`: reads the command line, runs the command, and turns a fault into one line and an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sensor::cli::{AskArgs, Cli, Command, ModelCommand};
use sensor::control::client::Client;
use sensor::fault::Fault;
use sensor::{check, commands, doctor, manual, model_file, replay, run, selftest, setup, top, versus};

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
        Command::Run(arguments) => run::run(&arguments).map_err(one),
        Command::Doctor(arguments) => doctor::run(&arguments).map_err(one),
        Command::Setup(arguments) => setup::run(&arguments).map_err(one),
        Command::Selftest(arguments) => selftest::run(&arguments).map_err(one),
        Command::Manual(arguments) => manual::run(&arguments).map_err(one),
        Command::Check(arguments) => check::run(&arguments).map_err(one),
        Command::Status(arguments) => return status(&arguments),
        Command::Top(arguments) => Client::connect(&arguments.socket)
            .and_then(|client| top::run(client, arguments.frames))
            .map_err(one),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Model { command: ModelCommand::Show(arguments) } => model_file::show(&arguments),
        Command::Model { command: ModelCommand::Verify(arguments) } => model_file::verify(&arguments),
        Command::Model { command: ModelCommand::Versus(arguments) } => versus::run(&arguments).map_err(one),
        asked => commands::run(asked).map_err(one),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(faults) => ExitCode::from(report(&faults)),
    }
}

fn one(fault: Fault) -> Vec<Fault> {
    vec![fault]
}

/// Its exit code is the sensor's health, or that of what went wrong on the way to it.
fn status(arguments: &AskArgs) -> ExitCode {
    match commands::status(arguments) {
        Ok(health) => ExitCode::from(health.exit_code()),
        Err(fault) => ExitCode::from(report(&[fault])),
    }
}

/// Prints each fault on a line of standard error; the first one's code is the program's.
fn report(faults: &[Fault]) -> u8 {
    let mut stderr = std::io::stderr().lock();
    for fault in faults {
        let _ = writeln!(stderr, "taphound: {fault}");
    }
    faults.first().map_or(70, Fault::exit_code)
}
