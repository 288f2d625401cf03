//! Words near a match.

mod beginnings;
mod windows;

use super::first::ByteSet;
use super::phrases::Phrases;
use super::view::{Text, is_plain};
use super::{FindError, Hit, NearSpec, Unless};
use beginnings::Beginnings;
pub(super) use windows::Windows;

/// Matches after which it is known whether a quick look is worth it.
const FEW: u32 = 8;

/// Words that must stand near a match.
#[derive(Debug)]
pub(super) struct Near {
    words: Phrases,
    beginnings: Option<Beginnings>,
    /// Each word has a letter, so that numbers alone need not be searched.
    lettered: bool,
    within: usize,
    unless: Option<Unless>,
}

impl Near {
    pub(super) fn new(spec: &NearSpec) -> Result<Self, FindError> {
        let lettered = spec.words.iter().all(|word| word.contains(char::is_alphabetic));
        let words = Phrases::new(&spec.words)?;
        let beginnings = Beginnings::of(&words);
        Ok(Self { words, beginnings, lettered, within: spec.within, unless: spec.unless })
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.words.prove()
    }

    /// Whether no word can stand within this, for want of letters.
    pub(super) fn is_not_in(&self, matched: &str) -> bool {
        self.lettered && matched.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_alphabetic())
    }

    /// Tells whether a word may stand near a match `of` some bytes that lies in a range of a text, as far as a quick look tells; asked
    /// from left to right.
    pub(super) fn may_hold(&self, text: &Text<'_>, of: &ByteSet) -> impl FnMut((usize, usize)) -> bool {
        let raw = text.around().0;
        let (within, ascii) = (self.within, text.is_clean());
        let quick = self.beginnings.as_ref().filter(|_| self.unless.is_none());
        // Up to where it was looked, and behind the last place where a word may begin.
        let (mut looked, mut behind) = (0, 0);
        let (mut asked, mut held) = (0, 0);
        move |(start, end)| {
            let Some(beginnings) = quick else { return true };
            // Letters beyond ASCII take longer: not where a word may stand near most matches.
            if !ascii && held > FEW && held > asked / 2 {
                return true;
            }
            let (from, to) = if ascii {
                (start.saturating_sub(within), raw.len().min(end.saturating_add(within)))
            } else {
                around(raw.as_bytes(), (start, end), within)
            };
            looked = looked.max(from);
            while behind <= from && looked < to {
                if beginnings.may_begin(raw, looked, of, ascii) {
                    behind = looked + 1;
                }
                looked += 1;
            }
            let may = behind > from;
            if !ascii {
                asked += 1;
                held += u32::from(may);
            }
            may
        }
    }

    /// Whether a word stands near a match; `None` where that depends on how an `open` text goes on.
    pub(super) fn holds(&self, matched: &str, hit: Hit, text: &Text<'_>) -> Option<bool> {
        let (raw, open) = (text.around().0, text.is_open());
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
        let has_word = |start: usize, window: &str| {
            if self.lettered && !window.contains(letter) {
                return false;
            }
            match &self.beginnings {
                Some(beginnings) if is_plain(window.as_bytes()) => {
                    let stand = |window: &str| beginnings.stand_in(window, &self.words);
                    stand(window) || humps(window).is_some_and(|apart| stand(&apart))
                }
                _ => text.windows().at(start, window).holds(window, &self.words),
            }
        };
        let window = trim_start(before, from);
        if has_word(before.len() - window.len(), window) {
            return Some(true);
        }
        match after.char_indices().nth(self.within) {
            None if open => None,
            to => Some(has_word(hit.end, trim_end(after, to.map_or(after.len(), |(at, _)| at)))),
        }
    }
}

/// Where so many characters around a range begin and end, at least.
#[inline(never)]
fn around(bytes: &[u8], (start, end): (usize, usize), characters: usize) -> (usize, usize) {
    let continued = |from: usize, to: usize| {
        let bytes = bytes.get(from..to).unwrap_or_default();
        bytes.iter().filter(|byte| matches!(byte, 0x80..0xc0)).count()
    };
    let (mut from, mut to) = (start, end.min(bytes.len()));
    // Each byte that goes on with a character makes it longer by one.
    loop {
        let wider = start.saturating_sub(characters + continued(from, start));
        let longer = bytes.len().min(end.saturating_add(characters + continued(end.min(to), to)));
        if (wider, longer) == (from, to) {
            return (from, to);
        }
        (from, to) = (wider, longer);
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
    use crate::text::dice::Dice;

    /// No place is left out near which a word stands.
    #[test]
    fn what_the_quick_look_leaves_out() {
        let words =
            ["tel", "phone number", "sv nummer", "téléphone", "matrícula", "號碼", "nip", "id", "4me"];
        let spec = |words: &[&str]| NearSpec {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            within: 12,
            unless: None,
        };
        let near = Near::new(&spec(&words)).unwrap();
        let parts = [
            "tel",
            "Tel",
            "phone",
            "number",
            "phoneNumber",
            "SVNummer",
            "sv-nummer",
            "userID",
            "nip",
            "x",
            "é",
            "téléphone",
            "Matrícula",
            "matri\u{301}cula",
            "號碼",
            "te\u{1}l",
            " ",
            " ",
            ": ",
            "12",
            "345",
            "\n",
            "_",
            "4me",
            "\u{200b}",
            "ｔｅｌ",
            "ſv",
        ];
        let (mut dice, mut held, mut left_out) = (Dice(3), 0, 0);
        for _ in 0..3000 {
            let mut text = String::new();
            let mut places = Vec::new();
            for _ in 0..24 {
                let part = dice.pick(&parts);
                if part == "345" {
                    places.push(text.len());
                }
                text.push_str(part);
            }
            let digits = ByteSet::of(b"0123456789");
            let text = Text::new(&text);
            let mut may_hold = near.may_hold(&text, &digits);
            for at in places {
                let holds = near.holds("345", Hit { start: at, end: at + 3 }, &text).unwrap();
                // As for a match that may be longer.
                let may = may_hold((at, at + 5));
                assert!(may || !holds, "{:?} at {at}", text.raw());
                held += usize::from(holds);
                left_out += usize::from(!may);
            }
        }
        assert!(held > 100 && left_out > 30, "{held} {left_out}");
    }

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
