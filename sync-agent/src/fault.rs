//! What ends a command, and the sysexits code that says so to the shell.

/// A fault. Each message is one line that names the thing, the place and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The command line makes no sense (`EX_USAGE`).
    #[error("{0}")]
    Usage(String),
    /// Input was read and is wrong (`EX_DATAERR`).
    #[error("{0}")]
    BadData(String),
    /// What is asked for does not answer (`EX_UNAVAILABLE`).
    #[error("{0}")]
    Unavailable(String),
    /// A broken promise inside this program (`EX_SOFTWARE`).
    #[error("{0}")]
    Software(String),
    /// Output cannot be created (`EX_CANTCREAT`).
    #[error("{0}")]
    CannotCreate(String),
    /// Not now; the same may work later (`EX_TEMPFAIL`).
    #[error("{0}")]
    TryAgain(String),
    /// Somebody says no (`EX_NOPERM`).
    #[error("{0}")]
    NoPermission(String),
    /// The settings cannot be used (`EX_CONFIG`).
    #[error("{0}")]
    Config(String),
}

impl Fault {
    /// The exit code of `sysexits.h` that belongs to this fault.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Fault::Usage(_) => 64,
            Fault::BadData(_) => 65,
            Fault::Unavailable(_) => 69,
            Fault::Software(_) => 70,
            Fault::CannotCreate(_) => 73,
            Fault::TryAgain(_) => 75,
            Fault::NoPermission(_) => 77,
            Fault::Config(_) => 78,
        }
    }
}

impl From<fleet::DoorError> for Fault {
    fn from(error: fleet::DoorError) -> Self {
        use fleet::DoorError::{Absent, Conflict, Damaged, Denied, Invalid, Unavailable};
        let text = error.to_string();
        match error {
            Unavailable { .. } | Conflict { .. } => Fault::TryAgain(text),
            Denied { .. } => Fault::NoPermission(text),
            Absent { .. } | Invalid { .. } | Damaged { .. } => Fault::BadData(text),
        }
    }
}
