//! Gates on labelled data: `accuracy:` of a test file.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const ROWS: &str = r#"{"source":"a","text":"SECRET-11 and more","label":"leak"}
{"source":"a","text":"SECRET-12","positive":true}

{"source":"a","text":"nothing to see","positive":true}
{"source":"b","text":"a secret of another kind","positive":true}
{"source":"a","text":"secret sauce","label":"benign"}
{"source":"b","text":"the tag SECRET-99 is public","label":"benign"}
{"source":"a","text":"fine","label":"benign","more":1}
{"source":"a","text":"fine","label":"benign"}
"#;

/// A bundle whose only rule finds three of the rows, with this under `accuracy:`.
fn bundle(gates: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join("b").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("ringfence.yaml", "name: n\nversion: '1'\n");
    write("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n");
    write(
        "packs/leaks.yaml",
        "pack: leaks\ntitle: Leaks\nstages: [output]\naction: flag\nrules:\n  - id: tag\n    title: A tag\n    find: \
         { pattern: 'SECRET-\\d\\d' }\n    examples: { match: ['SECRET-10', 'x SECRET-20'], ignore: ['SECRET-x', 'no SECRET'] }\n",
    );
    write("access.cedar", "@id(\"all\")\npermit (principal, action == Action::\"send_output\", resource);\n");
    write("tests/labelled.jsonl", ROWS);
    write("tests/a.yaml", &format!("accuracy:\n{gates}"));
    write("../outside.jsonl", ROWS);
    folder
}

fn test(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .arg("test")
        .arg(folder.join("b"))
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_gate_holds_or_fails_by_rows_and_by_sources() {
    let holds = "  - { data: labelled.jsonl, pack: leaks, recall: 0.5, false_positives: 0.25 }\n";
    let folder = bundle(holds);
    let output = test(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = out(&output);
    let measured =
        "accuracy of leaks on labelled.jsonl: recall 50.0 % of 4 rows, false positives 25.0 % of 4 rows\n";
    assert!(text.contains(measured), "{text}");
    assert!(text.ends_with("1 passed, 0 failed\n"), "{text}");
    assert!(text.contains("these rules decide no test: leaks/tag"), "a gate is no case: {text}");

    let fails = "  - { data: labelled.jsonl, pack: leaks/tag, recall: 0.51, false_positives: 0.2 }\n  - { data: labelled.jsonl, \
                 pack: leaks, recall: 0.34, false_positives: 0.99, by: source }\n";
    let folder = bundle(fails);
    let output = test(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    for line in [
        "FAILED accuracy of leaks/tag on labelled.jsonl (tests/a.yaml:2)\n    recall: expected at least 51 %, got 50 %\n    false \
         positives: expected at most 20 %, got 25 %\n",
        // a finds two of three, b none of one, and the only negative row of b is an alarm.
        "FAILED accuracy of leaks on labelled.jsonl (tests/a.yaml:3)\n    recall: expected at least 34 %, got 33.3333 %\n    false \
         positives: expected at most 99 %, got 100 %\n",
        "0 passed, 2 failed\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let one = test(folder.path(), &["--only", "leaks/tag"]);
    assert!(out(&one).ends_with("0 passed, 1 failed\n"), "{}", out(&one));
}

#[test]
fn json_and_junit_tell_what_was_measured() {
    let folder = bundle("  - { data: labelled.jsonl, pack: leaks, recall: 0.6 }\n");
    let json = out(&test(folder.path(), &["--format", "json"]));
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        first,
        json!({
            "name": "accuracy of leaks on labelled.jsonl", "file": "tests/a.yaml", "line": 2,
            "failures": ["recall: expected at least 60 %, got 50 %"],
            "accuracy": {
                "pack": "leaks", "by": "row", "positive": 4, "negative": 4, "recall": 0.5, "false_positives": 0.25
            },
        })
    );
    let junit = out(&test(folder.path(), &["--format", "junit"]));
    let case = "<testcase classname=\"tests/a.yaml\" name=\"accuracy of leaks on labelled.jsonl\" line=\"2\"><failure \
                message=\"recall: expected at least 60 %, got 50 %\"/><system-out>recall 50.0 % of 4 rows, false positives 25.0 % of 4 \
                rows</system-out></testcase>\n";
    assert!(junit.contains(case), "{junit}");
    assert!(junit.contains("tests=\"1\" failures=\"1\""), "{junit}");
}

#[test]
fn only_files_of_the_bundle_are_read() {
    let probe = bundle("  - { data: labelled.jsonl, pack: leaks, recall: 0.1 }\n");
    let absolute = probe.path().join("outside.jsonl");
    assert!(absolute.is_file());
    let up = "../../outside.jsonl";
    for data in [absolute.to_str().unwrap(), up, "./labelled.jsonl", "a/../labelled.jsonl", "a\\\\b", ""] {
        let folder = bundle(&format!("  - {{ data: \"{data}\", pack: leaks, recall: 0.1 }}\n"));
        let output = test(folder.path(), &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("is not a path below the folder of the tests"), "{data}: {message}");
        assert_eq!(output.status.code(), Some(2), "{data}");
    }
    let folder = bundle("  - { data: other.jsonl, pack: leaks, recall: 0.1 }\n");
    let output = test(folder.path(), &[]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("the bundle has no file `tests/other.jsonl`"));
}

#[test]
fn what_does_not_fit_is_told_with_its_place_and_never_with_its_text() {
    for (gate, message) in [
        ("pack: leak, recall: 0.1", "no pack or rule is called `leak`"),
        ("pack: leaks, recall: 65", "a share is not between 0 and 1"),
        ("pack: leaks", "the gate asks for nothing"),
        ("pack: leaks, recall: 0.1, by: column", "by"),
        ("pack: leaks, recal: 0.1", "recal"),
    ] {
        let folder = bundle(&format!("  - {{ data: labelled.jsonl, {gate} }}\n"));
        let output = test(folder.path(), &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(message) && told.contains("tests/a.yaml:2"), "{gate}: {told}");
        assert_eq!(output.status.code(), Some(2), "{gate}");
    }
    let gate = "  - { data: labelled.jsonl, pack: leaks, recall: 0.1 }\n";
    for (row, message) in [
        (
            "{\"text\":\"SECRET-77\"}",
            "`tests/labelled.jsonl` line 10: has neither `positive`, true or false, nor `label`",
        ),
        ("{\"txt\":\"SECRET-77\",\"label\":\"x\"}", "`tests/labelled.jsonl` line 10: has no `text`"),
        ("SECRET-77", "`tests/labelled.jsonl` line 10: "),
    ] {
        let folder = bundle(gate);
        fs::write(folder.path().join("b/tests/labelled.jsonl"), format!("{ROWS}{row}\n")).unwrap();
        let output = test(folder.path(), &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(message) && !told.contains("SECRET-77"), "{row}: {told}");
        assert_eq!(output.status.code(), Some(2), "{row}");
    }
    let folder = bundle(gate);
    fs::write(folder.path().join("b/tests/labelled.jsonl"), "{\"text\":\"x\",\"label\":\"benign\"}\n")
        .unwrap();
    let output = test(folder.path(), &[]);
    assert!(out(&output).contains("recall: the data have no positive row"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}
