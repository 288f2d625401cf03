//! Chat Completions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields::{self, Field, list};
use super::{
    Call, Content, Memory, Names, Openings, PartNames, Place, Request, Response, Slot, Unfit, arguments,
    below, entry, input, inside, is_absent, output, text, tools, unfit,
};
use crate::event::{Body, InputPart};

/// Every member of a request that is known.
const REQUEST: &[(&str, Field)] = &[
    ("messages", Field::Own),
    ("tools", Field::Own),
    ("tool_choice", Field::Own),
    ("model", Field::Setting),
    ("stream", Field::Setting),
    ("stream_options", Field::Setting),
    ("modalities", Field::Setting),
    ("verbosity", Field::Setting),
    ("reasoning_effort", Field::Setting),
    ("max_completion_tokens", Field::Setting),
    ("max_tokens", Field::Setting),
    ("frequency_penalty", Field::Setting),
    ("presence_penalty", Field::Setting),
    ("logit_bias", Field::Setting),
    ("stop", Field::Setting),
    ("n", Field::Setting),
    ("seed", Field::Setting),
    ("store", Field::Setting),
    ("service_tier", Field::Setting),
    ("temperature", Field::Setting),
    ("top_p", Field::Setting),
    ("parallel_tool_calls", Field::Setting),
    ("prompt_cache_options", Field::Setting),
    ("prompt_cache_retention", Field::Setting),
    ("moderation", Field::Setting),
    ("user", Field::Text),
    ("safety_identifier", Field::Text),
    ("prompt_cache_key", Field::Text),
    ("metadata", Field::Json),
    ("response_format", Field::Json),
    ("prediction", Field::Json),
    ("logprobs", Field::Refused("repeats the text token by token, past every edit: leave it out")),
    ("top_logprobs", Field::Refused("repeats the text token by token, past every edit: leave it out")),
    ("audio", Field::Refused("asks for speech, which nothing reads")),
    ("web_search_options", Field::Refused("has the provider search the web: use a tool of your own")),
    ("functions", Field::Refused("is the old form of `tools`: use that")),
    ("function_call", Field::Refused("is the old form of `tool_choice`: use that")),
];

const PARTS: PartNames = &[("text", "text"), ("refusal", "refusal")];

const RESPONSE: &[&str] = &[
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    "service_tier",
    "system_fingerprint",
    "metadata",
    "moderation",
];

/// Members of a choice.
const CHOICE: &[&str] = &["index", "message", "finish_reason"];

/// Members of what a model says.
const MESSAGE: &[&str] =
    &["role", "content", "refusal", "tool_calls", "annotations", "function_call", "audio"];

/// Reads a request.
pub(super) fn request(document: &Value, open: &Openings) -> Result<Request, Unfit> {
    let mut slots = Vec::new();
    fields::check(document, REQUEST, &mut slots)?;
    let tools = tools(document, open, "is a tool of a type that is not known here", &mut slots)?;
    let Some(Value::Array(messages)) = document.get("messages") else {
        return unfit("/messages", "is no list");
    };
    // What stands behind the model's latest words is new; the rest has been sent before.
    let is_model = |message: &Value| message.get("role").and_then(Value::as_str) == Some("assistant");
    let new = messages.iter().rposition(is_model).map_or(0, |at| at + 1);
    let mut names = Names::new();
    for (index, message) in messages.iter().enumerate() {
        message_slots(message, &entry("/messages", index), index >= new, open, &mut names, &mut slots)?;
    }
    Ok(Request {
        model: document.get("model").and_then(Value::as_str).map(str::to_owned),
        tools,
        slots,
        stream: document.get("stream").and_then(Value::as_bool).unwrap_or_default(),
        continues: None,
    })
}

fn message_slots(
    message: &Value,
    at: &str,
    is_new: bool,
    open: &Openings,
    names: &mut Names,
    slots: &mut Vec<Slot>,
) -> Result<(), Unfit> {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    let content = |parts| {
        Content::read(message.get("content").unwrap_or(&Value::Null), &below(at, "content"), parts, open)
    };
    if let Some(Value::String(name)) = message.get("name") {
        slots.push(text(input(InputPart::History), below(at, "name"), name, Memory::Known("name")));
    }
    match role {
        "system" | "developer" => {
            fields::only(message, at, &["role", "content", "name"])?;
            slots.extend(content(PARTS)?.slot(input(InputPart::Instructions), Memory::Known("instructions")));
        }
        "user" => {
            fields::only(message, at, &["role", "content", "name"])?;
            let (part, memory) = if is_new {
                (InputPart::User, Memory::Fresh("user"))
            } else {
                (InputPart::History, Memory::Known("user"))
            };
            slots.extend(content(PARTS)?.slot(input(part), memory));
        }
        "assistant" => {
            fields::only(message, at, &["role", "content", "refusal", "tool_calls", "name"])?;
            slots.extend(content(PARTS)?.slot(input(InputPart::History), Memory::Known("model")));
            if let Some(Value::String(refusal)) = message.get("refusal") {
                let at = below(at, "refusal");
                slots.push(text(input(InputPart::History), at, refusal, Memory::Known("model")));
            }
            for (index, call) in list(message.get("tool_calls"), &below(at, "tool_calls"))?.iter().enumerate()
            {
                slots.push(past_call(call, &format!("{at}/tool_calls/{index}"), names)?);
            }
        }
        "tool" => {
            fields::only(message, at, &["role", "content", "tool_call_id"])?;
            let Some(call) = message.get("tool_call_id").and_then(Value::as_str) else {
                return unfit(below(at, "tool_call_id"), "is missing");
            };
            let Some(tool) = names.get(call).cloned() else {
                return unfit(at, "answers no tool call of this request");
            };
            let call = Some(call.to_owned());
            let body = |result| Body::ToolResult { tool, call, result };
            slots.extend(content(PARTS)?.slot(body, Memory::Known("result")));
        }
        _ => return unfit(below(at, "role"), "is not system, developer, user, assistant or tool"),
    }
    Ok(())
}

/// A call that was made before: what was decided about it then is not decided again.
fn past_call(call: &Value, at: &str, names: &mut Names) -> Result<Slot, Unfit> {
    let (kind, member) = kind_of(call);
    fields::only(call, at, &["index", "id", "type", kind])?;
    fields::only(call.get(kind).unwrap_or(&Value::Null), &below(at, kind), &["name", member])?;
    let read = call_at(call, at, 0)?;
    names.insert(read.id.clone(), read.tool.clone());
    Ok(read.past())
}

/// Drops from a model's tool call what is not known, and says whether that was anything.
pub(crate) fn drops_of_call(call: &mut Value) -> bool {
    let (kind, member) = kind_of(call);
    let dropped = fields::drops(call, &["index", "id", "type", kind]);
    let inner = call.get_mut(kind).is_some_and(|inner| fields::drops(inner, &["name", member]));
    dropped || inner
}

/// Drops from a response what is not known, and says whether that was anything.
pub(super) fn drops(document: &mut Value) -> bool {
    let mut dropped = fields::drops(document, RESPONSE);
    for choice in document.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
        dropped |= fields::drops(choice, CHOICE);
        let Some(message) = choice.get_mut("message") else { continue };
        dropped |= fields::drops(message, MESSAGE);
        for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            dropped |= drops_of_call(call);
        }
    }
    dropped
}

/// Where a call names its tool, and the member with what it is called with. Of two tools in one call, only that of its type is decided
/// about; without a type it is a function, as later parts of a call have none.
fn kind_of(call: &Value) -> (&'static str, &'static str) {
    match call.get("type").and_then(Value::as_str) {
        Some("custom") => ("custom", "input"),
        _ => ("function", "arguments"),
    }
}

/// A tool call where it stands.
fn call_at(call: &Value, at: &str, choice: usize) -> Result<Call, Unfit> {
    let string = |names: &[&str]| inside(call, names).and_then(Value::as_str);
    let Some(id) = string(&["id"]).filter(|id| !id.is_empty()) else {
        return unfit(below(at, "id"), "is missing");
    };
    fields::words(call, at, &["id", "type", "index"])?;
    let kind = string(&["type"]).unwrap_or("function");
    let (tool, written, arguments, place) = match kind {
        "function" => {
            let Some(tool) = string(&["function", "name"]) else { return unfit(at, "names no function") };
            let Some(written) = string(&["function", "arguments"]) else {
                return unfit(at, "has no arguments");
            };
            (tool, written, arguments(written), Place::Json(below(at, "function") + "/arguments"))
        }
        "custom" => {
            let Some(tool) = string(&["custom", "name"]) else { return unfit(at, "names no tool") };
            let Some(written) = string(&["custom", "input"]) else { return unfit(at, "has no input") };
            (
                tool,
                written,
                Ok(json!({ "input": written })),
                Place::Member(below(at, "custom") + "/input", "input"),
            )
        }
        _ => return unfit(below(at, "type"), "is neither `function` nor `custom`"),
    };
    let (id, tool, text) = (id.to_owned(), tool.to_owned(), written.to_owned());
    Ok(Call { id, tool, arguments, text, place, at: at.to_owned(), choice })
}

/// Reads a response from which what is not known was dropped.
pub(super) fn response(document: &Value) -> Result<Response, Unfit> {
    let mut response = Response {
        id: document.get("id").and_then(Value::as_str).map(str::to_owned),
        tokens: inside(document, &["usage", "total_tokens"]).and_then(Value::as_u64),
        texts: fields::texts(document, &["choices"]),
        ..Response::default()
    };
    let Some(Value::Array(choices)) = document.get("choices") else {
        return unfit("/choices", "is no list");
    };
    let mut ids = BTreeSet::new();
    for (index, choice) in choices.iter().enumerate() {
        let at = below(&entry("/choices", index), "message");
        fields::words(choice, format_args!("/choices/{index}"), &["index", "finish_reason"])?;
        let Some(message) = choice.get("message") else { return unfit(at, "is missing") };
        if !message.is_object() {
            return unfit(at, "is no object");
        }
        fields::words(message, &at, &["role"])?;
        if !is_absent(message.get("audio")) {
            return unfit(below(&at, "audio"), "is speech, which nothing reads");
        }
        if !is_absent(message.get("function_call")) {
            return unfit(below(&at, "function_call"), "is the old form of a tool call");
        }
        for name in ["content", "refusal"] {
            match message.get(name) {
                None | Some(Value::Null) => {}
                // Nothing to decide about: beside a tool call, it says that there is no text.
                Some(Value::String(written)) if written.is_empty() => {}
                Some(Value::String(written)) => {
                    response.add(index, text(output, below(&at, name), written, Memory::Known("model")));
                }
                Some(_) => return unfit(below(&at, name), "is no text"),
            }
        }
        if let Some(annotations) = message.get("annotations").filter(|value| !is_absent(Some(value))) {
            let place = Place::Value(below(&at, "annotations"));
            response
                .add(index, Slot { body: output(annotations.clone()), place, memory: Memory::Fresh("note") });
        }
        let calls = below(&at, "tool_calls");
        for (number, call) in list(message.get("tool_calls"), &calls)?.iter().enumerate() {
            let call = call_at(call, &entry(&calls, number), index)?;
            if !ids.insert(call.id.clone()) {
                return unfit(call.at, "has the id of a call before it");
            }
            response.calls.push(call);
        }
    }
    Ok(response)
}

/// Puts a refusal in the place of a choice's message.
pub(crate) fn deny(document: &mut Value, choice: usize, why: &str) {
    if let Some(there) = document.pointer_mut(&format!("/choices/{choice}")).and_then(Value::as_object_mut) {
        there.insert("message".to_owned(), json!({ "role": "assistant", "content": null, "refusal": why }));
        there.insert("finish_reason".to_owned(), json!("content_filter"));
    }
}

/// Takes refused calls out of a choice; where none and no text remains, the refusal says why.
pub(crate) fn without_calls(document: &mut Value, choice: usize, gone: &BTreeSet<String>, why: &str) {
    let Some(there) = document.pointer_mut(&format!("/choices/{choice}")) else { return };
    let Some(message) = there.get_mut("message").and_then(Value::as_object_mut) else { return };
    let Some(Value::Array(calls)) = message.get_mut("tool_calls") else { return };
    calls.retain(|call| call.get("id").and_then(Value::as_str).is_none_or(|id| !gone.contains(id)));
    if !calls.is_empty() {
        return;
    }
    message.remove("tool_calls");
    if is_absent(message.get("refusal")) {
        message.insert("refusal".to_owned(), json!(why));
    }
    if let Some(choice) = there.as_object_mut() {
        choice.insert("finish_reason".to_owned(), json!("content_filter"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Api, read_answer};
    use super::*;
    use crate::surface::openai::draft::Draft;

    #[test]
    fn a_call_holds_nothing_beside_what_is_decided_about() {
        let text = "a text that nobody has looked at";
        let function = json!({ "name": "note", "arguments": "{}" });
        let answer =
            |call: Value| json!({ "choices": [{ "index": 0, "message": { "tool_calls": [call] } }] });
        for (mut call, more) in [
            (json!({ "id": "a" }), json!({ "custom": { "name": "note", "input": text } })),
            (json!({ "id": "a", "type": null }), json!({ "custom": { "name": text, "input": "" } })),
            (json!({ "id": "a", "type": "function" }), json!({ "custom": text, "note": text })),
            (json!({ "id": "a" }), json!({ "type": { "text": text } })),
            (json!({ "id": "a" }), json!({ "type": [text] })),
            (json!({ "id": "a" }), json!({ "index": text })),
            (json!({ "id": "a" }), json!({ "index": { "text": text } })),
            (json!({ "id": "a" }), json!({ "id": { "text": text } })),
        ] {
            let members = call.as_object_mut().unwrap();
            members.insert("function".to_owned(), function.clone());
            members.extend(more.as_object().unwrap().clone());
            let mut document = Draft::of_answer(answer(call.clone()).to_string().into()).unwrap();
            // It is taken out, or the answer is none.
            if let Ok(read) = read_answer(Api::Chat, &mut document, &Openings::default()) {
                assert_eq!(read.calls.len(), 1, "{call}");
                let given = String::from_utf8(document.body().into()).unwrap();
                assert!(!given.contains(text), "{given}");
            }
        }
    }
    #[test]
    fn a_call_that_is_sent_back_holds_nothing_more_either() {
        let of = |more: Value| {
            let mut call = json!({ "id": "a", "function": { "name": "note", "arguments": "{}" } });
            call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let messages = json!([{ "role": "assistant", "tool_calls": [call] }]);
            request(&json!({ "messages": messages }), &Openings::default())
        };
        assert_eq!(of(json!({ "type": "function", "index": 0, "custom": null })).unwrap().slots.len(), 1);
        for more in [
            json!({ "custom": { "name": "note", "input": "x" } }),
            json!({ "note": "x" }),
            json!({ "function": { "name": "note", "arguments": "{}", "note": "x" } }),
            json!({ "type": "custom" }),
            json!({ "type": ["x"] }),
        ] {
            assert!(of(more.clone()).is_err(), "{more}");
        }
    }
}
