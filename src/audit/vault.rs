//! Encrypts contents. Each user and class has a data key for a span of time; data keys lie in a file of their own, encrypted under
//! the host's key, so that destroying one takes every content under it away, in every copy of the log.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::content::{Content, KeptRecord, Sealed};
use super::digest::{hex, hmac};
use super::payload_key::PayloadKey;
use crate::store::{Hash, KeyId, KeyOf, Keys, SqliteKeys, StoreError, WrappedKey};

/// Data keys that are held in memory at most.
const MAX_HELD: usize = 10_000;
const NONCE: usize = 24;
const SALT: usize = 32;
/// What a data key wraps and what a content is bound to, so that one can't stand in the place of the other.
const KEY_DOMAIN: &[u8] = b"ringfence/data-key/1\n";
const CONTENT_DOMAIN: &[u8] = b"ringfence/content/1\n";

/// Why a content could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store of keys failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of a content was destroyed.
    #[error("the key of content {index} was destroyed: nobody can read it any more")]
    Destroyed {
        /// The number of its record.
        index: u64,
    },
    /// A data key is encrypted under another key than the one given.
    #[error("the data keys are encrypted under another key (`{found}`; this one is `{given}`)")]
    OtherKey {
        /// The id of the key that they are encrypted under.
        found: String,
        /// The id of the key that was given.
        given: String,
    },
    /// What is stored is not what was written.
    #[error("{what} was changed or is damaged")]
    Damaged {
        /// What.
        what: String,
    },
    /// The system gives no randomness.
    #[error("the operating system gives no random bytes")]
    Random,
    /// Encrypting failed.
    #[error("the content is too long to be encrypted")]
    TooLong,
}

type DataKey = Zeroizing<[u8; 32]>;

/// Encrypts contents, and decrypts them again.
pub struct Vault(Mutex<Inner>);

struct Inner {
    key: PayloadKey,
    keys: Box<dyn Keys>,
    /// The version of `keys` that is held.
    version: u64,
    held: HashMap<KeyOf, (KeyId, DataKey)>,
    by_id: HashMap<KeyId, DataKey>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// Opens the data keys of a log, in a file of their own.
    ///
    /// # Errors
    /// When the file can't be opened, is of another log, or its keys are encrypted under another key.
    pub fn open(path: &Path, origin: &str, key: PayloadKey, wait: Duration) -> Result<Self, VaultError> {
        Self::over(Box::new(SqliteKeys::open(path, origin, wait)?), key)
    }

    /// The same over any store of keys.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn over(mut keys: Box<dyn Keys>, key: PayloadKey) -> Result<Self, VaultError> {
        if let Some(one) = keys.all()?.first() {
            key.unwrap(one)?;
        }
        let version = keys.version()?;
        let inner = Inner { key, keys, version, held: HashMap::new(), by_id: HashMap::new() };
        Ok(Self(Mutex::new(inner)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Encrypts a content.
    pub(crate) fn seal(&self, content: &Content) -> Result<Sealed, VaultError> {
        let (id, key) = self.with(|inner| inner.key_for(content))?;
        let mut salt = Zeroizing::new([0; SALT]);
        getrandom::fill(&mut *salt).map_err(|_| VaultError::Random)?;
        let commitment = commitment(&*salt, content.text.as_bytes())?;
        let mut plain = Zeroizing::new(Vec::with_capacity(SALT + content.text.len()));
        plain.extend_from_slice(&*salt);
        plain.extend_from_slice(content.text.as_bytes());
        let bytes = encrypt(&key, &plain, &bound(&commitment))?;
        let kept = KeptRecord {
            class: content.class.clone(),
            bytes: content.text.len(),
            commitment: hex(&commitment),
            whole: content.whole,
        };
        Ok(Sealed { kept, about: Content { text: String::new(), ..content.clone() }, key: id, bytes })
    }

    /// Decrypts a content, and holds it to the commitment in its record.
    pub(crate) fn unseal(
        &self,
        index: u64,
        key: &KeyId,
        bytes: &[u8],
        commitment: &Hash,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let key = self.with(|inner| inner.named(index, key))?;
        let damaged = || VaultError::Damaged { what: format!("content {index}") };
        let mut plain = Zeroizing::new(decrypt(&key, bytes, &bound(commitment)).ok_or_else(damaged)?);
        let (salt, text) = plain.split_at_checked(SALT).ok_or_else(damaged)?;
        if self::commitment(salt, text)? != *commitment {
            return Err(damaged());
        }
        plain.drain(..SALT);
        Ok(plain)
    }

    /// Encrypts a content under another key than before: that of `fresh`, which has to be a new one.
    pub(crate) fn reseal(
        &self,
        index: u64,
        key: &KeyId,
        bytes: &[u8],
        commitment: &Hash,
        fresh: &KeyId,
    ) -> Result<Vec<u8>, VaultError> {
        let (old, new) =
            self.with(|inner| Ok::<_, VaultError>((inner.named(index, key)?, inner.named(index, fresh)?)))?;
        let damaged = || VaultError::Damaged { what: format!("content {index}") };
        let plain = Zeroizing::new(decrypt(&old, bytes, &bound(commitment)).ok_or_else(damaged)?);
        encrypt(&new, &plain, &bound(commitment))
    }

    /// A new data key for a user and class, that nothing is encrypted under yet.
    pub(crate) fn fresh(&self, subject: &str, tenant: &str, class: &str) -> Result<KeyId, VaultError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| VaultError::Random)?;
        // No content is from such a time, and no two of these keys are for the same.
        let long_ago = i64::MIN | i64::from_be_bytes(random);
        let of = KeyOf {
            subject: subject.to_owned(),
            tenant: tenant.to_owned(),
            class: class.to_owned(),
            since: long_ago,
            until: long_ago,
        };
        self.with(|inner| inner.make(of).map(|(id, _)| id))
    }

    /// Every data key, still encrypted.
    pub(crate) fn keys(&self) -> Result<Vec<WrappedKey>, VaultError> {
        self.with(|inner| Ok(inner.keys.all()?))
    }

    /// Destroys data keys; how many there were, and whether nothing of them is left in the file.
    pub(crate) fn destroy(&self, ids: &[KeyId]) -> Result<(u64, bool), VaultError> {
        self.with(|inner| {
            inner.held.clear();
            inner.by_id.clear();
            Ok(inner.keys.destroy(ids)?)
        })
    }

    /// Encrypts every data key under another key from now on; how many there are.
    ///
    /// # Errors
    /// When a key can't be read or written; then none was changed.
    pub fn rotate(&self, to: PayloadKey) -> Result<u64, VaultError> {
        self.with(|inner| {
            let mut all = inner.keys.all()?;
            for one in &mut all {
                let key = inner.key.unwrap(one)?;
                *one = to.wrap(one.id, one.of.clone(), one.made, &key)?;
            }
            inner.keys.rewrap(&all)?;
            inner.key = to;
            Ok(all.len() as u64)
        })
    }
}

impl Inner {
    /// Forgets what it holds where another program has destroyed keys.
    fn refresh(&mut self) -> Result<(), VaultError> {
        let version = self.keys.version()?;
        if version != self.version || self.by_id.len() > MAX_HELD {
            self.version = version;
            self.held.clear();
            self.by_id.clear();
        }
        Ok(())
    }

    fn key_for(&mut self, content: &Content) -> Result<(KeyId, DataKey), VaultError> {
        self.refresh()?;
        let (since, until) = span(content.at, content.key_seconds);
        let of = KeyOf {
            subject: content.subject.clone(),
            tenant: content.tenant.clone(),
            class: content.class.clone(),
            since,
            until,
        };
        if let Some((id, key)) = self.held.get(&of) {
            return Ok((*id, key.clone()));
        }
        let (id, key) = match self.keys.find(&of)? {
            Some(there) => (there.id, self.key.unwrap(&there)?),
            None => self.make(of.clone())?,
        };
        self.held.insert(of, (id, key.clone()));
        self.by_id.insert(id, key.clone());
        Ok((id, key))
    }

    fn make(&mut self, of: KeyOf) -> Result<(KeyId, DataKey), VaultError> {
        let (mut id, mut key) = (KeyId::default(), Zeroizing::new([0; 32]));
        getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut *key)).map_err(|_| VaultError::Random)?;
        let made = Timestamp::now().as_microsecond();
        // Another program may have made one at the same time: there is one for each.
        let there = self.keys.add(&self.key.wrap(id, of, made, &key)?)?;
        let key = if there.id == id { key } else { self.key.unwrap(&there)? };
        self.by_id.insert(there.id, key.clone());
        Ok((there.id, key))
    }

    fn named(&mut self, index: u64, id: &KeyId) -> Result<DataKey, VaultError> {
        self.refresh()?;
        if let Some(key) = self.by_id.get(id) {
            return Ok(key.clone());
        }
        let there = self.keys.named(id)?.ok_or(VaultError::Destroyed { index })?;
        let key = self.key.unwrap(&there)?;
        self.by_id.insert(*id, key.clone());
        Ok(key)
    }
}

impl PayloadKey {
    fn wrap(&self, id: KeyId, of: KeyOf, made: i64, key: &DataKey) -> Result<WrappedKey, VaultError> {
        let wrapped = encrypt(self.bytes(), &key[..], &key_bound(&id, &of))?;
        Ok(WrappedKey { id, of, made, under: self.id(), wrapped })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, VaultError> {
        if wrapped.under != self.id() {
            return Err(VaultError::OtherKey { found: hex(&wrapped.under), given: hex(&self.id()) });
        }
        let damaged = || VaultError::Damaged { what: "a data key".to_owned() };
        let plain = decrypt(self.bytes(), &wrapped.wrapped, &key_bound(&wrapped.id, &wrapped.of));
        let plain = Zeroizing::new(plain.ok_or_else(damaged)?);
        let mut key = Zeroizing::new([0; 32]);
        if plain.len() != key.len() {
            return Err(damaged());
        }
        key.copy_from_slice(&plain);
        Ok(key)
    }
}

/// The span of time of this length in which a time lies.
fn span(at: i64, seconds: u64) -> (i64, i64) {
    let length = i64::try_from(seconds).unwrap_or(i64::MAX / 1_000_000).saturating_mul(1_000_000).max(1);
    let since = at.div_euclid(length).saturating_mul(length);
    (since, since.saturating_add(length))
}

fn commitment(salt: &[u8], text: &[u8]) -> Result<Hash, VaultError> {
    hmac(salt, &[text]).ok_or(VaultError::TooLong)
}

/// What a content is bound to: its record.
fn bound(commitment: &Hash) -> Vec<u8> {
    [CONTENT_DOMAIN, commitment].concat()
}

/// What a data key is bound to: what it is for.
fn key_bound(id: &KeyId, of: &KeyOf) -> Vec<u8> {
    let mut bound = [KEY_DOMAIN, id].concat();
    for text in [&of.subject, &of.tenant, &of.class] {
        bound.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bound.extend_from_slice(text.as_bytes());
    }
    bound.extend_from_slice(&of.since.to_be_bytes());
    bound.extend_from_slice(&of.until.to_be_bytes());
    bound
}

/// A random nonce, and the text encrypted under it.
fn encrypt(key: &[u8; 32], text: &[u8], bound: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|_| VaultError::Random)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let encrypted = cipher.encrypt(&XNonce::from(nonce), Payload { msg: text, aad: bound });
    Ok([&nonce[..], &encrypted.map_err(|_| VaultError::TooLong)?].concat())
}

fn decrypt(key: &[u8; 32], bytes: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
    let (nonce, encrypted) = bytes.split_first_chunk::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: encrypted, aad: bound }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(subject: &str, text: &str) -> Content {
        Content {
            class: "talk".to_owned(),
            keep_seconds: 86_400,
            key_seconds: 3_600,
            subject: subject.to_owned(),
            tenant: String::new(),
            session: "s".to_owned(),
            role: "user",
            at: 1_800_000_000_000_000,
            text: text.to_owned(),
            whole: true,
        }
    }

    fn commitment_of(sealed: &Sealed) -> Hash {
        let hex = &sealed.kept.commitment;
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn contents_open_with_their_key_and_record_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let wait = Duration::from_secs(1);
        let (key, text) = PayloadKey::generate().unwrap();
        let vault = Vault::open(&path, "log/1", key, wait).unwrap();
        let sealed = vault.seal(&content("ann", "my kitten")).unwrap();
        let again = vault.seal(&content("ann", "my kitten")).unwrap();
        let other = vault.seal(&content("kim", "my kitten")).unwrap();
        assert_eq!(sealed.key, again.key);
        assert_ne!(sealed.key, other.key);
        assert_ne!(sealed.kept.commitment, again.kept.commitment, "each has a salt of its own");
        let commitment = commitment_of(&sealed);
        let open = |vault: &Vault, bytes: &[u8], commitment: &Hash| {
            vault.unseal(3, &sealed.key, bytes, commitment).map(|plain| plain.to_vec())
        };
        assert_eq!(open(&vault, &sealed.bytes, &commitment).unwrap(), b"my kitten");
        assert!(matches!(
            open(&vault, &sealed.bytes, &commitment_of(&again)),
            Err(VaultError::Damaged { .. })
        ));
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.bytes.clone();
            changed[at] ^= 1;
            assert!(open(&vault, &changed, &commitment).is_err(), "byte {at}");
        }
        // Another process, the same key.
        let second = Vault::open(&path, "log/1", PayloadKey::parse(&text).unwrap(), wait).unwrap();
        assert_eq!(open(&second, &sealed.bytes, &commitment).unwrap(), b"my kitten");
        assert_eq!(second.seal(&content("ann", "x")).unwrap().key, sealed.key);
        let refused = Vault::open(&path, "log/1", PayloadKey::generate().unwrap().0, wait);
        assert!(matches!(refused, Err(VaultError::OtherKey { .. })));
        let refused = Vault::open(&path, "log/2", PayloadKey::parse(&text).unwrap(), wait);
        assert!(matches!(refused, Err(VaultError::Store(StoreError::OtherKeys { .. }))));
        // What one destroys the other no longer has, though it held it a moment ago.
        let kept_before = std::fs::read(&path).unwrap();
        let wrapped = vault.keys().unwrap().into_iter().find(|key| key.id == sealed.key).unwrap().wrapped;
        assert_eq!(vault.destroy(&[sealed.key]).unwrap(), (1, true));
        for name in ["keys", "keys-wal"] {
            let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
            assert!(!bytes.windows(16).any(|some| some == &wrapped[32..48]), "{name}");
        }
        drop(kept_before);
        assert!(matches!(open(&second, &sealed.bytes, &commitment), Err(VaultError::Destroyed { index: 3 })));
        assert_ne!(second.seal(&content("ann", "x")).unwrap().key, sealed.key);
        // Under a new key of the host's the old one opens nothing.
        let (new, new_text) = PayloadKey::generate().unwrap();
        assert_eq!(vault.rotate(new).unwrap(), 2);
        assert!(Vault::open(&path, "log/1", PayloadKey::parse(&text).unwrap(), wait).is_err());
        let third = Vault::open(&path, "log/1", PayloadKey::parse(&new_text).unwrap(), wait).unwrap();
        let plain = third.unseal(0, &other.key, &other.bytes, &commitment_of(&other)).unwrap();
        assert_eq!(&**plain, b"my kitten");
    }

    #[test]
    fn every_time_lies_in_one_span() {
        assert_eq!(span(7_199_999_999, 3_600), (3_600_000_000, 7_200_000_000));
        let (since, until) = span(-5, 60);
        assert!(since <= -5 && -5 < until);
        let (since, until) = span(i64::MIN, 60);
        assert!(since <= until);
    }
}
