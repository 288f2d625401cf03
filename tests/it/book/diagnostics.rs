//! Every diagnostic code has a section with an example that earns it and the example mended.

use std::fmt::Write as _;

use ringfence::diagnostic::{Code, Severity};

use crate::book::kinds::example_bundle;
use crate::book::page::{fences, hold, played, printed, read, sections};

/// The pages, in the order of the book.
const PAGES: &[&str] =
    &["diagnostics/files.md", "diagnostics/names.md", "diagnostics/rules.md", "diagnostics/policies.md"];

/// The code that a section is about.
fn code_of(section: &str) -> Option<&str> {
    section.strip_prefix("## `")?.split('`').next()
}

/// `RINGFENCE_BLESS=1 cargo test` writes the list anew.
#[test]
fn the_list_is_complete() {
    let mut text = String::from(
        "# Diagnostics\n\nWhat `ringfence check` can say. A bundle with an error does not load. Each code leads to an example that earns it, and to\nthe example mended.\n\n| code | severity | meaning |\n|---|---|---|\n",
    );
    let pages: Vec<(&str, String)> = PAGES.iter().map(|name| (*name, read(name))).collect();
    for code in Code::ALL {
        let severity = if code.severity() == Severity::Error { "error" } else { "warning" };
        let named: Vec<&str> = pages
            .iter()
            .filter(|(_, page)| sections(page).iter().any(|section| code_of(section) == Some(code.name())))
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(named.len(), 1, "sections about `{code}`: {named:?}");
        let _ = writeln!(text, "| [`{code}`]({}#{code}) | {severity} | {} |", named[0], code.title());
    }
    hold("diagnostics.md", &read("diagnostics.md"), &text);
}

/// The last command of a text that checks.
fn check_command(text: &str) -> String {
    let console = fences(text, 0).into_iter().rfind(|fence| fence.language == "console");
    let body = console.map(|fence| fence.body).unwrap_or_default();
    let command = body.lines().rfind(|line| line.starts_with("$ ringfence check"));
    command.unwrap_or_else(|| panic!("no check in\n{text}"))[2..].to_owned()
}

fn examples(name: &str) {
    let page = read(name);
    let mut told = String::new();
    for (n, section) in sections(&page).into_iter().enumerate() {
        if n == 0 {
            told.push_str(section);
            continue;
        }
        let code = code_of(section).unwrap_or_else(|| panic!("docs/{name}: a section without a code"));
        assert!(Code::ALL.iter().any(|known| known.name() == code), "docs/{name}: there is no code `{code}`");
        let (broken, mended) =
            section.split_once("\nMended").unwrap_or_else(|| panic!("{code}: nothing is mended"));
        let folder = tempfile::tempdir().unwrap();
        example_bundle(folder.path());
        let first = played(broken, folder.path());
        let shown = fences(&first, 0).into_iter().rfind(|fence| fence.language == "console").unwrap().body;
        if code == Code::MissingManifest.name() {
            // The program refuses such a folder before it reads it as a bundle; a host's own sources get the code.
            let bundle = ringfence::Bundle::from_sources("test", [("access.cedar", "")]);
            let error = ringfence::compile(&bundle, &ringfence::CompileOptions::default()).unwrap_err();
            assert_eq!(error.diagnostics[0].code, Code::MissingManifest);
            assert!(shown.contains("has no `ringfence.yaml`"), "{shown}");
        } else {
            assert!(shown.contains(&format!("[{code}]")), "docs/{name} does not earn `{code}`:\n{shown}");
        }
        // Another code beside it would be another thing to mend.
        let others = shown.lines().filter(|line| line.starts_with("error[") || line.starts_with("warning["));
        for line in others {
            assert!(line.contains(&format!("[{code}]")), "docs/{name}, `{code}`: {line}");
        }

        let second = played(mended, folder.path());
        let command =
            if mended.contains("$ ringfence check") { check_command(mended) } else { check_command(broken) };
        let after = printed(folder.path(), &command);
        let after = after.trim_start_matches('\n');
        assert!(after.starts_with("ok: "), "docs/{name}, `{code}` mended:\n{after}");
        let _ = write!(told, "{first}\nMended{second}");
    }
    hold(name, &page, &told);
}

#[test]
fn files() {
    examples("diagnostics/files.md");
}

#[test]
fn names() {
    examples("diagnostics/names.md");
}

#[test]
fn rules() {
    examples("diagnostics/rules.md");
}

#[test]
fn policies() {
    examples("diagnostics/policies.md");
}
