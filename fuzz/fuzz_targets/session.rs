//! Any bytes as a whole session of chat messages: each of its events is answered in order.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::event::Chat;
use ringfence::{Engine, Guard, User};

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|text: &str| {
    let Ok(chat) = Chat::from_json(text) else { return };
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let guard = Guard::builder(engine.clone()).no_time_limit().build();
    let tools = chat.tools.clone().unwrap_or_else(|| chat.called_tools());
    let mut labels = 0;
    for (number, event) in
        chat.events(&User::new("local", ["user"]), "assistant", None, &tools).into_iter().enumerate()
    {
        let verdict = match event {
            Ok(event) => guard.check(&event),
            Err(error) => guard.refuse_malformed(Some(&chat.id), &error.to_string()),
        };
        assert!(verdict.reasons.iter().all(|reason| reason.code.name() != "panic"), "event {number}");
        // A session never loses a label.
        let now = guard.session(&chat.id).map_or(0, |session| session.labels.len());
        assert!(now >= labels, "event {number} took a label away");
        labels = now;
    }
});
