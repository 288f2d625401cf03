//! What the guard adds to an exchange over loopback: a request of 2 KB with a tool, answered by a tool call, and a stream of text; and
//! what is held of many sessions.
//!
//! `cargo bench --bench openai`. Each exchange is made with and without the guard, in turn; what counts is the difference of
//! the medians.

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
use async_openai::types::chat::CreateChatCompletionRequest;
use futures_util::StreamExt;
use ringfence::event::{Body, InputPart};
use ringfence::surface::openai::GuardedClient;
use ringfence::surface::openai::scripted::{ScriptedCall, ScriptedServer, Step};
use ringfence::{Engine, Event, User};
use serde_json::json;

const EXCHANGES: usize = 2000;
const STREAMS: usize = 100;
/// Sessions after which memory has settled, and how many there are in all.
const SESSIONS: [usize; 2] = [1000, 10_000];

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

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let call = ScriptedCall { tool: "read_file".to_owned(), arguments: json!({ "path": "orders/4711.txt" }) };
    let calls = Step { say: String::new(), call: vec![call] };
    let long = Step { say: "The order was sent, and all of it is well. ".repeat(150), call: Vec::new() };
    // The server cuts text into pieces of seven characters.
    let deltas = long.say.chars().count().div_ceil(7) as u32;

    let server = ScriptedServer::start([]).await.unwrap();
    let config = OpenAIConfig::new().with_api_base(server.base()).with_api_key("k");
    let client = GuardedClient::new(Engine::embedded().unwrap(), &config).unwrap();
    let plain = Client::with_config(config);
    let user = client.as_user(User::new("ann", ["user"]));

    let (mut with, mut without) = (Vec::new(), Vec::new());
    for number in 0..EXCHANGES {
        server.then(calls.clone());
        server.then(calls.clone());
        let agent = user.agent("assistant");
        let started = Instant::now();
        agent.chat().create(request(number)).await.unwrap();
        with.push(started.elapsed());
        let started = Instant::now();
        plain.chat().create(request(number)).await.unwrap();
        without.push(started.elapsed());
    }
    let (with, without) = (median(with), median(without));
    println!(
        "exchange: {without:?} without, {with:?} with the guard: {:?} more",
        with.saturating_sub(without)
    );

    // The same four events, one behind the other, with nothing between that would take the caches from them.
    let guard = client.guard();
    let mut verdicts = Vec::new();
    for number in 0..EXCHANGES {
        let (session, user) = (format!("v{number}"), || User::new("ann", ["user"]));
        let document = serde_json::to_value(request(number)).unwrap();
        let offered = Event::run(
            &*session,
            user(),
            "assistant",
            Some("gpt-5".to_owned()),
            vec!["read_file".to_owned()],
        );
        let mut tool = Event::input(&*session, user(), "assistant", document["tools"][0].clone());
        if let Body::Input { part, .. } = &mut tool.body {
            *part = InputPart::Instructions;
        }
        let asked = Event::input(&*session, user(), "assistant", document["messages"][0]["content"].clone());
        let call = Event::tool_call(
            &*session,
            user(),
            "assistant",
            "read_file",
            json!({ "path": "orders/4711.txt" }),
        );
        let started = Instant::now();
        for event in [&offered, &tool, &asked, &call] {
            assert!(guard.check(event).is_allowed());
        }
        verdicts.push(started.elapsed());
        guard.end_session(&session).unwrap();
    }
    println!("its four verdicts alone: {:?}", median(verdicts));

    let (mut with, mut without) = (Vec::new(), Vec::new());
    for number in 0..STREAMS {
        server.then(long.clone());
        server.then(long.clone());
        let agent = user.agent("assistant");
        let started = Instant::now();
        let mut stream = agent.chat().create_stream(request(number)).await.unwrap();
        while let Some(chunk) = stream.next().await {
            chunk.unwrap();
        }
        with.push(started.elapsed());
        let started = Instant::now();
        let mut stream = plain.chat().create_stream(request(number)).await.unwrap();
        while let Some(chunk) = stream.next().await {
            chunk.unwrap();
        }
        without.push(started.elapsed());
    }
    let (with, without) = (median(with), median(without));
    let more = with.saturating_sub(without) / deltas;
    println!(
        "stream of {deltas} deltas: {without:?} without, {with:?} with the guard: {more:?} more per delta"
    );

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
