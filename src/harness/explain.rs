//! Why a verdict came out as it did: the smallest changes of event, session or bundle with which it would come out otherwise.
//!
//! Nothing is concluded from how policies are written: each change is tried, and told only where the verdict is another one then.

mod candidates;
mod fold;
mod obstacles;
mod tried;

pub use fold::told;

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::candidates::candidates;
use self::obstacles::Obstacles;
use self::tried::{Trial, Tried};
use crate::engine::{CreatedAgent, Engine, Evaluation, Scans};
use crate::event::Event;
use crate::session::Session;
use crate::verdict::{Decision, ReasonCode};

/// Most pairs of changes that are tried for one event.
const MAX_TRIED: usize = 2000;

/// What would make a verdict another one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Explanation {
    /// The decision that is explained.
    pub decision: Decision,
    /// Of an allowed event: the permits without any one of which it would be refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carried_by: Vec<Place>,
    /// The smallest changes that flip the decision, each tried. Where one is enough, pairs are not looked for.
    pub flips: Vec<Flip>,
}

/// A policy or rule with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
}

/// Changes that together flip a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Flip {
    /// What would have to be otherwise.
    pub changes: Vec<Changed>,
    /// What is decided then.
    pub decision: Decision,
}

/// One thing that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Changed {
    /// The user has this role too.
    WithRole {
        /// The role.
        role: String,
    },
    /// The user has not this role.
    WithoutRole {
        /// The role.
        role: String,
    },
    /// A policy waives this rule.
    Waived {
        /// The rule.
        rule: String,
    },
    /// This rule finds nothing.
    NotFound {
        /// The rule.
        rule: String,
    },
    /// An argument has another value.
    Argument {
        /// JSON Pointer into the arguments.
        argument: String,
        /// The value, from the bundle; absent where the argument is left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// No earlier call has put this label on the session.
    WithoutLabel {
        /// The label.
        label: String,
        /// Tools whose results carry it.
        tools: Vec<String>,
    },
    /// It is the first event of its session.
    NewSession,
    /// The agent is run with this model.
    Model {
        /// The model.
        model: String,
    },
    /// It is this agent that acts.
    Agent {
        /// The agent.
        agent: String,
    },
}

impl Changed {
    /// For people: `if …`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Changed::WithRole { role } => format!("the user had the role `{role}`"),
            Changed::WithoutRole { role } => format!("the user had not the role `{role}`"),
            Changed::Waived { rule } => format!("a policy waived `{rule}`"),
            Changed::NotFound { rule } => format!("`{rule}` found nothing"),
            Changed::Argument { argument, value: Some(value) } => format!("`{argument}` were {value}"),
            Changed::Argument { argument, value: None } => format!("`{argument}` were left out"),
            Changed::WithoutLabel { label, tools } => {
                format!("no earlier call had put `{label}` on the session ({})", tools.join(", "))
            }
            Changed::NewSession => "it were the first event of its session".to_owned(),
            Changed::Model { model } => format!("the agent ran with the model `{model}`"),
            Changed::Agent { agent } => format!("the agent were `{agent}`"),
        }
    }
}

/// Explains what an engine decides of an event in a session as it was before the event.
///
/// Paths of arguments are taken to lead where they say. Events of agents that were created while a guard ran are explained by
/// [`Guard::explain`](crate::guard::Guard::explain).
#[must_use]
pub fn explain(engine: &Engine, event: &Event, session: &Session, at: Timestamp) -> Explanation {
    explain_created(engine, event, session, at, None)
}

fn explain_created(
    engine: &Engine,
    event: &Event,
    session: &Session,
    at: Timestamp,
    created: Option<CreatedAgent>,
) -> Explanation {
    let as_is = Tried::new(engine, event, session, created);
    let trial = Trial { at, scans: Scans::new(engine) };
    let evaluation = as_is.evaluate(&trial, None);
    let decision = evaluation.decision;
    let carried_by = match decision {
        Decision::Allow | Decision::Ask => carried_by(&as_is, &trial, &evaluation),
        Decision::Deny => Vec::new(),
    };
    let obstacles = Obstacles::of(engine, &evaluation);
    let mut flips = flips(&as_is, &trial, &evaluation, &obstacles);
    fold::fold(engine, event, &mut flips);
    flips.sort_by_key(|flip| (flip.changes.len(), flip.decision));
    Explanation { decision, carried_by, flips }
}

/// The permits without any one of which an event would be refused.
fn carried_by(as_is: &Tried, trial: &Trial, evaluation: &Evaluation) -> Vec<Place> {
    let policies = as_is.engine.policies();
    let permits = evaluation.trace.permits.iter();
    let numbered = permits.filter_map(|permit| policies.iter().position(|policy| policy.id == *permit));
    numbered
        .filter(|number| as_is.evaluate(trial, Some(*number)).decision == Decision::Deny)
        .filter_map(|number| policies.get(number))
        .map(|policy| Place {
            name: policy.id.clone(),
            file: policy.span.file.to_string(),
            line: policy.line,
        })
        .collect()
}

/// Every smallest change that flips the decision.
fn flips(as_is: &Tried, trial: &Trial, evaluation: &Evaluation, obstacles: &Obstacles) -> Vec<Flip> {
    let decision = evaluation.decision;
    let mut flips = Vec::new();
    let mut made: Vec<(Changed, Tried)> = Vec::new();
    for change in candidates(as_is, evaluation) {
        // Nothing is stricter than a refusal, and what leaves an obstacle where it is makes nothing milder.
        if decision == Decision::Deny && !obstacles.may_go(&[&change]) {
            made.extend(as_is.with(&change).map(|tried| (change, tried)));
            continue;
        }
        let Some(tried) = as_is.with(&change) else { continue };
        match flipped(&change, decision, &tried.evaluate(trial, None)) {
            Some(decision) => flips.push(Flip { changes: vec![change], decision }),
            None => made.push((change, tried)),
        }
    }
    if flips.is_empty() && decision != Decision::Allow {
        flips = pairs(&made, trial, decision, obstacles);
    }
    if flips.is_empty() && decision != Decision::Allow {
        flips.extend(all_rules(as_is, trial, evaluation));
    }
    flips
}

/// What a change makes of a decision, where that is another one and worth telling.
fn flipped(change: &Changed, before: Decision, after: &Evaluation) -> Option<Decision> {
    if after.decision == before {
        return None;
    }
    let stricter = after.decision > before;
    let elsewhere = matches!(change, Changed::Agent { .. } | Changed::Model { .. });
    // Nobody goes through another agent to be refused, and what no longer fits is another event.
    let told = !stricter || !(elsewhere || after.reasons.iter().all(|reason| is_misfit(reason.code)));
    told.then_some(after.decision)
}

/// Whether an event is refused because it does not fit the bundle, whatever its policies and rules say.
fn is_misfit(code: ReasonCode) -> bool {
    match code {
        ReasonCode::BadEvent
        | ReasonCode::UnknownRole
        | ReasonCode::UnknownUser
        | ReasonCode::UnknownAgent
        | ReasonCode::UnknownModel
        | ReasonCode::UnlistedTool
        | ReasonCode::UndeclaredArgument
        | ReasonCode::BadArguments => true,
        ReasonCode::Rule
        | ReasonCode::Forbid
        | ReasonCode::Ask
        | ReasonCode::NothingPermits
        | ReasonCode::Argument
        | ReasonCode::Limit
        | ReasonCode::PolicyError
        | ReasonCode::MissingFact
        | ReasonCode::TimeLimit
        | ReasonCode::Panic
        | ReasonCode::AuditFailed => false,
    }
}

/// Pairs of changes that make a decision milder. The stricter ones would be many.
fn pairs(made: &[(Changed, Tried)], trial: &Trial, decision: Decision, obstacles: &Obstacles) -> Vec<Flip> {
    let mut flips = Vec::new();
    let mut tried = 0;
    for (index, (first, with)) in made.iter().enumerate() {
        for (second, _) in made.iter().skip(index + 1) {
            if !obstacles.may_go(&[first, second]) {
                continue;
            }
            if tried == MAX_TRIED {
                return flips;
            }
            tried += 1;
            let Some(both) = with.with(second) else { continue };
            let after = both.evaluate(trial, None).decision;
            if after < decision {
                flips.push(Flip { changes: vec![first.clone(), second.clone()], decision: after });
            }
        }
    }
    flips
}

/// Where more than two rules refuse: all of them, without those that need not be among them.
fn all_rules(as_is: &Tried, trial: &Trial, evaluation: &Evaluation) -> Option<Flip> {
    let refusing: BTreeSet<&str> =
        evaluation.reasons.iter().filter_map(|reason| reason.rule.as_deref()).collect();
    let waivable = |id: &str| as_is.engine.0.rules.iter().any(|rule| &*rule.id == id && rule.waivable);
    let mut changes: Vec<Changed> = refusing
        .into_iter()
        .map(|id| match waivable(id) {
            true => Changed::Waived { rule: id.to_owned() },
            false => Changed::NotFound { rule: id.to_owned() },
        })
        .collect();
    if changes.len() < 3 {
        return None;
    }
    let outcome = |changes: &[Changed]| {
        let all = changes.iter().try_fold(as_is.clone(), |tried, change| tried.with(change))?;
        Some(all.evaluate(trial, None).decision).filter(|after| *after < evaluation.decision)
    };
    let mut decision = outcome(&changes)?;
    for change in changes.clone() {
        let rest: Vec<Changed> = changes.iter().filter(|other| **other != change).cloned().collect();
        if let Some(after) = outcome(&rest) {
            (changes, decision) = (rest, after);
        }
    }
    Some(Flip { changes, decision })
}

impl crate::guard::Guard {
    /// Explains what this guard would decide of an event now, without deciding it: nothing advances and nothing is recorded.
    #[must_use]
    pub fn explain(&self, event: &Event) -> Explanation {
        self.explain_in(event, self.session(&event.session))
    }

    /// The same in a session as it was.
    pub(crate) fn explain_in(&self, event: &Event, session: Option<Session>) -> Explanation {
        let engine = self.engine();
        let labels = engine.0.default_labels.iter().cloned();
        let session = session.unwrap_or_else(|| Session::with_labels(labels));
        let created = event.agent.as_deref().and_then(|agent| self.created_agent(agent));
        explain_created(&engine, event, &session, event.at.unwrap_or_else(|| self.now()), created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not tried would not have flipped anything.
    #[test]
    fn changes_that_are_passed_over_flip_nothing() {
        let engine = Engine::embedded().unwrap();
        let guard = crate::Guard::builder(engine.clone()).no_time_limit().build();
        let events = std::fs::read_to_string("tests/explained.jsonl").unwrap();
        let (mut told, mut passed_over) = (0, 0);
        for line in events.lines() {
            let event = Event::from_json(line).unwrap();
            let labels = engine.0.default_labels.iter().cloned();
            let session = guard.session(&event.session).unwrap_or_else(|| Session::with_labels(labels));
            let as_is = Tried::new(&engine, &event, &session, None);
            let trial = Trial { at: event.at.unwrap(), scans: Scans::new(&engine) };
            let evaluation = as_is.evaluate(&trial, None);
            let obstacles = Obstacles::of(&engine, &evaluation);
            let none = Obstacles::default();
            let flips = |obstacles| flips(&as_is, &trial, &evaluation, obstacles);
            assert_eq!(flips(&obstacles), flips(&none), "{line}");
            told += flips(&obstacles).len();
            let candidates = candidates(&as_is, &evaluation);
            passed_over += candidates.iter().filter(|change| !obstacles.may_go(&[change])).count();
            let _ = guard.examine(&event);
        }
        assert!(told > 30 && passed_over > 30, "{told} {passed_over}");
    }
}
