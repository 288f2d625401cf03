//! What is kept of a verdict, and where it goes.

#[cfg(feature = "audit")]
mod base64;
mod canonical;
#[cfg(feature = "audit")]
mod checkpoint;
mod digest;
#[cfg(feature = "audit")]
mod entry;
mod jsonl;
#[cfg(feature = "audit")]
mod key;
#[cfg(feature = "audit")]
mod log;
mod logged;
#[cfg(feature = "audit")]
mod proof;
#[cfg(feature = "audit")]
mod reader;
mod record;
#[cfg(feature = "audit")]
mod tree;
#[cfg(feature = "audit")]
mod verify;

use std::sync::Arc;

#[cfg(feature = "audit")]
pub use checkpoint::{Checkpoint, NoCheckpoint};
#[cfg(feature = "audit")]
pub use key::{KeyError, PublicKey, SigningKey};
#[cfg(feature = "audit")]
pub use log::{Log, LogError, LogOptions};
#[cfg(feature = "audit")]
pub use proof::{Proof, ProofError};
#[cfg(feature = "audit")]
pub use reader::{Entry, LogReader, Stats};
#[cfg(feature = "audit")]
pub use verify::{Problem, Report, Verify};

pub use canonical::{Inexact, canonical};
pub use digest::RecordedText;
pub use jsonl::{Durability, JsonlSink};
pub use record::{
    BundleRecord, LifecycleRecord, ReadRecord, Record, RecordedFinding, RefusedBundleRecord, SecurityRecord,
    VerdictRecord,
};

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

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When that fails.
    fn flush(&self) -> Result<(), AuditError> {
        Ok(())
    }
}
