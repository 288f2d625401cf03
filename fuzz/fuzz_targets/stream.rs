//! Any text in any chunks, through the rules of the built-in bundle: what comes out is what the whole text gives.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::{Engine, text};

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (bytes, lengths) = input;
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let rules = engine.rule_set(&[]).expect("no names");
    let (cleaned, mut findings) = engine.clean(&text::decode(bytes.clone()), &rules);
    let mut stream = engine.stream(&rules);
    let (mut streamed, mut found) = (String::new(), Vec::new());
    let mut take = |released: ringfence::engine::Released| {
        streamed.push_str(&released.text);
        found.extend(released.findings);
    };
    let mut rest = bytes.as_slice();
    let mut lengths = lengths.iter().map(|length| usize::from(*length).max(1)).cycle();
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(lengths.next().unwrap_or(rest.len()).min(rest.len()));
        take(stream.push(chunk));
        rest = later;
    }
    take(stream.finish());
    let key = |one: &ringfence::verdict::Finding| (one.start, one.end, one.rule.clone());
    findings.sort_by_key(key);
    found.sort_by_key(key);
    assert_eq!(found, findings);
    assert_eq!(streamed, cleaned);
});
