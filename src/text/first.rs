//! What the first bytes of a match can be: a cheap look at a place before a pattern is tried there.

use std::ops::{ControlFlow, Range};

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde::{Deserialize, Serialize};

use super::grams::Grams;

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut set = Self::default();
        bytes.iter().for_each(|byte| set.insert(*byte));
        set
    }

    /// Whether it holds nothing of what ordinary ASCII texts are made of.
    pub(super) fn is_unseen(&self) -> bool {
        let (controls, printable) = (1 << b'\t' | 1 << b'\n' | 1 << b'\r', u64::MAX << b' ');
        let [low, high, ..] = self.0;
        low & (controls | printable) == 0 && high & !(1 << (127 - 64)) == 0
    }

    pub(super) fn without(mut self, out: impl Fn(u8) -> bool) -> Self {
        for byte in (0..=u8::MAX).filter(|byte| out(*byte)) {
            if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
                *word &= !(1 << (byte & 63));
            }
        }
        self
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    pub(super) fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn insert_range(&mut self, from: u8, to: u8) {
        (from..=to).for_each(|byte| self.insert(byte));
    }

    pub(super) fn insert_all(&mut self, other: &ByteSet) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }

    /// Whether one of its bytes is so.
    pub(super) fn any(&self, is: impl Fn(&u8) -> bool) -> bool {
        (0..=u8::MAX).any(|byte| self.contains(byte) && is(&byte))
    }
}

/// Places that are looked at together.
const BLOCK: usize = 256;
/// Places of a match that are looked at.
pub(super) const PLACES: usize = 8;

/// What the first places of every match of a pattern look like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct First {
    /// By byte, the places at which it can stand, as bits.
    #[serde(with = "table")]
    places: Box<[u8; 256]>,
    /// The same where nothing but ASCII stands at them all, if that differs: letters of any case have few members there, and
    /// one byte each.
    ascii: Option<Ascii>,
    /// Places before which a match can be over, as bits.
    over: u8,
    border: bool,
    at_start: bool,
    /// What is told is told of matches inside a text: where it begins, others may.
    inside: bool,
    grams: Option<Grams>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Ascii(#[serde(with = "table")] Box<[u8; 256]>);

mod table {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(table: &[u8; 256], to: S) -> Result<S::Ok, S::Error> {
        table.as_slice().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[u8; 256]>, D::Error> {
        let table: Box<[u8]> = Deserialize::deserialize(from)?;
        table.try_into().map_err(|_| serde::de::Error::custom("a table of 256 bytes"))
    }
}

impl First {
    pub(super) fn new(hir: &Hir) -> Self {
        let at_start = begins_at_start(hir);
        let inside = !at_start && hir.properties().look_set().contains(Look::Start);
        let prefix = prefix::<PLACES>(hir, inside);
        let table = |sets: &[ByteSet]| {
            let mut places = Box::new([0; 256]);
            for (place, set) in sets.iter().enumerate() {
                for (byte, places) in (0..=u8::MAX).zip(places.iter_mut()) {
                    *places |= u8::from(set.contains(byte)) << place;
                }
            }
            places
        };
        let (places, ascii) = (table(&prefix.sets), table(&prefix.ascii));
        let differs = places.iter().zip(ascii.iter()).take(0x80).any(|(one, other)| one != other);
        let ascii = differs.then_some(Ascii(ascii));
        let over =
            (0..PLACES).filter(|place| prefix.least <= *place).fold(0, |over, place| over | 1 << place);
        Self { places, ascii, over, border: prefix.border, at_start, inside, grams: None }
    }

    /// The same, with the words that matches begin with: worth it where many places are looked at.
    pub(super) fn with_grams(self, hir: &Hir) -> Self {
        Self { grams: Grams::new(hir, self.inside), ..self }
    }

    /// Whether a match may begin with a byte where the text does.
    pub(super) fn begins_with(&self, byte: u8) -> bool {
        self.inside || self.has_first(byte)
    }

    /// Whether a byte can stand at the first place of a match.
    fn has_first(&self, byte: u8) -> bool {
        self.places.get(usize::from(byte)).is_some_and(|places| places & 1 == 1)
    }

    /// Whether a match may begin here. Behind the end of an `open` text anything may stand.
    pub(super) fn allows(&self, bytes: &[u8], start: usize, open: bool) -> bool {
        match start.checked_sub(1).and_then(|before| bytes.get(before)) {
            None if self.inside => return true,
            Some(_) if self.at_start || (self.border && is_inside_word(bytes, start)) => return false,
            _ => {}
        }
        let rest = bytes.get(start..).unwrap_or_default();
        // Most often that is enough.
        if !rest.first().is_none_or(|byte| self.has_first(*byte)) {
            return false;
        }
        let table = self.table(rest.get(..PLACES).unwrap_or(rest));
        let stands = |place: usize, byte: u8| {
            table.get(usize::from(byte)).is_some_and(|places| places >> place & 1 == 1)
        };
        if let Some(first) = rest.first_chunk::<PLACES>() {
            return self.grams.as_ref().is_none_or(|grams| grams.allow(bytes, start))
                && first.iter().enumerate().all(|(place, byte)| stands(place, *byte));
        }
        let mut rest = rest.iter();
        (0..PLACES).all(|place| match rest.next() {
            Some(byte) => stands(place, *byte),
            None => open || self.over >> place & 1 == 1,
        })
    }

    /// The table for a text that is looked at.
    fn table(&self, bytes: &[u8]) -> &[u8; 256] {
        match &self.ascii {
            Some(ascii) if bytes.is_ascii() => &ascii.0,
            _ => &self.places,
        }
    }

    /// Whether a match may begin here whose first places fit, inside a text.
    fn begins(&self, bytes: &[u8], start: usize) -> bool {
        self.grams.as_ref().is_none_or(|grams| grams.allow(bytes, start))
            && !self.at_start
            && !(self.border && is_inside_word(bytes, start))
    }

    /// The first place from `at` to `last` where a match may begin.
    pub(super) fn find(&self, bytes: &[u8], at: usize, last: usize, open: bool) -> Option<usize> {
        let mut found = None;
        let places = at..last.saturating_add(1);
        self.walk(bytes, places, open, &mut |start| {
            found = Some(start);
            ControlFlow::Break(())
        });
        found
    }

    /// Calls `found` with each of some places where a match may begin.
    pub(super) fn each(&self, bytes: &[u8], places: Range<usize>, open: bool, found: &mut dyn FnMut(usize)) {
        self.walk(bytes, places, open, &mut |start| {
            found(start);
            ControlFlow::Continue(())
        });
    }

    #[inline]
    fn walk(
        &self,
        bytes: &[u8],
        places: Range<usize>,
        open: bool,
        found: &mut impl FnMut(usize) -> ControlFlow<()>,
    ) {
        let end = bytes.len().min(places.end);
        let one_by_one = |mut places: Range<usize>, found: &mut dyn FnMut(usize) -> ControlFlow<()>| {
            places.try_for_each(|start| {
                if self.allows(bytes, start, open) { found(start) } else { ControlFlow::Continue(()) }
            })
        };
        // The first one may begin where the text does; the last ones have fewer bytes behind them.
        let known = (bytes.len() + 1).saturating_sub(PLACES).min(end);
        let from = if places.start == 0 { 1 } else { places.start };
        if known.saturating_sub(from) < PLACES {
            let _ = one_by_one(places.start..end, found);
            return;
        }
        if one_by_one(places.start..from, found).is_break() {
            return;
        }
        // All places at once: how far each of those fits that a byte may end, bit by bit (Baeza-Yates and Gonnet, 1992).
        for from in (from..known).step_by(BLOCK) {
            let looked_at = bytes.get(from..known.min(from + BLOCK) + PLACES - 1).unwrap_or_default();
            let table = self.table(looked_at);
            let mut fit = 0_u8;
            for (ahead, byte) in looked_at.iter().enumerate() {
                fit = (fit << 1 | 1) & table.get(usize::from(*byte)).copied().unwrap_or_default();
                if fit >> (PLACES - 1) == 1 {
                    let start = from + ahead + 1 - PLACES;
                    if self.begins(bytes, start) && found(start).is_break() {
                        return;
                    }
                }
            }
        }
        let _ = one_by_one(known.max(from)..end, found);
    }
}

/// The bytes that can stand at the first places of a match.
#[derive(Debug, Clone)]
pub(super) struct Prefix<const N: usize> {
    pub(super) sets: [ByteSet; N],
    /// The same of matches that begin with nothing but ASCII.
    pub(super) ascii: [ByteSet; N],
    /// Length of the shortest match.
    pub(super) least: usize,
    /// It begins with a word border: no word character of ASCII stands before one.
    pub(super) border: bool,
    /// It begins where the text does.
    pub(super) at_start: bool,
}

/// Reads the first places of a pattern, for a match that begins anywhere, or `inside` a text, not where it begins.
pub(super) fn prefix<const N: usize>(hir: &Hir, inside: bool) -> Prefix<N> {
    let ends_word = ends_word(hir);
    let sets = |ascii: bool| {
        let mut sets = [ByteSet::default(); N];
        let ends = walk(hir, 1, Reading { inside, ascii }, &mut sets);
        // Where a match can be over, anything can follow; behind a word border, anything that is no word.
        let over = ends.trailing_zeros() as usize;
        let mut behind = sets.iter_mut().skip(over);
        if ends_word && let Some(set) = behind.next() {
            (0..=u8::MAX).filter(|byte| !is_word(*byte)).for_each(|byte| set.insert(byte));
        }
        behind.for_each(|set| *set = ByteSet::ALL);
        sets
    };
    let at_start = begins_at_start(hir);
    let (sets, ascii) = (sets(false), sets(true));
    let border = begins_with(hir, &[Look::WordAscii, Look::WordStartAscii]);
    Prefix { sets, ascii, least: hir.properties().minimum_len().unwrap_or(0), border, at_start }
}

/// Whether every match begins where the text does.
pub(super) fn begins_at_start(hir: &Hir) -> bool {
    begins_with(hir, &[Look::Start])
}

/// Whether every match begins with one of these.
fn begins_with(hir: &Hir, looks: &[Look]) -> bool {
    match hir.kind() {
        HirKind::Look(look) => looks.contains(look),
        HirKind::Capture(capture) => begins_with(&capture.sub, looks),
        HirKind::Concat(parts) => parts.first().is_some_and(|part| begins_with(part, looks)),
        HirKind::Alternation(parts) => parts.iter().all(|part| begins_with(part, looks)),
        _ => false,
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word character of ASCII stands at a place and one before it.
pub(super) fn is_inside_word(bytes: &[u8], at: usize) -> bool {
    let both = at.checked_sub(1).and_then(|before| bytes.get(before..=at));
    both.is_some_and(|both| both.iter().all(|byte| is_word(*byte)))
}

/// Whether every match ends with a word border behind a word character.
fn ends_word(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => ends_word(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().all(ends_word),
        HirKind::Concat(parts) => match parts.split_last() {
            Some((last, rest)) if is_word_end(last) => rest.last().is_some_and(last_is_word),
            Some((last, _)) => ends_word(last),
            None => false,
        },
        _ => false,
    }
}

pub(super) fn is_word_end(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Look(Look::WordAscii | Look::WordEndAscii))
}

/// Whether every match ends with a word character of ASCII.
fn last_is_word(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.last().is_some_and(|byte| is_word(*byte)),
        HirKind::Class(class) => only(class, is_word),
        HirKind::Capture(capture) => last_is_word(&capture.sub),
        HirKind::Repetition(repetition) => repetition.min > 0 && last_is_word(&repetition.sub),
        HirKind::Concat(parts) => parts.last().is_some_and(last_is_word),
        HirKind::Alternation(parts) => parts.iter().all(last_is_word),
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

/// Which beginnings are followed.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// Of matches that do not begin where the text does.
    inside: bool,
    /// Of nothing but ASCII.
    ascii: bool,
}

/// Marks the bytes that can stand at each place when the expression begins at one of `starts`, a set of places as bits;
/// gives the places at which it can end.
fn walk<const N: usize>(hir: &Hir, starts: u32, reading: Reading, sets: &mut [ByteSet; N]) -> u32 {
    const { assert!(N < 32, "a bit for each place") };
    let within = (1_u32 << N) - 1;
    let starts = starts & within;
    if starts == 0 {
        return 0;
    }
    match hir.kind() {
        HirKind::Look(Look::Start) if reading.inside => 0,
        HirKind::Empty | HirKind::Look(_) => starts,
        HirKind::Literal(literal) if reading.ascii && !literal.0.is_ascii() => 0,
        HirKind::Literal(literal) => {
            let mut at = starts;
            for byte in &literal.0 {
                each(at, sets, |set| set.insert(*byte));
                at = (at << 1) & within;
            }
            at
        }
        HirKind::Class(class) => {
            let mut of = Encoded::of(class);
            if reading.ascii {
                of.first = of.first.without(|byte| !byte.is_ascii());
                of.lengths &= 1 << 1;
            }
            let Encoded { first, lengths } = of;
            each(starts, sets, |set| set.insert_all(&first));
            let mut ends = 0;
            for length in (1..=4).filter(|length| lengths >> length & 1 == 1) {
                (1..length).for_each(|at| each(starts << at, sets, |set| set.insert_range(0x80, 0xbf)));
                ends |= starts << length;
            }
            ends
        }
        HirKind::Capture(capture) => walk(&capture.sub, starts, reading, sets),
        HirKind::Repetition(repetition) => {
            let mut ends = if repetition.min == 0 { starts } else { 0 };
            let mut at = starts;
            for count in 1..=repetition.max.unwrap_or(u32::MAX) {
                let before = at;
                at = walk(&repetition.sub, at, reading, sets) & within;
                if count >= repetition.min {
                    ends |= at;
                }
                if at == 0 {
                    break;
                }
                if at == before {
                    ends |= at;
                    break;
                }
            }
            ends
        }
        HirKind::Concat(parts) => parts.iter().fold(starts, |at, part| walk(part, at, reading, sets)),
        HirKind::Alternation(parts) => {
            parts.iter().fold(0, |ends, part| ends | walk(part, starts, reading, sets))
        }
    }
}

/// The bytes that can stand anywhere in a match.
pub(super) fn bytes(hir: &Hir) -> ByteSet {
    let mut set = ByteSet::default();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| set.insert(*byte)),
        HirKind::Class(class) => {
            let Encoded { first, lengths } = Encoded::of(class);
            set.insert_all(&first);
            if lengths & !(1 << 1) != 0 {
                set.insert_range(0x80, 0xbf);
            }
        }
        HirKind::Capture(capture) => set = bytes(&capture.sub),
        HirKind::Repetition(repetition) => set = bytes(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| set.insert_all(&bytes(part)));
        }
    }
    set
}

/// The bytes that a match can begin with, or end with.
pub(super) fn edge(hir: &Hir, end: bool) -> ByteSet {
    let mut set = ByteSet::default();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            let byte = if end { literal.0.last() } else { literal.0.first() };
            byte.into_iter().for_each(|byte| set.insert(*byte));
        }
        HirKind::Class(class) => {
            let Encoded { first, lengths } = Encoded::of(class);
            set = first;
            if end && lengths & !(1 << 1) != 0 {
                set.insert_range(0x80, 0xbf);
            }
        }
        HirKind::Capture(capture) => set = edge(&capture.sub, end),
        HirKind::Repetition(repetition) => set = edge(&repetition.sub, end),
        HirKind::Alternation(parts) => parts.iter().for_each(|part| set.insert_all(&edge(part, end))),
        HirKind::Concat(parts) => {
            let mut add = |part: &Hir| {
                set.insert_all(&edge(part, end));
                part.properties().minimum_len().is_none_or(|length| length > 0)
            };
            // Up to the first part that can't be empty.
            let _ = if end { parts.iter().rev().any(&mut add) } else { parts.iter().any(&mut add) };
        }
    }
    set
}

/// The bytes that members of a class begin with, and, as bits, how many bytes one can have.
struct Encoded {
    first: ByteSet,
    lengths: u32,
}

impl Encoded {
    fn of(class: &Class) -> Self {
        let mut encoded = Self { first: ByteSet::default(), lengths: 0 };
        match class {
            Class::Bytes(class) => {
                class
                    .ranges()
                    .iter()
                    .for_each(|range| encoded.first.insert_range(range.start(), range.end()));
                encoded.lengths = 1 << 1;
            }
            Class::Unicode(class) => {
                // A character that comes later begins with the same byte or one that comes later.
                let first = |c: char| {
                    let mut bytes = [0; 4];
                    c.encode_utf8(&mut bytes);
                    let [first, ..] = bytes;
                    first
                };
                for range in class.ranges() {
                    if range.start().is_ascii() {
                        encoded.first.insert_range(first(range.start()), first(range.end()).min(0x7f));
                    }
                    if !range.end().is_ascii() {
                        encoded.first.insert_range(first(range.start().max('\u{80}')), first(range.end()));
                    }
                    let least = range.start().len_utf8();
                    (least..=range.end().len_utf8()).for_each(|length| encoded.lengths |= 1 << length);
                }
            }
        }
        encoded
    }
}

fn each<const N: usize>(places: u32, sets: &mut [ByteSet; N], mut mark: impl FnMut(&mut ByteSet)) {
    for (place, set) in sets.iter_mut().enumerate() {
        if places >> place & 1 == 1 {
            mark(set);
        }
    }
}

/// Whether a byte of ASCII is a member of a class.
pub(super) fn holds(class: &Class, byte: u8) -> bool {
    match class {
        Class::Bytes(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
        }
        Class::Unicode(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte)))
        }
    }
}

pub(super) fn only(class: &Class, fits: impl Fn(u8) -> bool) -> bool {
    match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .all(|range| range.end().is_ascii() && (range.start()..=range.end()).all(|c| fits(c as u8))),
        Class::Bytes(class) => class.ranges().iter().all(|range| (range.start()..=range.end()).all(&fits)),
    }
}
