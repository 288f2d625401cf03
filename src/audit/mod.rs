//! What is kept of a verdict, and where it goes.

mod jsonl;
mod logged;
mod record;

pub use jsonl::{Durability, JsonlSink};
pub use record::{Record, RecordedFinding};

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

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When that fails.
    fn flush(&self) -> Result<(), AuditError> {
        Ok(())
    }
}
