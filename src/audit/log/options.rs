//! How a log is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Durability;
use super::super::key::SigningKey;
use super::super::payload_key::PayloadKey;
use super::super::vault::Vault;
use super::LogError;
use crate::store::Store;

/// How a log is written.
#[derive(Debug)]
#[must_use]
pub struct LogOptions {
    pub(super) key: Option<SigningKey>,
    pub(super) outside: Option<PathBuf>,
    pub(super) every: u64,
    pub(super) after: Duration,
    pub(in crate::audit) wait: Duration,
    pub(super) durability: Durability,
    pub(super) create: bool,
    payload_key: Option<PayloadKey>,
    data_keys: Option<PathBuf>,
}

impl Default for LogOptions {
    /// Unsigned, every record durable before it is answered, made where it is not there.
    fn default() -> Self {
        Self {
            key: None,
            outside: None,
            every: 1024,
            after: Duration::from_secs(60),
            wait: Duration::from_secs(10),
            durability: Durability::EachRecord,
            create: true,
            payload_key: None,
            data_keys: None,
        }
    }
}

impl LogOptions {
    /// Keeps the contents that the bundle's retention classes keep, encrypted under data keys that are themselves encrypted under
    /// this key. Without one, no content is kept.
    pub fn payload_key(mut self, key: PayloadKey) -> Self {
        self.payload_key = Some(key);
        self
    }

    /// The file of data keys; otherwise the log's with `.keys` behind its name. A backup of the log must not hold it.
    pub fn data_keys(mut self, file: impl Into<PathBuf>) -> Self {
        self.data_keys = Some(file.into());
        self
    }

    /// The data keys of a log, where there is a key for them.
    pub(in crate::audit) fn vault(
        &mut self,
        log: &Path,
        store: &mut dyn Store,
    ) -> Result<Option<Vault>, LogError> {
        let Some(key) = self.payload_key.take() else { return Ok(None) };
        let path = self.data_keys.take().unwrap_or_else(|| data_keys_of(log));
        let mut keeps = false;
        store.read(&mut |rows| {
            keeps = !rows.groups()?.is_empty();
            Ok(())
        })?;
        // Most likely they lie elsewhere: with new ones, nobody would find out until a content is asked for.
        if keeps && !path.exists() {
            return Err(LogError::NoDataKeys { path });
        }
        Ok(Some(Vault::open(&path, store.origin(), key, self.wait)?))
    }

    /// Signs checkpoints with a key; it also gives the key for digests of texts.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Appends each checkpoint to this file too. It should lie where who can write the database can't.
    pub fn checkpoints(mut self, file: impl Into<PathBuf>) -> Self {
        self.outside = Some(file.into());
        self
    }

    /// Signs a checkpoint after so many records, and so long after a record that no checkpoint covers.
    pub fn checkpoint_every(mut self, records: u64, after: Duration) -> Self {
        (self.every, self.after) = (records.max(1), after);
        self
    }

    /// Waits so long for other programs' locks.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Says when a record is answered.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Refuses to make a log where there is none.
    pub fn existing(mut self) -> Self {
        self.create = false;
        self
    }
}

/// The file of data keys of a log, where none is named.
#[must_use]
pub fn data_keys_of(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".keys");
    PathBuf::from(name)
}
