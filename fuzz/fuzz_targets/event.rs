//! Any bytes as an event: it is refused, or answered with a verdict that fits it.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::{Engine, Event, Guard};

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    // A guard of its own for each input, so that a crash does not depend on the inputs before it.
    let guard = Guard::builder(engine.clone()).no_time_limit().build();
    let answer = guard.check_json(text);
    assert!(answer.reasons.iter().all(|reason| reason.code.name() != "panic"));
    let Ok(event) = Event::from_json(text) else {
        assert!(!answer.is_allowed(), "what is no event was let through");
        return;
    };
    let fields = event.fields();
    for (field, start, end) in answer
        .findings
        .iter()
        .map(|finding| (&finding.field, finding.start, finding.end))
        .chain(answer.edits.iter().map(|edit| (&edit.field, edit.start, edit.end)))
    {
        // Thresholds are about facts, and a key that matched is not named.
        if let Some(named) = fields.iter().find(|known| known.pointer == *field && !known.is_key) {
            assert!(named.text.get(start..end).is_some(), "a span lies outside its field");
        }
    }
    let _ = event.with_edits(&answer.edits);
    // What was read is what is written.
    let written = serde_json::to_string(&event.to_spec()).expect("an event is JSON");
    assert_eq!(Event::from_json(&written).as_ref(), Ok(&event));
});
