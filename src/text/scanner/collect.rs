//! Collects what a scanner looks for.

use std::collections::BTreeMap;

use regex_syntax::hir::Hir;

use super::{Place, Use};
use crate::text::back::{Way, is_far};
use crate::text::digits::{self, Lead};
use crate::text::first::{ByteSet, First, prefix};
use crate::text::literals::{Around, Before, Literal, Required};
use crate::text::matcher::Leaf;
use crate::text::pattern::Pattern;
use crate::text::phrases::Neighbours;
use crate::text::places::{Twin, Unit, unit};
use crate::text::required::{Trigger, most_before_digits, trigger};
use crate::text::tails;
use crate::text::uniform::{Uniform, in_ascii};

/// Collects what a scanner looks for.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) uses: BTreeMap<Literal, Vec<Use>>,
    pub(super) firsts: Numbered<First>,
    pub(super) arounds: Numbered<Around>,
    pub(super) leads: Numbered<ByteSet>,
    pub(super) ways: Numbered<Box<[u8]>>,
    pub(super) digits: Vec<digits::Unit>,
    pub(super) bytes: Vec<(Unit, ByteSet)>,
    pub(super) always: Vec<Unit>,
    pub(super) starts: Vec<(Unit, bool, u32)>,
    pub(super) phrases: Vec<Box<str>>,
    pub(super) tails: tails::Builder,
    /// The finder that is collected now reads decoded views.
    pub(super) decodes: bool,
}

/// Different things in the order in which they came.
#[derive(Debug)]
pub(super) struct Numbered<T>(BTreeMap<T, u32>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Numbered<T> {
    fn number(&mut self, one: T) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(one).or_insert(next)
    }

    pub(super) fn all(self) -> Vec<T> {
        let mut all: Vec<(T, u32)> = self.0.into_iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(one, _)| one).collect()
    }
}

impl Builder {
    fn trigger(&mut self, unit: Unit, folded: bool, hir: &Hir, trigger: Trigger) {
        self.tails.trigger(unit, folded, hir, &trigger);
        match trigger {
            Trigger::Literals(all) => self.literals((unit, folded, Twin::None), hir, all),
            Trigger::Digits { min, max, count } => {
                let prefix = (!folded).then(|| prefix(hir, false));
                // With fewer, what is left may be other digits, which stand before these.
                let lead = in_ascii(hir).and_then(|hir| {
                    most_before_digits(&hir, count).map(|most| Lead::new(&hir, most.min(max)))
                });
                let lead = lead.unwrap_or_else(|| Lead::any(max));
                let decodes = self.decodes;
                self.digits.push(digits::Unit { unit, min, max, lead, count, prefix, decodes });
            }
            Trigger::Bytes(_) if folded => self.always.push(unit),
            Trigger::Bytes(set) => self.bytes.push((unit, set)),
            Trigger::Start => {
                let first = self.firsts.number(First::new(hir));
                self.starts.push((unit, folded, first));
            }
        }
    }

    /// A pattern of both views for which a text and its folded view are the same as far as it was copied there, and that
    /// both are told by the same literals.
    fn twins(&mut self, unit: Unit, hir: &Hir, triggers: &(Trigger, Trigger)) -> bool {
        let (Trigger::Literals(raw), Trigger::Literals(folded)) = triggers else { return false };
        let any_case = |Required { literal, .. }: &Required| {
            literal.any_case || !literal.bytes.iter().any(u8::is_ascii_alphabetic)
        };
        let uniform = Uniform::of(hir);
        if raw != folded || !raw.iter().all(any_case) || !uniform.case {
            return false;
        }
        let twin = if uniform.spaces { Twin::Copied } else { Twin::Same };
        self.tails.trigger(unit, false, hir, &triggers.0);
        self.tails.trigger(unit + 1, true, hir, &triggers.1);
        self.literals((unit, false, twin), hir, raw.clone());
        true
    }

    /// A unit whose every match holds one of these.
    fn literals(&mut self, unit: (Unit, bool, Twin), hir: &Hir, all: Vec<Required>) {
        let first = First::new(hir);
        // Where the literal begins the match, it is enough.
        let looks = all.iter().any(|required| required.max > 0);
        let first = self.firsts.number(if looks { first.with_grams(hir) } else { first });
        let mut ways: Vec<(Before, Option<u32>)> = Vec::new();
        for required in all {
            let way = is_far(required.max).then(|| {
                // Most have the same before them.
                let known = ways.iter().find(|(before, _)| before.reads_as(&required.before));
                known.map(|(_, way)| *way).unwrap_or_else(|| {
                    let way = Way::of(&required.before.hir()).map(|way| self.ways.number(way));
                    ways.push((required.before.clone(), way));
                    way
                })
            });
            self.required(unit, (first, way.flatten()), required);
        }
    }

    fn required(
        &mut self,
        (unit, folded, twin): (Unit, bool, Twin),
        (first, way): (u32, Option<u32>),
        required: Required,
    ) {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let shown = |literal: Literal| if folded { literal.in_any_case() } else { literal };
        let lead = self.leads.number(required.around.lead);
        let around = self.arounds.number(required.around);
        let (min, max) = (small(required.min), small(required.max));
        let one = Use::Pattern(Place { unit, folded, twin, min, max, first, around, lead, way });
        self.uses.entry(shown(required.literal)).or_default().push(one);
    }

    pub(super) fn leaf(&mut self, base: Unit, number: usize, leaf: &Leaf) {
        match leaf {
            Leaf::Pattern(pattern, folded) => {
                let (hir, raw) = (pattern.hir(), unit(base, number, false));
                if *folded {
                    let triggers = (trigger(hir, false), trigger(hir, true));
                    if !self.twins(raw, hir, &triggers) {
                        self.trigger(raw, false, hir, triggers.0);
                        self.trigger(unit(base, number, true), true, hir, triggers.1);
                    }
                } else {
                    self.trigger(raw, false, hir, trigger(hir, false));
                }
            }
            Leaf::Phrases(phrases) => {
                let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                let first = small(self.phrases.len());
                self.phrases.extend(phrases.words().iter().map(|phrase| phrase.as_str().into()));
                for anchor in phrases.anchors() {
                    let phrase = small(anchor.phrase);
                    let words = phrases.words().get(anchor.phrase).map_or("", String::as_str);
                    let neighbours = Neighbours::new(words, anchor.before, anchor.word.bytes.len());
                    let one = Use::Phrase {
                        unit: unit(base, number, false),
                        text: first + phrase,
                        phrase,
                        before: small(anchor.before),
                        neighbours,
                    };
                    self.uses.entry(anchor.word).or_default().push(one);
                }
                if let Some(hir) = phrases.signs().map(Pattern::hir) {
                    self.trigger(unit(base, number, true), true, hir, trigger(hir, true));
                }
            }
        }
    }
}
