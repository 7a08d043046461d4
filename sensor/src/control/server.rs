//! The sensor's end of the control socket: takes connections, checks versions, hands requests to a [`Handler`].

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener as Listener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Group, Uid, User};
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::frame::{self, FrameError};
use super::{Caller, Code, Refusal, Request, Response, VERSION};
use crate::fault::Fault;

/// Does what is asked.
pub trait Handler: Send + Sync + 'static {
    /// One operation; runs on a thread that may block.
    ///
    /// # Errors
    /// A refusal, told to the caller.
    fn call(&self, caller: &Caller, op: &str, args: Value) -> Result<Value, Refusal>;
}

/// Clients at once; more wait in the listen queue.
const CLIENTS_MAX: usize = 64;
/// A client that says nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(300);

/// Takes the socket's name. One that nobody answers on is a left-over and is replaced.
///
/// # Errors
/// Another sensor answers on it, or the folder does not allow it.
pub fn bind(path: &Path, group: &str) -> Result<Listener, Fault> {
    let name = path.display();
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(Fault::CannotCreate(format!(
            "{name}: another sensor answers on this socket; stop it, or set another `control.socket`"
        )));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Fault::creating(path, &e))?;
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Fault::creating(path, &e)),
        _ => {}
    }
    let listener = Listener::bind(path).map_err(|e| Fault::creating(path, &e))?;
    listener.set_nonblocking(true).map_err(|e| Fault::creating(path, &e))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .map_err(|e| Fault::creating(path, &e))?;
    if !group.is_empty() {
        let known = Group::from_name(group).ok().flatten();
        let Some(known) = known else {
            return Err(Fault::Config(format!(
                "`control.group` is `{group}`: there is no such group; create it, or leave it empty"
            )));
        };
        chown(path, None, Some(known.gid.as_raw())).map_err(|e| {
            Fault::NoPermission(format!(
                "{name}: cannot be given to group {group} ({e}); run as a member of it"
            ))
        })?;
    }
    Ok(listener)
}

/// Serves until the runtime ends.
pub async fn serve(listener: Listener, handler: Arc<dyn Handler>) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(e) => {
            tracing::error!(error = %e, "the control socket cannot be served");
            return;
        }
    };
    let room = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let handler = Arc::clone(&handler);
                tokio::spawn(async move {
                    if let Err(e) = converse(stream, handler).await {
                        tracing::debug!(error = %e, "a control client was let go");
                    }
                    drop(seat);
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "the control socket could not take a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, handler: Arc<dyn Handler>) -> Result<(), FrameError> {
    let caller = caller_of(&stream);
    loop {
        let request = match tokio::time::timeout(IDLE, frame::receive::<Request>(&mut stream)).await {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(e)) => {
                // A frame that cannot be read leaves no place to go on from.
                let refusal = Refusal::invalid(e.to_string());
                let _ = frame::send(&mut stream, &answer(0, Err(refusal))).await;
                return Err(e);
            }
        };
        let id = request.id;
        let result = if request.v == VERSION {
            let (handler, caller) = (Arc::clone(&handler), caller.clone());
            tokio::task::spawn_blocking(move || handler.call(&caller, &request.op, request.args))
                .await
                .unwrap_or_else(|e| {
                    Err(Refusal::unavailable(format!("the sensor failed on this request ({e})")))
                })
        } else {
            Err(Refusal {
                code: Code::Version,
                message: format!(
                    "this sensor speaks version {VERSION} of the control protocol, not {}; update the older side",
                    request.v
                ),
            })
        };
        frame::send(&mut stream, &answer(id, result)).await?;
    }
}

fn answer(id: u64, result: Result<Value, Refusal>) -> Response {
    let (ok, error) = match result {
        Ok(value) => (Some(value), None),
        Err(refusal) => (None, Some(refusal)),
    };
    Response { v: VERSION, id, ok, error }
}

/// The kernel's word on who connected.
fn caller_of(stream: &UnixStream) -> Caller {
    let uid = stream.peer_cred().map_or(u32::MAX, |credentials| credentials.uid());
    let name = User::from_uid(Uid::from_raw(uid))
        .ok()
        .flatten()
        .map_or_else(|| format!("uid {uid}"), |user| user.name);
    Caller { name, uid }
}
