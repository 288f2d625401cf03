//! Any text as a path: what is let through is below the folder, however it is spelt and whoever is asked.
#![no_main]

use std::path::{Component, Path};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::Engine;
use ringfence::tool::{Access, Glob, PathPolicy, is_under, lexical, normalised};

static ENGINE: OnceLock<Engine> = OnceLock::new();

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let rules = |path: &str| {
        let findings = engine.scan_path(path, Access::Read);
        findings.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    let clean = lexical(text);
    assert_eq!(lexical(&clean), clean, "normalised twice");

    let policy = PathPolicy::under(["/srv/data"]);
    let strict = PathPolicy::under(["/srv/data"]).with_deny([Glob::new("**/*.key").expect("a glob")]);
    if strict.check(text).is_ok() {
        assert!(policy.check(text).is_ok(), "denying less refuses more");
    }
    if let Ok(path) = policy.check(text) {
        assert_eq!(normalised(text).as_deref(), Ok(path.as_str()));
        assert!(PathPolicy::any().check(text).is_ok(), "without folders it is refused");
        assert!(is_under(&path, "/srv/data"), "{path:?} was let through");
        // As the standard library reads paths.
        let parts: Vec<_> = Path::new(&path).components().collect();
        assert!(Path::new(&path).starts_with("/srv/data"), "{path:?} was let through");
        assert!(!parts.contains(&Component::ParentDir), "{path:?} leads out");
        assert_eq!(policy.check(&path).as_deref(), Ok(path.as_str()), "normalised it is another");
    }

    // Rules find in a path what they find in what it is once normalised.
    if let Ok(path) = normalised(text) {
        let found = rules(text);
        for rule in rules(&path) {
            assert!(found.contains(&rule), "{rule} does not find {text:?}, which is {path:?}");
        }
    }

    // What stands for nothing changes nothing.
    if text.starts_with('/') {
        let other = format!("/.{text}");
        assert_eq!(normalised(text), normalised(&other));
        assert_eq!(policy.check(text), policy.check(&other));
        assert_eq!(rules(text), rules(&other));
    }
});
