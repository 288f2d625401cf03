//! The one view of an event's text that rules read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Body, Event, InputPart};

/// A string of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// JSON Pointer (RFC 6901) into the event.
    pub pointer: String,
    /// The text.
    pub text: &'a str,
    /// The part of the event that it belongs to, where the stage has parts.
    pub part: Option<Part>,
    /// Whether it is a key of an object: found like any text, but nothing can be replaced in it.
    pub is_key: bool,
}

/// A part of an event to which a rule can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The developer's instructions: at `input`, and of an agent that is created.
    Instructions,
    /// The user's message at `input`.
    User,
    /// Earlier turns at `input`.
    History,
    /// The name of an agent that is created.
    Name,
}

impl From<InputPart> for Part {
    fn from(part: InputPart) -> Self {
        match part {
            InputPart::Instructions => Part::Instructions,
            InputPart::User => Part::User,
            InputPart::History => Part::History,
        }
    }
}

impl Event {
    /// Every text of the event, in document order. Keys of objects come before their values, at the pointer of the
    /// member.
    #[must_use]
    pub fn fields(&self) -> Vec<Field<'_>> {
        let mut fields = Vec::new();
        match &self.body {
            Body::Access(access) => {
                if let Some(name) = &access.name {
                    let pointer = "/access/name".to_owned();
                    fields.push(Field { pointer, text: name, part: Some(Part::Name), is_key: false });
                }
                if let Some(instructions) = &access.instructions {
                    collect(
                        instructions,
                        "/access/instructions".to_owned(),
                        Some(Part::Instructions),
                        &mut fields,
                    );
                }
            }
            Body::Input { part, text } => {
                collect(text, "/text".to_owned(), Some((*part).into()), &mut fields);
            }
            Body::ToolCall { arguments, .. } => {
                collect(arguments, "/arguments".to_owned(), None, &mut fields)
            }
            Body::ToolResult { result, .. } => collect(result, "/result".to_owned(), None, &mut fields),
            Body::Output { text } => collect(text, "/text".to_owned(), None, &mut fields),
        }
        fields
    }

    /// The text at a pointer that [`Event::fields`] gave, to be changed.
    pub(crate) fn text_mut(&mut self, pointer: &str) -> Option<&mut String> {
        let (root, value) = match &mut self.body {
            Body::Access(access) => {
                if pointer == "/access/name" {
                    return access.name.as_mut();
                }
                ("/access/instructions", access.instructions.as_mut()?)
            }
            Body::Input { text, .. } | Body::Output { text } => ("/text", text),
            Body::ToolCall { arguments, .. } => ("/arguments", arguments),
            Body::ToolResult { result, .. } => ("/result", result),
        };
        match value.pointer_mut(pointer.strip_prefix(root)?)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes of all strings of the event: what the limit `event_bytes` counts.
    #[must_use]
    pub fn size(&self) -> usize {
        let user = &self.user;
        let list =
            |items: &Option<Vec<String>>| items.iter().flatten().map(|item| item.len() + 2).sum::<usize>();
        let attributes: usize =
            user.attributes.iter().flatten().map(|(key, value)| key.len() + bytes(value)).sum();
        let facts: usize = self
            .facts
            .iter()
            .map(|(name, scores)| name.len() + scores.keys().map(|key| key.len() + 8).sum::<usize>())
            .sum();
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let body = match &self.body {
            Body::Access(access) => {
                text(&access.name)
                    + access.instructions.as_ref().map_or(0, bytes)
                    + text(&access.model)
                    + list(&access.tools)
            }
            Body::Input { text, .. } | Body::Output { text } => bytes(text),
            Body::ToolCall { tool, call, arguments: value }
            | Body::ToolResult { tool, call, result: value } => tool.len() + text(call) + bytes(value),
        };
        self.session.len()
            + user.id.len()
            + list(&user.roles)
            + text(&user.tenant)
            + text(&self.agent)
            + attributes
            + facts
            + body
    }
}

fn collect<'a>(value: &'a Value, pointer: String, part: Option<Part>, fields: &mut Vec<Field<'a>>) {
    match value {
        Value::String(text) => fields.push(Field { pointer, text, part, is_key: false }),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{pointer}/{index}"), part, fields);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let member = below(&pointer, key);
                fields.push(Field { pointer: member.clone(), text: key, part, is_key: true });
                collect(item, member, part, fields);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The pointer of a member.
fn below(pointer: &str, key: &str) -> String {
    let segment = crate::decode::pointer_segment(key);
    let mut member = String::with_capacity(pointer.len() + 1 + segment.len());
    member.push_str(pointer);
    member.push('/');
    member.push_str(&segment);
    member
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(bytes).sum::<usize>(),
        Value::Object(entries) => {
            2 + entries.iter().map(|(key, item)| key.len() + 3 + bytes(item)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}
