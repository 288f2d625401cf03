//! The policy files as loaded: named sources with their digests. No meaning yet.

mod directory;
mod embedded;
mod folder;
mod manifest;
mod packed;
mod quantity;
mod sandbox;

pub(crate) use directory::{AttributeSpec, DirectorySpec, NameSpec, NamedSpec, PayloadSpec, UserEntrySpec};
pub(crate) use embedded::fingerprint;
pub use embedded::starter;
pub(crate) use folder::FolderState;
pub use folder::LoadError;
pub use manifest::RefusedCalls;
pub(crate) use manifest::{
    AttributeTypeSpec, AuditSpec, FactSpec, ManifestSpec, Missing, Mode, ReturnSpec, RolesFrom, UnlistedSpec,
};
pub use packed::PackError;
pub(crate) use quantity::{ByteSize, Period};
pub(crate) use sandbox::SandboxSpec;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::diagnostic::Diagnostic;

/// The manifest's file name.
pub(crate) const MANIFEST: &str = "ringfence.yaml";
/// The directory's file name.
pub(crate) const DIRECTORY: &str = "directory.yaml";
/// The tools' file name.
pub(crate) const TOOLS: &str = "tools.yaml";
/// The retention classes' file name.
pub(crate) const RETENTION: &str = "retention.yaml";
/// Folder of the packs.
pub(crate) const PACKS: &str = "packs/";
/// Folder of the policy tests.
pub(crate) const TESTS: &str = "tests/";

/// The files of a bundle, by name.
#[derive(Debug, Clone)]
pub struct Bundle {
    origin: String,
    sources: BTreeMap<Arc<str>, Source>,
    /// Made when first asked for.
    digest: OnceLock<String>,
    /// What of a folder could not be read as a source.
    problems: Vec<Diagnostic>,
    /// What stands behind the end of a packed bundle.
    signature: Option<Arc<str>>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name relative to the bundle's root, with `/` between folders: `packs/pii.yaml`.
    pub name: Arc<str>,
    /// Its text, with the line endings as found.
    pub text: Arc<str>,
}

/// What Ringfence does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Manifest,
    Directory,
    Tools,
    Retention,
    Policies,
    Pack,
    Test,
    /// A JSON Schema that `schema:` may name.
    Schema,
    /// For people; not read.
    Document,
    /// Looks like policy but stands where none is read.
    Misplaced,
    /// Anything else.
    Unknown,
}

impl Source {
    pub(crate) fn role(&self) -> Role {
        let name = &*self.name;
        let in_folder = |folder: &str| name.strip_prefix(folder).is_some_and(|rest| !rest.contains('/'));
        match name {
            MANIFEST => Role::Manifest,
            DIRECTORY => Role::Directory,
            TOOLS => Role::Tools,
            RETENTION => Role::Retention,
            _ if name.ends_with(".cedarschema") || name.ends_with(".md") || name.ends_with(".txt") => {
                Role::Document
            }
            _ if name.ends_with(".cedar") && !name.contains('/') => Role::Policies,
            _ if name.ends_with(".yaml") && in_folder(PACKS) => Role::Pack,
            _ if name.ends_with(".yaml") && in_folder(TESTS) => Role::Test,
            _ if name.starts_with("schemas/") => Role::Document,
            _ if name.ends_with(".cedar") || name.ends_with(".yaml") || name.ends_with(".yml") => {
                Role::Misplaced
            }
            _ if name.ends_with(".json") => Role::Schema,
            _ if name.starts_with(TESTS) => Role::Document,
            _ => Role::Unknown,
        }
    }
}

impl Bundle {
    /// A bundle from named texts.
    #[must_use]
    pub fn from_sources<N, T>(origin: impl Into<String>, sources: impl IntoIterator<Item = (N, T)>) -> Self
    where
        N: Into<Arc<str>>,
        T: Into<Arc<str>>,
    {
        let sources: BTreeMap<Arc<str>, Source> = sources
            .into_iter()
            .map(|(name, text)| (name.into(), text.into()))
            .map(|(name, text): (Arc<str>, Arc<str>)| (Arc::clone(&name), Source { name, text }))
            .collect();
        Self {
            origin: origin.into(),
            sources,
            digest: OnceLock::new(),
            problems: Vec::new(),
            signature: None,
        }
    }

    /// Where it was loaded from, for people: a folder's path, or `built-in`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `sha256:` and the digest of all sources. It depends neither on the order of the files nor on their line
    /// endings.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| digest(&self.sources))
    }

    /// The sources by name.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.values()
    }

    /// One source.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }

    /// What of its folder can't be used; with any of these it does not compile.
    pub(crate) fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    pub(crate) fn with_role(&self, role: Role) -> impl Iterator<Item = &Source> {
        self.sources().filter(move |source| source.role() == role)
    }
}

fn digest(sources: &BTreeMap<Arc<str>, Source>) -> String {
    let mut hasher = Sha256::new();
    for (name, source) in sources {
        let text = source.text.replace("\r\n", "\n");
        // Lengths keep "a" + "bc" apart from "ab" + "c".
        for part in [name.as_bytes(), text.as_bytes()] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    hex("sha256:", &hasher.finalize())
}

/// `prefix` and the bytes in lower-case hexadecimal.
pub(crate) fn hex(prefix: &str, bytes: &[u8]) -> String {
    bytes.iter().fold(prefix.to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_ignores_order_and_line_endings_only() {
        let of = |files: &[(&'static str, &'static str)]| {
            Bundle::from_sources("test", files.iter().copied()).digest().to_owned()
        };
        let one = of(&[("a.cedar", "x\ny\n"), ("ringfence.yaml", "name: n\n")]);
        assert_eq!(one, of(&[("ringfence.yaml", "name: n\r\n"), ("a.cedar", "x\r\ny\r\n")]));
        assert_ne!(one, of(&[("ringfence.yaml", "name: n\n"), ("a.cedar", "x\ny")]));
        assert_ne!(one, of(&[("ringfence.yaml", "name: n\n"), ("b.cedar", "x\ny\n")]));
    }
}
