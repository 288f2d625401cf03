//! Who may do what, as far as it can be told before there is an event: in a new session, whatever the arguments.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Engine;
use crate::cedar::{Ask, PolicyEffect, Question, SessionView};
use crate::event::Stage;

/// Whether somebody may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum May {
    /// Yes.
    Yes,
    /// That depends on the arguments.
    Depends,
    /// Once a person has approved it.
    Asks,
    /// No.
    No,
}

impl May {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            May::Yes => "yes",
            May::Depends => "depends",
            May::Asks => "asks",
            May::No => "no",
        }
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing<'a> {
    /// Run an agent.
    RunAgent,
    /// Create one.
    CreateAgent,
    /// Talk to one.
    SendInput,
    /// Have its answers.
    SendOutput,
    /// Call a tool through one.
    CallTool(&'a str),
    /// See what a tool has answered.
    ReadResult(&'a str),
}

/// Who asks, and through what.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The user's id.
    pub user: &'a str,
    /// The user's direct roles.
    pub roles: &'a [String],
    /// The agent.
    pub agent: &'a str,
    /// The model that it runs on.
    pub model: Option<&'a str>,
}

impl Engine {
    /// Whether somebody may do something in a new session of an agent of the directory, and the policies that say so, by name.
    /// What rules find and what a session has read can still refuse it.
    #[must_use]
    pub fn may(&self, asking: Asking<'_>, doing: Doing<'_>) -> (May, Vec<String>) {
        let inner = &*self.0;
        let null = serde_json::Value::Null;
        let question = match doing {
            Doing::RunAgent => Question::RunAgent,
            Doing::CreateAgent => Question::CreateAgent,
            Doing::SendInput => Question::SendInput,
            Doing::SendOutput => Question::SendOutput,
            Doing::ReadResult(tool) => Question::ReadResult { tool },
            Doing::CallTool(tool) if inner.tools.contains_key(tool) => {
                Question::CallTool { tool, input: &null }
            }
            Doing::CallTool(tool) => Question::CallUnlisted { tool },
        };
        let stage = match doing {
            Doing::RunAgent | Doing::CreateAgent => Stage::Access,
            Doing::SendInput => Stage::Input,
            Doing::SendOutput => Stage::Output,
            Doing::CallTool(_) => Stage::ToolCall,
            Doing::ReadResult(_) => Stage::ToolResult,
        };
        let none = BTreeSet::new();
        let labels: BTreeSet<String> = inner.default_labels.iter().cloned().collect();
        let session = SessionView {
            labels: &labels,
            calls: 0,
            denials: 0,
            findings: 0,
            minutes: 0,
            turns: 0,
            tokens: 0,
        };
        let listed = inner.users.get(asking.user);
        let (attributes, tenant) = match listed {
            Some(user) => (user.attributes.clone(), user.tenant.clone()),
            None => (BTreeMap::new(), None),
        };
        let ask = Ask {
            user: asking.user,
            roles: listed.map_or(asking.roles, |user| &user.roles),
            tenant: tenant.as_deref(),
            attributes: &attributes,
            question,
            agent: asking.agent,
            agent_is_new: doing == Doing::CreateAgent,
            model: asking.model,
            at: jiff::Timestamp::UNIX_EPOCH.as_millisecond(),
            without: None,
            stage: stage.name(),
            found: &none,
            packs: &none,
            tags: &none,
            session: &session,
        };
        let policies = &inner.policies;
        let names = |numbers: &[usize]| -> Vec<String> {
            numbers
                .iter()
                .filter_map(|number| policies.list().get(*number))
                .map(|info| info.id.clone())
                .collect()
        };
        let (answer, may_permit) = policies.ask_without_input(&ask);
        if !answer.errors.is_empty() {
            return (May::No, names(&answer.errors));
        }
        if answer.permits.is_empty() && !may_permit {
            return (May::No, Vec::new());
        }
        if !answer.forbids.is_empty() {
            return (May::No, names(&answer.forbids));
        }
        let reading = policies.reading(&ask);
        let narrows = |effect| matches!(effect, PolicyEffect::Forbid | PolicyEffect::Ask);
        let depends: Vec<usize> = reading
            .into_iter()
            .filter(|(effect, _)| {
                narrows(*effect) || (*effect == PolicyEffect::Permit && answer.permits.is_empty())
            })
            .map(|(_, number)| number)
            .collect();
        if !answer.asks.is_empty() {
            return (May::Asks, names(&answer.asks));
        }
        if !depends.is_empty() {
            return (May::Depends, names(&[answer.permits, depends].concat()));
        }
        (May::Yes, names(&answer.permits))
    }
}
