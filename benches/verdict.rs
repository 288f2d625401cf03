//! Verdicts by stage and by number of policies that can't apply, beside Cedar's own authorizer, and compile times.
//!
//! `cargo bench --bench verdict`. Ratios within one run count: machines are noisy.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ringfence::{Bundle, CompileOptions, Decision, Engine, Event, Guard, User, Verdict, compile};
use serde_json::json;

/// A bundle with `policies` policies of which one to three can apply to what is measured, and `tools` tools.
fn bundle(policies: usize, tools: usize) -> Bundle {
    let mut roles = String::from("roles: [{ name: user }");
    for role in 0..policies / 4 {
        let _ = write!(roles, ", {{ name: role{role} }}");
    }
    let directory =
        format!("{roles}]\nagents: [{{ name: bot }}]\ntoolsets: [{{ name: set }}]\nlabels: [private]\n");
    let mut list = String::from("tools:\n");
    for tool in 0..tools {
        let _ = writeln!(
            list,
            "  - {{ name: tool{tool}, in: [set], reads: [private], input: {{ type: object, required: [path], properties: {{ path: {{ type: string }}, max: {{ type: integer }} }} }} }}"
        );
    }
    let mut cedar = String::from(
        "@id(\"s\")\npermit(principal in Role::\"user\", action in [Action::\"run_agent\", Action::\"send_input\", Action::\"read_result\", Action::\"send_output\"], resource);\n\
         @id(\"a\")\npermit(principal in Role::\"user\", action in Action::\"call_tool\", resource in Toolset::\"set\");\n\
         @id(\"b\")\nforbid(principal, action in Action::\"call_tool\", resource) when { context.session.denials > 100 };\n\
         @id(\"c\")\nforbid(principal, action == Action::\"tool0\", resource) when { context.input.path like \"*.pem\" };\n",
    );
    for id in 4..policies {
        let role = (id - 4) % (policies / 4).max(1);
        let tool = id % tools;
        let text = match id % 6 {
            0 | 3 => format!(
                "permit(principal in Role::\"role{role}\", action == Action::\"tool{tool}\", resource);"
            ),
            1 => format!(
                "forbid(principal in Role::\"role{role}\", action in Action::\"call_tool\", resource) when {{ context.session.calls > {id} }};"
            ),
            4 => format!(
                "permit(principal in Role::\"role{role}\", action in [Action::\"run_agent\", Action::\"send_input\", Action::\"read_result\", Action::\"send_output\"], resource);"
            ),
            _ => format!(
                "forbid(principal in Role::\"role{role}\", action == Action::\"tool{tool}\", resource) when {{ context.input has max && context.input.max > {id} }};"
            ),
        };
        let _ = writeln!(cedar, "@id(\"p{id}\")\n{text}");
    }
    Bundle::from_sources(
        "bench",
        [
            ("ringfence.yaml", "name: bench\nversion: 1\nlimits: { decide_ms: 10000 }\n".to_owned()),
            ("directory.yaml", directory),
            ("tools.yaml", list),
            ("access.cedar", cedar),
        ],
    )
}

/// What is measured is a decision that goes all the way.
fn allowed(guard: &Guard, event: &Event) -> Verdict {
    let verdict = guard.check(event);
    assert_eq!(verdict.decision, Decision::Allow, "{verdict:?}");
    verdict
}

/// Each stage, with as many policies that can apply whatever the number of those that can't.
fn growth(c: &mut Criterion) {
    let user = || User::new("u", ["user"]);
    let path = |n: u64| json!({ "path": format!("notes/{n}.txt") });
    let guards = [10, 100, 1_000, 10_000].map(|policies| {
        let compiled = compile(&bundle(policies, 20), &CompileOptions::default());
        (policies, Guard::new(compiled.unwrap_or_else(|e| panic!("{e}")).engine))
    });
    type Make<'a> = &'a dyn Fn(u64) -> Event;
    let stages: [(&str, Make<'_>); 5] = [
        ("access", &|n| Event::run(format!("a{n}"), user(), "bot", None, vec!["tool0".to_owned()])),
        ("input", &|n| Event::input("i", user(), "bot", format!("message {n}"))),
        ("tool_call", &|n| Event::tool_call("c", user(), "bot", "tool0", path(n))),
        ("tool_result", &|n| Event::tool_result("r", user(), "bot", "tool0", format!("line {n}"))),
        ("output", &|n| Event::output("o", user(), "bot", format!("answer {n}"))),
    ];
    for (stage, event) in stages {
        let mut group = c.benchmark_group(format!("{stage}_by_policies"));
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
        for (policies, guard) in &guards {
            let mut n = 0;
            group.bench_function(BenchmarkId::from_parameter(policies), |b| {
                let next = || {
                    n += 1;
                    event(n)
                };
                b.iter_batched(next, |event| allowed(guard, &event), BatchSize::SmallInput);
            });
        }
        group.finish();
    }
}

/// The same three policies through Cedar's `is_authorized`, with a request made before.
fn cedar_alone(c: &mut Criterion) {
    use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request};
    let policies: PolicySet = "permit(principal in Role::\"user\", action in Action::\"call_tool\", resource in Toolset::\"set\");\n\
         forbid(principal, action in Action::\"call_tool\", resource) when { context.session.denials > 100 };\n\
         forbid(principal, action == Action::\"tool0\", resource) when { context.input.path like \"*.pem\" };"
        .parse()
        .unwrap();
    let entities = Entities::from_json_value(
        json!([
            { "uid": { "type": "User", "id": "u" }, "attrs": {}, "parents": [{ "type": "Role", "id": "user" }] },
            { "uid": { "type": "Tool", "id": "tool0" }, "attrs": {}, "parents": [{ "type": "Toolset", "id": "set" }] },
            { "uid": { "type": "Action", "id": "tool0" }, "attrs": {}, "parents": [{ "type": "Action", "id": "call_tool" }] },
        ]),
        None,
    )
    .unwrap();
    let context = || {
        Context::from_json_value(json!({ "session": { "denials": 1 }, "input": { "path": "a.txt" } }), None)
            .unwrap()
    };
    let uid = |text: &str| text.parse().unwrap();
    let request =
        Request::new(uid("User::\"u\""), uid("Action::\"tool0\""), uid("Tool::\"tool0\""), context(), None)
            .unwrap();
    c.bench_function("cedar_is_authorized_3_policies", |b| {
        b.iter(|| black_box(Authorizer::new().is_authorized(&request, &policies, &entities)));
    });
}

fn stages(c: &mut Criterion) {
    let guard = Guard::new(Engine::embedded().unwrap());
    let user = || User::new("u", ["user"]);
    let mut n = 0u64;
    let mut text = move || {
        n += 1;
        format!("Message {n}: please look up the order of last week and tell me when it arrives. ").repeat(18)
    };
    let mut group = c.benchmark_group("default_bundle");
    let mut n = 0u64;
    group.bench_function("tool_call", |b| {
        b.iter_batched(
            || {
                n += 1;
                // The limit on calls is per session.
                Event::tool_call(
                    format!("s{}", n / 100),
                    user(),
                    "assistant",
                    "read_file",
                    json!({ "path": format!("notes/{n}.txt") }),
                )
            },
            |event| allowed(&guard, &event),
            BatchSize::SmallInput,
        );
    });
    // Somebody who has asked nothing before: no policy of this bundle names a user. And somebody of a tenant of whom nobody has asked
    // anything, so that nothing is known of what policies say.
    let mut n = 0u64;
    let mut of_new = |name: &str, tenant: &dyn Fn(u64) -> Option<String>| {
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    n += 1;
                    let path = json!({ "path": format!("notes/{n}.txt") });
                    let new = User { tenant: tenant(n), ..User::new(format!("u{n}"), ["user"]) };
                    Event::tool_call("n", new, "assistant", "read_file", path)
                },
                // Its session may be over its limit of calls: what is said of it costs no less.
                |event| black_box(guard.preview(&event)),
                BatchSize::SmallInput,
            );
        });
    };
    of_new("tool_call_of_a_new_user", &|_| None);
    of_new("tool_call_of_a_new_tenant", &|n| Some(format!("t{n}")));
    group.bench_function("output_1500_bytes", |b| {
        b.iter_batched(
            || Event::output("o", user(), "assistant", text()),
            |event| allowed(&guard, &event),
            BatchSize::SmallInput,
        );
    });
    // From nothing to a verdict: what is prepared is read, and patterns that the texts touch are compiled.
    group.bench_function("start_to_first_tool_call", |b| {
        b.iter_with_large_drop(|| {
            let guard = Guard::new(Engine::embedded().unwrap());
            let call =
                Event::tool_call("s", user(), "assistant", "read_file", json!({ "path": "notes/1.txt" }));
            let verdict = allowed(&guard, &call);
            (guard, verdict)
        });
    });
    let chat = text();
    group.bench_function("start_to_first_output_1500_bytes", |b| {
        b.iter_with_large_drop(|| {
            let guard = Guard::new(Engine::embedded().unwrap());
            let verdict = allowed(&guard, &Event::output("o", user(), "assistant", chat.clone()));
            (guard, verdict)
        });
    });
    group.finish();
}

fn check(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    let large = bundle(1_000, 200);
    group.bench_function("1000_policies_200_tools", |b| {
        b.iter(|| black_box(compile(&large, &CompileOptions::default()).unwrap_or_else(|e| panic!("{e}"))));
    });
    group.finish();
}

criterion_group!(benches, growth, cedar_alone, stages, check);
criterion_main!(benches);
