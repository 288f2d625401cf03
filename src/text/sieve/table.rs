//! Grams of four bytes, by hash.

use super::{Entry, Gram};

/// Bits of a hash that only tell whether a gram may be there.
const FINE: u32 = 5;

/// Parts of literals by their grams: `BITS` bits of a hash, in `WORDS` rows of 64.
#[derive(Debug)]
pub(super) struct Table<const BITS: u32, const WORDS: usize> {
    /// Hashes that there are, as bits.
    hashes: Box<[u64; WORDS]>,
    /// By the first bits of their hash, the entries.
    entries: Vec<Entry>,
    firsts: Vec<u32>,
}

impl<const BITS: u32, const WORDS: usize> Table<BITS, WORDS> {
    const FITS: () = assert!(WORDS << 6 == 1 << BITS, "a bit for each hash");

    #[inline]
    fn hash(gram: Gram) -> u32 {
        gram.wrapping_mul(0x9e37_79b1) >> (32 - BITS)
    }

    /// A table of these, which also knows grams `besides` them.
    pub(super) fn new(mut entries: Vec<Entry>, besides: impl Iterator<Item = Gram>) -> Self {
        let () = Self::FITS;
        entries.sort_unstable_by_key(|entry| (Self::hash(entry.gram), *entry));
        let mut hashes = Box::new([0_u64; WORDS]);
        for gram in entries.iter().map(|entry| entry.gram).chain(besides) {
            let hash = Self::hash(gram);
            if let Some(bits) = hashes.get_mut((hash >> 6) as usize) {
                *bits |= 1 << (hash & 63);
            }
        }
        let first = |part: u32| entries.partition_point(|entry| Self::hash(entry.gram) >> FINE < part);
        let firsts =
            (0..=1 << (BITS - FINE)).map(|part| u32::try_from(first(part)).unwrap_or(u32::MAX)).collect();
        Self { hashes, entries, firsts }
    }

    /// Whether a gram may be there.
    #[inline]
    pub(super) fn has(&self, gram: Gram) -> bool {
        let hash = Self::hash(gram);
        self.hashes.get((hash >> 6) as usize).is_some_and(|bits| bits >> (hash & 63) & 1 == 1)
    }

    /// The entries of a gram.
    #[inline]
    pub(super) fn of(&self, gram: Gram) -> impl Iterator<Item = &Entry> {
        let part = (Self::hash(gram) >> FINE) as usize;
        let range = self.firsts.get(part).zip(self.firsts.get(part + 1));
        let near = range.and_then(|(from, to)| self.entries.get(*from as usize..*to as usize));
        near.unwrap_or_default().iter().filter(move |entry| entry.gram == gram)
    }
}
