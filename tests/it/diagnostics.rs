//! Each diagnostic code has a folder with a broken bundle and the text that it earns.
//!
//! `RINGFENCE_BLESS=1 cargo test` writes the texts anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use ringfence::diagnostic::Code;
use ringfence::{Bundle, CompileOptions, compile};

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
    let bundle = Bundle::from_sources("test", [("access.cedar", "")]);
    let error = compile(&bundle, &CompileOptions::default()).unwrap_err();
    assert_eq!(error.diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), [Code::MissingManifest]);
}

/// Names that a broken file declares, or may declare, are not reported beside what is wrong with it.
#[test]
fn a_broken_file_is_the_only_thing_reported() {
    let policies = r#"
@id("a") permit(principal in Role::"user", action == Action::"note", resource);
@id("b") forbid(principal, action == Action::"send_output", resource) when { context.found.contains(Rule::"shop/order") };
@id("c") forbid(principal, action == Action::"send_output", resource) when { context.packs.contains(Pack::"shop") };
@id("d") forbid(principal, action == Action::"call_tool", resource == Tool::"note") when { context.tags.contains(Tag::"x") };
"#;
    let codes = |tools: &str, pack: &str, more: &str| {
        let policies = format!("{policies}{more}");
        let bundle = Bundle::from_sources(
            "t",
            [
                ("ringfence.yaml", "name: t\nversion: 1\n"),
                ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n"),
                ("tools.yaml", tools),
                ("packs/shop.yaml", pack),
                ("retention.yaml", "classes: [{ name: a, keep: 1d, tags: [x], tools: [note] }]\n"),
                ("access.cedar", &policies),
            ],
        );
        let error = compile(&bundle, &CompileOptions::default()).unwrap_err();
        error.diagnostics.iter().map(|one| one.code.name()).collect::<Vec<_>>()
    };
    let tools = "tools: [{ name: note, args: { /text: {} } }]\n";
    let pack = "pack: shop\nstages: [output]\naction: flag\nrules:\n  - { id: order, tags: [x], find: { phrases: [order now] }, examples: { match: [order now], ignore: [order later] } }\n";
    let role = "@id(\"e\") forbid(principal in Role::\"usr\", action == Action::\"send_input\", resource);\n";
    assert_eq!(codes(tools, &pack.replace("[order now]", "[order now"), ""), ["yaml-syntax"]);
    assert_eq!(codes(tools, &pack.replace("phrases: [order now]", "pattern: 'a('"), ""), ["bad-pattern"]);
    let broken = "tools: [{ name: note, input: { type: objekt } }]\n";
    assert_eq!(codes(broken, pack, ""), ["bad-schema"]);
    let no_list = tools.replace("args:", "reads: secret, args:");
    assert_eq!(codes(&no_list, pack, ""), ["bad-value"]);
    // What nothing can declare is.
    assert_eq!(codes(broken, "pack: [", role), ["undeclared-name", "yaml-syntax", "bad-schema"]);
}
