//! Text rules over files and rows.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .arg("scan")
        .args(arguments)
        .current_dir(folder)
        .output();
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const LEAK: &str = "first\nkey = AKIAQ4XWYTZ7MNB3K5PL and mail kim@post.example\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("a.txt", LEAK.as_bytes());
    write("ignored.txt", LEAK.as_bytes());
    write(".gitignore", b"ignored.txt\n");
    write("sub/.env", LEAK.as_bytes());
    write(".git/config", LEAK.as_bytes());
    write("image.bin", b"\0kim@post.example");
    write("latin1.txt", b"caf\xe9 kim@post.example\n");
    folder
}

#[test]
fn folders_without_what_is_ignored_and_no_matched_text() {
    let folder = folder();
    let (code, text, notes) = run(folder.path(), &["."]);
    assert_eq!(code, Some(1));
    for place in [
        "./a.txt:2:7: critical secrets/aws_access_key",
        "./sub/.env:2:37: medium pii/email",
        "./latin1.txt:1:6:",
    ] {
        assert!(text.contains(place), "{place} in {text}");
    }
    assert!(text.contains("    key = ************ and mail ************\n"), "{text}");
    for hidden in ["AKIA", "kim@", "ignored", ".git/"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert_eq!(notes, "note: 1 binary files were passed over\n");
    let (code, text, _) = run(folder.path(), &[".", "--only", "secrets", "--format", "json"]);
    assert_eq!((code, rows(&text).len()), (Some(1), 2));
    let (_, tagged, _) = run(folder.path(), &["a.txt", "--only", "gdpr", "--format", "json"]);
    assert_eq!(rows(&tagged).iter().map(|row| &row["rule"]).collect::<Vec<_>>(), [&json!("pii/email")]);
    let one = &rows(&text)[0];
    assert_eq!([&one["file"], &one["line"], &one["column"]], [&json!("./a.txt"), &json!(2), &json!(7)]);
    let (_, sarif, _) = run(folder.path(), &["a.txt", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 2);
}

#[test]
fn what_several_rules_find_in_one_value_is_told_together() {
    let folder = tempfile::tempdir().unwrap();
    let text = "MAILCHIMP_API_KEY=3f91c5764bd07e6926f08c127ea7d428-us18\npassword = \"hT7!kd92Lqpw\"\n";
    fs::write(folder.path().join("a.env"), text).unwrap();
    let (_, text, _) = run(folder.path(), &["a.env", "--only", "secrets"]);
    let expected = "\
a.env:1:19: critical secrets/mailchimp_key, high secrets/assigned_secret, medium secrets/assigned_key
    MAILCHIMP_API_KEY=************
a.env:2:13: high secrets/assigned_password
    password = \"************\"

       1  secrets/assigned_key
       1  secrets/assigned_password
       1  secrets/assigned_secret
       1  secrets/mailchimp_key
4 findings of 2 values in 1 file
";
    assert_eq!(text, expected);
    let (_, json, _) = run(folder.path(), &["a.env", "--only", "secrets", "--format", "json"]);
    assert_eq!(rows(&json).len(), 4);
}

#[test]
fn a_row_of_json_lines_is_a_line_of_findings() {
    let folder = tempfile::tempdir().unwrap();
    let input = concat!(
        "{\"text\":\"é kim@post.example\",\"n\":1}\n",
        "{\"n\":2}\n",
        "not json\n",
        "{\"text\":7}\n",
        "{\"text\":\"fine\"}\n",
    );
    fs::write(folder.path().join("rows.jsonl"), input).unwrap();
    let (code, text, notes) = run(folder.path(), &["--jsonl", "text", "rows.jsonl", "--format", "json"]);
    assert_eq!(code, Some(2));
    assert!(notes.contains("rows.jsonl:3: "), "{notes}");
    let rows = rows(&text);
    assert_eq!(rows.iter().map(|row| row["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let finding = &rows[0]["findings"][0];
    assert_eq!(
        [&finding["rule"], &finding["start"], &finding["end"]],
        [&json!("pii/email"), &json!(3), &json!(19)]
    );
    assert_eq!(rows[4], json!({ "line": 5, "findings": [] }));
    let (_, text, _) = run(folder.path(), &["--jsonl", "/text", "--redact", "rows.jsonl"]);
    assert_eq!(text.lines().next(), Some("{\"text\":\"é [EMAIL_REMOVED]\",\"n\":1}"));
}

#[test]
fn baselines_accept_what_is_known_and_nothing_else() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments);
    let (code, text, _) = run(&["a.txt", "--write-baseline", "known.jsonl"]);
    assert_eq!((code, text.as_str()), (Some(0), ""));
    let known = fs::read_to_string(folder.path().join("known.jsonl")).unwrap();
    assert!(!known.contains("AKIA") && !known.contains("kim"), "{known}");
    assert_eq!(run(&["a.txt", "--baseline", "known.jsonl"]).0, Some(0));
    fs::write(folder.path().join("a.txt"), LEAK.replace("kim", "tom")).unwrap();
    let (code, text, _) = run(&["a.txt", "--baseline", "known.jsonl", "--format", "json"]);
    assert_eq!((code, rows(&text).len()), (Some(1), 1));
}

#[test]
fn redaction_statistics_and_misuse() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments);
    let (code, text, _) = run(&["--redact", "a.txt"]);
    assert_eq!((code, text.as_str()), (Some(0), "first\nkey = [AWS_KEY_REMOVED] and mail [EMAIL_REMOVED]\n"));
    let labelled = concat!(
        "{\"source\":\"x\",\"text\":\"kim@post.example\",\"label\":\"leak\"}\n",
        "{\"source\":\"x\",\"text\":\"nothing\",\"positive\":true}\n",
        "{\"source\":\"y\",\"text\":\"lee@post.example\",\"label\":\"benign\"}\n",
    );
    fs::write(folder.path().join("l.jsonl"), labelled).unwrap();
    let (_, text, _) = run(&["--stats", "l.jsonl", "--only", "pii", "--format", "json"]);
    let all = rows(&text).pop().unwrap();
    assert_eq!(
        [&all["recall"], &all["false_positive_rate"], &all["precision"]],
        [&json!(0.5), &json!(1.0), &json!(0.5)]
    );
    for wrong in [
        &["--only", "secretz", "."][..],
        &[],
        &["--redact", "."],
        &["missing.txt"],
        &["--baseline", "a.txt", "."],
    ] {
        let (code, _, notes) = run(wrong);
        assert_eq!((code, notes.is_empty()), (Some(2), false), "{wrong:?}");
    }
}

#[test]
fn stdin_is_cleaned_as_it_comes() {
    use std::io::{Read, Write};
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["scan", "--only", "pii", "--redact", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(b"mail kim@post").unwrap();
    let prose = "a walk through the old town on a cold day.\n".repeat(20);
    stdin.write_all(b".example caf\xe9 ").unwrap();
    stdin.write_all(prose.as_bytes()).unwrap();
    stdin.flush().unwrap();
    // Before the end has come.
    let mut cleaned = vec![0; 200];
    stdout.read_exact(&mut cleaned).unwrap();
    drop(stdin);
    stdout.read_to_end(&mut cleaned).unwrap();
    assert_eq!(String::from_utf8(cleaned).unwrap(), format!("mail [EMAIL_REMOVED] caf? {prose}"));
    assert!(child.wait().unwrap().success());
}

#[test]
fn check_says_how_much_of_a_stream_is_held_back() {
    let check = Command::new(env!("CARGO_BIN_EXE_ringfence")).arg("check").output().unwrap();
    let text = String::from_utf8(check.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("a stream is held back by at most")).unwrap();
    assert!(line.contains(" where one match is open ("), "{line}");
    assert!(line.contains(" and the line that has begun where none is, "), "{line}");
    assert!(!text.contains("to its end"), "{text}");
}
