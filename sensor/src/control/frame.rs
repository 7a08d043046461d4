//! One frame: a `u32` big-endian length, then MessagePack. Bounded before it is believed.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame, in bytes. The largest thing in one is a model as base64 (the default model: 3.1 MiB): room for four times as much and
/// what goes along, and no more than a stranger at the socket may make the sensor hold.
pub const FRAME_MAX: usize = 16 << 20;

/// Why a frame cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side ended, or the socket failed.
    #[error("the connection failed ({0})")]
    Io(#[from] io::Error),
    /// Longer than [`FRAME_MAX`].
    #[error("a frame of {0} bytes is longer than the {FRAME_MAX} allowed")]
    TooLong(usize),
    /// Not the MessagePack that was expected.
    #[error("a frame cannot be understood ({0})")]
    Malformed(String),
}

/// Bytes of a frame, length included.
///
/// # Errors
/// The value is too long for a frame.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, value).map_err(|e| FrameError::Malformed(e.to_string()))?;
    let length = bytes.len() - 4;
    if length > FRAME_MAX {
        return Err(FrameError::TooLong(length));
    }
    // The limit is far below u32::MAX.
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    rmp_serde::from_slice(body).map_err(|e| FrameError::Malformed(e.to_string()))
}

/// Writes a frame.
///
/// # Errors
/// It is too long, or the socket fails.
pub fn write(to: &mut impl Write, value: &impl Serialize) -> Result<(), FrameError> {
    to.write_all(&encode(value)?)?;
    Ok(to.flush()?)
}

/// Reads a frame.
///
/// # Errors
/// The socket ends or fails, or the frame is too long or malformed.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, FrameError> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_MAX {
        return Err(FrameError::TooLong(length));
    }
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    decode(&body)
}

/// Writes a frame without blocking the thread.
///
/// # Errors
/// As [`write()`].
pub async fn send(to: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> Result<(), FrameError> {
    to.write_all(&encode(value)?).await?;
    Ok(to.flush().await?)
}

/// Reads a frame without blocking the thread; none when the other side closed between frames.
///
/// # Errors
/// As [`read()`].
pub async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e.into()),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_MAX {
        return Err(FrameError::TooLong(length));
    }
    // Grows with what arrives, not with what was promised.
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    decode(&body).map(Some)
}
