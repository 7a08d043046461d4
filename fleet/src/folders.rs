//! What the embedded doors do on a disk: shared folders, whole files or none, one writer at a time, and no waiting on the runtime.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::DoorError;

/// Name of the lock file in a shared folder.
pub(crate) const LOCK: &str = ".lock";
/// Name of the folder in which files grow until they are whole.
pub(crate) const INCOMING: &str = ".incoming";

/// Owner and group may do everything; what is made inside belongs to the same group.
const SHARED: u32 = 0o2770;

/// Runs work that waits for a disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DoorError> + Send + 'static,
) -> Result<T, DoorError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        Err(_) => Err(DoorError::Unavailable {
            place: "this program".into(),
            detail: "it is ending".into(),
            retry_after: None,
        }),
    }
}

/// Makes a folder that owner and group may use, whose files belong to that group; one that exists stays as it is.
pub(crate) fn make_shared(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_shared(parent)?;
    }
    match std::fs::create_dir(folder) {
        // Where it is inherited there is nothing to set, which a unit with `RestrictSUIDSGID=` may not.
        Ok(()) if std::fs::metadata(folder)?.permissions().mode() & 0o7777 == SHARED => Ok(()),
        Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(SHARED)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Holds the folder's lock against other threads and processes until it is dropped.
pub(crate) fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK);
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o660).open(&path)?;
    // Only its maker may, and only its maker needs to: the mask may have taken the group's right.
    let _ = file.set_permissions(Permissions::from_mode(0o660));
    file.lock()?;
    Ok(file)
}

/// A file that grows unseen in `.incoming`; it is removed unless it was moved to its place.
pub(crate) struct Incoming {
    path: PathBuf,
    file: File,
    hash: Sha256,
    placed: bool,
}

impl Incoming {
    /// Begins one in the folder.
    pub(crate) fn begin(folder: &Path) -> io::Result<Self> {
        static ORDINAL: AtomicU64 = AtomicU64::new(0);
        let incoming = folder.join(INCOMING);
        make_shared(&incoming)?;
        let name = format!("{}-{}", std::process::id(), ORDINAL.fetch_add(1, Ordering::Relaxed));
        let path = incoming.join(name);
        // What a dead process of the same number left there is nobody's.
        let _ = std::fs::remove_file(&path);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.set_permissions(Permissions::from_mode(0o660))?;
        Ok(Self { path, file, hash: Sha256::new(), placed: false })
    }

    /// SHA-256 of its bytes so far, in hex.
    pub(crate) fn digest(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    /// Gives it all that a reader has.
    pub(crate) fn take(&mut self, from: &mut impl Read) -> io::Result<()> {
        io::copy(from, self).map(|_| ())
    }

    /// Moves it to its place, over what is there, so that it survives a power cut.
    pub(crate) fn place(mut self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(folder) = to.parent() {
            make_shared(folder)?;
        }
        std::fs::rename(&self.path, to)?;
        self.placed = true;
        to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes a whole file or none.
pub(crate) fn write_whole(folder: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut incoming = Incoming::begin(folder)?;
    incoming.write_all(bytes)?;
    incoming.place(to)
}

/// SHA-256 of a file, in hex.
pub(crate) fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// When a file was last written, ms since the epoch.
pub(crate) fn modified_ms(metadata: &std::fs::Metadata) -> u64 {
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0)
}
