//! Writes that wait for the file at one time go into one transaction: the disk is waited for once, not once a write.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot::{self, Receiver};

use super::Trouble;

/// Answers a write once it is known whether its transaction is on the disk.
type Answer = Box<dyn FnOnce(Option<&rusqlite::Error>) + Send>;
/// Is given its transaction, or why there is none.
type Write = Box<dyn FnOnce(Result<&Transaction<'_>, &rusqlite::Error>) -> Answer + Send>;

/// Writes that wait.
#[derive(Default)]
pub(super) struct Writes(Mutex<VecDeque<Write>>);

impl Writes {
    /// In one transaction at most.
    const TOGETHER_MAX: usize = 64;

    /// Adds a write. Whoever carries out next carries it out, too.
    pub(super) fn add<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Receiver<Result<T, Trouble>> {
        let (answer, outcome) = oneshot::channel();
        let write: Write = Box::new(move |transaction| {
            let done = transaction.map_err(again).and_then(|transaction| alone(transaction, work));
            Box::new(move |failed| {
                let done = match failed {
                    None => done,
                    Some(error) => done.and(Err(again(error))),
                };
                // Nobody waits any more: the write is done all the same.
                let _ = answer.send(done);
            })
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(write);
        outcome
    }

    /// Carries out what waits.
    pub(super) fn carry_out(&self, connection: &mut Connection) {
        loop {
            let some: Vec<Write> = {
                let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let most = waiting.len().min(Self::TOGETHER_MAX);
                waiting.drain(..most).collect()
            };
            if some.is_empty() {
                return;
            }
            match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
                Ok(transaction) => {
                    let answers: Vec<Answer> =
                        some.into_iter().map(|write| write(Ok(&transaction))).collect();
                    let failed = transaction.commit().err();
                    answers.into_iter().for_each(|answer| answer(failed.as_ref()));
                }
                Err(error) => some.into_iter().for_each(|write| write(Err(&error))(None)),
            }
        }
    }
}

/// One write among others: when it fails, what it did is undone and theirs stays.
fn alone<T>(
    transaction: &Transaction<'_>,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    transaction.execute_batch("SAVEPOINT one")?;
    let done = work(transaction);
    transaction.execute_batch(if done.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" })?;
    done
}

/// An error once more: those of SQLite cannot be copied.
fn again(error: &rusqlite::Error) -> Trouble {
    Trouble::Sqlite(match error {
        rusqlite::Error::SqliteFailure(code, text) => rusqlite::Error::SqliteFailure(*code, text.clone()),
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
            Some(other.to_string()),
        ),
    })
}
