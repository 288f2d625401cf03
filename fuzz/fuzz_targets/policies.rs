//! Any bytes as a Cedar file: compiling gives an engine or diagnostics, and an engine answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence::{Bundle, CompileOptions, Event, Guard, User, compile};

const REST: [(&str, &str); 3] = [
    ("ringfence.yaml", "name: fuzz\nversion: 1\n"),
    (
        "directory.yaml",
        "roles: [{ name: user }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\nmodels: [m]\nlabels: [private]\n",
    ),
    (
        "tools.yaml",
        "tools:\n  - name: note\n    in: [set]\n    reads: [private]\n    input: { type: object, properties: \
         { text: { type: string }, size: { type: integer } } }\n",
    ),
];

fuzz_target!(|text: &str| {
    let bundle = Bundle::from_sources("fuzz", REST.iter().copied().chain([("access.cedar", text)]));
    let Ok(compiled) = compile(&bundle, &CompileOptions::default()) else { return };
    let guard = Guard::builder(compiled.engine).no_time_limit().build();
    let user = || User::new("ann", ["user"]);
    for event in [
        Event::run("s", user(), "bot", Some("m".to_owned()), vec!["note".to_owned()]),
        Event::input("s", user(), "bot", "hello"),
        Event::tool_call("s", user(), "bot", "note", serde_json::json!({ "text": "x", "size": -1 })),
        Event::tool_result("s", user(), "bot", "note", "y"),
        Event::output("s", user(), "bot", "bye"),
    ] {
        let verdict = guard.check(&event);
        assert!(verdict.reasons.iter().all(|reason| reason.code.name() != "panic"));
    }
});
