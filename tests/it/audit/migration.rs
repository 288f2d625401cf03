//! Logs of earlier versions.

use std::path::Path;

use ringfence::audit::{Checkpoint, Log, LogOptions, LogReader, Problem, PublicKey, Verify};
use ringfence::retention::Retention;
use ringfence::store::{Field, Query};

use super::Place;
use crate::engine;

/// Logs as earlier versions left them, as the database's own text.
const LOGS: [&str; 2] = [include_str!("version1/log.sql"), include_str!("version2/log.sql")];

fn verified(place: &Place, version: usize) -> (Vec<Problem>, u64, u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/audit/version{version}"));
    let keys = vec![PublicKey::read(&folder.join("audit.key.pub")).unwrap()];
    let checkpoints = Checkpoint::all_of(&std::fs::read_to_string(folder.join("checkpoints.txt")).unwrap());
    let against = Verify { checkpoints, keys };
    let report = place.reader().verify(&against, &mut |_| {}).unwrap();
    (report.problems, report.records, report.signed_outside)
}

fn version(place: &Place) -> i64 {
    let connection = rusqlite::Connection::open(place.log()).unwrap();
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// What is found of a user, and what is counted.
fn found(place: &Place) -> (Vec<u64>, Vec<(String, u64)>) {
    let labels = vec![(Field::User, "ann".to_owned()), (Field::Kind, "verdict".to_owned())];
    let mut reader = place.reader();
    let page = reader.page(&Query { labels, limit: 10, ..Query::default() }).unwrap();
    let stats = reader.stats().unwrap();
    (page.iter().map(|entry| entry.index).collect(), stats.counts[0].1.clone())
}

#[test]
fn logs_of_earlier_versions_are_read_as_they_are_and_go_on() {
    for (number, log) in (1..).zip(LOGS) {
        let place = Place::new();
        rusqlite::Connection::open(place.log()).unwrap().execute_batch(log).unwrap();
        // Reading changes nothing.
        let bytes = std::fs::read(place.log()).unwrap();
        let (problems, records, signed) = verified(&place, number);
        assert_eq!((problems, records), (vec![], signed));
        let before = found(&place);
        assert_eq!(
            (before.0.len(), LogReader::open(&place.log()).unwrap().stats().unwrap().records),
            (2, records)
        );
        assert_eq!((version(&place), std::fs::read(place.log()).unwrap() == bytes), (number as i64, true));
        // What was changed is found out, whatever its index says.
        let connection = super::database(&place.log());
        connection.execute("UPDATE record SET body = replace(body, 'ann', 'eve') WHERE idx = 2", []).unwrap();
        assert_eq!(verified(&place, number).0[0], Problem::Altered { index: 2 });
        assert_eq!(found(&place).0.len(), 1);
        drop(connection);
        std::fs::write(place.log(), bytes).unwrap();
        // Writing brings it up to date, and the chain goes on.
        Log::open(&place.log(), LogOptions::default()).unwrap().close().unwrap();
        assert_eq!(version(&place), 3);
        assert_eq!(verified(&place, number), (vec![], records + 2, signed));
        assert_eq!(found(&place).0, before.0);
        let mut retention =
            Retention::open(&place.log(), &engine(&[]), LogOptions::default(), "dpo").unwrap();
        let plan = retention.plan(jiff::Timestamp::now()).unwrap();
        let kept: u64 = plan.groups.iter().map(|group| group.contents).sum();
        assert_eq!(kept, if number == 1 { 0 } else { 2 });
        assert_eq!(retention.holds().unwrap().len(), number - 1);
        assert!(retention.account().unwrap().is_good());
    }
}
