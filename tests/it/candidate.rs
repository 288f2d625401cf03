//! A bundle that is tried beside the one in force, and one that is taken back.

use std::collections::BTreeMap;
use std::panic::panic_any;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ringfence::audit::{AuditError, AuditSink, Record};
use ringfence::engine::Kind;
use ringfence::guard::{Clock, NoLinks, Reload, ReloadError, Resolver, Watch};
use ringfence::tool::ResolvedPath;
use ringfence::{Bundle, CompileOptions, Decision, Event, Guard, User, Verdict, compile};
use serde_json::{Value, json};

use crate::{engine, files};

/// Keeps records in memory, unless it is told to fail.
#[derive(Default)]
struct Kept {
    records: Mutex<Vec<Value>>,
    fails: AtomicBool,
}

impl AuditSink for Kept {
    fn write(&self, record: &Record<'_>) -> Result<(), AuditError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(AuditError::Closed);
        }
        self.records.lock().unwrap().push(serde_json::from_str(&record.to_json()?).unwrap());
        Ok(())
    }
}

impl Kept {
    fn of_kind(&self, kind: &str) -> Vec<Value> {
        let all = self.records.lock().unwrap();
        all.iter().filter(|record| record["kind"] == kind).cloned().collect()
    }
}

/// A clock that a test moves.
struct Hand(Mutex<Timestamp>);

impl Hand {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-11-22T10:00:00Z".parse().unwrap())))
    }

    fn forward(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

const PACK: &str = "pack: p\nrules:\n  - id: word\n    severity: low\n    find: { pattern: 'xyzzy\\d' }\n    action: redact\n    \
                    stages: [input, output]\n    replace: { pseudonym: WORD }\n    examples: { match: [xyzzy1], ignore: [xyzzy] }\n";

fn live() -> Vec<(&'static str, &'static str)> {
    files(&[("packs/p.yaml", PACK)])
}

/// Refuses texts that say so, puts another label on the session, and refuses answers where that label is.
fn other() -> Vec<(&'static str, &'static str)> {
    files(&[
        ("ringfence.yaml", "name: test\nversion: 2\n"),
        ("packs/p.yaml", PACK),
        (
            "directory.yaml",
            "roles: [{ name: user }, { name: boss, in: [user] }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\n\
             models: [m1, m2]\nlabels: [private, secret]\n",
        ),
        (
            "tools.yaml",
            "tools:\n  - name: note\n    in: [set]\n    reads: [secret]\n    input: { type: object, required: [text], \
             properties: { text: { type: string, maxLength: 40 }, size: { type: integer } } }\n",
        ),
        (
            "access.cedar",
            "@id(\"all\")\npermit(principal in Role::\"user\", action in [Action::\"run_agent\", Action::\"send_input\", \
             Action::\"send_output\", Action::\"read_result\", Action::\"note\"], resource);\n\
             @id(\"no-found\")\nforbid(principal, action == Action::\"send_input\", resource) when { context.found.contains(Rule::\"p/word\") };\n\
             @id(\"no-secret\")\nforbid(principal, action == Action::\"send_output\", resource) when { context.session.labels.contains(Label::\"secret\") };\n\
             @id(\"no-calls\")\nforbid(principal, action == Action::\"note\", resource) when { context.session.calls > 2 };\n",
        ),
    ])
}

fn bundle(files: &[(&'static str, &'static str)]) -> Bundle {
    Bundle::from_sources("test", files.iter().copied())
}

fn ann() -> User {
    User::new("ann", ["user"])
}

fn note(session: &str) -> Event {
    Event::tool_call(session, ann(), "bot", "note", json!({ "text": "x" }))
}

fn builder(sink: &Arc<Kept>) -> ringfence::guard::GuardBuilder {
    let engine =
        compile(&bundle(&live()), &CompileOptions::default().with_key(*b"0123456789abcdef")).unwrap();
    Guard::builder(engine.engine).no_time_limit().sink(Arc::clone(sink) as Arc<dyn AuditSink>)
}

/// The events of one session, in order.
fn events(session: &str) -> Vec<Event> {
    let mut all = vec![
        Event::input(session, ann(), "bot", "it is xyzzy1"),
        Event::input(session, ann(), "bot", "it is xyzzy2 and xyzzy1"),
        Event::input(session, ann(), "bot", "nothing"),
        Event::output(session, ann(), "bot", "xyzzy1"),
    ];
    all.extend((0..4).map(|_| note(session)));
    all.push(Event::output(session, ann(), "bot", "xyzzy2 it is"));
    for event in &mut all {
        event.at = Some("2026-11-22T10:00:00Z".parse().unwrap());
    }
    all
}

fn without_candidate(mut records: Vec<Value>) -> Vec<Value> {
    for record in &mut records {
        record.as_object_mut().unwrap().remove("candidate");
    }
    records.sort_by_key(|record| (record["session"].to_string(), record["seq"].as_u64()));
    records
}

#[test]
fn under_load_a_candidate_changes_no_verdict_and_its_differences_are_counted_and_marked() {
    const THREADS: usize = 4;
    const SESSIONS: usize = 40;
    let (alone, beside) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
    let guards = [builder(&alone).build(), builder(&beside).build()];
    guards[1].try_candidate(&bundle(&other())).unwrap();
    let run = |guard: &Guard| -> BTreeMap<String, Vec<Verdict>> {
        let all = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let all = &all;
                scope.spawn(move || {
                    for number in 0..SESSIONS {
                        let session = format!("{thread}-{number}");
                        let verdicts = events(&session).iter().map(|event| guard.check(event)).collect();
                        all.lock().unwrap().insert(session, verdicts);
                    }
                });
            }
        });
        all.into_inner().unwrap()
    };
    let verdicts = guards.each_ref().map(run);
    assert_eq!(verdicts[0], verdicts[1]);
    for session in verdicts[0].keys() {
        assert_eq!(guards[0].session(session), guards[1].session(session));
    }
    let recorded = beside.of_kind("verdict");
    assert_eq!(without_candidate(recorded.clone()), without_candidate(alone.of_kind("verdict")));
    // Of each session: both texts that the rule edits, the fourth call, and the answer after calls.
    let count = (THREADS * SESSIONS) as u64;
    let counts = guards[1].candidate().unwrap();
    assert_eq!((counts.version.as_str(), counts.events, counts.unfinished), ("2", 9 * count, 0));
    assert_eq!(counts.changes, BTreeMap::from([(Kind::NewlyDenied, 4 * count)]));
    let through = |name: &str, times| (name.to_owned(), BTreeMap::from([(Kind::NewlyDenied, times * count)]));
    assert_eq!(
        counts.through,
        BTreeMap::from([through("no-found", 2), through("no-calls", 1), through("no-secret", 1)])
    );
    let of_one: Vec<&Value> = recorded.iter().filter(|record| record["session"] == "0-0").collect();
    let marked: Vec<(u64, &Value)> = of_one
        .iter()
        .filter_map(|record| Some((record["seq"].as_u64().unwrap(), record.get("candidate")?)))
        .collect();
    let expected = json!({
        "bundle": bundle(&other()).digest(), "change": "newly-denied", "effect": "deny", "through": ["no-calls"],
        "reasons": [{ "code": "forbid", "policy": "no-calls", "file": "access.cedar", "line": 8, "message": marked[2].1["reasons"][0]["message"] }],
    });
    assert_eq!(marked.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2, 8, 9]);
    assert_eq!(*marked[2].1, expected);
    // Told where it began and how it ended; a reload to it would have done that too.
    let loaded = beside.of_kind("candidate_loaded");
    assert_eq!((loaded.len(), &loaded[0]["version"]), (1, &json!("2")));
    assert!(matches!(guards[1].reload(&bundle(&other())), Ok(Reload::Replaced { .. })));
    assert_eq!(guards[1].candidate(), None);
    let ended = beside.of_kind("candidate_ended");
    assert_eq!(ended[0]["events"], 9 * count);
    assert_eq!(ended[0]["changes"], json!({ "newly-denied": 4 * count }));
    assert!(!guards[1].check(&events("0-0")[0]).is_allowed());
}

#[test]
fn a_candidate_finds_sessions_as_a_reload_would_and_then_has_its_own() {
    let sink = Arc::new(Kept::default());
    let guard = builder(&sink).build();
    for event in &events("s")[..3] {
        let _ = guard.check(event);
    }
    guard.try_candidate(&bundle(&live())).unwrap();
    // The same bundle gives the same pseudonyms, also from the middle of a session.
    for event in &events("s")[3..] {
        let _ = guard.check(event);
    }
    assert_eq!(guard.candidate().unwrap().changed(), 0);
    // Calls that were made before it count; labels that it would have put on the session then do not.
    guard.try_candidate(&bundle(&other())).unwrap();
    let (verdict, trace) = guard.examine(&note("s"));
    assert!(verdict.is_allowed());
    assert_eq!(trace.candidate.unwrap().through, ["no-calls"]);
    // It says it would refuse, but the call is made: its label is there.
    let (_, trace) = guard.examine(&Event::output("s", ann(), "bot", "done"));
    assert_eq!(trace.candidate.unwrap().through, ["no-secret"]);
    assert_eq!(guard.end_candidate().unwrap().changed(), 2);
    assert_eq!(guard.examine(&Event::output("s", ann(), "bot", "done")).1.candidate, None);
}

/// Panics each second time, which is when the candidate asks.
struct Panics(AtomicUsize);

impl Resolver for Panics {
    fn resolve(&self, path: &str) -> std::io::Result<ResolvedPath> {
        if self.0.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            panic_any("the second one");
        }
        NoLinks.resolve(path)
    }
}

#[test]
fn what_fails_in_a_candidate_is_no_failure_of_the_guard() {
    let tools = "tools:\n  - name: open\n    input: { type: object, required: [path], properties: { path: { type: string } } }\n    \
                 args: { /path: { path: { under: [/srv] } } }\n";
    let policy = "@id(\"all\") permit(principal, action == Action::\"open\", resource);";
    let files = files(&[("tools.yaml", tools), ("access.cedar", policy)]);
    let sink = Arc::new(Kept::default());
    let engine = compile(&bundle(&files), &CompileOptions::default())
        .unwrap_or_else(|error| panic!("{:#?}", error.diagnostics))
        .engine;
    let guard = Guard::builder(engine)
        .resolver(Arc::new(Panics(AtomicUsize::new(0))))
        .sink(Arc::clone(&sink) as Arc<dyn AuditSink>)
        .build();
    guard.try_candidate(&bundle(&files)).unwrap();
    let open = || Event::tool_call("s", ann(), "bot", "open", json!({ "path": "/srv/a" }));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (verdict, trace) = guard.examine(&open());
    std::panic::set_hook(hook);
    assert!(verdict.is_allowed(), "{verdict:?}");
    assert_eq!(trace.candidate.unwrap().through, ["panic"]);
    assert!(
        guard.check(&Event::input("other", ann(), "bot", "x")).reasons[0].code.name() == "nothing-permits"
    );
    // One that does not compile, and one of which the log can't be told, do not take the place of the one that is tried.
    let tried = guard.candidate().unwrap();
    let broken = bundle(&[("ringfence.yaml", "name: test\nversion: 3\n"), ("a.cedar", "permit(")]);
    assert!(matches!(guard.try_candidate(&broken), Err(ReloadError::Compile { .. })));
    sink.fails.store(true, Ordering::Relaxed);
    assert!(matches!(guard.try_candidate(&bundle(&files)), Err(ReloadError::Audit(_))));
    sink.fails.store(false, Ordering::Relaxed);
    assert_eq!(guard.candidate(), Some(tried));
}

const TRIAL: &str = "name: test\nversion: 2\nreload: { return_when: { more_denied_percent: 30, events: 20, users: 2, within: 10m } }\n";

/// Refuses every text.
fn strict(manifest: &'static str) -> Bundle {
    bundle(&files(&[
        ("ringfence.yaml", manifest),
        ("access.cedar", "@id(\"calls\") permit(principal, action == Action::\"note\", resource);"),
    ]))
}

fn says(guard: &Guard, user: &str, times: usize) -> Vec<Decision> {
    let event =
        |number: usize| Event::input(format!("{user}{number}"), User::new(user, ["user"]), "bot", "hello");
    (0..times).map(|number| guard.check(&event(number)).enforced).collect()
}

#[test]
fn a_bundle_that_refuses_far_more_is_taken_back_once() {
    let (sink, clock) = (Arc::new(Kept::default()), Hand::new());
    let guard = builder(&sink).clock(Arc::clone(&clock) as Arc<dyn Clock>).build();
    // With nothing to compare with, it stays.
    assert!(matches!(guard.reload(&strict(TRIAL)), Ok(Reload::Replaced { .. })));
    says(&guard, "ann", 30);
    says(&guard, "eve", 30);
    assert_eq!(guard.returns(), []);
    let _ = guard.reload(&bundle(&live())).unwrap();
    // Ten in a hundred are refused by what was before.
    for number in 0..100 {
        let user = User::new("ann", [if number % 10 == 0 { "unknown" } else { "user" }]);
        let _ = guard.check(&Event::input(format!("n{number}"), user, "bot", "hello"));
    }
    let _ = guard.reload(&strict(TRIAL)).unwrap();
    // One user alone can't bring it about, nor few events.
    assert_eq!(says(&guard, "ann", 30), [Decision::Deny; 30]);
    assert_eq!(says(&guard, "eve", 1), [Decision::Deny]);
    assert_eq!(guard.engine().bundle_digest(), bundle(&live()).digest());
    assert_eq!(says(&guard, "eve", 5), [Decision::Allow; 5]);
    let returns = guard.returns();
    let strict_digest = strict(TRIAL).digest().to_owned();
    assert_eq!(returns.len(), 1);
    assert_eq!((&returns[0].from, returns[0].to.as_str()), (&strict_digest, bundle(&live()).digest()));
    assert_eq!((returns[0].events, returns[0].denied), (31, 31));
    assert_eq!((returns[0].events_before, returns[0].denied_before), (100, 10));
    let recorded = sink.of_kind("bundle_returned");
    assert_eq!(
        recorded,
        [json!({
            "kind": "bundle_returned", "at": "2026-11-22T10:00:00Z", "from": strict_digest, "to": bundle(&live()).digest(),
            "events": 31, "denied": 31, "events_before": 100, "denied_before": 10, "percent": 30, "engine": env!("CARGO_PKG_VERSION"),
        })]
    );
    // It is not taken again until it changes.
    assert!(matches!(guard.reload(&strict(TRIAL)), Err(ReloadError::Returned(one)) if *one == returns[0]));
    assert_eq!(sink.of_kind("bundle_refused")[0]["errors"], json!(["returned"]));
    const CHANGED: &str = "name: test\nversion: 3\nreload: { return_when: { more_denied_percent: 30, events: 20, users: 2, within: 10m } }\n";
    let _ = guard.reload(&strict(CHANGED)).unwrap();
    // Behind its time it stays, whatever it refuses.
    clock.forward(601);
    says(&guard, "ann", 40);
    says(&guard, "eve", 40);
    assert_eq!(guard.engine().bundle_digest(), strict(CHANGED).digest());
    // Without the key there is no trial.
    let _ = guard.reload(&bundle(&live())).unwrap();
    says(&guard, "ann", 100);
    let _ = guard.reload(&strict("name: test\nversion: 4\n")).unwrap();
    says(&guard, "ann", 40);
    says(&guard, "eve", 40);
    assert_eq!(guard.engine().version(), "4");
}

#[test]
fn under_load_a_bundle_is_taken_back_once_and_every_verdict_is_of_one_bundle() {
    const THREADS: usize = 4;
    let sink = Arc::new(Kept::default());
    let guard = builder(&sink).build();
    says(&guard, "ann", 100);
    let _ = guard.reload(&strict(TRIAL)).unwrap();
    let seen = Mutex::new((0_usize, 0_usize));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (guard, seen) = (&guard, &seen);
            scope.spawn(move || {
                for number in 0..300 {
                    let user = User::new(format!("u{thread}"), ["user"]);
                    let is_returned = !guard.returns().is_empty();
                    let verdict =
                        guard.check(&Event::input(format!("{thread}-{number}"), user, "bot", "hello"));
                    let is_old = verdict.bundle == bundle(&live()).digest();
                    assert_eq!(verdict.is_allowed(), is_old, "{verdict:?}");
                    assert!(is_old || !is_returned, "nothing begins under a bundle that was taken back");
                    let mut seen = seen.lock().unwrap();
                    if is_old { seen.0 += 1 } else { seen.1 += 1 }
                }
            });
        }
    });
    let (by_old, by_new) = seen.into_inner().unwrap();
    assert_eq!(by_old + by_new, THREADS * 300);
    // How many more than asked for depends on whose turn it is: two users have to meet it.
    assert!((20..THREADS * 300).contains(&by_new), "{by_new}");
    assert_eq!(sink.of_kind("bundle_returned").len(), 1);
    assert_eq!(guard.returns().len(), 1);
}

#[test]
fn a_trial_that_can_never_end_well_is_an_error() {
    let errors = |when: &'static str| {
        let manifest = format!("name: n\nversion: 1\nreload: {{ return_when: {when} }}\n");
        let bundle = Bundle::from_sources("x", [("ringfence.yaml", manifest.as_str())]);
        let diagnostics = compile(&bundle, &CompileOptions::default()).unwrap_err().diagnostics;
        diagnostics.iter().filter(|one| one.is_error()).map(|one| one.code.name()).collect::<Vec<_>>()
    };
    for when in [
        "{ more_denied_percent: 0 }",
        "{ more_denied_percent: 100 }",
        "{ more_denied_percent: 5, events: 0 }",
        "{ more_denied_percent: 5, users: 0 }",
        "{ more_denied_percent: 5, within: never }",
    ] {
        assert!(errors(when).contains(&"bad-value"), "{when}");
    }
}

fn write(folder: &Path, bundle: &[(&str, &str)]) {
    for (name, text) in bundle {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn whoever_watches_is_told_that_a_bundle_was_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&[]);
    write(folder.path(), &files);
    let guard = Arc::new(Guard::builder(engine(&[])).no_time_limit().build());
    let (tell, told) = channel();
    let every = Duration::from_millis(20);
    let _watch = Watch::start(&guard, folder.path(), every, move |one| tell.send(one).unwrap()).unwrap();
    says(&guard, "ann", 100);
    let policy = "@id(\"calls\") permit(principal, action == Action::\"note\", resource);";
    write(folder.path(), &[("ringfence.yaml", TRIAL), ("access.cedar", policy)]);
    let next = || told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(next(), Ok(Reload::Replaced { .. })));
    says(&guard, "ann", 20);
    says(&guard, "eve", 20);
    assert!(matches!(next(), Err(ReloadError::Returned(one)) if one.events_before == 100));
    // A file that is touched is the same bundle still.
    write(folder.path(), &[("ringfence.yaml", TRIAL), ("notes.md", "")]);
    assert!(matches!(next(), Ok(Reload::Replaced { .. }) | Err(ReloadError::Returned(_))));
}

#[test]
fn the_program_tries_a_candidate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(&folder.join("live"), &live());
    write(&folder.join("next"), &other());
    std::fs::write(folder.join("key"), "0123456789abcdef").unwrap();
    let lines: Vec<String> =
        events("s").iter().map(|event| serde_json::to_string(&event.to_spec()).unwrap()).collect();
    std::fs::write(folder.join("events.jsonl"), lines.join("\n")).unwrap();
    let run = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(["eval", "events.jsonl", "--bundle", "live", "--key-file", "key"])
            .args(more)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&["--candidate", "next", "--audit", "log.db"]);
    let told = "candidate test 2: 4 of 9 events would be decided otherwise: 4 newly-denied\n  no-found: 2 newly-denied\n  \
                no-calls: 1 newly-denied\n  no-secret: 1 newly-denied\n";
    assert!(text.ends_with(told), "{text}");
    assert!(
        run(&["--candidate", "next", "--explain"])
            .contains("\n  the candidate would deny it, through no-calls\n")
    );
    // A verdict is as it is without one, but for what the candidate says beside it.
    let parse =
        |text: String| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let (with, without) =
        (parse(run(&["--candidate", "next", "--format", "json"])), parse(run(&["--format", "json"])));
    assert_eq!(with.iter().filter(|one| one.get("candidate").is_some()).count(), 4);
    assert_eq!(without_candidate(with), without_candidate(without));
    let listed = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["audit", "list", "log.db", "--mark", "candidate", "--format", "json"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 4);
    let refused = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["eval", "events.jsonl", "--bundle", "live", "--key-file", "key", "--candidate", "nowhere"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
