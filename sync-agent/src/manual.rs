//! `taphound-sync manual`: man pages and shell completions, made from the command line itself so that they cannot drift from it.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, ManualArgs};
use crate::fault::Fault;

/// Shells whose completions are written.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes a page a command into `man/` and a file a shell into `completions/`, below the folder that is named.
///
/// # Errors
/// The folder cannot be written.
pub fn run(arguments: &ManualArgs) -> Result<(), Fault> {
    let (man, completions) = (arguments.folder.join("man"), arguments.folder.join("completions"));
    let writing = |folder: &Path, e: &std::io::Error| {
        Fault::CannotCreate(format!("{}: {e}; name a folder that you may write to", folder.display()))
    };
    for folder in [&man, &completions] {
        std::fs::create_dir_all(folder).map_err(|e| writing(folder, &e))?;
    }
    clap_mangen::generate_to(Cli::command(), &man).map_err(|e| writing(&man, &e))?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut Cli::command(), "taphound-sync", &completions)
            .map_err(|e| writing(&completions, &e))?;
    }
    Ok(())
}
