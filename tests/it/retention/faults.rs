//! What goes wrong around a log with contents: nothing that was answered is lost, and what can't be kept does not happen.

use std::process::{Command, Stdio};
use std::sync::Arc;

use ringfence::audit::{AuditSink, Log, LogError};
use ringfence::store::StoreError;
use ringfence::{Decision, Event, Guard};

use super::{Room, ann, at, bundle, day};

fn words(n: u64) -> Event {
    at(Event::input(format!("s{n}"), ann(), "bot", format!("{n} {}", "some words ".repeat(100))), 0)
}

/// Whether a verdict is the refusal of what can't be recorded.
fn unrecorded(guard: &Guard, n: u64) -> bool {
    let verdict = guard.check(&words(n));
    let code = verdict.reasons.first().map(|reason| reason.code.name());
    assert!(verdict.is_allowed() || (verdict.enforced, code) == (Decision::Deny, Some("audit-failed")));
    !verdict.is_allowed()
}

/// What the child process below does, in a small file system of its own.
#[test]
fn child_on_a_small_disk() {
    if std::env::var_os("RINGFENCE_TEST_SMALL_DISK").is_none() {
        return;
    }
    let folder = std::env::temp_dir();
    let room = Room::new();
    std::fs::write(folder.join("ballast"), vec![1; 700_000]).unwrap();
    let (guard, log) = room.guard();
    let mut kept = 0;
    while !unrecorded(&guard, kept) {
        kept += 1;
        assert!(kept < 10_000, "the disk is never full");
    }
    assert!(kept > 10);
    let refused = (0..5).filter(|n| unrecorded(&guard, 20_000 + n)).count();
    assert_eq!(refused, 5, "as long as it is");
    std::fs::remove_file(folder.join("ballast")).unwrap();
    for n in 0..5 {
        assert!(!unrecorded(&guard, 30_000 + n), "there is room again");
    }
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();
    assert_eq!(room.place.verify().problems, []);
    let account = room.retention().account().unwrap();
    assert_eq!((account.kept, account.there, account.is_good()), (kept + 5, kept + 5, true));
    // And one that may only be read.
    let read_only = Command::new("mount").args(["-o", "remount,ro"]).arg(&folder).status().unwrap();
    assert!(read_only.success());
    let error = Log::open(&room.place.log(), room.place.options()).unwrap_err();
    assert!(
        matches!(
            error,
            LogError::Store(StoreError::ReadOnly | StoreError::Open { .. }) | LogError::Checkpoint { .. }
        ),
        "{error}"
    );
    println!("all is well: {kept}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=3m none "$0" || exit 77
        TMPDIR="$0" exec "$1" --exact retention::faults::child_on_a_small_disk --nocapture"#;
    let child = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .args([folder.path(), &std::env::current_exe().unwrap()])
        .env("RINGFENCE_TEST_SMALL_DISK", "1")
        .stdin(Stdio::null())
        .output();
    // Without namespaces there is no small disk.
    let Ok(output) = child else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || errors.starts_with("unshare:") {
        return;
    }
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("all is well"), "{out}\n{errors}");
}

#[test]
fn a_locked_log_refuses_and_goes_on_after() {
    let room = Room::new();
    let options = room.options().wait(std::time::Duration::from_millis(50));
    let log = Arc::new(Log::open(&room.place.log(), options).unwrap());
    let guard = Guard::builder(bundle()).sink(Arc::clone(&log) as Arc<dyn AuditSink>).no_time_limit().build();
    assert!(!unrecorded(&guard, 1));
    for file in ["log.db", "log.db.keys"] {
        let other = rusqlite::Connection::open(room.place.path(file)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        // Another user, whose key has to be made.
        let mut event = words(2);
        event.user.id = format!("user of {file}");
        let verdict = guard.check(&event);
        assert_eq!(
            (verdict.enforced, verdict.reasons[0].code.name()),
            (Decision::Deny, "audit-failed"),
            "{file}"
        );
        other.execute_batch("ROLLBACK").unwrap();
        assert!(guard.check(&event).is_allowed(), "{file}");
    }
    drop(guard);
    Arc::into_inner(log).unwrap().close().unwrap();
    assert!(room.retention().account().unwrap().is_good());
    assert_eq!(room.place.verify().problems, []);
}

#[test]
fn a_torn_page_is_never_written_over_unseen() {
    let room = Room::new();
    room.write(&(0..40).map(words).collect::<Vec<_>>());
    let whole = std::fs::read(room.place.log()).unwrap();
    let signed = std::fs::read(room.place.path("checkpoints.txt")).unwrap();
    let size = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    let (mut refused, mut kept) = (0, 0);
    for page in 1..whole.len() / size {
        let mut torn = whole.clone();
        torn[page * size + size / 2..(page + 1) * size].fill(0x5a);
        std::fs::write(room.place.log(), &torn).unwrap();
        for name in ["log.db-wal", "log.db-shm"] {
            let _ = std::fs::remove_file(room.place.path(name));
        }
        std::fs::write(room.place.path("checkpoints.txt"), &signed).unwrap();
        let Ok(log) = Log::open(&room.place.log(), room.options()) else {
            refused += 1;
            continue;
        };
        let log = Arc::new(log);
        let guard =
            Guard::builder(bundle()).sink(Arc::clone(&log) as Arc<dyn AuditSink>).no_time_limit().build();
        let answered = (0..3).filter(|n| !unrecorded(&guard, 1000 + n)).count();
        drop(guard);
        let closed = Arc::into_inner(log).unwrap().close();
        if answered == 0 || closed.is_err() {
            refused += 1;
            continue;
        }
        // What was answered is there, whatever else is not.
        kept += 1;
        let query = ringfence::store::Query { limit: 10, ..Default::default() };
        let page = room.place.reader().page(&query).unwrap();
        let there = page.iter().filter(|entry| entry.text.contains("\"kind\":\"verdict\"")).count();
        assert!(there >= answered, "page {page:?}");
    }
    assert!(refused > 0 && kept + refused == whole.len() / size - 1, "{refused} refused, {kept} kept");
    let _ = day(0);
}
