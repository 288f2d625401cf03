//! The audit log: records per second beside one transaction per record, the guard's own cost, verifying and finding.
//!
//! `cargo bench --bench audit`; `RINGFENCE_RECORDS` says how many records the large log has (300,000 where it does not; the budgets of opening and
//! finding are for 1,000,000). Nothing is averaged over runs: what counts are ratios within one.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ringfence::audit::{AuditSink, Durability, Log, LogOptions, LogReader, Record, SigningKey, Verify};
use ringfence::engine::Trace;
use ringfence::store::{Field, Query};
use ringfence::{Engine, Event, Guard, User, Verdict};
use serde_json::json;

/// Decided events as an agent makes them, for records that differ.
struct Decided {
    engine: Engine,
    events: Vec<(Event, Verdict, Trace)>,
}

impl Decided {
    fn new() -> Self {
        let engine = Engine::embedded().unwrap();
        let guard = Guard::builder(engine.clone()).no_time_limit().build();
        let mut events = Vec::new();
        for n in 0..600 {
            let user = User::new(format!("user-{}", n % 97), ["user"]);
            let session = format!("session-{:08x}", n * 2_654_435_761_u64 % 0xffff_ffff);
            let mut event = match n % 6 {
                0 => Event::run(&session, user, "assistant", None, vec!["lookup".to_owned()]),
                1 => Event::input(
                    &session,
                    user,
                    "assistant",
                    format!("Where is order {n}? Mail me at kim{n}@post.example"),
                ),
                2 | 3 => {
                    Event::tool_call(&session, user, "assistant", "lookup", json!({ "id": n, "full": true }))
                }
                4 => Event::tool_result(
                    &session,
                    user,
                    "assistant",
                    "lookup",
                    json!({ "state": "sent", "n": n }),
                ),
                _ => Event::output(&session, user, "assistant", "It has been sent."),
            };
            event.at = Some(Timestamp::from_second(1_760_000_000 + n as i64).unwrap());
            let (verdict, trace) = guard.examine(&event);
            events.push((event, verdict, trace));
        }
        Self { engine, events }
    }

    fn record(&self, n: usize, key: Option<&[u8]>) -> Record<'_> {
        let (event, verdict, trace) = &self.events[n % self.events.len()];
        let at = Timestamp::from_second(1_760_000_000 + n as i64 / 50).unwrap();
        Record::verdict(at, &self.engine, Some(event), verdict, trace, key)
    }
}

fn options() -> LogOptions {
    LogOptions::default().key(SigningKey::generate("bench").unwrap())
}

/// The processor time that this thread has taken.
#[cfg(unix)]
fn busy() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What handing a record in takes of the caller's thread: making it, its digests and its JSON, and reading what it is found by.
#[cfg(unix)]
fn own_cost(path: &Path, decided: &Decided) {
    const COUNT: usize = 10_000;
    let log = Log::open(path, options().durability(Durability::OnFlush)).unwrap();
    for round in 0..2 {
        let start = busy();
        for n in 0..COUNT {
            log.write(&decided.record(n, log.digest_key())).unwrap();
        }
        let took = busy().saturating_sub(start);
        log.flush().unwrap();
        if round == 1 {
            println!("a record handed in               {:>10.2} us", took.as_secs_f64() * 1e6 / COUNT as f64);
        }
    }
}

#[cfg(not(unix))]
fn own_cost(_: &Path, _: &Decided) {}

fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// One transaction for each record, as a log without shared transactions writes: the same rows, nothing else.
fn baseline(path: &Path, decided: &Decided, count: usize) -> f64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE r (i INTEGER PRIMARY KEY, body TEXT)")
        .unwrap();
    let mut insert = connection.prepare("INSERT INTO r VALUES (?1, ?2)").unwrap();
    let start = Instant::now();
    for n in 0..count {
        insert.execute(rusqlite::params![n as i64, decided.record(n, None).to_json().unwrap()]).unwrap();
    }
    rate(count, start.elapsed())
}

fn main() {
    let large: usize =
        std::env::var("RINGFENCE_RECORDS").ok().and_then(|count| count.parse().ok()).unwrap_or(300_000);
    let folder = tempfile::tempdir().unwrap();
    let decided = Decided::new();

    let start = Instant::now();
    let key = [7; 32];
    let mut bytes = 0;
    for n in 0..50_000 {
        bytes += decided.record(n, Some(&key)).to_json().unwrap().len();
    }
    println!(
        "a record made                    {:>10.2} us, {} bytes",
        start.elapsed().as_secs_f64() * 20.0,
        bytes / 50_000
    );

    own_cost(&folder.path().join("own.db"), &decided);

    let base = baseline(&folder.path().join("base.db"), &decided, 3000);
    println!("one transaction per record       {base:>10.0} records/s");
    for threads in [1, 4, 64] {
        let log = Log::open(&folder.path().join(format!("{threads}.db")), options()).unwrap();
        let each = if threads == 1 { 3000 } else { 20_000 / threads };
        let start = Instant::now();
        let mut times: Vec<Duration> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..threads)
                .map(|thread| {
                    let (log, decided) = (&log, &decided);
                    scope.spawn(move || {
                        let one = |n| {
                            let start = Instant::now();
                            log.write(&decided.record(thread * each + n, log.digest_key())).unwrap();
                            start.elapsed()
                        };
                        (0..each).map(one).collect::<Vec<_>>()
                    })
                })
                .collect();
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        let rate = rate(threads * each, start.elapsed());
        times.sort_unstable();
        println!(
            "{threads:>3} callers, durable             {rate:>10.0} records/s ({:.1}x), p50 {:?}, p99 {:?}",
            rate / base,
            times[times.len() / 2],
            times[times.len() * 99 / 100]
        );
        log.close().unwrap();
    }

    let path = folder.path().join("large.db");
    let log = Log::open(&path, options().durability(Durability::OnFlush)).unwrap();
    let start = Instant::now();
    for n in 0..large {
        let record = decided.record(n, log.digest_key());
        log.write(&record).unwrap();
    }
    log.flush().unwrap();
    println!("batches of 1,024, durable        {:>10.0} records/s", rate(large, start.elapsed()));
    log.close().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    println!("database                         {:>10} bytes per record", size / large as u64);

    let start = Instant::now();
    let mut reader = LogReader::open(&path).unwrap();
    println!("open to read                     {:>10.2?}", start.elapsed());
    let start = Instant::now();
    let stats = reader.stats().unwrap();
    println!("count everything                 {:>10.2?} ({} records)", start.elapsed(), stats.records);
    let start = Instant::now();
    let log = Log::open(&path, options().key(SigningKey::generate("bench").unwrap())).unwrap();
    println!("open to write                    {:>10.2?}", start.elapsed());
    drop(log);
    let label = |field, text: &str| (field, text.to_owned());
    for (what, labels) in [
        ("newest page", vec![]),
        ("page by user and decision", vec![label(Field::User, "user-3"), label(Field::Decision, "allow")]),
        (
            "page by frequent tool and stage",
            vec![label(Field::Tool, "lookup"), label(Field::Stage, "tool_result")],
        ),
        ("page of nothing in common", vec![label(Field::Stage, "output"), label(Field::Tool, "lookup")]),
        ("page by tag", vec![label(Field::Tag, "pii")]),
        ("page by session", vec![label(Field::Session, "session-00000000")]),
        ("page by the start of the program", vec![label(Field::Kind, "start")]),
    ] {
        for (when, since, until) in
            [("", None, None), (", an hour", Some(1_760_001_000), Some(1_760_004_600))]
        {
            let seconds = |at: Option<i64>| at.map(|at| at * 1_000_000);
            let query = Query {
                labels: labels.clone(),
                since: seconds(since),
                until: seconds(until),
                limit: 50,
                ..Query::default()
            };
            let start = Instant::now();
            let found = reader.page(&query).unwrap().len();
            let first = start.elapsed();
            println!("{:<33}{first:>10.2?} ({found} found)", format!("{what}{when}"));
        }
    }
    let start = Instant::now();
    let report = reader.verify(&Verify::default(), &mut |_| {}).unwrap();
    let time = start.elapsed();
    println!(
        "verify                           {:>10.0} records/s, good: {}",
        rate(large, time),
        report.is_good()
    );
    let start = Instant::now();
    let proof = reader.prove(large as u64 / 3).unwrap();
    println!("prove                            {:>10.2?}, {} bytes", start.elapsed(), proof.text().len());
}
