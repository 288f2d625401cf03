//! A refusal at the end of a stream.

use serde_json::{Value, json};

use super::{Key, ResponseStream};
use crate::surface::openai::error::{GuardError, Refusal};
use crate::surface::openai::wire::{responses, set};

impl ResponseStream {
    /// Ends the stream with a refusal. What was handed on of the item under way stays what it is, and is told to be
    /// incomplete.
    pub(super) fn deny(&mut self, refusal: &Refusal, out: &mut Vec<Value>) -> Result<(), GuardError> {
        if let Some(open) = self.open.take() {
            let of_item = |key: &Key| key.0 == open.index && key.1 == "content";
            let done = self.texts.iter().filter(|(key, _)| of_item(key)).map(|(_, text)| text.as_str());
            let begun = self.flows.iter().filter(|(key, _)| of_item(key)).map(|(_, flow)| flow.handed());
            let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
            let said: Vec<Value> = done.chain(begun).map(part).collect();
            let item = json!({
                "type": "message", "id": open.id(), "role": "assistant",
                "status": "incomplete", "content": said,
            });
            let index = open.index.saturating_sub(self.gone);
            out.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
            self.items.push(item);
        }
        self.outcome.refused.get_or_insert_with(|| Box::new(refusal.clone()));
        self.refuse(refusal.message(), out)
    }

    pub(super) fn refuse(&mut self, why: &str, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let id = self.response.get("id").and_then(Value::as_str).unwrap_or("resp").to_owned();
        let item = responses::refusal(&id, why);
        let index = self.items.len();
        let item_id = item.get("id").cloned().unwrap_or_default();
        let mut begun = item.clone();
        set(&mut begun, "status", json!("in_progress"));
        set(&mut begun, "content", json!([]));
        let place = |kind: &str, name: &str, value: Value| {
            let mut event =
                json!({ "type": kind, "item_id": item_id, "output_index": index, "content_index": 0 });
            set(&mut event, name, value);
            event
        };
        out.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun }));
        out.push(place("response.content_part.added", "part", json!({ "type": "refusal", "refusal": "" })));
        out.push(place("response.refusal.delta", "delta", json!(why)));
        out.push(place("response.refusal.done", "refusal", json!(why)));
        out.push(place("response.content_part.done", "part", json!({ "type": "refusal", "refusal": why })));
        out.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
        self.items.push(item);
        let mut response = self.response.clone();
        set(&mut response, "output", Value::Array(std::mem::take(&mut self.items)));
        set(&mut response, "status", json!("incomplete"));
        set(&mut response, "incomplete_details", json!({ "reason": "content_filter" }));
        out.push(json!({ "type": "response.incomplete", "response": response }));
        self.is_complete = true;
        Ok(())
    }
}
