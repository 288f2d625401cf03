//! Where a text holds any of many literals.
//!
//! Of a literal of five bytes and more the rarest five in a row are looked for: of the two grams of four bytes in them one
//! begins at an even place, so that only every second place is looked up, in a table of bits. Shorter ones are looked up at every
//! place by three bytes, pairs and single bytes with SIMD.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::frequency::{self, SIEVED};
use super::literals::Literal;

/// Every byte in lower case, as far as letters go: other bytes fall together, which costs a look and nothing more.
const LOWER: u64 = 0x2020_2020_2020_2020;
/// The same of three bytes.
const THREE: u32 = 0x0020_2020;
/// Longest literal that is looked up by three bytes.
const SHORT: usize = SIEVED - 1;

/// Finds literals.
#[derive(Debug, Deserialize)]
#[serde(from = "Vec<Literal>")]
pub(super) struct Sieve {
    literals: Vec<Literal>,
    long: Grams<17, { 1 << 11 }>,
    short: Grams<16, { 1 << 10 }>,
    pairs: Vec<(memmem::Finder<'static>, u32)>,
    single: Vec<(u8, u32)>,
}

/// A part of a literal by which it is found, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: u32,
    gram: u32,
    literal: u32,
    /// Bytes of the literal before it.
    before: u32,
    /// Bytes of the literal.
    length: u32,
    /// Its first and its last byte, in lower case.
    first: u8,
    last: u8,
}

/// Grams, by a hash of so many bits.
#[derive(Debug)]
struct Grams<const BITS: u32, const WORDS: usize> {
    /// Hashes that there are, as bits, 64 in a row.
    hashes: Box<[u64; WORDS]>,
    /// How many there are before each row.
    before: Vec<u32>,
    /// Of each of them, the first entry.
    firsts: Vec<u32>,
    entries: Vec<Entry>,
}

impl<const BITS: u32, const WORDS: usize> Grams<BITS, WORDS> {
    fn hash(gram: u32) -> u32 {
        gram.wrapping_mul(0x9e37_79b1) >> (32 - BITS)
    }

    fn new(grams: &[(u32, u32, usize)], literals: &[Literal]) -> Self {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let entry = |(gram, number, before): &(u32, u32, usize)| {
            let bytes = &literals.get(*number as usize)?.bytes;
            Some(Entry {
                hash: Self::hash(*gram),
                gram: *gram,
                literal: *number,
                before: small(*before),
                length: small(bytes.len()),
                first: bytes.first()? | 0x20,
                last: bytes.last()? | 0x20,
            })
        };
        let mut entries: Vec<Entry> = grams.iter().filter_map(entry).collect();
        entries.sort_unstable();
        entries.dedup();
        let mut hashes = Box::new([0_u64; WORDS]);
        let mut firsts = Vec::new();
        let mut at = 0;
        for same in entries.chunk_by(|one, other| one.hash == other.hash) {
            let hash = same.first().map_or(0, |entry| entry.hash);
            if let Some(bits) = hashes.get_mut((hash >> 6) as usize) {
                *bits |= 1 << (hash & 63);
            }
            firsts.push(small(at));
            at += same.len();
        }
        firsts.push(small(at));
        let counts = hashes.iter().scan(0, |all, bits| {
            let before = *all;
            *all += bits.count_ones();
            Some(before)
        });
        let before = counts.collect();
        Self { hashes, before, firsts, entries }
    }

    #[inline]
    fn has(&self, gram: u32) -> bool {
        let hash = Self::hash(gram);
        self.hashes.get((hash >> 6) as usize).is_some_and(|bits| bits >> (hash & 63) & 1 == 1)
    }

    /// The entries with the hash of a gram that is there.
    fn of(&self, gram: u32) -> &[Entry] {
        let hash = Self::hash(gram);
        let row = (hash >> 6) as usize;
        let Some((bits, rank)) = self.hashes.get(row).zip(self.before.get(row)) else { return &[] };
        let number = (rank + (bits & ((1 << (hash & 63)) - 1)).count_ones()) as usize;
        let range = self.firsts.get(number).zip(self.firsts.get(number + 1));
        range.and_then(|(from, to)| self.entries.get(*from as usize..*to as usize)).unwrap_or_default()
    }
}

impl Sieve {
    /// A sieve for these literals, none of them empty.
    pub(super) fn new(literals: Vec<Literal>) -> Self {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        let (mut pairs, mut single) = (Vec::new(), Vec::new());
        for (number, literal) in (0_u32..).zip(&literals) {
            match literal.bytes.as_slice() {
                [] => {}
                [byte] => {
                    single.push((*byte, number));
                    if literal.any_case && byte.is_ascii_alphabetic() {
                        single.push((byte.to_ascii_uppercase(), number));
                    }
                }
                [_, _] => {
                    let cases = cases(literal).into_iter();
                    pairs.extend(cases.map(|pair| (memmem::Finder::new(&pair).into_owned(), number)));
                }
                bytes if bytes.len() <= SHORT => {
                    let before = frequency::rarest_three(bytes);
                    if let Some([a, b, c]) = bytes.get(before..).and_then(|rest| rest.first_chunk()) {
                        short.push((u32::from_le_bytes([*a, *b, *c, 0]) | THREE, number, before));
                    }
                }
                bytes => {
                    let (at, _) = frequency::rarest(bytes);
                    for before in [at, at + 1] {
                        if let Some(four) = bytes.get(before..).and_then(|rest| rest.first_chunk::<4>()) {
                            long.push((u32::from_le_bytes(*four) | LOWER as u32, number, before));
                        }
                    }
                }
            }
        }
        Self {
            long: Grams::new(&long, &literals),
            short: Grams::new(&short, &literals),
            literals,
            pairs,
            single,
        }
    }

    /// Bytes of a literal.
    pub(super) fn length(&self, literal: u32) -> usize {
        self.literals.get(literal as usize).map_or(0, |literal| literal.bytes.len())
    }

    /// Calls `found` with each literal and where it begins, in no order.
    pub(super) fn find(&self, bytes: &[u8], found: &mut dyn FnMut(u32, usize)) {
        let mut at = 0;
        // Four places at a time, out of eight bytes.
        while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            self.four(bytes, at, u64::from_le_bytes(*eight) | LOWER, found);
            at += 4;
        }
        while at < bytes.len() {
            let mut last = [0; 8];
            last.iter_mut().zip(bytes.get(at..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
            self.four(bytes, at, u64::from_le_bytes(last) | LOWER, found);
            at += 4;
        }
        for (pair, literal) in &self.pairs {
            // Twice the same byte may stand at two places next to each other.
            let step = if matches!(pair.needle(), [one, other] if one == other) { 1 } else { 2 };
            let mut from = 0;
            while let Some(at) = bytes.get(from..).and_then(|rest| pair.find(rest)) {
                found(*literal, from + at);
                from += at + step;
            }
        }
        for (byte, literal) in &self.single {
            memchr::memchr_iter(*byte, bytes).for_each(|at| found(*literal, at));
        }
    }

    #[inline]
    fn four(&self, bytes: &[u8], at: usize, word: u64, found: &mut dyn FnMut(u32, usize)) {
        let long = |shift: u32| (word >> shift) as u32;
        let short = |shift: u32| (word >> shift) as u32 & 0x00ff_ffff;
        let one = u32::from(self.long.has(long(0))) | u32::from(self.long.has(long(16))) << 1;
        let other =
            (0..4).fold(0, |all, place| all | u32::from(self.short.has(short(place * 8))) << (place + 2));
        let mut all = one | other;
        while all != 0 {
            let place = all.trailing_zeros();
            all &= all - 1;
            let (at, gram, entries) = match place {
                0 | 1 => (at + 2 * place as usize, long(place * 16), self.long.of(long(place * 16))),
                _ => (at + place as usize - 2, short(place * 8 - 16), self.short.of(short(place * 8 - 16))),
            };
            for entry in entries.iter().filter(|entry| entry.gram == gram) {
                self.check(bytes, at, entry, found);
            }
        }
    }

    /// Whether the literal of an entry whose gram is at a place stands there.
    fn check(&self, bytes: &[u8], at: usize, entry: &Entry, found: &mut dyn FnMut(u32, usize)) {
        let Some(start) = at.checked_sub(entry.before as usize) else { return };
        // Most often the first or the last byte tells: neither is in the gram, but of the shortest ones.
        let last = start + entry.length as usize - 1;
        let fits = |at: usize, lower: u8| bytes.get(at).is_some_and(|byte| byte | 0x20 == lower);
        if !fits(start, entry.first) || !fits(last, entry.last) {
            return;
        }
        let Some(literal) = self.literals.get(entry.literal as usize) else { return };
        let same = bytes.get(start..=last).is_some_and(|here| {
            let mut both = here.iter().zip(&literal.bytes);
            if literal.any_case {
                both.all(|(here, there)| here.to_ascii_lowercase() == *there)
            } else {
                here == literal.bytes
            }
        });
        if same {
            found(entry.literal, start);
        }
    }
}

impl From<Vec<Literal>> for Sieve {
    fn from(literals: Vec<Literal>) -> Self {
        Self::new(literals)
    }
}

impl Serialize for Sieve {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.literals.serialize(to)
    }
}

/// A literal in every case that counts.
fn cases(literal: &Literal) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for byte in &literal.bytes {
        let upper = byte.to_ascii_uppercase();
        let both = literal.any_case && upper != *byte;
        let more: Vec<Vec<u8>> = if both {
            all.iter().map(|text| [text.as_slice(), &[upper]].concat()).collect()
        } else {
            Vec::new()
        };
        all.iter_mut().for_each(|text| text.push(*byte));
        all.extend(more);
    }
    all
}
