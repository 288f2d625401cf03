//! Two bundles on the same events: whose verdicts change, and through what.

mod report;
mod tally;

pub use tally::{Differences, Group};

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::{Engine, Trace};
use crate::event::{Event, Stage};
use crate::session::Session;
use crate::verdict::{Action, Decision, Edit, Finding, Reason, ReasonCode, Verdict};

/// What is done with an event, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It goes on as it is.
    Allow,
    /// It goes on with parts replaced.
    Edit,
    /// A person has to approve it.
    Ask,
    /// It is refused.
    Deny,
}

impl Effect {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Edit => "edit",
            Effect::Ask => "ask",
            Effect::Deny => "deny",
        }
    }

    fn of(decision: Decision, verdict: &Verdict) -> Self {
        match decision {
            Decision::Allow if verdict.edits.is_empty() => Effect::Allow,
            Decision::Allow => Effect::Edit,
            Decision::Ask => Effect::Ask,
            Decision::Deny => Effect::Deny,
        }
    }
}

/// How a verdict changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It goes on now, and did not before; or as it is, where parts were replaced.
    NewlyAllowed,
    /// Less of it is replaced than before.
    LessEdited,
    /// It is refused now.
    NewlyDenied,
    /// A person has to approve it now.
    NewlyAsked,
    /// Parts are replaced now, and nothing was before.
    NewlyEdited,
    /// More of it is replaced than before.
    MoreEdited,
    /// The same is replaced by another text.
    OtherEdits,
    /// Other tools remain of those offered.
    OtherTools,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::NewlyAllowed,
        Kind::LessEdited,
        Kind::NewlyDenied,
        Kind::NewlyAsked,
        Kind::NewlyEdited,
        Kind::MoreEdited,
        Kind::OtherEdits,
        Kind::OtherTools,
    ];

    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::NewlyAllowed => "newly-allowed",
            Kind::LessEdited => "less-edited",
            Kind::NewlyDenied => "newly-denied",
            Kind::NewlyAsked => "newly-asked",
            Kind::NewlyEdited => "newly-edited",
            Kind::MoreEdited => "more-edited",
            Kind::OtherEdits => "other-edits",
            Kind::OtherTools => "other-tools",
        }
    }

    /// Whether something goes on that did not before.
    #[must_use]
    pub const fn allows_more(self) -> bool {
        matches!(self, Kind::NewlyAllowed | Kind::LessEdited)
    }
}

/// What one bundle does with an event.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Side {
    /// What is done.
    pub effect: Effect,
    /// Why, where it does not simply go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// At `access`: the tools that remain, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
}

/// A match that only one of the bundles finds or acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Differing {
    /// Which: `old` or `new`.
    pub in_bundle: Which,
    /// The rule.
    pub rule: String,
    /// JSON Pointer into the event.
    pub field: String,
    /// First byte.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

/// One of the two bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one in force.
    Old,
    /// The one that is looked at.
    New,
}

/// An event whose verdict changes. It holds names, places and spans, and no text of the event.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// How.
    pub change: Kind,
    /// The file that holds the event.
    pub file: String,
    /// Its line there, or the number of its record in a log.
    pub line: u64,
    /// The session.
    pub session: String,
    /// Number of the event within it.
    pub seq: u64,
    /// The stage.
    pub stage: Stage,
    /// The user's id.
    pub user: String,
    /// The user's direct roles, as the event, its session or the directory states them.
    pub roles: Vec<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Policies, rules or reason codes that make the difference.
    pub through: Vec<String>,
    /// What the old bundle does.
    pub old: Side,
    /// What the new one does.
    pub new: Side,
    /// Matches on which the two differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Differing>,
}

/// Which decision is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// What is done: in shadow mode nothing is refused.
    Enforced,
    /// What the bundles decide, whatever their mode.
    Decided,
}

/// A verdict with what happened on the way.
pub type Examined = (Verdict, Trace);

/// Compares what two bundles answer to an event. `session` is the event's, as the new bundle has it; `place` is file and line.
#[must_use]
pub fn compare(
    event: &Event,
    place: (&str, u64),
    old: &Examined,
    new: &Examined,
    by: Compare,
    who: impl FnOnce() -> Vec<String>,
) -> Option<Change> {
    let decision = |verdict: &Verdict| match by {
        Compare::Enforced => verdict.enforced,
        Compare::Decided => verdict.decision,
    };
    let effect = |(verdict, _): &Examined| Effect::of(decision(verdict), verdict);
    let (before, after) = (effect(old), effect(new));
    let change = kind(before, after, &old.0, &new.0)?;
    let tools = |verdict: &Verdict| verdict.tools.clone().filter(|_| change == Kind::OtherTools);
    let side =
        |effect, verdict: &Verdict| Side { effect, reasons: verdict.reasons.clone(), tools: tools(verdict) };
    Some(Change {
        change,
        file: place.0.to_owned(),
        line: place.1,
        session: event.session.clone(),
        seq: new.0.seq,
        stage: event.stage(),
        user: event.user.id.clone(),
        roles: who(),
        agent: event.agent.clone(),
        tool: event.tool().map(str::to_owned),
        through: through(before, after, old, new),
        old: side(before, &old.0),
        new: side(after, &new.0),
        findings: differing(&old.0, &new.0),
    })
}

/// The direct roles of an event's user: as the directory lists them, else as the event or its session states them.
#[must_use]
pub fn roles(engine: &Engine, event: &Event, session: Option<&Session>) -> Vec<String> {
    if let Some(listed) = engine.0.users.get(&event.user.id) {
        return listed.roles.clone();
    }
    let earlier = session.and_then(|session| session.user.as_ref()).filter(|user| user.id == event.user.id);
    let stated = event.user.roles.as_ref().or_else(|| earlier.and_then(|user| user.roles.as_ref()));
    stated.cloned().unwrap_or_default()
}

fn kind(before: Effect, after: Effect, old: &Verdict, new: &Verdict) -> Option<Kind> {
    match (before, after) {
        (Effect::Edit, Effect::Edit) => edits(&old.edits, &new.edits),
        (before, after) if before == after => {
            (after == Effect::Allow && old.tools != new.tools).then_some(Kind::OtherTools)
        }
        (_, Effect::Deny) => Some(Kind::NewlyDenied),
        (_, Effect::Ask) => Some(Kind::NewlyAsked),
        (Effect::Allow, Effect::Edit) => Some(Kind::NewlyEdited),
        (_, Effect::Edit | Effect::Allow) => Some(Kind::NewlyAllowed),
    }
}

/// How two lists of edits differ.
fn edits(old: &[Edit], new: &[Edit]) -> Option<Kind> {
    if old == new {
        return None;
    }
    let covers = |by: &[Edit], of: &[Edit]| {
        of.iter().all(|one| {
            let mut at = one.start;
            let mut there: Vec<&Edit> = by.iter().filter(|edit| edit.field == one.field).collect();
            there.sort_by_key(|edit| edit.start);
            for edit in there {
                if edit.start <= at && edit.end > at {
                    at = edit.end;
                }
            }
            at >= one.end
        })
    };
    Some(match (covers(new, old), covers(old, new)) {
        (false, _) => Kind::LessEdited,
        (true, false) => Kind::MoreEdited,
        (true, true) => Kind::OtherEdits,
    })
}

fn name(reason: &Reason) -> &str {
    reason.policy.as_deref().or(reason.rule.as_deref()).unwrap_or(reason.code.name())
}

fn replaces(finding: &&Finding) -> bool {
    finding.action == Action::Redact && !finding.waived
}

/// What makes the difference: the reasons of the stricter side that the other lacks, or the permits, waivers or rules of edits.
fn through(before: Effect, after: Effect, old: &Examined, new: &Examined) -> Vec<String> {
    let stricter_is_new = after >= before;
    let (strict, mild) = if stricter_is_new { (new, old) } else { (old, new) };
    let known: BTreeSet<&str> = mild.0.reasons.iter().map(name).collect();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for reason in strict.0.reasons.iter().filter(|reason| !known.contains(name(reason))) {
        if reason.code == ReasonCode::NothingPermits {
            let here: BTreeSet<&String> = strict.1.permits.iter().collect();
            let permits: Vec<&String> =
                mild.1.permits.iter().filter(|permit| !here.contains(permit)).collect();
            if !permits.is_empty() {
                names.extend(permits.into_iter().cloned());
                continue;
            }
        }
        names.insert(name(reason).to_owned());
    }
    if names.is_empty() || matches!((before, after), (Effect::Edit, Effect::Edit)) {
        let rules = |verdict: &Verdict| -> BTreeSet<String> {
            verdict.findings.iter().filter(replaces).map(|finding| finding.rule.clone()).collect()
        };
        let (of_strict, of_mild) = (rules(&strict.0), rules(&mild.0));
        names.extend(of_strict.symmetric_difference(&of_mild).cloned());
        let waived = |trace: &Trace| trace.waivers.iter().cloned().collect::<BTreeSet<String>>();
        names.extend(waived(&strict.1).symmetric_difference(&waived(&mild.1)).cloned());
    }
    if names.is_empty() {
        let tools = |verdict: &Verdict| -> BTreeSet<String> {
            verdict.tools.iter().flatten().map(|tool| format!("tool {tool}")).collect()
        };
        names.extend(tools(&old.0).symmetric_difference(&tools(&new.0)).cloned());
    }
    names.into_iter().collect()
}

/// Findings that only one side has, or that the two act on in different ways.
fn differing(old: &Verdict, new: &Verdict) -> Vec<Differing> {
    let key = |finding: &Finding| {
        (
            finding.field.clone(),
            finding.start,
            finding.end,
            finding.rule.clone(),
            finding.action,
            finding.waived,
        )
    };
    let of = |verdict: &Verdict| -> BTreeMap<_, ()> {
        verdict.findings.iter().map(|finding| (key(finding), ())).collect()
    };
    let (before, after) = (of(old), of(new));
    let only = |in_bundle, here: &BTreeMap<_, ()>, there: &BTreeMap<_, ()>| -> Vec<Differing> {
        here.keys()
            .filter(|key| !there.contains_key(*key))
            .map(|(field, start, end, rule, _, _): &(String, usize, usize, String, Action, bool)| Differing {
                in_bundle,
                rule: rule.clone(),
                field: field.clone(),
                start: *start,
                end: *end,
            })
            .collect()
    };
    let mut found = only(Which::Old, &before, &after);
    found.extend(only(Which::New, &after, &before));
    found
}
