//! What is kept of a verdict, and where it goes.

#[cfg(feature = "audit")]
mod base64;
mod canonical;
#[cfg(feature = "audit")]
mod checkpoint;
mod content;
#[cfg(feature = "audit")]
mod cut;
mod digest;
#[cfg(feature = "audit")]
mod entry;
mod jsonl;
#[cfg(feature = "audit")]
mod key;
#[cfg(feature = "audit")]
mod ledger;
#[cfg(feature = "audit")]
mod log;
mod logged;
#[cfg(feature = "audit")]
pub(crate) mod note;
#[cfg(feature = "audit")]
mod payload_key;
#[cfg(feature = "audit")]
mod proof;
#[cfg(feature = "audit")]
mod reader;
mod record;
mod retained;
mod stated;
#[cfg(feature = "audit")]
mod tree;
#[cfg(feature = "audit")]
mod vault;
#[cfg(feature = "audit")]
mod verify;

use std::sync::Arc;

#[cfg(feature = "audit")]
pub use checkpoint::{Checkpoint, NoCheckpoint};
#[cfg(feature = "audit")]
pub(crate) use cut::{Cut, is_signed};
#[cfg(feature = "audit")]
pub use key::{KeyError, PublicKey, SigningKey};
#[cfg(feature = "audit")]
pub(crate) use ledger::{Ledger, run_name};
#[cfg(feature = "audit")]
pub use log::{Log, LogError, LogOptions, data_keys_of};
#[cfg(feature = "audit")]
pub use payload_key::{KeySource, PayloadKey};
#[cfg(feature = "audit")]
pub use proof::{Proof, ProofError};
#[cfg(feature = "audit")]
pub use reader::{Entry, LogReader, Stats};
#[cfg(feature = "audit")]
pub use vault::{Vault, VaultError};
#[cfg(feature = "audit")]
pub use verify::{Problem, Report, Verify};

use canonical::NotCanonical;
pub use canonical::{Inexact, canonical};
#[cfg(feature = "audit")]
pub(crate) use content::commitment;
pub use content::{Content, KeptRecord, Sealed};
pub use digest::RecordedText;
pub use jsonl::{Durability, JsonlSink};
pub(crate) use record::ENGINE;
pub use record::{
    BundleRecord, CandidateRecord, LifecycleRecord, ReadRecord, Record, RecordedFinding, RefusedBundleRecord,
    ReturnRecord, SecurityRecord, VerdictRecord,
};
pub use retained::{
    AccessRecord, ApprovalRecord, BatchRecord, ErasureRecord, HoldRecord, KeyRecord, Removed, RemovedRecord,
    RevealRecord, RunRecord, SessionEndRecord, Stayed,
};
pub use stated::{AskedRecord, StatedRecord};

/// Why a record could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The log could not be written.
    #[error("the audit log can't be written")]
    Write(#[from] std::io::Error),
    /// A record is not JSON.
    #[error("a record can't be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// A record holds a number that JSON does not hold exactly.
    #[error("a record can't be written as canonical JSON")]
    Inexact(#[from] Inexact),
    /// What a host reports is longer than 4 KiB.
    #[error("the details of a security event are longer than 4 KiB")]
    TooLong,
    /// The log's store could not take it.
    #[error("the audit log can't be written")]
    Store(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// An earlier write failed, so that the log may end in half a record.
    #[error("the audit log failed before and takes no more records")]
    Closed,
    /// Another store's own reason.
    #[error("{0}")]
    Other(String),
}

impl From<NotCanonical> for AuditError {
    fn from(error: NotCanonical) -> Self {
        match error {
            NotCanonical::Inexact(error) => Self::Inexact(error),
            NotCanonical::Other(message) => Self::Encode(serde::ser::Error::custom(message)),
        }
    }
}

/// Where records go. A record that can't be written turns its verdict into a deny.
pub trait AuditSink: Send + Sync {
    /// Writes one record, durably unless the manifest says `audit: batched`.
    ///
    /// # Errors
    /// When the record is not, or may not be, written.
    fn write(&self, record: &Record<'_>) -> Result<(), AuditError>;

    /// The key for digests of texts; without one, records hold none.
    fn digest_key(&self) -> Option<&[u8]> {
        None
    }

    /// Whether it keeps contents apart from records, as the bundle's retention classes say. Otherwise none is kept.
    fn keeps_contents(&self) -> bool {
        false
    }

    /// Encrypts a content that is to be kept; `None` where none are.
    ///
    /// # Errors
    /// When it can't be encrypted.
    fn seal(&self, content: &Content) -> Result<Option<Sealed>, AuditError> {
        let _ = content;
        Ok(None)
    }

    /// Writes a record together with the content that it tells of: both or none. Only a sink that seals is given one.
    ///
    /// # Errors
    /// As [`AuditSink::write`].
    fn write_with(&self, record: &Record<'_>, sealed: Option<Sealed>) -> Result<(), AuditError> {
        match sealed {
            None => self.write(record),
            Some(_) => Err(AuditError::Other("the sink keeps no contents".to_owned())),
        }
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When that fails.
    fn flush(&self) -> Result<(), AuditError> {
        Ok(())
    }
}
