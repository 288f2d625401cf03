//! Retention beside a writer: how long removing 100,000 contents and then their records takes, and how long a writer waits for it at most.
//!
//! `cargo bench --bench retention`, with `RINGFENCE_CONTENTS` for another number of contents.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use ringfence::audit::{AuditSink, Log, LogOptions, PayloadKey, SigningKey};
use ringfence::retention::Retention;
use ringfence::{Bundle, CompileOptions, Engine, Event, Guard, User, compile};

fn engine() -> Engine {
    let bundle = Bundle::from_sources(
        "bench",
        [
            ("ringfence.yaml", "name: bench\nversion: 1\n"),
            ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n"),
            (
                "access.cedar",
                "@id(\"p\") permit(principal in Role::\"user\", action == Action::\"send_input\", resource);",
            ),
            (
                "retention.yaml",
                "classes:\n  - { name: talk, keep: 7d, then: erase }\n  - { name: records, what: audit, keep: 40d }\n",
            ),
        ],
    );
    compile(&bundle, &CompileOptions::default()).unwrap().engine
}

fn event(n: usize, at: Timestamp) -> Event {
    // Half a kilobyte, of a thousand users.
    let text = format!("{n} {}", "what is said here ".repeat(28));
    let mut event =
        Event::input(format!("s{}", n / 10), User::new(format!("u{}", n % 1000), ["user"]), "bot", text);
    event.at = Some(at);
    event
}

/// Latencies of a writer until it is told to stop.
fn written(guard: &Guard, stop: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let event = event(took.len(), Timestamp::now());
        let began = Instant::now();
        assert!(guard.check(&event).is_allowed());
        took.push(began.elapsed());
        std::thread::sleep(Duration::from_micros(200));
    }
    took.sort_unstable();
    took
}

fn told(what: &str, took: &[Duration]) {
    let at = |part: usize| {
        took.get((took.len() * part / 1000).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    println!(
        "{what}: {} records, p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        took.len(),
        at(500),
        at(990),
        at(999),
        at(1000)
    );
}

fn main() {
    let count =
        std::env::var("RINGFENCE_CONTENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let (path, (key, text)) = (folder.path().join("log.db"), PayloadKey::generate().unwrap());
    let key_again = || PayloadKey::parse(&text).unwrap();
    let engine = engine();
    let log = Arc::new(Log::open(&path, LogOptions::default().payload_key(key)).unwrap());
    let guard =
        Guard::builder(engine.clone()).sink(Arc::clone(&log) as Arc<dyn AuditSink>).no_time_limit().build();
    let long_ago = Timestamp::now() - SignedDuration::from_hours(24 * 30);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let guard = &guard;
            scope.spawn(move || {
                for n in (thread..count).step_by(64) {
                    assert!(guard.check(&event(n, long_ago)).is_allowed());
                }
            });
        }
    });
    let took = began.elapsed();
    println!(
        "keeping: {count} contents by 64 writers in {took:?}, {:.0}/s",
        count as f64 / took.as_secs_f64()
    );
    println!("bytes per record and content: {}", std::fs::metadata(&path).unwrap().len() / count as u64);
    let stop = AtomicBool::new(false);
    let alone = std::thread::scope(|scope| {
        let writer = scope.spawn(|| written(&guard, &stop));
        std::thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    told("a writer alone", &alone);
    for (what, now) in [
        ("contents", Timestamp::now()),
        ("records too", Timestamp::now() + SignedDuration::from_hours(24 * 41)),
    ] {
        stop.store(false, Ordering::Relaxed);
        let (beside, run, took) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| written(&guard, &stop));
            let options =
                LogOptions::default().payload_key(key_again()).key(SigningKey::generate("bench").unwrap());
            let mut retention = Retention::open(&path, &engine, options, "bench").unwrap();
            let began = Instant::now();
            let run = retention.apply(now).unwrap();
            let took = began.elapsed();
            stop.store(true, Ordering::Relaxed);
            (writer.join().unwrap(), run, took)
        });
        told(&format!("a writer beside retention, {what}"), &beside);
        let removed = run.removed.iter().map(|one| format!("{} of {}", one.contents, one.class));
        println!(
            "retention, {what}: {} in {took:?}, {} transactions, the longest {:?}, {} keys, clean: {}",
            removed.collect::<Vec<_>>().join(" and "),
            run.batches,
            run.longest,
            run.keys,
            run.clean
        );
    }
}
