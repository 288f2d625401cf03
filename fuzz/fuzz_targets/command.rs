//! Any text as a command line: it is refused, or every span of it and of what rules find lies on characters of the text.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::Engine;
use ringfence::tool::{CommandLine, CommandPolicy};

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let Ok(line) = CommandLine::parse(text) else { return };
    for one in line.commands() {
        assert!(text.get(one.span.clone()).is_some(), "a span lies outside the text");
    }
    for finding in engine.scan_command(&line) {
        assert!(text.get(finding.start..finding.end).is_some(), "{finding:?} lies outside the text");
    }
    // What a list without constructs allows, one that allows more does too.
    let narrow = CommandPolicy::new(["git log **", "ls **"]).expect("patterns");
    let wide = CommandPolicy::new(["git log **", "ls **", "cat {path}"]).expect("patterns");
    assert!(narrow.check(&line).is_some() || wide.check(&line).is_none());
    // The same text has the same meaning.
    assert_eq!(CommandLine::parse(text).as_ref(), Ok(&line));
});
