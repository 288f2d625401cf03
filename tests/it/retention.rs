//! Contents: kept as the bundle says, gone when they are due, and nothing left of them.

mod erasure;
mod faults;
mod gone;
mod program;
mod records;
mod together;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ringfence::audit::{AuditSink, Durability, KeySource, Log, LogOptions, PayloadKey, SigningKey};
use ringfence::retention::{Exported, Message, NewHold, Retention, RetentionError};
use ringfence::store::Held;
use ringfence::{Engine, Event, Guard, User};
use serde_json::{Value, json};

use crate::audit::Place;
use crate::{MANIFEST, engine};

pub(crate) const CLASSES: &str = "classes:
  - { name: codes, tags: [card], keep: never }
  - { name: personal, tags: [pii], keep: 7d, then: shred }
  - { name: ledger, tools: [note], keep: 90d, minimum: 30d, duty: 'tax law, section 147', from: last_activity }
  - { name: talk, stages: [input], keep: 10d, then: anonymise }
  - { name: answers, stages: [output], keep: 10d, from: session_end, longer: allowed }
tenants: { acme: { talk: 2d, answers: 20d } }
";

const PACK: &str = "pack: p
stages: [input, tool_call, tool_result, output]
rules:
  - { id: pii, action: redact, tags: [pii], replace: '[GONE]', find: { pattern: '\\bkitten\\b' }, examples: { match: [kitten], ignore: [kittens] } }
  - { id: card, action: flag, tags: [card], find: { pattern: '\\bcvc\\b' }, examples: { match: [cvc], ignore: [cvcs] } }
  - { id: no, action: deny, tags: [pii], find: { pattern: '\\bbomb\\b' }, examples: { match: [bomb], ignore: [bombs] } }
";

/// The bundle of these tests.
pub(crate) fn bundle() -> Engine {
    let manifest = format!("{MANIFEST}sensitive_parameters: [password]\n");
    let tools = "tools:\n  - name: note\n    in: [set]\n    input: { type: object, properties: { text: { type: string, maxLength: 20000 }, password: {} } }\n";
    engine(&[
        ("ringfence.yaml", &manifest),
        ("tools.yaml", tools),
        ("packs/p.yaml", PACK),
        ("retention.yaml", CLASSES),
    ])
}

/// A log whose contents are kept.
pub(crate) struct Room {
    pub(crate) place: Place,
}

impl Room {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        PayloadKey::write_new(&place.path("payload.key")).unwrap();
        Self { place }
    }

    pub(crate) fn payload_key(&self) -> PayloadKey {
        PayloadKey::read(&KeySource::File(self.place.path("payload.key"))).unwrap()
    }

    pub(crate) fn options(&self) -> LogOptions {
        self.place.options().payload_key(self.payload_key())
    }

    pub(crate) fn guard(&self) -> (Guard, Arc<Log>) {
        self.guard_with(self.options())
    }

    fn guard_with(&self, options: LogOptions) -> (Guard, Arc<Log>) {
        let log = Arc::new(Log::open(&self.place.log(), options).unwrap());
        (Guard::builder(bundle()).sink(Arc::clone(&log) as Arc<dyn AuditSink>).no_time_limit().build(), log)
    }

    /// Writes events, closes the log.
    pub(crate) fn write(&self, events: &[Event]) {
        // All are on the disk once it is closed, which is quicker.
        let (guard, log) = self.guard_with(self.options().durability(Durability::OnFlush));
        for event in events {
            assert!(guard.check(event).reasons.iter().all(|reason| reason.code.name() != "audit-failed"));
        }
        drop(guard);
        Arc::into_inner(log).unwrap().close().unwrap();
    }

    pub(crate) fn retention(&self) -> Retention {
        Retention::open(&self.place.log(), &bundle(), self.options(), "dpo").unwrap()
    }

    pub(crate) fn signing_key(&self) -> SigningKey {
        SigningKey::read(&self.place.path("audit.key")).unwrap()
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        [
            "log.db",
            "log.db-wal",
            "log.db-shm",
            "log.db-journal",
            "log.db.keys",
            "log.db.keys-wal",
            "log.db.keys-shm",
        ]
        .map(|name| self.place.path(name))
        .into_iter()
        .filter(|path| path.exists())
        .collect()
    }

    /// The files that hold a sequence of bytes.
    pub(crate) fn holding(&self, bytes: &[u8]) -> Vec<PathBuf> {
        let found = |path: &PathBuf| {
            let held = std::fs::read(path).unwrap();
            memchr::memmem::find(&held, bytes).is_some()
        };
        self.files().into_iter().filter(found).collect()
    }
}

pub(crate) fn day(n: i64) -> Timestamp {
    let start: Timestamp = "2040-01-01T12:00:00Z".parse().unwrap();
    start + SignedDuration::from_hours(24 * n)
}

pub(crate) fn at(mut event: Event, n: i64) -> Event {
    event.at = Some(day(n));
    event
}

pub(crate) fn ann() -> User {
    User::new("ann", ["user"])
}

pub(crate) fn of_acme(user: User) -> User {
    User { tenant: Some("acme".to_owned()), ..user }
}

pub(crate) fn exported(retention: &mut Retention, user: &str) -> Vec<Exported> {
    let mut all = Vec::new();
    let mut show = |one: &Exported| {
        all.push(one.clone());
        Ok::<_, RetentionError>(())
    };
    retention.export(user, day(0), &mut show).unwrap();
    all
}

fn what(all: &[Exported]) -> Vec<(&str, &str, Value)> {
    all.iter()
        .map(|one| (one.class.as_str(), one.role.as_str(), one.content.clone().unwrap_or_default()))
        .collect()
}

#[test]
fn contents_are_kept_as_they_went_on() {
    let room = Room::new();
    room.write(&[
        at(Event::input("s", ann(), "bot", "plain words"), 0),
        at(Event::input("s", ann(), "bot", "my kitten sleeps"), 0),
        at(Event::input("s", ann(), "bot", "a cvc and a kitten"), 0),
        at(Event::input("s", ann(), "bot", "a bomb"), 0),
        at(
            Event::tool_call("s", ann(), "bot", "note", json!({ "text": "buy milk", "password": "hunter2" })),
            0,
        ),
        at(Event::input("s", ann(), "nobody", "nothing keeps this"), 0),
        at(Event::output("s", ann(), "bot", json!(["structured", { "x": 9_007_199_254_740_993_u64 }])), 0),
    ]);
    let mut retention = room.retention();
    let all = exported(&mut retention, "ann");
    assert_eq!(
        what(&all),
        [
            ("talk", "user", json!({ "text": "plain words" })),
            ("personal", "user", json!({ "text": "my [GONE] sleeps" })),
            ("ledger", "assistant", json!({ "arguments": { "text": "buy milk" } })),
            ("answers", "assistant", json!({ "text": ["structured", { "x": 9_007_199_254_740_993_u64 }] })),
        ]
    );
    assert_eq!(exported(&mut retention, "kim"), []);
    // What a record says of it, and that the record is of it.
    let record = room.place.reader().show(all[1].number).unwrap();
    let record: Value = serde_json::from_str(&record.text).unwrap();
    assert_eq!((&record["kept"]["class"], &record["kept"]["bytes"]), (&json!("personal"), &json!(27)));
    assert_eq!(record["kept"]["commitment"].as_str().unwrap().len(), 64);
    // In no file in the clear, kept or not.
    for word in
        ["plain words", "kitten", "sleeps", "bomb", "hunter2", "buy milk", "nothing keeps", "structured"]
    {
        assert_eq!(room.holding(word.as_bytes()), Vec::<PathBuf>::new(), "{word}");
    }
    let conversation = retention.conversation("s").unwrap();
    assert_eq!(
        conversation[0],
        Message { role: "user".to_owned(), at: day(0), content: json!({ "text": "plain words" }) }
    );
    assert_eq!(conversation.len(), 4);
    assert_eq!(room.place.verify().problems, []);
}

#[test]
fn without_a_key_nothing_is_kept_and_the_host_can_tell() {
    let place = Place::new();
    let log = Arc::new(place.open());
    let guard = Guard::builder(bundle()).sink(Arc::clone(&log) as Arc<dyn AuditSink>).build();
    assert_eq!(guard.unkept_classes(), ["personal", "ledger", "talk", "answers"]);
    assert!(guard.check(&Event::input("s", ann(), "bot", "plain words")).is_allowed());
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();
    let mut retention = Retention::open(&place.log(), &bundle(), place.options(), "dpo").unwrap();
    assert!(retention.plan(day(999)).unwrap().groups.is_empty());
    let room = Room::new();
    let (guard, _log) = room.guard();
    assert!(guard.unkept_classes().is_empty());
    assert!(Guard::new(bundle()).unkept_classes().len() == 4, "no sink keeps nothing");
}

fn due(retention: &mut Retention, now: Timestamp) -> Vec<(String, String, u64, u64)> {
    let plan = retention.plan(now).unwrap();
    plan.groups.into_iter().map(|group| (group.class, group.tenant, group.due, group.held)).collect()
}

fn groups(rows: &[(&str, &str, u64, u64)]) -> Vec<(String, String, u64, u64)> {
    rows.iter()
        .map(|(class, tenant, due, held)| ((*class).to_owned(), (*tenant).to_owned(), *due, *held))
        .collect()
}

#[test]
fn periods_run_from_where_the_class_says_and_tenants_have_their_own() {
    let room = Room::new();
    let (guard, log) = room.guard();
    let check = |event: Event| assert!(guard.check(&event).is_allowed());
    check(at(Event::input("s1", ann(), "bot", "hello"), 0));
    check(at(Event::input("s2", of_acme(ann()), "bot", "hello"), 0));
    check(at(Event::tool_call("s1", ann(), "bot", "note", json!({ "text": "a" })), 0));
    check(at(Event::output("s1", ann(), "bot", "bye"), 0));
    check(at(Event::output("s2", of_acme(ann()), "bot", "bye"), 0));
    // The session goes on: what counts from its last activity waits.
    assert!(!guard.check(&at(Event::input("s1", ann(), "bot", "a bomb"), 50)).is_allowed());
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();

    let mut retention = room.retention();
    let none = [("answers", "", 0, 0), ("answers", "acme", 0, 0), ("ledger", "", 0, 0), ("talk", "", 0, 0)];
    assert_eq!(due(&mut retention, day(1)), groups(&[&none[..], &[("talk", "acme", 0, 0)]].concat()));
    // A tenant's shorter period, at its very end.
    let before = day(2) - SignedDuration::from_micros(1);
    assert_eq!(due(&mut retention, before)[4].2, 0);
    assert_eq!(due(&mut retention, day(2))[4].2, 1);
    assert_eq!(due(&mut retention, day(10))[3].2, 1);
    // From the end of the session, which is a day after its last event where nobody has ended it.
    assert_eq!(due(&mut retention, day(20))[1].2, 0);
    assert_eq!(due(&mut retention, day(21))[1].2, 1);
    assert_eq!(due(&mut retention, day(60))[0].2, 0);
    assert_eq!(due(&mut retention, day(61))[0].2, 1);
    assert_eq!((due(&mut retention, day(139))[2].2, due(&mut retention, day(140))[2].2), (0, 1));

    let standing = retention.should_retain("s1", day(100)).unwrap();
    assert_eq!((standing.retain, standing.until, standing.contents), (true, Some(day(140)), 3));
    assert!(!retention.should_retain("s1", day(140)).unwrap().retain);
    assert!(!retention.should_retain("no such thread", day(0)).unwrap().retain);

    // One run does what the plan said, and a second has nothing to do.
    let run = retention.apply(day(21)).unwrap();
    let removed: Vec<_> =
        run.removed.iter().map(|one| (one.class.as_str(), one.then.as_str(), one.contents)).collect();
    assert_eq!(removed, [("answers", "erase", 1), ("talk", "anonymise", 2)]);
    assert!(run.clean);
    assert!(retention.apply(day(21)).unwrap().removed.is_empty());
    let plan = retention.plan(day(21)).unwrap();
    assert_eq!((plan.anonymised, plan.groups.len()), (2, 2));
    // A class that the bundle no longer has keeps what it kept.
    let mut other = Retention::open(&room.place.log(), &engine(&[]), room.options(), "dpo").unwrap();
    let plan = other.plan(day(89)).unwrap();
    assert!(plan.groups.iter().all(|group| !group.declared));
    assert_eq!(plan.groups.iter().map(|group| group.due).sum::<u64>(), 1, "answers: 10d");
    assert_eq!(other.plan(day(90)).unwrap().groups.iter().map(|group| group.due).sum::<u64>(), 2);
    assert_eq!(room.place.verify().problems, []);
}

#[test]
fn a_tenant_that_the_session_knows_counts() {
    let room = Room::new();
    let (guard, log) = room.guard();
    let mut user = of_acme(ann());
    let run = Event::run("s1", user.clone(), "bot", None, vec![]);
    assert!(guard.check(&at(run, 0)).is_allowed());
    (user.roles, user.tenant) = (None, None);
    assert!(guard.check(&at(Event::input("s1", user, "bot", "hello"), 0)).is_allowed());
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();
    assert_eq!(due(&mut room.retention(), day(2)), groups(&[("talk", "acme", 1, 0)]));
}

#[test]
fn an_ended_session_counts_from_its_end() {
    let room = Room::new();
    let (guard, log) = room.guard();
    let mut event = Event::output("s1", ann(), "bot", "bye");
    event.at = Some(Timestamp::now());
    assert!(guard.check(&event).is_allowed());
    guard.end_session("s1").unwrap();
    guard.end_session("unknown").unwrap();
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();
    let mut retention = room.retention();
    let now = Timestamp::now();
    let until = retention.should_retain("s1", now).unwrap().until.unwrap();
    let days = until.duration_since(now);
    assert!(days > SignedDuration::from_hours(239) && days <= SignedDuration::from_hours(240), "{days:?}");
}

#[test]
fn holds_keep_what_is_due() {
    let room = Room::new();
    room.write(&[
        at(Event::input("s1", ann(), "bot", "one"), 0),
        at(Event::input("s2", ann(), "bot", "two"), 0),
        at(Event::input("s3", User::new("kim", ["user"]), "bot", "three"), 0),
    ]);
    let mut retention = room.retention();
    let hold = |name: &str, on: Held| NewHold {
        name: name.to_owned(),
        on,
        reason: "case 17".to_owned(),
        owner: "legal".to_owned(),
        until: Some(day(40)),
    };
    retention.hold(&hold("h", Held::Thread("s1".to_owned())), day(1)).unwrap();
    let kim = NewHold { until: None, ..hold("k", Held::User("kim".to_owned())) };
    retention.hold(&kim, day(1)).unwrap();
    let twice = retention.hold(&hold("h", Held::User("x".to_owned())), day(1));
    assert!(matches!(twice, Err(RetentionError::HoldExists { .. })));
    for bad in [
        hold("", Held::User("x".to_owned())),
        hold("n", Held::User(String::new())),
        NewHold { until: Some(day(0)), ..hold("n", Held::User("x".to_owned())) },
        NewHold { reason: "x".repeat(501), ..hold("n", Held::User("x".to_owned())) },
    ] {
        assert!(matches!(retention.hold(&bad, day(1)), Err(RetentionError::BadHold)), "{bad:?}");
    }
    assert_eq!(due(&mut retention, day(30)), groups(&[("talk", "", 1, 2)]));
    let standing = retention.should_retain("s1", day(30)).unwrap();
    assert_eq!((standing.retain, standing.holds), (true, vec!["h".to_owned()]));
    let run = retention.apply(day(30)).unwrap();
    assert_eq!(run.removed.iter().map(|one| one.contents).sum::<u64>(), 1);
    let stayed: Vec<_> = run.stayed.iter().map(|one| (one.why.as_str(), one.contents, one.until)).collect();
    assert_eq!(stayed, [("hold h: case 17", 1, Some(day(40))), ("hold k: case 17", 1, None)]);
    // One ends by itself, the other when it is released.
    assert_eq!(retention.apply(day(41)).unwrap().removed.len(), 1);
    assert!(matches!(retention.release("x", "r", day(41)), Err(RetentionError::NoHold { .. })));
    retention.release("k", "closed", day(41)).unwrap();
    assert_eq!(retention.apply(day(41)).unwrap().removed[0].contents, 1);
    assert_eq!(retention.holds().unwrap().len(), 1);
    let all =
        room.place.reader().page(&ringfence::store::Query { limit: 100, ..Default::default() }).unwrap();
    let kinds: Vec<String> = all
        .iter()
        .rev()
        .map(|entry| serde_json::from_str::<Value>(&entry.text).unwrap()["kind"].as_str().unwrap().to_owned())
        .filter(|kind| !["start", "stop", "verdict", "bundle_loaded"].contains(&kind.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            "hold",
            "hold",
            "retention_batch",
            "retention_run",
            "retention_batch",
            "retention_run",
            "release",
            "retention_batch",
            "retention_run"
        ]
    );
    assert_eq!(room.place.verify().problems, []);
}
