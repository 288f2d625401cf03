//! What stands in the way of a milder decision, and which changes can move it.

use super::Changed;
use crate::cedar::Levers;
use crate::engine::{Engine, Evaluation};
use crate::verdict::{Decision, Reason, ReasonCode};

/// What asks or refuses, all of which has to go for a decision to become milder.
#[derive(Default)]
pub(super) struct Obstacles(Vec<Obstacle>);

enum Obstacle {
    /// A policy that refuses, asks or could not be evaluated.
    Policy(Levers),
    /// A rule that policies can't waive.
    Rule,
}

impl Obstacles {
    /// Those of which it is known what can move them.
    pub(super) fn of(engine: &Engine, evaluation: &Evaluation) -> Self {
        // Behind a missing permit, forbids are told as hidden, and refuse as well.
        let hidden = evaluation.trace.also.iter().filter(|reason| reason.code == ReasonCode::Forbid);
        let hidden = hidden.filter(|_| evaluation.decision == Decision::Deny);
        Self(evaluation.reasons.iter().chain(hidden).filter_map(|reason| obstacle(engine, reason)).collect())
    }

    /// Whether these changes together could move every one of them.
    pub(super) fn may_go(&self, changes: &[&Changed]) -> bool {
        self.0.iter().all(|obstacle| changes.iter().any(|change| obstacle.may_go(change)))
    }
}

fn obstacle(engine: &Engine, reason: &Reason) -> Option<Obstacle> {
    if let Some(id) = &reason.policy {
        let number = engine.policies().iter().position(|policy| policy.id == *id)?;
        return engine.0.policies.levers(number).map(Obstacle::Policy);
    }
    let id = reason.rule.as_ref().filter(|_| reason.code == ReasonCode::Rule)?;
    let rule = engine.0.rules.iter().find(|rule| *rule.id == **id)?;
    (!rule.waivable).then_some(Obstacle::Rule)
}

impl Obstacle {
    fn may_go(&self, change: &Changed) -> bool {
        match self {
            Obstacle::Policy(levers) => moves(change, levers),
            // What another rule replaces can be what this one finds, or stand between its parts.
            Obstacle::Rule => match change {
                Changed::NotFound { .. } | Changed::Waived { .. } | Changed::Argument { .. } => true,
                Changed::WithRole { .. }
                | Changed::WithoutRole { .. }
                | Changed::WithoutLabel { .. }
                | Changed::NewSession
                | Changed::Model { .. }
                | Changed::Agent { .. } => false,
            },
        }
    }
}

fn moves(change: &Changed, levers: &Levers) -> bool {
    match change {
        Changed::WithRole { .. } | Changed::WithoutRole { .. } => levers.principal,
        // What a rule no longer replaces stands in the arguments as it was.
        Changed::Waived { .. } | Changed::NotFound { .. } => levers.found() || levers.input(),
        Changed::Argument { argument, .. } => {
            let name = argument.strip_prefix('/').map(crate::decode::pointer_name);
            levers.found() || name.is_none_or(|name| levers.argument(&name))
        }
        Changed::WithoutLabel { .. } => levers.part("session.labels"),
        Changed::NewSession => levers.session(),
        Changed::Model { .. } => levers.part("model"),
        Changed::Agent { .. } => levers.resource || levers.part("agent") || levers.part("model"),
    }
}
