//! A stream for the tool loop: told as it comes, and put together.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Calls, Outcome, Pump};
use crate::surface::openai::conversation::{Answered, Conversation, Ruled};
use crate::surface::openai::draft::Draft;
use crate::surface::openai::error::GuardError;
use crate::surface::openai::transport;
use crate::surface::openai::wire::{Api, responses, set};

/// What has come of an answer.
#[derive(Default)]
struct Collected {
    content: Option<String>,
    refusal: Option<String>,
    usage: Value,
    /// The response, as its last event has it.
    response: Value,
}

/// Reads an answer to its end, and tells of its text as it is released. What is given is what a whole answer would have been.
pub(crate) async fn together(
    api: Api,
    conversation: Arc<Conversation>,
    response: reqwest::Response,
    estimate: u64,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Answered, GuardError> {
    let mut pump = Pump::new(api, conversation, response, estimate, Calls::Kept)?;
    let mut collected = Collected::default();
    while !pump.ended {
        let mut events = Vec::new();
        let stepped = pump.step(&mut events).await;
        for event in events {
            match api {
                Api::Chat => collected.chunk(&event, told)?,
                Api::Responses => collected.event(event, told)?,
            }
        }
        stepped?;
    }
    let outcome = pump.decider.outcome();
    Ok(match api {
        Api::Chat => collected.completion(outcome),
        Api::Responses => collected.whole(outcome),
    })
}

impl Collected {
    fn chunk(&mut self, chunk: &Value, told: &mut (dyn FnMut(&str) + Send)) -> Result<(), GuardError> {
        if let Some(error) = chunk.get("error") {
            return Err(transport::told(http::StatusCode::OK, error));
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| !usage.is_null()) {
            self.usage = usage.clone();
        }
        for choice in chunk.get("choices").and_then(Value::as_array).into_iter().flatten() {
            // One was asked for.
            let delta =
                choice.get("delta").filter(|_| choice.get("index").and_then(Value::as_u64) == Some(0));
            let text = |name: &str| delta.and_then(|delta| delta.get(name)).and_then(Value::as_str);
            for (text, said) in [(text("content"), &mut self.content), (text("refusal"), &mut self.refusal)] {
                let Some(text) = text else { continue };
                said.get_or_insert_default().push_str(text);
                if !text.is_empty() {
                    told(text);
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, mut event: Value, told: &mut (dyn FnMut(&str) + Send)) -> Result<(), GuardError> {
        match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "response.output_text.delta" | "response.refusal.delta" => {
                told(event.get("delta").and_then(Value::as_str).unwrap_or_default());
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.response = event.get_mut("response").map(Value::take).unwrap_or_default();
            }
            "error" => return Err(transport::told(http::StatusCode::OK, &event)),
            _ => {}
        }
        Ok(())
    }

    fn completion(self, outcome: Outcome) -> Answered {
        let Outcome { calls, refused } = outcome;
        let mut message = json!({ "role": "assistant" });
        let calls = match &refused {
            Some(refusal) => {
                set(&mut message, "refusal", json!(refusal.message()));
                Vec::new()
            }
            None => {
                for (name, text) in [("content", self.content), ("refusal", self.refusal)] {
                    // An empty one says no more than none.
                    if let Some(text) =
                        text.filter(|text| !text.is_empty() || name == "content" && calls.is_empty())
                    {
                        set(&mut message, name, json!(text));
                    }
                }
                if !calls.is_empty() {
                    set(&mut message, "tool_calls", calls.iter().map(written).collect());
                }
                calls
            }
        };
        let document = json!({ "choices": [{ "index": 0, "message": message }], "usage": self.usage });
        Answered { document: Draft::new(document), calls, refused }
    }

    fn whole(self, outcome: Outcome) -> Answered {
        let Outcome { mut calls, refused } = outcome;
        let mut document = self.response;
        if let Some(refusal) = &refused {
            // Calls that came before it are not made, so they do not stand in the history.
            calls.clear();
            responses::deny(&mut document, refusal.message());
        }
        Answered { document: Draft::new(document), calls, refused }
    }
}

/// A call as it stands in a message: its arguments as edited, or as the model wrote them.
fn written(Ruled { call, arguments }: &Ruled) -> Value {
    let text = match arguments {
        Ok(decided) if call.arguments.as_ref() != Ok(decided) => decided.to_string(),
        Ok(_) | Err(_) => call.text.clone(),
    };
    json!({ "id": call.id, "type": "function", "function": { "name": call.tool, "arguments": text } })
}
