//! Any text as a path: what is let through is below the folder when it is normalised, and so is that again.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::Engine;
use ringfence::tool::{Access, PathPolicy, is_under, normalised};

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let _ = engine.scan_path(text, Access::Read);
    let policy = PathPolicy::under(["/srv/data"]);
    if policy.check(text).is_ok() {
        let path = normalised(text).expect("what is let through can be normalised");
        assert!(is_under(&path, "/srv/data"), "{path:?} was let through");
        assert!(!path.split('/').any(|part| part == ".."), "{path:?} leads out");
        assert!(policy.check(&path).is_ok(), "{path:?} is refused once it is normalised");
    }
});
