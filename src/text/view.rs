//! A text with its views, made when first asked for.

use std::cell::OnceCell;

use super::Hit;
use super::fold;

/// A way to look at a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum View {
    /// As it is.
    Raw,
    /// NFKC, lower case, without invisible characters, look-alike letters as Latin, runs of white space as one space.
    Folded,
    /// Base64 decoded.
    Base64,
    /// Hexadecimal decoded.
    Hex,
    /// Percent-encoding decoded.
    Percent,
    /// HTML entities decoded.
    Html,
    /// ROT13.
    Rot13,
    /// Read from the end.
    Reversed,
    /// Digits and signs for letters.
    Leet,
    /// Letters spaced apart joined.
    Spaced,
}

impl View {
    /// The name in YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            View::Raw => "raw",
            View::Folded => "folded",
            View::Base64 => "base64",
            View::Hex => "hex",
            View::Percent => "percent",
            View::Html => "html",
            View::Rot13 => "rot13",
            View::Reversed => "reversed",
            View::Leet => "leet",
            View::Spaced => "spaced",
        }
    }
}

/// A text and its views.
#[derive(Debug)]
pub struct Text<'a> {
    raw: &'a str,
    folded: OnceCell<Mapped>,
    squashed: OnceCell<Mapped>,
}

impl<'a> Text<'a> {
    /// A text of which no view has been made yet.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        Self { raw, folded: OnceCell::new(), squashed: OnceCell::new() }
    }

    /// The text itself.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    pub(super) fn folded(&self) -> &Mapped {
        self.folded.get_or_init(|| fold::fold(self.raw))
    }

    /// The folded view with every run that is neither letter nor digit as one space.
    pub(super) fn squashed(&self) -> &Mapped {
        self.squashed.get_or_init(|| fold::squash(self.folded()))
    }
}

/// A made-up text, and where each byte of it comes from.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) text: String,
    /// For each byte the range of the original that it stands for.
    pub(super) from: Vec<(u32, u32)>,
}

impl Mapped {
    pub(super) fn push(&mut self, c: char, from: (u32, u32)) {
        self.text.push(c);
        self.from.resize(self.text.len(), from);
    }

    /// A range of this text as a range of the original.
    pub(super) fn original(&self, start: usize, end: usize) -> Option<Hit> {
        let range = self.from.get(start..end)?;
        let first = range.iter().map(|(start, _)| *start).min()?;
        let last = range.iter().map(|(_, end)| *end).max()?;
        Some(Hit { start: first as usize, end: last as usize })
    }
}
