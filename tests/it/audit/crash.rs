//! Programs that are killed while they write, and several that write at once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringfence::audit::{Log, Record};
use serde_json::{Value, json};

use super::Place;
use crate::engine;

/// What the child processes below do, where they are told so: this test binary is the program that is killed.
#[test]
fn child_that_appends() {
    let Some(folder) = std::env::var_os("RINGFENCE_TEST_APPEND") else { return };
    let name = std::env::var("RINGFENCE_TEST_NAME").unwrap();
    let limit: u64 = std::env::var("RINGFENCE_TEST_LIMIT").unwrap().parse().unwrap();
    let folder = std::path::PathBuf::from(folder);
    let key = ringfence::audit::SigningKey::read(&folder.join("audit.key")).unwrap();
    let options = ringfence::audit::LogOptions::default()
        .key(key)
        .checkpoints(folder.join(format!("checkpoints-{name}.txt")))
        .checkpoint_every(16, Duration::from_secs(1))
        .wait(Duration::from_secs(60));
    let log = Log::open(&folder.join("log.db"), options).unwrap();
    let engine = engine(&[]);
    // Four callers at once, so that a transaction holds several records.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (log, engine, name) = (&log, &engine, &name);
            scope.spawn(move || {
                for n in 0..limit / 4 {
                    let details = json!([name, thread, n]);
                    let record =
                        Record::security_event(jiff::Timestamp::now(), engine, "e", &details).unwrap();
                    let id = log.append(&record).unwrap();
                    let line = format!("acknowledged {id} {details}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
    log.close().unwrap();
}

fn child(place: &Place, name: &str, limit: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "audit::crash::child_that_appends", "--nocapture"])
        .env("RINGFENCE_TEST_APPEND", place.folder.path())
        .env("RINGFENCE_TEST_NAME", name)
        .env("RINGFENCE_TEST_LIMIT", limit.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn acknowledged(child: &mut Child, mut see: impl FnMut(u64, Value)) {
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        // The last line may have been cut off by the kill.
        let Some((id, details)) = line.strip_prefix("acknowledged ").and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        if let (Ok(id), Ok(details)) = (id.parse(), serde_json::from_str(details)) {
            see(id, details);
        }
    }
}

/// `RINGFENCE_CASES` says how many rounds.
#[test]
fn no_acknowledged_record_is_lost_when_a_program_is_killed() {
    let rounds: u64 =
        std::env::var("RINGFENCE_CASES").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let place = Place::new();
    let mut known: BTreeMap<u64, Value> = BTreeMap::new();
    let mut torn = 0;
    for round in 0..rounds {
        let mut running = child(&place, "a", 1_000_000);
        // After so many answers, at a moment that differs from round to round.
        let after = 1 + round * 7 % 40;
        let id = running.id();
        let mut seen = 0;
        acknowledged(&mut running, |id_of_record, details| {
            seen += 1;
            if seen == after {
                std::thread::sleep(Duration::from_micros(round * 137 % 3000));
                let killed = Command::new("kill").args(["-9", &id.to_string()]).status().unwrap();
                assert!(killed.success());
            }
            assert_eq!(known.insert(id_of_record, details), None, "a number was given twice");
        });
        assert!(!running.wait().unwrap().success());
        let report = place.verify_all();
        assert_eq!(report.problems, [], "round {round}");
        assert!(report.records > *known.keys().next_back().unwrap());
        torn += u64::from(place.path("log.db-wal").exists());
        let mut reader = place.reader();
        // Those of this round, and every now and then all.
        let skip = if round % 20 == 0 { 0 } else { known.len().saturating_sub(seen as usize) };
        for (index, details) in known.iter().skip(skip) {
            let record: Value = serde_json::from_str(&reader.show(*index).unwrap().text).unwrap();
            assert_eq!(&record["details"], details, "record {index} in round {round}");
        }
    }
    println!("{rounds} rounds, {} records acknowledged, {torn} left a journal behind", known.len());
}

#[test]
fn programs_write_one_log_together() {
    let place = Place::new();
    let mut children: Vec<Child> = ["a", "b", "c"].iter().map(|name| child(&place, name, 120)).collect();
    let mut known: BTreeMap<u64, Value> = BTreeMap::new();
    for running in &mut children {
        acknowledged(running, |id, details| assert_eq!(known.insert(id, details), None));
    }
    for running in &mut children {
        assert!(running.wait().unwrap().success());
    }
    assert_eq!(known.len(), 360);
    let report = place.verify_all();
    assert_eq!((report.problems, report.records), (vec![], 360 + 6));
    let mut reader = place.reader();
    for (index, details) in &known {
        let record: Value = serde_json::from_str(&reader.show(*index).unwrap().text).unwrap();
        assert_eq!(&record["details"], details);
    }
}

impl Place {
    /// Against the checkpoints that any of the programs has kept.
    fn verify_all(&self) -> ringfence::audit::Report {
        let texts: String = ["a", "b", "c"]
            .iter()
            .filter_map(|name| std::fs::read_to_string(self.path(&format!("checkpoints-{name}.txt"))).ok())
            .collect::<Vec<_>>()
            .join("\n\n");
        let against = ringfence::audit::Verify {
            checkpoints: ringfence::audit::Checkpoint::all_of(&texts),
            keys: vec![self.public()],
        };
        self.reader().verify(&against, &mut |_| {}).unwrap()
    }
}
