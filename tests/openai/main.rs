//! The guarded client, through the real SDK and over the wire, against a server that says what it is told.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests too"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_openai::config::OpenAIConfig;
use futures_util::StreamExt;
use ringfence::surface::openai::scripted::{ScriptedCall, ScriptedServer, Step};
use ringfence::surface::openai::{Api, ClientBuilder, GuardedAgent, GuardedClient, Tools};
use ringfence::{Bundle, CompileOptions, Engine, User, compile};
use serde_json::{Value, json};

/// What the SDK gives for a request: one document, or its events.
macro_rules! ask {
    ($client:expr, $api:expr, $request:expr, $streamed:expr) => {{
        let (client, request): (_, serde_json::Value) = (&$client, $request);
        match ($api, $streamed) {
            (crate::Api::Chat, false) => crate::whole(client.chat().create(crate::read(request)).await),
            (crate::Api::Responses, false) => {
                crate::whole(client.responses().create(crate::read(request)).await)
            }
            (crate::Api::Chat, true) => {
                crate::collect(client.chat().create_stream(crate::read(request)).await).await
            }
            (crate::Api::Responses, true) => {
                crate::collect(client.responses().create_stream(crate::read(request)).await).await
            }
        }
    }};
}

mod anywhere;
mod exchange;
mod fidelity;
mod hosted;
mod hostile;
mod run;
mod sdk;
mod services;
mod sessions;
mod stream;
mod transport;

/// Everything is allowed and nothing is looked for. No time limit, as in the other: tests run on busy machines.
const ALLOW_ALL: &[(&str, &str)] = &[
    (
        "ringfence.yaml",
        "name: open\nversion: 1\nlimits: { decide_ms: 10000 }\nunlisted_tools: { in: [any] }\n",
    ),
    (
        "directory.yaml",
        "roles: [{ name: user }]\nagents: [{ name: bot }]\nmodels: [m]\ntoolsets: [{ name: any }]\n",
    ),
    (
        "a.cedar",
        "@id(\"all\") permit(principal, action in [Action::\"run_agent\", Action::\"send_input\", Action::\"send_output\", Action::\"read_result\", Action::\"call_unlisted_tool\"], resource);",
    ),
];

/// One tool, a few rules of every action.
const STRICT: &[(&str, &str)] = &[
    (
        "ringfence.yaml",
        "name: strict\nversion: 1\nlimits: { turns: 5, decide_ms: 10000 }\nfacts: { moderation: { type: scores, missing: deny } }\n",
    ),
    (
        "directory.yaml",
        "roles: [{ name: user }, { name: boss, in: [user] }]\nagents: [{ name: bot }]\nmodels: [m]\ntoolsets: [{ name: set }]\n\
         labels: [private]\n",
    ),
    (
        "tools.yaml",
        "tools:\n  - { name: note, in: [set], reads: [private], input: { type: object, required: [text], properties: { text: { type: string, maxLength: 60 } } } }\n  \
         - { name: pay, in: [set], input: { type: object, required: [amount], properties: { amount: { type: integer } } } }\n",
    ),
    (
        "a.cedar",
        "@id(\"all\") permit(principal in Role::\"user\", action in [Action::\"run_agent\", Action::\"send_input\", Action::\"send_output\", Action::\"read_result\", Action::\"note\"], resource);\n\
         @id(\"pays\") permit(principal in Role::\"boss\", action == Action::\"pay\", resource);\n\
         @id(\"asks\") @effect(\"ask\") forbid(principal, action == Action::\"pay\", resource) when { context.input.amount > 10 };\n\
         @id(\"creates\") permit(principal in Role::\"boss\", action == Action::\"create_agent\", resource in AgentGroup::\"new\");\n\
         @id(\"secrets-pass\") permit(principal in Role::\"boss\", action == Action::\"waive\", resource == Rule::\"p/code\");\n\
         @id(\"sees\") permit(principal in Role::\"boss\", action == Action::\"reveal\", resource == Rule::\"p/mail\");",
    ),
    (
        "packs/p.yaml",
        "pack: p\nstages: [input, tool_call, tool_result, output]\naction: redact\nrules:\n  \
         - { id: card, find: { pattern: 'card \\d{4}( \\d{4}){0,3}' }, replace: '[CARD]' }\n  \
         - { id: code, find: { pattern: 'code-[a-z]{3,9}' }, replace: '[CODE]' }\n  \
         - { id: mail, find: { pattern: '[a-z]{1,20}@[a-z]{1,20}\\.example' }, replace: { pseudonym: MAIL } }\n  \
         - { id: order, action: deny, find: { phrases: [ignore all rules] }, message: 'Not passed on.' }\n",
    ),
];

fn engine(files: &[(&str, &str)]) -> Engine {
    let bundle = Bundle::from_sources("test", files.iter().copied());
    let options = CompileOptions::default().with_key("a key of the host's own");
    compile(&bundle, &options).unwrap_or_else(|error| panic!("{:#?}", error.diagnostics)).engine
}

fn config(server: &ScriptedServer) -> OpenAIConfig {
    OpenAIConfig::new().with_api_base(server.base()).with_api_key("k")
}

fn builder(files: &[(&str, &str)], server: &ScriptedServer) -> ClientBuilder {
    GuardedClient::builder(engine(files), &config(server)).unwrap().answers(
        4 << 20,
        Duration::from_secs(20),
        Duration::from_secs(10),
    )
}

fn agent_of(builder: ClientBuilder, role: &str) -> GuardedAgent {
    builder.build().unwrap().as_user(User::new("ann", [role])).agent("bot")
}

fn say(text: &str) -> Step {
    Step { say: text.to_owned(), call: Vec::new() }
}

fn call(tool: &str, arguments: Value) -> Step {
    Step { say: String::new(), call: vec![ScriptedCall { tool: tool.to_owned(), arguments }] }
}

async fn serve(steps: impl IntoIterator<Item = Step>) -> ScriptedServer {
    ScriptedServer::start(steps).await.unwrap()
}

fn tool(api: Api, name: &str) -> Value {
    let function = json!({ "name": name, "description": "a tool", "parameters": { "type": "object", "properties": { "text": { "type": "string" } } } });
    match api {
        Api::Chat => json!({ "type": "function", "function": function }),
        Api::Responses => {
            json!({ "type": "function", "name": name, "parameters": function["parameters"], "strict": false })
        }
    }
}

/// A request with one message and two tools.
fn request(api: Api, text: &str, more: &Value) -> Value {
    let tools = json!([tool(api, "note"), tool(api, "pay")]);
    let mut request = match api {
        Api::Chat => {
            json!({ "model": "m", "messages": [{ "role": "user", "content": text }], "tools": tools })
        }
        Api::Responses => json!({ "model": "m", "input": text, "tools": tools }),
    };
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

type Outcome = Result<Vec<Value>, async_openai::error::OpenAIError>;

/// A request as the SDK's own type.
fn read<T: serde::de::DeserializeOwned>(request: Value) -> T {
    serde_json::from_value(request).unwrap()
}

fn whole<T: serde::Serialize>(answer: Result<T, async_openai::error::OpenAIError>) -> Outcome {
    answer.map(|answer| vec![serde_json::to_value(answer).unwrap()])
}

async fn collect<T, S>(stream: Result<S, async_openai::error::OpenAIError>) -> Outcome
where
    T: serde::Serialize,
    S: futures_util::Stream<Item = Result<T, async_openai::error::OpenAIError>> + Unpin,
{
    let mut stream = stream?;
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(serde_json::to_value(event?).unwrap());
    }
    Ok(events)
}

async fn asked(agent: &GuardedAgent, api: Api, streamed: bool, text: &str) -> Outcome {
    ask!(agent, api, request(api, text, &json!({})), streamed)
}

/// Text, refusal and calls of an answer, from whichever copies there are; all must agree.
fn said(api: Api, events: &[Value]) -> (String, String, Vec<(String, String)>) {
    let (mut text, mut refusal) = (String::new(), String::new());
    let mut calls: Vec<(String, String)> = Vec::new();
    match api {
        Api::Chat => {
            for event in events {
                for choice in event["choices"].as_array().unwrap() {
                    let part = choice.get("message").or_else(|| choice.get("delta")).unwrap();
                    text.push_str(part["content"].as_str().unwrap_or_default());
                    refusal.push_str(part["refusal"].as_str().unwrap_or_default());
                    for call in part["tool_calls"].as_array().into_iter().flatten() {
                        let function = &call["function"];
                        if let Some(name) = function["name"].as_str() {
                            calls.push((name.to_owned(), String::new()));
                        }
                        calls
                            .last_mut()
                            .unwrap()
                            .1
                            .push_str(function["arguments"].as_str().unwrap_or_default());
                    }
                }
            }
        }
        Api::Responses => {
            let last = events.last().unwrap();
            let response = last.get("response").unwrap_or(last);
            for item in response["output"].as_array().unwrap() {
                for part in item["content"].as_array().into_iter().flatten() {
                    text.push_str(part["text"].as_str().unwrap_or_default());
                    refusal.push_str(part["refusal"].as_str().unwrap_or_default());
                }
                if let Some(name) = item["name"].as_str() {
                    calls.push((name.to_owned(), item["arguments"].as_str().unwrap().to_owned()));
                }
            }
            if events.len() > 1 {
                let of = |kind: &str, name: &str| -> String {
                    let events = events.iter().filter(|event| event["type"] == kind);
                    events.map(|event| event[name].as_str().unwrap()).collect()
                };
                assert_eq!(of("response.output_text.delta", "delta"), text);
                assert_eq!(of("response.refusal.delta", "delta"), refusal);
                let numbers = events.iter().map(|event| event["sequence_number"].as_u64().unwrap());
                assert_eq!(numbers.collect::<Vec<_>>(), (0..events.len() as u64).collect::<Vec<_>>());
                for event in events.iter().filter(|event| event["type"] == "response.output_item.done") {
                    assert_eq!(
                        event["item"],
                        response["output"][event["output_index"].as_u64().unwrap() as usize]
                    );
                }
            }
        }
    }
    (text, refusal, calls)
}

/// Both APIs, streamed and not.
const WAYS: [(Api, bool); 4] =
    [(Api::Chat, false), (Api::Chat, true), (Api::Responses, false), (Api::Responses, true)];

fn raw_stream(events: &[Value], api: Api) -> String {
    let mut text: String = events
        .iter()
        .map(|event| match event["type"].as_str() {
            Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
            None => format!("data: {event}\n\n"),
        })
        .collect();
    if api == Api::Chat {
        text.push_str("data: [DONE]\n\n");
    }
    text
}

/// A text as events, cut at these places.
fn cut(api: Api, pieces: &[String]) -> String {
    let whole: String = pieces.concat();
    let mut events = Vec::new();
    match api {
        Api::Chat => {
            let chunk = |delta: Value, finish: Value| {
                json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
            };
            events.push(chunk(json!({ "role": "assistant", "content": "" }), Value::Null));
            events.extend(pieces.iter().map(|piece| chunk(json!({ "content": piece }), Value::Null)));
            events.push(chunk(json!({}), json!("stop")));
        }
        Api::Responses => {
            let response = |status: &str, output: Value| json!({ "id": "r", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output });
            let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
            let item = |status: &str, content: Value| json!({ "type": "message", "id": "i", "role": "assistant", "status": status, "content": content });
            let place = |kind: &str, name: &str, value: Value| json!({ "type": kind, "item_id": "i", "output_index": 0, "content_index": 0, name: value });
            events
                .push(json!({ "type": "response.created", "response": response("in_progress", json!([])) }));
            let begun = item("in_progress", json!([]));
            events.push(json!({ "type": "response.output_item.added", "output_index": 0, "item": begun }));
            events.push(place("response.content_part.added", "part", part("")));
            events.extend(
                pieces.iter().map(|piece| place("response.output_text.delta", "delta", json!(piece))),
            );
            events.push(place("response.output_text.done", "text", json!(whole)));
            events.push(place("response.content_part.done", "part", part(&whole)));
            let done = item("completed", json!([part(&whole)]));
            events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": done }));
            events.push(
                json!({ "type": "response.completed", "response": response("completed", json!([done])) }),
            );
            for (number, event) in events.iter_mut().enumerate() {
                event["sequence_number"] = json!(number);
            }
        }
    }
    raw_stream(&events, api)
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Note {
    /// What is noted.
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Pay {
    amount: i64,
}

fn tools(ran: &Arc<Mutex<Vec<String>>>) -> Tools {
    let (notes, pays) = (Arc::clone(ran), Arc::clone(ran));
    Tools::new()
        .function("note", "Notes a text", move |note: Note| {
            notes.lock().unwrap().push(format!("note {}", note.text));
            std::future::ready(Ok::<_, String>(format!("noted for kim@post.example: {}", note.text)))
        })
        .function("pay", "Pays", move |pay: Pay| {
            pays.lock().unwrap().push(format!("pay {}", pay.amount));
            std::future::ready(if pay.amount < 0 {
                Err("not a sum")
            } else {
                Ok(json!({ "paid": pay.amount }))
            })
        })
}

/// An answer that calls `note` with these arguments.
fn whole_call(api: Api, arguments: &str) -> String {
    let answer = match api {
        Api::Chat => {
            let call = json!({ "id": "c1", "type": "function", "function": { "name": "note", "arguments": arguments } });
            let message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
            json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m",
                    "choices": [{ "index": 0, "message": message, "finish_reason": "tool_calls" }] })
        }
        Api::Responses => {
            let item = json!({ "type": "function_call", "id": "f", "call_id": "c1", "name": "note", "arguments": arguments, "status": "completed" });
            json!({ "id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [item] })
        }
    };
    answer.to_string()
}

/// The same as events, its arguments cut at these places.
fn cut_call(api: Api, pieces: &[String]) -> String {
    let mut events = Vec::new();
    match api {
        Api::Chat => {
            let chunk = |delta: Value, finish: Value| {
                json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
            };
            let part = |part: Value| chunk(json!({ "tool_calls": [part] }), Value::Null);
            events.push(part(
                json!({ "index": 0, "id": "c1", "type": "function", "function": { "name": "note", "arguments": "" } }),
            ));
            events.extend(
                pieces.iter().map(|piece| part(json!({ "index": 0, "function": { "arguments": piece } }))),
            );
            events.push(chunk(json!({}), json!("tool_calls")));
        }
        Api::Responses => {
            let whole: Value = serde_json::from_str(&whole_call(api, &pieces.concat())).unwrap();
            let mut begun = whole["output"][0].clone();
            begun["arguments"] = json!("");
            begun["status"] = json!("in_progress");
            let created = json!({ "id": "r", "object": "response", "created_at": 1, "status": "in_progress", "model": "m", "output": [] });
            let kind = "response.function_call_arguments";
            events.push(json!({ "type": "response.created", "response": created }));
            events.push(json!({ "type": "response.output_item.added", "output_index": 0, "item": begun }));
            events.extend(pieces.iter().map(|piece| {
                json!({ "type": format!("{kind}.delta"), "item_id": "f", "output_index": 0, "delta": piece })
            }));
            events.push(json!({ "type": format!("{kind}.done"), "item_id": "f", "output_index": 0, "name": "note", "arguments": pieces.concat() }));
            events.push(
                json!({ "type": "response.output_item.done", "output_index": 0, "item": whole["output"][0] }),
            );
            events.push(json!({ "type": "response.completed", "response": whole }));
            for (number, event) in events.iter_mut().enumerate() {
                event["sequence_number"] = json!(number);
            }
        }
    }
    raw_stream(&events, api)
}
