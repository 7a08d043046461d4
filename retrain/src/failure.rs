//! How a step ends badly: one line that names thing, place and remedy, and a sysexits code.

use fleet::DoorError;
use std::fmt::Display;
use std::path::Path;

/// The command line makes no sense.
pub(crate) const USAGE: u8 = 64;
/// The input is wrong.
pub(crate) const DATA: u8 = 65;
/// The input is not there.
pub(crate) const NO_INPUT: u8 = 66;
/// Our own mistake.
pub(crate) const SOFTWARE: u8 = 70;
/// The output cannot be made.
pub(crate) const CANNOT_CREATE: u8 = 73;

/// A server does not answer.
pub(crate) const UNAVAILABLE: u8 = 69;
/// Somebody else is at it; try again.
pub(crate) const TRY_AGAIN: u8 = 75;
/// Access is refused.
pub(crate) const NO_PERMISSION: u8 = 77;
/// The settings cannot be used.
pub(crate) const CONFIG: u8 = 78;

/// A message for people and a code for programs.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Display) -> Failure {
        Failure { code: USAGE, message: message.to_string() }
    }

    pub(crate) fn data(message: impl Display) -> Failure {
        Failure { code: DATA, message: message.to_string() }
    }

    pub(crate) fn config(message: impl Display) -> Failure {
        Failure { code: CONFIG, message: message.to_string() }
    }

    pub(crate) fn try_again(message: impl Display) -> Failure {
        Failure { code: TRY_AGAIN, message: message.to_string() }
    }

    /// What a door to the centre says.
    pub(crate) fn door(fault: &DoorError) -> Failure {
        let code = match fault {
            DoorError::Unavailable { .. } => UNAVAILABLE,
            DoorError::Denied { .. } => NO_PERMISSION,
            DoorError::Absent { .. } => NO_INPUT,
            DoorError::Conflict { .. } => TRY_AGAIN,
            DoorError::Invalid { .. } | DoorError::Damaged { .. } => DATA,
        };
        Failure { code, message: fault.to_string() }
    }

    pub(crate) fn software(message: impl Display) -> Failure {
        Failure { code: SOFTWARE, message: format!("{message}; this is a bug, please report it") }
    }

    pub(crate) fn no_input(path: &Path, fault: impl Display) -> Failure {
        let message =
            format!("{}: cannot be read ({fault}); check the path and its permissions", path.display());
        Failure { code: NO_INPUT, message }
    }

    pub(crate) fn cannot_create(path: &Path, fault: impl Display) -> Failure {
        let message = format!(
            "{}: cannot be written ({fault}); check that its folder exists and has room",
            path.display()
        );
        Failure { code: CANNOT_CREATE, message }
    }
}

/// Reads a whole file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        return Err(Failure::no_input(path, "it is a directory"));
    }
    std::fs::read(path).map_err(|fault| Failure::no_input(path, fault))
}

/// Writes a file so that no reader ever sees half of it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().ok_or_else(|| Failure::cannot_create(path, "it names no file"))?;
    let mut part = name.to_owned();
    part.push(".part");
    let part = path.with_file_name(part);
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).map_err(|fault| {
        let _ = std::fs::remove_file(&part);
        Failure::cannot_create(path, fault)
    })
}
