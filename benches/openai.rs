//! What the guard adds to an exchange: a request of 2 KB with a tool, answered by a tool call, and a stream of text; without a network,
//! and over loopback. And what is held of many sessions.
//!
//! `cargo bench --bench openai`, with `-- exchange`, `-- stream`, `-- verdicts`, `-- loopback` or `-- sessions` behind it only that;
//! `RINGFENCE_EXCHANGES` says how many. Each exchange is made with and without the guard, in turn, with the SDK and the same transport
//! below; what counts is the difference of the medians.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

use std::time::{Duration, Instant};

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::CreateChatCompletionRequest;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use ringfence::event::{Body, InputPart};
use ringfence::surface::openai::scripted::{ScriptedCall, ScriptedServer, Step};
use ringfence::surface::openai::{AsUser, GuardedClient};
use ringfence::{Engine, Event, Guard, User};
use serde_json::json;

const STREAMS: usize = 100;
/// Exchanges in a session that goes on, and as many in sessions of their own.
const OF_A_SESSION: usize = 20;
/// Characters of one delta.
const PIECE: usize = 7;
/// Sessions after which memory has settled, and how many there are in all.
const SESSIONS: [usize; 2] = [1000, 10_000];

fn exchanges() -> usize {
    std::env::var("RINGFENCE_EXCHANGES").ok().and_then(|number| number.parse().ok()).unwrap_or(2000)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Bytes of memory that the process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn request(number: usize) -> CreateChatCompletionRequest {
    let text =
        format!("Question {number}: {}", "what has become of the order that I wrote about? ".repeat(40));
    serde_json::from_value(json!({
        "model": "gpt-5", "messages": [{ "role": "user", "content": text }],
        "tools": [{ "type": "function", "function": { "name": "read_file", "parameters": { "type": "object" } } }],
    }))
    .unwrap()
}

/// The SDK's client with the guard around it, and without.
struct Both {
    user: AsUser,
    plain: Client<OpenAIConfig>,
}

impl Both {
    /// With and without the guard, in turn: the first exchange of a session, and those behind it. `ready` is told before each.
    async fn exchanges(&self, what: &str, ready: impl Fn()) {
        let (mut first, mut later, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for session in 0..exchanges() / OF_A_SESSION {
            let agent = self.user.agent("assistant");
            for number in 0..OF_A_SESSION {
                let number = session * OF_A_SESSION + number;
                // A session of its own for every other one, so that there are as many of either.
                let fresh = number.is_multiple_of(2).then(|| self.user.agent("assistant"));
                let (agent, times) = match &fresh {
                    Some(fresh) => (fresh, &mut first),
                    None => (&agent, &mut later),
                };
                ready();
                let asked = request(number);
                let started = Instant::now();
                agent.chat().create(asked).await.unwrap();
                times.push(started.elapsed());
                ready();
                let asked = request(number);
                let started = Instant::now();
                self.plain.chat().create(asked).await.unwrap();
                without.push(started.elapsed());
            }
        }
        let (first, later, without) = (median(first), median(later), median(without));
        println!(
            "exchange {what}: {without:?} without; with the guard {:?} more, {:?} more in a session that goes on",
            first.saturating_sub(without),
            later.saturating_sub(without)
        );
    }

    async fn streams(&self, what: &str, deltas: u32, ready: impl Fn()) {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for number in 0..STREAMS {
            ready();
            let started = Instant::now();
            let agent = self.user.agent("assistant");
            let mut stream = agent.chat().create_stream(request(number)).await.unwrap();
            while let Some(chunk) = stream.next().await {
                chunk.unwrap();
            }
            with.push(started.elapsed());
            ready();
            let started = Instant::now();
            let mut stream = self.plain.chat().create_stream(request(number)).await.unwrap();
            while let Some(chunk) = stream.next().await {
                chunk.unwrap();
            }
            without.push(started.elapsed());
        }
        let (with, without) = (median(with), median(without));
        let more = with.saturating_sub(without) / deltas;
        println!(
            "stream of {deltas} deltas {what}: {without:?} without, {with:?} with the guard: {more:?} more per delta"
        );
    }
}

/// Answers every request with the same pieces.
#[derive(Clone)]
struct Fixed {
    kind: &'static str,
    pieces: Vec<Bytes>,
}

impl tower::Service<HttpRequestFactory> for Fixed {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<reqwest::Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let Self { kind, pieces } = self.clone();
        Box::pin(async move {
            std::hint::black_box(factory.build().await?);
            let body = match &*pieces {
                [whole] => reqwest::Body::from(whole.clone()),
                _ => {
                    let pieces = pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
                    reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
                }
            };
            Ok(http::Response::builder().header("content-type", kind).body(body).unwrap().into())
        })
    }
}

fn in_memory(kind: &'static str, pieces: Vec<Bytes>) -> Both {
    let config = OpenAIConfig::new().with_api_key("k");
    let fixed = Fixed { kind, pieces };
    let client = GuardedClient::builder(Engine::embedded().unwrap(), &config).unwrap();
    let client = client.transport(fixed.clone()).build().unwrap();
    let plain = Client::with_config(config).with_http_service(fixed);
    Both { user: client.as_user(ann()), plain }
}

fn ann() -> User {
    User::new("ann", ["user"])
}

/// The answer with a tool call.
fn answer() -> Bytes {
    let call = json!({
        "id": "call_1_0", "type": "function",
        "function": { "name": "read_file", "arguments": "{\"path\":\"orders/4711.txt\"}" },
    });
    let message = json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": [call] });
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-5",
        "choices": [{ "index": 0, "message": message, "finish_reason": "tool_calls" }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 15, "total_tokens": 25 },
    });
    answer.to_string().into()
}

/// A text as events, seven characters each.
fn events(text: &str) -> Vec<Bytes> {
    let event = |delta: serde_json::Value, finish: Option<&str>| {
        let event = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "gpt-5",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        Bytes::from(format!("data: {event}\n\n"))
    };
    let pieces = text.as_bytes().chunks(PIECE).map(|piece| std::str::from_utf8(piece).unwrap());
    std::iter::once(event(json!({ "role": "assistant", "content": "" }), None))
        .chain(pieces.map(|piece| event(json!({ "content": piece }), None)))
        .chain([event(json!({}), Some("stop")), Bytes::from_static(b"data: [DONE]\n\n")])
        .collect()
}

/// The four events of an exchange, one behind the other, with nothing between that would take the caches from them.
fn verdicts(guard: &Guard) {
    let mut verdicts = Vec::new();
    for number in 0..exchanges() {
        let session = format!("v{number}");
        let document = serde_json::to_value(request(number)).unwrap();
        let tools = vec!["read_file".to_owned()];
        let offered = Event::run(&*session, ann(), "assistant", Some("gpt-5".to_owned()), tools);
        let mut tool = Event::input(&*session, ann(), "assistant", document["tools"][0].clone());
        if let Body::Input { part, .. } = &mut tool.body {
            *part = InputPart::Instructions;
        }
        let asked = Event::input(&*session, ann(), "assistant", document["messages"][0]["content"].clone());
        let path = json!({ "path": "orders/4711.txt" });
        let call = Event::tool_call(&*session, ann(), "assistant", "read_file", path);
        let started = Instant::now();
        for event in [&offered, &tool, &asked, &call] {
            assert!(guard.check(event).is_allowed());
        }
        verdicts.push(started.elapsed());
        guard.end_session(&session).unwrap();
    }
    println!("its four verdicts alone: {:?}", median(verdicts));
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let chosen = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_chosen = |section: &str| chosen.as_deref().is_none_or(|chosen| chosen == section);

    let call = ScriptedCall { tool: "read_file".to_owned(), arguments: json!({ "path": "orders/4711.txt" }) };
    let calls = Step { say: String::new(), call: vec![call] };
    let long = Step { say: "The order was sent, and all of it is well. ".repeat(150), call: Vec::new() };
    // The server cuts text into pieces of as many characters.
    let deltas = long.say.len().div_ceil(PIECE) as u32;

    if is_chosen("exchange") {
        in_memory("application/json", vec![answer()]).exchanges("in memory", || {}).await;
    }
    if is_chosen("stream") {
        in_memory("text/event-stream", events(&long.say)).streams("in memory", deltas, || {}).await;
    }
    if is_chosen("verdicts") {
        verdicts(&Guard::new(Engine::embedded().unwrap()));
    }

    let server = ScriptedServer::start([]).await.unwrap();
    let config = OpenAIConfig::new().with_api_base(server.base()).with_api_key("k");
    let client = GuardedClient::new(Engine::embedded().unwrap(), &config).unwrap();
    let user = client.as_user(ann());
    let both = Both { user: user.clone(), plain: Client::with_config(config) };
    if is_chosen("loopback") {
        both.exchanges("over loopback", || server.then(calls.clone())).await;
        both.streams("over loopback", deltas, || server.then(long.clone())).await;
    }
    if !is_chosen("sessions") {
        return;
    }

    let [settled, all] = SESSIONS;
    for (what, name) in [("one after the other", None), ("with names, all held", Some("s"))] {
        let mut before = 0;
        for number in 0..all {
            server.then(calls.clone());
            let agent = match name {
                None => user.agent("assistant"),
                Some(name) => user.agent_in("assistant", format!("{name}{number}")),
            };
            agent.chat().create(request(number)).await.unwrap();
            drop(server.take_requests());
            if number + 1 == settled {
                before = resident();
            }
        }
        println!(
            "sessions {what}: from {settled} to {all}, {} KiB more; {} held",
            resident().saturating_sub(before) / 1024,
            client.guard().held_sessions()
        );
    }
}
