//! Retention while others write, and retention that is killed.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringfence::retention::{Account, Retention, Scheduler};
use ringfence::{Event, User};

use super::{Room, ann, at, bundle, day};

fn inputs(count: u64) -> Vec<Event> {
    let user = |n: u64| User::new(format!("u{}", n % 50), ["user"]);
    (0..count)
        .map(|n| {
            at(Event::input(format!("s{}", n % 90), user(n), "bot", format!("words {n} ").repeat(20)), 0)
        })
        .collect()
}

#[test]
fn writers_go_on_while_contents_are_removed() {
    let room = Room::new();
    room.write(&inputs(4000));
    let (guard, log) = room.guard();
    let done = AtomicBool::new(false);
    let (run, written, longest) = std::thread::scope(|scope| {
        let retention = scope.spawn(|| {
            let run = room.retention().apply(day(10)).unwrap();
            done.store(true, Ordering::Relaxed);
            run
        });
        let (mut written, mut longest) = (0, Duration::ZERO);
        while !done.load(Ordering::Relaxed) {
            let event = at(Event::input("new", ann(), "bot", format!("new {written}")), 9);
            let began = Instant::now();
            assert!(guard.check(&event).is_allowed());
            longest = longest.max(began.elapsed());
            written += 1;
        }
        (retention.join().unwrap(), written, longest)
    });
    drop(guard);
    std::sync::Arc::into_inner(log).unwrap().close().unwrap();
    assert_eq!(run.removed[0].contents, 4000);
    assert!(written > 20, "{written}");
    println!("{} transactions, {written} records beside them, one of which took {longest:?}", run.batches);
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    let mut retention = room.retention();
    assert_eq!(
        retention.account().unwrap(),
        Account { kept: 4000 + written, there: written, removed: 4000, missing: vec![], surplus: vec![] }
    );
    assert_eq!(room.place.verify().problems, []);
}

/// What the child process below does.
#[test]
fn child_that_applies() {
    let Some(folder) = std::env::var_os("RINGFENCE_TEST_APPLY").map(std::path::PathBuf::from) else { return };
    let key = ringfence::audit::KeySource::File(folder.join("payload.key"));
    let options = ringfence::audit::LogOptions::default()
        .payload_key(ringfence::audit::PayloadKey::read(&key).unwrap());
    let mut retention = Retention::open(&folder.join("log.db"), &bundle(), options, "child").unwrap();
    println!("ready");
    retention.apply(day(10)).unwrap();
}

#[test]
fn a_run_that_is_killed_is_gone_on_with() {
    let room = Room::new();
    room.write(&inputs(1500));
    let (mut rounds, mut partly) = (0_u64, 0);
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "retention::together::child_that_applies", "--nocapture"])
            .env("RINGFENCE_TEST_APPLY", room.place.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let ready = lines.any(|line| line.is_ok_and(|line| line.contains("ready")));
        assert!(ready);
        std::thread::sleep(Duration::from_millis(2 + rounds * 11 % 30));
        let _ = Command::new("kill").args(["-9", &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        rounds += 1;
        assert_eq!(room.place.verify().problems, [], "round {rounds}");
        let account = room.retention().account().unwrap();
        assert!(account.is_good() && account.kept == 1500, "{account:?}");
        partly += u64::from(account.removed > 0 && account.there > 0);
        if account.there == 0 || rounds == 12 {
            break;
        }
    }
    let mut retention = room.retention();
    assert!(retention.apply(day(10)).unwrap().clean);
    assert_eq!(retention.account().unwrap().removed, 1500);
    println!("{rounds} rounds, {partly} of them killed between two transactions");
    assert!(partly > 0);
}

#[test]
fn a_host_may_have_it_run_now_and_then() {
    let room = Room::new();
    let mut event = Event::input("s", ann(), "bot", "from long ago");
    event.at = Some("2020-01-01T00:00:00Z".parse().unwrap());
    room.write(&[event]);
    let (told, runs) = std::sync::mpsc::channel();
    let scheduler = Scheduler::start(room.retention(), Duration::from_millis(20), move |run| {
        let _ = told.send(run.unwrap());
    })
    .unwrap();
    assert_eq!(runs.recv().unwrap().removed[0].contents, 1);
    assert!(runs.recv().unwrap().removed.is_empty());
    drop(scheduler);
    assert!(runs.iter().all(|run| run.removed.is_empty()), "it has ended");
}

#[test]
fn what_is_taken_away_by_another_way_is_told() {
    let room = Room::new();
    room.write(&inputs(300));
    let mut retention = room.retention();
    assert!(retention.account().unwrap().is_good());
    let connection = rusqlite::Connection::open(room.place.log()).unwrap();
    connection.execute_batch("CREATE TEMP TABLE t AS SELECT * FROM payload WHERE idx = 100; DELETE FROM payload WHERE idx IN (7, 100);").unwrap();
    assert_eq!(retention.account().unwrap().missing, [7, 100]);
    retention.apply(day(10)).unwrap();
    connection.execute_batch("INSERT INTO payload SELECT * FROM t; UPDATE t SET idx = 50; INSERT INTO payload SELECT * FROM t; UPDATE t SET idx = 100000; INSERT INTO payload SELECT * FROM t;").unwrap();
    let account = retention.account().unwrap();
    assert_eq!((account.missing, account.surplus), (vec![7], vec![50, 100_000]));
}

#[test]
fn a_reader_keeps_traces_in_the_journal_and_the_run_says_so() {
    let room = Room::new();
    room.write(&inputs(50));
    let reader = rusqlite::Connection::open(room.place.log()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM payload;").unwrap();
    let options = room.options().wait(Duration::from_millis(100));
    let mut retention = Retention::open(&room.place.log(), &bundle(), options, "dpo").unwrap();
    let run = retention.apply(day(10)).unwrap();
    assert_eq!((run.removed[0].contents, run.clean), (50, false));
    reader.execute_batch("COMMIT").unwrap();
    assert!(retention.apply(day(10)).unwrap().clean);
}
