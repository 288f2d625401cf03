//! The literals that every match of a pattern holds.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde::{Deserialize, Serialize};

use super::back::is_far;
use super::first::{ByteSet, PLACES, bytes, edge, is_word, prefix};
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
/// So many of them are about independent of each other.
const INDEPENDENT: usize = 3;

/// What a look at a place costs where a literal may stand, in nanoseconds.
const SEEN: f64 = 12.0;
/// What a literal costs that stands there.
const HIT: f64 = 12.0;
/// What a look at a place costs where a match may begin.
const LOOK: f64 = 1.5;
/// What trying it costs.
const TRIAL: f64 = 150.0;
/// What walking back from a literal costs, to where a match may begin, and for each byte of the way.
const WALK: f64 = 30.0;
const STEP: f64 = 8.0;

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

/// A literal of which one has to be there: what can stand before it in a match, and around it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Required {
    pub(super) literal: Literal,
    /// Bytes of the match before it.
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) around: Around,
    pub(super) before: Before,
}

/// What can stand before a literal in a match: alternatives of parts in a row, the first ones first. It does not tell literals
/// apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Before(Vec<Vec<Rc<[Hir]>>>);

impl Before {
    /// Whether the same can stand there.
    pub(super) fn reads_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// As one expression.
    pub(super) fn hir(&self) -> Hir {
        let joined =
            |parts: &Vec<Rc<[Hir]>>| Hir::concat(parts.iter().flat_map(|part| part.to_vec()).collect());
        Hir::alternation(self.0.iter().map(joined).collect())
    }
}

impl PartialEq for Before {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Before {}

impl PartialOrd for Before {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Before {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// The bytes around a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Around {
    /// Those of the match before it.
    pub(super) lead: ByteSet,
    /// The one before it, if there is one.
    pub(super) before: ByteSet,
    /// The one behind it, if there is one.
    pub(super) after: ByteSet,
}

/// The literals of which every match holds one and that cost least, and what they cost in nanoseconds for each byte.
/// `spaced` where a space stands for any white space, so that no literal may hold one.
pub(super) fn best(hir: &Hir, spaced: bool) -> Option<(Vec<Required>, f64)> {
    let starts = prefix::<INDEPENDENT>(hir, hir.properties().look_set().contains(Look::Start)).sets;
    let set = Extractor { spaced, first: frequency::share(&starts), reckoned: Reckoned::default() }
        .best(hir, Edges { before: Edge::ANY, after: Edge::ANY })?;
    Some((set.items, set.cost))
}

#[derive(Debug, Clone)]
struct Set {
    items: Vec<Required>,
    cost: f64,
}

/// What can stand before and behind a part.
#[derive(Debug, Clone, Copy)]
struct Edges {
    before: Edge,
    after: Edge,
}

/// What can stand on one side.
#[derive(Debug, Clone, Copy)]
struct Edge {
    /// The byte there, if there is one.
    bytes: ByteSet,
    /// Between it and the part there is a word border.
    border: bool,
}

impl Edge {
    const ANY: Self = Self { bytes: ByteSet::ALL, border: false };

    /// What can stand next to this byte.
    fn next_to(&self, byte: Option<&u8>) -> ByteSet {
        match byte {
            Some(byte) if self.border && is_word(*byte) => self.bytes.without(is_word),
            _ => self.bytes,
        }
    }

    /// What can stand on this side of what is next to a piece.
    fn past(self, piece: &Piece<'_>, end: bool) -> Self {
        let bytes = match piece {
            Piece::Space => ByteSet::of(b" "),
            Piece::Part(hir) => past(hir, self.bytes, end),
        };
        let empty = piece.lengths().1 == Some(0);
        Self { bytes, border: empty && (self.border || piece.is_border()) }
    }
}

/// What can stand before the end of an expression, or behind its beginning, where this can stand on its other side.
fn past(hir: &Hir, outer: ByteSet, end: bool) -> ByteSet {
    match hir.kind() {
        HirKind::Look(Look::Start) if end => ByteSet::default(),
        HirKind::Look(Look::End) if !end => ByteSet::default(),
        HirKind::Look(Look::StartLF) if end => outer.without(|byte| byte != b'\n'),
        HirKind::Look(Look::EndLF) if !end => outer.without(|byte| byte != b'\n'),
        HirKind::Empty | HirKind::Look(_) => outer,
        HirKind::Literal(_) | HirKind::Class(_) => edge(hir, end),
        HirKind::Capture(capture) => past(&capture.sub, outer, end),
        HirKind::Repetition(repetition) => {
            let mut again = outer;
            again.insert_all(&edge(hir, end));
            let mut all = past(&repetition.sub, again, end);
            if repetition.min == 0 {
                all.insert_all(&outer);
            }
            all
        }
        HirKind::Alternation(parts) => {
            let mut all = ByteSet::default();
            parts.iter().for_each(|part| all.insert_all(&past(part, outer, end)));
            all
        }
        HirKind::Concat(parts) if end => parts.iter().fold(outer, |outer, part| past(part, outer, end)),
        HirKind::Concat(parts) => parts.iter().rev().fold(outer, |outer, part| past(part, outer, end)),
    }
}

enum Piece<'h> {
    Space,
    Part(Cow<'h, Hir>),
}

impl Piece<'_> {
    fn hir(&self) -> Option<&Hir> {
        match self {
            Piece::Space => None,
            Piece::Part(hir) => Some(hir),
        }
    }

    fn lengths(&self) -> (usize, Option<usize>) {
        self.hir().map_or((1, Some(1)), |hir| {
            (hir.properties().minimum_len().unwrap_or(0), hir.properties().maximum_len())
        })
    }

    fn bytes(&self) -> ByteSet {
        match self {
            Piece::Space => ByteSet::of(b" "),
            Piece::Part(hir) => bytes(hir),
        }
    }

    fn is_border(&self) -> bool {
        let look = self.hir().map(Hir::kind);
        matches!(look, Some(HirKind::Look(Look::WordAscii | Look::WordStartAscii | Look::WordEndAscii)))
    }
}

/// The longest that pieces can be together.
fn longest(pieces: &[Piece<'_>]) -> Option<usize> {
    pieces.iter().map(|piece| piece.lengths().1).sum()
}

struct Extractor {
    spaced: bool,
    /// The share of places at which a match may begin, by its first bytes.
    first: f64,
    reckoned: Reckoned,
}

impl Extractor {
    fn best(&self, hir: &Hir, edges: Edges) -> Option<Set> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => None,
            HirKind::Literal(_) | HirKind::Class(_) => self.concat(std::slice::from_ref(hir), edges),
            HirKind::Capture(capture) => self.best(&capture.sub, edges),
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                let whole = self.concat(std::slice::from_ref(hir), edges);
                let mut inner = edges;
                inner.after.bytes.insert_all(&edge(&repetition.sub, false));
                inner.after.border = false;
                better(whole, self.best(&repetition.sub, inner))
            }
            HirKind::Repetition(_) => None,
            HirKind::Concat(parts) => self.concat(parts, edges),
            HirKind::Alternation(parts) => {
                let mut items = Vec::new();
                for part in parts {
                    items.extend(self.best(part, edges)?.items);
                }
                self.set(items)
            }
        }
    }

    fn concat(&self, parts: &[Hir], edges: Edges) -> Option<Set> {
        let pieces = self.pieces(parts);
        let mut best = None;
        let (mut from, mut texts) = (0, vec![Literal::empty()]);
        for (at, piece) in pieces.iter().enumerate() {
            let spelt = piece.hir().and_then(|hir| self.exact(hir));
            if let Some(joined) = spelt.as_ref().and_then(|spelt| product(&texts, spelt)) {
                texts = joined;
                continue;
            }
            best = better(best, self.run(&pieces, from, at, texts, edges));
            match spelt {
                Some(spelt) => (from, texts) = (at, spelt),
                None => {
                    let inner = piece.hir().and_then(single);
                    let inner = inner.and_then(|hir| self.best(hir, around(&pieces, at, at + 1, edges)));
                    best = better(best, inner.and_then(|set| self.shift(set, pieces.get(..at)?)));
                    (from, texts) = (at + 1, vec![Literal::empty()]);
                }
            }
        }
        better(best, self.run(&pieces, from, pieces.len(), texts, edges))
    }

    /// Pieces that spell out some texts.
    fn run(
        &self,
        pieces: &[Piece<'_>],
        from: usize,
        to: usize,
        texts: Vec<Literal>,
        edges: Edges,
    ) -> Option<Set> {
        // What has no length only tells of the borders.
        let empty = |piece: &Piece<'_>| piece.lengths().1 == Some(0);
        let run = pieces.get(from..to)?;
        let first = from + run.iter().position(|piece| !empty(piece))?;
        let to = from + run.iter().rposition(|piece| !empty(piece))? + 1;
        let edges = around(pieces, first, to, edges);
        let before = pieces.get(..first)?;
        let required = |literal: Literal| {
            let before = edges.before.next_to(literal.bytes.first());
            let after = edges.after.next_to(literal.bytes.last());
            let around = Around { lead: ByteSet::default(), before, after };
            let before = Before(vec![Vec::new()]);
            Required { literal, min: 0, max: 0, around, before }
        };
        let set = self.set(texts.into_iter().map(required).collect())?;
        self.shift(set, before)
    }

    /// The same set behind what stands before it.
    fn shift(&self, set: Set, before: &[Piece<'_>]) -> Option<Set> {
        let min: usize = before.iter().map(|piece| piece.lengths().0).sum();
        let max = longest(before)?;
        let mut lead = ByteSet::default();
        before.iter().for_each(|piece| lead.insert_all(&piece.bytes()));
        let parts: Option<Rc<[Hir]>> = (!before.is_empty()).then(|| {
            let space = || Hir::literal(*b" ");
            before.iter().map(|piece| piece.hir().map_or_else(space, Hir::clone)).collect()
        });
        let move_by = |mut item: Required| {
            item.around.lead.insert_all(&lead);
            if let Some(parts) = &parts {
                item.before.0.iter_mut().for_each(|row| row.insert(0, Rc::clone(parts)));
            }
            Required { min: item.min + min, max: item.max + max, ..item }
        };
        self.set(set.items.into_iter().map(move_by).collect())
    }

    fn set(&self, mut items: Vec<Required>) -> Option<Set> {
        items.sort_unstable();
        items.dedup_by(|one, kept| {
            let same = one == kept;
            if same {
                kept.before.0.append(&mut one.before.0);
            }
            same
        });
        if items.is_empty()
            || items.len() > MAX_LITERALS
            || items.iter().any(|item| item.literal.bytes.is_empty())
        {
            return None;
        }
        let cost = items.iter().map(|item| item.cost(self.first, &self.reckoned)).sum();
        Some(Set { items, cost })
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

/// What can stand before and behind some pieces.
fn around(pieces: &[Piece<'_>], from: usize, to: usize, edges: Edges) -> Edges {
    let ahead = pieces.get(..from).unwrap_or_default().iter();
    let behind = pieces.get(to..).unwrap_or_default().iter().rev();
    Edges {
        before: ahead.fold(edges.before, |edge, piece| edge.past(piece, true)),
        after: behind.fold(edges.after, |edge, piece| edge.past(piece, false)),
    }
}

/// What was reckoned before: the parts of an expression are looked at in many ways.
#[derive(Debug, Default)]
struct Reckoned {
    /// What a literal costs, and how often it stands somewhere.
    literals: RefCell<BTreeMap<Vec<u8>, (f64, f64)>>,
    /// How many bytes of a set stand in a row.
    runs: RefCell<BTreeMap<(ByteSet, usize), f64>>,
    /// The share of places next to which a byte of a set stands; of borders of words, or of any.
    sides: RefCell<BTreeMap<(ByteSet, bool), f64>>,
}

impl Reckoned {
    fn literal(&self, bytes: &[u8]) -> (f64, f64) {
        if let Some(known) = self.literals.borrow().get(bytes) {
            return *known;
        }
        let new = (frequency::cost(bytes), frequency::hits(bytes));
        self.literals.borrow_mut().insert(bytes.to_vec(), new);
        new
    }

    fn run(&self, set: &ByteSet, most: usize) -> f64 {
        *self.runs.borrow_mut().entry((*set, most)).or_insert_with(|| frequency::run(set, most))
    }

    /// The share of literals with this byte at an edge next to which a byte of a set stands.
    fn side(&self, byte: Option<&u8>, set: &ByteSet) -> f64 {
        let word = byte.is_some_and(u8::is_ascii_alphanumeric);
        *self.sides.borrow_mut().entry((*set, word)).or_insert_with(|| frequency::side(set, word))
    }
}

impl Required {
    /// What looking for it costs, and trying the places before it, in nanoseconds for each byte of a text; `first` is the
    /// share of places at which a match may begin.
    fn cost(&self, first: f64, reckoned: &Reckoned) -> f64 {
        let (seen, hits) = reckoned.literal(&self.literal.bytes);
        let Around { lead, before, after } = &self.around;
        let places = 1.0 + reckoned.run(lead, self.max - self.min);
        // What the first bytes tell may be the literal itself.
        let within = self.max + self.literal.bytes.len() <= PLACES;
        let tried = if within { (first / hits).min(1.0).max(first) } else { first };
        let (first_byte, last_byte) = (self.literal.bytes.first(), self.literal.bytes.last());
        let left = reckoned.side(first_byte, before) * reckoned.side(last_byte, after);
        let looks = if is_far(self.max) { WALK + places * STEP } else { places * (LOOK + tried * TRIAL) };
        seen * SEEN + hits * (HIT + left * looks)
    }
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

fn better(one: Option<Set>, other: Option<Set>) -> Option<Set> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.cost < one.cost { other } else { one }),
        (one, other) => one.or(other),
    }
}
