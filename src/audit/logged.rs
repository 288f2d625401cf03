//! Arguments that may stand in a record: what `log: true` names, and nothing that a rule matched or a parameter hides.

use std::collections::BTreeMap;

use serde_json::Value;

use super::canonical::is_exact;
use crate::engine::Engine;
use crate::event::{Body, Event};
use crate::verdict::Verdict;

/// Longest recorded value as JSON, in bytes; a longer one is left out.
pub(super) const MAX_VALUE: usize = 4096;
/// Most names of arguments that are recorded, and the longest, in bytes.
const MAX_NAMES: usize = 64;
const MAX_NAME: usize = 128;

/// The recorded arguments of a tool call, by their JSON Pointer into the arguments.
pub(super) fn arguments<'a>(
    engine: &'a Engine,
    event: Option<&'a Event>,
    verdict: &Verdict,
) -> BTreeMap<&'a str, &'a Value> {
    let Some(Body::ToolCall { tool, arguments, .. }) = event.map(|event| &event.body) else {
        return BTreeMap::new();
    };
    let sensitive = |name: &str| is_sensitive(engine, name);
    let matched = |pointer: &str| {
        verdict.findings.iter().filter_map(|finding| finding.field.strip_prefix("/arguments")).any(|field| {
            let field = field.strip_suffix("/*").unwrap_or(field);
            below(field, pointer) || below(pointer, field)
        })
    };
    engine
        .logged_arguments(tool)
        .iter()
        .map(String::as_str)
        .filter(|pointer| !pointer.split('/').any(sensitive) && !matched(pointer))
        .filter_map(|pointer| Some((pointer, arguments.pointer(pointer)?)))
        .filter(|(_, value)| {
            !holds(value, &sensitive) && is_exact(value) && value.to_string().len() <= MAX_VALUE
        })
        .collect()
}

/// Names and JSON types of the arguments of a tool call. A name in which a rule matched stays out: none of them is told where a
/// rule matched in any, since a finding does not say in which.
pub(super) fn parameters<'a>(event: Option<&'a Event>, verdict: &Verdict) -> BTreeMap<&'a str, &'static str> {
    let Some(Body::ToolCall { arguments: Value::Object(members), .. }) = event.map(|event| &event.body)
    else {
        return BTreeMap::new();
    };
    if verdict.findings.iter().any(|finding| finding.field == "/arguments/*") {
        return BTreeMap::new();
    }
    let name = |(name, value): (&'a String, &Value)| {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        (name.as_str(), kind)
    };
    members.iter().filter(|(name, _)| name.len() <= MAX_NAME).take(MAX_NAMES).map(name).collect()
}

/// A value without members whose key is a sensitive parameter, at any depth.
pub(super) fn without_sensitive(engine: &Engine, value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !is_sensitive(engine, name))
            .map(|(name, value)| (name.clone(), without_sensitive(engine, value)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| without_sensitive(engine, item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_sensitive(engine: &Engine, name: &str) -> bool {
    engine.sensitive_parameters().iter().any(|parameter| parameter.to_lowercase() == name.to_lowercase())
}

/// Whether a pointer is another one, or leads below it.
fn below(pointer: &str, other: &str) -> bool {
    pointer.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether an object in a value has a key of this kind.
fn holds(value: &Value, sensitive: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(key, value)| sensitive(key) || holds(value, sensitive))
        }
        Value::Array(items) => items.iter().any(|item| holds(item, sensitive)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
