//! What a record holds of arguments.

use std::sync::{Arc, Mutex};

use ringfence::audit::{AuditError, AuditSink, Record};
use ringfence::{Event, Guard, User};
use serde_json::{Value, json};

use crate::{MANIFEST, engine};

/// Keeps records as JSON.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Mutex<Vec<Value>>);

impl AuditSink for Kept {
    fn write(&self, record: &Record<'_>) -> Result<(), AuditError> {
        self.0.lock().unwrap().push(serde_json::to_value(record)?);
        Ok(())
    }
}

/// A guard, and where its records are kept.
pub(crate) fn recorded(change: &[(&str, &str)]) -> (Guard, Arc<Kept>) {
    let sink = Arc::new(Kept::default());
    let records = Arc::clone(&sink) as Arc<dyn AuditSink>;
    (Guard::builder(engine(change)).no_time_limit().sink(records).build(), sink)
}

/// Replaces the word `secret` in arguments.
pub(crate) const PACK: &str = "pack: p\nstages: [tool_call]\nrules:\n  - { id: r, action: redact, find: { pattern: '\\bsecret\\b' }, \
                               examples: { match: [secret], ignore: [secretive] } }\n";

#[test]
fn only_arguments_that_may_be_logged_are() {
    let manifest = format!("{MANIFEST}sensitive_parameters: [password, Token]\n");
    let tools = "tools:\n  - name: note\n    in: [set]\n    input: { type: object, additionalProperties: true, properties: { text: { additionalProperties: true }, to: { items: {} }, deep: { additionalProperties: true }, password: {} } }\n    \
                 args:\n      /text: { log: true }\n      /to/0: { log: true }\n      /deep: { log: true }\n      \
                 /password: { log: true }\n";
    let (guard, sink) =
        recorded(&[("ringfence.yaml", &manifest), ("tools.yaml", tools), ("packs/p.yaml", PACK)]);
    let calls = [
        (json!({ "text": "a", "other": "b", "to": ["c", "d"] }), json!({ "/text": "a", "/to/0": "c" })),
        (json!({ "text": "the secret", "to": ["c"] }), json!({ "/to/0": "c" })),
        (json!({ "text": { "x": { "secret": 1 } }, "to": 1 }), Value::Null),
        (json!({ "deep": { "a": [{ "TOKEN": 1 }] }, "password": "x" }), Value::Null),
        (
            json!({ "deep": { "a": [{ "b": 1 }] }, "text": "x".repeat(5000) }),
            json!({ "/deep": { "a": [{ "b": 1 }] } }),
        ),
    ];
    for (arguments, recorded) in calls {
        let _ = guard.check(&Event::tool_call("s", User::new("u", ["user"]), "bot", "note", arguments));
        let record = sink.0.lock().unwrap().pop().unwrap();
        assert_eq!(record["arguments"], recorded);
    }
}

#[test]
fn nothing_is_logged_of_what_no_rule_has_searched() {
    let manifest = format!("{MANIFEST}limits: {{ calls: 1 }}\nfacts: {{ f: {{ type: scores }} }}\n");
    let tools = "tools:\n  - name: note\n    in: [set]\n    input: { type: object, properties: { text: { type: string, maxLength: 20 } } }\n    \
                 args: { /text: { log: true } }\n";
    let (guard, sink) =
        recorded(&[("ringfence.yaml", &manifest), ("tools.yaml", tools), ("packs/p.yaml", PACK)]);
    let call = |session: &str| {
        Event::tool_call(session, User::new("u", ["user"]), "bot", "note", json!({ "text": "the secret" }))
    };
    let mut unknown_role = call("a");
    unknown_role.user.roles = Some(vec!["rot".to_owned()]);
    let mut unknown_agent = call("a");
    unknown_agent.agent = Some("nobody".to_owned());
    let mut unknown_fact = call("a");
    unknown_fact.facts.insert("g".to_owned(), [("x".to_owned(), 0.5)].into());
    let long = "the secret ".repeat(4);
    let misfit = Event::tool_call("a", User::new("u", ["user"]), "bot", "note", json!({ "text": long }));
    let _ = guard.check(&Event::tool_call("b", User::new("u", ["user"]), "bot", "note", json!({})));
    for (event, code) in [
        (unknown_role, "unknown-role"),
        (unknown_agent, "unknown-agent"),
        (unknown_fact, "bad-event"),
        (misfit, "bad-arguments"),
        (call("b"), "limit"),
    ] {
        let verdict = guard.check(&event);
        assert_eq!(verdict.reasons[0].code.name(), code);
        let record = sink.0.lock().unwrap().pop().unwrap();
        assert_eq!((&record["arguments"], record.to_string().contains("secret")), (&Value::Null, false));
    }
}
