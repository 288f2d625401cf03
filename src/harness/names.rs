//! Names in a test that the bundle does not declare: a test about an agent or tool that does not exist proves nothing.

use std::collections::BTreeSet;

use super::spec::ExpectSpec;
use super::unknown;
use crate::bundle::Source;
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::engine::Engine;
use crate::event::{AccessKind, Body, Event, Stage};
use crate::verdict::ReasonCode;

/// Holds the steps of one case to what the bundle declares. A name that it does not declare may stand in a step that
/// expects to be refused for it, and a tool or agent in one behind the step that offers or creates it.
pub(super) fn check(
    steps: &[(Event, Option<ExpectSpec>)],
    engine: &Engine,
    place: &Place<'_>,
) -> Vec<Diagnostic> {
    let inner = &*engine.0;
    let agents: Vec<&str> = engine.agents().collect();
    let roles: Vec<&str> = engine.roles().collect();
    let models: Vec<&str> = inner.models.iter().map(String::as_str).collect();
    let tools: Vec<&str> = inner.tools.keys().map(String::as_str).collect();
    let mut created: BTreeSet<&str> = BTreeSet::new();
    let mut offered: BTreeSet<&str> = BTreeSet::new();
    let mut out: Vec<Diagnostic> = Vec::new();
    for (event, expect) in steps {
        let expects = |code| expect.as_ref().is_some_and(|expect| expect.is_by(code));
        let agent = event.agent.as_deref().filter(|agent| !created.contains(agent));
        let model = match &event.body {
            Body::Access(access) => access.model.as_deref(),
            _ => None,
        };
        let stated = event.user.roles.iter().flatten().map(String::as_str);
        let named = agent
            .map(|agent| ("agent", agent, &agents, ReasonCode::UnknownAgent))
            .into_iter()
            .chain(model.map(|model| ("model", model, &models, ReasonCode::UnknownModel)))
            .chain(stated.map(|role| ("role", role, &roles, ReasonCode::UnknownRole)));
        for (kind, name, known, code) in named {
            if !known.contains(&name) && !expects(code) {
                out.push(unknown(place.of(name), kind, name, known));
            }
        }
        let undeclared = event.tool().filter(|tool| !tools.contains(tool));
        if let Some(tool) = undeclared.filter(|_| !expects(ReasonCode::UnlistedTool)) {
            let let_in = inner.unlisted_reads.is_some();
            if !let_in || did_you_mean(tool, tools.iter().copied()).is_some() {
                out.push(unknown(place.of(tool), "tool", tool, &tools));
            } else if event.stage() == Stage::ToolCall && !offered.contains(tool) {
                let message = format!("no tool is called `{tool}`, and no step before offers it");
                let help = "offer it in an `access` step, or expect `by: unlisted-tool`";
                out.push(Diagnostic::new(Code::BadTest, message).at(place.of(tool), "").help(help));
            }
        }
        if let Body::Access(access) = &event.body {
            for tool in access.tools.iter().flatten().map(String::as_str) {
                offered.insert(tool);
                // A tool that nothing declares may be offered, to show what becomes of it.
                if !tools.contains(&tool) && did_you_mean(tool, tools.iter().copied()).is_some() {
                    out.push(unknown(place.of(tool), "tool", tool, &tools));
                }
            }
            if access.kind == AccessKind::Create {
                let sanitised = expect.as_ref().and_then(|expect| expect.name.as_deref());
                created.extend(sanitised.or(access.name.as_deref()).map(str::trim));
            }
        }
    }
    out
}

/// Where a name of a test stands in its file.
pub(super) struct Place<'a> {
    pub(super) source: &'a Source,
    /// The name of the test.
    pub(super) test: Span,
}

impl Place<'_> {
    /// The first place behind the test's name, else in the file, else the test's name.
    fn of(&self, name: &str) -> Span {
        let text = &*self.source.text;
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let find = |from: usize| {
            let part = text.get(from..).unwrap_or_default();
            part.match_indices(name).map(|(at, _)| from + at).find(|at| {
                let before = text.get(..*at).unwrap_or_default();
                let after = text.get(at + name.len()..).unwrap_or_default();
                !before.ends_with(is_word) && !after.starts_with(is_word)
            })
        };
        match find(self.test.end).or_else(|| find(0)) {
            Some(at) if !name.is_empty() => Span::new(&self.source.name, at, at + name.len()),
            _ => self.test.clone(),
        }
    }
}
