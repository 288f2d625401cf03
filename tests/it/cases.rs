//! Engine-neutral cases: a bundle, events, and the verdicts that every surface gives.
//!
//! `tests/cases/NAME/` holds `events.jsonl`, `verdicts.jsonl` and, unless it is about the default bundle, `bundle/`.
//! `RINGFENCE_BLESS=1 cargo test` writes the verdicts anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use ringfence::{Bundle, CompileOptions, Guard, compile};

/// The bundle's digest changes with every word of it.
fn without_digest(lines: &str) -> String {
    let strip = |line: &str| match line.rfind(",\"bundle\":\"") {
        Some(at) => format!("{}}}\n", &line[..at]),
        None => format!("{line}\n"),
    };
    lines.lines().map(strip).collect()
}

#[test]
fn every_surface_gives_the_same_verdicts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = 0;
    for entry in fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let bundle = folder.join("bundle");
        let events = fs::read_to_string(folder.join("events.jsonl")).unwrap();
        let loaded = if bundle.is_dir() { Bundle::from_folder(&bundle).unwrap() } else { Bundle::embedded() };
        let engine = compile(&loaded, &CompileOptions::default())
            .unwrap_or_else(|e| panic!("{:?}", e.diagnostics))
            .engine;
        let guard = Guard::builder(engine).no_time_limit().build();
        let library: String = events
            .lines()
            .map(|line| serde_json::to_string(&guard.check_json(line)).unwrap() + "\n")
            .collect();
        let library = without_digest(&library);
        let expected = folder.join("verdicts.jsonl");
        if std::env::var_os("RINGFENCE_BLESS").is_some() {
            fs::write(&expected, &library).unwrap();
        }
        assert_eq!(
            library,
            fs::read_to_string(&expected).unwrap_or_default(),
            "{}: library",
            folder.display()
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.args(["eval", "--format", "json", "events.jsonl"]).current_dir(&folder);
        if bundle.is_dir() {
            command.args(["--bundle", "bundle"]);
        }
        let program = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert_eq!(without_digest(&program), library, "{}: program", folder.display());
        cases += 1;
    }
    assert!(cases >= 3);
}

/// The same events as policy tests, sorted by what they try.
#[test]
fn no_known_way_around_a_check_is_open() {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/bypass/bundle");
    let output = Command::new(env!("CARGO_BIN_EXE_ringfence")).arg("test").arg(bundle).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Bypasses are collected by class, each with the reason for which it is there.
#[test]
fn every_class_of_bypasses_has_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/bypass");
    let told = fs::read_to_string(folder.join("README.md")).unwrap();
    let told: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(class, reason)| {
            assert!(reason.len() > 20, "{class} has no reason");
            class
        })
        .collect();
    let mut classes: Vec<String> = Vec::new();
    for line in fs::read_to_string(folder.join("events.jsonl")).unwrap().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let (class, _) = event["session"].as_str().unwrap().split_once('/').unwrap();
        if classes.last().is_none_or(|last| last != class) {
            classes.push(class.to_owned());
        }
    }
    assert_eq!(classes, told);
}
