//! What may be otherwise about an event.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Changed;
use super::tried::Tried;
use crate::engine::{Evaluation, Tool};
use crate::event::Body;
use crate::verdict::Action;

/// Everything that may be otherwise.
pub(super) fn candidates(tried: &Tried, evaluation: &Evaluation) -> Vec<Changed> {
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
        let reads = |(name, tool): (&String, &Arc<Tool>)| tool.reads.contains(label).then(|| name.clone());
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
    let agent = tried.event.agent.as_deref();
    if agent.is_some() {
        let others = inner.agents.keys().filter(|other| agent != Some(other.as_str()));
        all.extend(others.map(|agent| Changed::Agent { agent: agent.clone() }));
    }
    let model = tried.event.agent.as_deref().and_then(|agent| tried.session.model(agent));
    let others = inner.models.iter().filter(|other| model != Some(other.as_str()));
    all.extend(others.map(|model| Changed::Model { model: model.clone() }));
    arguments(tried, &mut all);
    all
}

/// Values from the bundle that arguments of a call may have instead: those that policies compare with, numbers beside them, and what the
/// tool's schema names.
fn arguments(tried: &Tried, all: &mut Vec<Changed>) {
    let Body::ToolCall { tool, arguments: Value::Object(members), .. } = &tried.event.body else { return };
    let mut argument = |name: &str, value: Option<Value>| {
        let argument = format!("/{}", crate::decode::pointer_segment(name));
        all.push(Changed::Argument { argument, value: value.map(|value| value.to_string()) });
    };
    for (name, value) in members {
        argument(name, None);
        let compared = tried.engine.0.policies.compared_with(tool, name);
        let mut values: Vec<Value> = match value {
            Value::Number(_) => {
                let numbers = compared.iter().filter_map(|text| text.parse::<f64>().ok());
                numbers.flat_map(|number| [number, number - 1.0, number + 1.0].map(whole)).collect()
            }
            Value::String(_) => compared.iter().map(|text| json!(text)).collect(),
            Value::Bool(flag) => vec![json!(!flag)],
            Value::Null | Value::Array(_) | Value::Object(_) => Vec::new(),
        };
        let of_tool = tried.engine.0.tools.get(tool).and_then(|tool| tool.named.get(name));
        values.extend(of_tool.into_iter().flatten().cloned());
        let mut known = BTreeSet::new();
        values.retain(|other| other != value && known.insert(other.to_string()));
        values.into_iter().for_each(|value| argument(name, Some(value)));
    }
}

/// A number as it would be written.
#[expect(clippy::cast_possible_truncation, reason = "whole and small, which is checked")]
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}
