//! The audit log in a database: what is written reads back, survives, and can't be changed unseen.

mod crash;
mod finding;
mod migration;
mod program;
mod tamper;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ringfence::audit::{
    AuditSink, Checkpoint, Durability, Log, LogError, LogOptions, LogReader, Problem, Proof, ProofError,
    PublicKey, Record, Report, SigningKey, Verify,
};
use ringfence::store::{Field, Order, Query, StoreError};
use ringfence::{Decision, Event, Guard, User};
use serde_json::{Value, json};

use crate::{MANIFEST, engine};

/// A folder with a log, its key and its checkpoints.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        SigningKey::generate("test").unwrap().write_new(&place.path("audit.key")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path("log.db")
    }

    pub(crate) fn options(&self) -> LogOptions {
        LogOptions::default()
            .key(SigningKey::read(&self.path("audit.key")).unwrap())
            .checkpoints(self.path("checkpoints.txt"))
    }

    pub(crate) fn open(&self) -> Log {
        Log::open(&self.log(), self.options()).unwrap()
    }

    pub(crate) fn reader(&self) -> LogReader {
        LogReader::open(&self.log()).unwrap()
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::read(&self.path("audit.key.pub")).unwrap()
    }

    /// Against the key and the checkpoints outside.
    pub(crate) fn verify(&self) -> Report {
        let text = std::fs::read_to_string(self.path("checkpoints.txt")).unwrap_or_default();
        let against = Verify { checkpoints: Checkpoint::all_of(&text), keys: vec![self.public()] };
        self.reader().verify(&against, &mut |_| {}).unwrap()
    }
}

/// A record of a host's, which is the shortest.
pub(crate) fn reported(guard: &Guard, number: u64) {
    guard.report("test", &json!({ "number": number })).unwrap();
}

fn texts(reader: &mut LogReader, query: &Query) -> Vec<Value> {
    let page = reader.page(query).unwrap();
    page.iter().map(|entry| serde_json::from_str(&entry.text).unwrap()).collect()
}

const TOOLS: &str = "tools:\n  - name: note\n    in: [set]\n    input: { type: object, properties: { text: { type: string, maxLength: 40 }, password: {}, size: { type: integer } } }\n    \
                     args: { /text: { log: true }, /password: { log: true }, /size: { log: true } }\n";

#[test]
fn what_a_guard_decides_reads_back() {
    let place = Place::new();
    let manifest = format!("{MANIFEST}sensitive_parameters: [password]\n");
    let engine = engine(&[
        ("ringfence.yaml", &manifest),
        ("tools.yaml", TOOLS),
        (
            "packs/p.yaml",
            "pack: p\nstages: [input]\ntags: [pii]\nrules:\n  - { id: r, action: deny, find: { pattern: '\\bsecret\\b' }, examples: { match: [secret], ignore: [secretive] } }\n",
        ),
    ]);
    let log = Arc::new(place.open());
    let guard = Guard::builder(engine).sink(Arc::clone(&log) as Arc<dyn AuditSink>).build();
    let ann = || User::new("ann", ["user"]);
    let call = json!({ "text": "hello", "password": "hunter2", "size": 9_007_199_254_740_993_u64 });
    assert!(guard.check(&Event::tool_call("s1", ann(), "bot", "note", call)).is_allowed());
    assert!(!guard.check(&Event::input("s1", ann(), "bot", "my secret is kitten")).is_allowed());
    assert!(guard.check(&Event::input("s2", User::new("kim", ["user"]), "bot", "hello")).is_allowed());
    guard.report("login-failed", &json!({ "host": "h", "deep": [{ "Password": "hunter2" }] })).unwrap();
    assert!(guard.report("x", &json!("y".repeat(5000))).is_err());
    assert!(guard.report("x", &json!(u64::MAX)).is_err());
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();

    let mut reader = place.reader();
    let all = texts(&mut reader, &Query { limit: 100, order: Order::OldestFirst, ..Query::default() });
    let kinds: Vec<&str> = all.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["start", "bundle_loaded", "verdict", "verdict", "verdict", "security_event", "stop"]);
    let called = &all[2];
    assert_eq!(called["parameters"], json!({ "password": "string", "size": "number", "text": "string" }));
    assert_eq!(called["arguments"], json!({ "/text": "hello" }), "not sensitive, and exact");
    assert_eq!(all[5]["details"], json!({ "host": "h", "deep": [{}] }));
    let whole: String = all.iter().map(Value::to_string).collect();
    assert!(!whole.contains("kitten") && !whole.contains("hunter2"), "{whole}");
    // The same text has the same digest, under this key and no other.
    assert_eq!(all[4]["texts"][0]["bytes"], 5);
    assert_ne!(all[3]["texts"][0]["hmac"], all[4]["texts"][0]["hmac"]);
    assert_eq!(all[4]["texts"][0]["hmac"].as_str().unwrap().len(), 64);

    let find = |reader: &mut LogReader, labels: &[(Field, &str)]| -> Vec<u64> {
        let labels = labels.iter().map(|(field, text)| (*field, (*text).to_owned())).collect();
        let page = reader.page(&Query { labels, limit: 10, ..Query::default() }).unwrap();
        page.iter().map(|entry| entry.index).collect()
    };
    assert_eq!(find(&mut reader, &[(Field::User, "ann")]), [3, 2]);
    assert_eq!(find(&mut reader, &[(Field::User, "ann"), (Field::Decision, "deny")]), [3]);
    assert_eq!(find(&mut reader, &[(Field::Rule, "p/r"), (Field::Tag, "pii")]), [3]);
    assert_eq!(find(&mut reader, &[(Field::Session, "s2"), (Field::Agent, "bot")]), [4]);
    assert_eq!(find(&mut reader, &[(Field::Tool, "note")]), [2]);
    assert_eq!(find(&mut reader, &[(Field::Kind, "security_event")]), [5]);
    assert_eq!(find(&mut reader, &[(Field::Reason, "rule")]), [3]);
    assert!(find(&mut reader, &[(Field::User, "nobody")]).is_empty());
    let stats = reader.stats().unwrap();
    assert_eq!((stats.records, stats.signed), (7, 7));
    assert_eq!(stats.counts[1], (Field::Decision, vec![("allow".to_owned(), 2), ("deny".to_owned(), 1)]));
    let report = place.verify();
    assert_eq!((report.problems, report.records, report.signed_outside), (vec![], 7, 7));
}

#[test]
fn pages_and_times_hold_what_they_should() {
    let place = Place::new();
    let log = place.open();
    let engine = engine(&[]);
    for n in 0..3000_i64 {
        let at = jiff::Timestamp::from_second(1_000_000 + n * 10).unwrap();
        log.write(&Record::security_event(at, &engine, "tick", &json!(n)).unwrap()).unwrap();
        // Few transactions, to be quick.
        if n == 0 {
            log.flush().unwrap();
        }
    }
    log.close().unwrap();
    let mut reader = place.reader();
    let numbers = |records: &[Value]| -> Vec<i64> {
        records.iter().filter_map(|record| record["details"].as_i64()).collect()
    };
    let at = |n: i64| Some((1_000_000 + n * 10) * 1_000_000);
    let times = Query { since: at(1000), until: at(1500), limit: 1000, ..Query::default() };
    let found = numbers(&texts(&mut reader, &times));
    assert_eq!(found, (1000..1500).rev().collect::<Vec<_>>());
    let mut query = Query {
        labels: vec![(Field::Kind, "security_event".to_owned())],
        order: Order::OldestFirst,
        limit: 7,
        ..times
    };
    let mut paged = Vec::new();
    loop {
        let page = reader.page(&query).unwrap();
        let Some(last) = page.last() else { break };
        query.from = last.index + 1;
        paged.extend(
            page.iter().map(|entry| {
                serde_json::from_str::<Value>(&entry.text).unwrap()["details"].as_i64().unwrap()
            }),
        );
    }
    assert_eq!(paged, (1000..1500).collect::<Vec<_>>());
    let none = Query { since: at(5000), until: at(6000), limit: 5, ..Query::default() };
    assert!(reader.page(&none).unwrap().is_empty());
    assert_eq!(place.verify().problems, []);
}

#[test]
fn a_proof_needs_no_log_and_proves_nothing_else() {
    let place = Place::new();
    let log =
        Log::open(&place.log(), place.options().checkpoint_every(50, Duration::from_secs(600))).unwrap();
    let engine = engine(&[]);
    let record =
        |n: u64| Record::security_event(jiff::Timestamp::UNIX_EPOCH, &engine, "e", &json!(n)).unwrap();
    let ids: Vec<u64> = (0..600).map(|n| log.append(&record(n)).unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1));
    let unsigned = *ids.last().unwrap();
    let mut reader = place.reader();
    let refused = reader.prove(unsigned).unwrap_err();
    assert!(matches!(refused, LogError::Unsigned { index } if index == unsigned), "{refused}");
    log.close().unwrap();
    let other = SigningKey::generate("test").unwrap().public();
    for index in [0, 1, 255, 256, 257, 511, unsigned, unsigned + 1] {
        let text = reader.prove(index).unwrap().text();
        let proof = Proof::parse(&text).unwrap();
        assert_eq!(proof.text(), text);
        let record: Value = serde_json::from_str(proof.check([&place.public()]).unwrap()).unwrap();
        assert_eq!(record["_index"], index);
        assert_eq!(proof.check([&other]), Err(ProofError::Signature));
        // Whatever of it is changed, it proves nothing: every byte of every line.
        for (at, c) in text.char_indices().filter(|(at, _)| at % 7 == 0) {
            let other = if c == 'A' { "B" } else { "A" };
            let mut changed = text.clone();
            changed.replace_range(at..at + c.len_utf8(), other);
            assert!(
                !Proof::parse(&changed).is_ok_and(|proof| proof.check([&place.public()]).is_ok()),
                "{at}"
            );
        }
    }
    let missing = reader.prove(10_000).unwrap_err();
    assert!(missing.to_string().contains("the log has 602"), "{missing}");
}

#[test]
fn what_can_not_be_recorded_does_not_happen() {
    let place = Place::new();
    let event = Event::input("s", User::new("u", ["user"]), "bot", "hello");
    // Locked by another program.
    let log = Log::open(&place.log(), place.options().wait(Duration::from_millis(50))).unwrap();
    let guard = Guard::builder(engine(&[])).sink(Arc::new(log)).no_time_limit().build();
    assert!(guard.check(&event).is_allowed());
    let other = rusqlite::Connection::open(place.log()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let verdict = guard.check(&event);
    assert_eq!((verdict.enforced, verdict.reasons[0].code.name()), (Decision::Deny, "audit-failed"));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(guard.check(&event).is_allowed(), "it goes on when the lock is gone");
    // The file for checkpoints can't be written: the next record is refused.
    drop(guard);
    assert_eq!(place.verify().problems, []);
}

#[cfg(unix)]
#[test]
fn a_log_that_can_not_be_written_is_told_at_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.open().close().unwrap();
    let path = place.log();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    // Root writes everything.
    if std::fs::OpenOptions::new().write(true).open(&path).is_err() {
        let error = Log::open(&path, place.options()).unwrap_err();
        assert!(matches!(error, LogError::Store(StoreError::ReadOnly)), "{error}");
    }
    for (name, bytes) in [("text", &b"not a database, but long enough to look at"[..]), ("empty", b"")] {
        std::fs::write(place.path(name), bytes).unwrap();
        let error = Log::open(&place.path(name), LogOptions::default().existing()).unwrap_err();
        assert!(matches!(error, LogError::Store(StoreError::NotALog { .. })), "{name}: {error}");
    }
    let foreign = rusqlite::Connection::open(place.path("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE t (x)").unwrap();
    let error = Log::open(&place.path("foreign.db"), place.options()).unwrap_err();
    assert!(matches!(error, LogError::Store(StoreError::NotALog { .. })), "{error}");
    let error = Log::open(&place.path("no/such/folder.db"), LogOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no/such/folder.db"), "{error}");
    let later = rusqlite::Connection::open(&path).unwrap();
    if later.execute_batch("PRAGMA user_version = 99").is_ok() {
        let error = LogReader::open(&path).unwrap_err();
        assert!(matches!(error, LogError::Store(StoreError::Newer { found: 99, .. })), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn checkpoints_that_can_not_be_written_stop_the_log() {
    let place = Place::new();
    let options = LogOptions::default().key(SigningKey::read(&place.path("audit.key")).unwrap());
    let log = Log::open(&place.log(), options.checkpoints("/dev/full")).unwrap();
    let guard = Guard::builder(engine(&[])).sink(Arc::new(log)).no_time_limit().build();
    reported(&guard, 0);
    drop(guard);
    let options = LogOptions::default().key(SigningKey::read(&place.path("audit.key")).unwrap());
    let log = Log::open(&place.log(), options.checkpoints("/dev/full")).unwrap();
    assert!(log.checkpoint().is_err());
    let engine = engine(&[]);
    let record = Record::bundle_loaded(jiff::Timestamp::UNIX_EPOCH, &engine);
    assert!(log.append(&record).is_err(), "what is owed comes first");
}

#[test]
fn batched_records_are_there_after_a_flush() {
    let place = Place::new();
    let log = Log::open(&place.log(), place.options().durability(Durability::OnFlush)).unwrap();
    let engine = engine(&[]);
    for n in 0..5000 {
        log.write(&Record::security_event(jiff::Timestamp::UNIX_EPOCH, &engine, "e", &json!(n)).unwrap())
            .unwrap();
    }
    log.flush().unwrap();
    assert_eq!(place.reader().stats().unwrap().records, 5001);
    log.close().unwrap();
    let report = place.verify();
    assert_eq!((report.problems, report.signed), (vec![], 5002));
}

#[test]
fn callers_share_transactions_and_keep_their_numbers() {
    let place = Place::new();
    let log = place.open();
    let engine = engine(&[]);
    let mut ids: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..16)
            .map(|thread| {
                let (log, engine) = (&log, &engine);
                scope.spawn(move || {
                    let details = |n| json!([thread, n]);
                    let record = |n| {
                        Record::security_event(jiff::Timestamp::UNIX_EPOCH, engine, "e", &details(n)).unwrap()
                    };
                    (0..50).map(|n| (log.append(&record(n)).unwrap(), details(n))).collect::<Vec<_>>()
                })
            })
            .collect();
        let answers: Vec<(u64, Value)> =
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        let mut reader = place.reader();
        for (id, details) in answers.iter().step_by(37) {
            let record: Value = serde_json::from_str(&reader.show(*id).unwrap().text).unwrap();
            assert_eq!(&record["details"], details);
        }
        answers.into_iter().map(|(id, _)| id).collect()
    });
    ids.sort_unstable();
    assert_eq!(ids, (1..801).collect::<Vec<_>>());
    log.close().unwrap();
    assert_eq!(place.verify().problems, []);
}

#[test]
fn checkpoints_come_with_time_too() {
    let place = Place::new();
    let options = place.options().checkpoint_every(1_000_000, Duration::from_millis(20));
    let log = Log::open(&place.log(), options).unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while place.reader().stats().unwrap().signed == 0 {
        assert!(std::time::Instant::now() < until, "no checkpoint came");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(log);
    assert_eq!(place.verify().signed_outside, 2);
}

/// The first problem in words, or none.
pub(crate) fn first(report: &Report) -> Option<&Problem> {
    report.problems.first()
}

pub(crate) fn database(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    // Whoever tampers drops what is in the way.
    connection
        .execute_batch(
            "DROP TRIGGER record_stays; DROP TRIGGER record_remains; DROP TRIGGER checkpoint_stays; DROP TRIGGER checkpoint_remains;",
        )
        .unwrap();
    connection
}
