//! The other end of the control socket, for the command line: one question, one answer.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::frame::{self, FrameError};
use super::{Code, Refusal, Request, Response, VERSION};
use crate::fault::Fault;

/// A connection to a running sensor.
pub struct Client {
    stream: UnixStream,
    name: String,
    next_id: u64,
}

impl Client {
    /// How long an answer may take.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Connects.
    ///
    /// # Errors
    /// No sensor answers there, or the caller may not ask it.
    pub fn connect(path: &Path) -> Result<Self, Fault> {
        let name = path.display().to_string();
        let stream = UnixStream::connect(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Fault::NoPermission(format!("{name}: permission denied; run as root, or join the group `taphound` that may control the sensor"))
            }
            _ => Fault::Unavailable(format!("{name}: no sensor answers ({e}); start one with `taphound run`, or name its socket with --socket")),
        })?;
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&stream, Some(Self::PATIENCE)).map_err(|e| Fault::Io(format!("{name}: {e}")))?;
        }
        Ok(Self { stream, name, next_id: 1 })
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// The sensor's refusal, or the connection's end.
    pub fn ask(&mut self, op: &str, args: Value) -> Result<Value, Fault> {
        let id = self.next_id;
        self.next_id += 1;
        let broken =
            |e: FrameError, name: &str| Fault::Unavailable(format!("{name}: {e}; look at the sensor's log"));
        frame::write(&mut self.stream, &Request { v: VERSION, id, op: op.into(), args })
            .map_err(|e| broken(e, &self.name))?;
        let response: Response = frame::read(&mut self.stream).map_err(|e| broken(e, &self.name))?;
        match response {
            Response { error: Some(refusal), .. } => Err(fault_of(refusal)),
            Response { ok, .. } => Ok(ok.unwrap_or(Value::Null)),
        }
    }
}

fn fault_of(refusal: Refusal) -> Fault {
    let message = refusal.message;
    match refusal.code {
        Code::Invalid => Fault::Usage(message),
        Code::NotFound => Fault::NoInput(message),
        Code::Forbidden => Fault::NoPermission(message),
        Code::Conflict => Fault::BadData(message),
        Code::Unavailable | Code::Version => Fault::Unavailable(message),
    }
}
