//! Whatever the overlap, no byte of a redacted span survives.

use proptest::prelude::*;
use ringfence::{Event, Guard, User};

use crate::engine;

const PACK: &str = r"
pack: p
stages: [input]
action: redact
rules:
  - { id: ab, find: { pattern: 'ab+', max_bytes: 4 }, replace: '[1]', severity: low }
  - { id: bc, find: { pattern: 'b+c+', max_bytes: 8 }, replace: '[2]', severity: high }
  - { id: num, find: { pattern: '[0-9ab]{3,6}' }, replace: { remove: } }
  - { id: say, find: { phrases: [abba cab] }, replace: { mask: all } }
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn nothing_of_a_finding_survives(text in "[abc123 é]{0,40}") {
        thread_local!(static GUARD: Guard = Guard::builder(engine(&[("packs/p.yaml", PACK)])).no_time_limit().build());
        GUARD.with(|guard| {
            let event = Event::input("s", User::new("u", ["user"]), "bot", text.as_str());
            let verdict = guard.check(&event);
            let mut kept: Vec<bool> = vec![true; text.len()];
            for edit in &verdict.edits {
                prop_assert!(text.get(edit.start..edit.end).is_some());
                for byte in &mut kept[edit.start..edit.end] {
                    prop_assert!(*byte, "edits do not overlap");
                    *byte = false;
                }
            }
            for finding in &verdict.findings {
                prop_assert!(kept[finding.start..finding.end].iter().all(|kept| !kept));
            }
            let survivors: String = text.char_indices().filter(|(at, _)| kept[*at]).map(|(_, c)| c).collect();
            let edited = event.with_edits(&verdict.edits).to_spec().text.unwrap();
            let inserted: usize = verdict.edits.iter().map(|edit| edit.with.len()).sum();
            prop_assert_eq!(edited.as_str().unwrap().len(), survivors.len() + inserted);
            Ok(())
        })?;
    }
}

#[test]
fn a_match_longer_than_its_bound_is_redacted_to_its_end() {
    let guard = Guard::builder(ringfence::Engine::embedded().unwrap()).no_time_limit().build();
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDZ\n";
    for (end, after) in [("-----END PRIVATE KEY-----", " thanks"), ("", "")] {
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}{end}", line.repeat(2_000));
        let text = format!("keep this: {key}{after}");
        let event = Event::output("s", User::new("u", ["user"]), "assistant", text.as_str());
        let verdict = guard.check(&event);
        let edited = event.with_edits(&verdict.edits).to_spec().text.unwrap();
        assert_eq!(edited, format!("keep this: [PRIVATE_KEY_REMOVED]{after}"));
    }
    let mark = format!("<img alt='{}' onerror=go()>", "x".repeat(100_000));
    let event = Event::output("s", User::new("u", ["user"]), "assistant", mark.as_str());
    let edited = event.with_edits(&guard.check(&event).edits).to_spec().text.unwrap();
    assert!(!edited.as_str().unwrap().contains('<'));
}
