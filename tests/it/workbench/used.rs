//! What of a bundle events use, and the tightest permits that they need.

use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use ringfence::engine::Trace;
use ringfence::harness::suggest::{Suggest, Suggestion, is_same};
use ringfence::{Bundle, CompileOptions, Decision, Event, Guard, User, Verdict, compile};
use serde_json::json;

const DIRECTORY: &str = "models: [m]\nroles: [{ name: user }, { name: staff, in: [user] }, { name: boss, in: [staff] }]\n\
    agents: [{ name: bot, in: [front] }, { name: clerk, in: [front] }, { name: robot }]\nagent_groups: [{ name: front }]\n\
    toolsets: [{ name: reading }, { name: foreign }]\nlabels: [private]\nusers: [{ name: root }]\n";
const TOOLS: &str = "tools:\n  - name: look\n    in: [reading]\n    reads: [private]\n    input: { type: object, properties: { at: { type: string } } }\n  \
    - name: list\n    in: [reading]\n    input: { type: object }\n  - name: pay\n    input: { type: object, required: [amount], \
    properties: { amount: { type: integer, minimum: 0, maximum: 1000 } } }\n";
const POLICIES: &str = "\
// Who talks to whom.
@id(\"front\") permit(principal in Role::\"user\", action in [Action::\"run_agent\", Action::\"send_input\", Action::\"send_output\"], resource in AgentGroup::\"front\");
@id(\"reads\") @owner(\"sec\") permit(principal, action in [Action::\"call_tool\", Action::\"read_result\"], resource in Toolset::\"reading\");
@id(\"pays\") permit(principal in Role::\"staff\", action == Action::\"pay\", resource) when { context.input.amount < 500 };
@id(\"boss-pays\") permit(principal in Role::\"boss\", action == Action::\"pay\", resource);
@id(\"foreign\") permit(principal in Role::\"user\", action == Action::\"call_unlisted_tool\", resource in Toolset::\"foreign\");
@id(\"robots\") permit(principal in Role::\"boss\", action in [Action::\"run_agent\", Action::\"send_input\"], resource == Agent::\"robot\");
@id(\"root\") permit(principal == User::\"root\", action == Action::\"list\", resource);
// What is refused and asked stays.
@id(\"no-private-pay\") forbid(principal, action == Action::\"pay\", resource) when { context.session.labels.contains(Label::\"private\") };
@id(\"asks\") @effect(\"ask\") forbid(principal, action == Action::\"pay\", resource) when { context.input.amount > 100 };
";

fn sources(manifest: &'static str, policies: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("ringfence.yaml", manifest),
        ("directory.yaml", DIRECTORY),
        ("tools.yaml", TOOLS),
        ("access.cedar", policies),
    ]
}

const ENFORCED: &str = "name: test\nversion: 1\nunlisted_tools: { in: [foreign] }\n";

fn bundle() -> Bundle {
    Bundle::from_sources("test", sources(ENFORCED, POLICIES))
}

fn guard(bundle: &Bundle) -> Guard {
    let compiled = compile(bundle, &CompileOptions::default());
    let engine = compiled.unwrap_or_else(|error| panic!("{:#?}", error.diagnostics)).engine;
    Guard::builder(engine).no_time_limit().build()
}

/// What the bundle and what is suggested answer.
type Both = ((Verdict, Trace), Verdict);

/// Decides events, suggests, and decides them again by what is suggested.
fn suggested(bundle: &Bundle, events: &[Event]) -> (Suggestion, Vec<Both>, Option<Guard>) {
    let old = guard(bundle);
    let mut suggest = Suggest::new(&old.engine());
    let before: Vec<(Verdict, Trace)> = events
        .iter()
        .map(|event| {
            let (verdict, trace) = old.examine(event);
            suggest.add(event, old.session(&event.session).as_ref(), &verdict, &trace);
            (verdict, trace)
        })
        .collect();
    let suggestion = suggest.suggestion();
    if suggestion.permits == 0 {
        return (suggestion, Vec::new(), None);
    }
    let new = guard(&suggestion.bundle(bundle).unwrap());
    let both = before.into_iter().zip(events.iter().map(|event| new.check(event))).collect();
    (suggestion, both, Some(new))
}

fn call(user: &User, agent: &str, tool: &str, arguments: serde_json::Value) -> Event {
    Event::tool_call(format!("{}-{agent}-{tool}", user.id), user.clone(), agent, tool, arguments)
}

#[test]
fn permits_are_narrowed_to_who_needed_them_for_what() {
    let (ann, kim, root) = (
        User::new("ann", ["user"]),
        User::new("kim", ["boss", "user"]),
        User::new("root", Vec::<String>::new()),
    );
    let events = [
        Event::input("a", ann.clone(), "bot", "hello"),
        Event::output("a", ann.clone(), "bot", "hello"),
        Event::input("k", kim.clone(), "bot", "hello"),
        Event::input("r", kim.clone(), "robot", "hello"),
        call(&ann, "bot", "look", json!({})),
        call(&kim, "clerk", "list", json!({})),
        call(&kim, "bot", "pay", json!({ "amount": 50 })),
        call(&kim, "bot", "pay", json!({ "amount": 700 })),
        call(&ann, "bot", "pay", json!({ "amount": 1 })),
        call(&root, "bot", "list", json!({})),
    ];
    let (suggestion, both, new) = suggested(&bundle(), &events);
    let decided: Vec<Decision> = both.iter().map(|(old, _)| old.0.decision).collect();
    use Decision::{Allow, Ask, Deny};
    assert_eq!(decided, [Allow, Allow, Allow, Allow, Allow, Allow, Allow, Ask, Deny, Allow]);
    for (old, new) in &both {
        assert!(is_same((&old.0, &old.1), new), "{old:?} {new:?}");
    }
    let expected = "\
// 3 events, part of front (access.cedar:2)
@id(\"front\")
permit(principal in Role::\"user\", action in [Action::\"send_input\", Action::\"send_output\"], resource == Agent::\"bot\");

// 1 event, part of reads (access.cedar:3)
@id(\"reads-user\")
@owner(\"sec\")
permit(principal in Role::\"user\", action == Action::\"list\", resource in Toolset::\"reading\")
when { context.agent == Agent::\"clerk\" };

// 1 event, part of reads (access.cedar:3)
@id(\"reads-user-2\")
@owner(\"sec\")
permit(principal in Role::\"user\", action == Action::\"look\", resource in Toolset::\"reading\")
when { context.agent == Agent::\"bot\" };

// 1 event, part of reads (access.cedar:3)
@id(\"reads\")
@owner(\"sec\")
permit(principal == User::\"root\", action == Action::\"list\", resource in Toolset::\"reading\")
when { context.agent == Agent::\"bot\" };

// 2 events, part of boss-pays (access.cedar:5)
@id(\"boss-pays\")
permit(principal in Role::\"boss\", action == Action::\"pay\", resource)
when { context.agent == Agent::\"bot\" };

// 1 event, part of robots (access.cedar:7)
@id(\"robots\")
permit(principal in Role::\"boss\", action == Action::\"send_input\", resource == Agent::\"robot\");
";
    assert_eq!(suggestion.text, expected);
    let unneeded: Vec<(&str, u32)> =
        suggestion.unneeded.iter().map(|(name, _, line)| (name.as_str(), *line)).collect();
    assert_eq!(unneeded, [("pays", 4), ("foreign", 6), ("root", 8)]);
    assert_eq!((suggestion.permits, suggestion.events, suggestion.uncovered), (6, 9, 0));
    // What was not seen is no longer permitted, though the bundle permits it.
    let new = new.unwrap();
    for (event, old) in [
        (call(&ann, "clerk", "look", json!({})), true),
        (call(&kim, "clerk", "pay", json!({ "amount": 1 })), true),
        (Event::input("x", ann.clone(), "clerk", "hello"), true),
        (Event::input("y", kim.clone(), "robot", "hello"), false),
    ] {
        assert!(guard(&bundle()).check(&event).is_allowed());
        assert_eq!(new.check(&event).is_allowed(), !old, "{event:?}");
    }
}

#[test]
fn in_shadow_what_nothing_permits_is_covered_and_what_is_forbidden_is_not() {
    const SHADOW: &str = "name: test\nversion: 1\nmode: shadow\nunlisted_tools: { in: [foreign] }\n";
    const LITTLE: &str = "@id(\"no-look\") forbid(principal, action == Action::\"look\", resource) when { context.agent == Agent::\"clerk\" };\n\
                          @id(\"unlisted\") permit(principal in Role::\"boss\", action == Action::\"call_unlisted_tool\", resource);\n";
    let bundle = Bundle::from_sources("test", sources(SHADOW, LITTLE));
    let ann = User::new("ann", ["user"]);
    let events = [
        Event::input("a", ann.clone(), "bot", "hello"),
        call(&ann, "bot", "look", json!({})),
        call(&ann, "clerk", "look", json!({})),
        call(&ann, "bot", "pay", json!({ "amount": 5000 })),
    ];
    let (suggestion, both, _) = suggested(&bundle, &events);
    for (old, new) in &both {
        assert!(is_same((&old.0, &old.1), new), "{old:?} {new:?}");
    }
    let decided: Vec<(Decision, Decision)> =
        both.iter().map(|(old, new)| (old.0.decision, new.decision)).collect();
    use Decision::{Allow, Deny};
    assert_eq!(decided, [(Deny, Allow), (Deny, Allow), (Deny, Deny), (Deny, Deny)]);
    let expected = "\
// 1 event, nothing permits it so far
@id(\"seen-user\")
permit(principal in Role::\"user\", action == Action::\"look\", resource)
when { context.agent == Agent::\"bot\" };

// 1 event, nothing permits it so far
@id(\"seen-user-2\")
permit(principal in Role::\"user\", action == Action::\"send_input\", resource == Agent::\"bot\");
";
    assert_eq!(suggestion.text, expected);
}

fn any_event() -> impl Strategy<Value = Event> {
    let users = prop::sample::select(vec![
        User::new("ann", ["user"]),
        User::new("bob", ["staff"]),
        User::new("kim", ["boss", "user"]),
        User::new("max", ["staff", "user"]),
        User::new("root", Vec::<String>::new()),
    ]);
    let agents = prop::sample::select(vec!["bot", "clerk", "robot"]);
    let session = prop::sample::select(vec!["s1", "s2", "s3"]);
    (users, agents, session, 0..7_u8, 0..1000_i64).prop_map(|(user, agent, session, kind, amount)| {
        let session = format!("{session}-{}", user.id);
        let call = |tool: &str, arguments| Event::tool_call(&session, user.clone(), agent, tool, arguments);
        match kind {
            0 => Event::input(&session, user, agent, "hello"),
            1 => Event::output(&session, user, agent, "hello"),
            2 => Event::run(&session, user, agent, Some("m".to_owned()), vec!["foreign_tool".to_owned()]),
            3 => call("look", json!({})),
            4 => call("list", json!({})),
            5 => call("foreign_tool", json!({ "x": 1 })),
            _ => call("pay", json!({ "amount": amount })),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever was seen, all of it comes out as before, and nothing that the bundle refuses is allowed by what is suggested.
    #[test]
    fn what_is_suggested_decides_as_the_bundle_and_nowhere_wider(
        events in prop::collection::vec(any_event(), 1..40), others in prop::collection::vec(any_event(), 40)
    ) {
        let (suggestion, both, new) = suggested(&bundle(), &events);
        for (old, new) in &both {
            prop_assert!(is_same((&old.0, &old.1), new), "{old:?} {new:?}\n{}", suggestion.text);
        }
        let Some(new) = new else { return Ok(()) };
        prop_assert_eq!(suggestion.uncovered, 0);
        // In new sessions, since those of the two may have gone other ways by then.
        let old = guard(&bundle());
        for (number, mut event) in others.into_iter().enumerate() {
            event.session = format!("other-{number}");
            let (before, after) = (old.check(&event), new.check(&event));
            prop_assert!(after.decision >= before.decision, "{:?} {:?} {:?}", event, before, after);
        }
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringfence")).args(arguments).current_dir(folder).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_program_suggests_from_files_and_from_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("b")).unwrap();
    let pack = "pack: p\nrules:\n  - { id: word, severity: low, find: { pattern: 'xyzzy\\d' }, action: flag, stages: [input], examples: { match: [xyzzy1], ignore: [xyzzy] } }\n  \
                - { id: other, severity: low, find: { pattern: 'plugh\\d' }, action: flag, stages: [input], examples: { match: [plugh1], ignore: [plugh] } }\n";
    std::fs::create_dir(folder.join("b/packs")).unwrap();
    std::fs::write(folder.join("b/packs/p.yaml"), pack).unwrap();
    for (name, text) in sources(ENFORCED, POLICIES) {
        std::fs::write(folder.join("b").join(name), text).unwrap();
    }
    let ann = User::new("ann", ["user"]);
    let mut events = vec![
        Event::run("s", ann.clone(), "bot", None, vec!["foreign_tool".to_owned()]),
        call(&ann, "bot", "list", json!({})),
        Event::input("s", ann.clone(), "bot", "xyzzy1"),
    ];
    for event in &mut events {
        event.at = Some("2026-11-22T10:00:00Z".parse().unwrap());
    }
    let lines: Vec<String> =
        events.iter().map(|event| serde_json::to_string(&event.to_spec()).unwrap()).collect();
    std::fs::write(folder.join("events.jsonl"), lines.join("\n")).unwrap();
    let told = run(folder, &["what", "--bundle", "b", "--on", "events.jsonl", "--suggest"]);
    let errors = String::from_utf8(told.stderr.clone()).unwrap();
    assert_eq!(told.status.code(), Some(0), "{errors}");
    assert!(errors.ends_with("2 permits for 3 events; tried on 3, and all come out as before\n"), "{errors}");
    assert!(
        errors.contains("not needed: b/access.cedar:5: boss-pays\n")
            || errors.contains("not needed: access.cedar:5: boss-pays\n"),
        "{errors}"
    );
    let expected = "\
// 2 events, part of front (access.cedar:2)
@id(\"front\")
permit (
    principal in Role::\"user\",
    action in [Action::\"run_agent\", Action::\"send_input\"],
    resource == Agent::\"bot\"
);
";
    assert!(out(&told).starts_with(expected), "{}", out(&told));
    // A log without contents: the run and the call without arguments are whole, and of the text it is known what rules found.
    assert_eq!(
        run(folder, &["eval", "events.jsonl", "--bundle", "b", "--audit", "log.db"]).status.code(),
        Some(0)
    );
    let told = run(folder, &["what", "--bundle", "b", "--on", "log.db", "--suggest"]);
    let errors = String::from_utf8(told.stderr.clone()).unwrap();
    assert_eq!(told.status.code(), Some(0), "{errors}");
    assert!(
        errors.contains("note: 1 recorded events can't be decided again: the text was not kept\n"),
        "{errors}"
    );
    assert!(errors.ends_with("2 permits for 2 events; tried on 2, and all come out as before\n"), "{errors}");
    let unused = out(&run(folder, &["what", "--bundle", "b", "--unused-on", "log.db"]));
    assert_eq!(
        unused,
        "access.cedar:4: policy pays (permit)\naccess.cedar:5: policy boss-pays (permit)\naccess.cedar:6: policy foreign (permit)\n\
         access.cedar:7: policy robots (permit)\naccess.cedar:8: policy root (permit)\naccess.cedar:10: policy no-private-pay (forbid)\n\
         access.cedar:11: policy asks (ask)\npacks/p.yaml:4: rule p/other (flag)\n\
         2 events; never satisfied: 7 policies, found nothing: 1 rule\n\
         1 more are known by their records alone: permits that only they needed are listed too\n"
    );
    let nothing = run(folder, &["what", "--bundle", "b", "--on", "-", "--suggest"]);
    assert_eq!(nothing.status.code(), Some(2));
}
