//! Makes the edits of a text as it comes, and remembers what stands in it of replacements.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::Inner;
use super::edits::{Given, Part, Union};
use super::find::Found;
use crate::verdict::Action;

/// Rounds in which a text is cleaned of what earlier rounds revealed.
pub(super) const ROUNDS: usize = 4;

/// A piece of a cleaned text.
#[derive(Debug, Default)]
pub(super) struct Cleaned {
    pub(super) text: String,
    /// Ranges of the whole cleaned text so far that hold nothing of a match: they are not replaced again.
    pub(super) own: Vec<(usize, usize)>,
}

/// One round: replaces what was found in a text.
#[derive(Debug, Default)]
pub(super) struct Editor {
    /// The text from `at` on, of which it is not yet known what stands for it.
    text: String,
    at: usize,
    /// Up to here it is known.
    done: usize,
    /// Ranges that are not replaced again.
    own: VecDeque<(usize, usize)>,
    union: Union<'static>,
    given: Given,
    before: Part,
    /// Bytes of the cleaned text so far.
    written: usize,
    pub(super) edited: bool,
}

impl Editor {
    /// These ranges of the text are not replaced.
    pub(super) fn keep(&mut self, own: Vec<(usize, usize)>) {
        self.own.extend(own);
    }

    /// Takes the next of the text, and what was found that begins in it, in order; gives what is known of the cleaned text.
    pub(super) fn push(&mut self, engine: &Inner, text: &str, found: Vec<Found>) -> Cleaned {
        self.text.push_str(text);
        let known = self.at + self.text.len();
        let mut cleaned = Cleaned::default();
        for one in found {
            let replaces = one.action == Action::Redact && one.matched.is_some() && !self.is_own(&one);
            let whole = if replaces { self.union.add(Cow::Owned(one)) } else { None };
            if let Some(whole) = whole {
                self.replace(engine, &whole, &mut cleaned);
            }
        }
        if !self.union.is_empty() && self.union.end() <= known {
            let whole = std::mem::take(&mut self.union);
            self.replace(engine, &whole, &mut cleaned);
        }
        let to = if self.union.is_empty() { known } else { self.union.start() };
        self.copy(to, &mut cleaned);
        let done = self.done - self.at;
        self.text.drain(..done.min(self.text.len()));
        self.at = self.done;
        cleaned
    }

    /// Bytes of text that are kept.
    pub(super) fn kept(&self) -> usize {
        self.text.len()
    }

    fn is_own(&self, one: &Found) -> bool {
        let (start, end) = (one.finding.start, one.finding.end);
        let after = self.own.partition_point(|(from, _)| *from <= start);
        let before = after.checked_sub(1).and_then(|number| self.own.get(number));
        before.is_some_and(|(_, to)| end <= *to)
    }

    fn replace(&mut self, engine: &Inner, whole: &Union<'_>, cleaned: &mut Cleaned) {
        let replaced = self.before.then(engine.replaced(whole, &mut self.given));
        self.edited = true;
        self.copy(replaced.start, cleaned);
        self.pass(replaced.end);
        let from = self.written;
        cleaned.text.push_str(&replaced.with);
        self.written += replaced.with.len();
        if !replaced.keeps {
            cleaned.own.push((from, self.written));
        }
    }

    /// Copies the text up to a place.
    fn copy(&mut self, to: usize, cleaned: &mut Cleaned) {
        let from = self.done;
        if to <= from {
            return;
        }
        for (own, end) in self.own.iter().take_while(|(own, _)| *own < to) {
            let (own, end) = ((*own).max(from), (*end).min(to));
            if own < end {
                cleaned.own.push((own - from + self.written, end - from + self.written));
            }
        }
        let text = self.text.get(from - self.at..to - self.at).unwrap_or_default();
        cleaned.text.push_str(text);
        self.written += text.len();
        self.pass(to);
    }

    fn pass(&mut self, to: usize) {
        self.done = self.done.max(to);
        while self.own.front().is_some_and(|(_, end)| *end <= to) {
            self.own.pop_front();
        }
    }
}
