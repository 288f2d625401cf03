//! The program's verbs.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{lines, out, run};

const EVENTS: &str = r#"{"stage":"input","session":"s1","at":"2026-11-22T10:00:00Z","user":{"id":"ann","roles":["user"]},"agent":"assistant","text":"mail kim@post.example, I am kitten"}
{"stage":"tool_call","session":"s1","at":"2026-11-22T11:00:00Z","user":{"id":"ann","roles":["user"]},"agent":"assistant","tool":"run_command","arguments":{"command":"ls"}}
{"stage":"input","session":"s2","at":"2026-11-23T10:00:00Z","user":{"id":"bob\u001b[2J","roles":["user"]},"agent":"assistant","text":"hello"}
"#;

fn errors(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn written(folder: &Path) {
    assert_eq!(
        run(folder, &["audit", "init-key", "audit.key", "--name", "acme.example/a"], "").status.code(),
        Some(0)
    );
    let eval = run(
        folder,
        &["eval", "--audit", "log.db", "--audit-key", "audit.key", "--checkpoints", "checkpoints.txt"],
        EVENTS,
    );
    assert_eq!(eval.status.code(), Some(0), "{}", errors(&eval));
}

#[test]
fn a_log_is_written_read_verified_and_proved() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(folder);
    let verify =
        ["audit", "verify", "log.db", "--public-key", "audit.key.pub", "--checkpoints", "checkpoints.txt"];
    let fine = run(folder, &verify, "");
    assert_eq!(fine.status.code(), Some(0), "{}", out(&fine));
    let text = out(&fine);
    assert!(
        text.starts_with("ok: 6 records of acme.example/a/") && text.contains("6 of them signed, 6 by"),
        "{text}"
    );

    let list = run(folder, &["audit", "list", "log.db", "--user", "ann", "--as", "kim"], "");
    let text = out(&list);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.lines()
            .next()
            .unwrap()
            .contains("deny   tool_call   ann > assistant > run_command  by nothing-permits"),
        "{text}"
    );
    assert!(!text.contains("kitten"));
    // Names forge no line and move no cursor.
    let all = run(folder, &["audit", "list", "log.db", "--no-record"], "");
    assert!(!out(&all).contains('\u{1b}') && out(&all).contains("\\u{1b}"), "{}", out(&all));
    // The read before was recorded, this one is not.
    let reads = run(
        folder,
        &["audit", "list", "log.db", "--kind", "log_read", "--format", "json", "--no-record"],
        "",
    );
    let reads = lines(&reads);
    assert_eq!(reads.len(), 1);
    assert_eq!(
        (&reads[0]["by"], &reads[0]["verb"], &reads[0]["filter"]["user"], &reads[0]["records"]),
        (&"kim".into(), &"list".into(), &"ann".into(), &2.into())
    );
    let day = run(
        folder,
        &[
            "audit",
            "list",
            "log.db",
            "--since",
            "2026-11-22",
            "--until",
            "2026-11-23",
            "--kind",
            "verdict",
            "--limit",
            "1",
            "--no-record",
        ],
        "",
    );
    assert_eq!(out(&day).lines().count(), 1);
    assert!(errors(&day).contains("there are more: --before "), "{}", errors(&day));
    let show = run(folder, &["audit", "show", "log.db", "0"], "");
    assert_eq!(serde_json::from_str::<Value>(&out(&show)).unwrap()["kind"], "start");
    let stats = lines(&run(folder, &["audit", "stats", "log.db", "--format", "json", "--no-record"], ""));
    assert_eq!(
        (&stats[0]["records"], &stats[0]["most_frequent"]["decisions"]["deny"]),
        (&8.into(), &1.into())
    );
    let export = lines(&run(folder, &["audit", "export", "log.db", "--no-record"], ""));
    let numbers: Vec<u64> = export.iter().map(|record| record["_index"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    let csv = run(
        folder,
        &["audit", "export", "log.db", "--format", "csv", "--decision", "deny", "--no-record"],
        "",
    );
    assert_eq!(out(&csv).lines().count(), 2);

    let proof = run(folder, &["audit", "prove", "log.db", "3"], "");
    fs::write(folder.join("p"), &proof.stdout).unwrap();
    let check = ["audit", "check-proof", "p", "--public-key", "audit.key.pub"];
    let checked = run(folder, &check, "");
    assert_eq!((checked.status.code(), lines(&checked)[0]["_index"].clone()), (Some(0), 3.into()));
    let unsigned = run(folder, &["audit", "prove", "log.db", "7"], "");
    assert_eq!(unsigned.status.code(), Some(2));
    assert!(errors(&unsigned).contains("ringfence audit checkpoint"), "{}", errors(&unsigned));
    let sign =
        ["audit", "checkpoint", "log.db", "--audit-key", "audit.key", "--checkpoints", "checkpoints.txt"];
    assert_eq!(out(&run(folder, &sign, "")), "signed: 9 records\n");
    assert_eq!(run(folder, &["audit", "prove", "log.db", "7"], "").status.code(), Some(0));
    assert_eq!(run(folder, &verify, "").status.code(), Some(0));

    // Another key, and a changed record.
    assert_eq!(run(folder, &["audit", "init-key", "other.key"], "").status.code(), Some(0));
    let other = run(folder, &["audit", "check-proof", "p", "--public-key", "other.key.pub"], "");
    assert_eq!((other.status.code(), out(&other).is_empty()), (Some(1), true));
    let connection = super::database(&folder.join("log.db"));
    connection
        .execute(r#"UPDATE record SET body = replace(body, '"at":"2', '"at":"3') WHERE idx = 3"#, [])
        .unwrap();
    drop(connection);
    let bad = run(folder, &verify, "");
    assert_eq!(bad.status.code(), Some(1));
    assert!(out(&bad).starts_with("altered: record 3 is not what was written"), "{}", out(&bad));
    let row = lines(&run(folder, &["audit", "verify", "log.db", "--format", "json"], ""));
    assert_eq!(
        (&row[0]["problems"][0]["kind"], &row[0]["signatures_checked"]),
        (&"altered".into(), &false.into())
    );
}

#[test]
fn what_is_wrong_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(folder);
    fs::write(folder.join("text.db"), "no database at all, but some text of some length").unwrap();
    for (arguments, says) in [
        (&["audit", "list", "none.db"][..], "can't open the audit log `none.db`"),
        (&["audit", "list", "text.db"], "`text.db` is no audit log"),
        (&["audit", "show", "log.db", "99"], "there is no record 99: the log has 6"),
        (&["audit", "list", "log.db", "--since", "yesterday"], "24h"),
        (&["audit", "verify", "log.db", "--public-key", "audit.key"], "the .pub file"),
        (&["audit", "verify", "log.db", "--checkpoints", "audit.key"], "holds no checkpoint"),
        (&["audit", "init-key", "audit.key"], "can't write the key"),
        (&["audit", "init-key", "x.key", "--name", "a b"], "white space"),
        (&["audit", "check-proof", "audit.key", "--public-key", "audit.key.pub"], "no proof"),
        (&["eval", "--audit", "log.db", "--audit-key", "none.key"], "none.key"),
        (
            &["eval", "--audit", "other.db", "--audit-key", "audit.key", "--checkpoints", "checkpoints.txt"],
            "another log",
        ),
    ] {
        let output = run(folder, arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", errors(&output));
        assert!(errors(&output).contains(says), "{arguments:?}: {}", errors(&output));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.join("audit.key"), fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = run(folder, &["eval", "--audit", "log.db", "--audit-key", "audit.key"], "");
        assert_eq!(exposed.status.code(), Some(2));
        assert!(errors(&exposed).contains("chmod 600 audit.key"), "{}", errors(&exposed));
    }
    // Without a key the log is written, and that nothing signs it is told.
    let unsigned = run(folder, &["eval", "--audit", "plain.sqlite"], EVENTS);
    assert_eq!(unsigned.status.code(), Some(0));
    assert!(errors(&unsigned).contains("nothing signs the audit log"), "{}", errors(&unsigned));
    // A read that can't be recorded shows nothing.
    let holder = rusqlite::Connection::open(folder.join("plain.sqlite")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = run(folder, &["audit", "stats", "plain.sqlite"], "");
    assert_eq!((locked.status.code(), out(&locked).is_empty()), (Some(2), true));
    assert!(errors(&locked).contains("--no-record"), "{}", errors(&locked));
    assert_eq!(run(folder, &["audit", "stats", "plain.sqlite", "--no-record"], "").status.code(), Some(0));
}

#[test]
fn bundles_that_do_not_load_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("bad")).unwrap();
    fs::write(folder.join("bad/ringfence.yaml"), "name: b\nversion: 1\nnonsense: 1\n").unwrap();
    let eval = run(folder, &["eval", "--bundle", "bad", "--audit", "log.db"], EVENTS);
    assert_eq!(eval.status.code(), Some(2));
    let records =
        lines(&run(folder, &["audit", "list", "log.db", "--kind", "bundle_refused", "--format", "json"], ""));
    assert_eq!((records.len(), &records[0]["errors"]), (1, &serde_json::json!(["unknown-key"])));
}
