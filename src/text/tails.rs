//! Whether the end of an open text can be the beginning of a match whose trigger has not come yet.
//!
//! Most triggers stand at the beginning of a match: there, a few bytes are all that has to be waited for. For the others
//! the last bytes are tried: with the bytes that can begin a match, and then with the pattern itself. A phrase is looked
//! up among all phrases.

use std::ops::Range;
use std::sync::OnceLock;

use regex_syntax::hir::Hir;
use serde::{Deserialize, Serialize};

use super::digits::{self, GROUP, Group, MAX_DIGITS};
use super::first::prefix;
use super::literals::Required;
use super::pattern::{ceil_boundary, floor_boundary};
use super::places::Unit;
use super::required::Trigger;
use super::view::Mapped;

/// Bytes that are waited for without a look at them.
const CALM: usize = 24;

/// What a text's end is tried for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tails {
    /// Bytes in which any other unit shows its trigger.
    calm: usize,
    raw: Late,
    folded: Late,
    #[serde(skip)]
    phrases: OnceLock<Beginnings>,
}

/// Units whose trigger can come late.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Late {
    groups: Vec<Group>,
    /// Of each unit of each group, the bytes within which its trigger has come.
    within: Vec<Vec<usize>>,
    most: usize,
}

/// Collects them.
#[derive(Debug, Default)]
pub(super) struct Builder {
    calm: usize,
    raw: Vec<(digits::Unit, usize)>,
    folded: Vec<(digits::Unit, usize)>,
}

impl Builder {
    pub(super) fn trigger(&mut self, unit: Unit, folded: bool, hir: &Hir, trigger: &Trigger) {
        let within = match trigger {
            Trigger::Literals(all) => {
                let comes = |one: &Required| one.max.saturating_add(one.literal.bytes.len());
                all.iter().map(comes).max().unwrap_or(0)
            }
            Trigger::Digits { max, .. } => max.saturating_add(1),
            Trigger::Bytes(_) if folded => usize::MAX,
            Trigger::Bytes(_) | Trigger::Start => 1,
        };
        if within <= CALM {
            self.calm = self.calm.max(within);
            return;
        }
        let prefix = Some(prefix(hir, false));
        let late = digits::Unit {
            unit,
            min: 0,
            max: 0,
            count: 0,
            lead: digits::Lead::any(0),
            prefix,
            decodes: true,
        };
        if folded { self.folded.push((late, within)) } else { self.raw.push((late, within)) }
    }

    pub(super) fn build(self) -> Tails {
        let (raw, folded) = (Late::new(&self.raw), Late::new(&self.folded));
        Tails { calm: self.calm, raw, folded, phrases: OnceLock::new() }
    }
}

impl Late {
    fn new(units: &[(digits::Unit, usize)]) -> Self {
        let groups = units.chunks(GROUP);
        Self {
            groups: groups
                .clone()
                .map(|all| Group::new(&all.iter().map(|(unit, _)| unit).collect::<Vec<_>>()))
                .collect(),
            within: groups.map(|all| all.iter().map(|(_, within)| *within).collect()).collect(),
            most: units.iter().map(|(_, within)| *within).max().unwrap_or(0),
        }
    }
}

impl Tails {
    /// Bytes at the end that are not looked at.
    pub(super) fn calm_bytes(&self) -> usize {
        self.calm
    }

    /// Where the bytes begin that are not looked at.
    pub(super) fn calm(&self, text: &str) -> usize {
        floor_boundary(text, text.len().saturating_sub(self.calm))
    }

    /// The first place of a range where a match of any unit may begin whose trigger has not come yet. `alive` says
    /// whether the pattern of one allows it.
    pub(super) fn first(
        &self,
        text: &str,
        folded: bool,
        range: Range<usize>,
        alive: &mut dyn FnMut(Unit, usize) -> bool,
    ) -> Option<usize> {
        let late = if folded { &self.folded } else { &self.raw };
        let bytes = text.as_bytes();
        let from = range.start.max(text.len().saturating_sub(late.most));
        (from..range.end.min(self.calm(text))).filter(|at| text.is_char_boundary(*at)).find(|at| {
            late.groups.iter().zip(&late.within).any(|(group, within)| {
                let mut units = group.at(bytes, *at, group.enough(MAX_DIGITS), true);
                while units != 0 {
                    let bit = units.trailing_zeros() as usize;
                    units &= units - 1;
                    let waits = within.get(bit).is_some_and(|within| text.len() - at < *within);
                    if waits && group.units.get(bit).is_some_and(|unit| alive(*unit, *at)) {
                        return true;
                    }
                }
                false
            })
        })
    }

    /// Where in the original a phrase may have begun that the end of a squashed text breaks off.
    pub(super) fn phrase(&self, phrases: &[Box<str>], squashed: &Mapped, from: usize) -> Option<usize> {
        self.phrases.get_or_init(|| Beginnings::new(phrases)).first(squashed, from)
    }
}

/// Phrases in order, so that it is quickly known whether one begins in some way.
#[derive(Debug)]
struct Beginnings {
    ordered: Vec<Box<str>>,
    longest: usize,
}

impl Beginnings {
    fn new(phrases: &[Box<str>]) -> Self {
        let mut ordered = phrases.to_vec();
        ordered.sort_unstable();
        ordered.dedup();
        let longest = ordered.iter().map(|phrase| phrase.len()).max().unwrap_or(0);
        Self { ordered, longest }
    }

    /// Whether a phrase begins so and goes on.
    fn has(&self, beginning: &str) -> bool {
        let at = self.ordered.partition_point(|phrase| **phrase <= *beginning);
        self.ordered.get(at).is_some_and(|phrase| phrase.starts_with(beginning))
    }

    fn first(&self, squashed: &Mapped, from: usize) -> Option<usize> {
        let text = squashed.text.as_str();
        let near = ceil_boundary(text, text.len().saturating_sub(self.longest));
        let tail = text.get(near..)?;
        // Only phrases of scripts without spaces begin without a border.
        let begins = |c: char| c == ' ' || !c.is_ascii();
        let mut places = tail.char_indices().filter(|(_, c)| begins(*c)).map(|(at, c)| (near + at, c));
        places.find_map(|(at, c)| {
            let rest = text.get(at..)?;
            // What a phrase begins with is a letter, behind a border or not.
            let first = if c == ' ' { at + 1 } else { at };
            let original =
                squashed.original(first, first + text.get(first..)?.chars().next()?.len_utf8())?.start;
            (original >= from && self.has(rest)).then_some(original)
        })
    }
}
