//! The program's verbs.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{lines, out, run};

fn errors(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const EVENTS: &str = r#"{"stage":"input","session":"s1","at":"2026-01-22T10:00:00Z","user":{"id":"ann","roles":["user"]},"agent":"assistant","text":"mail kim@post.example, I am kitten"}
{"stage":"input","session":"s2","at":"2026-01-23T10:00:00Z","user":{"id":"bob\u001b[2J","roles":["user"]},"agent":"assistant","text":"hello"}
{"stage":"output","session":"s2","at":"2026-01-23T10:00:01Z","user":{"id":"ann","roles":["user"]},"agent":"assistant","text":"an old answer"}
"#;

fn fine(folder: &Path, args: &[&str], input: &str) -> std::process::Output {
    let output = run(folder, args, input);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", errors(&output));
    output
}

fn written(folder: &Path) {
    fine(folder, &["audit", "init-key", "audit.key"], "");
    fine(folder, &["retain", "init-key", "payload.key"], "");
    let eval = ["eval", "--audit", "log.db", "--audit-key", "audit.key", "--payload-key", "payload.key"];
    let eval = fine(folder, &eval, EVENTS);
    assert!(!errors(&eval).contains("no content is kept"));
}

#[test]
fn contents_are_planned_held_erased_and_applied() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(folder);
    let on = ["--db", "log.db", "--payload-key", "payload.key", "--audit-key", "audit.key", "--as", "dpo"];
    let retain = |args: &[&str]| run(folder, &[&["retain"], args, &on[..]].concat(), "");
    let plan = retain(&["plan", "--at", "2026-01-25T00:00:00Z", "--format", "json"]);
    let plan = &lines(&plan)[0];
    let classes: Vec<_> = plan["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["class"], &group["contents"], &group["due"]))
        .collect();
    assert_eq!(
        classes,
        [(&json!("dialogue"), &json!(2), &json!(0)), (&json!("personal"), &json!(1), &json!(0))]
    );
    assert_eq!(plan["records"]["class"], "records");
    let text = out(&retain(&["plan"]));
    assert!(text.contains("personal: 1 content") && text.contains("due 1 "), "{text}");

    let export = retain(&["export", "--user", "ann"]);
    let exported = lines(&export);
    assert_eq!(exported.len(), 2, "{}", errors(&export));
    // Sessions are evaluated side by side.
    let texts: Vec<&Value> = exported.iter().map(|one| &one["content"]["text"]).collect();
    assert!(texts.contains(&&json!("mail [EMAIL_REMOVED], I am kitten")), "{texts:?}");

    let held = retain(&["hold", "--thread", "s2", "--reason", "case 17", "--owner", "legal", "--name", "h"]);
    assert_eq!(held.status.code(), Some(0), "{}", errors(&held));
    let twice = retain(&["hold", "--user", "x", "--reason", "case 17", "--owner", "legal", "--name", "h"]);
    assert_eq!(
        (twice.status.code(), errors(&twice).contains("there is a hold `h` already")),
        (Some(2), true)
    );
    let holds = lines(&retain(&["holds", "--format", "json"]));
    assert_eq!(
        (&holds[0]["on"], &holds[0]["id"], &holds[0]["in_force"]),
        (&json!("thread"), &json!("s2"), &json!(true))
    );
    assert!(out(&retain(&["holds"])).starts_with("h: thread s2, since "));

    let receipt = retain(&["erase", "--user", "ann"]);
    assert_eq!(receipt.status.code(), Some(0), "{}", errors(&receipt));
    std::fs::write(folder.join("receipt.txt"), &receipt.stdout).unwrap();
    let check = ["retain", "check-receipt", "receipt.txt", "--public-key", "audit.key.pub"];
    let checked = out(&fine(folder, &check, ""));
    assert!(checked.contains("erased ann") && checked.contains("gone    personal: 1 content"), "{checked}");
    assert!(checked.contains("stays   dialogue: 1 content: hold h: case 17"), "{checked}");
    std::fs::write(folder.join("receipt.txt"), out(&receipt).replace("ann", "bob")).unwrap();
    assert_eq!(run(folder, &check, "").status.code(), Some(1));

    let applied = retain(&["apply"]);
    let text = out(&applied);
    assert!(text.contains("dialogue: 2 contents due and kept: hold h: case 17"), "{text}");
    assert_eq!(retain(&["release", "h", "--reason", "closed"]).status.code(), Some(0));
    let applied = lines(&retain(&["apply", "--format", "json"]));
    assert_eq!(applied[0]["removed"][0]["contents"], 2);
    assert_eq!(applied[0]["clean"], true);

    fine(folder, &["retain", "init-key", "new.key"], "");
    let rotated = retain(&["rotate-key", "--to", "new.key"]);
    assert_eq!(rotated.status.code(), Some(0), "{}", errors(&rotated));
    let refused = retain(&["plan"]);
    assert!(refused.status.code() == Some(0) || errors(&refused).contains("encrypted under another key"));

    let kinds = run(folder, &["audit", "list", "log.db", "--no-record", "--format", "json"], "");
    let kinds: Vec<Value> = lines(&kinds).into_iter().rev().map(|record| record["kind"].clone()).collect();
    assert!(
        ["access_request", "hold", "erasure", "retention_run", "release", "key_rotation"]
            .iter()
            .all(|kind| kinds.contains(&json!(kind))),
        "{kinds:?}"
    );
    fine(folder, &["audit", "verify", "log.db", "--public-key", "audit.key.pub"], "");
    for file in ["log.db", "log.db-wal", "log.db.keys"] {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        assert!(memchr::memmem::find(&bytes, b"kitten").is_none(), "{file}");
    }
}

#[test]
fn what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let no_key = run(folder, &["eval", "--audit", "log.db"], EVENTS);
    assert!(
        errors(&no_key).contains("no content is kept (personal, payments, dialogue)"),
        "{}",
        errors(&no_key)
    );
    let plan = fine(folder, &["retain", "plan", "--db", "log.db"], "");
    assert!(out(&plan).starts_with("no content is kept"));
    for (args, told) in [
        (vec!["retain", "erase", "--db", "log.db", "--user", "ann"], "give --audit-key FILE"),
        (vec!["retain", "export", "--db", "log.db", "--user", "ann"], "needs the payload key"),
        (vec!["retain", "plan", "--db", "none.db"], "can't open the audit log `none.db`"),
        (
            vec!["retain", "apply", "--db", "log.db", "--payload-key", "none.key"],
            "can't read the key `none.key`",
        ),
        (
            vec!["retain", "apply", "--db", "log.db", "--payload-key", "env:NO_SUCH_KEY"],
            "`env:NO_SUCH_KEY` gives no payload key",
        ),
        (vec!["eval", "--audit", "x.jsonl", "--payload-key", "k"], "name the audit log FILE.db"),
        (vec!["eval", "--payload-key", "k"], "give --audit FILE.db"),
    ] {
        let output = run(folder, &args, "");
        assert_eq!(
            (output.status.code(), errors(&output).contains(told)),
            (Some(2), true),
            "{args:?}: {}",
            errors(&output)
        );
    }
    let unkeyed = fine(folder, &["retain", "apply", "--db", "log.db"], "");
    assert!(errors(&unkeyed).contains("no data key is destroyed without --payload-key"));
}
