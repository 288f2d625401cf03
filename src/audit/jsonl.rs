//! A sink of one JSON object per line, appended to a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{AuditError, AuditSink, Record};

/// Appends records to a file, one JSON object per line, each durable (`fdatasync`) before the verdict is returned
/// unless told otherwise.
#[derive(Debug)]
pub struct JsonlSink {
    state: Mutex<State>,
    durability: Durability,
}

/// When a record is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before its verdict is returned.
    EachRecord,
    /// When the sink is flushed.
    OnFlush,
}

#[derive(Debug)]
struct State {
    file: File,
    /// After a failed write the file may end in half a line: one more record would be glued to it.
    failed: bool,
}

impl JsonlSink {
    /// Opens a file to append to, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn create(path: &Path) -> Result<Self, AuditError> {
        Self::with_durability(path, Durability::EachRecord)
    }

    /// The same, saying when records are made durable.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn with_durability(path: &Path, durability: Durability) -> Result<Self, AuditError> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        Ok(Self { state: Mutex::new(State { file, failed: false }), durability })
    }
}

impl AuditSink for JsonlSink {
    fn write(&self, record: &Record<'_>) -> Result<(), AuditError> {
        let line = record.to_json()? + "\n";
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed {
            return Err(AuditError::Closed);
        }
        let mut written = state.file.write_all(line.as_bytes());
        if written.is_ok() && self.durability == Durability::EachRecord {
            written = state.file.sync_data();
        }
        state.failed = written.is_err();
        Ok(written?)
    }

    fn flush(&self) -> Result<(), AuditError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(state.file.sync_data()?)
    }
}
