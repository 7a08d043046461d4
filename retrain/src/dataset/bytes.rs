//! A data file's bytes: told apart by how they begin, decompressed and hashed as they are read.

use crate::failure::Failure;
use model::artifact::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;

/// A data file that is ready to be read.
pub(super) enum Opened {
    Parquet(File),
    Text(Hashing<Box<dyn Read>>),
}

const ROOM: usize = 1 << 16;

/// Opens a file; gzip, zstd and Parquet are told by their first bytes, not by the file's name.
pub(super) fn open(path: &Path) -> Result<Opened, Failure> {
    let fault = |fault| Failure::no_input(path, fault);
    if path.is_dir() {
        return Err(Failure::no_input(path, "it is a directory"));
    }
    let mut file = BufReader::with_capacity(ROOM, File::open(path).map_err(fault)?);
    let start = file.fill_buf().map_err(fault)?;
    let text: Box<dyn Read> = if start.starts_with(b"PAR1") {
        let mut file = file.into_inner();
        file.rewind().map_err(fault)?;
        return Ok(Opened::Parquet(file));
    } else if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(fault)?)
    } else {
        Box::new(file)
    };
    Ok(Opened::Text(Hashing::new(text)))
}

/// Hashes what passes through.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Hashing { inner, hash: Sha256::new() }
    }

    /// Digest of everything that was read.
    pub(super) fn digest(self) -> Digest {
        Digest(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}
