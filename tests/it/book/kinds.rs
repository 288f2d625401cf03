//! Every key that a file of a bundle may have stands in an example that loads without a warning.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::book::page::{fences, hold, played, printed, read, sections};

/// The bundle that examples are laid over, as the reader is shown it.
pub(crate) fn example_bundle(folder: &Path) {
    let page = read("kinds/index.md");
    let shown: Vec<_> = fences(&page, 0).into_iter().filter(super::page::Fence::is_file).collect();
    assert!(shown.len() >= 4, "docs/kinds/index.md shows the bundle");
    for file in shown {
        file.apply(folder);
    }
}

/// Each section of the page is laid over the example bundle, and has to load and to pass its tests.
fn holds(name: &str) {
    let page = read(name);
    let mut told = String::new();
    for (n, section) in sections(&page).into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        example_bundle(folder.path());
        let text = played(section, folder.path());
        if n > 0 {
            let title = section.lines().next().unwrap();
            let key = if folder.path().join(".host.key").exists() { " --key-file .host.key" } else { "" };
            let check =
                printed(folder.path(), &format!("ringfence check --deny-warnings --today 2026-11-22{key}"));
            assert!(check.starts_with("ok: "), "docs/{name}, {title}:\n{check}");
            if folder.path().join("tests").is_dir() {
                let test = printed(folder.path(), &format!("ringfence test{key}"));
                assert!(test.contains(" passed, 0 failed"), "docs/{name}, {title}:\n{test}");
                assert!(!test.contains("[exit status"), "docs/{name}, {title}:\n{test}");
            }
        }
        told.push_str(&text);
    }
    hold(name, &page, &told);
}

/// The keys and words that a schema knows.
fn known(schema: &Value, keys: &mut BTreeSet<String>, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => keys.extend(properties.keys().cloned()),
                    ("enum", Value::Array(values)) => {
                        words.extend(values.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    ("const", Value::String(word)) => {
                        words.insert(word.clone());
                    }
                    _ => {}
                }
                if key != "examples" && key != "default" {
                    known(value, keys, words);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| known(value, keys, words)),
        _ => {}
    }
}

/// Every key and word of the schema stands in a YAML block of the page.
fn complete(name: &str, schema: &str) {
    let (mut keys, mut words) = (BTreeSet::new(), BTreeSet::new());
    known(&serde_json::to_value(ringfence::schema::named(schema).unwrap()).unwrap(), &mut keys, &mut words);
    assert!(keys.len() > 5, "{schema} has keys");
    let shown: String = fences(&read(name), 0)
        .into_iter()
        .filter(|block| block.language == "yaml")
        .map(|block| block.body)
        .collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let named: BTreeSet<&str> = shown.split(|c: char| !is_part(c)).collect();
    let stated =
        |key: &str| shown.match_indices(&format!("{key}:")).any(|(at, _)| !shown[..at].ends_with(is_part));
    // This version has no `sql`, and says so.
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| *key != "sql" && !stated(key))
        .chain(words.iter().filter(|word| !named.contains(word.as_str())))
        .collect();
    assert!(missing.is_empty(), "docs/{name} shows no example of {missing:?} ({schema})");
}

#[test]
fn manifests() {
    holds("kinds/manifest.md");
    complete("kinds/manifest.md", "manifest");
}

#[test]
fn directories() {
    holds("kinds/directory.md");
    complete("kinds/directory.md", "directory");
}

#[test]
fn text_rules() {
    holds("kinds/text.md");
    complete("kinds/text.md", "pack");
}

/// The table of checks has every one, and each is one.
#[test]
fn checks() {
    let page = read("kinds/text.md");
    let table =
        page.split("There are, by what they are about:").nth(1).unwrap().split("\n## ").next().unwrap();
    let shown: BTreeSet<&str> = table.split('`').skip(1).step_by(2).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/text/check.rs")).unwrap();
    let known = source.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    assert_eq!(shown, known.collect());
}

#[test]
fn tools() {
    holds("kinds/tools.md");
    complete("kinds/tools.md", "tools");
}

#[test]
fn retention_classes() {
    holds("kinds/retention.md");
    complete("kinds/retention.md", "retention");
}

#[test]
fn tests_of_policies() {
    holds("kinds/tests.md");
    complete("kinds/tests.md", "test");
}

#[test]
fn verdicts() {
    use ringfence::verdict::ReasonCode;
    holds("kinds/verdicts.md");
    let page = read("kinds/verdicts.md");
    let table = page.split("| code | means |").nth(1).unwrap().split("\n\n").next().unwrap();
    let shown = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    assert!(shown.eq(ReasonCode::ALL.iter().map(|code| code.name())), "{table}");
    // What an event can bring about has come about on the page.
    let last = fences(&page, 0).into_iter().rfind(|block| block.language == "console").unwrap().body;
    let of_machines = [ReasonCode::TimeLimit, ReasonCode::Panic, ReasonCode::AuditFailed];
    let of_lists = [ReasonCode::UnknownUser, ReasonCode::Limit];
    for code in ReasonCode::ALL.iter().filter(|code| !of_machines.contains(code) && !of_lists.contains(code))
    {
        assert!(last.contains(code.name()), "no example of {}\n{last}", code.name());
    }
}

/// What a policy may say, read from the schema that Cedar is given and from what it refuses.
#[test]
fn policies() {
    holds("kinds/policies.md");
    let shown: String = fences(&read("kinds/policies.md"), 0)
        .into_iter()
        .filter(|block| block.language == "cedar")
        .map(|block| block.body)
        .collect();
    for annotation in ["@id(", "@reason(", "@effect(\"ask\")", "@mode(\"shadow\")", "@expires(", "@owner("] {
        assert!(shown.contains(annotation), "no example of {annotation}");
    }
    let folder = tempfile::tempdir().unwrap();
    let schema = printed(folder.path(), "ringfence schema cedar");
    for action in [
        "run_agent",
        "create_agent",
        "send_input",
        "send_output",
        "read_result",
        "call_tool",
        "call_unlisted_tool",
        "waive",
        "reveal",
    ] {
        assert!(schema.contains(action), "the schema has no {action}");
        assert!(shown.contains(&format!("Action::\"{action}\"")), "no example of {action}");
    }
    for path in [
        "context.agent",
        "context.model",
        "context.at",
        "context.stage",
        "context.found",
        "context.packs",
        "context.tags",
        "context.tool",
        "context.input",
        "context.session.labels",
        "context.session.calls",
        "context.session.denials",
        "context.session.findings",
        "context.session.minutes",
        "context.session.turns",
        "context.session.tokens",
        "principal.tenant",
        "resource.reads",
        "resource.writes",
    ] {
        let attribute = path.rsplit('.').next().unwrap();
        assert!(schema.contains(attribute), "the schema has no {attribute}");
        assert!(shown.contains(path), "no example of {path}");
    }
}
