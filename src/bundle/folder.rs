//! Reads a bundle from a folder.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::{Bundle, MANIFEST};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Most files that a bundle may have.
pub(super) const MAX_FILES: usize = 4096;
/// Largest file of a bundle, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 4 << 20;
/// Deepest folder below the bundle's root.
pub(super) const MAX_DEPTH: usize = 4;

/// Why a folder could not be read as a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such folder.
    #[error("{} `{}`", if path.exists() { "no folder or packed bundle is" } else { "there is no folder" }, path.display())]
    NotAFolder {
        /// The path given.
        path: PathBuf,
    },
    /// The folder holds no manifest.
    #[error("`{}` has no `ringfence.yaml`; `ringfence init DIR` writes a bundle to start from", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("can't read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is no packed bundle.
    #[error("`{}` is no packed bundle: {why}", path.display())]
    NotPacked {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The folder is not a bundle but something much larger.
    #[error("`{}` holds more than {MAX_FILES} files or folders deeper than {MAX_DEPTH}", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
}

impl Bundle {
    /// Reads every file of a folder but hidden ones (`.git`, editors' files).
    ///
    /// What can't be used of it is told by [`compile`](crate::compile()): a file that is not UTF-8 text or too large, and
    /// whatever is neither a file nor a folder. A symbolic link is followed to a file inside the bundle and to nothing
    /// else: what it leads to outside is not what was reviewed, and excerpts would show it.
    ///
    /// # Errors
    /// When the folder has no manifest, or the system can't read it.
    pub fn from_folder(path: &Path) -> Result<Bundle, LoadError> {
        if !path.is_dir() {
            return Err(LoadError::NotAFolder { path: path.to_owned() });
        }
        let manifest = path.join(MANIFEST);
        if !manifest.is_file() && fs::symlink_metadata(&manifest).is_err() {
            return Err(LoadError::NoManifest { path: path.to_owned() });
        }
        let inside = fs::canonicalize(path).map_err(failed(path))?;
        let mut reader = Reader { root: path, inside, sources: Vec::new(), problems: Vec::new() };
        reader.walk(path, 0)?;
        let Reader { sources, problems, .. } = reader;
        Ok(Bundle { problems, ..Bundle::from_sources(path.display().to_string(), sources) })
    }
}

/// What tells that a folder's files have changed: their names, sizes and times, and which file each is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FolderState(Vec<(PathBuf, Option<SystemTime>, u64, u64)>);

impl FolderState {
    /// Of what a bundle is read from; empty where there is none. No more is looked at than a bundle may have.
    pub(crate) fn of(path: &Path) -> Self {
        let mut state = Self::default();
        state.add(path, 0);
        state.0.sort();
        state
    }

    fn add(&mut self, path: &Path, depth: usize) {
        // Of what a link leads to: that is what is read.
        let Ok(metadata) = fs::metadata(path) else {
            self.0.push((path.to_owned(), None, 0, 0));
            return;
        };
        if self.0.len() > MAX_FILES || depth > MAX_DEPTH + 1 {
            return;
        }
        if !metadata.is_dir() {
            #[cfg(unix)]
            let which = std::os::unix::fs::MetadataExt::ino(&metadata);
            #[cfg(not(unix))]
            let which = 0;
            self.0.push((path.to_owned(), metadata.modified().ok(), metadata.len(), which));
            return;
        }
        for entry in fs::read_dir(path).into_iter().flatten().take(MAX_FILES).flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.add(&entry.path(), depth + 1);
            }
        }
    }
}

pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> LoadError + use<> {
    let path = path.to_owned();
    move |source| LoadError::Read { path, source }
}

struct Reader<'a> {
    root: &'a Path,
    /// The root without links.
    inside: PathBuf,
    sources: Vec<(String, String)>,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn walk(&mut self, folder: &Path, depth: usize) -> Result<(), LoadError> {
        let too_many = || LoadError::TooMany { path: self.root.to_owned() };
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let entry = entry.map_err(failed(folder))?;
            if entries.len() > MAX_FILES {
                return Err(too_many());
            }
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                entries.push(entry);
            }
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_type().map_err(failed(&path))?.is_dir() {
                if depth + 1 > MAX_DEPTH {
                    return Err(LoadError::TooMany { path: self.root.to_owned() });
                }
                self.walk(&path, depth + 1)?;
                continue;
            }
            if self.sources.len() + self.problems.len() >= MAX_FILES {
                return Err(LoadError::TooMany { path: self.root.to_owned() });
            }
            let relative = path.strip_prefix(self.root).unwrap_or(&path);
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            let name = parts.join("/");
            if relative.to_str().is_none() {
                self.unusable(&name, "has a name that is not UTF-8", "give it a name of plain characters");
                continue;
            }
            self.file(&path, name)?;
        }
        Ok(())
    }

    fn unusable(&mut self, name: &str, why: &str, help: &str) {
        self.problems.push(
            Diagnostic::new(Code::BadFile, format!("`{name}` {why}"))
                .at(Span::whole(&name.into()), "")
                .help(help),
        );
    }

    /// Reads one file, or says why it can't be one of the bundle.
    fn file(&mut self, path: &Path, name: String) -> Result<(), LoadError> {
        const COPY: &str = "put what it leads to into the bundle: what is reviewed must be what is read";
        let link = fs::symlink_metadata(path).map_err(failed(path))?.is_symlink();
        let path = match fs::canonicalize(path) {
            Ok(_) if !link => path.to_owned(),
            Ok(target) => {
                if !target.starts_with(&self.inside) {
                    self.unusable(&name, "is a link that leads out of the bundle", COPY);
                    return Ok(());
                }
                target
            }
            Err(_) if link => {
                self.unusable(&name, "is a link that leads nowhere", "remove it, or put the file there");
                return Ok(());
            }
            Err(source) => return Err(failed(path)(source)),
        };
        let metadata = fs::metadata(&path).map_err(failed(&path))?;
        if metadata.is_dir() {
            self.unusable(&name, "is a link to a folder, which is not followed", COPY);
            return Ok(());
        }
        // Opening a pipe would wait for somebody to write into it.
        if !metadata.is_file() {
            self.unusable(&name, "is neither a file nor a folder", "remove it");
            return Ok(());
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).map_err(failed(&path))?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed(&path))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let why = format!("is larger than {} MiB", MAX_FILE_BYTES >> 20);
            self.unusable(&name, &why, "split it, or keep it out of the bundle");
            return Ok(());
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.sources.push((name, text)),
            Err(error) => {
                let why = format!("is not UTF-8 text (byte {})", error.utf8_error().valid_up_to());
                self.unusable(&name, &why, "save it as UTF-8, or keep it out of the bundle");
            }
        }
        Ok(())
    }
}
