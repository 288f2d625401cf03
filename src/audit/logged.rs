//! Arguments that may stand in a record: what `log: true` names, and nothing that a rule matched or a parameter hides.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::Engine;
use crate::event::{Body, Event};
use crate::verdict::Verdict;

/// Longest recorded value as JSON, in bytes; a longer one is left out.
const MAX_VALUE: usize = 4096;

/// The recorded arguments of a tool call, by their JSON Pointer into the arguments.
pub(super) fn arguments<'a>(
    engine: &'a Engine,
    event: Option<&'a Event>,
    verdict: &Verdict,
) -> BTreeMap<&'a str, &'a Value> {
    let Some(Body::ToolCall { tool, arguments, .. }) = event.map(|event| &event.body) else {
        return BTreeMap::new();
    };
    let sensitive = |name: &str| {
        engine.sensitive_parameters().iter().any(|parameter| parameter.to_lowercase() == name.to_lowercase())
    };
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
        .filter(|(_, value)| !holds(value, &sensitive) && value.to_string().len() <= MAX_VALUE)
        .collect()
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
