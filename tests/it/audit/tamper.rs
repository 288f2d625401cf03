//! Whoever can write the database tampers with it.

use ringfence::audit::AuditSink;
use ringfence::audit::{
    Checkpoint, Durability, Log, LogError, LogReader, Problem, Record, SigningKey, Verify,
};
use rusqlite::params;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Place, database, first};
use crate::engine;

/// A log of some 600 records with checkpoints on the way, and one record of every kind.
fn written(place: &Place) -> u64 {
    let options = place.options().checkpoint_every(200, std::time::Duration::from_secs(600));
    let log = Log::open(&place.log(), options).unwrap();
    let guarded = engine(&[]);
    let at = |n: i64| jiff::Timestamp::from_second(1_700_000_000 + n).unwrap();
    for n in 0..300 {
        log.append(&Record::security_event(at(n), &guarded, "e", &json!({ "n": n })).unwrap()).unwrap();
    }
    let log = std::sync::Arc::new(log);
    let sink = std::sync::Arc::clone(&log) as std::sync::Arc<dyn AuditSink>;
    let guard = ringfence::Guard::builder(engine(&[])).sink(sink).no_time_limit().build();
    for n in 0..300 {
        let user = ringfence::User::new(format!("u{}", n % 5), ["user"]);
        let _ = guard.check(&ringfence::Event::tool_call(
            format!("s{n}"),
            user,
            "bot",
            "note",
            json!({ "text": "a" }),
        ));
    }
    drop(guard);
    std::sync::Arc::into_inner(log).unwrap().close().unwrap();
    let report = place.verify();
    assert_eq!((report.problems, report.checkpoints >= 3), (vec![], true));
    report.records
}

fn copy(place: &Place) -> Vec<u8> {
    std::fs::read(place.log()).unwrap()
}

fn restore(place: &Place, bytes: &[u8]) {
    for name in ["log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(place.path(name));
    }
    std::fs::write(place.log(), bytes).unwrap();
}

fn body(connection: &rusqlite::Connection, index: u64) -> String {
    connection
        .query_row("SELECT body FROM record WHERE idx = ?1", [i64::try_from(index).unwrap()], |row| {
            row.get(0)
        })
        .unwrap()
}

/// Every way to change one value of a record.
fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![json!(0)],
        Value::Bool(b) => vec![json!(!b)],
        Value::Number(n) => vec![json!(n.as_f64().unwrap() + 1.0), Value::Null],
        Value::String(text) => vec![json!(format!("{text}x")), json!("")],
        Value::Array(items) => {
            let mut all = vec![json!([items.clone(), [1]])];
            for (at, item) in items.iter().enumerate() {
                for change in changes(item) {
                    let mut items = items.clone();
                    items[at] = change;
                    all.push(items.into());
                }
            }
            all
        }
        Value::Object(members) => {
            let mut all = Vec::new();
            for (key, value) in members {
                let mut without = members.clone();
                without.shift_remove(key);
                all.push(without.into());
                for change in changes(value) {
                    let mut members = members.clone();
                    members.insert(key.clone(), change);
                    all.push(members.into());
                }
            }
            all
        }
    }
}

#[test]
fn every_field_of_a_record() {
    let place = Place::new();
    let size = written(&place);
    let connection = database(&place.log());
    let mut tried = 0;
    for index in [0, 1, 255, 256, 302, 400, size - 1] {
        let original = body(&connection, index);
        let set = |body: &str| {
            connection
                .execute(
                    "UPDATE record SET body = ?2 WHERE idx = ?1",
                    params![i64::try_from(index).unwrap(), body],
                )
                .unwrap();
        };
        for change in changes(&serde_json::from_str(&original).unwrap()) {
            set(&change.to_string());
            let report = place.verify();
            assert_eq!(first(&report), Some(&Problem::Altered { index }), "{change}");
            tried += 1;
        }
        // White space, an escape: the same value in other bytes is another record.
        set(&original.replacen(':', ": ", 1));
        assert_eq!(first(&place.verify()), Some(&Problem::Altered { index }));
        set(&original);
        assert_eq!(place.verify().problems, []);
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn columns_and_indexes() {
    let place = Place::new();
    written(&place);
    // A complete segment of the index, and records behind.
    let log = Log::open(&place.log(), place.options().durability(Durability::OnFlush)).unwrap();
    let guarded = engine(&[]);
    for n in 0..700 {
        log.write(
            &Record::security_event(jiff::Timestamp::now(), &guarded, "e", &json!({ "n": n })).unwrap(),
        )
        .unwrap();
    }
    log.close().unwrap();
    let (size, whole) = (place.verify().records, copy(&place));
    let altered = |index| Some(Problem::Altered { index });
    let index = |what| Some(Problem::Index { what });
    let found = "the fields by which records are found";
    let counts = "how many records have a value";
    let times = "the times by which records are found";
    for (sql, problem) in [
        ("UPDATE record SET hash = zeroblob(32) WHERE idx = 7", altered(7)),
        ("UPDATE record SET hash = NULL || 'x' WHERE idx = 7", altered(7)),
        ("UPDATE record SET hash = x'00' WHERE idx = 7", altered(7)),
        ("UPDATE record SET body = x'ff' WHERE idx = 7", altered(7)),
        ("UPDATE record SET at = at + 1 WHERE idx = 7", index(times)),
        ("UPDATE record SET at = 'noon' WHERE idx = 7", index(times)),
        ("UPDATE block SET latest = latest + 1", index(times)),
        ("DELETE FROM block", index(times)),
        ("UPDATE recent SET earliest = earliest + 1", index(times)),
        ("UPDATE recent SET latest = latest + 1", index(times)),
        ("DELETE FROM recent WHERE idx = (SELECT max(idx) FROM recent)", index(found)),
        ("DELETE FROM recent", index(found)),
        ("UPDATE recent SET idx = idx - 1", index(found)),
        ("UPDATE recent SET until = until + 1 WHERE idx = (SELECT max(idx) FROM recent)", index(found)),
        ("UPDATE recent SET labels = x'00'", index(found)),
        ("UPDATE recent SET labels = 7", index(found)),
        ("INSERT INTO recent SELECT 7, 8, earliest, latest, labels FROM recent LIMIT 1", index(found)),
        ("DELETE FROM segment", index(found)),
        ("UPDATE segment SET number = 3", index(found)),
        ("INSERT INTO segment VALUES (9, x'')", index(found)),
        ("UPDATE segment SET postings = x''", index(found)),
        ("UPDATE segment SET postings = 7", index(found)),
        ("UPDATE segment SET postings = substr(postings, 1, length(postings) - 3)", index(found)),
        ("UPDATE segment SET postings = postings || x'01000100'", index(found)),
        ("UPDATE name SET text = 'nobody' WHERE text = 'u1'", index(found)),
        ("UPDATE name SET field = 4 WHERE text = 'u1'", index(found)),
        ("UPDATE name SET last = NULL WHERE text = 'u1'", index(found)),
        ("UPDATE name SET last = 1 WHERE text = 'u1'", index(found)),
        ("DELETE FROM name WHERE text = 'u1'", index(found)),
        ("UPDATE name SET count = count + 1 WHERE text = 'u1'", index(counts)),
        (
            "UPDATE node SET hash = zeroblob(32) WHERE level = 8 AND idx = 1",
            Some(Problem::Tree { from: 256, to: 512 }),
        ),
        ("DELETE FROM node", Some(Problem::Tree { from: 0, to: 256 })),
        (
            "UPDATE checkpoint SET note = 'x' WHERE rowid = (SELECT min(size) FROM checkpoint)",
            Some(Problem::NoCheckpoint { number: 0 }),
        ),
    ] {
        let connection = database(&place.log());
        // The column takes no NULL; the attempt itself fails then.
        let done = connection.execute_batch(sql);
        drop(connection);
        if done.is_ok() {
            let report = place.verify();
            assert!(
                problem.iter().all(|problem| report.problems.contains(problem)),
                "{sql}: {:?}",
                report.problems
            );
        }
        restore(&place, &whole);
    }
    assert_eq!((place.verify().problems, place.verify().records), (vec![], size));
    // Any byte of a segment.
    let connection = database(&place.log());
    let postings: Vec<u8> =
        connection.query_row("SELECT postings FROM segment", [], |row| row.get(0)).unwrap();
    assert!(postings.len() > 500, "{}", postings.len());
    let set = |bytes: &[u8]| connection.execute("UPDATE segment SET postings = ?1", [bytes]).unwrap();
    for at in (0..postings.len()).step_by(postings.len() / 60) {
        let mut changed = postings.clone();
        changed[at] ^= 1 << (at % 8);
        set(&changed);
        assert_eq!(place.verify().problems, [Problem::Index { what: found }], "{at}");
    }
    set(&postings);
    assert_eq!(place.verify().problems, []);
}

#[test]
fn order_removal_and_truncation() {
    let place = Place::new();
    let size = written(&place);
    let whole = copy(&place);
    let after = |sql: &str| {
        let connection = database(&place.log());
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let report = place.verify();
        restore(&place, &whole);
        report
    };
    // Two records swapped, with and without their hashes.
    for what in ["body = (SELECT body", "(body, hash) = (SELECT body, hash"] {
        let report = after(&format!(
            "CREATE TEMP TABLE kept AS SELECT * FROM record;
             UPDATE record SET {what} FROM kept WHERE idx = 21) WHERE record.idx = 20;
             UPDATE record SET {what} FROM kept WHERE idx = 20) WHERE record.idx = 21;"
        ));
        assert_eq!(first(&report), Some(&Problem::Altered { index: 20 }), "{what}");
    }
    // Removal in the middle: alone, of several, and with the later ones moved up.
    let report = after("DELETE FROM record WHERE idx = 100");
    assert_eq!(first(&report), Some(&Problem::Removed { from: 100, to: 101 }));
    let report = after("DELETE FROM record WHERE idx >= 100 AND idx < 150");
    assert_eq!(first(&report), Some(&Problem::Removed { from: 100, to: 150 }));
    let report = after("DELETE FROM record WHERE idx = 0");
    assert_eq!(first(&report), Some(&Problem::Removed { from: 0, to: 1 }));
    let report = after(
        "DELETE FROM record WHERE idx = 100; UPDATE record SET idx = -idx + 1 WHERE idx > 100; UPDATE record SET idx = -idx WHERE idx < 0;",
    );
    assert_eq!(first(&report), Some(&Problem::Altered { index: 100 }));
    // Truncation: told by the checkpoints in the database, and by those outside where these are gone too.
    let cut = size - 5;
    let report = after(&format!("DELETE FROM record WHERE idx >= {cut}"));
    assert_eq!(first(&report), Some(&Problem::Truncated { size: cut, signed: size, outside: false }));
    let neat = format!(
        "DELETE FROM record WHERE idx >= {cut}; DELETE FROM recent WHERE idx >= {cut}; DELETE FROM checkpoint WHERE size > {cut};"
    );
    let report = after(&neat);
    assert_eq!(report.problems, [Problem::Truncated { size: cut, signed: size, outside: true }]);
    assert!(report.problems[0].to_string().contains(&format!("records from {cut} on are missing")));
    // Programs that write notice as well, at the start and on the way.
    let connection = database(&place.log());
    connection.execute_batch(&neat).unwrap();
    drop(connection);
    let refused = Log::open(&place.log(), place.options()).unwrap_err();
    assert!(matches!(refused, LogError::Unlike { size: at } if at == size), "{refused}");
    restore(&place, &whole);
    let log = place.open();
    let connection = database(&place.log());
    connection.execute_batch("DELETE FROM record WHERE idx > 600").unwrap();
    drop(connection);
    let guarded = engine(&[]);
    let record = Record::bundle_loaded(jiff::Timestamp::UNIX_EPOCH, &guarded);
    let refused = log.append(&record).unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("no longer holds"), "{why}");
}

/// Writes all hashes anew, as the published format says, from a record on.
fn rehash(connection: &rusqlite::Connection, origin: &str) {
    let rows: Vec<(i64, String)> = connection
        .prepare("SELECT idx, body FROM record ORDER BY idx")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let leaf = |text: &str| -> [u8; 32] { Sha256::new_with_prefix([0]).chain_update(text).finalize().into() };
    let mut previous = leaf(&format!("ringfence/audit/1\n{origin}"));
    let mut leaves = Vec::new();
    for (index, body) in &rows {
        let text = format!(
            "{{\"_index\":{index},\"_log\":\"{origin}\",\"_prev\":\"{}\",{}",
            hex(&previous),
            &body[1..]
        );
        previous = leaf(&text);
        leaves.push(previous);
        connection
            .execute("UPDATE record SET hash = ?2 WHERE idx = ?1", params![index, &previous[..]])
            .unwrap();
    }
    let mut level = leaves;
    for height in 1..9 {
        level = level
            .chunks_exact(2)
            .map(|pair| {
                Sha256::new_with_prefix([1]).chain_update(pair[0]).chain_update(pair[1]).finalize().into()
            })
            .collect();
        if height == 8 {
            for (index, hash) in level.iter().enumerate() {
                connection
                    .execute(
                        "UPDATE node SET hash = ?2 WHERE level = 8 AND idx = ?1",
                        params![index as i64, &hash[..]],
                    )
                    .unwrap();
            }
        }
    }
}

#[test]
fn a_history_written_anew() {
    let place = Place::new();
    let size = written(&place);
    let whole = copy(&place);
    let origin = place.reader().origin().to_owned();
    let checkpoints: Vec<u64> = {
        let connection = rusqlite::Connection::open(place.log()).unwrap();
        let mut sizes = connection.prepare("SELECT size FROM checkpoint ORDER BY size").unwrap();
        sizes.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|size| size.unwrap() as u64).collect()
    };
    let (from, to) = (checkpoints[0], checkpoints[1]);
    let rewrite = |also: &str| {
        let connection = database(&place.log());
        let at = i64::try_from(from + 3).unwrap();
        let changed = body(&connection, from + 3).replacen("\"kind\"", "\"kinb\":1,\"kind\"", 1);
        connection.execute("UPDATE record SET body = ?2 WHERE idx = ?1", params![at, changed]).unwrap();
        rehash(&connection, &origin);
        connection.execute_batch(also).unwrap();
    };
    // With the database alone: the signed checkpoints do not fit, and say between which records to look.
    rewrite("");
    let report = place.verify();
    assert!(
        matches!(first(&report), Some(Problem::Rewritten { from: f, size: s, .. }) if (*f, *s) == (from, to)),
        "{:?}",
        report.problems
    );
    // And without those in the database.
    restore(&place, &whole);
    rewrite("DELETE FROM checkpoint;");
    let report = place.verify();
    assert_eq!(first(&report), Some(&Problem::Rewritten { from, size: to, outside: true }));
    let refused = Log::open(&place.log(), place.options()).unwrap_err();
    assert!(matches!(refused, LogError::Unlike { size: at } if at == size), "{refused}");
    // With another key: its signatures are not those of the log's key.
    restore(&place, &whole);
    rewrite("DELETE FROM checkpoint;");
    let thief = SigningKey::generate("test").unwrap();
    thief.write_new(&place.path("thief.key")).unwrap();
    let options = ringfence::audit::LogOptions::default().key(thief);
    Log::open(&place.log(), options).unwrap().close().unwrap();
    let mut reader = place.reader();
    let against = Verify { checkpoints: Vec::new(), keys: vec![place.public()] };
    let report = reader.verify(&against, &mut |_| {}).unwrap();
    assert_eq!(report.problems, [Problem::Signature { size: size + 2, outside: false }]);
    assert!(report.problems[0].to_string().contains("the key was replaced"));
    // Whoever has database and key can write what they like, and is found out by a checkpoint that they do not have.
    restore(&place, &whole);
    rewrite("DELETE FROM checkpoint;");
    let options =
        ringfence::audit::LogOptions::default().key(SigningKey::read(&place.path("audit.key")).unwrap());
    Log::open(&place.log(), options).unwrap().close().unwrap();
    assert!(place.reader().verify(&against, &mut |_| {}).unwrap().is_good());
    assert_eq!(first(&place.verify()), Some(&Problem::Rewritten { from, size: to, outside: true }));
}

#[test]
fn another_database_in_its_place() {
    let (place, other) = (Place::new(), Place::new());
    written(&place);
    written(&other);
    std::fs::copy(other.log(), place.log()).unwrap();
    let report = place.verify();
    assert!(matches!(first(&report), Some(Problem::OtherLog { .. })), "{:?}", report.problems);
    let refused = Log::open(&place.log(), place.options()).unwrap_err();
    assert!(matches!(refused, LogError::OtherLog { .. }), "{refused}");
    // A log that takes the other's name begins with another hash.
    let origin = Checkpoint::latest_of(&std::fs::read_to_string(place.path("checkpoints.txt")).unwrap())
        .unwrap()
        .origin;
    let connection = rusqlite::Connection::open(place.log()).unwrap();
    connection.execute("UPDATE log SET value = ?1", [&origin]).unwrap();
    drop(connection);
    assert_eq!(LogReader::open(&place.log()).unwrap().origin(), origin);
    assert_eq!(
        place.verify().problems.iter().find(|problem| matches!(problem, Problem::Altered { .. })),
        Some(&Problem::Altered { index: 0 })
    );
}
