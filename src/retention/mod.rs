//! How long contents are kept, and that they are gone then.
//!
//! A [`Retention`] is opened on a log that others may be writing to. What it removes goes in transactions of a few milliseconds, each
//! with a record of its own in the log, so that a run may be stopped at any time and goes on where it was. Nothing is removed that
//! is under a [hold](Retention::hold), and nothing before the class's `minimum`.

mod account;
mod anonymise;
mod apply;
mod erase;
mod export;
mod hold;
mod numbers;
mod period;
mod plan;
mod receipt;
mod records;
mod scheduler;

use std::path::Path;

use jiff::Timestamp;

use crate::audit::{Ledger, LogError, LogOptions, PayloadKey, Vault, VaultError};
use crate::engine::Engine;
use crate::store::StoreError;

pub use account::Account;
pub use anonymise::{ANONYMISED, Message, anonymise};
pub use apply::Run;
pub use export::Exported;
pub use hold::NewHold;
pub use period::Standing;
pub use plan::{Ages, Group, Plan, RecordsPlan};
pub use receipt::{Receipt, ReceiptError};
pub use scheduler::Scheduler;

/// Why retention could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// The log's own reason.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Contents can't be read, and keys can't be destroyed, without the payload key.
    #[error("this needs the payload key under which contents were kept")]
    NoPayloadKey,
    /// There is no such hold.
    #[error("there is no hold `{name}`")]
    NoHold {
        /// The name.
        name: String,
    },
    /// There is one of this name.
    #[error("there is a hold `{name}` already")]
    HoldExists {
        /// The name.
        name: String,
    },
    /// A hold without a name, a reason or an owner, or one that has ended before it began.
    #[error(
        "a hold has a name, an id, a reason and an owner, each of 1 to 500 bytes, and ends after it begins"
    )]
    BadHold,
}

impl From<StoreError> for RetentionError {
    fn from(error: StoreError) -> Self {
        Self::Log(error.into())
    }
}

impl From<VaultError> for RetentionError {
    fn from(error: VaultError) -> Self {
        Self::Log(error.into())
    }
}

/// The contents of a log, and what is done with them.
pub struct Retention {
    ledger: Ledger,
    engine: Engine,
    by: String,
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retention").field("log", &self.ledger.origin()).finish_non_exhaustive()
    }
}

impl Retention {
    /// Opens a log that is there, to apply the retention classes of a bundle to it. `options` name the keys: the one that signs
    /// checkpoints, and the payload key, without which nothing can be shredded or exported. `by` is recorded as who did it.
    ///
    /// # Errors
    /// When the log or the file of its data keys can't be opened or written.
    pub fn open(
        path: &Path,
        engine: &Engine,
        options: LogOptions,
        by: impl Into<String>,
    ) -> Result<Self, RetentionError> {
        let ledger = Ledger::open(path, options.existing())?;
        Ok(Self { ledger, engine: engine.clone(), by: by.into() })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.ledger.origin()
    }

    fn vault(&self) -> Result<&Vault, RetentionError> {
        self.ledger.vault().ok_or(RetentionError::NoPayloadKey)
    }

    /// Encrypts every data key under another payload key from now on; how many there are. Programs that write contents have to be
    /// started with the new one.
    ///
    /// # Errors
    /// When a key can't be read or written; then none was changed.
    pub fn rotate_key(&mut self, to: PayloadKey, now: Timestamp) -> Result<u64, RetentionError> {
        let under = to.id().iter().map(|byte| format!("{byte:02x}")).collect();
        let keys = self.vault()?.rotate(to)?;
        let by = self.by.clone();
        let record = crate::audit::KeyRecord { at: now, by: &by, keys, under, engine: crate::audit::ENGINE };
        let body = crate::audit::Record::KeyRotation(record).to_json().map_err(LogError::from)?;
        self.ledger.write(&mut |_, _| Ok(vec![body.clone()]))?;
        self.ledger.sign()?;
        Ok(keys)
    }
}
