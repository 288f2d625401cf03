//! `ringfence diff`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{lines, out, run};

const MAIL: &str = r#"{"stage":"tool_call","session":"s1","user":{"id":"uma","roles":["user"]},"agent":"assistant","tool":"read_file","arguments":{"path":"notes.txt"}}
{"stage":"tool_call","session":"s1","user":{"id":"uma"},"agent":"assistant","tool":"send_mail","arguments":{"to":"a@post.example","body":"hello"}}
{"stage":"input","session":"s2","user":{"id":"eli","roles":["engineer"]},"agent":"assistant","text":"write to nina@post.example"}
{"stage":"input","session":"s3","user":{"id":"uma","roles":["user"]},"agent":"assistant","text":"hello"}
"#;

/// Two starter bundles, of which the second is edited.
fn bundles(folder: &Path, file: &str, edit: impl FnOnce(String) -> String) {
    for name in ["old", "new"] {
        assert_eq!(run(folder, &["init", name], "").status.code(), Some(0));
    }
    let path = folder.join("new").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let edited = edit(text.clone());
    assert_ne!(text, edited);
    fs::write(&path, edited).unwrap();
    fs::write(folder.join("events.jsonl"), MAIL).unwrap();
}

fn without(text: &str, policy: &str) -> String {
    let start = text.find(&format!("@id(\"{policy}\")")).unwrap();
    let end = start + text[start..].find("};\n").map_or_else(|| text.len() - start, |at| at + 3);
    format!("{}{}", &text[..start], &text[end..])
}

#[test]
fn nothing_changes_between_equal_bundles() {
    let folder = tempfile::tempdir().unwrap();
    bundles(folder.path(), "access.cedar", |text| text + "// nothing\n");
    let diff = run(folder.path(), &["diff", "old", "new", "--on", "events.jsonl", "--fail-on", "any"], "");
    assert_eq!((diff.status.code(), out(&diff).as_str()), (Some(0), "4 events, no verdict changes\n"));
}

#[test]
fn a_forbid_that_goes_lets_mail_out() {
    let folder = tempfile::tempdir().unwrap();
    bundles(folder.path(), "access.cedar", |text| without(&text, "private-data-stays-in"));
    let arguments =
        ["diff", "old", "new", "--on", "events.jsonl", "--format", "json", "--fail-on", "newly-allowed"];
    let diff = run(folder.path(), &arguments, "");
    assert_eq!(diff.status.code(), Some(1));
    let rows = lines(&diff);
    let change = &rows[0];
    assert_eq!(
        (&change["change"], &change["through"], &change["line"], &change["seq"]),
        (&json!("newly-allowed"), &json!(["private-data-stays-in"]), &json!(2), &json!(2))
    );
    assert_eq!((&change["roles"], &change["tool"]), (&json!(["user"]), &json!("send_mail")));
    assert_eq!(change["old"]["reasons"][0]["policy"], "private-data-stays-in");
    assert_eq!((&rows.last().unwrap()["changes"], rows.len()), (&json!({ "newly-allowed": 1 }), 2));
    assert_eq!(rows[1]["by"]["role"], json!({ "user": { "newly-allowed": 1 } }));

    let other =
        run(folder.path(), &["diff", "old", "new", "--on", "events.jsonl", "--fail-on", "newly-denied"], "");
    assert_eq!(other.status.code(), Some(0));
    let text = out(&other);
    for part in
        ["1  newly-allowed", "by policy or rule\n  private-data-stays-in", "1 verdict of 4 events changes"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let back =
        run(folder.path(), &["diff", "new", "old", "--on", "events.jsonl", "--format", "markdown"], "");
    let text = out(&back);
    for part in ["| policy or rule | newly-denied |", "| `private-data-stays-in` | 1 |", "allow → deny"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_rule_that_goes_shows_what_it_replaced() {
    let folder = tempfile::tempdir().unwrap();
    bundles(folder.path(), "packs/pii.yaml", |text| {
        text.replace("action: redact", "action: flag").replace("    replace: '[EMAIL_REMOVED]'\n", "")
    });
    let diff = run(folder.path(), &["diff", "old", "new", "--on", "events.jsonl", "--format", "json"], "");
    let rows: Vec<Value> = lines(&diff);
    assert_eq!(
        (&rows[0]["change"], &rows[0]["through"], &rows[0]["user"]),
        (&json!("newly-allowed"), &json!(["pii/email"]), &json!("eli"))
    );
    assert_eq!(
        rows[0]["findings"][0],
        json!({ "in_bundle": "old", "rule": "pii/email", "field": "/text", "start": 9, "end": 26 })
    );
    assert!(!out(&diff).contains("nina"), "no text");
}

#[test]
fn a_malformed_line_is_told_and_a_bundle_that_does_not_load_too() {
    let folder = tempfile::tempdir().unwrap();
    bundles(folder.path(), "access.cedar", |text| text + "// nothing\n");
    let diff = run(folder.path(), &["diff", "old", "new", "--on", "-"], "{\"stage\":\n");
    assert_eq!(diff.status.code(), Some(2));
    assert!(out(&diff).contains("1 lines are no events"), "{}", out(&diff));
    fs::write(folder.path().join("new/access.cedar"), "permit(").unwrap();
    let diff = run(folder.path(), &["diff", "old", "new", "--on", "events.jsonl"], "");
    assert_eq!((diff.status.code(), diff.stdout.is_empty()), (Some(2), true));
}

/// A record holds no text: what it can't say is told, not guessed.
#[test]
fn of_a_log_only_what_was_kept_is_decided_again() {
    let folder = tempfile::tempdir().unwrap();
    bundles(folder.path(), "access.cedar", |text| without(&text, "private-data-stays-in"));
    for name in ["old", "new"] {
        let path = folder.path().join(name).join("directory.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "users: [{ name: uma, in: [user] }]\n").unwrap();
        let path = folder.path().join(name).join("tools.yaml");
        let text = fs::read_to_string(&path).unwrap();
        // Everything that these tools take is logged.
        let text = text
            .replace("  - name: read_file\n", "  - name: read_file\n    args: { /path: { log: true } }\n");
        let text = text.replace(
            "  - name: send_mail\n",
            "  - name: send_mail\n    args: { /to: { log: true }, /body: { log: true } }\n",
        );
        fs::write(&path, text).unwrap();
    }
    let recorded = run(folder.path(), &["eval", "--bundle", "old", "events.jsonl", "--audit", "log.db"], "");
    assert_eq!(recorded.status.code(), Some(0), "{}", String::from_utf8_lossy(&recorded.stderr));
    let diff = run(folder.path(), &["diff", "old", "new", "--on", "log.db"], "");
    assert_eq!(diff.status.code(), Some(0), "{}", String::from_utf8_lossy(&diff.stderr));
    let text = out(&diff);
    assert!(text.contains("2 recorded events can't be decided again: the text was not kept"), "{text}");
    let replayed =
        run(folder.path(), &["eval", "--bundle", "new", "--replay", "log.db", "--format", "json"], "");
    assert_eq!(lines(&replayed).len() + 2, 4, "{}", String::from_utf8_lossy(&replayed.stderr));
    assert!(String::from_utf8_lossy(&replayed.stderr).contains("the text was not kept"));
}

/// With the key of its contents, a log is decided again as it happened.
#[test]
fn what_a_log_keeps_whole_is_decided_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    bundles(at, "access.cedar", |text| {
        text + "@id(\"no-answers\")\nforbid(principal, action == Action::\"send_output\", resource);\n"
    });
    for name in ["old", "new"] {
        let kept = "classes:\n  - { name: talk, keep: 30d, then: erase }\n";
        fs::write(at.join(name).join("retention.yaml"), kept).unwrap();
    }
    let event = |rest: &str| format!("{{\"user\":{{\"id\":\"nina\"}},\"agent\":\"assistant\",{rest}}}\n");
    let events = [
        // Roles are stated by the host, once; the directory lists nobody.
        "{\"user\":{\"id\":\"nina\",\"roles\":[\"user\"]},\"agent\":\"assistant\",\"session\":\"k\",\"stage\":\"access\",\"access\":{\"kind\":\"run\",\"model\":\"gpt-5\",\"tools\":[\"read_file\"]}}\n".to_owned(),
        event(r#""session":"k","stage":"input","part":"history","text":"hello""#),
        event(r#""session":"k","stage":"tool_call","call":"c1","tool":"read_file","arguments":{"path":"a.txt"}"#),
        event(r#""session":"k","stage":"tool_result","call":"c1","tool":"read_file","result":{"lines":["one"]}"#),
        event(r#""session":"k","stage":"output","text":"done""#),
        event(r#""session":"k","stage":"input","text":"I am nina@post.example""#),
        event(r#""session":"k","stage":"output","text":"hello Nina""#),
    ];
    fs::write(at.join("events.jsonl"), events.concat()).unwrap();
    run(at, &["retain", "init-key", "payload.key"], "");
    let key = ["--payload-key", "payload.key"];
    let recorded =
        run(at, &[&["eval", "--bundle", "old", "events.jsonl", "--audit", "log.db"][..], &key].concat(), "");
    assert_eq!(recorded.status.code(), Some(0), "{}", String::from_utf8_lossy(&recorded.stderr));

    let without = run(at, &["eval", "--bundle", "old", "--replay", "log.db", "--format", "json"], "");
    assert_eq!(lines(&without).len(), 1, "an access event needs no content");
    let told = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(told.contains("their content was kept, and --payload-key would open it"), "{told}");

    let with = [&["eval", "--bundle", "old", "--replay", "log.db", "--format", "json"][..], &key].concat();
    let replayed = run(at, &with, "");
    let told = String::from_utf8_lossy(&replayed.stderr).into_owned();
    let verdicts = lines(&replayed);
    let stages: Vec<&str> = verdicts.iter().map(|verdict| verdict["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["access", "input", "tool_call", "tool_result", "output"], "{told}");
    assert!(verdicts.iter().all(|verdict| verdict["enforced"] == "allow"), "{verdicts:#?}");
    assert!(told.contains(
        "1 recorded events can't be decided again: of their content was kept what was left after edits"
    ));
    assert!(told.contains(
        "1 recorded events can't be decided again: an earlier event of their session was not kept"
    ));

    let diff = [&["diff", "old", "new", "--on", "log.db"][..], &key].concat();
    let text = out(&run(at, &diff, ""));
    assert!(text.contains("no-answers                               1 newly-denied"), "{text}");
    // Reading contents leaves a trace, and another key opens nothing.
    let reads = lines(&run(at, &["audit", "list", "log.db", "--kind", "log_read", "--format", "json"], ""));
    assert_eq!(reads.iter().filter(|read| read["verb"] == "replay").count(), 2, "{reads:#?}");
    run(at, &["retain", "init-key", "other.key"], "");
    let refused =
        run(at, &["eval", "--bundle", "old", "--replay", "log.db", "--payload-key", "other.key"], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another key"));
}
