//! An event with something about it otherwise.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::Changed;
use crate::engine::{CreatedAgent, Engine, Evaluation, ResolvedPaths, Scans, Situation};
use crate::event::{Body, Event};
use crate::rule::Rule;
use crate::session::Session;
use crate::verdict::Action;

/// What every trial of one event shares.
pub(super) struct Trial {
    pub(super) at: Timestamp,
    pub(super) scans: Scans,
}

/// An event in its situation, as changes make it.
#[derive(Clone)]
pub(super) struct Tried {
    pub(super) engine: Engine,
    pub(super) event: Arc<Event>,
    pub(super) session: Arc<Session>,
    created: Option<Arc<CreatedAgent>>,
    paths: Arc<ResolvedPaths>,
}

impl Tried {
    pub(super) fn new(
        engine: &Engine,
        event: &Event,
        session: &Session,
        created: Option<CreatedAgent>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            event: Arc::new(event.clone()),
            session: Arc::new(session.clone()),
            created: created.map(Arc::new),
            paths: Arc::new(paths(engine, event)),
        }
    }

    /// What is decided, by all policies or without one.
    pub(super) fn evaluate(&self, trial: &Trial, without: Option<usize>) -> Evaluation {
        let situation = Situation {
            session: &self.session,
            created: self.created.as_deref(),
            at: trial.at,
            paths: &self.paths,
            stop: &|| false,
            scans: Some(&trial.scans),
            without,
        };
        self.engine.evaluate(&self.event, &situation)
    }

    /// The same with one thing otherwise; `None` where it already is so.
    pub(super) fn with(&self, change: &Changed) -> Option<Tried> {
        let mut tried = self.clone();
        match change {
            Changed::WithRole { role } => {
                let mut roles = self.roles();
                roles.push(role.clone());
                Arc::make_mut(&mut tried.event).user.roles = Some(roles);
            }
            Changed::WithoutRole { role } => {
                let roles = self.roles().into_iter().filter(|one| one != role).collect();
                Arc::make_mut(&mut tried.event).user.roles = Some(roles);
            }
            Changed::Waived { rule } => {
                let (number, found) = self.rule(rule)?;
                tried.engine = self.engine.with_rule(number, Rule { action: Action::Flag, ..found });
            }
            Changed::NotFound { rule } => tried.engine = self.engine.without_rule(self.rule(rule)?.0),
            Changed::Argument { argument, value } => {
                let event = Arc::make_mut(&mut tried.event);
                let Body::ToolCall { arguments: Value::Object(members), .. } = &mut event.body else {
                    return None;
                };
                let name = crate::decode::pointer_name(argument.strip_prefix('/')?);
                match value {
                    Some(value) => drop(members.insert(name, serde_json::from_str(value).ok()?)),
                    None => drop(members.remove(&name)?),
                }
                tried.paths = Arc::new(paths(&tried.engine, &tried.event));
            }
            Changed::WithoutLabel { label, .. } => {
                Arc::make_mut(&mut tried.session).labels.remove(label).then_some(())?;
            }
            Changed::NewSession => {
                let labels = self.engine.0.default_labels.iter().cloned();
                let mut fresh = Session::with_labels(labels);
                fresh.user.clone_from(&self.session.user);
                fresh.runs.clone_from(&self.session.runs);
                tried.session = Arc::new(fresh);
            }
            Changed::Model { model } => {
                let event = Arc::make_mut(&mut tried.event);
                match &mut event.body {
                    Body::Access(access) => access.model = Some(model.clone()),
                    _ => {
                        let agent = event.agent.clone()?;
                        let session = Arc::make_mut(&mut tried.session);
                        session.runs.entry(agent).or_default().model = Some(model.clone());
                    }
                }
            }
            Changed::Agent { agent } => Arc::make_mut(&mut tried.event).agent = Some(agent.clone()),
        }
        Some(tried)
    }

    /// The roles that the user has.
    pub(super) fn roles(&self) -> Vec<String> {
        crate::harness::diff::roles(&self.engine, &self.event, Some(&self.session))
    }

    fn rule(&self, id: &str) -> Option<(usize, Rule)> {
        let mut rules = self.engine.0.rules.iter().enumerate();
        rules.find(|(_, rule)| &*rule.id == id).map(|(number, rule)| (number, (**rule).clone()))
    }
}

/// Paths as if each led where it says.
fn paths(engine: &Engine, event: &Event) -> ResolvedPaths {
    use crate::guard::Resolver as _;
    let paths = engine.paths_to_resolve(event).into_iter();
    paths.filter_map(|(field, path)| Some((field, crate::guard::NoLinks.resolve(&path).ok()?))).collect()
}
