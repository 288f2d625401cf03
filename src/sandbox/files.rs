//! Files beneath a folder, by handle, so that no link and no race leads outside.
//!
//! A path is followed from the root's handle, by the kernel in one call (`openat2`) or part by part without links. What is
//! read or written is reached by the handle that this gave, never by name again.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// A folder beneath which files may be read and written.
///
/// Paths are relative to it, without `..`. A hard link to a file outside can't be told from a file: who may make one
/// may read the file. A folder moved out of the root while it is in use is written to where it then is.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    symlinks: Symlinks,
    limits: FileLimits,
}

/// Whether links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symlinks {
    /// A path with a link in it is refused.
    Refuse,
    /// Links are followed as long as they stay beneath the root. Linux 5.6 and newer only; elsewhere a path with a link is refused.
    Within,
}

/// How much is read, written and listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// The longest file that is read, in bytes.
    pub read_bytes: u64,
    /// The longest file that is written, in bytes.
    pub write_bytes: u64,
    /// Entries of a folder that are listed; what goes beyond is left out, and said to be.
    pub entries: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { read_bytes: 16 << 20, write_bytes: 16 << 20, entries: 10_000 }
    }
}

/// What a write may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Only make a file.
    Create,
    /// Only replace a file.
    Replace,
    /// Either.
    CreateOrReplace,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A file with content.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, socket or device: never opened.
    Special,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// What it is, itself and not what it may link to.
    pub kind: FileKind,
    /// Its length in bytes; 0 for all but files.
    pub bytes: u64,
}

/// A folder's entries, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// As many as are listed.
    pub entries: Vec<Entry>,
    /// Whether there are more.
    pub truncated: bool,
}

/// Why a file was not touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The path is absolute, empty, has `..` or a NUL in it, or leads out of the root.
    #[error("`{}` is not beneath the root", path.display())]
    Outside {
        /// As asked for.
        path: PathBuf,
    },
    /// A link that is not followed.
    #[error("`{}` is or goes through a symbolic link", path.display())]
    Link {
        /// As asked for.
        path: PathBuf,
    },
    /// A pipe, socket or device.
    #[error("`{}` is a pipe, a socket or a device", path.display())]
    Special {
        /// As asked for.
        path: PathBuf,
    },
    /// Longer than may be read or written.
    #[error("`{}` is longer than {limit} bytes", path.display())]
    TooLong {
        /// As asked for.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// What the system said.
    #[error("`{}` can't be used", path.display())]
    System {
        /// As asked for.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl Root {
    /// Opens a folder, links to it followed.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(folder: impl AsRef<Path>, symlinks: Symlinks) -> Result<Self, FileError> {
        let path = folder.as_ref();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| refused(path, error))?;
        Ok(Self { folder, symlinks, limits: FileLimits::default() })
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: FileLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// When it is not a file beneath the root, or longer than may be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, FileError> {
        let path = path.as_ref();
        let limit = self.limits.read_bytes;
        let too_long = || FileError::TooLong { path: path.to_owned(), limit };
        // Looked at before it is opened, since opening some devices does something.
        self.look(path)?;
        let file = self.beneath(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = rustix::fs::fstat(&file).map_err(|error| refused(path, error))?;
        only_file(path, &stat)?;
        if u64::try_from(stat.st_size).unwrap_or(0) > limit {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        // It may grow while it is read.
        let read = File::from(file).take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| refused(path, error))?;
        if bytes.len() as u64 > limit {
            return Err(too_long());
        }
        Ok(bytes)
    }

    /// Writes a whole file: readers see the old content or the new one, also after a crash. The mode of a file that is
    /// replaced is kept; its owner becomes who writes. A new one is its owner's to read and write.
    ///
    /// # Errors
    /// When it is not beneath the root, is no file, is a link (in either mode of [`Symlinks`]), is there and must not be or the
    /// other way round, or the content is longer than may be written. Nothing is changed then.
    pub fn write(&self, path: impl AsRef<Path>, bytes: &[u8], how: Write) -> Result<(), FileError> {
        let path = path.as_ref();
        if bytes.len() as u64 > self.limits.write_bytes {
            return Err(FileError::TooLong { path: path.to_owned(), limit: self.limits.write_bytes });
        }
        let failed = |error: Errno| refused(path, error);
        let (folder, name) = self.parent(path)?;
        let mode = match rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) if how == Write::Create => return Err(failed(Errno::EXIST)),
            Ok(stat) => {
                only_file(path, &stat)?;
                // Without set-user-ID and the like.
                Mode::from_raw_mode(stat.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO)
            }
            Err(Errno::NOENT) if how != Write::Replace => Mode::RUSR | Mode::WUSR,
            Err(error) => return Err(failed(error)),
        };
        let draft = Draft::make(&folder).map_err(failed)?;
        let mut file = File::from(draft.file.try_clone().map_err(|error| refused(path, error))?);
        file.write_all(bytes).map_err(|error| refused(path, error))?;
        rustix::fs::fchmod(&file, mode).map_err(failed)?;
        file.sync_all().map_err(|error| refused(path, error))?;
        match how {
            // A link, unlike a move, does not replace what came in between.
            Write::Create => {
                rustix::fs::linkat(&folder, &draft.name, &folder, &name, AtFlags::empty()).map_err(failed)?;
            }
            // What is there by now is replaced itself, also if it is a link.
            Write::Replace | Write::CreateOrReplace => {
                rustix::fs::renameat(&folder, &draft.name, &folder, &name).map_err(failed)?;
            }
        }
        drop(draft);
        rustix::fs::fsync(&folder).map_err(failed)
    }

    /// Lists a folder; the root itself is `.`.
    ///
    /// # Errors
    /// When it is not a folder beneath the root.
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Listing, FileError> {
        let path = path.as_ref();
        let failed = |error: Errno| refused(path, error);
        let folder = self.beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut listing = Listing::default();
        for entry in Dir::read_from(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if listing.entries.len() >= self.limits.entries {
                listing.truncated = true;
                break;
            }
            // One that is gone meanwhile is not there.
            let Ok(stat) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let kind = kind_of(&stat);
            let bytes = if kind == FileKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
            listing.entries.push(Entry { name: OsString::from_vec(name.to_bytes().to_vec()), kind, bytes });
        }
        listing.entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listing)
    }

    /// Deletes a file, a link (and not what it leads to) or an empty folder.
    ///
    /// # Errors
    /// When it is not beneath the root or can't be deleted.
    pub fn delete(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let failed = |error: Errno| refused(path, error);
        let (folder, name) = self.parent(path)?;
        let stat = rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let flags = match kind_of(&stat) {
            FileKind::Folder => AtFlags::REMOVEDIR,
            FileKind::File | FileKind::Link => AtFlags::empty(),
            FileKind::Special => return Err(FileError::Special { path: path.to_owned() }),
        };
        rustix::fs::unlinkat(&folder, &name, flags).map_err(failed)
    }

    /// Makes a folder, its owner's alone, in a folder that is there.
    ///
    /// # Errors
    /// When it is not beneath the root, or something of this name is there.
    pub fn create_folder(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let (folder, name) = self.parent(path)?;
        rustix::fs::mkdirat(&folder, &name, Mode::RWXU).map_err(|error| refused(path, error))
    }

    /// What is at a path, links followed as far as they may be.
    ///
    /// # Errors
    /// When nothing beneath the root is.
    pub fn kind(&self, path: impl AsRef<Path>) -> Result<FileKind, FileError> {
        let path = path.as_ref();
        match self.look(path) {
            Ok(kind) => Ok(kind),
            Err(FileError::Special { .. }) => Ok(FileKind::Special),
            Err(error) => Err(error),
        }
    }

    /// What is there, without opening it; special files are refused.
    fn look(&self, path: &Path) -> Result<FileKind, FileError> {
        #[cfg(target_os = "linux")]
        let stat = rustix::fs::fstat(self.beneath(path, OFlags::PATH)?);
        #[cfg(not(target_os = "linux"))]
        let stat = match self.parent(path) {
            Ok((folder, name)) => rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW),
            Err(_) => rustix::fs::fstat(self.beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)?),
        };
        let kind = kind_of(&stat.map_err(|error| refused(path, error))?);
        match kind {
            FileKind::Special => Err(FileError::Special { path: path.to_owned() }),
            FileKind::Link => Err(FileError::Link { path: path.to_owned() }),
            FileKind::File | FileKind::Folder => Ok(kind),
        }
    }

    /// The folder that holds what the path names, and its name there.
    fn parent(&self, path: &Path) -> Result<(OwnedFd, OsString), FileError> {
        let mut parts = parts(path)?;
        let Some(name) = parts.pop() else { return Err(FileError::Outside { path: path.to_owned() }) };
        // `a/` names a folder, and would name a file without its last byte.
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(refused(path, Errno::ISDIR));
        }
        let folder = self.open_parts(path, &parts, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok((folder, name))
    }

    fn beneath(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, FileError> {
        self.open_parts(path, &parts(path)?, flags)
    }

    fn open_parts(&self, path: &Path, parts: &[OsString], flags: OFlags) -> Result<OwnedFd, FileError> {
        let flags = flags | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        if let Some(opened) = open_at_once(self.folder.as_fd(), parts, flags, self.symlinks) {
            return opened.map_err(|error| refused(path, error));
        }
        // Without the call, links are followed in neither mode.
        let (Symlinks::Refuse | Symlinks::Within) = self.symlinks;
        let opened = open_part_by_part(self.folder.as_fd(), parts, flags);
        opened.map_err(|error| match error {
            // Some systems say so of a link where a folder was asked for.
            Errno::NOTDIR if self.goes_through_link(parts) => FileError::Link { path: path.to_owned() },
            error => refused(path, error),
        })
    }

    /// Only for the words of an error.
    fn goes_through_link(&self, parts: &[OsString]) -> bool {
        (0..parts.len()).any(|end| {
            let (Some(before), Some(name)) = (parts.get(..end), parts.get(end)) else { return false };
            open_part_by_part(
                self.folder.as_fd(),
                before,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            )
            .and_then(|folder| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW))
            .is_ok_and(|stat| kind_of(&stat) == FileKind::Link)
        })
    }
}

/// The names that a path goes through. A path that could lead out in any other way than by a link is refused here.
fn parts(path: &Path) -> Result<Vec<OsString>, FileError> {
    let outside = || FileError::Outside { path: path.to_owned() };
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(outside());
    }
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => Ok(name.to_owned()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
                Err(outside())
            }
        })
        .collect()
}

/// By one call of the kernel, or none where it has no such call.
#[cfg(target_os = "linux")]
fn open_at_once(
    root: std::os::fd::BorrowedFd<'_>,
    parts: &[OsString],
    flags: OFlags,
    symlinks: Symlinks,
) -> Option<Result<OwnedFd, Errno>> {
    use rustix::fs::ResolveFlags;

    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if symlinks == Symlinks::Refuse {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    let path: PathBuf = if parts.is_empty() { ".".into() } else { parts.iter().collect() };
    // The kernel gives up when something was moved anywhere meanwhile and a link goes upwards.
    for _ in 0..128 {
        match rustix::fs::openat2(root, &path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            // Some containers refuse calls that they do not know, with the second.
            Err(Errno::NOSYS | Errno::PERM) => return None,
            opened => return Some(opened),
        }
    }
    Some(Err(Errno::AGAIN))
}

/// Each part from the handle of the one before it, no links followed.
fn open_part_by_part(
    root: std::os::fd::BorrowedFd<'_>,
    parts: &[OsString],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let to_folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some((last, before)) = parts.split_last() else {
        return rustix::fs::openat(root, ".", flags | OFlags::NOFOLLOW, Mode::empty());
    };
    let mut folder: Option<OwnedFd> = None;
    for part in before {
        let from = folder.as_ref().map_or(root, AsFd::as_fd);
        folder = Some(rustix::fs::openat(from, part, to_folder, Mode::empty())?);
    }
    let from = folder.as_ref().map_or(root, AsFd::as_fd);
    rustix::fs::openat(from, last, flags | OFlags::NOFOLLOW, Mode::empty())
}

fn kind_of(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        FileType::Symlink => FileKind::Link,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => FileKind::Special,
    }
}

fn only_file(path: &Path, stat: &Stat) -> Result<(), FileError> {
    match kind_of(stat) {
        FileKind::File => Ok(()),
        FileKind::Folder => Err(refused(path, Errno::ISDIR)),
        FileKind::Link => Err(FileError::Link { path: path.to_owned() }),
        FileKind::Special => Err(FileError::Special { path: path.to_owned() }),
    }
}

fn refused(path: &Path, error: impl Into<io::Error>) -> FileError {
    let (path, source) = (path.to_owned(), error.into());
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::XDEV) => FileError::Outside { path },
        Some(Errno::LOOP) => FileError::Link { path },
        // What opening a socket says.
        Some(Errno::NXIO) => FileError::Special { path },
        _ => FileError::System { path, source },
    }
}

/// A file under a name of its own, until it has its content. Removed when it goes out of use under that name.
struct Draft<'a> {
    folder: &'a OwnedFd,
    name: String,
    file: OwnedFd,
}

/// Tells the drafts of a process apart.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

impl<'a> Draft<'a> {
    fn make(folder: &'a OwnedFd) -> Result<Self, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A name in use may be what a process with the same number left, long ago.
        for _ in 0..100 {
            let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
            let name = format!(".ringfence-{}-{number}", std::process::id());
            match rustix::fs::openat(folder, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok(Self { folder, name, file }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EXIST)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // Moved, it is gone already.
        let _ = rustix::fs::unlinkat(self.folder, &self.name, AtFlags::empty());
    }
}
