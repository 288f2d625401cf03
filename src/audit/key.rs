//! The key that signs checkpoints. It lies in a file of its own, outside the database, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use zeroize::Zeroizing;

use super::base64;
use super::checkpoint::{ED25519, key_id};
use super::digest::{hex, hmac};

const PRIVATE: &str = "PRIVATE+KEY+";

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file can't be read.
    #[error("can't read the key `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file can't be written.
    #[error("can't write the key `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner can read it.
    #[error("others can read the key `{0}`; make it yours alone: chmod 600 {0}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key.
    #[error("`{}` holds no audit key; make one with: ringfence audit init-key FILE", path.display())]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The text is no public key.
    #[error("`{}` holds no public key; it is the .pub file that `init-key` writes beside the other one", path.display())]
    NoPublicKey {
        /// The file.
        path: PathBuf,
    },
    /// A source gives no payload key.
    #[error("`{origin}` gives no payload key; make one with: ringfence retain init-key FILE")]
    NoPayloadKey {
        /// The source.
        origin: String,
    },
    /// A name that a signed note can't hold.
    #[error("a key's name is not empty and holds neither white space nor `+`")]
    BadName,
    /// The system gives no randomness.
    #[error("the operating system gives no random bytes")]
    Random,
}

/// Signs checkpoints. Wiped from memory when it is dropped.
pub struct SigningKey(pub(super) ed25519_dalek::SigningKey, String);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.1).finish_non_exhaustive()
    }
}

/// Checks signatures of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(pub(super) VerifyingKey, String);

impl SigningKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// When there is none, or the name holds white space or `+`.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        check_name(name)?;
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_| KeyError::Random)?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed), name.to_owned()))
    }

    /// Reads a key from a file that nobody but its owner can read.
    ///
    /// # Errors
    /// When the file can't be read, is readable by others, or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let read = |source| KeyError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        // Of the file that was opened, so that it can't be another one by now.
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().map_err(read)?);
            if mode & 0o077 != 0 {
                return Err(KeyError::Exposed { path: path.to_owned() });
            }
        }
        let text = Zeroizing::new(io::read_to_string(file).map_err(read)?);
        Self::parse(text.trim()).ok_or_else(|| KeyError::NoPrivateKey { path: path.to_owned() })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PRIVATE)?.splitn(3, '+');
        let (name, id, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = Zeroizing::new(base64::decode(encoded)?);
        let (kind, seed) = bytes.split_first()?;
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let fits = *kind == ED25519 && hex(&key_id(name, &key.verifying_key())) == id;
        (fits && check_name(name).is_ok()).then(|| Self(key, name.to_owned()))
    }

    /// Writes the key to a new file of mode 0600, and what checks its signatures to one of the same name with `.pub` behind.
    ///
    /// # Errors
    /// When a file can't be written, or is there already.
    pub fn write_new(&self, path: &Path) -> Result<PathBuf, KeyError> {
        let mut bytes = Zeroizing::new(vec![ED25519]);
        bytes.extend_from_slice(self.0.as_bytes());
        let id = hex(&key_id(&self.1, &self.0.verifying_key()));
        let text = Zeroizing::new(format!(
            "{PRIVATE}{}+{id}+{}\n",
            self.1,
            &*Zeroizing::new(base64::encode(&bytes))
        ));
        write_new(path, &text, 0o600)?;
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        write_new(&public, &format!("{}\n", self.public().text()), 0o644)?;
        Ok(public)
    }

    /// What checks its signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key(), self.1.clone())
    }

    /// The name, with which those of its logs begin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.1
    }

    /// A key for digests of texts, which this one gives and which does not give this one.
    pub(super) fn digest_key(&self) -> Option<Zeroizing<[u8; 32]>> {
        hmac(self.0.as_bytes(), &[b"ringfence/audit/digest/1"]).map(Zeroizing::new)
    }
}

impl PublicKey {
    /// Reads a `.pub` file.
    ///
    /// # Errors
    /// When the file can't be read or holds no public key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text =
            fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Self::parse(text.trim()).ok_or_else(|| KeyError::NoPublicKey { path: path.to_owned() })
    }

    /// Reads a key in its text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = base64::decode(encoded)?;
        let (kind, key) = bytes.split_first()?;
        let key = VerifyingKey::from_bytes(&<[u8; 32]>::try_from(key).ok()?).ok()?;
        (*kind == ED25519 && hex(&key_id(name, &key)) == id).then(|| Self(key, name.to_owned()))
    }

    /// The text form (a verifier key of signed notes): name, id and key.
    #[must_use]
    pub fn text(&self) -> String {
        self.under(&self.1)
    }

    /// The text form under a log's own name, as other tools want it to check that log's checkpoints.
    #[must_use]
    pub fn under(&self, origin: &str) -> String {
        let bytes = [&[ED25519][..], self.0.as_bytes()].concat();
        format!("{origin}+{}+{}", hex(&key_id(origin, &self.0)), base64::encode(&bytes))
    }
}

fn check_name(name: &str) -> Result<(), KeyError> {
    let fits = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
    if fits { Ok(()) } else { Err(KeyError::BadName) }
}

pub(super) fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), KeyError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| KeyError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_from_files_that_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let key = SigningKey::generate("acme.example/agents").unwrap();
        let public = key.write_new(&path).unwrap();
        assert_eq!(SigningKey::read(&path).unwrap().public(), key.public());
        assert_eq!(PublicKey::read(&public).unwrap(), key.public());
        assert!(matches!(key.write_new(&path), Err(KeyError::Write { .. })), "nothing is overwritten");
        assert!(matches!(
            SigningKey::read(&public),
            Err(KeyError::Exposed { .. } | KeyError::NoPrivateKey { .. })
        ));
        assert!(matches!(PublicKey::read(&path), Err(KeyError::NoPublicKey { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let error = SigningKey::read(&path).unwrap_err();
            assert!(matches!(&error, KeyError::Exposed { .. }) && error.to_string().contains("chmod 600"));
        }
        for name in ["", "a b", "a+b", "a\nb"] {
            assert!(matches!(SigningKey::generate(name), Err(KeyError::BadName)));
        }
        assert!(!format!("{key:?}").contains(&base64::encode(key.0.as_bytes())[..8]));
    }
}
