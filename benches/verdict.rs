//! Verdicts by stage and by number of policies that can't apply, beside Cedar's own authorizer, and compile times.
//!
//! `cargo bench --bench verdict`. Ratios within one run count: machines are noisy.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ringfence::{Bundle, CompileOptions, Engine, Event, Guard, User, compile};
use serde_json::json;

/// A bundle with `policies` policies of which three can apply to the call that is measured, and `tools` tools.
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
        "@id(\"a\")\npermit(principal in Role::\"user\", action in Action::\"call_tool\", resource in Toolset::\"set\");\n\
         @id(\"b\")\nforbid(principal, action in Action::\"call_tool\", resource) when { context.session.denials > 100 };\n\
         @id(\"c\")\nforbid(principal, action == Action::\"tool0\", resource) when { context.input.path like \"*.pem\" };\n",
    );
    for id in 3..policies {
        let role = (id - 3) % (policies / 4).max(1);
        let tool = id % tools;
        let text = match id % 3 {
            0 => format!(
                "permit(principal in Role::\"role{role}\", action == Action::\"tool{tool}\", resource);"
            ),
            1 => format!(
                "forbid(principal in Role::\"role{role}\", action in Action::\"call_tool\", resource) when {{ context.session.calls > {id} }};"
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

fn growth(c: &mut Criterion) {
    let mut group = c.benchmark_group("tool_call_by_policies");
    for policies in [10, 100, 1_000, 10_000] {
        let engine = compile(&bundle(policies, 20), &CompileOptions::default())
            .unwrap_or_else(|e| panic!("{e}"))
            .engine;
        let guard = Guard::new(engine);
        let user = User::new("u", ["user"]);
        let mut n = 0u64;
        group.bench_function(BenchmarkId::from_parameter(policies), |b| {
            b.iter_batched(
                || {
                    n += 1;
                    Event::tool_call(
                        "s",
                        user.clone(),
                        "bot",
                        "tool0",
                        json!({ "path": format!("notes/{n}.txt") }),
                    )
                },
                |event| black_box(guard.check(&event)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
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
    group.bench_function("tool_call", |b| {
        let mut n = 0u64;
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
            |event| black_box(guard.check(&event)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("output_1500_bytes", |b| {
        b.iter_batched(
            || Event::output("o", user(), "assistant", text()),
            |event| black_box(guard.check(&event)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("start", |b| b.iter(|| black_box(Engine::embedded().unwrap())));
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
