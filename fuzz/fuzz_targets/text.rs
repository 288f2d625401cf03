//! Any text through the rules of the built-in bundle: spans are of the original text, and no redacted one survives.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::{Engine, Event, Guard, User, redact};

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let guard = Guard::builder(engine.clone()).no_time_limit().build();
    let event = Event::output("s", User::new("ann", ["user"]), "assistant", text);
    let verdict = guard.check(&event);
    assert!(verdict.reasons.iter().all(|reason| reason.code.name() != "panic"));
    // Edits are in order and apart, on characters of the original.
    let mut kept = String::new();
    let mut done = 0;
    for edit in &verdict.edits {
        assert_eq!(edit.field, "/text");
        kept.push_str(text.get(done..edit.start).expect("edits are in order, apart and on characters"));
        kept.push_str(&edit.with);
        assert!(text.get(edit.start..edit.end).is_some());
        done = edit.end;
    }
    kept.push_str(text.get(done..).expect("an edit ends in the text"));
    assert_eq!(redact::apply(text, &verdict.edits), kept);
    // Of an allowed text, what a rule wants replaced lies within an edit.
    if verdict.is_allowed() {
        for finding in &verdict.findings {
            assert!(text.get(finding.start..finding.end).is_some(), "a span lies outside the text");
            let redacts = finding.action == ringfence::verdict::Action::Redact && !finding.waived;
            let covered =
                verdict.edits.iter().any(|edit| edit.start <= finding.start && finding.end <= edit.end);
            assert!(!redacts || covered, "{finding:?} is not covered");
        }
    }
    // Redacting what was redacted finds nothing new of the same kind to leak: it must at least not fail.
    let again = event.with_edits(&verdict.edits);
    let verdict = guard.check(&again);
    assert!(verdict.reasons.iter().all(|reason| reason.code.name() != "panic"));
});
