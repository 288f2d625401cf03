//! What events of Responses look like: their kinds, and which of their members are known.

use serde_json::Value;

use crate::surface::openai::error::GuardError;
use crate::surface::openai::wire::{self, Unfit};

/// Members of events that are words or numbers, whatever the event.
const WORDS: &[&str] = &[
    "type",
    "sequence_number",
    "output_index",
    "content_index",
    "summary_index",
    "annotation_index",
    "item_id",
    "name",
    "obfuscation",
    "partial_image_index",
    "size",
    "quality",
    "background",
    "output_format",
];

/// Members in which events of a kind hold what is decided about. Whatever else stands in one is not handed on.
fn content_of(kind: &str) -> &'static [&'static str] {
    if let Some((_, _, whole)) = texts_of(kind) {
        return match whole {
            _ if kind.ends_with(".delta") => &["delta", "logprobs"],
            "refusal" => &["refusal", "logprobs"],
            _ => &["text", "logprobs"],
        };
    }
    match kind {
        "response.output_item.added" | "response.output_item.done" => &["item"],
        "response.output_text.annotation.added" => &["annotation"],
        "response.function_call_arguments.done" => &["arguments"],
        "response.custom_tool_call_input.done" => &["input"],
        "response.code_interpreter_call_code.done" => &["code"],
        "response.image_generation_call.partial_image" => &["partial_image_b64"],
        "error" => &["code", "message", "param"],
        kind if kind.ends_with(".delta") => &["delta"],
        kind if kind.starts_with("response.content_part.") => &["part"],
        kind if kind.starts_with("response.reasoning_summary_part.") => &["part"],
        kind if kind.matches('.').count() == 1 => &["response"],
        _ => &[],
    }
}

/// Drops from an event what is not known, and refuses texts where none belong.
pub(super) fn only_known(event: &mut Value, kind: &str) -> Result<(), GuardError> {
    let content = content_of(kind);
    if let Some(members) = event.as_object_mut() {
        members.retain(|name, _| WORDS.contains(&name.as_str()) || content.contains(&name.as_str()));
    }
    match wire::texts(event, content).first() {
        Some(name) => unfit(&format!("has an event with a text as `{name}`")),
        None => Ok(()),
    }
}

/// Drops from a part of an item what is not known.
pub(super) fn only_known_of_part(event: &mut Value) -> Result<(), GuardError> {
    let Some(part) = event.get_mut("part") else { return Ok(()) };
    wire::drops(part, &["type", "text", "refusal", "annotations", "logprobs"]);
    match part.get("type") {
        Some(Value::String(kind)) if wire::is_word(kind) => Ok(()),
        None => Ok(()),
        Some(_) => unfit("has a part whose type is no word"),
    }
}

/// Which list the texts of an event are of, which of its members numbers them, and which holds the complete text.
pub(super) fn texts_of(kind: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let kind = kind.strip_suffix(".delta").or_else(|| kind.strip_suffix(".done"))?;
    match kind {
        "response.output_text" => Some(("content", "content_index", "text")),
        "response.refusal" => Some(("content", "content_index", "refusal")),
        "response.reasoning_text" => Some(("content", "content_index", "text")),
        "response.reasoning_summary_text" => Some(("summary", "summary_index", "text")),
        _ => None,
    }
}

pub(super) fn unfit<T>(what: &str) -> Result<T, GuardError> {
    Err(GuardError::Answer(Unfit { at: String::new(), what: what.to_owned() }))
}

pub(super) fn number(event: &Value, name: &str) -> Result<u64, GuardError> {
    match event.get(name).and_then(Value::as_u64) {
        Some(number) => Ok(number),
        None => unfit(&format!("has an event without `{name}`")),
    }
}

pub(super) fn string<'a>(event: &'a Value, name: &str) -> Result<&'a str, GuardError> {
    match event.get(name).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => unfit(&format!("has an event whose `{name}` is no text")),
    }
}

pub(super) fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    }
}
