//! Everything that is printed.

#![expect(clippy::print_stderr, reason = "the one place that prints")]

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anyhow::Context;

use crate::bundle::Bundle;
use crate::diagnostic::{Diagnostic, Severity};

/// Results, buffered.
#[derive(Debug)]
pub(super) struct Out {
    stdout: io::BufWriter<io::Stdout>,
}

impl Default for Out {
    fn default() -> Self {
        Self { stdout: io::BufWriter::with_capacity(1 << 16, io::stdout()) }
    }
}

impl Out {
    pub(super) fn line(&mut self, line: &str) -> anyhow::Result<()> {
        self.raw(line.as_bytes())?;
        self.raw(b"\n")
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stdout.write_all(bytes).context("can't write to stdout")
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.stdout.flush().context("can't write to stdout")
    }
}

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A number with what it counts: `1 error`, `2 errors`.
pub(super) fn counted(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    match what.strip_suffix('y') {
        _ if number == 1 => format!("1 {what}"),
        Some(stem) if what.ends_with("cy") => format!("{number} {stem}ies"),
        _ => format!("{number} {what}s"),
    }
}

fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// A name that somebody else chose, with everything escaped that would move the cursor, forge a line or not be seen.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// A file's text with everything escaped as in [`visible`] but line ends and tabs.
struct Escaped {
    text: String,
    /// Places of the original after which everything stands further behind, and by how much.
    shifts: Vec<(usize, usize)>,
}

impl Escaped {
    fn new(original: &str) -> Self {
        let (mut text, mut shifts, mut done) = (String::new(), Vec::new(), 0);
        for (at, c) in original.char_indices().filter(|(_, c)| !matches!(c, '\n' | '\r' | '\t') && hidden(*c))
        {
            text.push_str(original.get(done..at).unwrap_or_default());
            text.extend(c.escape_unicode());
            done = at + c.len_utf8();
            shifts.push((done, text.len() - done));
        }
        text.push_str(original.get(done..).unwrap_or_default());
        Self { text, shifts }
    }

    fn at(&self, place: usize) -> usize {
        let before = self.shifts.partition_point(|(at, _)| *at <= place);
        place + before.checked_sub(1).and_then(|last| self.shifts.get(last)).map_or(0, |(_, shift)| *shift)
    }
}

/// Whether a stream is a terminal on which colour is wanted.
fn colour(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

pub(super) fn stdout_colour() -> bool {
    colour(io::stdout().is_terminal())
}

pub(super) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

pub(super) fn stderr_colour() -> bool {
    colour(stderr_is_terminal())
}

/// A question whose answer is typed behind it.
pub(super) fn prompt(text: &str) {
    eprint!("{text}");
}

pub(super) fn note(text: &str) {
    eprintln!("{text}");
}

pub(super) fn error(error: &anyhow::Error) {
    let (on, off) = if colour(io::stderr().is_terminal()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    eprintln!("{on}error{off}: {}", causes.join(": "));
}

/// Diagnostics on stderr, for verbs whose result is something else.
pub(super) fn diagnostics(list: &[Diagnostic], bundle: &Bundle) {
    let coloured = colour(io::stderr().is_terminal());
    for diagnostic in list {
        eprintln!("{}\n", render(diagnostic, bundle, coloured));
    }
}

/// A diagnostic with its source excerpts.
pub(super) fn render(diagnostic: &Diagnostic, bundle: &Bundle, coloured: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    let title = level.primary_title(visible(&diagnostic.message)).id(diagnostic.code.name());
    let mut report = Vec::new();
    let labels = diagnostic.primary.iter().map(|label| (label, AnnotationKind::Primary));
    let labels: Vec<_> =
        labels.chain(diagnostic.related.iter().map(|label| (label, AnnotationKind::Context))).collect();
    let mut group = Group::with_title(title);
    let mut files: Vec<&str> = labels.iter().map(|(label, _)| &*label.span.file).collect();
    files.dedup();
    for file in files {
        let Some(source) = bundle.source(file) else { continue };
        let escaped = Escaped::new(&source.text);
        let mut snippet = Snippet::source(escaped.text.clone()).path(visible(file)).line_start(1);
        for (label, kind) in labels.iter().filter(|(label, _)| &*label.span.file == file) {
            let end = label.span.end.min(source.text.len());
            let annotation = kind.span(escaped.at(label.span.start.min(end))..escaped.at(end));
            snippet = snippet.annotation(annotation.label(visible(&label.message)));
        }
        group = group.element(snippet);
    }
    for text in &diagnostic.notes {
        group = group.element(Level::NOTE.message(visible(text)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    report.push(group);
    renderer.render(&report).clone()
}

/// A path as a relative reference (RFC 3986), as SARIF wants one.
pub(super) fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte.into())
            }
            b'\\' if cfg!(windows) => out.push('/'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Diagnostics as SARIF 2.1.0.
pub(super) fn sarif(list: &[Diagnostic], bundle: &Bundle) -> serde_json::Value {
    let results: Vec<serde_json::Value> = list
        .iter()
        .map(|diagnostic| {
            let mut text = diagnostic.message.clone();
            if let Some(help) = &diagnostic.help {
                let _ = write!(text, "; {help}");
            }
            let level = if diagnostic.is_error() { "error" } else { "warning" };
            let location = |label: &crate::diagnostic::Label| {
                let source = bundle.source(&label.span.file).map_or("", |source| &source.text);
                let place = |at: usize| {
                    let before = source.get(..at).unwrap_or_default();
                    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                    (before.matches('\n').count() + 1, column)
                };
                let ((line, column), (end_line, end_column)) = (place(label.span.start), place(label.span.end));
                serde_json::json!({ "physicalLocation": {
                    "artifactLocation": { "uri": uri(&label.span.file) },
                    "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
                } })
            };
            let locations: Vec<_> = diagnostic.primary.iter().map(location).collect();
            serde_json::json!({
                "ruleId": diagnostic.code, "level": level, "message": { "text": text }, "locations": locations,
            })
        })
        .collect();
    let rules: Vec<serde_json::Value> = crate::diagnostic::Code::ALL
        .iter()
        .map(|code| serde_json::json!({ "id": code, "shortDescription": { "text": code.title() } }))
        .collect();
    serde_json::json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "ringfence", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}
