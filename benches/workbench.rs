//! The workbench on the default bundle and on one with 1,000 policies and 1,000 rules: how long each verb takes, what a reload does to
//! those who call meanwhile, and what a thousand reloads leave in memory.
//!
//! `cargo bench --bench workbench`, with `RINGFENCE_EVENTS` for another number of events than 100,000.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a measurement")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringfence::guard::Reload;
use ringfence::{Bundle, CompileOptions, Event, Guard, User, compile};
use serde_json::json;

const MANY: usize = 1000;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A bundle with as many policies and rules, each with a test that it decides.
fn large(folder: &Path) {
    fs::create_dir_all(folder.join("packs")).unwrap();
    fs::create_dir_all(folder.join("tests")).unwrap();
    let (mut directory, mut tools) = (String::from("roles:\n"), String::from("tools:\n"));
    for number in 0..100 {
        let _ = writeln!(directory, "  - {{ name: r{number} }}");
        let _ = writeln!(
            tools,
            "  - {{ name: t{number}, input: {{ type: object, required: [n], properties: {{ n: {{ type: integer, minimum: 0, maximum: 100000 }} }} }}, args: {{ /n: {{ log: true }} }} }}"
        );
    }
    directory.push_str("agents: [{ name: bot }]\n");
    let (mut policies, mut rules, mut tests) = (
        String::from(
            "@id(\"talk\") permit(principal, action in [Action::\"run_agent\", Action::\"send_input\"], resource);\n",
        ),
        String::from("pack: many\nstages: [input]\naction: flag\nrules:\n"),
        String::from("now: 2026-11-22T10:00:00Z\nagent: bot\nrules: { many/*: flag }\ntests:\n"),
    );
    for number in 0..MANY {
        let (role, tool) = (number % 100, (number / 10 + number) % 100);
        let _ = writeln!(
            policies,
            "@id(\"p{number}\") permit(principal in Role::\"r{role}\", action == Action::\"t{tool}\", resource) when {{ context.input.n == {number} }};"
        );
        let _ = writeln!(
            rules,
            "  - {{ id: w{number}, severity: low, find: {{ pattern: 'tok{number:04}[0-9a-f]{{8}}' }}, examples: {{ match: ['tok{number:04}0123abcd'], ignore: ['tok{number:04}xyz'] }} }}"
        );
        let call = format!("tool_call: {{ tool: t{tool}, arguments: {{ n: {number} }} }}");
        let _ = writeln!(
            tests,
            "  - {{ name: p{number}, for: {{ user: [u{role}] }}, {call}, expect: {{ decision: allow }} }}"
        );
    }
    let users: Vec<String> = (0..100).map(|role| format!("u{role}: {{ roles: [r{role}] }}")).collect();
    let _ = writeln!(tests, "users: {{ {} }}", users.join(", "));
    for (name, text) in [
        ("ringfence.yaml", "name: large\nversion: 1\n".to_owned()),
        ("directory.yaml", directory),
        ("tools.yaml", tools),
        ("access.cedar", policies),
        ("packs/many.yaml", rules),
        ("tests/many.yaml", tests),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// Runs of an agent and calls, in sessions of ten, of which a log holds everything.
fn events(count: usize, of_default: bool) -> String {
    let mut out = String::new();
    for number in 0..count {
        let (session, role) = (number / 10, number / 10 % 100);
        let at = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_800_000_000 + number as i64);
        let (user, agent) = match of_default {
            true => (json!({ "id": format!("u{role}"), "roles": ["user"] }), "assistant"),
            false => (json!({ "id": format!("u{role}"), "roles": [format!("r{role}")] }), "bot"),
        };
        let mut event = json!({ "session": format!("s{session}"), "at": at, "user": user, "agent": agent });
        let more = match (number % 10, of_default) {
            (0, _) => json!({ "stage": "access", "access": { "kind": "run", "model": null, "tools": [] } }),
            (_, true) => {
                json!({ "stage": "tool_call", "tool": "read_file", "arguments": { "path": format!("a{number}.txt") } })
            }
            (nth, false) => {
                let policy = role + 100 * (nth - 1);
                json!({ "stage": "tool_call", "tool": format!("t{}", (policy / 10 + policy) % 100), "arguments": { "n": policy } })
            }
        };
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if let Some(access) = event.get_mut("access").and_then(|access| access.as_object_mut()) {
            access.retain(|_, value| !value.is_null());
        }
        let _ = writeln!(out, "{event}");
    }
    out
}

/// Runs a verb and tells how long it took.
fn timed(folder: &Path, what: &str, arguments: &[&str]) {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let took = began.elapsed();
    let last =
        String::from_utf8_lossy(&output.stdout).trim_end().lines().last().unwrap_or_default().to_owned();
    let last: String = last.chars().take(100).collect();
    println!(
        "  {what:<34} {:>9.3} s  exit {:?}  {last}",
        took.as_secs_f64(),
        output.status.code().unwrap_or(-1)
    );
    if output.status.code() == Some(2) {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn verbs(folder: &Path, name: &str, tool: &str, user: &[&str]) {
    let count: usize =
        std::env::var("RINGFENCE_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let changed = format!("{name}-changed");
    copy(&folder.join(name), &folder.join(&changed));
    let path = folder.join(&changed).join("access.cedar");
    let forbid = format!("\n@id(\"changed\") forbid(principal, action == Action::\"{tool}\", resource);\n");
    fs::write(&path, fs::read_to_string(&path).unwrap() + &forbid).unwrap();
    let of_default = name == "default";
    fs::write(folder.join("events.jsonl"), events(count, of_default)).unwrap();
    fs::write(folder.join("few.jsonl"), events(1000, of_default)).unwrap();
    let _ = fs::remove_file(folder.join("log.db"));
    println!("{name}, {count} events");
    timed(folder, "check", &["check", name]);
    timed(folder, "fmt --check", &["fmt", name, "--check"]);
    timed(folder, "test", &["test", name]);
    timed(folder, "test --coverage", &["test", name, "--coverage"]);
    timed(folder, "test --mutate", &["test", name, "--mutate"]);
    timed(folder, "eval", &["eval", "events.jsonl", "--bundle", name]);
    timed(folder, "eval --candidate", &["eval", "events.jsonl", "--bundle", name, "--candidate", &changed]);
    timed(folder, "eval --explain (1,000 events)", &["eval", "few.jsonl", "--bundle", &changed, "--explain"]);
    timed(folder, "diff --on events", &["diff", name, &changed, "--on", "events.jsonl"]);
    timed(folder, "(eval --audit log.db)", &["eval", "events.jsonl", "--bundle", name, "--audit", "log.db"]);
    timed(folder, "eval --replay log.db", &["eval", "--replay", "log.db", "--bundle", &changed]);
    timed(folder, "diff --on log.db", &["diff", name, &changed, "--on", "log.db"]);
    timed(folder, "what --on log.db", &["what", "--on", "log.db", "--bundle", name]);
    timed(folder, "what --on log.db --suggest", &["what", "--on", "log.db", "--suggest", "--bundle", name]);
    timed(folder, "who", &["who", "--can", "call_tool", "--tool", tool, "--bundle", name]);
    timed(folder, "what", &[&["what", "--bundle", name], user].concat());
}

/// Resident memory in MiB; 0 where the system does not tell.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4 / 1024
}

fn quantiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |part: usize| {
        took.get((took.len() * part / 1000).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    format!(
        "{} events, p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        took.len(),
        at(500),
        at(990),
        at(999),
        at(1000)
    )
}

/// Events that are decided one after the other until it is enough, with how long each took.
fn load(guard: &Guard, event: &Event, enough: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        // A session has a limit.
        let event = Event { session: format!("s{}", took.len() / 10), ..event.clone() };
        let began = Instant::now();
        assert!(guard.check(&event).is_allowed());
        took.push(began.elapsed());
        std::thread::sleep(Duration::from_micros(100));
    }
    took
}

/// What reloads do to who calls meanwhile: latencies with another thread that compiles and throws away, and with one that reloads.
fn reloads(name: &str, folder: &Path, event: &Event) {
    let one = Bundle::from_folder(folder).unwrap();
    let texts = |bundle: &Bundle| -> Vec<(String, String)> {
        bundle.sources().map(|source| (source.name.to_string(), source.text.to_string())).collect()
    };
    let mut changed = texts(&one);
    changed.push(("notes.md".to_owned(), "another version\n".to_owned()));
    let bundles = [one, Bundle::from_sources("changed", changed)];
    let guard = Guard::builder(compile(&bundles[0], &CompileOptions::default()).unwrap().engine)
        .no_time_limit()
        .build();
    let _ = guard.check(event);
    for reloading in [false, true] {
        let enough = AtomicBool::new(false);
        let (mut count, began) = (0_usize, Instant::now());
        let took = std::thread::scope(|scope| {
            let load = scope.spawn(|| load(&guard, event, &enough));
            while began.elapsed() < Duration::from_secs(10) {
                count += 1;
                let bundle = &bundles[count % 2];
                if reloading {
                    assert!(matches!(guard.reload(bundle), Ok(Reload::Replaced { .. })));
                } else {
                    drop(compile(bundle, &CompileOptions::default()).unwrap());
                }
            }
            enough.store(true, Ordering::Relaxed);
            load.join().unwrap()
        });
        let what = if reloading { "reloads" } else { "compilations beside" };
        let each = began.elapsed() / u32::try_from(count).unwrap_or(1);
        println!("  {name}: {count} {what} ({each:?} each): {}", quantiles(took));
    }
}

/// What a thousand reloads leave.
fn thousand() {
    let bundle = |version: usize| {
        let files = [
            ("ringfence.yaml", format!("name: n\nversion: {version}\n")),
            ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n".to_owned()),
            (
                "a.cedar",
                "@id(\"p\") permit(principal, action == Action::\"send_input\", resource);".to_owned(),
            ),
        ];
        Bundle::from_sources("small", files)
    };
    let guard = Guard::new(compile(&bundle(0), &CompileOptions::default()).unwrap().engine);
    let event = Event::input("s", User::new("ann", ["user"]), "bot", "hello");
    for version in 1..=1000 {
        assert!(matches!(guard.reload(&bundle(version)), Ok(Reload::Replaced { .. })));
        assert!(guard.check(&event).is_allowed());
        if [100, 500, 1000].contains(&version) {
            println!("  after {version} reloads: {} MiB", resident());
        }
    }
}

fn main() {
    // `cargo test --benches` wants none of it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("ringfence-workbench-{}", std::process::id()));
    let policies: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    copy(&policies, &folder.join("default"));
    large(&folder.join("large"));
    verbs(&folder, "default", "read_file", &["--role", "user"]);
    verbs(&folder, "large", "t5", &["--role", "r5"]);
    println!("reload under load");
    let user = |role: &str| User::new("ann", [role]);
    let hello = "Could you tell me when my order arrives? ".repeat(10);
    reloads("default", &folder.join("default"), &Event::input("s", user("user"), "assistant", &*hello));
    reloads("large", &folder.join("large"), &Event::input("s", user("r1"), "bot", &*hello));
    thousand();
    fs::remove_dir_all(&folder).unwrap();
}
