//! Agents: what each was offered, and who is created under which name.

use ringfence::verdict::ReasonCode;
use ringfence::{Decision, Event, Guard, User, Verdict};
use serde_json::json;

use crate::engine;

/// Lets every user do everything, with tools that nobody declared.
fn guard(mode: &str) -> Guard {
    let manifest = format!(
        "name: test\nversion: 1\nmode: {mode}\nunlisted_tools: {{ in: [set], reads: [private], writes: [] }}\n"
    );
    let access = "@id(\"all\")\npermit(principal in Role::\"user\", action in [Action::\"run_agent\", Action::\"create_agent\", \
                  Action::\"send_input\", Action::\"call_tool\"], resource);\n\
                  @id(\"m2-only\")\nforbid(principal, action == Action::\"note\", resource) \
                  when { context has model && context.model == Model::\"m1\" };\n";
    let directory = "roles: [{ name: user }]\nagents: [{ name: bot }, { name: other }]\ntoolsets: [{ name: set }]\nmodels: [m1, m2]\nlabels: [private]\n";
    let change =
        [("ringfence.yaml", manifest.as_str()), ("access.cedar", access), ("directory.yaml", directory)];
    Guard::builder(engine(&change)).no_time_limit().build()
}

fn user(id: &str) -> User {
    User::new(id, ["user"])
}

fn tools(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn outcome(verdict: &Verdict) -> (Decision, Option<ReasonCode>) {
    (verdict.enforced, verdict.reasons.first().map(|reason| reason.code))
}

const ALLOWED: (Decision, Option<ReasonCode>) = (Decision::Allow, None);

fn call(guard: &Guard, agent: &str, tool: &str) -> (Decision, Option<ReasonCode>) {
    outcome(&guard.check(&Event::tool_call("s", user("u"), agent, tool, json!({}))))
}

#[test]
fn tools_are_offered_to_one_agent_until_it_is_run_again() {
    let guard = guard("enforce");
    let refused = (Decision::Deny, Some(ReasonCode::UnlistedTool));
    let run = |agent: &str, model: &str, offered: &[&str]| {
        guard.check(&Event::run("s", user("u"), agent, Some(model.to_owned()), tools(offered)))
    };
    assert!(run("bot", "m2", &["frob"]).is_allowed());
    assert_eq!(call(&guard, "bot", "frob"), ALLOWED);
    assert_eq!(call(&guard, "other", "frob"), refused);
    // A model is that of the agent which was run with it.
    assert!(run("other", "m1", &["frob"]).is_allowed());
    let note = |agent: &str| {
        outcome(&guard.check(&Event::tool_call("s", user("u"), agent, "note", json!({ "text": "a" }))))
    };
    assert_eq!(note("bot"), ALLOWED);
    assert_eq!(note("other"), (Decision::Deny, Some(ReasonCode::Forbid)));
    let new = Event::create("s", user("u"), "helper", "be kind", Some("m1".to_owned()), tools(&["frob"]));
    assert!(guard.check(&new).is_allowed());
    assert_eq!((call(&guard, "bot", "frob"), note("bot")), (ALLOWED, ALLOWED));
    assert!(run("bot", "m2", &[]).is_allowed());
    assert_eq!(call(&guard, "bot", "frob"), refused);
}

#[test]
fn a_name_is_given_once() {
    let guard = guard("enforce");
    let create = |session: &str, name: &str, offered: &[&str]| {
        outcome(&guard.check(&Event::create(session, user(session), name, "be kind", None, tools(offered))))
    };
    let taken = (Decision::Deny, Some(ReasonCode::BadEvent));
    assert_eq!(create("a", "helper", &["frob"]), ALLOWED);
    for name in [
        "helper",
        "Helper",
        "h\u{435}lper",
        "  helper ",
        "help\u{200b}er",
        "bot",
        "B\u{43e}t",
        "x".repeat(129).as_str(),
    ] {
        assert_eq!(create("b", name, &["note"]), taken, "{name}");
    }
    // What is offered to it later is cut down to what it was created with.
    let again = guard.check(&Event::run("s", user("u"), "helper", None, tools(&["frob", "note", "more"])));
    assert_eq!((again.is_allowed(), again.tools), (true, Some(tools(&["frob"]))));
    let mut bare = Event::create("c", user("c"), "idle", "be kind", None, Vec::new());
    if let ringfence::event::Body::Access(access) = &mut bare.body {
        access.tools = None;
    }
    assert!(guard.check(&bare).is_allowed());
    assert_eq!(call(&guard, "idle", "note"), (Decision::Deny, Some(ReasonCode::UnlistedTool)));
}

#[test]
fn at_once_only_one_gets_a_name() {
    let guard = guard("enforce");
    let allowed: usize = std::thread::scope(|scope| {
        let create = |number: usize| {
            let guard = &guard;
            move || {
                let session = format!("s{number}");
                let event = Event::create(session, user("u"), "helper", "be kind", None, Vec::new());
                usize::from(guard.check(&event).is_allowed())
            }
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(create(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(allowed, 1);
}

#[test]
fn shadow_takes_no_tool_away() {
    let guard = guard("shadow");
    let run =
        guard.check(&Event::run("s", User::new("x", Vec::<String>::new()), "bot", None, tools(&["frob"])));
    assert_eq!(
        (run.decision, run.enforced, run.tools),
        (Decision::Deny, Decision::Allow, Some(tools(&["frob"])))
    );
    let unknown = guard.check(&Event::run("s", user("u"), "nobody", None, tools(&["frob"])));
    assert_eq!((unknown.enforced, unknown.tools), (Decision::Deny, None));
}
