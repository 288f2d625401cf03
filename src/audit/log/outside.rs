//! The file outside the database that keeps checkpoints.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::super::checkpoint::Checkpoint;
use super::LogError;

/// Bytes at the end of the file outside that are searched for the latest checkpoint.
const MAX_TAIL: u64 = 64 * 1024;

/// The file outside the database to which checkpoints are appended.
#[derive(Debug)]
pub(super) struct Outside {
    path: PathBuf,
    file: File,
    pub(super) latest: Option<Checkpoint>,
    /// One that could not be written yet.
    pub(super) owed: Option<String>,
}

impl Outside {
    pub(super) fn open(path: PathBuf, origin: &str) -> Result<Self, LogError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut bytes = Vec::new();
        let read = options.open(&path).and_then(|mut file| {
            // The end of the file is enough; what is no file (a pipe) has no end.
            let about = file.metadata()?;
            if about.is_file() {
                file.seek(SeekFrom::Start(about.len().saturating_sub(MAX_TAIL)))?;
                (&mut file).take(MAX_TAIL).read_to_end(&mut bytes)?;
            }
            Ok(file)
        });
        match read {
            Ok(file) => match Checkpoint::latest_of(&String::from_utf8_lossy(&bytes)) {
                Some(other) if other.origin != origin => {
                    Err(LogError::OtherLog { path, origin: other.origin })
                }
                latest => Ok(Self { path, file, latest, owed: None }),
            },
            Err(source) => Err(LogError::Checkpoint { path, source }),
        }
    }

    /// Writes what is owed.
    pub(super) fn pay(&mut self) -> Result<(), LogError> {
        let Some(note) = &self.owed else { return Ok(()) };
        // In one write, and apart from what an interrupted one may have left.
        let written =
            self.file.write_all(format!("\n\n{note}").as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|source| LogError::Checkpoint { path: self.path.clone(), source })?;
        self.owed = None;
        Ok(())
    }
}
