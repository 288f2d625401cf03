//! The running state of one agent run: labels, counters, history. Advanced only by the guard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::User;

/// Most calls whose results are still expected, and most pseudonyms, of one session.
const MAX_REMEMBERED: usize = 4096;

/// Most questions to a person that are open at once in one session.
const MAX_QUESTIONS: usize = 64;

/// What the guard knows of one agent run.
///
/// A session that the guard has not seen, or no longer holds, starts with the labels that the manifest gives as
/// `session_default_labels`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    /// Labels that results have put on it.
    pub labels: BTreeSet<String>,
    /// Tool calls that were allowed.
    pub calls: u64,
    /// Events that were refused.
    pub denials: u64,
    /// Findings of text rules and thresholds.
    pub findings: u64,
    /// User messages that were allowed.
    pub turns: u64,
    /// Model tokens that events have stated.
    pub tokens: u64,
    /// Events so far.
    pub seq: u64,
    /// When its first event happened.
    pub started: Option<Timestamp>,
    /// The user as the latest event that stated roles, tenant or attributes has them.
    pub(crate) user: Option<User>,
    /// What the latest allowed `access` event that runs an agent said of that agent.
    pub(crate) runs: BTreeMap<String, Run>,
    /// Events that wait for a person: the number of the verdict, and the digest of the event as edited.
    questions: VecDeque<(u64, [u8; 32])>,
    calls_by_id: BTreeMap<String, String>,
    call_order: VecDeque<String>,
    pseudonyms: BTreeMap<(String, [u8; 16]), u32>,
    last_pseudonyms: BTreeMap<String, u32>,
    /// What pseudonyms stand for, by name and number.
    hidden: BTreeMap<(String, u32), Hidden>,
}

/// A value for which a pseudonym stands.
#[derive(Clone, PartialEq)]
pub(crate) struct Hidden {
    /// The rule that replaced it.
    pub(crate) rule: Arc<str>,
    pub(crate) value: String,
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hidden").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// A pseudonym that was given to a value.
#[derive(Debug, Clone)]
pub(crate) struct Pseudonym {
    pub(crate) name: String,
    /// Keyed digest of the value.
    pub(crate) digest: [u8; 16],
    pub(crate) number: u32,
    pub(crate) hidden: Hidden,
}

/// An agent as it was last run in a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Run {
    pub(crate) model: Option<String>,
    /// Tools that the host application offered and that remained.
    pub(crate) offered: BTreeSet<String>,
}

impl Session {
    /// A session that starts with these labels.
    #[must_use]
    pub fn with_labels(labels: impl IntoIterator<Item = String>) -> Self {
        Self { labels: labels.into_iter().collect(), ..Self::default() }
    }

    /// Whole minutes since its first event.
    #[must_use]
    pub fn minutes(&self, now: Timestamp) -> u64 {
        let started = self.started.unwrap_or(now);
        u64::try_from(now.as_second().saturating_sub(started.as_second()) / 60).unwrap_or(0)
    }

    /// The model with which an agent was last run.
    #[must_use]
    pub fn model(&self, agent: &str) -> Option<&str> {
        self.runs.get(agent)?.model.as_deref()
    }

    /// Whether the host application offered a tool when an agent was last run, and it remained.
    pub(crate) fn offers(&self, agent: &str, tool: &str) -> bool {
        self.runs.get(agent).is_some_and(|run| run.offered.contains(tool))
    }

    /// The tool that a call id was last used for.
    #[must_use]
    pub fn tool_of_call(&self, call: &str) -> Option<&str> {
        self.calls_by_id.get(call).map(String::as_str)
    }

    /// Tools that were called under an id.
    pub(crate) fn called(&self) -> BTreeSet<&str> {
        self.calls_by_id.values().map(String::as_str).collect()
    }

    /// Opens a question to a person.
    pub(crate) fn ask(&mut self, seq: u64, digest: [u8; 32]) {
        if self.questions.len() >= MAX_QUESTIONS {
            self.questions.pop_front();
        }
        self.questions.push_back((seq, digest));
    }

    /// Closes a question, and tells what it was about.
    pub(crate) fn answer(&mut self, seq: u64) -> Option<[u8; 32]> {
        let at = self.questions.iter().position(|(asked, _)| *asked == seq)?;
        self.questions.remove(at).map(|(_, digest)| digest)
    }

    pub(crate) fn remember_call(&mut self, call: &str, tool: &str) {
        if self.calls_by_id.insert(call.to_owned(), tool.to_owned()).is_none() {
            self.call_order.push_back(call.to_owned());
            if self.call_order.len() > MAX_REMEMBERED
                && let Some(oldest) = self.call_order.pop_front()
            {
                self.calls_by_id.remove(&oldest);
            }
        }
    }

    /// The number of a value among the pseudonyms of one name: its own, or `None` where it has none yet.
    pub(crate) fn pseudonym(&self, name: &str, digest: [u8; 16]) -> Option<u32> {
        self.pseudonyms.get(&(name.to_owned(), digest)).copied()
    }

    /// The highest number given under a name.
    pub(crate) fn last_pseudonym(&self, name: &str) -> u32 {
        self.last_pseudonyms.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn remember_pseudonym(&mut self, pseudonym: Pseudonym) {
        let Pseudonym { name, digest, number, hidden } = pseudonym;
        self.last_pseudonyms.insert(name.clone(), number);
        // Beyond the bound a value gets a new number each time, never another value's, and can't be revealed.
        if self.pseudonyms.len() < MAX_REMEMBERED {
            self.pseudonyms.insert((name.clone(), digest), number);
            self.hidden.insert((name, number), hidden);
        }
    }

    /// What a pseudonym stands for.
    pub(crate) fn hidden(&self, name: &str, number: u32) -> Option<&Hidden> {
        self.hidden.get(&(name.to_owned(), number))
    }
}
