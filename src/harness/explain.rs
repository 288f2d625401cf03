//! Why a verdict came out as it did: the smallest changes of event, session or bundle with which it would come out otherwise.
//!
//! Nothing is concluded from how policies are written: each change is tried, and told only where the verdict is another one then.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::{CreatedAgent, Engine, Evaluation, ResolvedPaths, Situation};
use crate::event::{Body, Event};
use crate::session::Session;
use crate::verdict::{Action, Decision};

/// Most changes that are tried for one event.
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

/// An event in its situation, as a change makes it.
#[derive(Clone)]
struct Tried {
    engine: Engine,
    event: Event,
    session: Session,
    created: Option<CreatedAgent>,
}

impl Tried {
    fn evaluate(&self, at: Timestamp, paths: &ResolvedPaths) -> Evaluation {
        let (session, created) = (&self.session, self.created.as_ref());
        self.engine.evaluate(&self.event, &Situation { session, created, at, paths, stop: &|| false })
    }

    /// The same with one thing otherwise; `None` where it already is so.
    fn with(&self, change: &Changed) -> Option<Tried> {
        let mut tried = self.clone();
        match change {
            Changed::WithRole { role } => {
                let mut roles = self.roles();
                roles.push(role.clone());
                tried.event.user.roles = Some(roles);
            }
            Changed::WithoutRole { role } => {
                let roles = self.roles().into_iter().filter(|one| one != role).collect();
                tried.event.user.roles = Some(roles);
            }
            Changed::Waived { rule } => {
                let (number, found) = self.rule(rule)?;
                let waived = crate::rule::Rule { action: Action::Flag, ..found };
                tried.engine = self.engine.with_rule(number, waived);
            }
            Changed::NotFound { rule } => tried.engine = self.engine.without_rule(self.rule(rule)?.0),
            Changed::Argument { argument, value } => {
                let Body::ToolCall { arguments: Value::Object(members), .. } = &mut tried.event.body else {
                    return None;
                };
                let name = crate::decode::pointer_name(argument.strip_prefix('/')?);
                match value {
                    Some(value) => drop(members.insert(name, serde_json::from_str(value).ok()?)),
                    None => drop(members.remove(&name)?),
                }
            }
            Changed::WithoutLabel { label, .. } => {
                tried.session.labels.remove(label).then_some(())?;
            }
            Changed::NewSession => {
                let labels = self.engine.0.default_labels.iter().cloned();
                let mut fresh = Session::with_labels(labels);
                fresh.user.clone_from(&self.session.user);
                fresh.runs.clone_from(&self.session.runs);
                tried.session = fresh;
            }
            Changed::Model { model } => match &mut tried.event.body {
                Body::Access(access) => access.model = Some(model.clone()),
                _ => {
                    let agent = self.event.agent.clone()?;
                    tried.session.runs.entry(agent).or_default().model = Some(model.clone());
                }
            },
            Changed::Agent { agent } => tried.event.agent = Some(agent.clone()),
        }
        Some(tried)
    }

    fn roles(&self) -> Vec<String> {
        super::diff::roles(&self.engine, &self.event, Some(&self.session))
    }

    fn rule(&self, id: &str) -> Option<(usize, crate::rule::Rule)> {
        let mut rules = self.engine.0.rules.iter().enumerate();
        rules.find(|(_, rule)| &*rule.id == id).map(|(number, rule)| (number, (**rule).clone()))
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
    let as_is = Tried { engine: engine.clone(), event: event.clone(), session: session.clone(), created };
    let paths = paths(engine, event);
    let evaluation = as_is.evaluate(at, &paths);
    let decision = evaluation.decision;
    let mut carried_by = Vec::new();
    if decision != Decision::Deny {
        for permit in &evaluation.trace.permits {
            let number = engine.policies().iter().position(|policy| policy.id == *permit);
            let without = number.and_then(|number| Some((number, engine.without_policy(number)?)));
            let Some((number, without)) = without else { continue };
            let tried = Tried { engine: without, ..as_is.clone() };
            if tried.evaluate(at, &paths).decision == Decision::Deny {
                carried_by.extend(engine.policies().get(number).map(|policy| Place {
                    name: policy.id.clone(),
                    file: policy.span.file.to_string(),
                    line: policy.line,
                }));
            }
        }
    }
    let candidates = candidates(&as_is, &evaluation);
    let mut flips = Vec::new();
    let outcome = |tried: &Tried| tried.evaluate(at, &self::paths(&tried.engine, &tried.event)).decision;
    let mut made: Vec<(Changed, Tried)> = Vec::new();
    for change in candidates {
        let Some(tried) = as_is.with(&change) else { continue };
        let after = outcome(&tried);
        if after != decision {
            flips.push(Flip { changes: vec![change], decision: after });
        } else {
            made.push((change, tried));
        }
    }
    // What is allowed needs no pair to be refused, and its pairs would be many.
    if flips.is_empty() && decision != Decision::Allow {
        let mut tried = 0;
        for (index, (first, with)) in made.iter().enumerate() {
            for (second, _) in made.iter().skip(index + 1) {
                tried += 1;
                if tried > MAX_TRIED {
                    break;
                }
                let Some(both) = with.with(second) else { continue };
                let after = outcome(&both);
                if after != decision {
                    flips.push(Flip { changes: vec![first.clone(), second.clone()], decision: after });
                }
            }
        }
    }
    flips.sort_by_key(|flip| (flip.changes.len(), flip.decision));
    Explanation { decision, carried_by, flips }
}

/// Paths as if each led where it says.
fn paths(engine: &Engine, event: &Event) -> ResolvedPaths {
    use crate::guard::Resolver as _;
    let paths = engine.paths_to_resolve(event).into_iter();
    paths.filter_map(|(field, path)| Some((field, crate::guard::NoLinks.resolve(&path).ok()?))).collect()
}

/// Everything that may be otherwise.
fn candidates(tried: &Tried, evaluation: &Evaluation) -> Vec<Changed> {
    let inner = &*tried.engine.0;
    let mut all: Vec<Changed> = Vec::new();
    let roles: BTreeSet<String> = tried.roles().into_iter().collect();
    if !inner.users.contains_key(&tried.event.user.id) {
        let others = inner.roles.iter().filter(|role| !roles.contains(*role));
        all.extend(others.map(|role| Changed::WithRole { role: role.clone() }));
        all.extend(roles.iter().map(|role| Changed::WithoutRole { role: role.clone() }));
    }
    let found: BTreeSet<&String> = evaluation.findings.iter().map(|finding| &finding.rule).collect();
    for rule in found {
        let acts = evaluation.findings.iter().any(|one| one.rule == *rule && one.action != Action::Flag);
        let waivable = inner.rules.iter().any(|known| *known.id == **rule && known.waivable);
        all.extend((acts && waivable).then(|| Changed::Waived { rule: rule.clone() }));
        all.push(Changed::NotFound { rule: rule.clone() });
    }
    for label in &tried.session.labels {
        let reads = |(name, tool): (&String, &std::sync::Arc<crate::engine::Tool>)| {
            tool.reads.contains(label).then(|| name.clone())
        };
        let called = tried.session.called();
        let tools: Vec<String> = inner.tools.iter().filter_map(reads).collect();
        let of_session: Vec<String> =
            tools.iter().filter(|tool| called.contains(tool.as_str())).cloned().collect();
        let tools = if of_session.is_empty() { tools } else { of_session };
        all.push(Changed::WithoutLabel { label: label.clone(), tools });
    }
    if tried.session.seq > 0 {
        all.push(Changed::NewSession);
    }
    let model = tried.event.agent.as_deref().and_then(|agent| tried.session.model(agent));
    let others = inner.models.iter().filter(|other| model != Some(other.as_str()));
    all.extend(others.map(|model| Changed::Model { model: model.clone() }));
    let agent = tried.event.agent.as_deref();
    if agent.is_some() {
        let others = inner.agents.keys().filter(|other| agent != Some(other.as_str()));
        all.extend(others.map(|agent| Changed::Agent { agent: agent.clone() }));
    }
    arguments(tried, &mut all);
    all
}

/// Values from the bundle that arguments of a call may have instead: those that policies compare with, and numbers beside them.
fn arguments(tried: &Tried, all: &mut Vec<Changed>) {
    let Body::ToolCall { tool, arguments: Value::Object(members), .. } = &tried.event.body else { return };
    let literals = tried.engine.0.policies.literals_about_input();
    let mut argument = |name: &str, value: Option<Value>| {
        let argument = format!("/{}", crate::decode::pointer_segment(name));
        all.push(Changed::Argument { argument, value: value.map(|value| value.to_string()) });
    };
    let known = tried.engine.0.tools.contains_key(tool);
    for (name, value) in members {
        argument(name, None);
        if !known {
            continue;
        }
        let mut values: Vec<Value> = Vec::new();
        match value {
            Value::Number(_) => {
                for number in literals.iter().filter_map(|text| text.parse::<f64>().ok()) {
                    values.extend([number, number - 1.0, number + 1.0].map(whole));
                }
            }
            Value::String(_) => values.extend(literals.iter().map(|text| json!(text))),
            Value::Bool(flag) => values.push(json!(!flag)),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
        values.retain(|other| other != value);
        values.dedup();
        values.into_iter().for_each(|value| argument(name, Some(value)));
    }
}

/// A number as it would be written.
#[expect(clippy::cast_possible_truncation, reason = "whole and small, which is checked")]
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
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
