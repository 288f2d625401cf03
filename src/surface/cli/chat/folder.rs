//! Where the tools of a conversation run.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::surface::cli::report;

/// A folder, perhaps one that is removed at the end.
pub(super) enum Folder {
    There(PathBuf),
    Fresh(PathBuf),
}

impl Folder {
    pub(super) fn fresh() -> anyhow::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).context("the system gives no randomness")?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().canonicalize()?.join(format!("ringfence-chat-{name}"));
        std::fs::create_dir(&path).with_context(|| format!("can't make `{}`", path.display()))?;
        Ok(Self::Fresh(path))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Folder::There(path) | Folder::Fresh(path) => path,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Folder::Fresh(path) = self
            && std::fs::remove_dir_all(&*path).is_err()
        {
            report::note(&format!("`{}` could not be removed", path.display()));
        }
    }
}
