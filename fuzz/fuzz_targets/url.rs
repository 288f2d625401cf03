//! Any text as a URL: a policy that names no host lets through what one that names it does.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::Engine;
use ringfence::tool::UrlPolicy;

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let _ = engine.scan_url(text);
    let any = UrlPolicy::default();
    let named = any.clone().with_hosts(["*.example.com"]).expect("a host");
    if named.check(text).is_ok() {
        assert!(any.check(text).is_ok());
        assert!(text.to_ascii_lowercase().contains("example") || !text.is_ascii() || text.contains('%'));
    }
});
