//! Calls that were refused, and that an application which runs the tools did not see: when the conversation goes on, the model is told
//! why, as the result of each.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::conversation::Conversation;
use super::draft::Draft;
use super::error::Refusal;
use super::wire::{Api, Call, Place};

/// Most answers whose refused calls are remembered.
const MOST: usize = 256;
/// Most bytes of them.
const MOST_BYTES: usize = 4 << 20;

/// A call, and why it was refused.
pub(crate) type RefusedCall = (Call, Box<Refusal>);

/// Refused calls of one answer.
#[derive(Debug)]
pub(crate) struct Withheld {
    /// The response that held them.
    response: Option<String>,
    /// Calls of the same answer that the application saw.
    beside: Vec<String>,
    calls: Vec<Refused>,
}

#[derive(Debug, Clone)]
struct Refused {
    id: String,
    tool: String,
    /// Arguments as the model wrote them.
    text: String,
    is_custom: bool,
    /// What the model is told.
    why: String,
}

/// What the model is told of a refused call.
pub(crate) fn told(refusal: &Refusal) -> String {
    format!("refused: {}", refusal.message())
}

/// Remembers an answer, and forgets the oldest where there are too many, or where a model has written too much into them.
fn keep(all: &mut VecDeque<Withheld>, one: Withheld) {
    all.push_back(one);
    let mut bytes: usize = all.iter().map(Withheld::bytes).sum();
    while all.len() > MOST || bytes > MOST_BYTES {
        let Some(oldest) = all.pop_front() else { break };
        bytes -= oldest.bytes();
    }
}

impl Withheld {
    fn bytes(&self) -> usize {
        let text = |text: &String| text.len() + 64;
        let calls = self
            .calls
            .iter()
            .map(|call| text(&call.id) + text(&call.tool) + text(&call.text) + text(&call.why));
        self.response.iter().chain(&self.beside).map(text).chain(calls).sum()
    }
}

impl Refused {
    fn call(&self, api: Api) -> Value {
        let Self { id, tool, text, .. } = self;
        match (api, self.is_custom) {
            (Api::Chat, false) => {
                json!({ "id": id, "type": "function", "function": { "name": tool, "arguments": text } })
            }
            (Api::Chat, true) => {
                json!({ "id": id, "type": "custom", "custom": { "name": tool, "input": text } })
            }
            (Api::Responses, false) => {
                json!({ "type": "function_call", "call_id": id, "name": tool, "arguments": text })
            }
            (Api::Responses, true) => {
                json!({ "type": "custom_tool_call", "call_id": id, "name": tool, "input": text })
            }
        }
    }

    fn result(&self, api: Api) -> Value {
        result(api, self.is_custom, &self.id, &self.why)
    }
}

/// The result of a call, as it is sent.
pub(crate) fn result(api: Api, is_custom: bool, call: &str, text: &str) -> Value {
    match api {
        Api::Chat => json!({ "role": "tool", "tool_call_id": call, "content": text }),
        Api::Responses => {
            let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
            json!({ "type": kind, "call_id": call, "output": text })
        }
    }
}

/// Whether a call is of a custom tool.
pub(crate) fn is_custom(call: &Call) -> bool {
    matches!(call.place, Place::Member(..))
}

impl Conversation {
    /// Remembers calls that the application does not see, and those beside them that it does.
    pub(crate) fn withhold(&self, response: Option<&str>, beside: Vec<String>, calls: Vec<RefusedCall>) {
        if calls.is_empty() {
            return;
        }
        let calls = calls.into_iter().map(|(call, refusal)| {
            let why = told(&refusal);
            self.remember_result(&call.tool, &call.id, &Value::String(why.clone()));
            let is_custom = is_custom(&call);
            Refused { id: call.id, tool: call.tool, text: call.text, is_custom, why }
        });
        let withheld = Withheld { response: response.map(str::to_owned), beside, calls: calls.collect() };
        keep(&mut self.memory().withheld, withheld);
    }

    /// The tool of a call that was refused.
    pub(crate) fn withheld_tool(&self, call: &str) -> Option<String> {
        let memory = self.memory();
        let mut calls = memory.withheld.iter().rev().flat_map(|withheld| &withheld.calls);
        calls.find(|one| one.id == call).map(|one| one.tool.clone())
    }

    /// Puts refused calls back into a history that lacks them, with what the model is told of each.
    pub(crate) fn give_back(&self, api: Api, draft: &mut Draft) {
        let memory = self.memory();
        if memory.withheld.is_empty() {
            return;
        }
        let document = draft.change();
        match api {
            Api::Chat => {
                let Some(Value::Array(messages)) = document.get_mut("messages") else { return };
                let all = std::mem::take(messages);
                for mut message in all {
                    let mut results = Vec::new();
                    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
                        let ids: Vec<&str> =
                            calls.iter().filter_map(|call| call.get("id")?.as_str()).collect();
                        // All of them, since there are providers that number the calls of each answer anew.
                        let withheld = memory.withheld.iter().rev().find(|one| {
                            !ids.is_empty() && one.beside.iter().map(String::as_str).eq(ids.iter().copied())
                        });
                        let gone = withheld.map_or(&[][..], |withheld| &withheld.calls);
                        calls.extend(gone.iter().map(|one| one.call(api)));
                        results.extend(gone.iter().map(|one| one.result(api)));
                    }
                    messages.push(message);
                    messages.extend(results);
                }
            }
            Api::Responses => {
                let of_call = |id: &str| {
                    memory.withheld.iter().rev().find(|one| one.beside.iter().any(|beside| beside == id))
                };
                let earlier = document.get("previous_response_id").and_then(Value::as_str);
                let continued = earlier.and_then(|id| {
                    memory.withheld.iter().rev().find(|one| one.response.as_deref() == Some(id))
                });
                let has = |items: &[Value], id: &str, kind: &str| {
                    let is = |item: &Value| {
                        let of_kind =
                            item.get("type").and_then(Value::as_str).is_some_and(|of| of.ends_with(kind));
                        of_kind && item.get("call_id").and_then(Value::as_str) == Some(id)
                    };
                    items.iter().any(is)
                };
                let mut results: Vec<Value> =
                    continued.iter().flat_map(|one| &one.calls).map(|one| one.result(api)).collect();
                let Some(input) = document.get_mut("input") else { return };
                if let (Value::String(text), false) = (&*input, results.is_empty()) {
                    *input = json!([{ "type": "message", "role": "user", "content": text }]);
                }
                let Value::Array(items) = input else { return };
                results.retain(|one| {
                    let id = one.get("call_id").and_then(Value::as_str).unwrap_or_default();
                    !has(items, id, "_output")
                });
                let all = std::mem::replace(items, results);
                let mut told: Vec<String> = Vec::new();
                for item in &all {
                    items.push(item.clone());
                    let is_call =
                        item.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("_call"));
                    let of =
                        item.get("call_id").and_then(Value::as_str).filter(|_| is_call).and_then(of_call);
                    for one in of.iter().flat_map(|withheld| &withheld.calls) {
                        if !told.contains(&one.id) && !has(&all, &one.id, "_call") {
                            told.push(one.id.clone());
                            items.extend([one.call(api), one.result(api)]);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let of = |number: usize, bytes: usize| {
            let text = "x".repeat(bytes);
            let (tool, why) = ("note".to_owned(), "no".to_owned());
            let call = Refused { id: format!("c{number}"), tool, text, is_custom: false, why };
            Withheld { response: None, beside: Vec::new(), calls: vec![call] }
        };
        let mut all = VecDeque::new();
        (0..1000).for_each(|number| keep(&mut all, of(number, 10)));
        assert_eq!(all.len(), MOST);
        (0..10).for_each(|number| keep(&mut all, of(number, 1 << 20)));
        let ids: Vec<&str> = all.iter().map(|one| one.calls[0].id.as_str()).collect();
        assert_eq!(ids, ["c7", "c8", "c9"]);
        keep(&mut all, of(0, 8 << 20));
        assert!(all.is_empty());
    }
}
