//! The values behind pseudonyms, for whom policy lets have them.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;

use super::reload::InForce;
use super::{Guard, lock, write};
use crate::audit::{AuditError, ENGINE, Record, RevealRecord};
use crate::engine::{ResolvedPaths, Revealing, Situation};
use crate::event::{Event, User};
use crate::session::Session;

/// Longest pseudonym.
const LONGEST: usize = 96;
/// Pseudonyms of each kind that a record names.
const RECORDED: usize = 16;

/// Who is to have the values behind pseudonyms.
#[derive(Debug, Clone, Copy)]
pub struct To<'a> {
    /// The user, or the one for whom the tool runs.
    pub user: &'a User,
    /// The agent of the session.
    pub agent: &'a str,
    /// A tool that is to have them, not the user.
    pub tool: Option<&'a str>,
}

/// A text in which pseudonyms were replaced by what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revealed {
    /// The text.
    pub text: String,
    /// Pseudonyms that were replaced, in order of the alphabet.
    pub revealed: BTreeSet<String>,
    /// Pseudonyms of this session that stay, because policy does not let them have the value.
    pub kept: BTreeSet<String>,
}

impl Guard {
    /// Replaces pseudonyms of a session by the values that they stand for, where a policy with the action `reveal` permits
    /// that for the rule that hid them. Pseudonyms of other sessions stay, as does everything if deciding or recording fails.
    #[must_use]
    pub fn reveal(&self, session: &str, to: To<'_>, text: &str) -> Revealed {
        let unchanged =
            || Revealed { text: text.to_owned(), revealed: BTreeSet::new(), kept: BTreeSet::new() };
        let Some(known) = lock(&self.sessions).known(session) else { return unchanged() };
        let known = lock(&known);
        let held = self.in_force.load();
        let revealed = catch_unwind(AssertUnwindSafe(|| {
            reveal_in(&held, session, &known.session, to, self.clock.now(), text).0
        }));
        let Ok(revealed) = revealed else { return unchanged() };
        // Recorded first: what can't be recorded is not revealed.
        let asked = !(revealed.revealed.is_empty() && revealed.kept.is_empty());
        if asked && self.record_reveal(&held, session, to, &revealed).is_err() {
            return unchanged();
        }
        revealed
    }

    /// What [`reveal`](Guard::reveal) would give at a time, and the policies that say so. Nothing is recorded.
    pub(crate) fn try_reveal(
        &self,
        session: &str,
        to: To<'_>,
        at: Timestamp,
        text: &str,
    ) -> (String, Vec<Revealing>) {
        let Some(known) = lock(&self.sessions).known(session) else { return (text.to_owned(), Vec::new()) };
        let known = lock(&known);
        let (revealed, said) = reveal_in(&self.in_force.load(), session, &known.session, to, at, text);
        (revealed.text, said)
    }

    fn record_reveal(
        &self,
        held: &InForce,
        session: &str,
        to: To<'_>,
        revealed: &Revealed,
    ) -> Result<(), AuditError> {
        fn first(names: &BTreeSet<String>) -> Vec<&str> {
            names.iter().take(RECORDED).map(String::as_str).collect()
        }
        let Some(sink) = &self.sink else { return Ok(()) };
        let at = self.stamp();
        held.announce(sink.as_ref(), at)?;
        let record = RevealRecord {
            at,
            session,
            user: &to.user.id,
            agent: to.agent,
            tool: to.tool,
            revealed: first(&revealed.revealed),
            kept: first(&revealed.kept),
            pseudonyms: revealed.revealed.len() + revealed.kept.len(),
            bundle: held.engine.bundle_digest(),
            engine: ENGINE,
        };
        write(sink.as_ref(), &Record::Reveal(record))
    }
}

/// The text with what policy reveals of it, and what was said of each rule.
fn reveal_in(
    held: &InForce,
    id: &str,
    session: &Session,
    to: To<'_>,
    at: Timestamp,
    text: &str,
) -> (Revealed, Vec<Revealing>) {
    let event = Event::output(id, to.user.clone(), to.agent, "");
    let paths = ResolvedPaths::default();
    let situation =
        Situation { session, created: None, at, paths: &paths, stop: &|| false, scans: None, without: None };
    let mut said: BTreeMap<String, Revealing> = BTreeMap::new();
    let mut out = Revealed {
        text: String::with_capacity(text.len()),
        revealed: BTreeSet::new(),
        kept: BTreeSet::new(),
    };
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('<') {
        out.text.push_str(before);
        rest = from;
        let hidden = pseudonym(from).and_then(|(name, number, length)| {
            Some((session.hidden(name, number)?, from.get(..length)?, from.get(length + 1..)?))
        });
        let Some((hidden, shown, behind)) = hidden else {
            out.text.push('<');
            continue;
        };
        let pseudonym = format!("<{shown}>");
        let said = said
            .entry(hidden.rule.to_string())
            .or_insert_with(|| held.engine.0.reveal(&event, &situation, &hidden.rule, to.tool));
        let may = !said.permits.is_empty();
        out.text.push_str(if may { &hidden.value } else { &pseudonym });
        if may { &mut out.revealed } else { &mut out.kept }.insert(pseudonym);
        rest = behind;
    }
    out.text.push_str(rest);
    (out, said.into_values().collect())
}

/// Name and number of a pseudonym behind its `<`, and how long it is up to its `>`.
fn pseudonym(text: &str) -> Option<(&str, u32, usize)> {
    let length = text.bytes().take(LONGEST).position(|byte| byte == b'>')?;
    let (name, number) = text.get(..length)?.rsplit_once('_')?;
    let plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((name, number.parse().ok().filter(|_| plain)?, length))
}
