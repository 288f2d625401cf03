//! The book itself: its table of contents, its links, and the commands that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::book::page::{docs, printed, read};

fn pages() -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path.strip_prefix(docs()).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&docs(), &mut found);
    found.sort();
    found
}

/// A page without what stands in its blocks.
fn prose(text: &str) -> String {
    let mut inside = false;
    text.split_inclusive('\n')
        .filter(|line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect()
}

/// What inline links of a text lead to.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Links in code spans are examples.
    let outside: String = text.split('`').step_by(2).collect::<Vec<_>>().join("code");
    for (at, _) in outside.match_indices("](") {
        let rest = &outside[at + 2..];
        if let Some(end) = rest.find(')') {
            found.push(rest[..end].to_owned());
        }
    }
    found
}

/// The anchors of a page, as mdBook and GitHub make them of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
        .map(|title| {
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
        })
        .collect()
}

fn resolved(page: &str, link: &str) -> Option<PathBuf> {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if !path.pop() => return None,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(path)
}

#[test]
fn the_summary_names_every_page_once() {
    let manifest = fs::read_to_string(docs().join("../book.toml")).unwrap();
    assert!(manifest.contains("src = \"docs\"") && manifest.contains("create-missing = false"), "{manifest}");
    let mut named: Vec<String> = links(&read("SUMMARY.md"));
    named.sort();
    let expected: Vec<String> = pages().into_iter().filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(named, expected);
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        for link in links(&prose(&text)) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { Some(PathBuf::from(&page)) } else { resolved(&page, file) };
            // A page of the book can't show what lies outside of it.
            let Some(target) = target.filter(|target| docs().join(target).is_file()) else {
                wrong.push(format!("docs/{page}: {link}"));
                continue;
            };
            if let Some(anchor) = anchor
                && !anchors(&fs::read_to_string(docs().join(&target)).unwrap()).contains(anchor)
            {
                wrong.push(format!("docs/{page}: {link}: no such heading"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The command lines that a page names, in its text and in its blocks.
fn named_commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let joined = text.replace("\\\n", " ");
    for line in joined.lines().map(|line| line.trim_start().trim_start_matches("$ ")) {
        if line.starts_with("ringfence ") {
            found.push(line.to_owned());
        }
    }
    for span in prose(&joined).split('`').skip(1).step_by(2) {
        if span.starts_with("ringfence ") {
            found.push(span.to_owned());
        }
    }
    found
}

/// Every verb and flag of a command that the book names is one of the program.
#[test]
fn every_command_exists() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    for page in pages() {
        for command in named_commands(&read(&page)) {
            // What is quoted, commented or piped on is not for the program.
            let line = command.split(['\'', '#', '|', '>']).next().unwrap_or_default();
            for part in line.split("&&").map(str::trim).filter(|part| part.starts_with("ringfence ")) {
                let mut words = part.split_whitespace().skip(1);
                let verb = words.next().unwrap_or_default();
                let rest: Vec<&str> = words.collect();
                let inner = rest.first().filter(|word| {
                    ["audit", "retain", "bundle"].contains(&verb)
                        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                        && !word.starts_with('-')
                });
                let asked = format!("ringfence {verb} {} --help", inner.unwrap_or(&""));
                let help = helps.entry(asked.clone()).or_insert_with(|| printed(folder.path(), &asked));
                if help.contains("[exit status") {
                    wrong.push(format!("docs/{page}: {part}"));
                    continue;
                }
                seen += 1;
                for flag in rest.iter().filter(|word| word.starts_with("--")) {
                    let flag = flag.trim_end_matches([',', '.', ';', ':', ')']);
                    let flag = flag.split('=').next().unwrap_or(flag);
                    if !help
                        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                        .any(|word| word == flag)
                    {
                        wrong.push(format!("docs/{page}: {part}: {flag}"));
                    }
                }
            }
        }
    }
    assert!(seen > 100, "{seen} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A comparison that can't be looked up is an opinion.
#[test]
fn every_row_of_the_comparison_has_its_source() {
    let page = read("comparison.md");
    let mut rows = 0;
    for section in crate::book::page::sections(&page).into_iter().skip(1) {
        if !section.contains("| source |") {
            continue;
        }
        for row in section.lines().filter(|line| line.starts_with("| ")).skip(1) {
            assert!(row.contains("](https://"), "no source: {row}");
            rows += 1;
        }
    }
    assert!(rows >= 30, "{rows} rows");
}
