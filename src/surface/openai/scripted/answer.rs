//! A step of a script as each API says it.

use serde_json::{Value, json};

use super::Step;
use crate::surface::openai::wire::{Api, set};

/// Characters of one piece of a stream.
const PIECE: usize = 7;

/// Tokens: words, more or less.
fn tokens(step: &Step) -> u64 {
    let calls: usize = step.call.iter().map(|call| call.arguments.to_string().len()).sum();
    ((step.say.len() + calls) / 4 + 8) as u64
}

fn call_id(number: u64, index: usize) -> String {
    format!("call_{number}_{index}")
}

/// The model that a request names.
fn model(request: &Value) -> &str {
    request.get("model").and_then(Value::as_str).unwrap_or("scripted")
}

/// The whole answer to a request.
pub(super) fn whole(api: Api, step: &Step, number: u64, request: &Value) -> Value {
    let model = model(request);
    match api {
        Api::Chat => chat(step, number, model),
        Api::Responses => response(step, number, model, "completed"),
    }
}

fn chat(step: &Step, number: u64, model: &str) -> Value {
    let mut message = json!({ "role": "assistant", "content": null, "refusal": null });
    if !step.say.is_empty() || step.call.is_empty() {
        set(&mut message, "content", json!(step.say));
    }
    if !step.call.is_empty() {
        let calls = step.call.iter().enumerate().map(|(index, call)| {
            let function = json!({ "name": call.tool, "arguments": call.arguments.to_string() });
            json!({ "id": call_id(number, index), "type": "function", "function": function })
        });
        set(&mut message, "tool_calls", calls.collect());
    }
    let finish = if step.call.is_empty() { "stop" } else { "tool_calls" };
    json!({
        "id": format!("chatcmpl-{number}"), "object": "chat.completion", "created": 1_760_000_000, "model": model,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": usage(step),
    })
}

fn usage(step: &Step) -> Value {
    json!({ "prompt_tokens": 10, "completion_tokens": tokens(step), "total_tokens": 10 + tokens(step) })
}

fn text_part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn message(step: &Step, number: u64) -> Value {
    json!({
        "type": "message", "id": format!("msg_{number}"), "role": "assistant", "status": "completed",
        "content": [text_part(&step.say)],
    })
}

fn function_call(step: &Step, number: u64, index: usize) -> Option<Value> {
    let call = step.call.get(index)?;
    Some(json!({
        "type": "function_call", "id": format!("fc_{number}_{index}"), "call_id": call_id(number, index),
        "name": call.tool, "arguments": call.arguments.to_string(), "status": "completed",
    }))
}

fn items(step: &Step, number: u64) -> Vec<Value> {
    let said = (!step.say.is_empty() || step.call.is_empty()).then(|| message(step, number));
    let calls = (0..step.call.len()).filter_map(|index| function_call(step, number, index));
    said.into_iter().chain(calls).collect()
}

fn response(step: &Step, number: u64, model: &str, status: &str) -> Value {
    let output = if status == "completed" { items(step, number) } else { Vec::new() };
    let mut response = json!({
        "id": format!("resp_{number}"), "object": "response", "created_at": 1_760_000_000, "status": status,
        "model": model, "output": output, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
    });
    if status == "completed" {
        let usage = json!({
            "input_tokens": 10, "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 }, "output_tokens": tokens(step),
            "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 10 + tokens(step),
        });
        set(&mut response, "usage", usage);
    }
    response
}

fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(PIECE).map(|piece| piece.iter().collect()).collect()
}

/// The answer to a request as events, as they stand on the wire.
pub(super) fn streamed(api: Api, step: &Step, number: u64, request: &Value) -> String {
    let model = model(request);
    match api {
        Api::Chat => {
            let mut chunks = chunks(step, number, model);
            if request.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true) {
                let mut last = chunk(number, model, json!([]));
                set(&mut last, "usage", usage(step));
                chunks.push(last);
            }
            let mut text: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
            text.push_str("data: [DONE]\n\n");
            text
        }
        Api::Responses => {
            let events = events(step, number, model).into_iter().enumerate().map(|(sequence, mut event)| {
                set(&mut event, "sequence_number", json!(sequence));
                let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
                format!("event: {kind}\ndata: {event}\n\n")
            });
            events.collect()
        }
    }
}

fn chunk(number: u64, model: &str, choices: Value) -> Value {
    json!({
        "id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "created": 1_760_000_000,
        "model": model, "choices": choices,
    })
}

fn chunks(step: &Step, number: u64, model: &str) -> Vec<Value> {
    let chunk = |delta: Value, finish: Value| {
        chunk(number, model, json!([{ "index": 0, "delta": delta, "finish_reason": finish }]))
    };
    let mut chunks = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    chunks.extend(pieces(&step.say).into_iter().map(|text| chunk(json!({ "content": text }), Value::Null)));
    for (index, call) in step.call.iter().enumerate() {
        let function = json!({ "name": call.tool, "arguments": "" });
        let begin =
            json!({ "index": index, "id": call_id(number, index), "type": "function", "function": function });
        chunks.push(chunk(json!({ "tool_calls": [begin] }), Value::Null));
        for text in pieces(&call.arguments.to_string()) {
            let part = json!({ "index": index, "function": { "arguments": text } });
            chunks.push(chunk(json!({ "tool_calls": [part] }), Value::Null));
        }
    }
    let finish = if step.call.is_empty() { "stop" } else { "tool_calls" };
    chunks.push(chunk(json!({}), json!(finish)));
    chunks
}

fn events(step: &Step, number: u64, model: &str) -> Vec<Value> {
    let begun = response(step, number, model, "in_progress");
    let mut events = vec![
        json!({ "type": "response.created", "response": begun }),
        json!({ "type": "response.in_progress", "response": begun }),
    ];
    for (at, item) in items(step, number).into_iter().enumerate() {
        let id = item.get("id").cloned().unwrap_or_default();
        let mut begun = item.clone();
        set(&mut begun, "status", json!("in_progress"));
        if item.get("type").and_then(Value::as_str) == Some("message") {
            set(&mut begun, "content", json!([]));
            let place =
                |kind: &str| json!({ "type": kind, "item_id": id, "output_index": at, "content_index": 0 });
            let with = |kind: &str, name: &str, value: Value| {
                let mut event = place(kind);
                set(&mut event, name, value);
                event
            };
            events.push(json!({ "type": "response.output_item.added", "output_index": at, "item": begun }));
            events.push(with("response.content_part.added", "part", text_part("")));
            let deltas = pieces(&step.say);
            let texts =
                deltas.into_iter().map(|text| with("response.output_text.delta", "delta", json!(text)));
            let texts = texts.chain([with("response.output_text.done", "text", json!(step.say))]);
            events.extend(texts.map(|mut event| {
                set(&mut event, "logprobs", json!([]));
                event
            }));
            events.push(with("response.content_part.done", "part", text_part(&step.say)));
        } else {
            let written = item.get("arguments").and_then(Value::as_str).unwrap_or_default().to_owned();
            set(&mut begun, "arguments", json!(""));
            let kind = "response.function_call_arguments";
            events.push(json!({ "type": "response.output_item.added", "output_index": at, "item": begun }));
            events.extend(pieces(&written).into_iter().map(|text| {
                json!({ "type": format!("{kind}.delta"), "item_id": id, "output_index": at, "delta": text })
            }));
            events.push(json!({
                "type": format!("{kind}.done"), "item_id": id, "output_index": at, "arguments": written,
                "name": item.get("name"),
            }));
        }
        events.push(json!({ "type": "response.output_item.done", "output_index": at, "item": item }));
    }
    events.push(
        json!({ "type": "response.completed", "response": response(step, number, model, "completed") }),
    );
    events
}
