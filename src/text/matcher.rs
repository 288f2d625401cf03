//! The shapes that a finder looks for.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

use super::phrases::Phrases;
use super::view::Text;
use super::{Conditions, FindError, Hit, Kind};

/// Largest program of one pattern, in bytes.
const SIZE_LIMIT: usize = 4 << 20;
/// Deepest nesting of a pattern.
const NEST_LIMIT: u32 = 64;

/// A pattern that is compiled when it is first used.
#[derive(Debug)]
pub(super) struct LazyRegex {
    pattern: String,
    compiled: OnceLock<Option<Regex>>,
}

/// Whether a pattern may match the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Allowed,
    Refused,
}

impl LazyRegex {
    pub(super) fn new(pattern: &str, empty: Empty) -> Result<Self, FindError> {
        let parsed = regex_syntax::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(pattern);
        let hir = parsed.map_err(|error| FindError::Pattern { message: last_line(&error.to_string()) })?;
        if empty == Empty::Refused && hir.properties().minimum_len() == Some(0) {
            return Err(FindError::MatchesEmpty);
        }
        Ok(Self { pattern: pattern.to_owned(), compiled: OnceLock::new() })
    }

    fn compile(&self) -> Result<Regex, regex::Error> {
        RegexBuilder::new(&self.pattern).size_limit(SIZE_LIMIT).nest_limit(NEST_LIMIT).build()
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.compile()
            .map(|_| ())
            .map_err(|error| FindError::Pattern { message: last_line(&error.to_string()) })
    }

    /// The compiled pattern. `None` only for one that `prove` would have refused.
    pub(super) fn get(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| self.compile().ok()).as_ref()
    }
}

fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// One shape.
#[derive(Debug)]
pub(super) enum Matcher {
    Pattern(Pattern),
    Phrases(Phrases),
    Signals { at: f64, of: Vec<(Matcher, f64)> },
}

#[derive(Debug)]
pub(super) struct Pattern {
    regex: LazyRegex,
    has_value: bool,
    folded: bool,
    max_bytes: usize,
}

impl Matcher {
    pub(super) fn new(kind: &Kind, folded: bool, max_bytes: Option<usize>) -> Result<Self, FindError> {
        match kind {
            Kind::Pattern(pattern) => Ok(Matcher::Pattern(Pattern {
                regex: LazyRegex::new(pattern, Empty::Refused)?,
                has_value: pattern.contains("(?P<value>") || pattern.contains("(?<value>"),
                folded,
                max_bytes: max_bytes.unwrap_or(usize::MAX),
            })),
            Kind::Phrases(phrases) => Phrases::new(phrases).map(Matcher::Phrases),
            Kind::Signals { at, of } => {
                let sum: f64 = of.iter().map(|signal| signal.weight).sum();
                let positive = |weight: f64| weight > 0.0 && weight.is_finite();
                if !of.iter().all(|signal| positive(signal.weight)) || !positive(*at) || sum < *at - 1e-9 {
                    return Err(FindError::Weights);
                }
                let of = of
                    .iter()
                    .map(|signal| Ok((Matcher::new(&signal.what, folded, max_bytes)?, signal.weight)))
                    .collect::<Result<_, _>>()?;
                Ok(Matcher::Signals { at: *at, of })
            }
        }
    }

    pub(super) fn prove(&self) -> Result<(), FindError> {
        match self {
            Matcher::Pattern(pattern) => pattern.regex.prove(),
            Matcher::Phrases(phrases) => phrases.prove(),
            Matcher::Signals { of, .. } => of.iter().try_for_each(|(signal, _)| signal.prove()),
        }
    }

    /// Every match that fulfils the conditions, in any order.
    pub(super) fn find(&self, text: &Text<'_>, conditions: &Conditions) -> Vec<Hit> {
        let mut hits = Vec::new();
        match self {
            Matcher::Pattern(pattern) => pattern.find(text, conditions, &mut hits),
            Matcher::Phrases(phrases) => phrases.find(text, &mut |shown, hit| {
                if conditions.accept(shown, hit, text) {
                    hits.push(hit);
                }
            }),
            Matcher::Signals { at, of } => {
                let mut sum = 0.0;
                for (signal, weight) in of {
                    if let Some(first) = signal.find(text, conditions).into_iter().min() {
                        hits.push(first);
                        sum += weight;
                    }
                }
                // Sums of decimal fractions: 0.4 + 0.6 has to reach 1.0.
                if sum < at - 1e-9 {
                    hits.clear();
                }
            }
        }
        hits
    }
}

impl Pattern {
    fn find(&self, text: &Text<'_>, conditions: &Conditions, hits: &mut Vec<Hit>) {
        let Some(regex) = self.regex.get() else { return };
        self.search(regex, text.raw(), &|start, end| Some(Hit { start, end }), text, conditions, hits);
        if self.folded {
            let folded = text.folded();
            if folded.text != text.raw() {
                let original = |start, end| folded.original(start, end);
                self.search(regex, &folded.text, &original, text, conditions, hits);
            }
        }
    }

    fn search(
        &self,
        regex: &Regex,
        shown: &str,
        original: &dyn Fn(usize, usize) -> Option<Hit>,
        text: &Text<'_>,
        conditions: &Conditions,
        hits: &mut Vec<Hit>,
    ) {
        // Bytes of rejected matches that may be read again. Enough for any honest text; an adversary who makes
        // every match fail pays a constant factor and no more.
        let mut again = shown.len().saturating_mul(16).saturating_add(1 << 16);
        let mut at = 0;
        while at <= shown.len() {
            let Some((whole, value)) = self.next(regex, shown, at) else { return };
            let (start, end) = value;
            let end = floor_boundary(shown, end.min(start.saturating_add(self.max_bytes))).max(start);
            let (Some(matched), Some(hit)) = (shown.get(start..end), original(start, end)) else { return };
            if conditions.accept(matched, hit, text) {
                hits.push(hit);
                at = if end < value.1 { end } else { whole.1 };
                at = at.max(ceil_boundary(shown, whole.0 + 1));
                continue;
            }
            // What begins inside a rejected match may still be one.
            let length = whole.1 - whole.0;
            if again >= length {
                again -= length;
                at = ceil_boundary(shown, whole.0 + 1);
            } else {
                at = whole.1.max(ceil_boundary(shown, whole.0 + 1));
            }
        }
    }

    /// The next whole match, and the part of it that counts.
    fn next(&self, regex: &Regex, shown: &str, at: usize) -> Option<((usize, usize), (usize, usize))> {
        if self.has_value {
            let captures = regex.captures_at(shown, at)?;
            let whole = captures.get(0)?;
            let value = captures.name("value").unwrap_or(whole);
            return Some(((whole.start(), whole.end()), (value.start(), value.end())));
        }
        let whole = regex.find_at(shown, at)?;
        Some(((whole.start(), whole.end()), (whole.start(), whole.end())))
    }
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while at > 0 && !text.is_char_boundary(at) {
        at -= 1;
    }
    at.min(text.len())
}

fn ceil_boundary(text: &str, mut at: usize) -> usize {
    while at < text.len() && !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
