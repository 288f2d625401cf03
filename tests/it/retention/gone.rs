//! What is removed is gone from every file, and nothing else is.

use std::collections::BTreeMap;
use std::path::Path;

use ringfence::audit::{LogOptions, Vault};
use ringfence::{Event, User};
use rusqlite::Connection;
use serde_json::json;

use super::{Room, ann, at, bundle, day, exported};

/// Sixteen bytes of each encrypted content, by class.
fn traces(log: &Path) -> BTreeMap<String, Vec<[u8; 16]>> {
    let connection = Connection::open(log).unwrap();
    let mut rows = connection.prepare("SELECT class, sealed FROM payload").unwrap();
    let mut traces: BTreeMap<String, Vec<[u8; 16]>> = BTreeMap::new();
    let found = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    for (class, sealed) in found.map(Result::unwrap) {
        // The beginning, the middle and the end: long ones lie on several pages.
        for from in [0, sealed.len() / 2 - 8, sealed.len() - 16] {
            traces.entry(class.clone()).or_default().push(sealed[from..from + 16].try_into().unwrap());
        }
    }
    traces
}

/// How many of these stand in any file.
fn left(room: &Room, traces: &[[u8; 16]]) -> usize {
    let files: Vec<Vec<u8>> = room.files().iter().map(|path| std::fs::read(path).unwrap()).collect();
    let found = |trace: &&[u8; 16]| files.iter().any(|file| memchr::memmem::find(file, *trace).is_some());
    traces.iter().filter(found).count()
}

/// Contents of every class and of all lengths.
fn fill(room: &Room, from: usize, to: usize) {
    let mut events = Vec::new();
    for n in from..to {
        let user = User::new(format!("u{}", n % 7), ["user"]);
        let long = format!("{n} {}", "word ".repeat((n * 37) % 1500));
        let session = format!("s{}", n % 11);
        events.push(match n % 4 {
            0 => at(Event::input(session, user, "bot", long), 0),
            1 => at(Event::input(session, user, "bot", format!("kitten {long}")), 0),
            2 => at(Event::output(session, user, "bot", long), 0),
            _ => at(Event::tool_call(session, user, "bot", "note", json!({ "text": long })), 0),
        });
    }
    room.write(&events);
}

#[test]
fn nothing_is_left_in_any_file() {
    let room = Room::new();
    fill(&room, 0, 480);
    let before = traces(&room.place.log());
    assert_eq!(before.len(), 4);
    assert!(before.values().all(|class| left(&room, class) == class.len()), "the test sees what is there");
    let mut retention = room.retention();
    // One class after the other, with others written between them: what stays is moved about.
    let steps = [(7, "personal"), (10, "talk"), (11, "answers"), (90, "ledger")];
    for (number, (days, class)) in steps.into_iter().enumerate() {
        let run = retention.apply(day(days)).unwrap();
        assert_eq!(run.removed.iter().map(|one| one.class.as_str()).collect::<Vec<_>>(), [class]);
        assert!(run.clean, "{class}");
        assert_eq!(left(&room, &before[class]), 0, "{class}");
        for (_, later) in &steps[number + 1..] {
            assert_eq!(left(&room, &before[*later]), before[*later].len(), "{later} stays");
        }
    }
    assert!(traces(&room.place.log()).is_empty());
    assert_eq!(room.place.verify().problems, []);
}

#[test]
fn what_stays_is_whole_while_others_go() {
    let room = Room::new();
    fill(&room, 0, 400);
    let mut retention = room.retention();
    let before = exported(&mut retention, "u3");
    retention.apply(day(7)).unwrap();
    fill(&room, 400, 600);
    retention.apply(day(11)).unwrap();
    let after = exported(&mut retention, "u3");
    let ledger = |all: &[ringfence::retention::Exported]| {
        all.iter()
            .filter(|one| one.class == "ledger" && one.number <= before.last().unwrap().number)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(!ledger(&before).is_empty() && ledger(&before) == ledger(&after));
    assert!(after.iter().all(|one| one.class == "ledger"));
}

/// Every key, and none of the checkpoints.
pub(crate) fn stolen(room: &Room) -> LogOptions {
    LogOptions::default().payload_key(room.payload_key()).data_keys(room.place.path("log.db.keys"))
}

#[test]
fn a_copy_of_the_log_can_not_be_read_once_keys_are_destroyed() {
    let room = Room::new();
    room.write(&[
        at(Event::input("s", ann(), "bot", "my kitten sleeps"), 0),
        at(Event::tool_call("s", ann(), "bot", "note", json!({ "text": "stays" })), 0),
    ]);
    let backup = room.place.path("backup.db");
    std::fs::copy(room.place.log(), &backup).unwrap();
    let mut retention = room.retention();
    let run = retention.apply(day(9)).unwrap();
    assert_eq!((run.keys, run.clean), (1, true));
    let options = stolen(&room);
    let mut copy = ringfence::retention::Retention::open(&backup, &bundle(), options, "thief").unwrap();
    let all = exported(&mut copy, "ann");
    assert_eq!(all.iter().map(|one| one.content.is_some()).collect::<Vec<_>>(), [false, true]);
    // Nor is it of any use to somebody with another key.
    let (other, _) = ringfence::audit::PayloadKey::generate().unwrap();
    let refused = Vault::open(
        &room.place.path("log.db.keys"),
        room.place.reader().origin(),
        other,
        std::time::Duration::from_secs(1),
    );
    assert!(refused.is_err());
}
