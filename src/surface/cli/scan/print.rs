//! Findings as text, JSON and SARIF. What matched is never printed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Format, Scanned};
use crate::engine::Engine;
use crate::schema::rows::{FileFinding, Matched, ScanResult, ScannedRow};
use crate::surface::cli::report::{self, Out, visible};
use crate::verdict::{Finding, Severity};

/// Characters of a line around a match that are shown.
const AROUND: usize = 40;
/// Longest row of stars that stands for a match.
const STARS: usize = 12;

/// Prints findings.
pub(super) struct Printer {
    format: Format,
    rows: bool,
    counts: BTreeMap<String, usize>,
    /// What findings are of that are printed together.
    values: usize,
    texts: usize,
    results: Vec<Value>,
    places: BTreeMap<String, (String, u32)>,
}

impl Printer {
    pub(super) fn new(format: Format, rows: bool, engine: &Engine) -> Self {
        let rules = engine.rules();
        let places =
            rules.iter().map(|rule| (rule.id.to_owned(), (rule.file.to_owned(), rule.line))).collect();
        Self { format, rows, counts: BTreeMap::new(), values: 0, texts: 0, results: Vec::new(), places }
    }

    pub(super) fn print(&mut self, scanned: &Scanned, out: &mut Out) -> anyhow::Result<()> {
        self.texts += 1;
        for finding in &scanned.findings {
            *self.counts.entry(finding.rule.clone()).or_default() += 1;
        }
        let lines = Lines::new(&scanned.text);
        match self.format {
            Format::Json if self.rows => {
                let row = ScanResult::Row(ScannedRow {
                    line: scanned.row,
                    findings: scanned.findings.iter().map(Matched::new).collect(),
                    error: scanned.problem.as_deref(),
                });
                out.line(&serde_json::to_string(&row)?)
            }
            Format::Json => {
                for finding in &scanned.findings {
                    let (line, column) = lines.place(finding.start);
                    let matched = Matched::new(finding);
                    let one = FileFinding { matched, file: &scanned.file, line, column };
                    out.line(&serde_json::to_string(&ScanResult::Finding(one))?)?;
                }
                Ok(())
            }
            Format::Sarif => {
                for finding in &scanned.findings {
                    let (line, column) = lines.place(finding.start);
                    let (end_line, end_column) = lines.place(finding.end);
                    // Where in its line the field of a row stands is not known.
                    let region = match scanned.row {
                        Some(row) => json!({ "startLine": row }),
                        None => json!({
                            "startLine": line,
                            "startColumn": column,
                            "endLine": end_line,
                            "endColumn": end_column,
                            "byteOffset": finding.start,
                            "byteLength": finding.end - finding.start,
                        }),
                    };
                    let mut result = json!({
                        "ruleId": finding.rule,
                        "level": level(finding.severity),
                        "message": { "text": format!("`{}` matches here", finding.rule) },
                        "locations": [{ "physicalLocation": {
                            "artifactLocation": { "uri": report::uri(&scanned.file) },
                            "region": region,
                        } }],
                    });
                    if let (Some(_), Some(members)) = (scanned.row, result.as_object_mut()) {
                        let place = json!({ "start": finding.start, "end": finding.end });
                        members.insert("properties".to_owned(), place);
                    }
                    self.results.push(result);
                }
                Ok(())
            }
            Format::Text => {
                for same in values(&scanned.findings) {
                    self.values += 1;
                    let Some(first) = same.first() else { continue };
                    let (line, column) = lines.place(first.start);
                    let place = match scanned.row {
                        Some(row) => format!("{}:{row}", visible(&scanned.file)),
                        None => format!("{}:{line}:{column}", visible(&scanned.file)),
                    };
                    let rules: Vec<String> = same.iter().map(|finding| named(finding)).collect();
                    out.line(&format!("{place}: {}", rules.join(", ")))?;
                    out.line(&format!("    {}", excerpt(&scanned.text, first, &scanned.findings)))?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn finish(self, out: &mut Out) -> anyhow::Result<()> {
        match self.format {
            Format::Json => Ok(()),
            Format::Sarif => {
                let rules: Vec<Value> = self
                    .counts
                    .keys()
                    .map(|rule| {
                        let place = self.places.get(rule).map(|(file, line)| format!("{file}:{line}"));
                        json!({ "id": rule, "properties": { "declared": place } })
                    })
                    .collect();
                let log = json!({
                    "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
                    "version": "2.1.0",
                    "runs": [{
                        "tool": { "driver": {
                            "name": "ringfence", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
                        } },
                        "columnKind": "unicodeCodePoints",
                        "results": self.results,
                    }],
                });
                out.line(&serde_json::to_string_pretty(&log)?)
            }
            Format::Text => {
                let texts = report::counted(self.texts, if self.rows { "row" } else { "file" });
                let all: usize = self.counts.values().sum();
                if all > 0 {
                    out.line("")?;
                }
                let mut counts: Vec<(&String, &usize)> = self.counts.iter().collect();
                counts.sort_by_key(|(rule, count)| (std::cmp::Reverse(**count), *rule));
                for (rule, count) in counts {
                    out.line(&format!("{count:>8}  {rule}"))?;
                }
                let of = if self.values == all {
                    String::new()
                } else {
                    format!(" of {}", report::counted(self.values, "value"))
                };
                out.line(&format!("{}{of} in {texts}", report::counted(all, "finding")))
            }
        }
    }
}

/// Findings, which come in order, of one value together, the most severe one first: those that share at least half of the longer of
/// two that follow each other.
fn values(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut values: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let same = |other: &Finding| {
            let shared = other.end.min(finding.end).saturating_sub(finding.start);
            shared * 2 >= (other.end - other.start).max(finding.end - finding.start)
        };
        match values.last_mut() {
            Some(value) if value.last().is_some_and(|last| same(last)) => value.push(finding),
            _ => values.push(vec![finding]),
        }
    }
    values.iter_mut().for_each(|value| value.sort_by_key(|finding| std::cmp::Reverse(finding.severity)));
    values
}

/// Severity and rule, in colour on a terminal.
fn named(finding: &Finding) -> String {
    let (on, off) = match (report::stdout_colour(), finding.severity) {
        (false, _) => ("", ""),
        (true, Severity::High | Severity::Critical) => ("\x1b[1;31m", "\x1b[0m"),
        (true, Severity::Medium) => ("\x1b[33m", "\x1b[0m"),
        (true, Severity::Low) => ("\x1b[36m", "\x1b[0m"),
    };
    format!("{on}{}{off} {}", finding.severity, finding.rule)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High | Severity::Critical => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// Where lines of a text begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column, in characters, both from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or(0);
        (line, self.text.get(start..at).map_or(1, |before| before.chars().count() + 1))
    }
}

/// The line around a match with every match masked.
pub(super) fn excerpt(text: &str, finding: &Finding, all: &[Finding]) -> String {
    let before = text.get(..finding.start).unwrap_or_default();
    let after = text.get(finding.end..).unwrap_or_default();
    let from = before.char_indices().rev().take(AROUND).take_while(|(_, c)| *c != '\n').last();
    let from = from.map_or(finding.start, |(at, _)| at);
    let to = after.char_indices().take(AROUND).take_while(|(_, c)| *c != '\n').last();
    let to = finding.end + to.map_or(0, |(at, c)| at + c.len_utf8());
    let mut shown = String::new();
    let mut at = from;
    let mut spans: Vec<(usize, usize)> = all
        .iter()
        .map(|one| (one.start, one.end))
        .filter(|(start, end)| *start < to && *end > from)
        .collect();
    spans.sort_unstable();
    for (start, end) in spans {
        if end <= at {
            continue;
        }
        shown.push_str(text.get(at..start).unwrap_or_default());
        let length = text.get(start.max(at)..end).map_or(STARS, |matched| matched.chars().count());
        shown.extend(std::iter::repeat_n('*', length.min(STARS)));
        at = end;
    }
    shown.push_str(text.get(at..to).unwrap_or_default());
    visible(shown.trim())
}
