//! A log in one file of SQLite.
//!
//! WAL and `synchronous=FULL`: a transaction is on the disk once it has ended, and readers never wait for writers. Writers of any
//! number of processes take turns (`BEGIN IMMEDIATE`).

mod keys;
mod names;
mod page;
mod payload;
mod reading;
mod schema;
mod writing;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

pub use self::keys::SqliteKeys;
use self::names::Names;
use self::reading::Rows;
use self::schema::Index;
use self::writing::Writing;
use super::{Append, Read, Store, StoreError};

/// What a log is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read only: nothing of it is changed, and it has to be there.
    Read,
    /// To add to a log that has to be there.
    Write,
    /// To add to a log, which is made where there is none.
    Create,
}

/// A log in one file of SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    origin: String,
    index: Index,
    names: Names,
    wait: Duration,
}

/// How long a lock of another program is slept over before it is tried again: such transactions are short.
const RETRY: Duration = Duration::from_micros(500);

impl SqliteStore {
    /// Opens a log. A new one is called `origin`, `/` and a random number. Other programs' locks are waited for so long.
    ///
    /// # Errors
    /// When there is no log, or what is there is none or of a later version.
    pub fn open(path: &Path, access: Access, origin: &str, wait: Duration) -> Result<Self, StoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        // A folder, or a file that is not there, has a better reason from the system than from the database.
        let mut options = OpenOptions::new();
        options.read(true);
        if access == Access::Create {
            options.write(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        match options.open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && access != Access::Read => {
                return Err(StoreError::ReadOnly);
            }
            Err(error) => return Err(failed(error.into())),
        }
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags |= match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write | Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let mut connection =
            Connection::open_with_flags(path, flags).map_err(|error| failed(error.into()))?;
        connection.busy_timeout(wait).map_err(error)?;
        let (origin, index) = schema::prepare(&mut connection, path, access, origin, wait)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, origin, index, names: Names::default(), wait })
    }
}

impl Store for SqliteStore {
    fn origin(&self) -> &str {
        &self.origin
    }

    fn append(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Append) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = match self.index {
            Index::Within => begin(&self.connection, self.wait)?,
            // Nothing of the log itself can be written then.
            Index::Apart => self.connection.unchecked_transaction().map_err(error)?,
        };
        self.names.renew(&transaction)?;
        let mut writing = Writing::new(&transaction, &mut self.names);
        let done = work(&mut writing).and_then(|()| writing.finish());
        let done = done.and_then(|()| transaction.commit().map_err(error));
        if done.is_err() {
            // What was numbered in a transaction that is undone has no number.
            self.names.clear();
        }
        done
    }

    fn read(&mut self, work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let transaction = self.connection.transaction().map_err(error)?;
        work(&Rows(&transaction))
    }

    fn clean(&mut self) -> Result<bool, StoreError> {
        clean(&self.connection, self.wait)
    }
}

/// Begins to write. The database itself would sleep for longer and longer, up to a tenth of a second, while another program's
/// transaction takes a few milliseconds.
fn begin(connection: &Connection, wait: Duration) -> Result<Transaction<'_>, StoreError> {
    connection.busy_timeout(Duration::ZERO).map_err(error)?;
    let begun = once_free(wait, || Transaction::new_unchecked(connection, TransactionBehavior::Immediate));
    connection.busy_timeout(wait).map_err(error)?;
    begun.map_err(error)
}

/// Turns the write-ahead log on. Programs that make one file together stand in each other's way there, and the database says so at
/// once, however long it may wait for locks elsewhere.
fn write_ahead(connection: &Connection, wait: Duration) -> rusqlite::Result<()> {
    once_free(wait, || connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())))
}

/// Tries something again while another program's lock is in the way, for so long.
fn once_free<T>(wait: Duration, mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let asked = Instant::now();
    loop {
        match attempt() {
            Err(failed) if is_locked(&failed) && asked.elapsed() < wait => std::thread::sleep(RETRY),
            done => return done,
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Moves everything out of the write-ahead log into the database, where removed rows are overwritten, and empties it. Most of it
/// while others write; what is left then, and only in moments, with them waiting.
fn clean(connection: &Connection, wait: Duration) -> Result<bool, StoreError> {
    let asked = Instant::now();
    connection.busy_timeout(Duration::from_millis(5)).map_err(error)?;
    let cleaned = loop {
        let moved = |mode: &str| {
            connection
                .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(0))
                .map(|busy| busy == 0)
                .map_err(error)
        };
        match moved("PASSIVE").and_then(|_| moved("TRUNCATE")) {
            Ok(false) | Err(StoreError::Locked) if asked.elapsed() < wait => std::thread::sleep(RETRY * 4),
            Err(StoreError::Locked) => break Ok(false),
            done => break done,
        }
    };
    connection.busy_timeout(wait).map_err(error)?;
    cleaned
}

/// The database's error in the words of [`StoreError`].
fn error(error: rusqlite::Error) -> StoreError {
    if is_locked(&error) {
        return StoreError::Locked;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly,
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { what: error.to_string() },
        _ => StoreError::Database(Box::new(error)),
    }
}

/// An error of opening, with the file's name.
fn not_a_log(path: &Path) -> StoreError {
    StoreError::NotALog { path: PathBuf::from(path) }
}

/// Numbers that SQLite holds as signed ones.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
