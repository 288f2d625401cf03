//! Reading the log.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::checkpoint::Checkpoint;
use super::content::commitment;
use super::cut;
use super::entry;
use super::log::{LogError, LogOptions, inclusion};
use super::proof::Proof;
use super::vault::{Vault, VaultError};
use super::verify::{Report, Verify};
use crate::store::{Access, Field, Held, Kept, Query, Read, Row, SqliteStore, Store, StoreError, Visit};

/// How long a lock of another program is waited for.
const WAIT: Duration = Duration::from_secs(10);
/// Values that are counted of each field.
const COUNTED: usize = 10;

/// A log that is read.
pub struct LogReader {
    store: Box<dyn Store>,
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogReader").field("origin", &self.store.origin()).finish_non_exhaustive()
    }
}

/// A record at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 0.
    pub index: u64,
    /// The record as canonical JSON, with `_index`, `_log` and `_prev`: what its hash is of.
    pub text: String,
}

/// What a log holds, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The log's name.
    pub origin: String,
    /// Records.
    pub records: u64,
    /// Records before them that retention has removed.
    pub removed: u64,
    /// Bytes of the database.
    pub bytes: u64,
    /// Times of the earliest and the latest event, in microseconds of Unix time.
    pub times: Option<(i64, i64)>,
    /// Records that the latest checkpoint covers.
    pub signed: u64,
    /// The most frequent values of each field, with how many records have them.
    pub counts: Vec<(Field, Vec<(String, u64)>)>,
}

impl LogReader {
    /// Opens a log to read.
    ///
    /// # Errors
    /// When there is none, or it is of a later version.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        Ok(Self::over(Box::new(SqliteStore::open(path, Access::Read, "", WAIT)?)))
    }

    /// Reads any store.
    #[must_use]
    pub fn over(store: Box<dyn Store>) -> Self {
        Self { store }
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.store.origin()
    }

    fn read<T>(
        &mut self,
        mut work: impl FnMut(&dyn Read, &str) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        match entry::index(self.store.as_mut()) {
            // An index that is behind in a log of this version, which may only be read: verifying tells.
            Ok(()) | Err(StoreError::ReadOnly) => {}
            Err(error) => return Err(error.into()),
        }
        let origin = self.store.origin().to_owned();
        let mut found = None;
        self.store.read(&mut |rows| {
            found = Some(work(rows, &origin));
            Ok(())
        })?;
        found.unwrap_or(Err(LogError::Closed))
    }

    /// A page of records.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn page(&mut self, query: &Query) -> Result<Vec<Entry>, LogError> {
        self.read(|rows, origin| {
            rows.page(query)?.iter().map(|row| Ok(entry_of(rows, origin, row)?)).collect()
        })
    }

    /// One record.
    ///
    /// # Errors
    /// When the log can't be read, or has no record of this number.
    pub fn show(&mut self, index: u64) -> Result<Entry, LogError> {
        self.read(|rows, origin| Ok(entry_of(rows, origin, &row(rows, index)?)?))
    }

    /// What opens the contents of this log, by the payload key of `options`. `None` without one.
    ///
    /// # Errors
    /// When the data keys can't be opened, or are encrypted under another key.
    pub fn vault(&mut self, log: &Path, mut options: LogOptions) -> Result<Option<Vault>, LogError> {
        options.vault(log, &mut *self.store)
    }

    /// The content of a record, decrypted and held to what the record commits to. `None` where none is kept any more.
    ///
    /// # Errors
    /// When the log can't be read, the content is not what was written, or `vault` is not that of the log's data keys.
    pub fn content(&mut self, session: &str, index: u64, vault: &Vault) -> Result<Option<Value>, LogError> {
        let found = self.read(|rows, _| {
            let mut kept: Option<Kept> = None;
            rows.of(&Held::Thread(session.to_owned()), index, &mut |one| {
                kept = Some(one);
                Visit::Stop
            })?;
            let Some(kept) = kept.filter(|kept| kept.index == index) else { return Ok(None) };
            let bytes = rows.sealed(index)?.zip(commitment(rows, index)?);
            Ok(bytes.map(|(bytes, commitment)| (kept.key, bytes, commitment)))
        })?;
        let Some((key, bytes, commitment)) = found else { return Ok(None) };
        match vault.unseal(index, &key, &bytes, &commitment) {
            Ok(plain) => {
                let damaged = |_| VaultError::Damaged { what: format!("content {index}") };
                Ok(Some(serde_json::from_slice(&plain).map_err(damaged)?))
            }
            Err(VaultError::Destroyed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the log holds.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn stats(&mut self) -> Result<Stats, LogError> {
        self.read(|rows, origin| {
            let (blocks, recent, start) = (rows.blocks()?, rows.recent()?, rows.start()?);
            let earliest = blocks.iter().map(|block| block.earliest);
            let latest = blocks.iter().map(|block| block.latest);
            let earliest = earliest.chain(recent.iter().map(|recent| recent.earliest)).min();
            let latest = latest.chain(recent.iter().map(|recent| recent.latest)).max();
            let signed = rows.latest_checkpoint()?.and_then(|note| Checkpoint::parse(&note).ok());
            let counts = Field::ALL.iter().map(|field| Ok((*field, rows.counts(*field, COUNTED)?)));
            Ok(Stats {
                origin: origin.to_owned(),
                records: rows.size()?.saturating_sub(start),
                removed: start,
                bytes: rows.bytes()?,
                times: earliest.zip(latest),
                signed: signed.map_or(0, |checkpoint| checkpoint.size.saturating_sub(start)),
                counts: counts.collect::<Result<_, StoreError>>()?,
            })
        })
    }

    /// The latest checkpoint in the database.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn checkpoint(&mut self) -> Result<Option<Checkpoint>, LogError> {
        self.read(|rows, _| Ok(rows.latest_checkpoint()?.and_then(|note| Checkpoint::parse(&note).ok())))
    }

    /// Proves a record to somebody who does not have the log.
    ///
    /// # Errors
    /// When there is no such record, or no checkpoint covers it yet.
    pub fn prove(&mut self, index: u64) -> Result<Proof, LogError> {
        self.read(|rows, origin| {
            let row = row(rows, index)?;
            let latest = rows.latest_checkpoint()?.and_then(|note| Checkpoint::parse(&note).ok());
            let checkpoint =
                latest.filter(|checkpoint| checkpoint.size > index).ok_or(LogError::Unsigned { index })?;
            let path = inclusion(rows, index, checkpoint.size)?;
            Ok(Proof::new(entry_of(rows, origin, &row)?.text, index, path, checkpoint))
        })
    }

    /// Recomputes everything. `progress` is told how many records are done.
    ///
    /// # Errors
    /// When the log can't be read; what is wrong with it stands in the report.
    pub fn verify(&mut self, against: &Verify, progress: &mut dyn FnMut(u64)) -> Result<Report, LogError> {
        self.read(|rows, origin| Ok(against.run(rows, origin, &mut *progress)?))
    }
}

fn row(rows: &dyn Read, index: u64) -> Result<Row, LogError> {
    match rows.row(index)? {
        Some(row) => Ok(row),
        None if index < rows.start()? => Err(LogError::RemovedRecord { index }),
        None => Err(LogError::NoRecord { index, size: rows.size()? }),
    }
}

fn entry_of(rows: &dyn Read, origin: &str, row: &Row) -> Result<Entry, StoreError> {
    let previous = cut::previous(rows, origin, row.index)?;
    Ok(Entry { index: row.index, text: entry::text(origin, row.index, &previous, &row.body) })
}
