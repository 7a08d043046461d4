//! A copy of the whole store while it is in use.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::error::{StoreError, sqlite};
use crate::{Reader, Store};

/// How far a backup has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages copied.
    pub done: u64,
    /// Pages there are.
    pub total: u64,
}

/// Pages copied at a time: about 4 MiB.
const STEP_PAGES: i32 = 1_024;

impl Store {
    /// Copies the store into a new file, `path`. See [`Reader::backup`].
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn backup(&self, path: &Path, progress: impl FnMut(BackupProgress)) -> Result<(), StoreError> {
        copy(&self.connection, &self.name, path, progress)
    }
}

impl Reader {
    /// Copies the store into a new file, `path`, while the writer goes on: the copy is the store as it was when the backup
    /// began. `progress` is called after every step and may pause. The copy appears under its name when it is whole, synced,
    /// and has passed SQLite's integrity check.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn backup(&self, path: &Path, progress: impl FnMut(BackupProgress)) -> Result<(), StoreError> {
        copy(self.connection(), self.name(), path, progress)
    }
}

fn copy(
    from: &Connection,
    name: &str,
    path: &Path,
    mut progress: impl FnMut(BackupProgress),
) -> Result<(), StoreError> {
    let target = path.display().to_string();
    let refused = |reason: String| StoreError::Backup { name: target.clone(), reason };
    if path.exists() {
        return Err(refused("exists already; name a new file".into()));
    }
    let mut part = path.to_path_buf().into_os_string();
    part.push(".part");
    let part = Path::new(&part);
    let outcome = (|| {
        let _ = std::fs::remove_file(part);
        let failed = |source| sqlite(&part.display().to_string(), source);
        let mut to = Connection::open(part).map_err(failed)?;
        // One snapshot for the whole copy: without it every commit of the writer would start it again.
        from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
            .map_err(|source| sqlite(name, source))?;
        let copied = steps(from, &mut to, &mut progress);
        let ended = from.execute_batch("COMMIT").map_err(|source| sqlite(name, source));
        copied.map_err(failed)?;
        ended?;
        // A single file, whatever the original was.
        to.execute_batch("PRAGMA journal_mode = DELETE").map_err(failed)?;
        let verdict: String = to.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(failed)?;
        if verdict != "ok" {
            return Err(refused(format!("the copy is damaged ({verdict}); check both disks")));
        }
        to.close().map_err(|(_, source)| failed(source))?;
        let renamed = std::fs::File::open(part)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(part, path))
            .and_then(|()| sync_folder(path));
        renamed.map_err(|e| refused(format!("cannot be written ({e}); check the folder and its free space")))
    })();
    if outcome.is_err() {
        let _ = std::fs::remove_file(part);
    }
    outcome
}

fn steps(
    from: &Connection,
    to: &mut Connection,
    progress: &mut impl FnMut(BackupProgress),
) -> rusqlite::Result<()> {
    let backup = Backup::new(from, to)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let p = backup.progress();
        let count = |pages: i32| u64::try_from(pages).unwrap_or(0);
        progress(BackupProgress { done: count(p.pagecount - p.remaining), total: count(p.pagecount) });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Somebody reads the file that is being written.
            _ => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
