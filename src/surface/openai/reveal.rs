//! The values behind pseudonyms, for the user and for tools. What goes back to the model is what it wrote.

use std::borrow::Cow;

use serde_json::Value;

use super::conversation::Conversation;
use super::digest::key;
use crate::guard::{Revealed, To};

impl Conversation {
    /// A model's text for the user: with the values behind pseudonyms, where policy lets the user have them. Sent back, it
    /// is again what the model wrote.
    pub(crate) fn handed<'v>(&self, decided: &'v Value) -> Cow<'v, Value> {
        let Value::String(text) = decided else { return Cow::Borrowed(decided) };
        if !text.contains('<') || !self.guard.engine().has_pseudonyms("") {
            return Cow::Borrowed(decided);
        }
        let revealed = Value::String(self.reveal(text));
        if revealed == *decided {
            return Cow::Borrowed(decided);
        }
        self.memory().add(key("model", &revealed), Some(decided.clone()));
        Cow::Owned(revealed)
    }

    /// A text with the values that the user may have.
    pub(crate) fn reveal(&self, text: &str) -> String {
        self.revealed(text).text
    }

    /// The same, with what was revealed.
    pub(crate) fn revealed(&self, text: &str) -> Revealed {
        let to = To { user: &self.user, agent: &self.agent, tool: None };
        self.guard.reveal(&self.session, to, text)
    }

    /// Arguments for a tool, with the values that policy lets it have.
    pub(crate) fn for_tool(&self, tool: &str, arguments: &Value) -> Value {
        let mut arguments = arguments.clone();
        if has_sign(&arguments) && self.guard.engine().has_pseudonyms("") {
            let to = To { user: &self.user, agent: &self.agent, tool: Some(tool) };
            reveal(&mut arguments, &|text| self.guard.reveal(&self.session, to, text).text);
        }
        arguments
    }

    /// The same, for a tool that the application runs, where they are others than before. Sent back, they are again what the model
    /// wrote.
    pub(crate) fn handed_arguments(&self, tool: &str, decided: &Value) -> Option<Value> {
        if !has_sign(decided) {
            return None;
        }
        let handed = self.for_tool(tool, decided);
        if handed == *decided {
            return None;
        }
        self.memory().add(key("call", &handed), Some(decided.clone()));
        Some(handed)
    }
}

/// Whether a pseudonym can stand in a value.
fn has_sign(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('<'),
        Value::Array(items) => items.iter().any(has_sign),
        Value::Object(entries) => entries.values().any(has_sign),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Puts values in the place of pseudonyms.
fn reveal(value: &mut Value, revealed: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) if text.contains('<') => *text = revealed(text),
        Value::Array(items) => items.iter_mut().for_each(|item| reveal(item, revealed)),
        Value::Object(entries) => entries.values_mut().for_each(|item| reveal(item, revealed)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
