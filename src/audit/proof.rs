//! That a record is in a log, for somebody who has neither: a text as C2SP `tlog-proof` has it, with the record as its extra data.

use std::borrow::Cow;

use super::base64;
use super::checkpoint::Checkpoint;
use super::entry::Place;
use super::key::PublicKey;
use super::tree::{leaf, root_of};
use crate::store::Hash;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Proves that one record is in a log. Needs no log to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The record at its place, as canonical JSON.
    record: String,
    index: u64,
    path: Vec<Hash>,
    checkpoint: Checkpoint,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text is no proof.
    #[error("it is no proof as `ringfence audit prove` writes it")]
    NoProof,
    /// The checkpoint is not signed by a given key.
    #[error("the checkpoint in the proof is not signed by the given key")]
    Signature,
    /// The record says that it is another one, or of another log.
    #[error("the record in the proof states another place or another log than the proof")]
    Place,
    /// The record is not the one that was written.
    #[error("the record in the proof is not the one that stands in the signed log")]
    Record,
}

impl Proof {
    pub(super) fn new(record: String, index: u64, path: Vec<Hash>, checkpoint: Checkpoint) -> Self {
        Self { record, index, path, checkpoint }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text =
            format!("{FIRST_LINE}\nextra {}\nindex {}\n", base64::encode(self.record.as_bytes()), self.index);
        for hash in &self.path {
            text.push_str(&base64::encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(self.checkpoint.note());
        text
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let parts = text.split_once("\n\n").ok_or(ProofError::NoProof)?;
        let checkpoint = Checkpoint::parse(parts.1).map_err(|_| ProofError::NoProof)?;
        let mut lines = parts.0.lines();
        let mut next =
            |start: &str| lines.next().and_then(|line| line.strip_prefix(start)).ok_or(ProofError::NoProof);
        let (first, extra, number) = (next(FIRST_LINE)?, next("extra ")?, next("index ")?);
        let record = base64::decode(extra).and_then(|record| String::from_utf8(record).ok());
        let index = number.parse().ok().filter(|index: &u64| first.is_empty() && index.to_string() == number);
        let hash = |line| base64::decode(line).and_then(|hash| Hash::try_from(hash).ok());
        let path: Option<Vec<Hash>> = lines.map(hash).collect();
        match (record, index, path) {
            (Some(record), Some(index), Some(path)) => Ok(Self { record, index, path, checkpoint }),
            _ => Err(ProofError::NoProof),
        }
    }

    /// Checks everything; the record, as canonical JSON, where the proof holds.
    ///
    /// # Errors
    /// When it proves nothing.
    pub fn check<'a>(&self, keys: impl IntoIterator<Item = &'a PublicKey>) -> Result<&str, ProofError> {
        let Checkpoint { origin, size, root, .. } = &self.checkpoint;
        if !self.checkpoint.is_signed_by(keys) {
            return Err(ProofError::Signature);
        }
        if root_of(self.index, *size, leaf(&[self.record.as_bytes()]), &self.path) != Some(*root) {
            return Err(ProofError::Record);
        }
        match serde_json::from_str::<Place<'_>>(&self.record) {
            Ok(Place { index, log: Cow::Borrowed(log) }) if index == self.index && log == origin => {
                Ok(&self.record)
            }
            _ => Err(ProofError::Place),
        }
    }

    /// The checkpoint that it leads to.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}
