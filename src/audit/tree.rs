//! The Merkle tree of RFC 6962 over the records, kept incrementally.
//!
//! Hashes of complete subtrees of 256, 65,536, … records are stored; whatever lies between is computed from at most 255 of them
//! per level. So an append costs two hashes, and a proof a few hundred, however long the log is.

use sha2::{Digest, Sha256};

use crate::store::Hash;

/// Subtrees of every so many levels are stored.
const STORED_EVERY: u32 = 8;

/// The hash of a record: of a leaf of the tree.
pub(super) fn leaf(parts: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new_with_prefix([0]);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The hash of two subtrees.
pub(super) fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new_with_prefix([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// A complete subtree whose hash is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) level: u32,
    pub(super) index: u64,
    pub(super) hash: Hash,
}

/// Where hashes of complete subtrees come from: of level 0 the records', above those of every eighth level.
pub(super) trait Nodes {
    type Error;

    /// The hashes of subtrees `from..to` of a stored level.
    fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, Self::Error>;
    /// What a missing hash is.
    fn missing(level: u32, index: u64) -> Self::Error;
}

/// A tree of which only what appending needs is held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree {
    size: u64,
    /// The largest complete subtrees from left to right, with their levels.
    peaks: Vec<(u32, Hash)>,
}

impl Tree {
    /// The tree of a log's first records.
    pub(super) fn load<N: Nodes>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let mut peaks = Vec::new();
        let mut start = 0;
        for level in (0..64).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push((level, subtree(nodes, level, start >> level)?));
            start += 1 << level;
        }
        Ok(Self { size, peaks })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and tells of each subtree that is complete by it and stored.
    pub(super) fn push(&mut self, leaf: Hash, mut store: impl FnMut(Node)) {
        let (mut level, mut hash) = (0, leaf);
        while let Some((_, left)) = self.peaks.pop_if(|(top, _)| *top == level) {
            hash = node(&left, &hash);
            level += 1;
            if level % STORED_EVERY == 0 {
                store(Node { level, index: self.size >> level, hash });
            }
        }
        self.peaks.push((level, hash));
        self.size += 1;
    }

    /// The hash of the whole tree.
    pub(super) fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        match peaks.next() {
            Some(last) => peaks.fold(last, |right, left| node(&left, &right)),
            None => Sha256::digest([]).into(),
        }
    }
}

/// The hash of a complete subtree.
fn subtree<N: Nodes>(nodes: &N, level: u32, index: u64) -> Result<Hash, N::Error> {
    let stored = level - level % STORED_EVERY;
    let width = 1 << (level - stored);
    let from = index * width;
    let mut hashes = nodes.nodes(stored, from, from + width)?;
    if hashes.len() as u64 != width {
        return Err(N::missing(stored, from + hashes.len() as u64));
    }
    while hashes.len() > 1 {
        hashes = hashes.as_chunks::<2>().0.iter().map(|[left, right]| node(left, right)).collect();
    }
    hashes.pop().ok_or_else(|| N::missing(level, index))
}

/// The hash of any tree over leaves `from..to`, of which all but the last subtree are complete.
fn range<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<Hash, N::Error> {
    let count = to - from;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return subtree(nodes, level, from >> level);
    }
    let split = from + largest_power_below(count);
    Ok(node(&range(nodes, from, split)?, &range(nodes, split, to)?))
}

/// The largest power of two that is less than a count above 1.
fn largest_power_below(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The inclusion proof of leaf `index` in the tree of the first `size` leaves, from the leaf's sibling up.
pub(super) fn inclusion<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let split = from + largest_power_below(to - from);
        if index < split {
            path.push(range(nodes, split, to)?);
            to = split;
        } else {
            path.push(range(nodes, from, split)?);
            from = split;
        }
    }
    path.reverse();
    Ok(path)
}

/// The root that a leaf and its inclusion proof lead to (RFC 9162, 2.1.3.2); `None` where no tree of this size has such a proof.
pub(super) fn root_of(index: u64, size: u64, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The definition of RFC 6962, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let k = (1..).map(|n| 1 << n).take_while(|k| *k < leaves.len()).last().unwrap_or(1);
                node(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
            }
        }
    }

    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let k = (1..).map(|n| 1 << n).take_while(|k| *k < leaves.len()).last().unwrap_or(1);
        let (mut path, other) = if index < k {
            (naive_path(index, &leaves[..k]), naive_root(&leaves[k..]))
        } else {
            (naive_path(index - k, &leaves[k..]), naive_root(&leaves[..k]))
        };
        path.push(other);
        path
    }

    #[derive(Default)]
    struct Kept(BTreeMap<(u32, u64), Hash>);

    impl Nodes for Kept {
        type Error = (u32, u64);
        fn nodes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, Self::Error> {
            (from..to).map(|index| self.0.get(&(level, index)).copied().ok_or((level, index))).collect()
        }
        fn missing(level: u32, index: u64) -> Self::Error {
            (level, index)
        }
    }

    fn leaves(count: usize, seed: u64) -> Vec<Hash> {
        (0..count as u64).map(|n| leaf(&[&n.to_be_bytes(), &seed.to_be_bytes()])).collect()
    }

    fn build(leaves: &[Hash]) -> (Tree, Kept) {
        let (mut tree, mut kept) = (Tree::default(), Kept::default());
        for (index, leaf) in leaves.iter().enumerate() {
            kept.0.insert((0, index as u64), *leaf);
            tree.push(*leaf, |node| {
                kept.0.insert((node.level, node.index), node.hash);
            });
        }
        (tree, kept)
    }

    #[test]
    fn the_roots_that_the_standard_implies() {
        let hex = |hash: Hash| crate::audit::digest::hex(&hash);
        assert_eq!(
            hex(Tree::default().root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(hex(leaf(&[])), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_tree_is_the_one_of_the_standard(count in 1_usize..1500, seed: u64, pick: prop::sample::Index, cut: prop::sample::Index, flip: prop::sample::Index) {
            let all = leaves(count, seed);
            let (tree, kept) = build(&all);
            prop_assert_eq!(tree.root(), naive_root(&all));
            prop_assert_eq!(&Tree::load(&kept, count as u64).unwrap(), &tree);
            // Any record in any earlier tree.
            let size = cut.index(count) + 1;
            let index = pick.index(size);
            let path = inclusion(&kept, index as u64, size as u64).unwrap();
            prop_assert_eq!(&path, &naive_path(index, &all[..size]));
            let root = naive_root(&all[..size]);
            prop_assert_eq!(Tree::load(&kept, size as u64).unwrap().root(), root);
            prop_assert_eq!(root_of(index as u64, size as u64, all[index], &path), Some(root));
            // No other leaf, place or path leads to it.
            prop_assert_ne!(root_of(index as u64, size as u64, leaf(&[b"x"]), &path), Some(root));
            if size > 1 {
                let other = (index + 1) % size;
                prop_assert_ne!(root_of(other as u64, size as u64, all[index], &path), Some(root));
                let mut wrong = path.clone();
                let at = flip.index(wrong.len());
                wrong[at][0] ^= 1;
                prop_assert_ne!(root_of(index as u64, size as u64, all[index], &wrong), Some(root));
                prop_assert_eq!(root_of(index as u64, size as u64, all[index], &path[1..]).filter(|found| *found == root), None);
            }
            let mut longer = path.clone();
            longer.push(root);
            prop_assert_eq!(root_of(index as u64, size as u64, all[index], &longer).filter(|found| *found == root), None);
        }
    }
}
