//! What can go wrong at a door, sorted by what the caller can do about it.

use std::time::Duration;

/// A door did not do what it was asked. Each message names the thing, the place and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// Out of reach, overloaded or throttled: the same request may succeed later.
    #[error("{place} cannot do it now ({detail}); it is tried again")]
    Unavailable {
        /// The server or folder.
        place: String,
        /// What it said.
        detail: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The credentials do not open this door.
    #[error("{place} refuses access ({detail}); check the credentials and the policy of this program")]
    Denied {
        /// The server or folder.
        place: String,
        /// What it said.
        detail: String,
    },
    /// There is no such thing.
    #[error("{place} has no {thing}")]
    Absent {
        /// The server or folder.
        place: String,
        /// What was asked for.
        thing: String,
    },
    /// Somebody else was there first: a condition of the request does not hold.
    #[error("{thing} at {place} has changed meanwhile")]
    Conflict {
        /// The server or folder.
        place: String,
        /// What was to be changed.
        thing: String,
    },
    /// The request itself is at fault: it fails however often it is sent.
    #[error("{thing} cannot go to {place}: {detail}")]
    Invalid {
        /// The server or folder.
        place: String,
        /// What was sent.
        thing: String,
        /// Why it cannot.
        detail: String,
    },
    /// What came back is not what was stored there.
    #[error("{thing} at {place} is damaged: {detail}")]
    Damaged {
        /// The server or folder.
        place: String,
        /// What was read.
        thing: String,
        /// How it shows.
        detail: String,
    },
}

impl DoorError {
    /// Another attempt at the same request can succeed.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, DoorError::Unavailable { .. })
    }

    pub(crate) fn invalid(place: &str, thing: impl Into<String>, detail: impl Into<String>) -> Self {
        DoorError::Invalid { place: place.to_owned(), thing: thing.into(), detail: detail.into() }
    }

    /// What an error of the disk means at a door.
    pub(crate) fn io(place: &str, thing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let (place, detail) = (place.to_owned(), format!("{thing}: {error}"));
        match error.kind() {
            ErrorKind::NotFound => DoorError::Absent { place, thing: thing.to_owned() },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                DoorError::Denied { place, detail }
            }
            ErrorKind::AlreadyExists => DoorError::Conflict { place, thing: thing.to_owned() },
            ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput => DoorError::Invalid { place, thing: thing.to_owned(), detail },
            _ => DoorError::Unavailable { place, detail, retry_after: None },
        }
    }
}
