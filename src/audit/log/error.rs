//! Why a log could not be opened, written or read.

use std::path::PathBuf;

use super::super::AuditError;
use super::super::key::KeyError;
use super::super::vault::VaultError;
use crate::store::StoreError;

/// Why the log could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store's own reason.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key's own reason.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log is not what it was when it was last seen: somebody has removed or changed records.
    #[error(
        "the audit log no longer holds the {size} records that it held before; run: ringfence audit verify"
    )]
    Rewritten {
        /// How many it held.
        size: u64,
    },
    /// The last record that this program has seen was removed by retention.
    #[error("retention has removed the last record that this program had seen: open the audit log anew")]
    Outrun,
    /// The oldest records do not fit their hashes, so that they are not removed.
    #[error("the oldest records of the audit log are not what was written; run: ringfence audit verify")]
    Altered,
    /// The log does not fit a checkpoint of it.
    #[error(
        "the audit log does not fit the checkpoint of its first {size} records; run: ringfence audit verify"
    )]
    Unlike {
        /// How many records the checkpoint covers.
        size: u64,
    },
    /// The file outside the database holds checkpoints of another log.
    #[error("`{}` holds checkpoints of another log, `{origin}`; name another file", path.display())]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// The other log.
        origin: String,
    },
    /// The latest checkpoint could not be written outside the database.
    #[error("can't write the checkpoint to `{}`", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no record of this number.
    #[error("there is no record {index}: the log has {size}")]
    NoRecord {
        /// The number.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// Retention has removed the record.
    #[error("record {index} was removed by retention")]
    RemovedRecord {
        /// The number.
        index: u64,
    },
    /// No checkpoint covers the record.
    #[error("record {index} is not covered by a checkpoint yet; sign one with: ringfence audit checkpoint")]
    Unsigned {
        /// The number.
        index: u64,
    },
    /// A record can't be written as canonical JSON.
    #[error(transparent)]
    Record(#[from] AuditError),
    /// The log has contents, and their keys are not there.
    #[error("`{}`, with the data keys of the log's contents, is not there; name the file (--data-keys), or make an empty one to go on without what was kept", path.display())]
    NoDataKeys {
        /// The file.
        path: PathBuf,
    },
    /// A content can't be encrypted or decrypted.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Signing needs a key.
    #[error("a checkpoint needs a key: make one with `ringfence audit init-key FILE`")]
    NoKey,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
    /// The thread that writes could not be started.
    #[error("can't start the thread that writes the audit log")]
    Thread(#[source] std::io::Error),
}
