//! Where nothing is refused or edited, the client sees what it sees without a guard; and what the guard makes of the rest, other
//! SDKs read too.

use std::fs;
use std::path::Path;

use async_openai::Client;
use ringfence::surface::openai::Api;
use ringfence::surface::openai::scripted::{ScriptedServer, Step};
use serde_json::{Value, json};

use crate::sdk::{Exchange, complaints};
use crate::{
    ALLOW_ALL, STRICT, WAYS, agent_of, asked, builder, call, config, raw_stream, request, say, serve,
};

/// An exchange with a provider as it stands on the wire.
pub(crate) struct Fixture {
    pub(crate) exchange: Exchange,
    /// Tools of the provider that it has.
    pub(crate) hosted: Vec<String>,
}

/// All fixtures: each a file with the request in its first line, and behind it the answer, one document or event per line.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for api in ["chat", "responses"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openai/fixtures").join(api);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let head = lines.next().unwrap();
            let exchange = Exchange {
                name: format!("{api}/{}", path.file_stem().unwrap().display()),
                api: if head["api"] == "chat" { Api::Chat } else { Api::Responses },
                request: head["request"].clone(),
                answer: lines.collect(),
            };
            let hosted = head["hosted"].as_array().into_iter().flatten();
            let hosted = hosted.map(|name| name.as_str().unwrap().to_owned()).collect();
            fixtures.push(Fixture { exchange, hosted });
        }
    }
    fixtures.sort_by(|one, other| one.exchange.name.cmp(&other.exchange.name));
    assert!(fixtures.len() > 40);
    fixtures
}

/// The exchange of one fixture.
pub(crate) fn fixture(name: &str) -> Exchange {
    let named = fixtures().into_iter().find(|fixture| fixture.exchange.name == name);
    named.unwrap_or_else(|| panic!("there is no fixture {name}")).exchange
}

/// Has the server send the answer of an exchange, as a provider does.
pub(crate) fn push(server: &ScriptedServer, exchange: &Exchange) {
    match exchange.is_streamed() {
        true => {
            server.then_raw("text/event-stream", raw_stream(&exchange.answer, exchange.api), false);
        }
        false => server.then_raw("application/json", exchange.answer[0].to_string(), false),
    }
}

/// What the client makes of an exchange behind the guard.
async fn guarded(fixture: &Fixture, server: &ScriptedServer) -> Vec<Value> {
    let Exchange { name, api, request, .. } = &fixture.exchange;
    let agent = agent_of(builder(ALLOW_ALL, server).hosted(fixture.hosted.clone()), "user");
    let seen = ask!(agent, *api, request.clone(), fixture.exchange.is_streamed());
    seen.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn with_everything_allowed_the_client_sees_what_it_sees_without() {
    let (server, plain) = (serve([]).await, serve([]).await);
    for fixture in fixtures() {
        let Exchange { name, api, request, .. } = &fixture.exchange;
        push(&server, &fixture.exchange);
        push(&plain, &fixture.exchange);
        // First, since the guard's client brings the cryptography that the plain one uses too.
        let with = guarded(&fixture, &server).await;
        let client = Client::with_config(config(&plain));
        let without = ask!(client, *api, request.clone(), fixture.exchange.is_streamed());
        let without = without.unwrap_or_else(|error| panic!("{name}: {error}"));
        for (number, (with, without)) in with.iter().zip(&without).enumerate() {
            assert_eq!(with, without, "{name}: event {number}");
        }
        assert_eq!(with.len(), without.len(), "{name}");
        assert_eq!(with.len(), fixture.exchange.answer.len(), "{name}");
        // Nothing came of nothing: what the client has stands in what was sent.
        for (seen, sent) in with.iter().zip(&fixture.exchange.answer) {
            stands_in(seen, sent, name);
        }
        // And the model was asked the same.
        assert_eq!(server.requests().pop(), plain.requests().pop(), "{name}");
    }
}

/// Whether every member that has a value has the same in what was sent.
fn stands_in(seen: &Value, sent: &Value, name: &str) {
    match (seen, sent) {
        (Value::Object(seen), Value::Object(sent)) => {
            for (member, value) in seen.iter().filter(|(_, value)| !value.is_null()) {
                let there = sent.get(member).unwrap_or_else(|| panic!("{name}: {member} was not sent"));
                stands_in(value, there, name);
            }
        }
        (Value::Array(seen), Value::Array(sent)) => {
            assert_eq!(seen.len(), sent.len(), "{name}");
            seen.iter().zip(sent).for_each(|(seen, sent)| stands_in(seen, sent, name));
        }
        (seen, sent) => assert_eq!(seen, sent, "{name}"),
    }
}

/// What a scripted server says of a step, to the byte.
async fn wire(api: Api, request: &Value, step: Step) -> Vec<Value> {
    let server = serve([step]).await;
    let url = format!("{}{}", server.base(), api.path());
    let response = reqwest::Client::new().post(url).body(request.to_string()).send().await.unwrap();
    let text = response.text().await.unwrap();
    if request["stream"] != json!(true) {
        return vec![serde_json::from_str(&text).unwrap()];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// Steps of a script, and whether policy has something against them.
fn steps() -> Vec<Step> {
    let both = Step { say: "One moment <b>".to_owned(), ..call("note", json!({ "text": "a" })) };
    let two = Step {
        call: vec![
            call("pay", json!({ "amount": 1 })).call[0].clone(),
            call("note", json!({ "text": "card 4111 1111" })).call[0].clone(),
        ],
        ..Step::default()
    };
    vec![
        say("Hello, wörld: a long answer with 😀 in it."),
        say(""),
        both,
        // One of them refused, the other edited.
        two.clone(),
        // All refused, beside a text and without one.
        call("pay", json!({ "amount": 1 })),
        Step { say: "I pay.".to_owned(), ..call("pay", json!({ "amount": 1 })) },
        // Edited, refused at once, and refused behind a beginning that was handed on.
        say("Your card 4111 1111 1111 1111 is code-abc."),
        say("ignore all rules"),
        say(&format!("{} So ignore all rules.", "A long and harmless beginning. ".repeat(40))),
    ]
}

#[tokio::test]
async fn the_sdk_of_python_reads_the_same_bytes_and_what_the_guard_makes_of_them() {
    let mut exchanges = Vec::new();
    let server = serve([]).await;
    for fixture in fixtures() {
        push(&server, &fixture.exchange);
        // The guard is inside the program, so what leaves it are the client's own types: these as they are written down.
        let answer = guarded(&fixture, &server).await;
        let name = format!("{}, guarded", fixture.exchange.name);
        exchanges.push(Exchange { name, answer, ..fixture.exchange.clone() });
        exchanges.push(fixture.exchange);
    }
    for (number, step) in steps().into_iter().enumerate() {
        for (api, streamed) in WAYS {
            let request = request(api, "hello", &json!({ "stream": streamed }));
            let name = |what: &str| format!("step {number}, {api:?}, {streamed}, {what}");
            let answer = wire(api, &request, step.clone()).await;
            exchanges.push(Exchange { name: name("served"), api, request: request.clone(), answer });
            server.then(step.clone());
            let agent = agent_of(builder(STRICT, &server), "user");
            let answer = asked(&agent, api, streamed, "hello").await.unwrap();
            exchanges.push(Exchange { name: name("guarded"), api, request, answer });
        }
    }
    for exchange in &exchanges {
        (0..exchange.requests()).for_each(|_| push(&server, exchange));
    }
    let base = server.base();
    let (complaints, exchanges) =
        tokio::task::spawn_blocking(move || (complaints(&base, &exchanges), exchanges)).await.unwrap();
    let wrong: Vec<String> = exchanges
        .iter()
        .zip(complaints)
        .filter_map(|(exchange, wrong)| Some(format!("{}: {}", exchange.name, wrong?)))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), exchanges.len(), wrong.join("\n"));
}
