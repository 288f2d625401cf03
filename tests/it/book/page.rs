//! A page of the book as a play: blocks that name a file write it, blocks of commands are run, and what they print has to be what
//! stands below them. `RINGFENCE_BLESS=1` writes what is printed into the page.
//!
//! A block names its file in its first line, as a comment (`# tools.yaml`, `// access.cedar`), or in the line above it
//! (`` `events.jsonl`: ``) where the format has no comments; `added to access.cedar` adds to its end. A `diff` block changes the
//! file that its first line names. In a `console` block lines with `$` are commands; a status other than 0 is told below the output.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// A fenced block of a page.
pub(crate) struct Fence {
    pub(crate) language: String,
    pub(crate) body: String,
    /// Where the body stands in the page.
    pub(crate) range: Range<usize>,
    /// The last line above the block that is not empty.
    above: String,
}

/// The blocks of a text, with places counted from `offset`.
pub(crate) fn fences(text: &str, offset: usize) -> Vec<Fence> {
    let (mut found, mut open): (Vec<Fence>, Option<Fence>) = (Vec::new(), None);
    let (mut at, mut above) = (offset, "");
    for line in text.split_inclusive('\n') {
        let fence = line.trim_end().strip_prefix("```");
        match (open.take(), fence) {
            (Some(mut block), Some(_)) => {
                block.range.end = at;
                text[block.range.start - offset..at - offset].clone_into(&mut block.body);
                found.push(block);
            }
            (Some(block), None) => open = Some(block),
            (None, Some(language)) => {
                let start = at + line.len();
                open = Some(Fence {
                    language: language.to_owned(),
                    body: String::new(),
                    range: start..start,
                    above: above.to_owned(),
                });
            }
            (None, None) if !line.trim().is_empty() => above = line.trim(),
            (None, None) => {}
        }
        at += line.len();
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// What a block does to a file.
#[derive(Debug, PartialEq, Eq)]
enum Change<'a> {
    Write(&'a str),
    Add(&'a str),
    Edit(&'a str),
}

impl Fence {
    fn change(&self) -> Option<Change<'_>> {
        let first = self.body.lines().next().unwrap_or_default();
        let comment = || first.strip_prefix("# ").or_else(|| first.strip_prefix("// ")).map(str::trim);
        match self.language.as_str() {
            "yaml" | "cedar" | "toml" => match comment() {
                Some(text) if is_file(text) => Some(Change::Write(text)),
                Some(text) => text.strip_prefix("added to ").filter(|name| is_file(name)).map(Change::Add),
                None => None,
            },
            "diff" => comment().filter(|name| is_file(name)).map(Change::Edit),
            "json" | "jsonl" | "text" => {
                let name = self.above.strip_suffix("`:")?.rsplit('`').next()?;
                is_file(name).then_some(Change::Write(name))
            }
            _ => None,
        }
    }

    /// Whether the block writes or changes a file.
    pub(crate) fn is_file(&self) -> bool {
        self.change().is_some()
    }

    /// Does to `folder` what the block says.
    pub(crate) fn apply(&self, folder: &Path) {
        let Some(change) = self.change() else { return };
        let (Change::Write(name) | Change::Add(name) | Change::Edit(name)) = change;
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let old = fs::read_to_string(&path);
        let text = match change {
            Change::Write(_) => self.body.clone(),
            Change::Add(_) => {
                let added = self.body.split_once('\n').unwrap().1;
                format!("{}\n{added}", old.unwrap_or_else(|_| panic!("nothing to add to: {name}")))
            }
            Change::Edit(_) => {
                edited(&old.unwrap_or_else(|_| panic!("nothing to change: {name}")), &self.body)
            }
        };
        fs::write(path, text).unwrap();
    }
}

fn is_file(text: &str) -> bool {
    let end =
        [".yaml", ".cedar", ".json", ".jsonl", ".txt", ".toml", ".key"].iter().any(|end| text.ends_with(end));
    end && text.chars().all(|c| c.is_ascii_alphanumeric() || "./_-".contains(c)) && !text.contains("..")
}

/// A text in which the lines with `-` are replaced by those with `+`; lines with a blank stand before and after.
fn edited(text: &str, diff: &str) -> String {
    let (mut old, mut new) = (String::new(), String::new());
    for line in diff.lines().skip(1) {
        let (sign, rest) = if line.is_empty() { (" ", "") } else { line.split_at(1) };
        if sign != "+" {
            let _ = writeln!(old, "{rest}");
        }
        if sign != "-" {
            let _ = writeln!(new, "{rest}");
        }
    }
    assert_eq!(text.matches(&old).count(), 1, "not once in the file:\n{old}\nin\n{text}");
    text.replacen(&old, &new, 1)
}

/// Everything that a command prints, standard output first, and its status where that is not 0.
pub(crate) fn printed(folder: &Path, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_ringfence")).parent().unwrap();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default()))
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let mut text = String::new();
    for stream in [&output.stdout, &output.stderr] {
        for line in String::from_utf8_lossy(stream).lines() {
            let _ = writeln!(text, "{}", without_time(line.trim_end()));
        }
    }
    match output.status.code() {
        Some(0) => {}
        status => writeln!(text, "[exit status: {}]", status.unwrap_or(-1)).unwrap(),
    }
    text
}

/// A line without the time that it took.
fn without_time(line: &str) -> String {
    match line.rsplit_once(", in ") {
        Some((before, time)) if time.ends_with("/s)") => format!("{before}, in … s"),
        _ => line.to_owned(),
    }
}

/// Runs the commands of a block anew.
fn rerun(folder: &Path, body: &str) -> String {
    let mut text = String::new();
    for line in body.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let _ = writeln!(text, "{line}");
            text.push_str(&printed(folder, command));
        }
    }
    text
}

/// Plays a text, and returns it as it is when every command prints what it really prints.
pub(crate) fn played(text: &str, folder: &Path) -> String {
    let mut told = String::new();
    let mut done = 0;
    for fence in fences(text, 0) {
        fence.apply(folder);
        if fence.language == "console" {
            told.push_str(&text[done..fence.range.start]);
            told.push_str(&rerun(folder, &fence.body));
            done = fence.range.end;
        }
    }
    told.push_str(&text[done..]);
    told
}

/// A page in its sections, each of which begins with `## `; first what stands before them.
pub(crate) fn sections(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut inside = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        inside ^= line.starts_with("```");
        if !inside && line.starts_with("## ") {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// Holds a page to what it came out as; writes it where that is asked for.
pub(crate) fn hold(name: &str, page: &str, told: &str) {
    if page == told {
        return;
    }
    if std::env::var_os("RINGFENCE_BLESS").is_some() {
        fs::write(docs().join(name), told).unwrap();
        return;
    }
    let place = page.lines().zip(told.lines()).position(|(old, new)| old != new).unwrap_or(0);
    let from =
        |text: &str| text.lines().skip(place.saturating_sub(2)).take(12).collect::<Vec<_>>().join("\n");
    panic!("docs/{name}, line {}, says\n{}\n\nand what is printed is\n{}", place + 1, from(page), from(told));
}

pub(crate) fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(docs().join(name)).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}
