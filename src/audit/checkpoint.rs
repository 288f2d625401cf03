//! Checkpoints: the size and root of the log, signed. A text as C2SP `signed-note` and `tlog-checkpoint` have it, which other tools
//! can check.

use ed25519_dalek::{Signature, Signer, Verifier, VerifyingKey};
use sha2::{Digest, Sha256};

use super::base64;
use super::key::{PublicKey, SigningKey};
use crate::store::Hash;

/// Type of an Ed25519 key in a signed note.
pub(super) const ED25519: u8 = 1;

/// What was signed of a log at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: a name that no other log has.
    pub origin: String,
    /// Records that it covers: those with a number below.
    pub size: u64,
    /// Root of their Merkle tree.
    pub root: Hash,
    /// The text, signatures included.
    note: String,
    /// Length of what is signed.
    signed: usize,
    /// Key id and signature of each line of the log's own name.
    signatures: Vec<([u8; 4], Vec<u8>)>,
}

/// A text that is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no checkpoint: three lines (log, size, root), an empty one, and a signature")]
pub struct NoCheckpoint;

impl Checkpoint {
    /// Signs the state of a log.
    #[must_use]
    pub fn sign(key: &SigningKey, origin: &str, size: u64, root: &Hash) -> Self {
        let body = format!("{origin}\n{size}\n{}\n", base64::encode(root));
        let signature = key.0.sign(body.as_bytes()).to_bytes().to_vec();
        let id = key_id(origin, &key.0.verifying_key());
        let line = [&id[..], &signature].concat();
        let note = format!("{body}\n— {origin} {}\n", base64::encode(&line));
        let signed = body.len();
        Self { origin: origin.to_owned(), size, root: *root, note, signed, signatures: vec![(id, signature)] }
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, NoCheckpoint> {
        let note = format!("{}\n", text.trim_end_matches('\n'));
        let signed = note.rfind("\n\n").ok_or(NoCheckpoint)? + 1;
        let (body, lines) = (note.get(..signed), note.get(signed + 1..));
        let (body, lines) = body.zip(lines).ok_or(NoCheckpoint)?;
        let mut head = body.lines();
        let (Some(origin), Some(size), Some(root)) = (head.next(), head.next(), head.next()) else {
            return Err(NoCheckpoint);
        };
        let number: u64 = size.parse().map_err(|_| NoCheckpoint)?;
        let root = base64::decode(root).and_then(|root| Hash::try_from(root).ok()).ok_or(NoCheckpoint)?;
        if origin.is_empty() || number.to_string() != size || head.any(str::is_empty) {
            return Err(NoCheckpoint);
        }
        let mut signatures = Vec::new();
        for line in lines.lines() {
            let (name, encoded) =
                line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoCheckpoint)?;
            let bytes = base64::decode(encoded).ok_or(NoCheckpoint)?;
            let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoCheckpoint)?;
            if name == origin {
                signatures.push((*id, signature.to_vec()));
            }
        }
        Ok(Self { origin: origin.to_owned(), size: number, root, signed, signatures, note: note.clone() })
    }

    /// The latest of the checkpoints that a file holds one after the other.
    #[must_use]
    pub fn latest_of(text: &str) -> Option<Self> {
        Self::all_of(text).into_iter().max_by_key(|checkpoint| checkpoint.size)
    }

    /// All checkpoints that a file holds one after the other; what is none, as a line that was only half written, is passed over.
    #[must_use]
    pub fn all_of(text: &str) -> Vec<Self> {
        // A note has one empty line in it, and another one parts it from the next.
        let parts: Vec<&str> = text.split("\n\n").collect();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(body) = parts.get(at) {
            let signatures = parts.get(at + 1).copied().unwrap_or_default();
            match Self::parse(&format!("{}\n\n{signatures}", body.trim_start_matches('\n'))) {
                Ok(checkpoint) => {
                    found.push(checkpoint);
                    at += 2;
                }
                Err(NoCheckpoint) => at += 1,
            }
        }
        found
    }

    /// The text.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Whether one of these keys has signed it.
    #[must_use]
    pub fn is_signed_by<'a>(&self, keys: impl IntoIterator<Item = &'a PublicKey>) -> bool {
        let Some(body) = self.note.get(..self.signed) else { return false };
        keys.into_iter().any(|key| {
            let id = key_id(&self.origin, &key.0);
            self.signatures.iter().filter(|(known, _)| *known == id).any(|(_, signature)| {
                Signature::from_slice(signature)
                    .is_ok_and(|signature| key.0.verify(body.as_bytes(), &signature).is_ok())
            })
        })
    }
}

/// The id of a key under a name, as a signed note has it.
pub(super) fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([b'\n', ED25519]);
    hash.update(key.as_bytes());
    let [a, b, c, d, ..]: Hash = hash.finalize().into();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_read_back_and_no_other_text_does() {
        let key = SigningKey::generate("test").unwrap();
        let other = SigningKey::generate("test").unwrap();
        let checkpoint = Checkpoint::sign(&key, "test/1", 7, &[3; 32]);
        assert_eq!(Checkpoint::parse(checkpoint.note()).as_ref(), Ok(&checkpoint));
        assert!(checkpoint.is_signed_by([&other.public(), &key.public()]));
        assert!(!checkpoint.is_signed_by([&other.public()]));
        for (from, to) in
            [("test/1\n7", "test/1\n8"), ("test/1\n7", "test/2\n7"), ("test/1\n7", "test/1\n07")]
        {
            let changed = Checkpoint::parse(&checkpoint.note().replace(from, to));
            assert!(!changed.is_ok_and(|changed| changed.is_signed_by([&key.public()])));
        }
        let later = Checkpoint::sign(&key, "test/1", 9, &[4; 32]);
        let file = format!("{}\n{}\nhalf a li", checkpoint.note(), later.note());
        assert_eq!(Checkpoint::all_of(&file), [checkpoint, later.clone()]);
        assert_eq!(Checkpoint::latest_of(&file), Some(later));
        assert_eq!(Checkpoint::latest_of(""), None);
    }

    /// The example of the signed-note specification, whose key is published with it.
    #[test]
    fn a_note_of_another_tool_is_read() {
        let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let checkpoint = Checkpoint::parse(note).unwrap();
        assert_eq!((checkpoint.size, checkpoint.note()), (20_852_163, note));
    }
}
