//! The control socket: the third contract, between the sensor and whoever may ask it things on its own machine.
//!
//! Frames of a `u32` big-endian length and a MessagePack map: `{v, id, op, args}` is answered by `{v, id, ok}` or
//! `{v, id, error: {code, message}}`. `client` is what the command line uses, `server` what the sensor runs.

pub mod client;
pub mod frame;
pub mod server;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the socket is unless the settings say otherwise.
pub const DEFAULT_SOCKET: &str = "/run/taphound/control.sock";

/// The version this program speaks.
pub const VERSION: u32 = 1;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Protocol version.
    pub v: u32,
    /// Chosen by the client, repeated in the answer.
    pub id: u64,
    /// What to do, for example `status` or `model/install`.
    pub op: String,
    /// Its arguments, a map.
    #[serde(default)]
    pub args: Value,
}

/// What the sensor answers: exactly one of `ok` and `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Protocol version.
    pub v: u32,
    /// The request's.
    pub id: u64,
    /// The result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<Value>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Whose fault it is.
    pub code: Code,
    /// One line that names the thing, the place and the remedy.
    pub message: String,
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request makes no sense.
    Invalid,
    /// The request is for something that does not exist.
    NotFound,
    /// The caller may not.
    Forbidden,
    /// Something with that name is there already, or the state does not allow it now.
    Conflict,
    /// The sensor cannot do it now; trying again may help.
    Unavailable,
    /// The other side speaks another version.
    Version,
}

impl Refusal {
    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: Code::Invalid, message: message.into() }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: Code::NotFound, message: message.into() }
    }

    /// Not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { code: Code::Unavailable, message: message.into() }
    }

    /// The state does not allow it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { code: Code::Conflict, message: message.into() }
    }
}

/// Who is on the other end of the socket, as the kernel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A user's name, for the audit log.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
}
