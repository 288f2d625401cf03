//! Writing to a log with more in a transaction than records.

use std::path::Path;

use super::digest::hex;
use super::key::SigningKey;
use super::log::{LogError, LogOptions, Work, Writer};
use super::vault::{Vault, VaultError};
use crate::store::{Access, Read, SqliteStore};

/// A log that is written by oneself, one transaction after the other, whatever other programs write between them.
pub(crate) struct Ledger {
    writer: Writer,
    vault: Option<Vault>,
}

impl Ledger {
    /// Opens a log that is there, with the data keys of its contents where the options have a key for them.
    pub(crate) fn open(path: &Path, mut options: LogOptions) -> Result<Self, LogError> {
        let mut store = SqliteStore::open(path, Access::Write, "", options.wait)?;
        let vault = options.vault(path, &mut store)?;
        Ok(Self { writer: Writer::new(Box::new(store), options)?, vault })
    }

    /// The log's name.
    pub(crate) fn origin(&self) -> &str {
        &self.writer.origin
    }

    /// The key that signs.
    pub(crate) fn key(&self) -> Option<&SigningKey> {
        self.writer.key.as_ref()
    }

    /// The data keys of contents.
    pub(crate) fn vault(&self) -> Option<&Vault> {
        self.vault.as_ref()
    }

    /// One transaction. `work` gives the records that belong to what it does; all of it is durable once this returns.
    pub(crate) fn write(&mut self, work: &mut Work<'_>) -> Result<(), LogError> {
        self.writer.commit_with(Vec::new(), false, work).map(drop)
    }

    /// Signs what was written, where there is a key.
    pub(crate) fn sign(&mut self) -> Result<(), LogError> {
        self.writer.commit_with(Vec::new(), true, &mut |_, _| Ok(Vec::new())).map(drop)
    }

    /// Reads one state of the log.
    pub(crate) fn read<T>(
        &mut self,
        mut work: impl FnMut(&dyn Read) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut found = None;
        self.writer.store.read(&mut |rows| {
            found = Some(work(rows));
            Ok(())
        })?;
        found.unwrap_or(Err(LogError::Closed))
    }

    /// Leaves nothing of what was removed in any file; `false` where a program that reads keeps that from being so yet.
    pub(crate) fn clean(&mut self) -> Result<bool, LogError> {
        Ok(self.writer.store.clean()?)
    }
}

/// A name that no other run has.
pub(crate) fn run_name() -> Result<String, LogError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| VaultError::Random)?;
    Ok(hex(&random))
}
