//! Findings to edits: what matched is replaced, whatever overlaps.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Inner;
use super::find::Found;
use crate::event::Event;
use crate::redact::{self, Origins};
use crate::rule::Replacing;
use crate::session::{Hidden, Pseudonym, Session};
use crate::text::MAX_PART;
use crate::verdict::{Action, Edit, Finding};

/// Numbers of pseudonyms that were given now.
#[derive(Debug, Default)]
pub(super) struct Given {
    list: Vec<Pseudonym>,
    /// Of each value in `list` its number, and of each name the last.
    known: HashMap<(String, [u8; 16]), u32>,
    last: HashMap<String, u32>,
}

/// Numbers of pseudonyms: those of the session, and those given now.
struct Numbers<'a> {
    key: &'a [u8],
    /// The rule that replaces.
    rule: Arc<str>,
    session: &'a Session,
    given: &'a mut Given,
}

impl Replacing for Numbers<'_> {
    fn key(&self) -> &[u8] {
        self.key
    }

    fn number(&mut self, name: &str, digest: [u8; 16], matched: &str) -> u32 {
        if let Some(number) = self.session.pseudonym(name, digest) {
            return number;
        }
        let value = (name.to_owned(), digest);
        if let Some(number) = self.given.known.get(&value) {
            return *number;
        }
        let last = self.given.last.get(name).copied();
        let number = last.unwrap_or_else(|| self.session.last_pseudonym(name)).saturating_add(1);
        self.given.last.insert(name.to_owned(), number);
        self.given.known.insert(value, number);
        let hidden = Hidden { rule: Arc::clone(&self.rule), value: matched.to_owned() };
        self.given.list.push(Pseudonym { name: name.to_owned(), digest, number, hidden });
        number
    }
}

impl Inner {
    /// The edits that these findings ask for. Where some overlap, one edit covers their union; its text comes from the
    /// highest severity, then the longest, then the first rule id.
    pub(super) fn edits<'f>(&self, found: impl Iterator<Item = &'f Found>, session: &Session) -> Edits {
        let mut by_field: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
        for one in found {
            if one.action == Action::Redact && !one.finding.waived && one.matched.is_some() {
                by_field.entry(&one.finding.field).or_default().push(one);
            }
        }
        let mut given = Given::default();
        let mut numbers = Numbers { key: &self.key, rule: "".into(), session, given: &mut given };
        let mut edits = Edits::default();
        for (field, mut group) in by_field {
            group.sort_by_key(|one| (one.finding.start, one.finding.end));
            let mut own = Vec::new();
            let group = group.into_iter().map(Cow::Borrowed);
            for Replaced { start, end, with, keeps } in self.replace(group, &mut numbers) {
                edits.list.push(Edit { field: field.to_owned(), start, end, with });
                own.push(!keeps);
            }
            edits.own.insert(field.to_owned(), own);
        }
        edits.pseudonyms = given.list;
        edits
    }

    /// What stands for matches of one field, which come in order.
    fn replace<'f>(
        &self,
        group: impl Iterator<Item = Cow<'f, Found>>,
        numbers: &mut Numbers<'_>,
    ) -> Vec<Replaced> {
        let mut replaced = Vec::new();
        let mut union = Union::default();
        let mut before = Part::default();
        for one in group {
            let whole = union.add(one).map(|whole| self.replace_union(&whole, numbers));
            replaced.extend(whole.map(|whole| before.then(whole)));
        }
        if !union.is_empty() {
            replaced.push(before.then(self.replace_union(&union, numbers)));
        }
        replaced
    }

    /// What stands for matches that overlap, in a text that is no event.
    pub(super) fn replaced(&self, union: &Union<'_>, given: &mut Given) -> Replaced {
        let session = &Session::default();
        self.replace_union(union, &mut Numbers { key: &self.key, rule: "".into(), session, given })
    }

    /// What stands for matches that overlap, and whether something of them is kept in it. A replacement that keeps
    /// something is made of what the others leave.
    fn replace_union(&self, union: &Union<'_>, numbers: &mut Numbers<'_>) -> Replaced {
        let (with, keeps) = self.text_for(&union.found, numbers);
        Replaced { start: union.start(), end: union.end, with, keeps }
    }

    fn text_for(&self, united: &[Cow<'_, Found>], numbers: &mut Numbers<'_>) -> (String, bool) {
        let winner = united.iter().min_by_key(|one| {
            let length = one.finding.end - one.finding.start;
            (std::cmp::Reverse((one.finding.severity, length)), &one.finding.rule)
        });
        let Some((winner, rule)) = winner.and_then(|one| Some((one, self.rules.get(one.rule)?))) else {
            return (String::new(), false);
        };
        numbers.rule = Arc::clone(&rule.id);
        if !rule.replacement.keeps() {
            return (rule.replacement.make(winner.matched.as_deref().unwrap_or_default(), numbers), false);
        }
        let Some(start) = united.first().map(|one| one.finding.start) else {
            return (String::new(), false);
        };
        // Of two that keep something, the mask keeps less: what is escaped can be read.
        let goes_first = |one: &&Cow<'_, Found>| {
            let other = self.rules.get(one.rule).map(|other| &other.replacement);
            other.is_some_and(|other| !other.keeps() || (other.masks() && !rule.replacement.masks()))
        };
        let others = united.iter().filter(goes_first).map(|one| Cow::Borrowed(&**one));
        let inner = self.replace(others, numbers).into_iter().map(|one| Edit {
            field: String::new(),
            start: one.start - start,
            end: one.end - start,
            with: one.with,
        });
        let left = redact::apply(&text_of(united), &inner.collect::<Vec<_>>());
        (rule.replacement.make(&left, numbers), true)
    }
}

/// What stands for a range of a text.
pub(super) struct Replaced {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: String,
    /// Something of what stood there is in it.
    pub(super) keeps: bool,
}

/// The part of a very long match, or of matches that overlap, that was replaced last.
#[derive(Debug, Default)]
pub(super) struct Part {
    end: usize,
    with: Option<String>,
}

impl Part {
    /// What follows: if it goes on with the same text in its place, that text stands once.
    pub(super) fn then(&mut self, mut next: Replaced) -> Replaced {
        let goes_on = next.start == self.end && self.with.as_ref() == Some(&next.with);
        let is_part = !next.keeps && next.end - next.start >= MAX_PART;
        self.end = next.end;
        if goes_on && !next.keeps {
            next.with.clear();
            self.with = self.with.take().filter(|_| is_part);
        } else {
            self.with = is_part.then(|| next.with.clone());
        }
        next
    }
}

/// Matches of one text that overlap.
#[derive(Debug, Default)]
pub(super) struct Union<'f> {
    found: Vec<Cow<'f, Found>>,
    end: usize,
}

impl<'f> Union<'f> {
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn start(&self) -> usize {
        self.found.first().map_or(self.end, |one| one.finding.start)
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Adds a match, which come in order. Gives the matches before it that are now whole: those that it does not overlap,
    /// or a part of a union that would be very long.
    pub(super) fn add(&mut self, mut one: Cow<'f, Found>) -> Option<Union<'f>> {
        if !self.is_empty() && one.finding.start < self.end {
            if self.end - self.start() < MAX_PART {
                self.end = self.end.max(one.finding.end);
                self.found.push(one);
                return None;
            }
            if one.finding.end <= self.end {
                return None;
            }
            let rest = one.to_mut();
            let cut = self.end - rest.finding.start;
            rest.matched = rest.matched.as_deref().and_then(|text| text.get(cut..)).map(str::to_owned);
            rest.finding.start = self.end;
        }
        let end = one.finding.end;
        let whole = std::mem::replace(self, Union { found: vec![one], end });
        (!whole.is_empty()).then_some(whole)
    }
}

/// Edits of an event.
#[derive(Debug, Default)]
pub(super) struct Edits {
    pub(super) list: Vec<Edit>,
    pub(super) pseudonyms: Vec<Pseudonym>,
    /// By field, of each edit whether its text holds nothing of the match.
    own: BTreeMap<String, Vec<bool>>,
}

impl Edits {
    fn origins(&self) -> BTreeMap<&str, Origins<'_>> {
        let mut by_field: BTreeMap<&str, Vec<&Edit>> = BTreeMap::new();
        for edit in &self.list {
            by_field.entry(&edit.field).or_default().push(edit);
        }
        by_field.into_iter().map(|(field, edits)| (field, Origins::new(edits))).collect()
    }

    /// Leaves out what lies in a replacement that holds nothing of a match.
    pub(super) fn without_own(&self, found: &mut Vec<Found>) {
        let origins = self.origins();
        let own = |one: &Found| {
            let inside =
                origins.get(one.finding.field.as_str())?.inside(one.finding.start, one.finding.end)?;
            self.own.get(&one.finding.field)?.get(inside).copied()
        };
        found.retain(|one| one.action != Action::Redact || one.matched.is_none() || own(one) != Some(true));
    }

    /// What still has to be replaced of what was found in the edited event, as findings of the event before edits.
    pub(super) fn revealed(&self, event: &Event, found: &[Found]) -> Vec<Found> {
        let left = found.iter().filter(|one| one.action == Action::Redact && !one.finding.waived);
        let left: Vec<&Found> = left.filter(|one| one.matched.is_some()).collect();
        if left.is_empty() {
            return Vec::new();
        }
        let texts = event.fields().into_iter().filter(|field| !field.is_key);
        let texts: BTreeMap<String, &str> = texts.map(|field| (field.pointer, field.text)).collect();
        let origins = self.origins();
        let original = |one: &Found| {
            let span = match origins.get(one.finding.field.as_str()) {
                Some(origins) => origins.range(one.finding.start, one.finding.end),
                None => one.finding.start..one.finding.end,
            };
            let matched = texts.get(&one.finding.field)?.get(span.clone())?.to_owned();
            let finding = Finding { start: span.start, end: span.end, ..one.finding.clone() };
            Some(Found { finding, matched: Some(matched), ..one.clone() })
        };
        left.into_iter().filter_map(original).collect()
    }
}

/// The text that overlapping matches cover together.
fn text_of(united: &[Cow<'_, Found>]) -> String {
    let mut text = String::new();
    let mut done = united.first().map_or(0, |one| one.finding.start);
    for one in united {
        let matched = one.matched.as_deref().unwrap_or_default();
        if let Some(rest) = done.checked_sub(one.finding.start).and_then(|known| matched.get(known..)) {
            text.push_str(rest);
            done = done.max(one.finding.end);
        }
    }
    text
}
