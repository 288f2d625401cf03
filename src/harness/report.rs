//! Reports of a run.

use std::fmt::Write as _;

use super::{Mutation, Report};

/// The report for people; ends with a line `N passed, N failed`.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for outcome in report.outcomes.iter().filter(|outcome| !outcome.failures.is_empty()) {
        let _ = writeln!(out, "FAILED {} ({}:{})", outcome.name, outcome.file, outcome.line);
        for failure in &outcome.failures {
            let _ = writeln!(out, "    {failure}");
        }
    }
    let lists = [
        ("policies", &report.unreached_policies),
        ("rules", &report.unreached_rules),
        ("tools", &report.unreached_tools),
    ];
    for (what, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        let _ = writeln!(out, "these {what} decide no test: {}", list.join(", "));
    }
    for outcome in &report.outcomes {
        if let Some(accuracy) = &outcome.accuracy {
            let _ = writeln!(out, "{}: {}", outcome.name, accuracy.text());
        }
    }
    let _ = writeln!(out, "{} passed, {} failed", report.passed(), report.failed());
    out
}

/// What no test noticed, for people; ends with the score.
#[must_use]
pub fn mutation_text(mutation: &Mutation) -> String {
    let mut out = String::new();
    for mutant in mutation.survivors() {
        let _ = writeln!(
            out,
            "{}:{}: no test notices {} `{}` {}",
            mutant.file, mutant.line, mutant.kind, mutant.name, mutant.change
        );
        if !mutant.part.is_empty() {
            let _ = writeln!(out, "    {}", mutant.part);
        }
    }
    if mutation.survivors().next().is_some() {
        let _ = writeln!(
            out,
            "a test notices a change where what it expects comes out otherwise: add one that is decided by this part, with `by:`"
        );
    }
    let (noticed, all) = (mutation.noticed(), mutation.mutants.len());
    let _ = writeln!(out, "{noticed} of {all} changes noticed ({:.1} %)", mutation.score());
    out
}

/// The report as annotations of a GitHub workflow; `folder` is the bundle's, relative to the repository.
#[must_use]
pub fn github(report: &Report, folder: &str) -> String {
    let mut out = String::new();
    for outcome in report.outcomes.iter().filter(|outcome| !outcome.failures.is_empty()) {
        let text = format!("{}: {}", outcome.name, outcome.failures.join("\n"));
        out.push_str(&annotation("error", folder, &outcome.file, outcome.line, &text));
    }
    let _ = writeln!(out, "{} passed, {} failed", report.passed(), report.failed());
    out
}

/// What no test noticed as annotations of a GitHub workflow.
#[must_use]
pub fn mutation_github(mutation: &Mutation, folder: &str) -> String {
    let mut out = String::new();
    for mutant in mutation.survivors() {
        let text = format!("no test notices {} `{}` {}", mutant.kind, mutant.name, mutant.change);
        out.push_str(&annotation("warning", folder, &mutant.file, mutant.line, &text));
    }
    out
}

fn annotation(level: &str, folder: &str, file: &str, line: u32, text: &str) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let file = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
    format!("::{level} file={},line={line}::{}\n", property(&file), escaped(text))
}

/// The report as JUnit XML.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failed) = (report.outcomes.len(), report.failed());
    let _ =
        writeln!(out, "<testsuites><testsuite name=\"ringfence\" tests=\"{tests}\" failures=\"{failed}\">");
    for outcome in &report.outcomes {
        let (name, file) = (xml(&outcome.name), xml(&outcome.file));
        let _ = write!(out, "  <testcase classname=\"{file}\" name=\"{name}\" line=\"{}\"", outcome.line);
        if outcome.failures.is_empty() && outcome.accuracy.is_none() {
            out.push_str("/>\n");
            continue;
        }
        out.push('>');
        if !outcome.failures.is_empty() {
            let text = xml(&outcome.failures.join("\n"));
            let _ = write!(out, "<failure message=\"{text}\"/>");
        }
        if let Some(accuracy) = &outcome.accuracy {
            let _ = write!(out, "<system-out>{}</system-out>", xml(&accuracy.text()));
        }
        out.push_str("</testcase>\n");
    }
    out.push_str("</testsuite></testsuites>\n");
    out
}

fn xml(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).fold(
        String::with_capacity(text.len()),
        |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\n' => out.push_str("&#10;"),
                c => out.push(c),
            }
            out
        },
    )
}
