//! A document on its way to the model or back.

use bytes::Bytes;
use serde_json::Value;

use super::error::GuardError;
use super::transport;
use super::wire;
use crate::decode;

/// A document that is decided about, and, for as long as nothing in it changes, the bytes that it was read from.
#[derive(Debug)]
pub(crate) struct Draft {
    document: Value,
    written: Option<Bytes>,
}

impl Draft {
    /// A document that is not written yet.
    pub(crate) fn new(document: Value) -> Self {
        Self { document, written: None }
    }

    /// A body that the SDK wrote from its own types.
    pub(crate) fn of_request(body: &[u8]) -> Result<Self, GuardError> {
        if let Some(Ok(document)) = std::str::from_utf8(body).ok().map(decode::from_json) {
            return Ok(Self { document, written: Some(Bytes::copy_from_slice(body)) });
        }
        // Bytes of which two readers could make two documents are not sent: what is sent is what was decided about.
        serde_json::from_slice(body)
            .map(Self::new)
            .map_err(|_| GuardError::Setup("the request is no JSON".to_owned()))
    }

    /// A body that a provider wrote: strict JSON, of which every reader makes the same document.
    pub(crate) fn of_answer(body: Bytes) -> Result<Self, GuardError> {
        Ok(Self { document: transport::document(&body)?, written: Some(body) })
    }

    /// What is decided about.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The same, to be changed.
    pub(crate) fn change(&mut self) -> &mut Value {
        self.written = None;
        &mut self.document
    }

    /// The same, for what says whether it has changed it.
    pub(crate) fn change_if(&mut self, change: impl FnOnce(&mut Value) -> bool) {
        if change(&mut self.document) {
            self.written = None;
        }
    }

    /// What is sent, or given.
    pub(crate) fn body(&self) -> Bytes {
        self.written.clone().unwrap_or_else(|| Bytes::from(wire::written(&self.document)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::surface::openai::wire::{Api, Openings, read_answer};

    #[test]
    fn an_answer_stays_as_it_was_written_where_all_of_it_is_known() {
        let call =
            json!({ "id": "a", "type": "function", "function": { "name": "note", "arguments": "{ }" } });
        let message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "tool_calls" });
        let chat = json!({ "id": "c", "object": "chat.completion", "choices": [choice] });
        let item = json!({ "type": "function_call", "call_id": "a", "name": "note", "arguments": "{ }" });
        let response = json!({ "id": "r", "object": "response", "output": [item] });
        let of_call = "/choices/0/message/tool_calls/0";
        let of_function = "/choices/0/message/tool_calls/0/function";
        let places = ["", "/choices/0", "/choices/0/message", of_call, of_function].map(|at| (Api::Chat, at));
        for (api, at) in places.into_iter().chain([(Api::Responses, "")]) {
            let known = if api == Api::Chat { &chat } else { &response };
            let written = serde_json::to_string_pretty(known).unwrap();
            let mut answer = Draft::of_answer(written.clone().into()).unwrap();
            read_answer(api, &mut answer, &Openings::default()).unwrap();
            assert_eq!(answer.body(), written);

            let mut more = known.clone();
            more.pointer_mut(at).unwrap()["unseen"] = json!("nothing has looked at this");
            let mut answer = Draft::of_answer(more.to_string().into()).unwrap();
            read_answer(api, &mut answer, &Openings::default()).unwrap();
            assert_eq!((answer.document(), answer.body()), (known, known.to_string().into()), "{at}");
        }
    }
}
