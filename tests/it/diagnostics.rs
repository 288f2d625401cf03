//! Each diagnostic code has a folder with a broken bundle and the text that it earns.
//!
//! `RINGFENCE_BLESS=1 cargo test` writes the texts anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use ringfence::diagnostic::Code;

#[test]
fn every_code_earns_its_text() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let bless = std::env::var_os("RINGFENCE_BLESS").is_some();
    let mut wrong = Vec::new();
    // A folder without a manifest is refused before it is read as a bundle.
    for code in Code::ALL.iter().filter(|code| **code != Code::MissingManifest) {
        let folder = root.join(code.name());
        assert!(folder.is_dir(), "{} has no folder in tests/diagnostics", code.name());
        let output = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(["check", ".", "--today", "2026-11-22"])
            .current_dir(folder.join("bundle"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let expected = folder.join("expected.txt");
        if bless {
            fs::write(&expected, &text).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", code.name()));
        }
        assert!(text.contains(&format!("[{}]", code.name())), "{}:\n{text}", code.name());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_bundle_without_a_manifest_is_none() {
    let bundle = ringfence::Bundle::from_sources("test", [("access.cedar", "")]);
    let error = ringfence::compile(&bundle, &ringfence::CompileOptions::default()).unwrap_err();
    assert_eq!(error.diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), [Code::MissingManifest]);
}
