//! A folder that is removed when it goes out of use.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A fresh folder, its owner's alone. `mkdir` takes no name that is in use, not even by a link, so the name needs no secret.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn new() -> io::Result<Self> {
        let base = std::env::temp_dir().canonicalize()?;
        let start = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let mut last = io::Error::other("no free name");
        for attempt in 0..100 {
            let path = base.join(format!("ringfence-{}-{:x}", std::process::id(), start + attempt));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes a folder with all in it, as far as its owner can.
pub(super) fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_err() {
        // A program may have left folders that not even their owner can list.
        open_up(folder, 64);
        // Nobody is left to be told; what stays has no reader but the owner.
        let _ = fs::remove_dir_all(folder);
    }
}

/// Makes every folder beneath one listable, never following a link.
fn open_up(folder: &Path, depth: u32) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    let Some(depth) = depth.checked_sub(1) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path(), depth);
        }
    }
}
