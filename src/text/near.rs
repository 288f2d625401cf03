//! Words near a match.

mod beginnings;
mod starts;
mod windows;

use std::ops::Range;

use super::first::ByteSet;
use super::phrases::Phrases;
use super::view::{Text, is_plain};
use super::{FindError, Hit, NearSpec, Unless};
use beginnings::Beginnings;
pub(super) use starts::Starts;
pub(super) use windows::Windows;

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

    /// Tells whether a word may stand near a match that lies in a range of a text, as far as a quick look tells; asked from left to
    /// right. Where the match ends with one of `last_letters`, a letter may follow.
    pub(super) fn may_hold(
        &self,
        text: &Text<'_>,
        last_letters: Option<&ByteSet>,
    ) -> impl FnMut((usize, usize)) -> bool {
        let (raw, clean) = (text.around().0, text.is_clean());
        let quick = self.beginnings.as_ref().filter(|words| self.unless.is_none() && !words.have_digits());
        let within = self.within;
        let (mut begun, mut followed) = (Looked::default(), Looked::default());
        move |(start, end)| {
            let Some(beginnings) = quick else { return true };
            let (from, to) = if clean {
                (start.saturating_sub(within), raw.len().min(end.saturating_add(within)))
            } else {
                around(raw.as_bytes(), (start, end), within)
            };
            let begins = |here: Range<usize>| {
                text.starts().block(raw, here.start, clean, |starts, behind| {
                    let to = here.end.min(behind);
                    let from = starts.partition_point(|start| (start.at as usize) < here.start);
                    let mut near = starts.iter().skip(from).take_while(|start| (start.at as usize) < to);
                    near.find(|start| beginnings.may_be(&start.hashes, clean))
                        .map_or(Err(to), |start| Ok(start.at as usize))
                })
            };
            // Directly behind a match that ends with a letter.
            let follows = |letters: &ByteSet, here: Range<usize>| {
                let both = |at: &usize| at.checked_sub(1).and_then(|before| raw.as_bytes().get(before..=*at));
                let within = |at: &usize| {
                    both(at).is_some_and(|both| {
                        matches!(both, [before, after] if letters.contains(*before) && after.is_ascii_alphabetic())
                    })
                };
                let may_be = |at: &usize| {
                    starts::beginning(raw, *at, clean).is_some_and(|start| beginnings.may_be(&start, clean))
                };
                here.clone().find(|at| within(at) && may_be(at)).ok_or(here.end)
            };
            begun.any(from..to, begins)
                || last_letters.is_some_and(|letters| {
                    let ends = start..raw.len().min(end.saturating_add(1));
                    followed.any(ends, |here| follows(letters, here))
                })
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

/// How far a text was looked at, from left to right, and behind which place that was looked for.
#[derive(Debug, Default)]
struct Looked {
    to: usize,
    behind: usize,
}

impl Looked {
    /// Whether there is any such place in a range; `first` gives the first one of a range, or up to where there is none.
    fn any(&mut self, range: Range<usize>, first: impl Fn(Range<usize>) -> Result<usize, usize>) -> bool {
        self.to = self.to.max(range.start);
        while self.behind <= range.start && self.to < range.end {
            match first(self.to..range.end) {
                Ok(at) => (self.to, self.behind) = (at + 1, at + 1),
                Err(none) => self.to = none,
            }
        }
        self.behind > range.start
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
            ["tel", "phone number", "sv nummer", "téléphone", "matrícula", "號碼", "nip", "id", "a c no"];
        // All are looked for where one begins with a digit.
        looked_for(&words, "345", 30);
        looked_for(&words, "34x", 30);
        looked_for(&[&words[..], &["4me"]].concat(), "345", 0);
    }

    /// Near matches, and how many are left out at least.
    fn looked_for(words: &[&str], matched: &str, at_least: usize) {
        let spec = |words: &[&str]| NearSpec {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            within: 12,
            unless: None,
        };
        let near = Near::new(&spec(words)).unwrap();
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
            "34x",
            "a/c-No",
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
                if part == matched {
                    places.push(text.len());
                }
                text.push_str(part);
            }
            let last = ByteSet::of(&matched.as_bytes()[2..]);
            let last = Some(&last).filter(|_| matched.ends_with('x'));
            let text = Text::new(&text);
            let mut may_hold = near.may_hold(&text, last);
            for at in places {
                let holds = near.holds(matched, Hit { start: at, end: at + 3 }, &text).unwrap();
                // As for a match that may be longer.
                let may = may_hold((at, at + 5));
                assert!(may || !holds, "{:?} at {at}", text.raw());
                held += usize::from(holds);
                left_out += usize::from(!may);
            }
        }
        assert!(held > 100 && left_out >= at_least, "{held} {left_out}");
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
