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
        let has_word = |text: &str| {
            (!self.lettered || text.contains(letter))
                && (self.words.is_in(text) || humps(text).is_some_and(|text| self.words.is_in(&text)))
        };
        if has_word(trim_start(before, from)) {
            return Some(true);
        }
        match after.char_indices().nth(self.within) {
            None if open => None,
            to => Some(has_word(trim_end(after, to.map_or(after.len(), |(at, _)| at)))),
        }
    }
}

/// A text with its names in camel case taken apart: `taxFileNumber` is three words, `NHSNumber` two. `None` where it has
/// no such name.
fn humps(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let upper = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    let lower = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_lowercase);
    let begins = |at: usize| upper(at) && (lower(at - 1) || upper(at - 1) && lower(at + 1));
    let mut apart = String::new();
    let mut last = 0;
    for at in (1..bytes.len()).filter(|at| begins(*at)) {
        apart.push_str(text.get(last..at)?);
        apart.push(' ');
        last = at;
    }
    (last > 0).then(|| apart + text.get(last..).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_camel_case() {
        for (text, apart) in [
            ("taxFileNumber", Some("tax File Number")),
            (" NHSNumber: ", Some(" NHS Number: ")),
            ("userSSN", Some("user SSN")),
            ("größeSSN Nr", Some("größe SSN Nr")),
            ("tax_file_number", None),
            ("SSN", None),
            ("", None),
        ] {
            assert_eq!(humps(text).as_deref(), apart, "{text}");
        }
    }
}
