//! Reads a bundle from a folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{Bundle, MANIFEST};

/// Most files that a bundle may have.
const MAX_FILES: usize = 4096;
/// Largest file of a bundle, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Deepest folder below the bundle's root.
const MAX_DEPTH: usize = 4;

/// Why a folder could not be read as a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such folder.
    #[error("`{}` is not a folder", path.display())]
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
    /// A file is not UTF-8 text.
    #[error("`{}` is not UTF-8 text (byte {at})", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Position of the first bad byte.
        at: usize,
    },
    /// A file is too large.
    #[error("`{}` is larger than {} MiB", path.display(), MAX_FILE_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The folder is not a bundle but something much larger.
    #[error("`{}` holds more than {MAX_FILES} files or folders deeper than {MAX_DEPTH}", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
}

impl Bundle {
    /// Reads every file of a folder but hidden ones (`.git`, editors' files). Symbolic links are followed to files,
    /// not to folders.
    ///
    /// # Errors
    /// When the folder has no manifest, or a file can't be read as text.
    pub fn from_folder(path: &Path) -> Result<Bundle, LoadError> {
        if !path.is_dir() {
            return Err(LoadError::NotAFolder { path: path.to_owned() });
        }
        if !path.join(MANIFEST).is_file() {
            return Err(LoadError::NoManifest { path: path.to_owned() });
        }
        let mut sources = Vec::new();
        walk(path, path, 0, &mut sources)?;
        Ok(Bundle::from_sources(path.display().to_string(), sources))
    }
}

fn walk(
    root: &Path,
    folder: &Path,
    depth: usize,
    sources: &mut Vec<(String, String)>,
) -> Result<(), LoadError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LoadError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type().map_err(failed(&path))?.is_dir() {
            if depth + 1 > MAX_DEPTH {
                return Err(LoadError::TooMany { path: root.to_owned() });
            }
            walk(root, &path, depth + 1, sources)?;
            continue;
        }
        let metadata = fs::metadata(&path).map_err(failed(&path))?;
        if !metadata.is_file() {
            continue;
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(LoadError::TooLarge { path });
        }
        if sources.len() >= MAX_FILES {
            return Err(LoadError::TooMany { path: root.to_owned() });
        }
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                return Err(LoadError::NotText { path, at });
            }
        };
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        sources.push((parts.join("/"), text));
    }
    Ok(())
}
