//! `manual`: man pages and shell completions, made from the command line itself so that they cannot drift from it.

use crate::args::{Cli, ManualArgs};
use crate::failure::Failure;
use clap::CommandFactory;
use clap_complete::Shell;

/// Shells whose completions are written.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes a page a command into `man/` and a file a shell into `completions/`, below the folder that is named.
pub(crate) fn run(args: &ManualArgs) -> Result<(), Failure> {
    let (man, completions) = (args.folder.join("man"), args.folder.join("completions"));
    for folder in [&man, &completions] {
        std::fs::create_dir_all(folder).map_err(|e| Failure::cannot_create(folder, e))?;
    }
    clap_mangen::generate_to(Cli::command(), &man).map_err(|e| Failure::cannot_create(&man, e))?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut Cli::command(), "taphound-retrain", &completions)
            .map_err(|e| Failure::cannot_create(&completions, e))?;
    }
    Ok(())
}
