//! The house: ranks, owners, fresh schemas, complete embedded bundles.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

fn sources() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    let name =
        |path: &Path| path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Ranks, lowest first; modules of one rank may use each other.
const RANKS: &[&[&str]] = &[
    &["diagnostic", "decode", "event", "verdict"],
    &["yaml", "redact", "session"],
    &["bundle", "text", "tool"],
    &["rule"],
    &["cedar"],
    &["engine"],
    &["compile"],
    &["audit"],
    &["guard"],
    &["harness"],
    &["schema"],
    &["surface"],
    &["main", "lib"],
];

#[test]
fn each_module_uses_only_what_is_below_it() {
    let rank = |module: &str| {
        RANKS.iter().position(|rank| rank.contains(&module)).unwrap_or_else(|| panic!("{module} has no rank"))
    };
    for (name, text) in sources() {
        let module = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if !used.is_empty() && !line.contains("pub(in") {
                    assert!(
                        rank(&used) <= rank(&module),
                        "src/{name}:{}: {module} uses {used}, which stands above it",
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn each_engine_has_one_owner() {
    let owners = [
        ("cedar_policy", "cedar/"),
        ("granit_parser", "yaml.rs"),
        ("aho_corasick", "text/"),
        ("icu_normalizer", "text/"),
        ("regex::", "text/"),
        ("jsonschema::", "tool/"),
        ("clap", "surface/cli/"),
        ("anyhow", "surface/cli/"),
    ];
    for (name, text) in sources() {
        for (krate, owner) in owners {
            let uses = text.lines().any(|line| {
                line.trim_start().starts_with(&format!("use {krate}"))
                    || line.contains(&format!(" {krate}::"))
            });
            assert!(
                !uses || name.starts_with(owner),
                "src/{name} names {krate}, which belongs to src/{owner}"
            );
        }
    }
}

/// `RINGFENCE_BLESS=1 cargo test` writes the schemas anew.
#[test]
fn schemas_are_fresh() {
    for name in ringfence::schema::NAMES {
        let path = root().join(format!("schemas/{name}.json"));
        let text = serde_json::to_string_pretty(&ringfence::schema::named(name).unwrap()).unwrap() + "\n";
        if std::env::var_os("RINGFENCE_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
    }
}

#[test]
fn shipped_yaml_fits_its_published_schema() {
    for bundle in [ringfence::Bundle::embedded(), ringfence::bundle::starter()] {
        assert!(ringfence::compile(&bundle, &ringfence::CompileOptions::default()).is_ok());
    }
}

#[test]
fn embedded_bundles_hold_every_file() {
    for (folder, bundle) in
        [("policies", ringfence::Bundle::embedded()), ("starter", ringfence::bundle::starter())]
    {
        let mut files = Vec::new();
        walk(&root().join(folder), &mut files);
        for path in files {
            let name = path.strip_prefix(root().join(folder)).unwrap().to_string_lossy().replace('\\', "/");
            // The default bundle's tests are not needed at run time.
            if folder == "policies" && name.starts_with("tests/") {
                continue;
            }
            let embedded = bundle.source(&name).unwrap_or_else(|| panic!("{folder}/{name} is not embedded"));
            assert_eq!(*embedded.text, *fs::read_to_string(&path).unwrap());
        }
    }
}

/// `RINGFENCE_BLESS=1 cargo test` writes the list anew.
#[test]
fn every_diagnostic_code_is_documented() {
    use std::fmt::Write as _;
    let mut text = String::from(
        "# Diagnostics\n\nWhat `ringfence check` can say. Each code has a broken bundle with its text in `tests/diagnostics/`.\n\n| code | severity | meaning |\n|---|---|---|\n",
    );
    for code in ringfence::diagnostic::Code::ALL {
        let severity = format!("{:?}", code.severity()).to_lowercase();
        let _ = writeln!(text, "| `{code}` | {severity} | {} |", code.title());
    }
    let path = root().join("docs/diagnostics.md");
    if std::env::var_os("RINGFENCE_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text);
}
