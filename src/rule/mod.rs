//! Packs, tools and retention classes: as written, and as used.

pub(crate) mod argument;
pub(crate) mod find;
pub(crate) mod pack;
pub(crate) mod replace;
pub(crate) mod retention;
pub(crate) mod tool;

pub use retention::{Class, Data, From, Then};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Span};
use crate::event::{Part, Stage};
use crate::text::Finder;
use crate::verdict::{Action, Severity};

pub(crate) use find::ArgumentFinder;
pub(crate) use replace::{Replacement, Replacing};

/// A rule as used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// `pack/rule`.
    pub(crate) id: Arc<str>,
    pub(crate) pack: Arc<str>,
    pub(crate) stages: Vec<Stage>,
    /// Empty: every part.
    pub(crate) parts: Vec<Part>,
    pub(crate) find: Arc<Find>,
    pub(crate) action: Action,
    pub(crate) replacement: Replacement,
    pub(crate) message: Option<String>,
    pub(crate) title: Option<Arc<str>>,
    pub(crate) severity: Severity,
    pub(crate) waivable: bool,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) file: Arc<str>,
    /// Line of the rule's id, from 1.
    pub(crate) line: u32,
}

/// What a rule finds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Find {
    /// Something in a text.
    Text(#[serde(with = "finder")] Box<Finder>),
    /// A fact's score.
    Threshold(Threshold),
    /// Something in an argument that is declared a command, a path or a URL.
    Argument(#[serde(with = "argument_finder")] Box<ArgumentFinder>),
}

/// Fires when a score reaches a bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Threshold {
    pub(crate) fact: String,
    pub(crate) category: String,
    pub(crate) at: f64,
}

/// A finder is kept as what it was made from, and trusted when it is read again.
mod finder {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::text::{Finder, FinderSpec};

    #[expect(clippy::borrowed_box, reason = "the field's type")]
    pub(super) fn serialize<S: Serializer>(finder: &Box<Finder>, to: S) -> Result<S::Ok, S::Error> {
        finder.spec().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<Finder>, D::Error> {
        FinderSpec::deserialize(from).map(|spec| Box::new(Finder::trusted(spec)))
    }
}

/// The same for what is found in arguments.
mod argument_finder {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::ArgumentFinder;
    use super::find::ArgumentFind;

    #[expect(clippy::borrowed_box, reason = "the field's type")]
    pub(super) fn serialize<S: Serializer>(finder: &Box<ArgumentFinder>, to: S) -> Result<S::Ok, S::Error> {
        finder.find().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<ArgumentFinder>, D::Error> {
        let find = ArgumentFind::deserialize(from)?;
        ArgumentFinder::new(find).map(Box::new).map_err(D::Error::custom)
    }
}

impl Rule {
    /// What it looks for in texts.
    pub(crate) fn finder(&self) -> Option<&Finder> {
        match &*self.find {
            Find::Text(finder) => Some(finder),
            Find::Threshold(_) | Find::Argument(_) => None,
        }
    }

    pub(crate) fn applies(&self, stage: Stage, part: Option<Part>) -> bool {
        self.stages.contains(&stage)
            && (self.parts.is_empty() || part.is_none_or(|part| self.parts.contains(&part)))
    }
}

/// Where diagnostics about one file go.
pub(crate) struct Reporter<'a> {
    pub(crate) file: &'a Arc<str>,
    pub(crate) text: &'a str,
    pub(crate) out: &'a mut Vec<Diagnostic>,
}

impl Reporter<'_> {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.out.push(diagnostic);
    }

    pub(crate) fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span::new(self.file, range.start, range.end)
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> u32 {
        crate::diagnostic::line(self.text, at)
    }
}
