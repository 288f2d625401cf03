//! A program, pinned to the file that was decided about.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::run::SandboxError;

/// A program found once: where it is, and which file was there. When it is run, another file at the same place, or the
/// same file changed, refuses the command; on Linux the file that was looked at is the one that is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Without links, as bytes that need not be UTF-8.
    path: OsString,
    /// What the program is told it is called.
    pub(super) called: OsString,
    identity: Identity,
    digest: Option<[u8; 32]>,
}

/// Which file it is, and that it was not written to: a change of its content, owner or mode sets the last time, and
/// no program can set that back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Program {
    /// Pins the program at an absolute path, links followed.
    ///
    /// # Errors
    /// When the path is relative, or no file that can be run is there.
    pub fn pin(path: impl AsRef<Path>) -> Result<Self, SandboxError> {
        let asked = path.as_ref();
        let unusable = |source| SandboxError::Program { path: asked.to_owned(), source };
        if !asked.is_absolute() {
            return Err(unusable(io::Error::other("the path of a program must be absolute")));
        }
        let path = asked.canonicalize().map_err(unusable)?;
        let file = open(&path).map_err(unusable)?;
        let identity = Identity::of(&file).map_err(unusable)?;
        Ok(Self { path: path.into(), called: asked.into(), identity, digest: None })
    }

    /// Pins the first program of this name in the folders, which are the caller's: the environment is not asked.
    ///
    /// # Errors
    /// When the name is a path, or no folder has such a program.
    pub fn find<F: AsRef<Path>>(
        name: impl AsRef<OsStr>,
        folders: impl IntoIterator<Item = F>,
    ) -> Result<Self, SandboxError> {
        let name = name.as_ref();
        let missing = |why: &str| SandboxError::Program { path: name.into(), source: io::Error::other(why) };
        if Path::new(name).components().count() != 1 || Path::new(name).file_name() != Some(name) {
            return Err(missing("the name of a program must not be a path"));
        }
        folders
            .into_iter()
            .find_map(|folder| Self::pin(folder.as_ref().join(name)).ok())
            .map(|found| Self { called: name.into(), ..found })
            .ok_or_else(|| missing("no folder has such a program"))
    }

    /// Pins the content too, by SHA-256: for programs on file systems whose times can't be trusted. Reads the whole file, now
    /// and when it is run.
    ///
    /// # Errors
    /// When the program can't be read or is no longer the one that was pinned.
    pub fn with_digest(mut self) -> Result<Self, SandboxError> {
        let mut file = self.open()?;
        self.digest = Some(self.digest_of(&mut file)?);
        Ok(self)
    }

    /// Where the program is, links followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(&self.path)
    }

    /// The SHA-256 of its content, if that is pinned.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.digest
    }

    /// Opens the file that was pinned, or none.
    pub(super) fn open(&self) -> Result<File, SandboxError> {
        let path = || self.path().to_owned();
        let mut file = open(self.path()).map_err(|source| SandboxError::Program { path: path(), source })?;
        let found = Identity::of(&file).map_err(|source| SandboxError::Program { path: path(), source })?;
        if found != self.identity {
            return Err(SandboxError::Changed { path: path() });
        }
        if self.digest.is_some() && Some(self.digest_of(&mut file)?) != self.digest {
            return Err(SandboxError::Changed { path: path() });
        }
        Ok(file)
    }

    fn digest_of(&self, file: &mut File) -> Result<[u8; 32], SandboxError> {
        let unreadable = |source| SandboxError::Program { path: self.path().to_owned(), source };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = file.read(&mut buffer).map_err(unreadable)?;
            match buffer.get(..read) {
                Some([]) | None => break,
                Some(bytes) => hash.update(bytes),
            }
        }
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        Ok(hash.finalize().into())
    }
}

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let data = file.metadata()?;
        if !data.is_file() || data.permissions().mode() & 0o111 == 0 {
            return Err(io::Error::other("not a file that can be run"));
        }
        Ok(Self {
            device: data.dev(),
            inode: data.ino(),
            bytes: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }
}

/// Opens to read, without waiting for the other end of what may be a pipe. The last part of the path is no link: links
/// were followed when the program was pinned.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Whether the file names an interpreter in its first line.
pub(super) fn is_script(file: &File) -> io::Result<bool> {
    let mut start = [0; 2];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut start, 0)?;
    Ok(read == 2 && start == *b"#!")
}
