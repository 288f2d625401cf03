//! Who may use whom: every module only those before it, every third-party engine in one place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the crate, lowest first: each may use those before it. A `·` of ARCHITECTURE.md is a line here.
#[rustfmt::skip]
const RANKS: &[&str] = &[
    "diagnostic", "decode", "event", "verdict", "protection", "sandbox",
    "yaml", "redact", "session",
    "bundle", "text", "tool",
    "rule",
    "cedar",
    "engine",
    "compile", "store",
    "audit",
    "retention", "signed",
    "guard",
    "harness",
    "surface",
    "schema",
    "surface::cli", "main",
];

/// Third-party crates that only one part of the house may name, so that replacing one is a change in one place.
const OWNERS: &[(&str, &[&str])] = &[
    ("cedar_policy", &["cedar/"]),
    ("cedar_policy_formatter", &["cedar/"]),
    ("miette", &["cedar/"]),
    ("granit_parser", &["yaml.rs"]),
    ("aho_corasick", &["text/"]),
    ("memchr", &["text/"]),
    ("wide", &["text/"]),
    ("icu_normalizer", &["text/"]),
    ("arc_swap", &["guard"]),
    ("regex_automata", &["text/"]),
    ("regex_syntax", &["text/"]),
    ("email_address", &["tool/"]),
    ("jsonschema", &["tool/"]),
    ("landlock", &["sandbox/"]),
    ("nix", &["sandbox/"]),
    ("rustix", &["sandbox/"]),
    ("seccompiler", &["sandbox/"]),
    ("rusqlite", &["store/sqlite"]),
    ("ed25519_dalek", &["audit/"]),
    ("zeroize", &["audit/", "surface/openai"]),
    ("chacha20poly1305", &["audit/vault.rs"]),
    ("getrandom", &["audit/", "store/sqlite", "surface/openai", "surface/cli/"]),
    ("async_openai", &["surface/openai", "surface/cli/chat.rs"]),
    ("reqwest", &["surface/openai"]),
    ("rustls", &["surface/openai"]),
    ("tower", &["surface/openai"]),
    ("tokio", &["surface/openai", "surface/cli/chat.rs"]),
    ("annotate_snippets", &["surface/cli/"]),
    ("anstream", &["surface/cli/", "main.rs"]),
    ("anstyle", &["surface/cli/", "main.rs"]),
    ("anyhow", &["surface/cli/", "main.rs"]),
    ("clap", &["surface/cli/", "main.rs"]),
    ("clap_complete", &["surface/cli/"]),
    ("clap_mangen", &["surface/cli/"]),
    ("ignore", &["surface/cli/"]),
    ("indicatif", &["surface/cli/"]),
];

#[test]
fn modules_use_only_what_is_before_them() {
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        let module = module_of(&name);
        // The root only lists and re-exports.
        if module == "lib" {
            continue;
        }
        let Some(own) = rank(&module) else {
            wrong
                .push(format!("src/{name}: `{module}` has no rank; give it one here and in ARCHITECTURE.md"));
            continue;
        };
        for used in crate_paths(&code) {
            if used == module || (used == "surface" && module.starts_with("surface::")) {
                continue;
            }
            match rank(&used) {
                None => wrong.push(format!(
                    "src/{name}: `crate::{used}` is no ranked module; name the item by its own"
                )),
                Some(other) if other > own => {
                    wrong.push(format!("src/{name}: `{module}` may not use `{used}`"))
                }
                Some(other) if other == own && used != module => {
                    wrong.push(format!(
                        "src/{name}: surfaces do not know each other, but this one uses `{used}`"
                    ));
                }
                Some(_) => {}
            }
        }
        if is_top_level(&name) && code.lines().any(|line| line.starts_with("use super::")) {
            wrong.push(format!("src/{name}: write `crate::` for what stands beside a top-level module"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn third_party_engines_have_one_owner() {
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        for (krate, owners) in OWNERS {
            if names_crate(&code, krate) && !owners.iter().any(|owner| name.starts_with(owner)) {
                wrong.push(format!("src/{name}: `{krate}` belongs to src/{}", owners.join(" and src/")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn architecture_tells_the_same_ranks() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md can be read");
    let block = text.split("```ranks\n").nth(1).and_then(|rest| rest.split("```").next());
    let told: Vec<&str> = block.expect("ARCHITECTURE.md has a block of ranks").split_whitespace().collect();
    assert_eq!(told, RANKS);
}

#[test]
fn the_reader_sees_what_it_must() {
    let code = strip(
        "use crate::event::{Event, Stage};\nuse crate::{rule::Rule, text::{Finder, view::View}, yaml};\n\
         // crate::guard is only talked of\nfn f() -> crate::surface::cli::Args { \"crate::audit\"; pub(crate) }\n\
         #[cfg(test)]\nmod tests {\n    use crate::harness::Case;\n}\n",
    );
    let used: Vec<String> = crate_paths(&code).into_iter().collect();
    assert_eq!(used, ["audit", "event", "rule", "surface::cli", "text", "yaml"]);
    assert!(names_crate("use regex_automata::meta;", "regex_automata"));
    assert!(names_crate("use clap as arguments;", "clap"));
    assert!(!names_crate(
        "PatternOptions::regex().size_limit(1); my_regex_automata::new()",
        "regex_automata"
    ));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file: its path below `src/` with `/` between folders, and its code.
fn sources() -> Vec<(String, String)> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be listed") {
            let path = entry.expect("src can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let named = files.iter().map(|path| {
        let below = path.strip_prefix(&src).expect("it is below src");
        let name: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        (name.join("/"), strip(&fs::read_to_string(path).expect("a source can be read")))
    });
    // `tests.rs` holds the tests of the module that it stands in; tests may look wherever they like.
    let sources: Vec<_> = named.filter(|(name, _)| !name.ends_with("/tests.rs")).collect();
    assert!(sources.len() > 10, "src was not found");
    sources
}

/// The code without comments and without the tests at its end.
fn strip(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn is_top_level(name: &str) -> bool {
    match name.split_once('/') {
        None => true,
        Some((_, rest)) => rest == "mod.rs",
    }
}

fn module_of(name: &str) -> String {
    let parts: Vec<&str> = name.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    match parts[..] {
        ["surface", surface, ..] => format!("surface::{surface}"),
        [first, ..] => first.to_owned(),
        [] => String::new(),
    }
}

/// The place of a module; surfaces other than the command line share that of `surface`.
fn rank(module: &str) -> Option<usize> {
    let place = |name: &str| RANKS.iter().position(|ranked| *ranked == name);
    place(module).or_else(|| module.starts_with("surface::").then(|| place("surface")).flatten())
}

/// The top-level modules that code names as `crate::…`, in `use` lines and elsewhere.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        if is_word_end(&code[..at]) {
            continue;
        }
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(group) => paths.extend(members(group).into_iter().filter_map(first_of)),
            None => paths.extend(first_of(rest)),
        }
    }
    paths
}

/// The entries of a group of a `use`, without those of the groups in it.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut entries) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                entries.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                entries.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    entries
}

/// The first name of a path; of a surface's, the first two.
fn first_of(path: &str) -> Option<String> {
    let mut names = path.trim_start().split("::").map(|part| {
        let end = part.find(|c: char| !is_word(c)).unwrap_or(part.len());
        (&part[..end], end == part.len())
    });
    let (first, more) = names.next().filter(|(first, _)| !first.is_empty())?;
    match names.next() {
        Some((second, _)) if first == "surface" && more && !second.is_empty() => {
            Some(format!("{first}::{second}"))
        }
        _ => Some(first.to_owned()),
    }
}

fn names_crate(code: &str, krate: &str) -> bool {
    code.match_indices(krate).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + krate.len()..]);
        let imported = before.ends_with("use ") && (after.starts_with(';') || after.starts_with(" as "));
        !is_word_end(before) && (after.starts_with("::") || imported)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_word_end(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_word)
}
