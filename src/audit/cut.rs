//! The oldest records of a log, removed: a signed statement of how many there were, with the hashes that everything after them builds on.
//!
//! Hashes of subtrees of 256 records and more stay when records go. So whole segments go, and the tree over all records, with every
//! proof of what is still there, is computed as before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::digest::{hex, unhex};
use super::entry;
use super::key::{PublicKey, SigningKey};
use super::log::Stored;
use super::tree::Tree;
use super::{AuditError, LogError, canonical, note};
use crate::store::index::SEGMENT;
use crate::store::{Hash, Read, StoreError, Visit};

const KIND: &str = "ringfence/removed-records/1";

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    /// The log's name.
    pub(crate) log: String,
    /// How many records there were: those with a number below are gone.
    pub(crate) size: u64,
    /// Root of their tree, in hexadecimal.
    pub(crate) root: String,
    /// Hash of the last of them, in hexadecimal.
    pub(crate) last: String,
    /// When (RFC 3339).
    pub(crate) at: Timestamp,
    /// The run of retention that removed them.
    pub(crate) run: String,
}

impl Cut {
    /// What is to be stated of the first records of a log, whose every hash is computed anew. `None` where they are not what was
    /// written.
    pub(crate) fn of(
        rows: &dyn Read,
        origin: &str,
        size: u64,
        at: Timestamp,
        run: &str,
    ) -> Result<Option<Self>, LogError> {
        let Some(Beginning { start, mut tree, mut last }) = Beginning::of(rows, origin, &[])? else {
            return Ok(None);
        };
        let (mut next, mut fits) = (start, true);
        if start < size {
            rows.rows(start, &mut |row| {
                let hash = entry::hash(origin, next, &last, &row.body);
                fits &= row.index == next && row.hash == hash;
                tree.push(hash, |_| {});
                last = hash;
                next += 1;
                if fits && next < size { Visit::More } else { Visit::Stop }
            })?;
        }
        let root = tree.root();
        if !fits || next != size || Tree::load(&Stored(rows), size)?.root() != root {
            return Ok(None);
        }
        let (log, run) = (origin.to_owned(), run.to_owned());
        Ok(Some(Self { log, size, root: hex(&root), last: hex(&last), at, run }))
    }

    /// As a signed note of three lines: what it is, the log, and this as canonical JSON.
    pub(crate) fn sign(&self, key: &SigningKey) -> Result<String, LogError> {
        let value = serde_json::to_value(self).map_err(AuditError::from)?;
        let json = canonical(&value).map_err(AuditError::from)?;
        Ok(note::sign(key, &self.log, &format!("{KIND}\n{}\n{json}\n", self.log)))
    }

    /// Reads a statement about a log, which one of these keys has signed; without keys, whoever has.
    fn read(text: &str, origin: &str, keys: &[PublicKey]) -> Option<Self> {
        let body = match keys {
            [] => text.split_at_checked(text.rfind("\n\n")? + 1)?.0,
            keys => note::check(text, keys).filter(|(_, name)| *name == origin)?.0,
        };
        let mut lines = body.lines();
        let (Some(KIND), Some(log), Some(json), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return None;
        };
        let cut: Self = serde_json::from_str(json).ok()?;
        (log == origin && cut.log == origin && cut.size.is_multiple_of(SEGMENT)).then_some(cut)
    }
}

/// Where the records of a log begin: before them is nothing, or what was removed.
#[derive(Debug)]
pub(super) struct Beginning {
    /// The first record that is there.
    pub(super) start: u64,
    /// The tree over those before it.
    pub(super) tree: Tree,
    /// The hash that it is chained to.
    pub(super) last: Hash,
}

impl Beginning {
    pub(super) fn genesis(origin: &str) -> Self {
        Self { start: 0, tree: Tree::default(), last: entry::genesis(origin) }
    }

    /// As the log states it. `None` where that does not hold: it is not signed by one of these keys, or is not about this log as it is.
    pub(super) fn of(rows: &dyn Read, origin: &str, keys: &[PublicKey]) -> Result<Option<Self>, StoreError> {
        let start = rows.start()?;
        if start == 0 {
            return Ok(Some(Self::genesis(origin)));
        }
        let cuts = rows.cuts()?;
        let cut = cuts.last().and_then(|text| Cut::read(text, origin, keys));
        let Some(cut) = cut.filter(|cut| cut.size == start && start <= rows.size().unwrap_or(0)) else {
            return Ok(None);
        };
        let Ok(tree) = Tree::load(&Stored(rows), start) else { return Ok(None) };
        let Some(last) = unhex(&cut.last).filter(|_| hex(&tree.root()) == cut.root) else { return Ok(None) };
        Ok(Some(Self { start, tree, last }))
    }
}

/// The hash that a record is chained to.
pub(super) fn previous(rows: &dyn Read, origin: &str, index: u64) -> Result<Hash, StoreError> {
    let start = rows.start()?;
    if index > start {
        return Ok(rows.hashes(index - 1, index)?.pop().unwrap_or_default());
    }
    let beginning = Beginning::of(rows, origin, &[])?;
    Ok(beginning.filter(|_| index == start).map(|beginning| beginning.last).unwrap_or_default())
}

/// Whether the latest checkpoint in the log covers so many records, and was signed by this key.
pub(crate) fn is_signed(rows: &dyn Read, size: u64, key: &PublicKey) -> Result<bool, StoreError> {
    let latest = rows.latest_checkpoint()?.and_then(|text| Checkpoint::parse(&text).ok());
    Ok(latest.is_some_and(|latest| latest.size >= size && latest.is_signed_by([key])))
}
