//! What a match has to fulfil beyond its shape.

use std::sync::OnceLock;

use regex_automata::Input;

use super::check::{self, Check, Explain, Wrong};
use super::expression::Expression;
use super::near::Near;
use super::pattern::Answer;
use super::view::Text;
use super::{Exception, FindError, FinderSpec, Hit, ready};

/// The conditions of a finder.
#[derive(Debug)]
pub(super) struct Conditions {
    check: Option<Check>,
    explain: Option<Explain>,
    pub(super) near: Option<Near>,
    not: Vec<Rejection>,
}

#[derive(Debug)]
enum Rejection {
    Literal(String),
    /// Parsed when it is first needed; `None` only where that is no pattern.
    Pattern(Box<str>, OnceLock<Option<Expression>>),
}

impl Rejection {
    fn new(exception: &Exception, trusted: bool) -> Result<Self, FindError> {
        Ok(match exception {
            Exception::Literal(text) => Rejection::Literal(text.trim().to_lowercase()),
            Exception::Pattern(pattern) => {
                let parsed = OnceLock::new();
                if !trusted {
                    // It was empty.
                    let _ = parsed.set(Some(Expression::new(pattern)?));
                }
                Rejection::Pattern(pattern.as_str().into(), parsed)
            }
        })
    }

    fn refuse(&self, matched: &str) -> Option<Answer> {
        match self {
            Rejection::Literal(literal) => (matched.trim().to_lowercase() == *literal).then_some(Answer::No),
            Rejection::Pattern(pattern, parsed) => {
                let parse = || ready::make(|| Expression::new(pattern).ok());
                // Without what it should look for, nothing is known of a text.
                let Some(expression) = parsed.get_or_init(parse) else { return Some(Answer::No) };
                if expression.is_nowhere(matched) {
                    return None;
                }
                let Some(regex) = expression.get() else { return Some(Answer::No) };
                let found = regex.search_half(&Input::new(matched).earliest(true))?;
                // It stands there whatever follows.
                let anyhow = expression.hir.properties().look_set().is_empty();
                Some(if anyhow { Answer::NoUpTo(found.offset()) } else { Answer::No })
            }
        }
    }
}

impl Conditions {
    /// All of them; what a `trusted` finder needs for few matches is parsed when it is needed.
    pub(super) fn new(spec: &FinderSpec, trusted: bool) -> Result<Self, FindError> {
        let check = match &spec.check {
            Some(name) => {
                Some(check::named(name).ok_or_else(|| FindError::UnknownCheck { name: name.clone() })?)
            }
            None => None,
        };
        let not = spec.not.iter().map(|exception| Rejection::new(exception, trusted));
        Ok(Self {
            check,
            explain: spec.check.as_deref().and_then(check::explained),
            near: spec.near.as_ref().map(Near::new).transpose()?,
            not: not.collect::<Result<_, _>>()?,
        })
    }

    /// Compiles every pattern now.
    pub(super) fn prove(&self) -> Result<(), FindError> {
        self.near.as_ref().map_or(Ok(()), Near::prove)?;
        self.not.iter().try_for_each(|rejection| match rejection {
            Rejection::Literal(_) => Ok(()),
            Rejection::Pattern(pattern, parsed) => match parsed.get() {
                Some(Some(expression)) => expression.prove(),
                _ => Expression::new(pattern)?.prove(),
            },
        })
    }

    /// Whether a match counts: `matched` as its view shows it, `hit` in the original text.
    pub(super) fn accept(&self, matched: &str, hit: Hit, text: &Text<'_>) -> Answer {
        let near = || {
            let before = text.around().1;
            let hit = Hit { start: hit.start + before, end: hit.end + before };
            self.near.as_ref().map_or(Some(true), |near| near.holds(matched, hit, text))
        };
        // Words are no farther from a match than from what it begins with, unless they are in it.
        let wordless = self.near.as_ref().is_some_and(|near| near.is_not_in(matched));
        let early = wordless.then(near);
        if early == Some(Some(false)) {
            return Answer::Never;
        }
        if !self.check.is_none_or(|check| check(matched)) {
            return match self.explain.and_then(|explain| explain(matched)) {
                Some(Wrong::Beginnings) => Answer::Never,
                Some(Wrong::From(at)) => Answer::NoFrom(at),
                None => Answer::No,
            };
        }
        if let Some(refused) = self.not.iter().find_map(|rejection| rejection.refuse(matched)) {
            return refused;
        }
        match early.unwrap_or_else(near) {
            Some(true) => Answer::Yes,
            Some(false) => Answer::No,
            None => Answer::Later,
        }
    }
}
