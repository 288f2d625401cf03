//! Whether a pattern matches at a place, told without an automaton.
//!
//! Most patterns are tried at a few places in the life of a process, and to make an automaton takes as long as thousands of
//! such places. So the first ones are told by the parsed expression itself, followed through all of its alternatives, within a limit.

use std::ops::Range;

use regex_automata::util::look::LookMatcher;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// Parts of an expression that are looked at for one place.
const STEPS: usize = 1024;
/// Parts within parts.
const DEEPEST: usize = 128;

/// How many bytes show that a pattern does not match at a place of a text; `None` where it does, or where telling it takes long.
pub(super) fn none(hir: &Hir, text: &str, start: usize) -> Option<usize> {
    let mut trial = Trial::new(text, start, false);
    match trial.part(hir, start, &Rest::End) {
        Ok(false) => Some(trial.read - start),
        Ok(true) | Err(GaveUp) => None,
    }
}

/// A match.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) end: usize,
    /// What the group named `value` matched.
    pub(super) value: Option<Range<usize>>,
}

/// The match of a pattern at a place of a text.
pub(super) fn find(hir: &Hir, text: &str, start: usize) -> Result<Option<Match>, GaveUp> {
    let mut trial = Trial::new(text, start, true);
    let matches = trial.part(hir, start, &Rest::End)?;
    Ok(matches.then_some(Match { end: trial.end, value: trial.value }))
}

/// Told where it takes too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GaveUp;

/// What has to match behind a part.
enum Rest<'r> {
    End,
    Parts(&'r [Hir], &'r Rest<'r>),
    /// A repetition, so many of which end behind the part that began there.
    Again {
        repetition: &'r Repetition,
        times: u32,
        began: usize,
        rest: &'r Rest<'r>,
    },
    /// The group named `value` began there and ends here.
    Value(usize, &'r Rest<'r>),
}

struct Trial<'t> {
    text: &'t str,
    looks: LookMatcher,
    left: usize,
    depth: usize,
    /// What comes first where several match is found, and not any match.
    first: bool,
    /// The last place that was looked at.
    read: usize,
    end: usize,
    value: Option<Range<usize>>,
}

impl<'t> Trial<'t> {
    fn new(text: &'t str, start: usize, first: bool) -> Self {
        let looks = LookMatcher::new();
        Self { text, looks, left: STEPS, depth: 0, first, read: start, end: start, value: None }
    }

    /// Whether a part matches here, and the rest behind it.
    fn part(&mut self, hir: &Hir, at: usize, rest: &Rest<'_>) -> Result<bool, GaveUp> {
        if self.left == 0 || self.depth == DEEPEST {
            return Err(GaveUp);
        }
        self.left -= 1;
        self.depth += 1;
        let matches = self.deeper(hir, at, rest);
        self.depth -= 1;
        matches
    }

    fn deeper(&mut self, hir: &Hir, at: usize, rest: &Rest<'_>) -> Result<bool, GaveUp> {
        self.read = self.read.max(at);
        match hir.kind() {
            HirKind::Empty => self.rest(rest, at),
            HirKind::Literal(literal) => {
                let here = self.text.as_bytes().get(at..).unwrap_or_default();
                let same = here.iter().zip(&literal.0).take_while(|(here, there)| here == there).count();
                self.read = self.read.max(at + same.min(literal.0.len() - 1));
                if same == literal.0.len() { self.rest(rest, at + same) } else { Ok(false) }
            }
            HirKind::Class(class) => match self.length(class, at) {
                Some(length) => self.rest(rest, at + length),
                None => Ok(false),
            },
            HirKind::Look(look) => {
                if self.stands(*look, at)? {
                    self.rest(rest, at)
                } else {
                    Ok(false)
                }
            }
            HirKind::Capture(capture) if self.first && capture.name.as_deref() == Some("value") => {
                self.part(&capture.sub, at, &Rest::Value(at, rest))
            }
            HirKind::Capture(capture) => self.part(&capture.sub, at, rest),
            HirKind::Concat(parts) => self.rest(&Rest::Parts(parts, rest), at),
            HirKind::Alternation(parts) => {
                for part in parts {
                    if self.part(part, at, rest)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            HirKind::Repetition(repetition) => match repetition.sub.kind() {
                HirKind::Class(class) => self.row(repetition, class, at, rest),
                // Which of several empty ones comes first is not told here.
                _ if self.first && repetition.sub.properties().minimum_len() == Some(0) => Err(GaveUp),
                _ => self.again(repetition, 0, at, rest),
            },
        }
    }

    fn rest(&mut self, rest: &Rest<'_>, at: usize) -> Result<bool, GaveUp> {
        match *rest {
            Rest::End => {
                self.end = at;
                Ok(true)
            }
            Rest::Value(began, rest) => {
                let before = self.value.replace(began..at);
                let matches = self.rest(rest, at)?;
                if !matches {
                    self.value = before;
                }
                Ok(matches)
            }
            Rest::Parts([], rest) => self.rest(rest, at),
            Rest::Parts([part, parts @ ..], rest) => self.part(part, at, &Rest::Parts(parts, rest)),
            // What matches nothing does so any number of times.
            Rest::Again { began, rest, .. } if began == at => self.rest(rest, at),
            Rest::Again { repetition, times, rest, .. } => self.again(repetition, times, at, rest),
        }
    }

    /// A repetition behind so many of it.
    fn again(
        &mut self,
        repetition: &Repetition,
        times: u32,
        at: usize,
        rest: &Rest<'_>,
    ) -> Result<bool, GaveUp> {
        let enough = times >= repetition.min;
        let most_first = self.first && repetition.greedy;
        if enough && !most_first && self.rest(rest, at)? {
            return Ok(true);
        }
        if repetition.max.is_none_or(|max| times < max) {
            let again = Rest::Again { repetition, times: times.saturating_add(1), began: at, rest };
            if self.part(&repetition.sub, at, &again)? {
                return Ok(true);
            }
        }
        Ok(enough && most_first && self.rest(rest, at)?)
    }

    /// A repetition of single characters.
    fn row(
        &mut self,
        repetition: &Repetition,
        class: &Class,
        mut at: usize,
        rest: &Rest<'_>,
    ) -> Result<bool, GaveUp> {
        let most_first = self.first && repetition.greedy;
        let mut ends = Vec::new();
        for times in 0.. {
            if times >= repetition.min {
                if most_first {
                    ends.push(at);
                } else if self.rest(rest, at)? {
                    return Ok(true);
                }
            }
            if repetition.max.is_some_and(|max| times >= max) {
                break;
            }
            self.left = self.left.checked_sub(1).ok_or(GaveUp)?;
            let Some(length) = self.length(class, at) else { break };
            at += length;
        }
        for end in ends.into_iter().rev() {
            if self.rest(rest, end)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Bytes of the character here, if it is one of a class.
    fn length(&mut self, class: &Class, at: usize) -> Option<usize> {
        self.read = self.read.max(at);
        match class {
            Class::Unicode(class) => {
                let c = self.text.get(at..)?.chars().next()?;
                let after = class.ranges().partition_point(|range| range.start() <= c);
                let range = class.ranges().get(after.checked_sub(1)?)?;
                (c <= range.end()).then(|| c.len_utf8())
            }
            Class::Bytes(class) => {
                let byte = self.text.as_bytes().get(at)?;
                class.ranges().iter().any(|range| (range.start()..=range.end()).contains(byte)).then_some(1)
            }
        }
    }

    fn stands(&self, look: Look, at: usize) -> Result<bool, GaveUp> {
        let (looks, bytes) = (&self.looks, self.text.as_bytes());
        Ok(match look {
            Look::Start => looks.is_start(bytes, at),
            Look::End => looks.is_end(bytes, at),
            Look::StartLF => looks.is_start_lf(bytes, at),
            Look::EndLF => looks.is_end_lf(bytes, at),
            Look::StartCRLF => looks.is_start_crlf(bytes, at),
            Look::EndCRLF => looks.is_end_crlf(bytes, at),
            Look::WordAscii => looks.is_word_ascii(bytes, at),
            Look::WordAsciiNegate => looks.is_word_ascii_negate(bytes, at),
            Look::WordStartAscii => looks.is_word_start_ascii(bytes, at),
            Look::WordEndAscii => looks.is_word_end_ascii(bytes, at),
            Look::WordStartHalfAscii => looks.is_word_start_half_ascii(bytes, at),
            Look::WordEndHalfAscii => looks.is_word_end_half_ascii(bytes, at),
            // Patterns have those of ASCII instead.
            Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode => return Err(GaveUp),
        })
    }
}

#[cfg(test)]
mod tests {
    use regex_automata::{Anchored, Input};

    use super::*;
    use crate::text::dice::Dice;
    use crate::text::expression::Expression;

    /// It says the same as the pattern, and reads what tells it: another text that begins so is none either.
    #[test]
    fn as_the_pattern_says() {
        let patterns = [
            r"(?i)\b(?:tell|show)\s(?:[a-z]{1,6}\s){0,3}?(?:rules|prompt)\b",
            r"[a-z]{3,5}-\d{2,4}(?:x|$)",
            r"(?m)^a.{0,9}b$",
            r"é{1,3}[^a]{2}k",
            r"(?:a?){3}(?:b|)+(?:ab|a?b?)*?k",
            r"(?-u:[a-f]{2})\B[1-9]?(?:\d|\n\b{start}me)",
            r"(?:(?:a|b\b)*[\n ]){2,}12",
            r"(?:a|ab|abc)(?P<value>(?:c-|b)?[1-9]{1,3}|c)?(?:\d?|k)?",
            r"(?:(?P<value>[a-z]{1,4}?|é\n?) ){1,3}?(?:me|rules |12)+",
        ];
        let parts = [
            "tell ", "show ", "me ", "rules", "prompt ", "abc-", "12", "345x", "a", "b", "\n", "é", "k", "K",
            " ",
        ];
        let (mut dice, mut refused, mut matched, mut told) = (Dice(9), 0, 0, 0);
        for pattern in patterns {
            let hir = Expression::new(pattern).unwrap().hir;
            let whole = regex_automata::meta::Builder::new().build_from_hir(&hir).unwrap();
            let matches = |text: &str, start: usize| {
                whole.is_match(Input::new(text).span(start..text.len()).anchored(Anchored::Yes))
            };
            let first = |text: &str, start: usize| {
                let mut captures = whole.create_captures();
                let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
                whole.search_captures(&input, &mut captures);
                let value = captures.get_group_by_name("value").map(|value| value.range());
                captures.get_match().map(|found| Match { end: found.end(), value })
            };
            for _ in 0..2000 {
                let text = dice.text(&parts, 12);
                for start in (0..text.len()).filter(|start| text.is_char_boundary(*start)) {
                    let none = none(&hir, &text, start);
                    assert_eq!(none.is_none(), matches(&text, start), "{pattern} in {text:?} at {start}");
                    matched += usize::from(none.is_none());
                    if let Ok(found) = find(&hir, &text, start) {
                        told += 1;
                        assert_eq!(found, first(&text, start), "{pattern} in {text:?} at {start}");
                    }
                    let Some(read) = none else { continue };
                    refused += 1;
                    let known = text.ceil_char_boundary(start + read + 1);
                    if known < text.len() {
                        let other = format!("{}{}", &text[..known], dice.pick(&parts));
                        assert!(!matches(&other, start), "{pattern} in {other:?} at {start}");
                    }
                }
            }
        }
        assert!(refused > 1000 && matched > 100 && told > 1000, "{refused} {matched} {told}");
    }

    /// What takes long is left to others.
    #[test]
    fn it_gives_up() {
        let takes_long = (r"(?:(?:a|aa)[ab]{0,9}){1,9}c", "ab".repeat(50));
        let deep = (r"(?:ab)*c", "ab".repeat(500));
        for (pattern, text) in [takes_long, deep] {
            let hir = Expression::new(pattern).unwrap().hir;
            assert_eq!(none(&hir, &text, 0), None, "{pattern}");
            assert_eq!(find(&hir, &text, 0), Err(GaveUp), "{pattern}");
        }
    }
}
