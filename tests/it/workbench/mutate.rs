//! `ringfence test --mutate`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{lines, out, run};

#[test]
fn what_no_test_notices_is_listed_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "b"], "");
    let test = run(folder.path(), &["test", "b", "--mutate", "--format", "json"], "");
    assert_eq!(test.status.code(), Some(0), "{}", String::from_utf8_lossy(&test.stderr));
    let rows = lines(&test);
    let mutants: Vec<&Value> = rows.iter().filter(|row| row.get("change").is_some()).collect();
    let of = |name: &str, change: &str| -> &Value {
        let is = |row: &&&Value| row["name"] == name && row["change"] == change;
        mutants.iter().find(is).unwrap_or_else(|| panic!("{name} {change}: {mutants:#?}"))
    };
    assert_eq!(of("private-data-stays-in", "removed")["noticed_by"], "private data does not leave");
    assert_eq!(of("pii/email", "removed")["noticed_by"], "mail addresses are removed");
    assert_eq!(of("pii/email", "without its `check`")["noticed_by"], "its own examples");
    assert_eq!(of("read_file", "does not read `private`")["noticed_by"], "private data does not leave");
    let unnoticed = of("read_file", "without `maxLength`");
    assert_eq!((&unnoticed["noticed_by"], &unnoticed["line"]), (&Value::Null, &Value::from(10)));
    let score = rows.last().unwrap()["mutation"].as_f64().unwrap();
    assert!((20.0..100.0).contains(&score), "{score}");

    let text = run(folder.path(), &["test", "b", "--mutate", "--min-mutation", "100"], "");
    assert_eq!(text.status.code(), Some(1));
    let printed = out(&text);
    assert!(
        printed.contains("tools.yaml:10: no test notices tool `read_file` without `maxLength`"),
        "{printed}"
    );
    assert!(printed.lines().last().unwrap().contains("changes noticed"), "{printed}");
}

#[test]
fn a_test_that_proves_nothing_is_found() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "b"], "");
    let path = folder.path().join("b/tests/access.yaml");
    let text = fs::read_to_string(&path).unwrap();
    // The flow is still walked through, but nothing is expected of its end.
    fs::write(
        &path,
        text.replace("expect: { decision: deny, by: private-data-stays-in }", "expect: { found: [] }"),
    )
    .unwrap();
    let printed = out(&run(folder.path(), &["test", "b", "--mutate"], ""));
    assert!(printed.contains("no test notices policy `private-data-stays-in` removed"), "{printed}");
}

#[test]
fn annotations_for_github_point_into_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "b"], "");
    let path = folder.path().join("b/tests/access.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("by: nothing-permits", "by: private-data-stays-in")).unwrap();
    let test = run(folder.path(), &["test", "b", "--format", "github"], "");
    assert_eq!(test.status.code(), Some(1));
    let printed = out(&test);
    assert!(
        printed.starts_with(
            "::error file=b/tests/access.yaml,line=14::only engineers restart services: by: expected"
        ),
        "{printed}"
    );
}

#[test]
fn coverage_tells_what_no_test_reaches() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "b"], "");
    fs::write(
        folder.path().join("b/retention.yaml"),
        "classes:\n  - { name: calls, stages: [tool_call], keep: 7d, then: erase }\n  - { name: input, stages: [input], keep: 7d, then: erase }\n",
    )
    .unwrap();
    let path = folder.path().join("b/access.cedar");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace(
            r#"context.input.service == "web" }"#,
            r#"context.input.service == "web" && context.session.denials > 9 }"#,
        ),
    )
    .unwrap();
    let tests = folder.path().join("b/tests/access.yaml");
    let text = fs::read_to_string(&tests).unwrap();
    fs::write(
        &tests,
        text.replace("expect: { decision: ask, by: restarting-web-asks }", "expect: { decision: allow }"),
    )
    .unwrap();

    let test =
        run(folder.path(), &["test", "b", "--coverage", "--html", "page.html", "--min-coverage", "99"], "");
    let text = out(&test);
    assert_eq!(test.status.code(), Some(1), "{text}");
    for part in [
        "access.cedar:32: condition `restarting-web-asks: context.session.denials > 9` is never true in a test",
        "access.cedar:27: policy `restarting-web-asks` decides no test",
        "retention.yaml:3: retention `input` takes the data of no test",
        "argument        4 of 4",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("context.input.service == \"web\"` is"), "seen true and false: {text}");
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("<span class=\"n\">   32 ") && page.contains("is never true in a test"), "{page}");
    let full = run(folder.path(), &["test", "b", "--coverage", "--format", "json"], "");
    let rows = lines(&full);
    assert!(rows.iter().any(|row| row["kind"] == "condition" && row.get("missing").is_none()), "{rows:#?}");
    assert!(rows.last().unwrap()["coverage"].as_f64().unwrap() < 99.0);
}

#[test]
fn what_rules_are_to_do_is_held_against_their_own_examples() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "b"], "");
    let stated = folder.path().join("b/tests/rules.yaml");
    fs::write(&stated, "rules:\n  pii/*: redact\n").unwrap();
    let test = run(folder.path(), &["test", "b", "--mutate", "--format", "json"], "");
    assert_eq!(test.status.code(), Some(0), "{}", out(&test));
    let rows = lines(&test);
    let milder = rows.iter().find(|row| row["change"] == "only noted, and nothing done").unwrap();
    assert_eq!((&milder["name"], &milder["noticed_by"]), (&"pii/email".into(), &"pii/*: redact".into()));
    // A toolset that no policy asks for is not one of the changes.
    assert!(
        rows.iter().all(|row| !row["change"].as_str().unwrap_or_default().contains("toolset")),
        "{rows:#?}"
    );

    // Who is named stands for itself; and a rule that does something else is told.
    fs::write(&stated, "rules:\n  pii/email: flag\n").unwrap();
    let test = run(folder.path(), &["test", "b"], "");
    assert_eq!(test.status.code(), Some(1));
    assert!(out(&test).contains("pii/email: expected flag, got redact"), "{}", out(&test));
    fs::write(&stated, "rules:\n  pii/emial: redact\n").unwrap();
    let test = run(folder.path(), &["test", "b"], "");
    assert_eq!(test.status.code(), Some(2));
    let told = String::from_utf8(test.stderr).unwrap();
    assert!(told.contains("no rule is called `pii/emial`") && told.contains("pii/email"), "{told}");
}

#[test]
fn the_tests_of_the_default_bundle_reach_all_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let covered = run(root, &["test", "policies", "--coverage", "--min-coverage", "100"], "");
    assert_eq!(covered.status.code(), Some(0), "{}", out(&covered));
}
