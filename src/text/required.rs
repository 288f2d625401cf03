//! What every match of a pattern holds: a literal, digits, or a byte of a class.

use std::borrow::Cow;

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde::{Deserialize, Serialize};

use super::frequency;

/// Most literals of which one has to be there.
const MAX_LITERALS: usize = 256;
/// Most texts that are put together out of parts.
const MAX_PRODUCT: usize = 64;
/// Longest literal that is put together.
const MAX_LENGTH: usize = 24;
/// Longest part of a literal that is taken at once.
const PIECE: usize = 16;
/// Most members of a class that are told apart.
const MAX_MEMBERS: usize = 8;

/// A text that stands in a match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Literal {
    /// In lower case where case does not matter.
    pub(super) bytes: Vec<u8>,
    pub(super) any_case: bool,
}

impl Literal {
    fn empty() -> Self {
        Self { bytes: Vec::new(), any_case: false }
    }

    pub(super) fn in_any_case(mut self) -> Self {
        self.bytes.make_ascii_lowercase();
        self.any_case = true;
        self
    }

    fn then(&self, other: &Literal) -> Self {
        let bytes = [self.bytes.as_slice(), other.bytes.as_slice()].concat();
        let joined = Self { bytes, any_case: self.any_case };
        if self.any_case || other.any_case { joined.in_any_case() } else { joined }
    }
}

/// A literal and how many bytes of the match can stand before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Required {
    pub(super) literal: Literal,
    pub(super) min: usize,
    pub(super) max: usize,
}

/// What tells where a pattern can match.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trigger {
    /// Every match holds one of these.
    Literals(Vec<Required>),
    /// Every match holds so many digits, with nothing but digits and separators between them, the first of them behind
    /// so many bytes.
    Digits { min: usize, max: usize, count: usize },
    /// Every match begins with one of these bytes.
    Bytes(ByteSet),
}

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn insert_range(&mut self, from: u8, to: u8) {
        (from..=to).for_each(|byte| self.insert(byte));
    }

    fn insert_all(&mut self, other: &ByteSet) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }

    fn all(&self, fits: impl Fn(u8) -> bool) -> bool {
        (0..=u8::MAX).all(|byte| !self.contains(byte) || fits(byte))
    }
}

/// What can stand between the digits of one number.
pub(super) fn is_joiner(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b'-' | b'.' | b'/' | b'(' | b')' | b'+' | b',' | b':'
    )
}

/// The best trigger of a pattern. `spaced` where a space stands for any white space, so that no literal may hold one.
pub(super) fn trigger(hir: &Hir, spaced: bool) -> Trigger {
    let literals = Extractor { spaced }.best(hir);
    let digits = digits(hir).filter(|digits| digits.max.is_some());
    let costs = |set: &Set| set.cost;
    // Numbers of so many digits are that rare in prose and code, by byte.
    let digit_cost = digits.as_ref().map_or(f64::MAX, |digits| match digits.count {
        0..=1 => 0.02,
        2..=3 => 0.01,
        4..=6 => 0.003,
        _ => 0.0008,
    });
    if let Some(set) = literals.as_ref().filter(|set| costs(set) <= digit_cost) {
        return Trigger::Literals(set.items.clone());
    }
    if let Some(Digits { min, max: Some(max), count, .. }) = digits {
        return Trigger::Digits { min, max, count };
    }
    let [first] = prefix::<1>(hir).sets;
    Trigger::Bytes(first)
}

#[derive(Debug, Clone)]
struct Set {
    items: Vec<Required>,
    cost: f64,
}

impl Set {
    fn new(mut items: Vec<Required>) -> Option<Self> {
        items.sort_unstable();
        items.dedup();
        if items.is_empty()
            || items.len() > MAX_LITERALS
            || items.iter().any(|item| item.literal.bytes.is_empty())
        {
            return None;
        }
        let cost = items.iter().map(|item| frequency::cost(&item.literal.bytes)).sum();
        Some(Self { items, cost })
    }
}

/// The part of a concatenation that is spelt out so far.
struct Run {
    texts: Vec<Literal>,
    min: usize,
    max: Option<usize>,
}

struct Extractor {
    spaced: bool,
}

impl Extractor {
    fn best(&self, hir: &Hir) -> Option<Set> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => None,
            HirKind::Literal(_) | HirKind::Class(_) => self.concat(std::slice::from_ref(hir)),
            HirKind::Capture(capture) => self.best(&capture.sub),
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                let whole = self.concat(std::slice::from_ref(hir));
                better(whole, self.best(&repetition.sub))
            }
            HirKind::Repetition(_) => None,
            HirKind::Concat(parts) => self.concat(parts),
            HirKind::Alternation(parts) => {
                let mut items = Vec::new();
                for part in parts {
                    items.extend(self.best(part)?.items);
                }
                Set::new(items)
            }
        }
    }

    fn concat(&self, parts: &[Hir]) -> Option<Set> {
        let mut best = None;
        let (mut min, mut max) = (0, Some(0));
        let mut run = Run { texts: vec![Literal::empty()], min: 0, max: Some(0) };
        for part in self.pieces(parts) {
            let (least, most) = match &part {
                Piece::Space => (1, Some(1)),
                Piece::Part(hir) => {
                    (hir.properties().minimum_len().unwrap_or(0), hir.properties().maximum_len())
                }
            };
            let spelt = match &part {
                Piece::Space => None,
                Piece::Part(hir) => self.exact(hir),
            };
            let joined = spelt.as_ref().and_then(|spelt| product(&run.texts, spelt));
            let after = (min + least, max.zip(most).map(|(max, most)| max + most));
            match joined {
                Some(texts) => run.texts = texts,
                None => {
                    best = better(best, finish(&run));
                    let inner = match &part {
                        Piece::Part(hir) if spelt.is_none() => single(hir).and_then(|hir| self.best(hir)),
                        _ => None,
                    };
                    best = better(best, inner.and_then(|set| shift(set, min, max)));
                    run = match spelt {
                        Some(texts) => Run { texts, min, max },
                        None => Run { texts: vec![Literal::empty()], min: after.0, max: after.1 },
                    };
                }
            }
            (min, max) = after;
        }
        better(best, finish(&run))
    }

    /// The parts, with literals cut at their spaces where that is asked.
    fn pieces<'h>(&self, parts: &'h [Hir]) -> Vec<Piece<'h>> {
        let mut pieces = Vec::new();
        for part in parts {
            match part.kind() {
                HirKind::Literal(literal) if self.spaced && literal.0.iter().any(u8::is_ascii_whitespace) => {
                    for (number, word) in literal.0.split(u8::is_ascii_whitespace).enumerate() {
                        if number > 0 {
                            pieces.push(Piece::Space);
                        }
                        pieces.extend(
                            word.chunks(PIECE).map(|bytes| Piece::Part(Cow::Owned(Hir::literal(bytes)))),
                        );
                    }
                }
                HirKind::Literal(literal) if literal.0.len() > PIECE => {
                    let parts = literal.0.chunks(PIECE).map(Hir::literal);
                    pieces.extend(parts.map(|part| Piece::Part(Cow::Owned(part))));
                }
                _ => pieces.push(Piece::Part(Cow::Borrowed(part))),
            }
        }
        pieces
    }

    /// Everything that an expression matches, where that is little.
    fn exact(&self, hir: &Hir) -> Option<Vec<Literal>> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Some(vec![Literal::empty()]),
            HirKind::Literal(literal) => {
                let space = self.spaced && literal.0.iter().any(u8::is_ascii_whitespace);
                (!space && literal.0.len() <= MAX_LENGTH)
                    .then(|| vec![Literal { bytes: literal.0.to_vec(), any_case: false }])
            }
            HirKind::Class(class) => self.members(class),
            HirKind::Capture(capture) => self.exact(&capture.sub),
            HirKind::Repetition(repetition) => {
                let most = usize::try_from(repetition.max?).ok()?;
                if most > MAX_LENGTH {
                    return None;
                }
                let sub = self.exact(&repetition.sub)?;
                let mut all = Vec::new();
                let mut times = vec![Literal::empty()];
                for count in 0..=most {
                    if count >= usize::try_from(repetition.min).ok()? {
                        all.extend(times.iter().cloned());
                    }
                    if count < most {
                        times = product(&times, &sub)?;
                    }
                }
                unique(all)
            }
            HirKind::Concat(parts) => parts
                .iter()
                .try_fold(vec![Literal::empty()], |texts, part| product(&texts, &self.exact(part)?)),
            HirKind::Alternation(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.exact(part)?);
                }
                unique(all)
            }
        }
    }

    fn members(&self, class: &Class) -> Option<Vec<Literal>> {
        let mut all = Vec::new();
        let mut add = |bytes: &[u8]| {
            all.push(bytes.to_vec());
            all.len() <= MAX_MEMBERS
        };
        match class {
            Class::Unicode(class) => {
                for range in class.ranges() {
                    for c in range.start()..=range.end() {
                        if !add(c.encode_utf8(&mut [0; 4]).as_bytes()) {
                            return None;
                        }
                    }
                }
            }
            Class::Bytes(class) => {
                for range in class.ranges() {
                    for byte in range.start()..=range.end() {
                        if !add(&[byte]) {
                            return None;
                        }
                    }
                }
            }
        }
        if self.spaced && all.iter().flatten().any(u8::is_ascii_whitespace) {
            return None;
        }
        let cased = all.iter().filter_map(|bytes| match bytes.as_slice() {
            [byte] if byte.is_ascii_alphabetic() => Some(byte.to_ascii_lowercase()),
            _ => None,
        });
        let cased: Vec<u8> = cased.collect();
        let literals = all.into_iter().map(|bytes| {
            let twice =
                |byte: u8| cased.iter().filter(|other| **other == byte.to_ascii_lowercase()).count() == 2;
            let any_case = matches!(bytes.as_slice(), [byte] if byte.is_ascii_alphabetic() && twice(*byte));
            let literal = Literal { bytes, any_case: false };
            if any_case { literal.in_any_case() } else { literal }
        });
        unique(literals.collect())
    }
}

enum Piece<'h> {
    Space,
    Part(Cow<'h, Hir>),
}

/// An expression whose first match begins at its own beginning: what can be looked into.
fn single(hir: &Hir) -> Option<&Hir> {
    match hir.kind() {
        HirKind::Capture(_) | HirKind::Alternation(_) | HirKind::Concat(_) => Some(hir),
        HirKind::Repetition(repetition) if repetition.min > 0 => Some(&repetition.sub),
        _ => None,
    }
}

fn unique(mut all: Vec<Literal>) -> Option<Vec<Literal>> {
    all.sort_unstable();
    all.dedup();
    (all.len() <= MAX_PRODUCT).then_some(all)
}

fn product(left: &[Literal], right: &[Literal]) -> Option<Vec<Literal>> {
    if left.len() * right.len() > MAX_PRODUCT {
        return None;
    }
    let all = left.iter().flat_map(|left| right.iter().map(move |right| left.then(right)));
    let all: Vec<Literal> = all.collect();
    if all.iter().any(|literal| literal.bytes.len() > MAX_LENGTH) {
        return None;
    }
    unique(all)
}

fn finish(run: &Run) -> Option<Set> {
    let max = run.max?;
    Set::new(
        run.texts.iter().map(|literal| Required { literal: literal.clone(), min: run.min, max }).collect(),
    )
}

fn shift(set: Set, min: usize, max: Option<usize>) -> Option<Set> {
    let max = max?;
    let move_by = |item: Required| Required { min: item.min + min, max: item.max + max, ..item };
    Some(Set { items: set.items.into_iter().map(move_by).collect(), cost: set.cost })
}

fn better(one: Option<Set>, other: Option<Set>) -> Option<Set> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.cost < one.cost { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// The first digits of every match.
struct Digits {
    min: usize,
    max: Option<usize>,
    count: usize,
    /// Nothing but digits and separators follows, to the end of the expression.
    open: bool,
}

fn digits(hir: &Hir) -> Option<Digits> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => {
            let first = literal.0.iter().position(u8::is_ascii_digit)?;
            let rest = literal.0.get(first..)?;
            let stretch = rest.iter().take_while(|byte| byte.is_ascii_digit() || is_joiner(**byte)).count();
            let count = rest.iter().take(stretch).filter(|byte| byte.is_ascii_digit()).count();
            Some(Digits { min: first, max: Some(first), count, open: stretch == rest.len() })
        }
        HirKind::Class(class) => only(class, |byte| byte.is_ascii_digit()).then_some(Digits {
            min: 0,
            max: Some(0),
            count: 1,
            open: true,
        }),
        HirKind::Capture(capture) => digits(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = if repetition.min > 0 { digits(&repetition.sub)? } else { return None };
            let times = usize::try_from(repetition.min).ok()?;
            let pure = fewest_digits(&repetition.sub);
            let more = pure.map_or(0, |count| count.saturating_mul(times - 1));
            Some(Digits { count: sub.count + more, open: sub.open && pure.is_some(), ..sub })
        }
        HirKind::Concat(parts) => {
            let (mut min, mut max) = (0, Some(0));
            let mut found: Option<Digits> = None;
            for part in parts {
                if let Some(found) = &mut found {
                    match fewest_digits(part) {
                        Some(count) if found.open => found.count += count,
                        _ => found.open = false,
                    }
                    continue;
                }
                if let Some(one) = digits(part) {
                    let max = max.zip(one.max).map(|(max, more): (usize, usize)| max + more);
                    found = Some(Digits { min: min + one.min, max, ..one });
                    continue;
                }
                min += part.properties().minimum_len().unwrap_or(0);
                max = max.zip(part.properties().maximum_len()).map(|(max, most)| max + most);
            }
            found
        }
        HirKind::Alternation(parts) => {
            let mut all = parts.iter().map(digits);
            let first = all.next()??;
            all.try_fold(first, |one, other| {
                let other = other?;
                Some(Digits {
                    min: one.min.min(other.min),
                    max: one.max.zip(other.max).map(|(one, other)| one.max(other)),
                    count: one.count.min(other.count),
                    open: one.open && other.open,
                })
            })
        }
    }
}

/// The fewest digits of an expression that matches nothing but digits and separators.
fn fewest_digits(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => literal
            .0
            .iter()
            .all(|byte| byte.is_ascii_digit() || is_joiner(*byte))
            .then(|| literal.0.iter().filter(|byte| byte.is_ascii_digit()).count()),
        HirKind::Class(class) if only(class, |byte| byte.is_ascii_digit()) => Some(1),
        HirKind::Class(class) => only(class, |byte| byte.is_ascii_digit() || is_joiner(byte)).then_some(0),
        HirKind::Capture(capture) => fewest_digits(&capture.sub),
        HirKind::Repetition(repetition) => {
            fewest_digits(&repetition.sub).map(|count| count.saturating_mul(repetition.min as usize))
        }
        HirKind::Concat(parts) => parts.iter().map(fewest_digits).sum(),
        HirKind::Alternation(parts) => {
            parts.iter().map(fewest_digits).try_fold(usize::MAX, |least, count| Some(least.min(count?)))
        }
    }
}

fn only(class: &Class, fits: impl Fn(u8) -> bool) -> bool {
    match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .all(|range| range.end().is_ascii() && (range.start()..=range.end()).all(|c| fits(c as u8))),
        Class::Bytes(class) => class.ranges().iter().all(|range| (range.start()..=range.end()).all(&fits)),
    }
}

/// The bytes that can stand at the first places of a match.
#[derive(Debug, Clone)]
pub(super) struct Prefix<const N: usize> {
    pub(super) sets: [ByteSet; N],
    /// Length of the shortest match.
    pub(super) least: usize,
    /// It begins with a word border before a word character.
    pub(super) border: bool,
    /// It begins where the text does.
    pub(super) at_start: bool,
}

/// Reads the first places of a pattern.
pub(super) fn prefix<const N: usize>(hir: &Hir) -> Prefix<N> {
    let mut sets = [ByteSet::default(); N];
    let ends = walk(hir, 1, &mut sets);
    // Where a match can be over, anything can follow; behind a word border, anything that is no word.
    let over = ends.trailing_zeros() as usize;
    let mut behind = sets.iter_mut().skip(over);
    if ends_word(hir)
        && let Some(set) = behind.next()
    {
        (0..=u8::MAX).filter(|byte| !is_word(*byte)).for_each(|byte| set.insert(byte));
    }
    behind.for_each(|set| *set = ByteSet::ALL);
    let at_start = begins_with(hir, &[Look::Start]);
    let border = begins_with(hir, &[Look::WordAscii, Look::WordStartAscii])
        && sets.first().is_some_and(|set| set.all(is_word));
    Prefix { sets, least: hir.properties().minimum_len().unwrap_or(0), border, at_start }
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

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
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

fn is_word_end(hir: &Hir) -> bool {
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

/// Marks the bytes that can stand at each place when the expression begins at one of `starts`, a set of places as bits;
/// gives the places at which it can end.
fn walk<const N: usize>(hir: &Hir, starts: u32, sets: &mut [ByteSet; N]) -> u32 {
    let within = (1_u32 << N) - 1;
    let starts = starts & within;
    if starts == 0 {
        return 0;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => starts,
        HirKind::Literal(literal) => {
            let mut at = starts;
            for byte in &literal.0 {
                each(at, sets, |set| set.insert(*byte));
                at = (at << 1) & within;
            }
            at
        }
        HirKind::Class(class) => {
            let Encoded { first, lengths } = Encoded::of(class);
            each(starts, sets, |set| set.insert_all(&first));
            let mut ends = 0;
            for length in (1..=4).filter(|length| lengths >> length & 1 == 1) {
                (1..length).for_each(|at| each(starts << at, sets, |set| set.insert_range(0x80, 0xbf)));
                ends |= starts << length;
            }
            ends
        }
        HirKind::Capture(capture) => walk(&capture.sub, starts, sets),
        HirKind::Repetition(repetition) => {
            let mut ends = if repetition.min == 0 { starts } else { 0 };
            let mut at = starts;
            for count in 1..=repetition.max.unwrap_or(u32::MAX) {
                let before = at;
                at = walk(&repetition.sub, at, sets) & within;
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
        HirKind::Concat(parts) => parts.iter().fold(starts, |at, part| walk(part, at, sets)),
        HirKind::Alternation(parts) => parts.iter().fold(0, |ends, part| ends | walk(part, starts, sets)),
    }
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
                for range in class.ranges() {
                    if range.start().is_ascii() {
                        let last = if range.end().is_ascii() { range.end() as u8 } else { 0x7f };
                        encoded.first.insert_range(range.start() as u8, last);
                    }
                    let least = range.start().len_utf8();
                    (least..=range.end().len_utf8()).for_each(|length| encoded.lengths |= 1 << length);
                }
                if encoded.lengths & !(1 << 1) != 0 {
                    encoded.first.insert_range(0xc2, 0xf4);
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
