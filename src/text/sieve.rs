//! Where a text holds any of many literals.
//!
//! Literals of four bytes and more are found by their two rarest neighbouring trigrams: of two neighbours one begins at an
//! even place, so that only every second place is looked up, in a table of 2^16 bits. Shorter ones are searched with
//! SIMD, single bytes with `memchr`.

use aho_corasick::packed;
use serde::{Deserialize, Serialize};

use super::frequency::{self, SIEVED};
use super::literals::Literal;

/// Trigrams are hashed to so many bits.
const BITS: u32 = 16;
/// Buckets of trigrams.
const BUCKETS: usize = 1 << 12;
/// Most texts that SIMD search takes at once.
const MAX_PACKED: usize = 48;
/// Every byte in lower case, as far as letters go: other bytes fall together, which costs a look and nothing more.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// Finds literals.
#[derive(Debug, Deserialize)]
#[serde(from = "Vec<Literal>")]
pub(super) struct Sieve {
    literals: Vec<Literal>,
    bits: Vec<u64>,
    /// First entry of each bucket.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
    short: Option<Short>,
    single: Vec<(u8, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: u32,
    trigram: u32,
    literal: u32,
    /// Bytes of the literal before the trigram.
    before: u32,
}

/// Literals of two and three bytes.
#[derive(Debug)]
enum Short {
    /// Of texts at one place the longest is found: with each come those that it begins with.
    Packed(packed::Searcher, Vec<Vec<u32>>),
    Automaton(aho_corasick::AhoCorasick, Vec<u32>),
}

fn hash(trigram: u32) -> u32 {
    trigram.wrapping_mul(0x9e37_79b1) >> (32 - BITS)
}

fn bucket(hash: u32) -> usize {
    (hash >> BITS.saturating_sub(BUCKETS.trailing_zeros())) as usize
}

impl Sieve {
    /// A sieve for these literals, none of them empty.
    pub(super) fn new(literals: Vec<Literal>) -> Self {
        let mut bits = vec![0_u64; 1 << (BITS - 6)];
        let mut entries = Vec::new();
        let mut short = Vec::new();
        let mut single = Vec::new();
        for (number, literal) in (0_u32..).zip(&literals) {
            match literal.bytes.as_slice() {
                [] => {}
                [byte] => {
                    single.push((*byte, number));
                    if literal.any_case && byte.is_ascii_alphabetic() {
                        single.push((byte.to_ascii_uppercase(), number));
                    }
                }
                bytes if bytes.len() < SIEVED => short.push((number, literal)),
                bytes => {
                    let (at, _) = frequency::rarest(bytes);
                    for before in [at, at + 1] {
                        let Some([a, b, c]) = bytes.get(before..before + 3) else { continue };
                        let trigram = u32::from_le_bytes([*a, *b, *c, 0]) | 0x0020_2020;
                        let hash = hash(trigram);
                        let before = u32::try_from(before).unwrap_or(u32::MAX);
                        entries.push(Entry { hash, trigram, literal: number, before });
                        if let Some(word) = bits.get_mut((hash >> 6) as usize) {
                            *word |= 1 << (hash & 63);
                        }
                    }
                }
            }
        }
        entries.sort_unstable();
        let buckets = (0..=BUCKETS)
            .map(|number| entries.partition_point(|entry| bucket(entry.hash) < number))
            .map(|at| u32::try_from(at).unwrap_or(u32::MAX))
            .collect();
        let short = Short::new(&short);
        Self { literals, bits, buckets, entries, short, single }
    }

    /// Bytes of a literal.
    pub(super) fn length(&self, literal: u32) -> usize {
        self.literals.get(literal as usize).map_or(0, |literal| literal.bytes.len())
    }

    /// Calls `found` with each literal and where it begins, in no order.
    pub(super) fn find(&self, text: &str, found: &mut dyn FnMut(u32, usize)) {
        let bytes = text.as_bytes();
        if !self.entries.is_empty() {
            self.trigrams(bytes, found);
        }
        if let Some(short) = &self.short {
            short.find(bytes, found);
        }
        for (byte, literal) in &self.single {
            memchr::memchr_iter(*byte, bytes).for_each(|at| found(*literal, at));
        }
    }

    fn trigrams(&self, bytes: &[u8], found: &mut dyn FnMut(u32, usize)) {
        let Ok(bits) = <&[u64; 1 << (BITS - 6)]>::try_from(self.bits.as_slice()) else { return };
        let is_set = |trigram: u32| {
            let hash = hash(trigram);
            bits.get((hash >> 6) as usize).map_or(0, |word| word >> (hash & 63) & 1)
        };
        let mut at = 0;
        // Three trigrams out of eight bytes.
        while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*eight) | LOWER;
            let trigram = |shift: u32| (word >> shift) as u32 & 0x00ff_ffff;
            let (one, two, three) = (trigram(0), trigram(16), trigram(32));
            if is_set(one) | is_set(two) | is_set(three) != 0 {
                self.look(bytes, at, one, found);
                self.look(bytes, at + 2, two, found);
                self.look(bytes, at + 4, three, found);
            }
            at += 6;
        }
        while let Some(three) = bytes.get(at..).and_then(|rest| rest.first_chunk::<3>()) {
            let [a, b, c] = *three;
            self.look(bytes, at, u32::from_le_bytes([a, b, c, 0]) | 0x0020_2020, found);
            at += 2;
        }
    }

    /// Every literal with this trigram that stands here.
    fn look(&self, bytes: &[u8], at: usize, trigram: u32, found: &mut dyn FnMut(u32, usize)) {
        let number = bucket(hash(trigram));
        let (Some(from), Some(to)) = (self.buckets.get(number), self.buckets.get(number + 1)) else { return };
        for entry in self.entries.get(*from as usize..*to as usize).unwrap_or_default() {
            if entry.trigram != trigram {
                continue;
            }
            let (Some(start), Some(literal)) =
                (at.checked_sub(entry.before as usize), self.literals.get(entry.literal as usize))
            else {
                continue;
            };
            let here = bytes.get(start..start + literal.bytes.len());
            let same = here.is_some_and(|here| {
                if literal.any_case {
                    here.eq_ignore_ascii_case(&literal.bytes)
                } else {
                    here == literal.bytes
                }
            });
            if same {
                found(entry.literal, start);
            }
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

impl Short {
    fn new(literals: &[(u32, &Literal)]) -> Option<Self> {
        let mut texts: Vec<(Vec<u8>, u32)> = Vec::new();
        for (number, literal) in literals {
            texts.extend(cases(literal).into_iter().map(|text| (text, *number)));
        }
        if texts.is_empty() {
            return None;
        }
        let mut distinct: Vec<&[u8]> = texts.iter().map(|(text, _)| text.as_slice()).collect();
        distinct.sort_unstable_by_key(|text| (std::cmp::Reverse(text.len()), *text));
        distinct.dedup();
        if distinct.len() <= MAX_PACKED
            && let Some(searcher) = packed::Searcher::new(&distinct)
        {
            let begins = |whole: &[u8]| {
                texts.iter().filter(|(text, _)| whole.starts_with(text)).map(|(_, number)| *number).collect()
            };
            return Some(Short::Packed(searcher, distinct.into_iter().map(begins).collect()));
        }
        let (texts, numbers): (Vec<Vec<u8>>, Vec<u32>) = texts.into_iter().unzip();
        aho_corasick::AhoCorasick::builder()
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(&texts)
            .ok()
            .map(|automaton| Short::Automaton(automaton, numbers))
    }

    fn find(&self, bytes: &[u8], found: &mut dyn FnMut(u32, usize)) {
        match self {
            Short::Packed(searcher, numbers) => {
                let mut at = 0;
                while let Some(one) =
                    searcher.find_in(bytes, aho_corasick::Span { start: at, end: bytes.len() })
                {
                    let numbers = numbers.get(one.pattern().as_usize()).map_or(&[][..], Vec::as_slice);
                    numbers.iter().for_each(|number| found(*number, one.start()));
                    at = one.start() + 1;
                }
            }
            Short::Automaton(automaton, numbers) => {
                for one in automaton.find_overlapping_iter(bytes) {
                    if let Some(number) = numbers.get(one.pattern().as_usize()) {
                        found(*number, one.start());
                    }
                }
            }
        }
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
