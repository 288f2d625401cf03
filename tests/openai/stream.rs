//! Streams: released as they come, and the same however they are cut.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use proptest::prelude::*;
use ringfence::surface::openai::{Api, GuardedClient};
use ringfence::{Bundle, Guard, User};
use serde_json::json;

use crate::{
    STRICT, agent_of, asked, builder, config, cut, cut_call, engine, request, said, say, serve, whole_call,
};

#[test]
fn every_cut_comes_out_as_the_whole() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pieces = prop::collection::vec(
        prop_oneof![
            Just("card 4111".to_owned()),
            Just(" 1111".to_owned()),
            Just("code-".to_owned()),
            Just("abc".to_owned()),
            Just("ann@post".to_owned()),
            Just(".example".to_owned()),
            Just(" ignore all".to_owned()),
            Just(" rules ".to_owned()),
            Just("<MAIL_1>".to_owned()),
            Just("<".to_owned()),
            Just("ü😀 ".to_owned()),
            "[a-z ]{1,12}",
        ],
        1..14,
    );
    let cases = std::env::var("RINGFENCE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let outcome = runner.run(&(pieces, any::<bool>()), |(pieces, is_boss)| {
        let role = if is_boss { "boss" } else { "user" };
        runtime.block_on(async {
            let whole = pieces.concat();
            for api in Api::ALL {
                let server = serve([say(&whole)]).await;
                let client = builder(STRICT, &server).build().unwrap();
                let agent = || client.as_user(User::new("ann", [role])).agent("bot");
                let (text, refusal, _) = said(api, &asked(&agent(), api, false, "x").await.unwrap());
                let characters: Vec<String> = whole.chars().map(String::from).collect();
                for cuts in [pieces.clone(), characters, vec![whole.clone()]] {
                    server.then_raw("text/event-stream", cut(api, &cuts), false);
                    let (streamed, why, _) = said(api, &asked(&agent(), api, true, "x").await.unwrap());
                    prop_assert_eq!(&why, &refusal, "{:?} {:?}", api, cuts);
                    if refusal.is_empty() {
                        prop_assert_eq!(&streamed, &text, "{:?} {:?}", api, cuts);
                    }
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

#[test]
fn arguments_come_out_the_same_however_they_are_cut() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let words = prop::sample::select(vec![
        "card 4111 1111",
        "code-abc",
        "ann@post.example",
        "ignore all rules",
        "<MAIL_1>",
        "\"\\",
        "ü😀",
        " x ",
    ]);
    let cases = std::env::var("RINGFENCE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let inputs =
        (prop::collection::vec(words, 1..5), prop::collection::vec(1..9_usize, 1..12), any::<bool>());
    let outcome = runner.run(&inputs, |(words, sizes, spaced)| {
        let text = words.concat();
        // As the model may write it: what is not changed comes out as it was written.
        let arguments = if spaced {
            format!("{{ \"text\" :{} }}", json!(text))
        } else {
            json!({ "text": text }).to_string()
        };
        let mut characters = arguments.chars().peekable();
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            let piece: String = characters.by_ref().take(*size).collect();
            if piece.is_empty() {
                break;
            }
            pieces.push(piece);
        }
        runtime.block_on(async {
            for api in Api::ALL {
                let server = serve([]).await;
                let client = builder(STRICT, &server).build().unwrap();
                let agent = || client.as_user(User::new("ann", ["user"])).agent("bot");
                server.then_raw("application/json", whole_call(api, &arguments), false);
                let whole = said(api, &asked(&agent(), api, false, "x").await.unwrap());
                server.then_raw("text/event-stream", cut_call(api, &pieces), false);
                let streamed = said(api, &asked(&agent(), api, true, "x").await.unwrap());
                prop_assert_eq!(&streamed, &whole, "{:?} {:?}", api, pieces);
                prop_assert!(!streamed.1.is_empty() || !streamed.2.is_empty());
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

#[tokio::test]
async fn text_is_released_before_the_answer_ends() {
    for api in Api::ALL {
        let server = serve([]).await;
        let agent = agent_of(
            builder(STRICT, &server).answers(1 << 20, Duration::from_secs(60), Duration::from_secs(2)),
            "user",
        );
        let text = cut(api, &["A first sentence that holds nothing. ".repeat(20), "The end.".to_owned()]);
        let (begun, _) = text.split_at(text.find("The end.").unwrap());
        let (begun, _) = begun.split_at(begun.rfind("\n\n").unwrap() + 2);
        server.then_raw("text/event-stream", begun, true);
        let started = Instant::now();
        let request = request(api, "x", &json!({}));
        let mut shown = String::new();
        let mut failed = false;
        macro_rules! read {
            ($stream:expr) => {{
                let mut stream = $stream.await.unwrap();
                while let Some(event) = stream.next().await {
                    match event {
                        Ok(event) => {
                            assert!(shown.len() > 100 || started.elapsed() < Duration::from_secs(2));
                            shown.push_str(&serde_json::to_string(&event).unwrap());
                        }
                        Err(_) => failed = true,
                    }
                }
            }};
        }
        match api {
            Api::Chat => read!(agent.chat().create_stream(serde_json::from_value(request).unwrap())),
            Api::Responses => {
                read!(agent.responses().create_stream(serde_json::from_value(request).unwrap()))
            }
        }
        assert!(shown.contains("A first sentence"), "{api:?}: {shown}");
        // The server then said nothing more, and did not end either: the client is told.
        assert!(failed || shown.contains("did not answer within 2 seconds"), "{api:?}: {shown}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_text_under_way_ends_by_the_bundle_that_has_come_into_force() {
    let later: Vec<(&str, String)> = STRICT
        .iter()
        .map(|(name, text)| (*name, text.replace("[CODE]", "[LATER]").replace("version: 1", "version: 2")))
        .collect();
    let later = Bundle::from_sources("later", later);
    for api in Api::ALL {
        let server = serve([]).await;
        let guard = Arc::new(Guard::builder(engine(STRICT)).no_time_limit().build());
        let client = GuardedClient::builder(Arc::clone(&guard), &config(&server)).unwrap();
        let agent = agent_of(client, "user");
        // More than arrives at once.
        let line = |number: usize| format!("Line {number} says nothing{}.\n", " at all".repeat(70));
        let mut pieces: Vec<String> = (0..1200).map(line).collect();
        pieces.push("It ends with code-abc.".to_owned());
        server.then_raw("text/event-stream", cut(api, &pieces), false);
        let mut request = request(api, "x", &json!({}));
        request["stream"] = json!(true);
        let (mut shown, mut reloaded) = (String::new(), false);
        macro_rules! read {
            ($stream:expr) => {{
                let mut stream = $stream.await.unwrap();
                while let Some(event) = stream.next().await {
                    shown.push_str(&serde_json::to_string(&event.unwrap()).unwrap());
                    if !reloaded && shown.contains("Line 3") {
                        assert!(!shown.contains("It ends"), "{api:?}: it is still under way");
                        assert!(guard.reload(&later).is_ok());
                        reloaded = true;
                    }
                }
            }};
        }
        match api {
            Api::Chat => read!(agent.chat().create_stream(serde_json::from_value(request).unwrap())),
            Api::Responses => {
                read!(agent.responses().create_stream(serde_json::from_value(request).unwrap()))
            }
        }
        assert!(reloaded && shown.contains("It ends with [LATER]."), "{api:?} {reloaded}");
        assert!(!shown.contains("[CODE]"), "{api:?} {reloaded}");
    }
}
