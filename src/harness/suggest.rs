//! The tightest permits that would have let go on what a bundle has let go on: each permit of the bundle that was needed, for
//! the roles, actions, agents and tools that needed it, with its conditions as they are.
//!
//! What is suggested permits nothing that the bundle does not, since each is one of its permits made narrower. Whoever suggests
//! shows it all the same, by deciding everything again ([`Suggestion::bundle`], [`is_same`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::diff;
use crate::bundle::Bundle;
use crate::cedar::{About, Narrow, PolicyEffect, Through, Who, without_permits};
use crate::engine::{Engine, Trace};
use crate::event::{AccessKind, Body, Event};
use crate::session::Session;
use crate::verdict::{Decision, ReasonCode, Verdict};

/// The file of a bundle that holds what is suggested.
pub const SUGGESTED: &str = "suggested.cedar";
/// Most different ways in which events were permitted that are told apart.
const MAX_SEEN: usize = 100_000;

/// What has been permitted so far.
#[derive(Debug)]
pub struct Suggest {
    engine: Engine,
    seen: BTreeMap<Seen, u64>,
    events: u64,
    uncovered: u64,
}

/// A way in which events were permitted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    /// Permits, any one of which is enough, by their numbers; empty where nothing permits it and nothing is enforced.
    permits: Vec<usize>,
    roles: Vec<String>,
    /// The user, where there are no roles.
    user: Option<String>,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct What {
    action: String,
    about: About,
    through: Option<Through>,
}

/// Permits to be reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Cedar policies.
    pub text: String,
    /// How many they are.
    pub permits: usize,
    /// Events that need one of them.
    pub events: u64,
    /// Events that were let go on in ways that were too many to be told apart; nothing is suggested for them.
    pub uncovered: u64,
    /// Permits of the bundle that nothing needed, with file and line.
    pub unneeded: Vec<(String, String, u32)>,
}

impl Suggest {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone(), seen: BTreeMap::new(), events: 0, uncovered: 0 }
    }

    /// Takes an event as the bundle has decided it. `session` is its session.
    pub fn add(&mut self, event: &Event, session: Option<&Session>, verdict: &Verdict, trace: &Trace) {
        if !is_wanted(verdict, trace) {
            return;
        }
        let policies = &self.engine.0.policies;
        let number = |id: &String| policies.list().iter().position(|info| info.id == *id);
        let permits: Vec<usize> = trace.permits.iter().filter_map(number).collect();
        if permits.is_empty() && verdict.decision != Decision::Deny {
            // It needs none.
            return;
        }
        self.events += 1;
        let Some(what) = self.what(event) else {
            self.uncovered += 1;
            return;
        };
        let mut roles = diff::roles(&self.engine, event, session);
        roles.sort();
        roles.dedup();
        let user = roles.is_empty().then(|| event.user.id.clone());
        let seen = Seen { permits, roles, user, what };
        if self.seen.len() >= MAX_SEEN && !self.seen.contains_key(&seen) {
            self.uncovered += 1;
        } else {
            *self.seen.entry(seen).or_default() += 1;
        }
    }

    /// What an event is about, as policies see it.
    fn what(&self, event: &Event) -> Option<What> {
        let engine = &*self.engine.0;
        let agent = || {
            let name = event.agent.as_deref()?;
            Some(match engine.agents.contains_key(name) {
                true => Through::Named(name.to_owned()),
                false => Through::New,
            })
        };
        let of_agent = |action: &str| {
            Some(What { action: action.to_owned(), about: About::Agent(agent()?), through: None })
        };
        match &event.body {
            Body::Access(access) if access.kind == AccessKind::Create => {
                Some(What { action: "create_agent".to_owned(), about: About::AsBefore, through: None })
            }
            Body::Access(_) => of_agent("run_agent"),
            Body::Input { .. } => of_agent("send_input"),
            Body::Output { .. } => of_agent("send_output"),
            Body::ToolCall { tool, .. } => {
                let declared = engine.tools.contains_key(tool);
                let action = if declared { tool.clone() } else { "call_unlisted_tool".to_owned() };
                Some(What { action, about: About::AsBefore, through: Some(agent()?) })
            }
            Body::ToolResult { tool, .. } => {
                let declared = engine.tools.contains_key(tool);
                let about = if declared { About::Tool(tool.clone()) } else { About::AsBefore };
                Some(What { action: "read_result".to_owned(), about, through: Some(agent()?) })
            }
        }
    }

    /// The permits.
    #[must_use]
    pub fn suggestion(&self) -> Suggestion {
        let policies = &self.engine.0.policies;
        let chosen = self.choose();
        let mut text = String::new();
        let mut ids: BTreeSet<String> = policies
            .list()
            .iter()
            .filter(|info| info.effect != PolicyEffect::Permit)
            .map(|info| info.id.clone())
            .collect();
        let (mut permits, mut uncovered) = (0, self.uncovered);
        for (permit, of_whom) in &chosen {
            let info = permit.and_then(|permit| policies.list().get(permit));
            let groups: Vec<(&Who, Group<'_>)> = of_whom
                .iter()
                .flat_map(|(who, whats)| grouped(whats).into_iter().map(move |group| (who, group)))
                .collect();
            for (who, group) in &groups {
                let base = match (info, who, groups.len()) {
                    (Some(info), _, 1) => info.id.clone(),
                    (Some(info), Who::Role(role), _) => format!("{}-{role}", info.id),
                    (Some(info), _, _) => info.id.clone(),
                    (None, Who::Role(role), _) => format!("seen-{role}"),
                    (None, _, _) => "seen".to_owned(),
                };
                let id = std::iter::once(base.clone())
                    .chain((2_u32..).map(|number| format!("{base}-{number}")))
                    .find(|id| !ids.contains(id))
                    .unwrap_or(base);
                let narrow = Narrow {
                    id: &id,
                    who,
                    actions: group.actions.iter().copied().collect(),
                    about: group.about.iter().copied().collect(),
                    through: group.through.iter().copied().collect(),
                };
                let Some(written) = policies.narrowed(*permit, &narrow) else {
                    uncovered += group.events;
                    continue;
                };
                let events =
                    if group.events == 1 { "1 event".to_owned() } else { format!("{} events", group.events) };
                let from = info.map_or_else(
                    || "nothing permits it so far".to_owned(),
                    |info| format!("part of {} ({}:{})", info.id, info.span.file, info.line),
                );
                text.push_str(&format!("// {events}, {from}\n{written}\n"));
                ids.insert(id);
                permits += 1;
            }
        }
        let unneeded = policies
            .list()
            .iter()
            .enumerate()
            .filter(|(number, info)| {
                info.effect == PolicyEffect::Permit && !chosen.contains_key(&Some(*number))
            })
            .map(|(_, info)| (info.id.clone(), info.span.file.to_string(), info.line))
            .collect();
        let end = text.trim_end().len();
        text.truncate(end);
        text.push('\n');
        Suggestion { text, permits, events: self.events, uncovered, unneeded }
    }

    /// As few permits as will do, for as few roles: of each permit whom it is for, and what they need it for.
    fn choose(&self) -> BTreeMap<Option<usize>, BTreeMap<Who, BTreeMap<&What, u64>>> {
        let policies = &self.engine.0.policies;
        let all: Vec<(&Seen, u64)> = self.seen.iter().map(|(seen, count)| (seen, *count)).collect();
        let permits = cover(&all, |seen| seen.permits.clone());
        let mut by_permit: BTreeMap<Option<usize>, Vec<(&Seen, u64)>> = BTreeMap::new();
        for (seen, count) in &all {
            let permit = seen.permits.iter().copied().find(|permit| permits.contains(permit));
            by_permit.entry(permit).or_default().push((seen, *count));
        }
        let mut chosen: BTreeMap<Option<usize>, BTreeMap<Who, BTreeMap<&What, u64>>> = BTreeMap::new();
        for (permit, seen) in by_permit {
            let admits = |role: &String| permit.is_none_or(|permit| policies.admits_role(permit, role));
            let roles_of =
                |seen: &Seen| seen.roles.iter().filter(|role| admits(role)).cloned().collect::<Vec<String>>();
            let roles = cover(&seen, roles_of);
            for (one, count) in seen {
                let role = roles_of(one).into_iter().find(|role| roles.contains(role));
                let everybody = permit.is_none_or(|permit| policies.admits_everybody(permit));
                let listed = one.user.as_ref().filter(|user| everybody && self.engine.lists_user(user));
                let who = match (role, listed) {
                    (Some(role), _) => Who::Role(role),
                    (None, Some(user)) => Who::User(user.clone()),
                    (None, None) => Who::AsBefore,
                };
                *chosen.entry(permit).or_default().entry(who).or_default().entry(&one.what).or_default() +=
                    count;
            }
        }
        chosen
    }
}

/// Few names that cover everything: those without which something is not covered, then always the one that covers most.
fn cover<N: Ord + Clone>(all: &[(&Seen, u64)], names: impl Fn(&Seen) -> Vec<N>) -> BTreeSet<N> {
    let mut open: Vec<(Vec<N>, u64)> = all
        .iter()
        .map(|(seen, count)| (names(seen), *count))
        .filter(|(names, _)| !names.is_empty())
        .collect();
    let mut chosen: BTreeSet<N> = open
        .iter()
        .filter(|(names, _)| names.len() == 1)
        .flat_map(|(names, _)| names.iter().cloned())
        .collect();
    loop {
        open.retain(|(names, _)| !names.iter().any(|name| chosen.contains(name)));
        let mut counts: BTreeMap<&N, u64> = BTreeMap::new();
        for (names, count) in &open {
            names.iter().for_each(|name| *counts.entry(name).or_default() += count);
        }
        // Of several that cover as much, the last name: where that is a role, any is as good.
        let Some(most) = counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
        else {
            return chosen;
        };
        chosen.insert(most);
    }
}

type Actions<'a> = BTreeSet<&'a str>;
type Agents<'a> = BTreeSet<&'a Through>;

/// What one permit is about, all of it together.
struct Group<'a> {
    actions: BTreeSet<&'a str>,
    about: BTreeSet<&'a About>,
    through: BTreeSet<&'a Through>,
    events: u64,
}

/// Puts together what permits nothing that was not seen: all agents of the same action and resource, all actions of the same
/// resources and agents, all resources of the same actions and agents.
fn grouped<'a>(whats: &BTreeMap<&'a What, u64>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(&'a str, &'a About), (Agents<'a>, u64)> = BTreeMap::new();
    for (what, count) in whats {
        let (through, events) = groups.entry((&what.action, &what.about)).or_default();
        through.extend(&what.through);
        *events += count;
    }
    let mut by_actions: BTreeMap<(&About, Agents<'a>), (Actions<'a>, u64)> = BTreeMap::new();
    for ((action, about), (through, count)) in groups {
        let (actions, events) = by_actions.entry((about, through)).or_default();
        actions.insert(action);
        *events += count;
    }
    let mut by_about: BTreeMap<(Actions<'a>, Agents<'a>, bool), (BTreeSet<&'a About>, u64)> = BTreeMap::new();
    for ((about, through), (actions, count)) in by_actions {
        let (abouts, events) = by_about.entry((actions, through, *about == About::AsBefore)).or_default();
        abouts.insert(about);
        *events += count;
    }
    by_about
        .into_iter()
        .map(|((actions, through, _), (about, events))| Group { actions, about, through, events })
        .collect()
}

/// Whether an event is to go on with what is suggested: it was not refused, or only because nothing permits it while nothing is
/// enforced.
fn is_wanted(verdict: &Verdict, trace: &Trace) -> bool {
    let only_unpermitted = || {
        let mut reasons = verdict.reasons.iter().chain(&trace.also);
        verdict.enforced == Decision::Allow
            && trace.forbids.is_empty()
            && reasons.all(|reason| matches!(reason.code, ReasonCode::NothingPermits | ReasonCode::Ask))
    };
    verdict.decision != Decision::Deny || only_unpermitted()
}

/// Whether an event is decided by what is suggested as it was by the bundle: what went on does, and what did not does not.
#[must_use]
pub fn is_same((old, trace): (&Verdict, &Trace), new: &Verdict) -> bool {
    match (is_wanted(old, trace), old.decision) {
        (true, Decision::Deny) => new.decision != Decision::Deny,
        (true, decision) => new.decision == decision && new.edits == old.edits,
        (false, _) => new.decision == Decision::Deny,
    }
}

/// What is suggested, laid out as everybody writes Cedar.
#[cfg(feature = "cli")]
pub(crate) fn layout(text: &str) -> String {
    crate::cedar::format(text).unwrap_or_else(|_| text.to_owned())
}

impl Suggestion {
    /// The bundle with what is suggested in the place of its permits; everything else stays. `None` where a policy file is not valid.
    #[must_use]
    pub fn bundle(&self, bundle: &Bundle) -> Option<Bundle> {
        let mut sources: Vec<(Arc<str>, String)> = Vec::new();
        for source in bundle.sources() {
            let is_policy = source.name.ends_with(".cedar") && !source.name.contains('/');
            let text = match is_policy {
                true => without_permits(&source.name, &source.text)?,
                false => source.text.to_string(),
            };
            sources.push((Arc::clone(&source.name), text));
        }
        let mut name = SUGGESTED.to_owned();
        while sources.iter().any(|(known, _)| **known == *name) {
            name.insert(0, 'x');
        }
        sources.push((name.into(), self.text.clone()));
        Some(Bundle::from_sources(bundle.origin(), sources))
    }
}
