//! Logs of earlier versions.

use std::path::Path;

use ringfence::audit::{Checkpoint, LogOptions, LogReader, PublicKey, Verify};
use ringfence::retention::Retention;

use super::Place;
use crate::engine;

/// A log as version 0.1 left it, as the database's own text.
const LOG: &str = include_str!("version1/log.sql");

fn verified(place: &Place) -> (Vec<ringfence::audit::Problem>, u64, u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/audit/version1");
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

#[test]
fn a_log_of_the_first_version_is_read_as_it_is_and_goes_on() {
    let place = Place::new();
    rusqlite::Connection::open(place.log()).unwrap().execute_batch(LOG).unwrap();
    // Reading changes nothing.
    assert_eq!(verified(&place), (vec![], 5, 5));
    assert_eq!(LogReader::open(&place.log()).unwrap().stats().unwrap().records, 5);
    assert_eq!(version(&place), 1);
    // Writing brings it up to date, and the chain goes on.
    let options = || LogOptions::default();
    ringfence::audit::Log::open(&place.log(), options()).unwrap().close().unwrap();
    assert_eq!(version(&place), 2);
    assert_eq!(verified(&place), (vec![], 7, 5));
    let mut retention = Retention::open(&place.log(), &engine(&[]), options(), "dpo").unwrap();
    assert!(retention.plan(jiff::Timestamp::now()).unwrap().groups.is_empty());
    assert_eq!(retention.account().unwrap(), ringfence::retention::Account::default());
}
