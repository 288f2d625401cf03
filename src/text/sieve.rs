//! Where a text holds any of many literals.
//!
//! A literal that stands at the beginning of a word, or of which some part does, is looked up there, by the four bytes that
//! begin there. Of any other of five bytes and more the rarest five in a row are looked for: of the two grams of four bytes in
//! them one begins at an even place, so that only every second place is looked up. The same table knows every gram that
//! holds the rarest three bytes of a shorter one. Pairs and single bytes are found with SIMD.

mod table;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::block::{BLOCK, letters_and_digits};
use super::eight::{HIGH, every};
use super::first::ByteSet;
use super::frequency::{self, SIEVED};
use super::literals::Literal;
use table::Table;

/// Four bytes of a text, the last one maybe left out: in lower case as far as letters go, without their highest bits. Other
/// bytes fall together, which costs a look and nothing more.
type Gram = u32;

/// Longest literal that is looked up by three bytes.
const SHORT: usize = SIEVED - 1;
/// Bytes that a look at a block reads.
const READ: usize = BLOCK + 4;
/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sought {
    pub(super) literal: Literal,
    /// It counts only where no letter or digit of ASCII stands before it.
    pub(super) apart: bool,
    /// Of a single byte: it counts only between these.
    pub(super) between: Option<(ByteSet, ByteSet)>,
}

impl Sought {
    pub(super) fn anywhere(literal: Literal) -> Self {
        Self { literal, apart: false, between: None }
    }
}

/// Finds literals.
#[derive(Debug, Deserialize)]
#[serde(from = "Vec<Sought>")]
pub(super) struct Sieve {
    sought: Vec<Sought>,
    /// At the beginning of words, by four bytes and by three.
    words: Table<16, { 1 << 10 }>,
    short_words: Table<14, { 1 << 8 }>,
    /// At any place.
    long: Table<17, { 1 << 11 }>,
    short: Table<14, { 1 << 8 }>,
    pairs: Vec<(memmem::Finder<'static>, u32)>,
    single: Vec<(u8, u32)>,
}

/// A part of a literal by which it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    gram: Gram,
    literal: u32,
    /// Bytes of the literal before it.
    before: u32,
    /// Bytes of the literal.
    length: u32,
    /// Its first and its last byte, in lower case.
    first: u8,
    last: u8,
}

fn gram(four: u32) -> Gram {
    (four | 0x2020_2020) & 0x7f7f_7f7f
}

/// The same of the first three bytes alone.
fn three(gram: Gram) -> Gram {
    gram & 0x00ff_ffff
}

/// Four bytes at a place of a literal, or three and nothing.
fn gram_of(bytes: &[u8], at: usize) -> Option<Gram> {
    let rest = bytes.get(at..)?;
    match (rest.first_chunk::<4>(), rest) {
        (Some(four), _) => Some(gram(u32::from_le_bytes(*four))),
        (None, [a, b, c]) => Some(three(gram(u32::from_le_bytes([*a, *b, *c, 0])))),
        _ => None,
    }
}

/// Where a part of a literal stands at the beginning of a word: the rarest of four bytes, or else three.
fn word(sought: &Sought) -> Option<(usize, f64)> {
    let bytes = sought.literal.bytes.as_slice();
    let in_word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let begins =
        |at: &usize| in_word(*at) && at.checked_sub(1).map_or(sought.apart, |before| !in_word(before));
    let places = (0..bytes.len().saturating_sub(2)).filter(begins);
    let shares = places.map(|at| {
        let part = bytes.get(at..bytes.len().min(at + 4)).unwrap_or_default();
        (at, frequency::part_of_word(part))
    });
    shares.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

impl Sieve {
    /// A sieve for these literals, none of them empty.
    pub(super) fn new(sought: Vec<Sought>) -> Self {
        let (mut words, mut short_words) = (Vec::new(), Vec::new());
        let (mut long, mut short, mut around) = (Vec::new(), Vec::new(), Vec::new());
        let (mut pairs, mut single) = (Vec::new(), Vec::new());
        for (number, one) in (0_u32..).zip(&sought) {
            let literal = &one.literal;
            let bytes = literal.bytes.as_slice();
            let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let entry = |before: usize, gram: Gram| {
                let (first, last) = bytes.first().zip(bytes.last())?;
                let (first, last) = (first | 0x20, last | 0x20);
                let (before, length) = (small(before), small(bytes.len()));
                Some(Entry { gram, literal: number, before, length, first, last })
            };
            let at = |before: usize| gram_of(bytes, before).and_then(|gram| entry(before, gram));
            let rarest = (bytes.len() > SHORT).then(|| frequency::rarest(bytes));
            match (word(one), rarest) {
                _ if one.apart && matches!(*bytes, [first, _] if first.is_ascii_alphanumeric()) => {
                    let pair = gram_of(&[bytes, b" "].concat(), 0).unwrap_or_default() & 0xffff;
                    short_words.extend(folded().filter_map(|last| entry(0, pair | last << 16)));
                }
                (Some((before, share)), rarest) if rarest.is_none_or(|(_, other)| share <= other) => {
                    let short = bytes.len() - before < 4;
                    if short { &mut short_words } else { &mut words }.extend(at(before));
                }
                (_, Some((before, _))) => long.extend([before, before + 1].into_iter().filter_map(at)),
                _ => match *bytes {
                    [] => {}
                    [byte] => {
                        single.push((byte, number));
                        if literal.any_case && byte.is_ascii_alphabetic() {
                            single.push((byte.to_ascii_uppercase(), number));
                        }
                    }
                    [_, _] => {
                        let cases = cases(literal).into_iter();
                        pairs.extend(cases.map(|pair| (memmem::Finder::new(&pair).into_owned(), number)));
                    }
                    _ => {
                        let before = frequency::rarest_three(bytes);
                        if let Some(part) = gram_of(bytes, before) {
                            short.extend(entry(before, three(part)));
                            around.push((before.checked_sub(1).and_then(|at| bytes.get(at)).copied(), part));
                        }
                    }
                },
            }
        }
        Self {
            words: Table::new(words, std::iter::empty()),
            short_words: Table::new(short_words, std::iter::empty()),
            long: Table::new(long, around.into_iter().flat_map(|(before, part)| holding(before, part))),
            short: Table::new(short, std::iter::empty()),
            sought,
            pairs,
            single,
        }
    }

    /// Bytes of a literal.
    pub(super) fn length(&self, literal: u32) -> usize {
        self.sought.get(literal as usize).map_or(0, |sought| sought.literal.bytes.len())
    }

    /// Calls `found` with each literal and where it begins, in no order. One that counts only apart or between some bytes may be
    /// left out elsewhere.
    pub(super) fn find(&self, bytes: &[u8], found: &mut dyn FnMut(u32, usize)) {
        let (mut at, mut in_word) = (0, false);
        while let Some(read) = bytes.get(at..).and_then(|rest| rest.first_chunk::<READ>()) {
            self.look(bytes, at, read, &mut in_word, found);
            at += BLOCK;
        }
        while at < bytes.len() {
            let mut last = [0; READ];
            last.iter_mut().zip(bytes.get(at..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
            self.look(bytes, at, &last, &mut in_word, found);
            at += BLOCK;
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
            let places = memchr::memchr_iter(*byte, bytes);
            match self.sought.get(*literal as usize).and_then(|sought| sought.between.as_ref()) {
                Some((before, after)) => {
                    let fits = |set: &ByteSet, byte: Option<&u8>| byte.is_none_or(|byte| set.contains(*byte));
                    let before = |at: usize| fits(before, at.checked_sub(1).and_then(|at| bytes.get(at)));
                    let counts = |at: &usize| fits(after, bytes.get(at + 1)) && before(*at);
                    places.filter(counts).for_each(|at| found(*literal, at));
                }
                None => places.for_each(|at| found(*literal, at)),
            }
        }
    }

    /// Looks at a block and the few bytes behind it; `in_word` tells whether a letter or digit stands before it.
    #[inline]
    fn look(
        &self,
        bytes: &[u8],
        at: usize,
        read: &[u8; READ],
        in_word: &mut bool,
        found: &mut dyn FnMut(u32, usize),
    ) {
        let four = |place: usize| {
            let four = read.get(place..).and_then(|rest| rest.first_chunk::<4>());
            gram(four.map_or(0, |four| u32::from_le_bytes(*four)))
        };
        let letters = read.first_chunk().map_or(0, letters_and_digits);
        let mut hits = 0_u32;
        for (number, eight) in read.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*eight);
            let word = (word | every(0x20)) & !HIGH;
            let has = |gram: Gram, place: u32| u32::from(self.long.has(gram)) << place;
            let all = has(word as u32, 0) | has((word >> 16) as u32, 1) | has((word >> 32) as u32, 2);
            hits |= (all | has(four(8 * number + 6), 3)) << (4 * number);
        }
        let mut starts = letters & !(letters << 1 | u64::from(*in_word));
        *in_word = letters >> 63 == 1;
        while starts != 0 {
            let place = starts.trailing_zeros() as usize;
            starts &= starts - 1;
            let gram = four(place);
            if self.words.has(gram) | self.short_words.has(three(gram)) {
                self.in_words(bytes, at + place, gram, found);
            }
        }
        while hits != 0 {
            let place = 2 * hits.trailing_zeros() as usize;
            hits &= hits - 1;
            self.anywhere(bytes, at + place, four(place), found);
        }
    }

    /// Looks for literals that a gram at the beginning of a word may belong to.
    // Apart from the loop, which so keeps what it needs at hand.
    #[inline(never)]
    fn in_words(&self, bytes: &[u8], at: usize, gram: Gram, found: &mut dyn FnMut(u32, usize)) {
        self.words.of(gram).for_each(|entry| self.check(bytes, at, entry, found));
        self.short_words.of(three(gram)).for_each(|entry| self.check(bytes, at, entry, found));
    }

    /// Looks for literals that a gram at any place may belong to.
    #[inline(never)]
    fn anywhere(&self, bytes: &[u8], at: usize, gram: Gram, found: &mut dyn FnMut(u32, usize)) {
        self.long.of(gram).for_each(|entry| self.check(bytes, at, entry, found));
        for (at, gram) in [(at, three(gram)), (at + 1, gram >> 8)] {
            if self.short.has(gram) {
                self.short.of(gram).for_each(|entry| self.check(bytes, at, entry, found));
            }
        }
    }

    /// Whether the literal of an entry whose gram is at a place stands there.
    #[inline(never)]
    fn check(&self, bytes: &[u8], at: usize, entry: &Entry, found: &mut dyn FnMut(u32, usize)) {
        let Some(start) = at.checked_sub(entry.before as usize) else { return };
        // Most often the first or the last byte tells: neither is in the gram, but of the shortest ones.
        let last = start + entry.length as usize - 1;
        let fits = |at: usize, lower: u8| bytes.get(at).is_some_and(|byte| byte | 0x20 == lower);
        if !fits(start, entry.first) || !fits(last, entry.last) {
            return;
        }
        let Some(Sought { literal, .. }) = self.sought.get(entry.literal as usize) else { return };
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

impl From<Vec<Sought>> for Sieve {
    fn from(sought: Vec<Sought>) -> Self {
        Self::new(sought)
    }
}

impl Serialize for Sieve {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.sought.serialize(to)
    }
}

/// What bytes are taken for in a gram.
fn folded() -> impl Iterator<Item = u32> {
    (0x20..0x40).chain(0x60..0x80)
}

/// The grams that hold three bytes at their beginning or behind their first one. `part` holds what follows the three, if that is
/// known, and `before` is the byte before them.
fn holding(before: Option<u8>, part: Gram) -> impl Iterator<Item = Gram> {
    let any = |byte: Option<u32>| byte.into_iter().chain(folded().filter(move |_| byte.is_none()));
    let after = Some(part >> 24).filter(|byte| *byte != 0);
    let before = before.map(|byte| gram(byte.into()) & 0xff);
    let begun = any(after).map(move |after| three(part) | after << 24);
    begun.chain(any(before).map(move |before| part << 8 | before))
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
