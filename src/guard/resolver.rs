//! Where a path leads on the machine on which tools run.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::tool::ResolvedPath;

/// Says where a path leads, before an event is decided: deciding itself never looks at the machine. Between the answer
/// and the tool that opens the path, links can change, so that what opens it has to hold it beneath its folder again.
pub trait Resolver: Send + Sync {
    /// Follows the links of a path. What does not exist yet is taken as written.
    ///
    /// # Errors
    /// Where that can't be said; the path is then refused.
    fn resolve(&self, path: &str) -> io::Result<ResolvedPath>;
}

/// The file system of this machine; relative paths are those of the working folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Resolver for FileSystem {
    fn resolve(&self, path: &str) -> io::Result<ResolvedPath> {
        if has_no_links(path) {
            return Ok(ResolvedPath { real: path.to_owned(), has_link: false });
        }
        let start =
            if path.starts_with('/') { PathBuf::new() } else { std::env::current_dir()?.canonicalize()? };
        let asked = start.join(path);
        let real = real(&asked)?;
        let has_link = real != asked.components().collect::<PathBuf>();
        let shown = real.strip_prefix(&start).ok().filter(|_| !path.starts_with('/')).unwrap_or(&real);
        let real = shown.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(ResolvedPath { real: crate::tool::lexical(real), has_link })
    }
}

/// Whether it is known at little cost that a path leads where it says: none of its parts that exist is a link. What is behind the
/// first that does not exist can hold none.
fn has_no_links(path: &str) -> bool {
    // Elsewhere names that differ in case may be one, and only the system knows how it is written.
    if !cfg!(target_os = "linux") {
        return false;
    }
    let (relative, is_absolute) = match path.strip_prefix('/') {
        Some(rest) => (rest, true),
        None => (path, false),
    };
    if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return false;
    }
    let ends = relative.match_indices('/').map(|(at, _)| at).chain([relative.len()]);
    for end in ends {
        let end = end + usize::from(is_absolute);
        match path.get(..end).map(|there| Path::new(there).symlink_metadata()) {
            Some(Ok(found)) if !found.is_symlink() => {}
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return true,
            // What can't be looked at is for the system to say.
            _ => return false,
        }
    }
    true
}

/// Where a path leads: the part of it that exists is resolved, and what is behind it can hold no link.
fn real(asked: &Path) -> io::Result<PathBuf> {
    let mut missing: Vec<OsString> = Vec::new();
    let mut there: &Path = asked;
    let mut real = loop {
        match there.canonicalize() {
            Ok(real) => break real,
            // A link that leads nowhere is not a part that does not exist.
            Err(error) if error.kind() == io::ErrorKind::NotFound && there.symlink_metadata().is_err() => {
                let name = there.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                missing.push(name.to_owned());
                there = there.parent().ok_or(error)?;
            }
            Err(error) => return Err(error),
        }
    };
    real.extend(missing.iter().rev());
    Ok(real)
}

/// No links anywhere: for tests and evaluation of files, which must not depend on the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLinks;

impl Resolver for NoLinks {
    fn resolve(&self, path: &str) -> io::Result<ResolvedPath> {
        Ok(ResolvedPath { real: path.to_owned(), has_link: false })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("a")).unwrap();
        symlink("/etc", root.join("out")).unwrap();
        symlink(root.join("a"), root.join("in")).unwrap();
        symlink(root.join("nowhere"), root.join("broken")).unwrap();
        let resolve = |path: &str| FileSystem.resolve(root.join(path).to_str().unwrap());
        let plain = resolve("a/new/file.txt").unwrap();
        assert_eq!(
            (plain.real.as_str(), plain.has_link),
            (root.join("a/new/file.txt").to_str().unwrap(), false)
        );
        let out = resolve("out/passwd").unwrap();
        assert_eq!((out.real.as_str(), out.has_link), ("/etc/passwd", true));
        assert_eq!(resolve("in/x").unwrap().real, root.join("a/x").to_str().unwrap());
        assert!(resolve("broken").is_err() && resolve("broken/x").is_err());
        assert_eq!(
            FileSystem.resolve("src/lib.rs").unwrap(),
            ResolvedPath { real: "src/lib.rs".to_owned(), has_link: false }
        );
    }

    /// The short way and the long one lead to the same place.
    #[test]
    fn paths_without_links_are_what_the_system_says() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "").unwrap();
        symlink("b", root.join("a/link")).unwrap();
        symlink("file", root.join("a/name")).unwrap();
        symlink("loop", root.join("a/loop")).unwrap();
        symlink("gone", root.join("a/broken")).unwrap();
        let parts = ["a", "b", "file", "link", "name", "loop", "broken", "new", ".", "..", ""];
        let mut short = 0;
        for first in parts {
            for second in parts {
                for third in parts {
                    let path = format!("{}/{first}/{second}/{third}", root.display());
                    let asked = Path::new(&path);
                    if has_no_links(&path) {
                        assert_eq!(real(asked).unwrap(), asked, "{path}");
                        short += 1;
                    }
                }
            }
        }
        assert!(!cfg!(target_os = "linux") || short > 10, "{short}");
        assert!(FileSystem.resolve(&format!("{}/a/file/new", root.display())).is_err());
        assert!(FileSystem.resolve(&format!("{}/a/link/../../x", root.display())).is_ok());
    }
}
