//! Words near a match.

use super::phrases::Phrases;
use super::{FindError, Hit, NearSpec, Unless};

/// Words that must stand near a match.
#[derive(Debug)]
pub(super) struct Near {
    words: Phrases,
    /// Each word has a letter, so that numbers alone need not be searched.
    lettered: bool,
    within: usize,
    unless: Option<Unless>,
}

impl Near {
    pub(super) fn new(spec: &NearSpec) -> Result<Self, FindError> {
        let lettered = spec.words.iter().all(|word| word.contains(char::is_alphabetic));
        Ok(Self { words: Phrases::new(&spec.words)?, lettered, within: spec.within, unless: spec.unless })
    }

    /// Whether a word stands near a match; `None` where that depends on how an `open` text goes on.
    pub(super) fn holds(&self, matched: &str, hit: Hit, raw: &str, open: bool) -> Option<bool> {
        let separator = |c: char| c.is_whitespace() || matches!(c, '-' | '.' | '/' | '\u{2010}'..='\u{2015}');
        if self.unless == Some(Unless::Separated) && matched.trim().contains(separator) {
            return Some(true);
        }
        let (Some(before), Some(after)) = (raw.get(..hit.start), raw.get(hit.end..)) else {
            return Some(false);
        };
        let from = before.char_indices().rev().take(self.within).last().map_or(before.len(), |(at, _)| at);
        // Folding makes letters of other signs too, but not of those of ASCII.
        let letter = |c: char| c.is_ascii_alphabetic() || !c.is_ascii();
        let has_word = |text: &str| (!self.lettered || text.contains(letter)) && self.words.is_in(text);
        if has_word(trim_start(before, from)) {
            return Some(true);
        }
        match after.char_indices().nth(self.within) {
            None if open => None,
            to => Some(has_word(trim_end(after, to.map_or(after.len(), |(at, _)| at)))),
        }
    }
}

/// `text[from..]` without the rest of a word that begins before `from`.
fn trim_start(text: &str, from: usize) -> &str {
    let (before, window) = text.split_at_checked(from).unwrap_or((text, ""));
    if before.ends_with(char::is_alphanumeric) {
        window.trim_start_matches(char::is_alphanumeric)
    } else {
        window
    }
}

/// `text[..to]` without the beginning of a word that ends behind `to`.
fn trim_end(text: &str, to: usize) -> &str {
    let (window, after) = text.split_at_checked(to).unwrap_or((text, ""));
    if after.starts_with(char::is_alphanumeric) {
        window.trim_end_matches(char::is_alphanumeric)
    } else {
        window
    }
}
