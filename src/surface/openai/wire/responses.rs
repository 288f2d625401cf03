//! Responses.

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
    ("input", Field::Own),
    ("tools", Field::Own),
    ("tool_choice", Field::Own),
    ("previous_response_id", Field::Own),
    ("instructions", Field::Own),
    ("model", Field::Setting),
    ("stream", Field::Setting),
    ("stream_options", Field::Setting),
    ("include", Field::Own),
    ("max_output_tokens", Field::Setting),
    ("max_tool_calls", Field::Setting),
    ("parallel_tool_calls", Field::Setting),
    ("prompt_cache_options", Field::Setting),
    ("prompt_cache_retention", Field::Setting),
    ("reasoning", Field::Setting),
    ("service_tier", Field::Setting),
    ("store", Field::Setting),
    ("temperature", Field::Setting),
    ("top_p", Field::Setting),
    ("truncation", Field::Setting),
    ("moderation", Field::Setting),
    ("user", Field::Text),
    ("safety_identifier", Field::Text),
    ("prompt_cache_key", Field::Text),
    ("metadata", Field::Json),
    ("text", Field::Json),
    ("top_logprobs", Field::Refused("repeats the text token by token, past every edit: leave it out")),
    ("background", Field::Refused("has the answer fetched later, past the guard: leave it out")),
    (
        "conversation",
        Field::Refused(
            "keeps the history at the provider, where the guard can't read it: send it as `input`",
        ),
    ),
    (
        "prompt",
        Field::Refused(
            "is a text kept at the provider, which the guard can't read: send it as `instructions`",
        ),
    ),
    (
        "context_management",
        Field::Refused("has the provider rewrite the history, which the guard can't read"),
    ),
    ("access_programs", Field::Refused("is not let through")),
];

const PARTS: PartNames =
    &[("input_text", "text"), ("output_text", "text"), ("text", "text"), ("refusal", "refusal")];

/// What may be asked for besides. Token probabilities repeat the text.
const INCLUDE: &[&str] = &[
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
];

const UNKNOWN_TOOL: &str = "is a tool that the provider runs, or of a type not known here; it goes through only where the client \
                            is built with `hosted`";

const RESPONSE: &[&str] = &[
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "output",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "prompt_cache_diagnostics",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
    "background",
    "billing",
    "moderation",
    "tool_usage",
];

/// Reads a request.
pub(super) fn request(document: &Value, open: &Openings) -> Result<Request, Unfit> {
    let mut slots = Vec::new();
    fields::check(document, REQUEST, &mut slots)?;
    match document.get("instructions") {
        None | Some(Value::Null) => {}
        Some(Value::String(written)) => {
            let at = "/instructions".to_owned();
            slots.push(text(input(InputPart::Instructions), at, written, Memory::Known("instructions")));
        }
        Some(_) => return unfit("/instructions", "is no text"),
    }
    for (index, what) in list(document.get("include"), "/include")?.iter().enumerate() {
        if what.as_str().is_none_or(|what| !INCLUDE.contains(&what)) {
            return unfit(format!("/include/{index}"), "is not known here, so that it is not let through");
        }
    }
    let tools = tools(document, open, UNKNOWN_TOOL, &mut slots)?;
    let mut names = Names::new();
    match document.get("input") {
        Some(Value::String(written)) => {
            slots.push(text(input(InputPart::User), "/input".to_owned(), written, Memory::Fresh("user")));
        }
        Some(Value::Array(items)) => {
            let new = items.iter().rposition(is_model).map_or(0, |at| at + 1);
            for (index, item) in items.iter().enumerate() {
                item_slots(item, &entry("/input", index), index >= new, open, &mut names, &mut slots)?;
            }
        }
        _ => return unfit("/input", "is neither a text nor a list"),
    }
    let string = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Request {
        model: string("model"),
        tools,
        slots,
        stream: document.get("stream").and_then(Value::as_bool).unwrap_or_default(),
        continues: string("previous_response_id"),
    })
}

/// Whether an item is what the model wrote.
fn is_model(item: &Value) -> bool {
    match kind(item) {
        "message" => item.get("role").and_then(Value::as_str) == Some("assistant"),
        "function_call" | "custom_tool_call" | "reasoning" => true,
        other => hosted(other).is_some(),
    }
}

/// The type of an item; a message may leave it out.
fn kind(item: &Value) -> &str {
    match item.get("type").and_then(Value::as_str) {
        Some(kind) => kind,
        None if item.get("role").is_some() => "message",
        None => "",
    }
}

/// The type of the hosted tool that an item is of.
pub(crate) fn hosted(kind: &str) -> Option<&'static str> {
    match kind {
        "web_search_call" => Some("web_search"),
        "file_search_call" => Some("file_search"),
        "code_interpreter_call" => Some("code_interpreter"),
        "image_generation_call" => Some("image_generation"),
        _ => None,
    }
}

fn item_slots(
    item: &Value,
    at: &str,
    is_new: bool,
    open: &Openings,
    names: &mut Names,
    slots: &mut Vec<Slot>,
) -> Result<(), Unfit> {
    let read =
        |name: &str| Content::read(item.get(name).unwrap_or(&Value::Null), &below(at, name), PARTS, open);
    match kind(item) {
        "message" => {
            fields::only(item, at, &["type", "role", "content", "id", "status", "phase"])?;
            let (part, memory) = match item.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => (InputPart::Instructions, Memory::Known("instructions")),
                Some("user") if is_new => (InputPart::User, Memory::Fresh("user")),
                Some("user") => (InputPart::History, Memory::Known("user")),
                Some("assistant") => (InputPart::History, Memory::Known("model")),
                _ => return unfit(below(at, "role"), "is not system, developer, user or assistant"),
            };
            let content = read("content")?;
            // Each part of a model's message was decided about by itself.
            if part == InputPart::History {
                for (at, written) in content.texts {
                    slots.push(text(input(part), at, &written, memory));
                }
            } else {
                slots.extend(content.slot(input(part), memory));
            }
        }
        "function_call" | "custom_tool_call" => slots.push(past_call(item, at, names)?),
        "function_call_output" | "custom_tool_call_output" => {
            fields::only(item, at, &["type", "call_id", "output", "id", "status"])?;
            let Some(call) = item.get("call_id").and_then(Value::as_str) else {
                return unfit(below(at, "call_id"), "is missing");
            };
            // The call may stand in a response that this request continues: the session knows its tool.
            let tool = names.get(call).cloned().unwrap_or_default();
            let call = Some(call.to_owned());
            let body = |result| Body::ToolResult { tool, call, result };
            slots.extend(read("output")?.slot(body, Memory::Known("result")));
        }
        "reasoning" => {
            fields::only(item, at, &["type", "id", "summary", "content", "encrypted_content", "status"])?;
            for (at, written) in reasoning_texts(item, at)? {
                slots.push(text(input(InputPart::History), at, &written, Memory::Known("model")));
            }
        }
        "item_reference" => {
            return unfit(
                at,
                "refers to what the provider keeps, which the guard can't read: send the item itself",
            );
        }
        other if hosted(other).is_some_and(|kind| open.hosted.contains(kind)) => slots.push(Slot {
            body: input(InputPart::History)(item.clone()),
            place: Place::Value(at.to_owned()),
            memory: Memory::Known("hosted"),
        }),
        _ => return unfit(at, "is an item of a type that is not let through"),
    }
    Ok(())
}

/// Texts of a reasoning item. Its encrypted content is the provider's own, and sealed.
fn reasoning_texts(item: &Value, at: &str) -> Result<Vec<(String, String)>, Unfit> {
    let mut texts = Vec::new();
    for name in ["summary", "content"] {
        let at = below(at, name);
        for (index, part) in list(item.get(name), &at)?.iter().enumerate() {
            let at = format!("{at}/{index}");
            fields::only(part, &at, &["type", "text"])?;
            fields::words(part, &at, &["type"])?;
            let Some(written) = part.get("text").and_then(Value::as_str) else {
                return unfit(at, "is no text");
            };
            texts.push((below(&at, "text"), written.to_owned()));
        }
    }
    Ok(texts)
}

fn past_call(item: &Value, at: &str, names: &mut Names) -> Result<Slot, Unfit> {
    let read = call_at(item, at)?;
    names.insert(read.id.clone(), read.tool.clone());
    Ok(read.past())
}

fn call_at(item: &Value, at: &str) -> Result<Call, Unfit> {
    let string = |name: &str| item.get(name).and_then(Value::as_str);
    let is_custom = kind(item) == "custom_tool_call";
    let member = if is_custom { "input" } else { "arguments" };
    fields::only(item, at, &["type", "id", "call_id", "name", member, "status"])?;
    let Some(id) = string("call_id").filter(|id| !id.is_empty()) else {
        return unfit(below(at, "call_id"), "is missing");
    };
    fields::words(item, at, &["id", "call_id", "status"])?;
    let Some(tool) = string("name") else { return unfit(below(at, "name"), "is missing") };
    let Some(written) = string(member) else { return unfit(below(at, member), "is no text") };
    let (arguments, place) = if is_custom {
        (Ok(json!({ "input": written })), Place::Member(below(at, member), "input"))
    } else {
        (arguments(written), Place::Json(below(at, member)))
    };
    let (id, tool, text) = (id.to_owned(), tool.to_owned(), written.to_owned());
    Ok(Call { id, tool, arguments, text, place, at: at.to_owned(), choice: 0 })
}

/// Drops from a response what is not known, and says whether that was anything.
pub(super) fn drops(document: &mut Value) -> bool {
    fields::drops(document, RESPONSE)
}

/// Reads a response as an event of a stream has it, and drops from it what is not known.
pub(crate) fn of_event(document: &mut Value, open: &Openings) -> Result<Response, Unfit> {
    drops(document);
    response(document, open)
}

/// Reads a response from which what is not known was dropped.
pub(super) fn response(document: &Value, open: &Openings) -> Result<Response, Unfit> {
    let mut response = Response {
        id: document.get("id").and_then(Value::as_str).map(str::to_owned),
        tokens: inside(document, &["usage", "total_tokens"]).and_then(Value::as_u64),
        texts: fields::texts(document, &["output"]),
        ..Response::default()
    };
    let Some(Value::Array(items)) = document.get("output") else { return unfit("/output", "is no list") };
    let mut ids = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let at = entry("/output", index);
        output_item(item, &at, open, &mut response)?;
        if let Some(call) = response.calls.last().filter(|call| call.at == at)
            && !ids.insert(call.id.clone())
        {
            return unfit(call.at.clone(), "has the id of a call before it");
        }
    }
    Ok(response)
}

/// Reads one item of a response.
pub(crate) fn output_item(
    item: &Value,
    at: &str,
    open: &Openings,
    response: &mut Response,
) -> Result<(), Unfit> {
    match kind(item) {
        "message" => {
            fields::only(item, at, &["type", "id", "role", "status", "content", "phase"])?;
            fields::words(item, at, &["id", "role", "status", "phase"])?;
            for (index, part) in list(item.get("content"), &below(at, "content"))?.iter().enumerate() {
                let at = format!("{at}/content/{index}");
                let member = match part.get("type").and_then(Value::as_str) {
                    Some("output_text") => "text",
                    Some("refusal") => "refusal",
                    _ => return unfit(at, "is a part of a type that is not known here"),
                };
                fields::only(part, &at, &["type", member, "annotations", "logprobs"])?;
                if !is_absent(part.get("logprobs")) {
                    return unfit(below(&at, "logprobs"), "was not asked for");
                }
                let Some(written) = part.get(member).and_then(Value::as_str) else {
                    return unfit(below(&at, member), "is no text");
                };
                if !written.is_empty() {
                    response.add(0, text(output, below(&at, member), written, Memory::Known("model")));
                }
                if let Some(notes) = part.get("annotations").filter(|value| !is_absent(Some(value))) {
                    let place = Place::Value(below(&at, "annotations"));
                    response
                        .add(0, Slot { body: output(notes.clone()), place, memory: Memory::Fresh("note") });
                }
            }
        }
        "reasoning" => {
            fields::only(item, at, &["type", "id", "summary", "content", "encrypted_content", "status"])?;
            fields::words(item, at, &["id", "status"])?;
            if let Some(sealed) = item.get("encrypted_content").filter(|value| !value.is_null())
                && sealed.as_str().is_none_or(|text| !text.bytes().all(|byte| byte.is_ascii_graphic()))
            {
                return unfit(below(at, "encrypted_content"), "is not encrypted");
            }
            for (at, written) in reasoning_texts(item, at)? {
                response.add(0, text(output, at, &written, Memory::Known("model")));
            }
        }
        "function_call" | "custom_tool_call" => response.calls.push(call_at(item, at)?),
        other => {
            let Some(tool) = hosted(other).filter(|kind| open.hosted.contains(*kind)) else {
                return unfit(at, "is an item of a type that was not asked for");
            };
            // It has run at the provider already: what it was and gave is decided about, and refused as a whole.
            let call = item.get("id").and_then(Value::as_str).map(str::to_owned);
            let arguments = match item.get("action") {
                Some(Value::Object(action)) => Value::Object(action.clone()),
                _ => json!({}),
            };
            let place = Place::Texts(Vec::new());
            let body = Body::ToolCall { tool: tool.to_owned(), call: call.clone(), arguments };
            response.add(0, Slot { body, place, memory: Memory::Fresh("note") });
            let body = Body::ToolResult { tool: tool.to_owned(), call, result: item.clone() };
            response
                .add(0, Slot { body, place: Place::Value(at.to_owned()), memory: Memory::Known("hosted") });
        }
    }
    Ok(())
}

/// Puts a refusal in the place of everything that the model gave.
pub(crate) fn deny(document: &mut Value, why: &str) {
    let id = document.get("id").and_then(Value::as_str).unwrap_or("resp").to_owned();
    if let Some(response) = document.as_object_mut() {
        response.insert("output".to_owned(), json!([refusal(&id, why)]));
        response.insert("status".to_owned(), json!("incomplete"));
        response.insert("incomplete_details".to_owned(), json!({ "reason": "content_filter" }));
        response.remove("completed_at");
    }
}

/// A message that says why something else does not stand there.
pub(crate) fn refusal(response: &str, why: &str) -> Value {
    json!({
        "type": "message", "id": format!("msg_refused_{response}"), "role": "assistant", "status": "completed",
        "content": [{ "type": "refusal", "refusal": why }],
    })
}

/// Takes refused calls out; where none and no message remains, a refusal says why.
pub(crate) fn without_calls(document: &mut Value, gone: &BTreeSet<String>, why: &str) {
    let id = document.get("id").and_then(Value::as_str).unwrap_or("resp").to_owned();
    let Some(Value::Array(items)) = document.get_mut("output") else { return };
    items.retain(|item| item.get("call_id").and_then(Value::as_str).is_none_or(|id| !gone.contains(id)));
    if !items.iter().any(|item| kind(item) != "reasoning") {
        items.push(refusal(&id, why));
        if let Some(response) = document.as_object_mut() {
            response.insert("status".to_owned(), json!("incomplete"));
            response.insert("incomplete_details".to_owned(), json!({ "reason": "content_filter" }));
        }
    }
}
