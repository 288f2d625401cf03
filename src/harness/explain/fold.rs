//! Which of several flips are worth telling, and how they are told.

use serde_json::Value;

use super::{Changed, Flip};
use crate::engine::Engine;
use crate::event::{Body, Event};
use crate::verdict::Decision;

/// Leaves out flips that say what another one says already, and more simply.
pub(super) fn fold(engine: &Engine, event: &Event, flips: &mut Vec<Flip>) {
    let said = |flip: &Flip| flips.iter().any(|other| is_said_by(engine, event, flip, other));
    let keep: Vec<bool> = flips.iter().map(|flip| !said(flip)).collect();
    let mut keep = keep.into_iter();
    flips.retain(|_| keep.next().unwrap_or(true));
}

/// Whether another flip is the same but for changes that are simpler there.
fn is_said_by(engine: &Engine, event: &Event, flip: &Flip, other: &Flip) -> bool {
    if flip.decision != other.decision || flip.changes.len() != other.changes.len() || flip == other {
        return false;
    }
    let simpler =
        |change: &Changed, other: &Changed| change == other || is_simpler(engine, event, other, change);
    match (flip.changes.as_slice(), other.changes.as_slice()) {
        ([a, b], [c, d]) => simpler(a, c) && simpler(b, d) || simpler(a, d) && simpler(b, c),
        (changes, others) => changes.iter().zip(others).all(|(change, other)| simpler(change, other)),
    }
}

/// Whether one change says what the other one says, with less.
fn is_simpler(engine: &Engine, event: &Event, one: &Changed, than: &Changed) -> bool {
    match (one, than) {
        // The role that gives least: who has the other one has it too.
        (Changed::WithRole { role: less }, Changed::WithRole { role: more }) => {
            less != more && engine.0.policies.role_is_in(more, less)
        }
        // It says why a new session would do.
        (Changed::WithoutLabel { .. }, Changed::NewSession) => true,
        (Changed::Waived { rule }, Changed::NotFound { rule: other }) => rule == other,
        (
            Changed::Argument { argument, value: Some(value) },
            Changed::Argument { argument: other, value: Some(farther) },
        ) => argument == other && is_nearer(event, argument, value, farther),
        _ => false,
    }
}

/// Whether a number is on the same side of an argument as another one, and nearer to it.
fn is_nearer(event: &Event, argument: &str, value: &str, than: &str) -> bool {
    let Body::ToolCall { arguments, .. } = &event.body else { return false };
    let actual = arguments.pointer(argument).and_then(Value::as_f64);
    let (Some(actual), Ok(value), Ok(than)) = (actual, value.parse::<f64>(), than.parse::<f64>()) else {
        return false;
    };
    let (near, far) = (value - actual, than - actual);
    near.signum() == far.signum() && near.abs() < far.abs()
}

/// Flips for people, `would be … if …`: those with one outcome that differ in the object of their last change are one line.
#[must_use]
pub fn told(flips: &[Flip]) -> Vec<(Decision, String)> {
    let mut lines: Vec<(&Flip, String)> = Vec::new();
    for flip in flips {
        let like = lines.iter_mut().find(|(first, _)| {
            let ([others @ .., last], [same @ .., other]) =
                (first.changes.as_slice(), flip.changes.as_slice())
            else {
                return false;
            };
            first.decision == flip.decision && others == same && is_like(last, other)
        });
        match (like, flip.changes.last().and_then(Changed::object)) {
            (Some((_, line)), Some(object)) => {
                line.push_str(" or ");
                line.push_str(&object);
            }
            _ => lines.push((flip, together(&flip.changes))),
        }
    }
    lines.into_iter().map(|(flip, line)| (flip.decision, line)).collect()
}

/// Changes that are made together.
fn together(changes: &[Changed]) -> String {
    let waived = changes.iter().map(|change| match change {
        Changed::Waived { rule } => Some(format!("`{rule}`")),
        _ => None,
    });
    match waived.collect::<Option<Vec<String>>>().as_deref() {
        Some([first @ .., last]) if !first.is_empty() => {
            format!("a policy waived {} and {last}", first.join(", "))
        }
        _ => changes.iter().map(Changed::text).collect::<Vec<_>>().join(" and "),
    }
}

/// Whether two changes differ only in their object.
fn is_like(one: &Changed, other: &Changed) -> bool {
    match (one, other) {
        (
            Changed::Argument { argument, value: Some(_) },
            Changed::Argument { argument: other, value: Some(_) },
        ) => argument == other,
        _ => one.object().is_some() && std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

impl Changed {
    /// What stands at the end of its text, where a list of it reads well.
    fn object(&self) -> Option<String> {
        match self {
            Changed::WithRole { role } => Some(format!("`{role}`")),
            Changed::Model { model } => Some(format!("`{model}`")),
            Changed::Agent { agent } => Some(format!("`{agent}`")),
            Changed::Argument { value: Some(value), .. } => Some(value.clone()),
            Changed::WithoutRole { .. }
            | Changed::Waived { .. }
            | Changed::NotFound { .. }
            | Changed::Argument { value: None, .. }
            | Changed::WithoutLabel { .. }
            | Changed::NewSession => None,
        }
    }
}
