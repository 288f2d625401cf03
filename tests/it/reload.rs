//! Another bundle takes the place of the one in force.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringfence::audit::{AuditError, AuditSink, Record};
use ringfence::guard::{Reload, ReloadError, Watch};
use ringfence::{Bundle, CompileOptions, Event, Guard, User, compile};
use serde_json::Value;

use crate::files;

/// Keeps records in memory.
#[derive(Default)]
struct Kept(Mutex<Vec<Value>>);

impl AuditSink for Kept {
    fn write(&self, record: &Record<'_>) -> Result<(), AuditError> {
        self.0.lock().unwrap().push(serde_json::from_str(&record.to_json()?).unwrap());
        Ok(())
    }
}

impl Kept {
    fn of_kind(&self, kind: &str) -> Vec<Value> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|record| record["kind"] == kind).cloned().collect()
    }
}

/// A bundle in which everything that a verdict is made of says which one it is.
fn sources(letter: char, audit: &str) -> Vec<(&'static str, String)> {
    let lower = letter.to_ascii_lowercase();
    let change = [
        (
            "ringfence.yaml",
            format!("name: n\nversion: {lower}\nsession_default_labels: [{lower}]\naudit: {audit}\n"),
        ),
        (
            "directory.yaml",
            "roles: [{ name: user }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\nlabels: [a, b, private]\n".to_owned(),
        ),
        (
            "access.cedar",
            format!(
                "@id(\"p\") permit(principal, action == Action::\"send_input\", resource)\n\
                 when {{ context.session.labels.contains(Label::\"{lower}\") }};\n\
                 @id(\"s\") @mode(\"shadow\") @reason(\"{letter}\") forbid(principal, action == Action::\"send_input\", resource);"
            ),
        ),
        (
            "packs/p.yaml",
            format!(
                "pack: p\nrules:\n  - id: word\n    severity: low\n    find: {{ pattern: 'xyzzy\\d' }}\n    action: redact\n    stages: [input]\n    replace: '[{letter}]'\n    \
                 examples: {{ match: [xyzzy1], ignore: [xyzzy] }}\n"
            ),
        ),
    ];
    let mut all: Vec<(&'static str, String)> =
        files(&[]).into_iter().map(|(name, text)| (name, text.to_owned())).collect();
    all.retain(|(name, _)| change.iter().all(|(changed, _)| changed != name));
    all.extend(change);
    all
}

fn bundle(letter: char) -> Bundle {
    Bundle::from_sources("test", sources(letter, "sync"))
}

fn broken() -> Bundle {
    let mut sources = sources('A', "sync");
    for (name, text) in &mut sources {
        if *name == "access.cedar" {
            *text = text.replace("Label::\"a\"", "Label::\"absent\"");
        }
    }
    Bundle::from_sources("broken", sources)
}

fn guard(letter: char, sink: &Arc<Kept>) -> Arc<Guard> {
    let engine = compile(&bundle(letter), &CompileOptions::default())
        .unwrap_or_else(|error| panic!("{:#?}", error.diagnostics))
        .engine;
    Arc::new(Guard::builder(engine).no_time_limit().sink(Arc::clone(sink) as Arc<dyn AuditSink>).build())
}

fn said(session: &str) -> Event {
    Event::input(session, User::new("ann", ["user"]), "bot", "it is xyzzy1 again")
}

#[test]
fn under_load_nothing_is_dropped_and_every_verdict_is_of_one_bundle() {
    const THREADS: usize = 4;
    const EVENTS: usize = 400;
    let sink = Arc::new(Kept::default());
    let guard = guard('A', &sink);
    let (a, b) = (bundle('A'), bundle('B'));
    let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let done = AtomicUsize::new(0);
    let mut reloads = 0;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (guard, a, b, seen, done) = (&guard, &a, &b, &seen, &done);
            scope.spawn(move || {
                for number in 0..EVENTS {
                    let event = said(&format!("t{thread}-{number}"));
                    let verdict = guard.check(&event);
                    let letter = if verdict.bundle == a.digest() { "A" } else { "B" };
                    assert!(letter == "A" || verdict.bundle == b.digest());
                    // Its default label, its permit, its policy in shadow and its rule are all of the same one.
                    assert!(verdict.is_allowed(), "{verdict:?}");
                    assert_eq!(verdict.shadow[0].message, letter);
                    let text = event.with_edits(&verdict.edits).to_spec().text.unwrap();
                    assert_eq!(text, format!("it is [{letter}] again"));
                    seen[usize::from(letter == "B")].fetch_add(1, Ordering::Relaxed);
                    // A session that goes on.
                    let _ = guard.check(&said(&format!("long-{thread}")));
                }
                done.fetch_add(1, Ordering::Release);
            });
        }
        while done.load(Ordering::Acquire) < THREADS {
            let next = if reloads % 2 == 0 { &b } else { &a };
            assert!(matches!(guard.reload(next), Ok(Reload::Replaced { .. })));
            reloads += 1;
        }
    });
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) > 0), "both have decided: {seen:?}");
    for thread in 0..THREADS {
        assert_eq!(guard.session(&format!("long-{thread}")).unwrap().seq, EVENTS as u64);
    }
    assert_eq!(sink.of_kind("verdict").len(), 2 * THREADS * EVENTS);
    // The first, and each that took its place, before any verdict of it.
    let loaded = sink.of_kind("bundle_loaded");
    assert_eq!(loaded.len(), reloads + 1);
    assert!(loaded.iter().enumerate().all(|(at, record)| record["version"] == ["a", "b"][at % 2]));
}

#[test]
fn a_bundle_that_does_not_compile_is_refused_and_recorded_and_sessions_go_on() {
    let sink = Arc::new(Kept::default());
    let guard = guard('A', &sink);
    assert!(guard.check(&said("s")).is_allowed());
    let refused = guard.reload(&broken());
    assert!(matches!(&refused, Err(ReloadError::Compile { error, .. }) if !error.diagnostics.is_empty()));
    let recorded = sink.of_kind("bundle_refused");
    assert_eq!(recorded[0]["origin"], "broken");
    assert_eq!(recorded[0]["bundle"], broken().digest());
    assert_eq!(recorded[0]["errors"], serde_json::json!(["undeclared-name"]));
    let verdict = guard.check(&said("s"));
    assert_eq!((verdict.bundle.as_str(), verdict.seq), (bundle('A').digest(), 2));
    // The same once more changes nothing; another one finds the session as it was.
    assert!(matches!(guard.reload(&bundle('A')), Ok(Reload::Unchanged)));
    assert!(matches!(guard.reload(&bundle('B')), Ok(Reload::Replaced { .. })));
    let verdict = guard.check(&said("s"));
    assert_eq!((verdict.bundle.as_str(), verdict.seq), (bundle('B').digest(), 3));
    assert_eq!(verdict.reasons[0].code.name(), "nothing-permits", "its label is of the bundle it began with");
    assert!(guard.check(&said("another")).is_allowed());
    // What its log can't promise, a bundle may not ask for.
    assert!(matches!(
        guard.reload(&Bundle::from_sources("b", sources('A', "batched"))),
        Ok(Reload::Replaced { .. })
    ));
    assert!(matches!(guard.reload(&bundle('B')), Err(ReloadError::Durability)));
    assert_eq!(sink.of_kind("bundle_refused")[1]["errors"], serde_json::json!(["audit-sync"]));
}

fn write(folder: &Path, sources: &[(&'static str, String)]) {
    std::fs::create_dir_all(folder.join("packs")).unwrap();
    for (name, text) in sources {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn next(told: &Receiver<Result<Reload, ReloadError>>) -> Result<Reload, ReloadError> {
    told.recv_timeout(Duration::from_secs(60)).expect("a change is noticed")
}

#[test]
fn a_watched_folder_is_taken_over_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &sources('A', "sync"));
    let sink = Arc::new(Kept::default());
    let guard = guard('A', &sink);
    let (tell, told) = channel();
    let watch = Watch::start(&guard, folder.path(), Duration::from_millis(20), move |outcome| {
        tell.send(outcome).unwrap();
    })
    .unwrap();
    write(folder.path(), &sources('B', "sync"));
    assert!(matches!(next(&told), Ok(Reload::Replaced { to, .. }) if to == bundle('B').digest()));
    assert_eq!(guard.engine().version(), "b");
    std::fs::write(folder.path().join("access.cedar"), "permit(").unwrap();
    assert!(matches!(next(&told), Err(ReloadError::Compile { .. })));
    assert_eq!(guard.engine().version(), "b");
    std::fs::remove_file(folder.path().join("ringfence.yaml")).unwrap();
    assert!(matches!(next(&told), Err(ReloadError::Load(_))));
    assert_eq!(sink.of_kind("bundle_refused")[1]["errors"], serde_json::json!(["unreadable"]));
    write(folder.path(), &sources('A', "sync"));
    assert!(matches!(next(&told), Ok(Reload::Replaced { .. })));
    assert_eq!(guard.engine().version(), "a");
    // It does not keep the guard.
    let weak = Arc::downgrade(&guard);
    drop(guard);
    let until = Instant::now() + Duration::from_secs(60);
    while weak.upgrade().is_some() {
        assert!(Instant::now() < until, "the watch keeps the guard");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(watch);
}
