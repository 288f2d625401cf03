//! The audit log: records in a chain and a tree, checkpoints signed, in a store.
//!
//! One thread writes. What callers hand in while it commits becomes its next transaction, so that the cost of making records
//! durable is shared; each caller is answered once its own record is. Other processes may write to the same log meanwhile: every
//! transaction begins with what they have added.

mod error;
mod handover;
mod options;
mod outside;
mod stored;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::content::{Content, Sealed};
use super::entry::Prepared;
use super::key::SigningKey;
use super::vault::Vault;
use super::{AuditError, AuditSink, Durability, Record};
use crate::store::{Access, SqliteStore, Store};

pub use error::LogError;
use handover::{Flush, Job, Queue, Shared, Slot, lock};
pub use options::{LogOptions, data_keys_of};
pub(super) use stored::{Stored, inclusion};
pub(super) use writer::{Work, Writer};

/// Most records that wait for one.
const MAX_WAITING: usize = 16 * 1024;

/// An audit log that is written. Closed when it is dropped; [`Log::close`] also tells whether that went well.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    durability: Durability,
    digest_key: Option<Zeroizing<[u8; 32]>>,
    origin: String,
    vault: Option<Vault>,
}

impl Log {
    /// Opens a log in a file of SQLite, and records that.
    ///
    /// # Errors
    /// When the file can't be opened or written, does not fit its latest checkpoint, or that is signed by none.
    pub fn open(path: &Path, mut options: LogOptions) -> Result<Self, LogError> {
        let name = options.key.as_ref().map_or("ringfence-audit", SigningKey::name);
        let access = if options.create { Access::Create } else { Access::Write };
        let mut store = SqliteStore::open(path, access, name, options.wait)?;
        let vault = options.vault(path, &mut store)?;
        Self::over(Box::new(store), options, vault)
    }

    /// The same over any store, with the data keys for contents where such are kept.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn over(store: Box<dyn Store>, options: LogOptions, vault: Option<Vault>) -> Result<Self, LogError> {
        let durability = options.durability;
        let digest_key = options.key.as_ref().and_then(SigningKey::digest_key);
        let mut writer = Writer::new(store, options)?;
        let (shared, origin) = (Arc::clone(&writer.shared), writer.origin.clone());
        // What can't be written should be known before the first event.
        writer.commit(Some(Record::start(Timestamp::now()).to_json()?), false)?;
        let thread = std::thread::Builder::new().name("ringfence-audit".to_owned());
        let handle = thread.spawn(move || writer.run()).map_err(LogError::Thread)?;
        Ok(Self { shared, writer: Mutex::new(Some(handle)), durability, digest_key, origin, vault })
    }

    /// Adds one record to a log that is there, without staying to write more; its number.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn append_once(path: &Path, options: LogOptions, record: &Record<'_>) -> Result<u64, LogError> {
        let body = record.to_json()?;
        let store = SqliteStore::open(path, Access::Write, "", options.wait)?;
        Ok(Writer::new(Box::new(store), options)?.commit(Some(body), false)? - 1)
    }

    /// Signs a log that is there as it is; how many records that covers.
    ///
    /// # Errors
    /// As [`Log::open`], and when the options name no key.
    pub fn checkpoint_once(path: &Path, options: LogOptions) -> Result<u64, LogError> {
        if options.key.is_none() {
            return Err(LogError::NoKey);
        }
        let store = SqliteStore::open(path, Access::Write, "", options.wait)?;
        Writer::new(Box::new(store), options)?.commit(None, true)
    }

    /// The log's name, which no other log has.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds a record; its number, once it is durable.
    ///
    /// # Errors
    /// When it was not, or may not have been, written.
    pub fn append(&self, record: &Record<'_>) -> Result<u64, AuditError> {
        self.append_prepared(Prepared::of(record)?, None)
    }

    fn append_prepared(&self, record: Prepared, sealed: Option<Sealed>) -> Result<u64, AuditError> {
        let slot = Arc::new(Slot::default());
        self.enqueue(Job { record, sealed, answer: Some(Arc::clone(&slot)) })?;
        slot.wait().map_err(|error| AuditError::Store(error))
    }

    /// Signs what was written so far.
    ///
    /// # Errors
    /// When that fails, or something before it did. Without a key nothing is signed.
    pub fn checkpoint(&self) -> Result<(), AuditError> {
        self.wait_for_all(true)
    }

    /// Records that the log is closed, signs the last checkpoint and closes it.
    ///
    /// # Errors
    /// When that fails, or a write before it did that nobody was told of.
    pub fn close(self) -> Result<(), AuditError> {
        self.end()
    }

    fn end(&self) -> Result<(), AuditError> {
        let Some(handle) = lock(&self.writer).take() else { return Ok(()) };
        let stopped = self.append(&Record::stop(Timestamp::now())).map(drop);
        let flushed = self.wait_for_all(true);
        lock(&self.shared.queue).closing = true;
        self.shared.work.notify_all();
        let joined = handle.join().map_err(|_| AuditError::Closed);
        stopped.and(flushed).and(joined)
    }

    fn enqueue(&self, job: Job) -> Result<(), AuditError> {
        let queue = lock(&self.shared.queue);
        let full = |queue: &mut Queue| queue.jobs.len() >= MAX_WAITING && !queue.closed;
        let mut queue = self.shared.room.wait_while(queue, full).unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return Err(AuditError::Closed);
        }
        if job.answer.is_none()
            && let Some(error) = queue.failed.take()
        {
            return Err(AuditError::Store(error));
        }
        queue.jobs.push(job);
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }

    fn wait_for_all(&self, sign: bool) -> Result<(), AuditError> {
        let slot = Arc::new(Slot::default());
        {
            let mut queue = lock(&self.shared.queue);
            if queue.closed {
                return Err(AuditError::Closed);
            }
            queue.flushes.push(Flush { slot: Arc::clone(&slot), sign });
        }
        self.shared.work.notify_one();
        slot.wait().map(drop).map_err(|error| AuditError::Store(error))
    }
}

impl AuditSink for Log {
    fn write(&self, record: &Record<'_>) -> Result<(), AuditError> {
        self.write_with(record, None)
    }

    fn keeps_contents(&self) -> bool {
        self.vault.is_some()
    }

    fn seal(&self, content: &Content) -> Result<Option<Sealed>, AuditError> {
        let sealed = self.vault.as_ref().map(|vault| vault.seal(content)).transpose();
        sealed.map_err(|error| AuditError::Store(Arc::new(error)))
    }

    fn write_with(&self, record: &Record<'_>, sealed: Option<Sealed>) -> Result<(), AuditError> {
        let record = Prepared::of(record)?;
        match self.durability {
            Durability::EachRecord => self.append_prepared(record, sealed).map(drop),
            Durability::OnFlush => self.enqueue(Job { record, sealed, answer: None }),
        }
    }

    fn digest_key(&self) -> Option<&[u8]> {
        self.digest_key.as_ref().map(|key| &key[..])
    }

    fn flush(&self) -> Result<(), AuditError> {
        self.wait_for_all(false)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Whoever wants to know has called `close`.
        let _ = self.end();
    }
}
