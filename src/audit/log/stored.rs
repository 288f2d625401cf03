//! The tree as it lies in a store.

use super::super::tree::{self, Nodes};
use crate::store::{Hash, Read, StoreError};

/// Adapts a store to the tree.
pub(in crate::audit) struct Stored<'a>(pub(in crate::audit) &'a dyn Read);

impl Nodes for Stored<'_> {
    type Error = StoreError;

    fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        if level == 0 { self.0.hashes(from, to) } else { self.0.nodes(level, from, to) }
    }

    fn missing(level: u32, index: u64) -> StoreError {
        let what = match level {
            0 => format!("record {index} is missing"),
            _ => format!("the hash of subtree {index} of level {level} is missing"),
        };
        StoreError::Damaged { what }
    }
}

/// The inclusion proof of a record in the latest checkpoint.
pub(in crate::audit) fn inclusion(rows: &dyn Read, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
    tree::inclusion(&Stored(rows), index, size)
}
