//! `taphound`: reads the command line, runs the command, and turns a fault into one line and an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sensor::cli::{Cli, Command, ModelCommand};
use sensor::fault::Fault;
use sensor::{model_file, replay};

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
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Model { command: ModelCommand::Show(arguments) } => model_file::show(&arguments),
        Command::Model { command: ModelCommand::Verify(arguments) } => model_file::verify(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(faults) => ExitCode::from(report(&faults)),
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
