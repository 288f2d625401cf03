//! What is held of many sessions: nothing of those that are over, and no more than the host allows of the rest.

use std::sync::Arc;

use async_openai::config::OpenAIConfig;
use ringfence::surface::openai::{Api, GuardError, GuardedAgent, GuardedClient};
use ringfence::{Guard, User};
use serde_json::json;

use crate::{STRICT, asked, engine, request, said, say, serve};

const SESSIONS: usize = 10_000;

/// An exchange that is decided about and refused before anything is sent: there is no such agent.
async fn refused(agent: &GuardedAgent) {
    let error = asked(agent, Api::Responses, false, "hello").await.unwrap_err();
    assert!(matches!(GuardError::of(&error), Some(GuardError::Refused(_))), "{error}");
}

#[tokio::test]
async fn ten_thousand_sessions_leave_nothing_behind() {
    let guard = Arc::new(Guard::new(engine(STRICT)));
    let client = GuardedClient::new(Arc::clone(&guard), &OpenAIConfig::new().with_api_key("k")).unwrap();
    let user = client.as_user(User::new("ann", ["user"]));
    let before = Arc::strong_count(&guard);
    for _ in 0..SESSIONS {
        let agent = user.agent("nobody");
        refused(&agent).await;
        assert_eq!(guard.held_sessions(), 1);
    }
    assert_eq!(guard.held_sessions(), 0);
    // What is held of a conversation is held by its agent alone.
    assert_eq!(Arc::strong_count(&guard), before);
}

#[tokio::test]
async fn no_more_named_sessions_are_held_than_the_host_allows() {
    let guard = Arc::new(Guard::builder(engine(STRICT)).max_sessions(100).build());
    let client = GuardedClient::new(Arc::clone(&guard), &OpenAIConfig::new().with_api_key("k")).unwrap();
    let user = client.as_user(User::new("ann", ["user"]));
    for number in 0..SESSIONS {
        refused(&user.agent_in("nobody", format!("s{number}"))).await;
        // The one that is used all the time is never the one to go.
        if number % 20 == 0 {
            refused(&user.agent_in("nobody", "always")).await;
        }
        assert!(guard.held_sessions() <= 100);
    }
    assert_eq!(guard.session("always").unwrap().denials, SESSIONS as u64 / 20);
    guard.end_session("always").unwrap();
    assert_eq!(guard.session("always"), None);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_its_agent_and_what_it_does() {
    let server = serve([say("one"), say("two"), say("three")]).await;
    let guard = Arc::new(Guard::new(engine(STRICT)));
    let client = GuardedClient::new(Arc::clone(&guard), &crate::config(&server)).unwrap();
    let user = client.as_user(User::new("ann", ["user"]));
    let agent = user.agent("bot");
    let (clone, session) = (agent.clone(), agent.session().to_owned());
    asked(&agent, Api::Chat, false, "x").await.unwrap();
    drop(agent);
    assert_eq!(guard.session(&session).unwrap().turns, 1);
    let request = serde_json::from_value(request(Api::Chat, "x", &json!({}))).unwrap();
    let stream = clone.chat().create_stream(request).await.unwrap();
    drop(clone);
    assert_eq!(guard.session(&session).unwrap().turns, 2);
    let events = crate::collect(Ok(stream)).await.unwrap();
    assert_eq!(said(Api::Chat, &events).0, "two");
    assert_eq!(guard.held_sessions(), 0);
    // One with a name stays.
    asked(&user.agent_in("bot", "named"), Api::Chat, false, "x").await.unwrap();
    assert_eq!(guard.session("named").unwrap().turns, 1);
}
