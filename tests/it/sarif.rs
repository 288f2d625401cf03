//! SARIF as the standard's own schema wants it, and what of the standard no schema says.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::cli::run;

const SCHEMA: &str = include_str!("../sarif/sarif-schema-2.1.0.json");

fn validator() -> jsonschema::Validator {
    // Its pattern of languages, which nothing here writes, has a bracket too many.
    let schema = SCHEMA.replace(r"^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$", r"^[a-zA-Z]{2}(-[a-zA-Z]{2})?$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// The log that a run prints, valid.
fn sarif(validator: &jsonschema::Validator, output: &Output) -> Value {
    let log: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let errors: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // Columns are counted in characters, which is not what is supposed where nothing says so.
    assert_eq!(log["runs"][0]["columnKind"], "unicodeCodePoints");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let mut ids: Vec<&Value> = rules.iter().map(|rule| &rule["id"]).collect();
    ids.dedup();
    assert_eq!(ids.len(), rules.len());
    for result in log["runs"][0]["results"].as_array().unwrap() {
        assert!(ids.contains(&&result["ruleId"]), "{result}");
        for location in result["locations"].as_array().unwrap() {
            let region = &location["physicalLocation"]["region"];
            let place = |line: &str, column: &str| {
                (region[line].as_u64().unwrap_or(u64::MAX), region[column].as_u64().unwrap_or(u64::MAX))
            };
            assert!(
                place("startLine", "startColumn") <= place("endLine", "endColumn")
                    || region["startColumn"].is_null(),
                "{region}"
            );
        }
    }
    log
}

#[test]
fn the_schema_is_held_to() {
    let validator = validator();
    let log = |results: Value| json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "x" } }, "results": results }] });
    assert!(validator.is_valid(&log(json!([]))));
    assert!(validator.is_valid(&log(json!([{ "message": { "text": "x" } }]))));
    for wrong in [
        json!([{ "message": {} }]),
        json!([{ "message": { "text": "x" }, "level": "fatal" }]),
        json!([{ "message": { "text": "x" }, "locations": [{ "physicalLocation": { "region": { "startLine": 0 } } }] }]),
        json!([{ "message": { "text": "x" }, "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "a b" } } }] }]),
        json!([{ "message": { "text": "x" }, "extra": 1 }]),
    ] {
        assert!(!validator.is_valid(&log(wrong.clone())), "{wrong}");
    }
}

#[test]
fn every_diagnostic_of_check_is_valid_sarif() {
    let validator = validator();
    let mut results = 0;
    for folder in fs::read_dir("tests/diagnostics").unwrap() {
        let folder = folder.unwrap().path().join("bundle");
        let output = run(&folder, &["check", ".", "--format", "sarif"], "");
        let log = sarif(&validator, &output);
        results += log["runs"][0]["results"].as_array().unwrap().len();
    }
    assert!(results > 50, "{results}");
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &["init", "b"], "").status.success());
    let fine = sarif(&validator, &run(folder.path(), &["check", "b", "--format", "sarif"], ""));
    assert_eq!(fine["runs"][0]["results"], json!([]));
}

#[test]
fn findings_of_scan_are_valid_sarif() {
    let validator = validator();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "first\r\n  é — kim@post.example and\nann@post.example";
    for name in ["a.txt", "a b #1%.txt", "ä:1.txt", "-dash"] {
        fs::write(folder.join(name), text).unwrap();
    }
    let log = sarif(&validator, &run(folder, &["scan", ".", "--format", "sarif"], ""));
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 8);
    let of_one: Vec<&Value> = results
        .iter()
        .map(|result| &result["locations"][0]["physicalLocation"])
        .filter(|location| location["artifactLocation"]["uri"] == "./a%20b%20%231%25.txt")
        .map(|location| &location["region"])
        .collect();
    let region = |line: u64, column: u64, offset: u64| json!({ "startLine": line, "startColumn": column, "endLine": line, "endColumn": column + 16, "byteOffset": offset, "byteLength": 16 });
    assert_eq!(of_one, [&region(2, 7, 16), &region(3, 1, 37)]);
    sarif(&validator, &run(folder, &["scan", "-", "--format", "sarif"], text));
    sarif(&validator, &run(folder, &["scan", "-", "--format", "sarif"], "nothing"));
    // Of a row the line is known, and not where in it the field stands.
    let rows = "{\"n\":1}\n{\"text\":\"to kim@post.example\"}\n";
    fs::write(folder.join("rows.jsonl"), rows).unwrap();
    let log =
        sarif(&validator, &run(folder, &["scan", "rows.jsonl", "--jsonl", "text", "--format", "sarif"], ""));
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["region"], json!({ "startLine": 2 }));
    assert_eq!(result["properties"], json!({ "start": 3, "end": 19 }));
}
