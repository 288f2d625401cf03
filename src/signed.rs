//! Signed bundles: who has signed one, and whether a newer one was seen before.

use std::cmp::Ordering;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::audit::note;
use crate::audit::{PublicKey, SigningKey};
use crate::bundle::{Bundle, MANIFEST, ManifestSpec, PackError};

/// What a signature says first, so that it is about nothing else.
const ABOUT: &str = "ringfence bundle";
/// Largest file in which the latest version is kept, in bytes.
const MAX_SEEN: u64 = 64 << 10;

/// Why a bundle is not used where signatures are required, or can't be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// Nobody has signed it.
    #[error(
        "`{origin}` is not signed; pack it with `ringfence bundle pack` and sign it with `ringfence bundle sign`"
    )]
    Unsigned {
        /// Where it comes from.
        origin: String,
    },
    /// It was changed after it was signed, or signed by somebody else.
    #[error("none of the keys that are trusted has signed `{origin}` as it is")]
    Signature {
        /// Where it comes from.
        origin: String,
    },
    /// Its version can't be compared with another one.
    #[error(
        "the version of a signed bundle is numbers, as `12` or `2026.11.30`, so that an older one is told"
    )]
    Version,
    /// A newer one was seen.
    #[error("version {version} is older than {seen}, which was used before")]
    Older {
        /// The bundle's.
        version: String,
        /// The latest one.
        seen: String,
    },
    /// Another one of the same version was seen.
    #[error("version {version} was used before with other contents; give what has changed a higher one")]
    Reused {
        /// The version.
        version: String,
    },
    /// A bundle of another name was seen.
    #[error("the bundle is called `{name}`, and `{seen}` was used before")]
    OtherBundle {
        /// Its name.
        name: String,
        /// The one before.
        seen: String,
    },
    /// What was seen can't be told.
    #[error("can't use `{}`, which keeps the latest version that was used", path.display())]
    Seen {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has no manifest that can be read.
    #[error("the manifest can't be read")]
    Manifest,
    /// It can't be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl Untrusted {
    /// One word for it, as records have it.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => "unsigned",
            Self::Signature { .. } => "bad-signature",
            Self::Version | Self::Manifest | Self::Pack(_) => "not-signable",
            Self::Older { .. } | Self::Reused { .. } | Self::OtherBundle { .. } => "not-newer",
            Self::Seen { .. } => "seen-unreadable",
        }
    }
}

/// Whose bundles are used, and where it is kept which was the latest.
#[derive(Debug, Clone)]
pub struct Trust {
    keys: Vec<PublicKey>,
    seen: Option<PathBuf>,
}

/// A bundle whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of what was signed.
    pub digest: String,
    /// The name of the key that has signed it.
    pub signed_by: String,
}

/// Signs a bundle, so that [`Bundle::pack`] gives it with its signature.
///
/// # Errors
/// When it can't be packed, or its version is none that can be compared.
pub fn sign(bundle: &Bundle, key: &SigningKey) -> Result<Bundle, Untrusted> {
    let (_, version) = stated(bundle)?;
    numbers(&version).ok_or(Untrusted::Version)?;
    let digest = bundle.packed_digest()?;
    Ok(bundle.with_signature(note::sign(key, key.name(), &body(&digest))))
}

fn body(digest: &str) -> String {
    format!("{ABOUT}\n{digest}\n")
}

/// Name and version, as the manifest states them.
fn stated(bundle: &Bundle) -> Result<(String, String), Untrusted> {
    let manifest = bundle.source(MANIFEST).ok_or(Untrusted::Manifest)?;
    let (spec, problems) = crate::yaml::read::<ManifestSpec>(&manifest.name, &manifest.text);
    let is_whole = !problems.iter().any(crate::diagnostic::Diagnostic::is_error);
    let spec = spec.filter(|_| is_whole).ok_or(Untrusted::Manifest)?;
    Ok((spec.name, spec.version))
}

fn numbers(version: &str) -> Option<Vec<u64>> {
    let number = |part: &str| {
        let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| plain)
    };
    version.split('.').map(number).collect()
}

/// How one version stands to another: `1.0` is `1`.
fn compare(one: &[u64], other: &[u64]) -> Ordering {
    let part = |version: &[u64], at: usize| version.get(at).copied().unwrap_or(0);
    let parts = 0..one.len().max(other.len());
    parts.map(|at| part(one, at).cmp(&part(other, at))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Trust {
    /// Bundles that one of these keys has signed, of any version.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().collect(), seen: None }
    }

    /// And that are not older than the latest one that was used, of which this file keeps name, version and digest. It is made with the
    /// first one; who can write it can undo that. It is about one bundle: of another name there is another file.
    #[must_use]
    pub fn remembering(mut self, file: impl Into<PathBuf>) -> Self {
        self.seen = Some(file.into());
        self
    }

    /// Checks the signature of a bundle, and that nothing newer was used. Nothing is remembered by that.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self, bundle: &Bundle) -> Result<Checked, Untrusted> {
        let origin = || bundle.origin().to_owned();
        let signature = bundle.signature().ok_or_else(|| Untrusted::Unsigned { origin: origin() })?;
        let digest = bundle.packed_digest()?;
        let signed_by = match note::check(signature, &self.keys) {
            Some((signed, name)) if signed == body(&digest) => name.to_owned(),
            Some(_) | None => return Err(Untrusted::Signature { origin: origin() }),
        };
        let (name, version) = stated(bundle)?;
        let checked = Checked { name, version, digest, signed_by };
        if let Some(path) = &self.seen {
            let failed = |source| Untrusted::Seen { path: path.clone(), source };
            let seen = match File::open(path) {
                Ok(mut file) => {
                    file.lock_shared().map_err(failed)?;
                    read(&mut file).map_err(failed)?
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(failed(error)),
            };
            checked.follows(seen.as_ref())?;
        }
        Ok(checked)
    }

    /// Remembers that a bundle was used. Looked at once more, so that of two programs none undoes what the other has kept.
    ///
    /// # Errors
    /// When that can't be kept, or something newer was used meanwhile.
    pub fn remember(&self, checked: &Checked) -> Result<(), Untrusted> {
        let Some(path) = &self.seen else { return Ok(()) };
        let failed = |source| Untrusted::Seen { path: path.clone(), source };
        let mut file = open(path).map_err(failed)?;
        file.lock().map_err(failed)?;
        let seen = read(&mut file).map_err(failed)?;
        checked.follows(seen.as_ref())?;
        if seen.as_ref() == Some(checked) {
            return Ok(());
        }
        checked.write(&mut file).map_err(failed)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// What is kept in a file; nothing in one that was just made.
fn read(file: &mut File) -> io::Result<Option<Checked>> {
    let mut text = String::new();
    file.take(MAX_SEEN).read_to_string(&mut text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let no_version = || io::Error::new(io::ErrorKind::InvalidData, "it holds no version");
    serde_json::from_str(&text).map(Some).map_err(|_| no_version())
}

impl Checked {
    /// Whether it may come after another one.
    fn follows(&self, seen: Option<&Checked>) -> Result<(), Untrusted> {
        let own = numbers(&self.version).ok_or(Untrusted::Version)?;
        let Some(seen) = seen else { return Ok(()) };
        if seen.name != self.name {
            return Err(Untrusted::OtherBundle { name: self.name.clone(), seen: seen.name.clone() });
        }
        let known = numbers(&seen.version).ok_or(Untrusted::Version)?;
        match compare(&own, &known) {
            Ordering::Greater => Ok(()),
            Ordering::Equal if self.digest == seen.digest => Ok(()),
            Ordering::Equal => Err(Untrusted::Reused { version: self.version.clone() }),
            Ordering::Less => {
                Err(Untrusted::Older { version: self.version.clone(), seen: seen.version.clone() })
            }
        }
    }

    /// Over what was there, which is shortened only then: a file that is cut off is refused, an empty one is not.
    fn write(&self, file: &mut File) -> io::Result<()> {
        let text = format!("{}\n", serde_json::to_string(self)?);
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let order = |one: &str, other: &str| compare(&numbers(one).unwrap(), &numbers(other).unwrap());
        assert_eq!(order("10", "9"), Ordering::Greater);
        assert_eq!(order("1.0", "1"), Ordering::Equal);
        assert_eq!(order("2026.11.30", "2026.12.1"), Ordering::Less);
        for none in ["", "1.", "v1", "1-beta", "+1", "1.99999999999999999999"] {
            assert_eq!(numbers(none), None, "{none}");
        }
    }
}
