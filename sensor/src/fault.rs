//! What went wrong, whose fault it is, and the sysexits code that says so to the shell.

use std::path::Path;

/// A fault that ends a command. Each message is one line that names the thing, the place and the remedy.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The command line asks for something that makes no sense (`EX_USAGE`).
    #[error("{0}")]
    Usage(String),
    /// Input was read and is wrong (`EX_DATAERR`).
    #[error("{0}")]
    BadData(String),
    /// Input does not exist or is not a file that can be read (`EX_NOINPUT`).
    #[error("{0}")]
    NoInput(String),
    /// What is asked for does not answer (`EX_UNAVAILABLE`).
    #[error("{0}")]
    Unavailable(String),
    /// A broken promise inside this program (`EX_SOFTWARE`).
    #[error("{0}")]
    Software(String),
    /// Output cannot be created (`EX_CANTCREAT`).
    #[error("{0}")]
    CannotCreate(String),
    /// Reading or writing failed half-way (`EX_IOERR`).
    #[error("{0}")]
    Io(String),
    /// The operating system says no (`EX_NOPERM`).
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
            Fault::NoInput(_) => 66,
            Fault::Unavailable(_) => 69,
            Fault::Software(_) => 70,
            Fault::CannotCreate(_) => 73,
            Fault::Io(_) => 74,
            Fault::NoPermission(_) => 77,
            Fault::Config(_) => 78,
        }
    }

    /// The fault of an input file that could not be opened.
    #[must_use]
    pub fn opening(path: &Path, error: &std::io::Error) -> Self {
        let name = path.display();
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                Fault::NoInput(format!("{name}: no such file; check the path (`-` reads standard input)"))
            }
            std::io::ErrorKind::PermissionDenied => Fault::NoPermission(format!(
                "{name}: permission denied; run as a user who may read it, or `chmod +r {name}`"
            )),
            std::io::ErrorKind::IsADirectory => Fault::is_directory(path),
            _ => Fault::NoInput(format!("{name}: cannot be opened ({error}); check the path")),
        }
    }

    /// The fault of a directory where a file was expected.
    #[must_use]
    pub fn is_directory(path: &Path) -> Self {
        let name = path.display();
        Fault::NoInput(format!("{name}: is a directory; name the files in it, for example {name}/*.pcap"))
    }

    /// The fault of an output file that could not be created.
    #[must_use]
    pub fn creating(path: &Path, error: &std::io::Error) -> Self {
        Fault::CannotCreate(format!(
            "{}: cannot be created ({error}); name a file in a folder that exists and can be written",
            path.display()
        ))
    }

    /// The fault of an output that stopped taking bytes.
    #[must_use]
    pub fn writing(what: &str, error: &std::io::Error) -> Self {
        Fault::Io(format!(
            "{what}: writing failed ({error}); check the free space and the other end of the pipe"
        ))
    }
}
