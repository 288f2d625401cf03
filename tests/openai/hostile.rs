//! Answers that no provider should give.

use std::time::{Duration, Instant};

use ringfence::surface::openai::{Api, GuardError};
use serde_json::{Value, json};

use crate::{ALLOW_ALL, agent_of, asked, builder, cut, cut_call, raw_stream, said, serve, whole_call};

#[tokio::test]
async fn hostile_answers_end_in_an_error() {
    let chat = |message: Value| {
        json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }] })
    };
    let called = |arguments: &str, id: &str| json!({ "id": id, "type": "function", "function": { "name": "note", "arguments": arguments } });
    let response = |item: Value| json!({ "id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [item] });
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let hostile: Vec<(Api, Vec<u8>)> = vec![
        (Api::Chat, b"".to_vec()),
        (Api::Chat, b"not json".to_vec()),
        (Api::Chat, b"[]".to_vec()),
        (Api::Chat, b"{\"id\":\"a\",\"id\":\"b\"}".to_vec()),
        (Api::Chat, b"{\"choices\":\"x\xff\xfe\"}".to_vec()),
        (Api::Chat, deep.into_bytes()),
        (Api::Chat, chat(json!({ "role": "assistant", "content": 7 })).to_string().into_bytes()),
        (Api::Chat, chat(json!(null)).to_string().into_bytes()),
        (Api::Chat, chat(json!({ "tool_calls": [called("{}", "a"), called("{}", "a")] })).to_string().into_bytes()),
        (Api::Chat, chat(json!({ "tool_calls": { "a": 1 } })).to_string().into_bytes()),
        (Api::Chat, chat(json!({ "audio": { "data": "x" } })).to_string().into_bytes()),
        (Api::Chat, chat(json!({ "content": "x".repeat(5 << 20) })).to_string().into_bytes()),
        (Api::Responses, b"{\"output\":{}}".to_vec()),
        (Api::Responses, response(json!({ "type": "mcp_call", "id": "m", "name": "x", "arguments": "{}" })).to_string().into_bytes()),
        (Api::Responses, response(json!({ "type": "unheard_of" })).to_string().into_bytes()),
        (Api::Responses, response(json!({ "type": "message", "id": "i", "role": "assistant", "content": [{ "type": "video" }] })).to_string().into_bytes()),
        (Api::Responses, response(json!({ "type": "web_search_call", "id": "w", "status": "completed" })).to_string().into_bytes()),
    ];
    let started = Instant::now();
    for (api, body) in hostile {
        let server = serve([]).await;
        let agent = agent_of(builder(ALLOW_ALL, &server), "user");
        server.then_raw("application/json", body.clone(), false);
        let error = asked(&agent, api, false, "x").await.unwrap_err();
        assert!(GuardError::of(&error).is_some(), "{error}");
        // What stands there is not repeated.
        assert!(error.to_string().len() < 300, "{error}");
    }
    // An unfinished call is a refused call, not a failure.
    let server = serve([]).await;
    let agent = agent_of(builder(ALLOW_ALL, &server), "user");
    let unfinished =
        chat(json!({ "role": "assistant", "content": null, "tool_calls": [called("{\"text\": \"x", "a")] }));
    server.then_raw("application/json", unfinished.to_string(), false);
    let (_, refusal, calls) = said(Api::Chat, &asked(&agent, Api::Chat, false, "x").await.unwrap());
    assert!(calls.is_empty() && refusal.contains("not complete"), "{refusal}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn hostile_streams_end_in_an_error() {
    let whole = |api| cut(api, &["hello ".to_owned(), "world".to_owned()]);
    let mut hostile: Vec<(Api, Vec<u8>)> = Vec::new();
    for api in Api::ALL {
        let text = whole(api);
        // Cut off anywhere before the end; not JSON; not UTF-8; a line without end.
        let last = if api == Api::Chat {
            text.rfind("\"finish_reason\":\"stop\"")
        } else {
            text.rfind("event: response.completed")
        };
        for at in (0..last.unwrap()).step_by(97) {
            hostile.push((api, text.as_bytes()[..at].to_vec()));
        }
        hostile.push((api, b"data: nonsense\n\n".to_vec()));
        hostile.push((api, b"data: {\"a\":\"\xff\"}\n\n".to_vec()));
        hostile.push((api, [b"data: ".to_vec(), vec![b'x'; 5 << 20]].concat()));
    }
    // A text that its end contradicts; an item that begins with a text; a call whose arguments change.
    let text = whole(Api::Responses);
    hostile
        .push((Api::Responses, text.replace("\"text\":\"hello world\"", "\"text\":\"other\"").into_bytes()));
    hostile.push((Api::Responses, text.replace("\"output_index\":0", "\"output_index\":5").into_bytes()));
    hostile.push((
        Api::Responses,
        text.replace("response.output_text.done", "response.unheard.done").into_bytes(),
    ));
    let chunk = |index: u64, id: &str| {
        let call = json!({ "index": index, "id": id, "type": "function", "function": { "name": "note", "arguments": "{}" } });
        json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{ "index": 0, "delta": { "tool_calls": [call] }, "finish_reason": null }] })
    };
    let finish = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                         "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }] });
    hostile.push((
        Api::Chat,
        raw_stream(&[chunk(0, "a"), chunk(0, "b"), finish.clone()], Api::Chat).into_bytes(),
    ));
    hostile.push((Api::Chat, raw_stream(&[chunk(0, "a"), chunk(1, "a"), finish], Api::Chat).into_bytes()));
    let started = Instant::now();
    for (api, body) in hostile {
        let server = serve([]).await;
        let agent = agent_of(builder(ALLOW_ALL, &server), "user");
        server.then_raw("text/event-stream", body.clone(), false);
        let outcome = asked(&agent, api, true, "x").await;
        let ended = match &outcome {
            Err(_) => true,
            Ok(events) => events.last().is_some_and(|event| event["type"] == "error"),
        };
        assert!(ended, "{api:?} {}: {outcome:?}", String::from_utf8_lossy(&body[..body.len().min(2000)]));
    }
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[tokio::test]
async fn arguments_of_ten_megabytes_are_not_taken() {
    let arguments = json!({ "text": "x".repeat(10 << 20) }).to_string();
    let pieces: Vec<String> = arguments
        .as_bytes()
        .chunks(100_000)
        .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
        .collect();
    for api in Api::ALL {
        let server = serve([]).await;
        let agent = agent_of(builder(ALLOW_ALL, &server), "user");
        server.then_raw("application/json", whole_call(api, &arguments), false);
        let error = asked(&agent, api, false, "x").await.unwrap_err();
        assert!(matches!(GuardError::of(&error), Some(GuardError::TooLarge { .. })), "{error}");
        // In one event, and in many.
        for pieces in [vec![arguments.clone()], pieces.clone()] {
            server.then_raw("text/event-stream", cut_call(api, &pieces), false);
            let told = match asked(&agent, api, true, "x").await {
                Err(error) => error.to_string(),
                Ok(events) => json!(events.last().unwrap()).to_string(),
            };
            assert!(told.contains("larger than"), "{}", &told[..told.len().min(500)]);
        }
    }
}

#[tokio::test]
async fn an_endless_stream_ends() {
    let server = serve([]).await;
    let agent = agent_of(
        builder(ALLOW_ALL, &server).answers(64 << 10, Duration::from_secs(20), Duration::from_secs(5)),
        "user",
    );
    let endless: Vec<String> = vec!["on and on ".to_owned(); 20_000];
    server.then_raw("text/event-stream", cut(Api::Chat, &endless), true);
    let error = asked(&agent, Api::Chat, true, "x").await.unwrap_err();
    assert!(error.to_string().contains("larger than 65536 bytes"), "{error}");
}
