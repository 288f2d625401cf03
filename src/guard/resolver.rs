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
        let start = if path.starts_with('/') { PathBuf::from("/") } else { working_folder()? };
        let asked = start.join(path);
        let (real, has_link) = match without_links(&start, path) {
            Some(real) => (real, false),
            None => {
                let real = real(&asked)?;
                let has_link = real != asked.components().collect::<PathBuf>();
                (real, has_link)
            }
        };
        let shown = real.strip_prefix(&start).ok().filter(|_| !path.starts_with('/')).unwrap_or(&real);
        let real = shown.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(ResolvedPath { real: crate::tool::lexical(real), has_link })
    }
}

fn working_folder() -> io::Result<PathBuf> {
    let folder = std::env::current_dir()?;
    // Linux names it by its real path.
    if cfg!(target_os = "linux") && folder.is_absolute() { Ok(folder) } else { folder.canonicalize() }
}

/// The path, where it is known at little cost that it holds no link: each part is looked at, up to one that does not exist.
fn without_links(start: &Path, path: &str) -> Option<PathBuf> {
    // Elsewhere names that differ in case may be one, and only the system knows how it is written.
    if !cfg!(target_os = "linux") {
        return None;
    }
    let mut real = start.to_owned();
    let mut is_there = true;
    for part in path.strip_prefix('/').unwrap_or(path).split('/') {
        if matches!(part, "" | "." | "..") {
            return None;
        }
        real.push(part);
        if is_there {
            match real.symlink_metadata() {
                Ok(found) if found.is_symlink() => return None,
                Ok(_) => {}
                // What is behind it can hold no link.
                Err(error) if error.kind() == io::ErrorKind::NotFound => is_there = false,
                Err(_) => return None,
            }
        }
    }
    Some(real)
}

/// Where a path leads: the part of it that exists is resolved, and what is behind it can hold no link.
fn real(asked: &Path) -> io::Result<PathBuf> {
    let mut missing: Vec<OsString> = Vec::new();
    let mut there: &Path = asked;
    let mut real = loop {
        match there.canonicalize() {
            Ok(real) => break real,
            // A link that leads nowhere is not a part that does not exist.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && there.symlink_metadata().is_err() =>
            {
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
                    let Some(told) = without_links(Path::new("/"), &path) else { continue };
                    assert_eq!(told, real(asked).unwrap(), "{path}");
                    assert_eq!(told, asked, "{path}");
                    short += 1;
                }
            }
        }
        assert!(!cfg!(target_os = "linux") || short > 10, "{short}");
        assert!(FileSystem.resolve(&format!("{}/a/file/new", root.display())).is_err());
        assert!(FileSystem.resolve(&format!("{}/a/link/../../x", root.display())).is_ok());
    }
}
