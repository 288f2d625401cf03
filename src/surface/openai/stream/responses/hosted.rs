//! Tools that the provider runs: what they tell on their way waits until their item was decided about.

use serde_json::{Value, json};

use super::{ResponseStream, string, unfit};
use crate::surface::openai::error::GuardError;
use crate::surface::openai::wire::{self, set, value_of};

impl ResponseStream {
    /// What tools of the provider tell on their way. What they write stands in the item at its end too, where it is decided
    /// about: until then it waits, and what follows it.
    pub(super) fn hosted(
        &mut self,
        event: Value,
        kind: &str,
        out: &mut Vec<Value>,
    ) -> Result<(), GuardError> {
        let ids_only = ["in_progress", "searching", "completed", "generating", "interpreting"];
        let limit = self.conversation.settings.answer_bytes;
        let Some(open) = &mut self.open else {
            return unfit("has an event of an item that is not under way");
        };
        match kind {
            "response.code_interpreter_call_code.delta" => {
                open.written.push_str(string(&event, "delta")?);
                if open.written.len() > limit {
                    return Err(GuardError::TooLarge { limit });
                }
            }
            "response.code_interpreter_call_code.done" => {
                let code = string(&event, "code")?;
                if code != open.written {
                    return unfit("has code that differs from its parts");
                }
            }
            // Pictures, as the one at the end of the item: they go on with it.
            "response.image_generation_call.partial_image" => {
                let picture = string(&event, "partial_image_b64")?;
                if !picture.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return unfit("has a picture that is none");
                }
                open.pictures = open.pictures.saturating_add(picture.len());
                if open.pictures > limit {
                    return Err(GuardError::TooLarge { limit });
                }
            }
            // Whatever else it is, nothing will have looked at it.
            _ if !ids_only.iter().any(|end| kind.ends_with(end)) => return Ok(()),
            _ if self.held.is_empty() => return self.renumbered(event, out),
            _ => {}
        }
        self.held.push(event);
        Ok(())
    }

    /// Gives the item as it was handed on, if it was.
    pub(super) async fn end_hosted(
        &mut self,
        mut event: Value,
        mut item: Value,
        written: &str,
        out: &mut Vec<Value>,
    ) -> Result<Option<Value>, GuardError> {
        let read = self.read(&item)?;
        let came = item.clone();
        for slot in read.slots {
            match self.conversation.decide(slot.body).await {
                Ok((decided, _)) => slot.place.write_if_changed(&mut item, value_of(&decided)),
                Err(refusal) => {
                    self.held.clear();
                    self.deny(&refusal, out)?;
                    return Ok(None);
                }
            }
        }
        self.conversation.remember("hosted", &item);
        let mut held = std::mem::take(&mut self.held);
        if !written.is_empty() && came.get("code").and_then(Value::as_str) != Some(written) {
            return unfit("has code that differs from its parts");
        }
        if item != came {
            // What was told on the way is what was edited at the end.
            let told = ["delta", "code", "partial_image_b64"];
            held.retain(|event| told.iter().all(|name| event.get(*name).is_none()));
        }
        for one in held {
            self.renumbered(one, out)?;
        }
        set(&mut event, "item", item.clone());
        self.renumbered(event, out)?;
        Ok(Some(item))
    }
}

/// An item of a tool that the provider runs, as it begins: its shape, which the client's types need, without what it says.
pub(super) fn hollow(item: &Value) -> Value {
    fn inside(value: &Value) -> Value {
        match value {
            Value::String(_) => json!(""),
            Value::Array(_) => json!([]),
            Value::Object(members) => {
                // Names may say something too.
                let members = members.iter().filter(|(name, _)| is_word(name));
                let members = members.map(|(name, value)| match (name.as_str(), value) {
                    ("type", Value::String(kind)) if is_word(kind) => (name.clone(), value.clone()),
                    _ => (name.clone(), inside(value)),
                });
                Value::Object(members.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
    let mut hollow = inside(item);
    for name in ["id", "status", "container_id"] {
        if let Some(value) = item.get(name).filter(|value| value.as_str().is_some_and(wire::is_word)) {
            set(&mut hollow, name, value.clone());
        }
    }
    hollow
}

/// Whether it is one of the API's own words, by its looks.
fn is_word(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
