//! What Cedar is asked about an event, and which tools its answers leave.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Inner;
use super::check::Identity;
use super::decide::{Pass, Situation};
use super::find::Found;
use crate::bundle::Mode;
use crate::cedar::{Ask, Question, SessionView};
use crate::event::{AccessKind, Body, Event, Stage};
use crate::verdict::{Decision, Edit};

impl Inner {
    pub(super) fn question<'e>(&self, event: &'e Event) -> Question<'e> {
        match &event.body {
            Body::Access(access) if access.kind == AccessKind::Create => Question::CreateAgent,
            Body::Access(_) => Question::RunAgent,
            Body::Input { .. } => Question::SendInput,
            Body::Output { .. } => Question::SendOutput,
            Body::ToolResult { tool, .. } => Question::ReadResult { tool },
            Body::ToolCall { tool, arguments, .. } if self.tools.contains_key(tool) => {
                Question::CallTool { tool, input: arguments }
            }
            Body::ToolCall { tool, .. } => Question::CallUnlisted { tool },
        }
    }

    pub(super) fn ask<'a>(
        &self,
        event: &'a Event,
        identity: &'a Identity<'_>,
        situation: &'a Situation<'_>,
        seen: &'a Seen<'a>,
        session: &'a SessionView<'a>,
        question: Question<'a>,
    ) -> Ask<'a> {
        let model = match &event.body {
            Body::Access(access) => access.model.as_deref(),
            _ => event.agent.as_deref().and_then(|agent| situation.session.model(agent)),
        };
        let created = match &event.body {
            Body::Access(access) if access.kind == AccessKind::Create => {
                access.name.as_deref().map(str::trim)
            }
            _ => None,
        };
        Ask {
            user: &event.user.id,
            roles: identity.roles,
            tenant: identity.tenant,
            attributes: &identity.attributes,
            question,
            agent: created.or(event.agent.as_deref()).unwrap_or_default(),
            agent_is_new: created.is_some() || situation.created.is_some(),
            model,
            at: situation.at.as_millisecond(),
            without: situation.without,
            stage: event.stage().name(),
            found: &seen.rules,
            packs: &seen.packs,
            tags: &seen.tags,
            session,
        }
    }

    /// At `access`: the tools that remain of those offered.
    pub(super) fn remaining(
        &self,
        event: &Event,
        edits: &[Edit],
        identity: &Identity<'_>,
        situation: &Situation<'_>,
        pass: &Pass,
    ) -> Option<Vec<String>> {
        let Body::Access(access) = &event.body else { return None };
        let offered = access.tools.as_ref()?;
        // Nothing is taken away in shadow.
        if self.mode == Mode::Shadow && !pass.is_hard() {
            return Some(offered.clone());
        }
        if pass.decision == Decision::Deny {
            return Some(Vec::new());
        }
        let edited =
            if edits.is_empty() { Cow::Borrowed(event) } else { Cow::Owned(event.with_edits(edits)) };
        let seen = Seen::new(self, pass.found.iter());
        let session = view(situation);
        let empty = serde_json::Value::Null;
        let created = match access.kind {
            AccessKind::Run => situation.created,
            AccessKind::Create => None,
        };
        let stays = |tool: &&String| {
            if created.is_some_and(|agent| !agent.tools.contains(*tool)) {
                return false;
            }
            let question = if self.tools.contains_key(*tool) {
                Question::CallTool { tool, input: &empty }
            } else if self.unlisted_reads.is_some() {
                Question::CallUnlisted { tool }
            } else {
                return false;
            };
            let ask = self.ask(&edited, identity, situation, &seen, &session, question);
            let ask = Ask { stage: Stage::ToolCall.name(), ..ask };
            self.policies.remains(&ask)
        };
        let mut tools: Vec<String> = offered.iter().filter(stays).cloned().collect();
        let mut known = BTreeSet::new();
        tools.retain(|tool| known.insert(tool.clone()));
        Some(tools)
    }
}

pub(super) fn view<'a>(situation: &'a Situation<'_>) -> SessionView<'a> {
    let session = situation.session;
    SessionView {
        labels: &session.labels,
        calls: session.calls,
        denials: session.denials,
        findings: session.findings,
        minutes: session.minutes(situation.at),
        turns: session.turns,
        tokens: session.tokens,
    }
}

/// What was found, as policies see it.
pub(super) struct Seen<'a> {
    rules: BTreeSet<&'a str>,
    packs: BTreeSet<&'a str>,
    tags: BTreeSet<&'a str>,
}

impl<'a> Seen<'a> {
    pub(super) fn new<'f>(engine: &'a Inner, found: impl Iterator<Item = &'f Found>) -> Self {
        let mut seen = Seen { rules: BTreeSet::new(), packs: BTreeSet::new(), tags: BTreeSet::new() };
        for rule in found.filter_map(|one| engine.rules.get(one.rule)) {
            seen.rules.insert(&rule.id);
            seen.packs.insert(&rule.pack);
            seen.tags.extend(rule.tags.iter().map(|tag| &**tag));
        }
        seen
    }
}
