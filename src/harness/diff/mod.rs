//! Two bundles on the same events: whose verdicts change, and through what.

mod report;
mod tally;

pub use crate::engine::{Differing, Effect, Kind, Which};
pub use tally::{Differences, Group};

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::{Answered, Contrast, Engine, Trace, contrast, differing};
use crate::event::{Event, Stage};
use crate::session::Session;
use crate::verdict::{Reason, Verdict};

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
pub fn compare<'a>(
    event: &Event,
    place: (&str, u64),
    old: &'a Examined,
    new: &'a Examined,
    by: Compare,
    who: impl FnOnce() -> Vec<String>,
) -> Option<Change> {
    let answered = |(verdict, trace): &'a Examined| {
        let decision = match by {
            Compare::Enforced => verdict.enforced,
            Compare::Decided => verdict.decision,
        };
        Answered::of(decision, verdict, trace)
    };
    let (old_answer, new_answer) = (answered(old), answered(new));
    let Contrast { change, before, after, through } = contrast(&old_answer, &new_answer)?;
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
        through,
        old: side(before, &old.0),
        new: side(after, &new.0),
        findings: differing(&old.0.findings, &new.0.findings),
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
