//! Records themselves go when their class says so, and what is left still verifies.

use jiff::{SignedDuration, Timestamp};
use ringfence::audit::{AuditSink, Durability, Log, LogError, LogOptions, Problem, Proof, SigningKey};
use ringfence::retention::{Exported, NewHold, Retention, RetentionError};
use ringfence::store::{Field, Held, Query};
use ringfence::{Engine, Event, Guard, User};
use serde_json::Value;
use std::sync::Arc;

use super::Room;
use crate::audit::{Place, database, first};
use crate::engine;

fn bundle() -> Engine {
    engine(&[(
        "retention.yaml",
        "classes:\n  - { name: talk, stages: [input], keep: 25d }\n  - { name: records, what: audit, keep: 10d, minimum: 5d }\n",
    )])
}

fn days(count: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24 * count)
}

/// Some 2,900 records: 2,600 of today, by `early-kim` in the first segment alone, `mid-ann` in the second; and 300 of 29 days later.
fn written(place: &Place, options: LogOptions) {
    let log = Arc::new(Log::open(&place.log(), options.durability(Durability::OnFlush)).unwrap());
    let guard = Guard::builder(bundle()).sink(Arc::clone(&log) as Arc<dyn AuditSink>).no_time_limit().build();
    for n in 0..2900 {
        let user = match n {
            0..900 => "early-kim",
            1100..1900 => "mid-ann",
            _ => "always-bob",
        };
        let mut event = Event::input(format!("s{}", n / 50), User::new(user, ["user"]), "bot", "hello");
        event.at = Some(if n < 2600 { days(0) } else { days(29) });
        assert!(guard.check(&event).is_allowed());
    }
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();
}

fn retention(place: &Place, options: LogOptions) -> Retention {
    Retention::open(&place.log(), &bundle(), options, "dpo").unwrap()
}

fn of_user(place: &Place, user: &str) -> usize {
    let labels = vec![(Field::User, user.to_owned()), (Field::Kind, "verdict".to_owned())];
    place.reader().page(&Query { labels, limit: 10_000, ..Query::default() }).unwrap().len()
}

fn holding(place: &Place, text: &str) -> bool {
    ["log.db", "log.db-wal"].iter().any(|name| {
        let bytes = std::fs::read(place.path(name)).unwrap_or_default();
        memchr::memmem::find(&bytes, text.as_bytes()).is_some()
    })
}

#[test]
fn the_oldest_records_go_and_the_rest_verifies() {
    let place = Place::new();
    written(&place, place.options());
    let now = days(30);
    let size = place.verify().records;
    // What is under a hold stays, and all behind it.
    let mut retention = retention(&place, place.options());
    let on = Held::User("mid-ann".to_owned());
    let hold = NewHold { name: "h".into(), on, reason: "case".into(), owner: "legal".into(), until: None };
    retention.hold(&hold, days(0)).unwrap();
    let plan = retention.plan(now).unwrap().records.unwrap();
    assert_eq!((plan.past, plan.due, plan.why.as_deref()), (2048, 1024, Some("hold h: case")));
    // A program that writes meanwhile goes on.
    let other = place.open();
    assert!(holding(&place, "early-kim"));
    let run = retention.apply(now).unwrap();
    assert_eq!((run.removed[0].class.as_str(), run.removed[0].contents), ("records", 1024));
    assert_eq!((run.stayed[0].contents, run.stayed[0].why.as_str()), (1024, "hold h: case"));
    assert!(run.clean);
    other.close().unwrap();
    // Every checkpoint that was kept outside still fits, the first record is chained to what went, and nothing of that is left.
    let report = place.verify();
    assert_eq!((report.problems, report.removed), (vec![], 1024));
    assert!(report.records > size - 1024 && report.signed_outside == report.records);
    assert_eq!((of_user(&place, "early-kim"), of_user(&place, "mid-ann")), (0, 800));
    assert!(!holding(&place, "early-kim"));
    let stats = place.reader().stats().unwrap();
    let users = &stats.counts.iter().find(|(field, _)| *field == Field::User).unwrap().1;
    assert!(
        users.iter().all(|(user, _)| user != "early-kim") && users.contains(&("mid-ann".to_owned(), 801))
    );
    for index in [1024, 1025, 2047, 2048, 2500, size] {
        let proof = Proof::parse(&place.reader().prove(index).unwrap().text()).unwrap();
        let record: Value = serde_json::from_str(proof.check([&place.public()]).unwrap()).unwrap();
        assert_eq!(record["_index"], index);
    }
    let gone = place.reader().prove(1023).unwrap_err();
    assert!(matches!(gone, LogError::RemovedRecord { index: 1023 }), "{gone}");
    // What went is recorded, and the rest goes once nothing keeps it.
    retention.release("h", "over", now).unwrap();
    assert_eq!(retention.apply(now).unwrap().removed[0].contents, 1024);
    assert!(retention.apply(now).unwrap().removed.is_empty());
    let labels = vec![(Field::Kind, "records_removed".to_owned())];
    let told = place.reader().page(&Query { labels, limit: 9, ..Query::default() }).unwrap();
    let told: Vec<Value> = told.iter().map(|entry| serde_json::from_str(&entry.text).unwrap()).collect();
    assert_eq!((told.len(), &told[0]["first"], &told[1]["first"]), (2, &2048.into(), &1024.into()));
    assert_eq!((&told[0]["records"], &told[0]["by"]), (&1024.into(), &"dpo".into()));
    let report = place.verify();
    assert_eq!((report.problems, report.removed), (vec![], 2048));
    assert_eq!((of_user(&place, "mid-ann"), holding(&place, "mid-ann")), (0, true), "holds name her");
    // And the log goes on.
    written(&place, place.options());
    assert_eq!(place.verify().problems, []);
    assert_eq!(of_user(&place, "early-kim"), 900);
}

#[test]
fn nobody_else_removes_records() {
    let place = Place::new();
    written(&place, place.options());
    let now = days(30);
    // Without the key nothing goes.
    let run = retention(&place, LogOptions::default()).apply(now).unwrap();
    assert!(run.removed.is_empty() && run.stayed[0].why.contains("audit key"), "{:?}", run.stayed);
    assert_eq!(place.verify().problems, []);
    // Nor where what would go is not what was written.
    let whole = std::fs::read(place.log()).unwrap();
    let restore = |bytes: &[u8]| {
        for name in ["log.db-wal", "log.db-shm"] {
            let _ = std::fs::remove_file(place.path(name));
        }
        std::fs::write(place.log(), bytes).unwrap();
    };
    database(&place.log())
        .execute("UPDATE record SET body = replace(body, 'early-kim', 'early-tim') WHERE idx = 700", [])
        .unwrap();
    let refused = retention(&place, place.options()).apply(now).unwrap_err();
    assert!(matches!(refused, RetentionError::Log(LogError::Altered)), "{refused}");
    assert_eq!(
        (of_user(&place, "early-kim"), first(&place.verify())),
        (900, Some(&Problem::Altered { index: 700 }))
    );
    restore(&whole);

    assert_eq!(retention(&place, place.options()).apply(now).unwrap().removed[0].contents, 2048);
    let whole = std::fs::read(place.log()).unwrap();
    let cut: String = rusqlite::Connection::open(place.log())
        .unwrap()
        .query_row("SELECT note FROM cut", [], |row| row.get(0))
        .unwrap();
    for (sql, values, problem) in [
        ("DELETE FROM cut", vec![], Problem::Removed { from: 0, to: 2048 }),
        ("UPDATE cut SET note = ?1", vec![cut.replace("\"size\":2048", "\"size\":1024")], Problem::Cut),
        ("UPDATE cut SET note = ?1", vec![cut.replace("\"last\":\"", "\"last\":\"0")], Problem::Cut),
        ("UPDATE cut SET note = 'x'", vec![], Problem::Cut),
        ("UPDATE cut SET size = 1024", vec![], Problem::Cut),
        ("UPDATE cut SET size = 9000000", vec![], Problem::Cut),
        ("INSERT INTO cut SELECT 3072, at, note FROM cut", vec![], Problem::Cut),
        ("UPDATE node SET hash = zeroblob(32) WHERE level = 8 AND idx = 3", vec![], Problem::Cut),
        ("DELETE FROM node", vec![], Problem::Cut),
        ("DELETE FROM record WHERE idx = 2048", vec![], Problem::Removed { from: 2048, to: 2049 }),
    ] {
        let connection = database(&place.log());
        connection.execute_batch("DROP TRIGGER cut_stays; DROP TRIGGER cut_remains").unwrap();
        connection.execute(sql, rusqlite::params_from_iter(values)).unwrap();
        drop(connection);
        let report = place.verify();
        assert!(report.problems.contains(&problem), "{sql}: {:?}", report.problems);
        restore(&whole);
    }
    // Whoever has the database and another key states more than was removed.
    let connection = database(&place.log());
    connection.execute_batch("DROP TRIGGER cut_stays; DELETE FROM record WHERE idx < 2100;").unwrap();
    drop(connection);
    assert_eq!(first(&place.verify()), Some(&Problem::Removed { from: 2048, to: 2100 }));
    restore(&whole);
    // What an interrupted run has left is not read, and goes with the next.
    let connection = database(&place.log());
    connection
        .execute("INSERT INTO record SELECT 5, at, hash, 'left-over' FROM record WHERE idx = 2500", [])
        .unwrap();
    drop(connection);
    assert_eq!(place.verify().problems, []);
    assert!(holding(&place, "left-over"));
    let run = retention(&place, place.options()).apply(now).unwrap();
    assert_eq!((run.removed[0].contents, holding(&place, "left-over")), (1, false));
    // A copy whose statement another key has signed is found out.
    let report = {
        let key = SigningKey::generate("test").unwrap();
        let public = key.public();
        let against = ringfence::audit::Verify { checkpoints: Vec::new(), keys: vec![public] };
        place.reader().verify(&against, &mut |_| {}).unwrap()
    };
    assert!(report.problems.contains(&Problem::Cut), "{:?}", report.problems);
}

#[test]
fn records_stay_while_their_contents_do() {
    let room = Room::new();
    written(&room.place, room.options());
    // Contents are kept for 25 days and go first; then records do.
    let mut retention = retention(&room.place, room.options());
    let run = retention.apply(days(20)).unwrap();
    assert_eq!((run.removed.len(), run.stayed[0].contents), (0, 2048));
    assert!(run.stayed[0].why.contains("contents"), "{}", run.stayed[0].why);
    let run = retention.apply(days(30)).unwrap();
    let removed: Vec<(&str, u64)> =
        run.removed.iter().map(|one| (one.class.as_str(), one.contents)).collect();
    assert_eq!(removed, [("talk", 2600), ("records", 2048)]);
    assert!(retention.account().unwrap().is_good());
    let mut shown = |_: &Exported| Ok::<_, RetentionError>(());
    assert_eq!(retention.export("always-bob", days(30), &mut shown).unwrap(), 300);
    assert_eq!(room.place.verify().problems, []);
}
