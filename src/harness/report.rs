//! Reports of a run.

use std::fmt::Write as _;

use super::Report;

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
