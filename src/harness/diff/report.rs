//! What changes between two bundles, for people: as text and as Markdown for a pull request.

use std::fmt::Write as _;

use super::{Change, Differences, Group, Kind};
use crate::engine::name;

/// Names of a group that are listed.
const LISTED: usize = 15;
/// Examples that are listed of one kind of change.
const SHOWN: usize = 8;

/// Makes names visible that somebody else chose.
type Visible<'a> = &'a dyn Fn(&str) -> String;

impl Differences {
    /// For a terminal.
    #[must_use]
    pub fn text(&self, visible: &dyn Fn(&str) -> String) -> String {
        let mut out = String::new();
        for kind in Kind::ALL.into_iter().filter(|kind| self.count(*kind) > 0) {
            let _ = writeln!(out, "{:>8}  {}", self.count(kind), kind.name());
            for change in self.examples().filter(|change| change.change == kind).take(SHOWN) {
                let _ = writeln!(out, "          {}", example(change, visible));
            }
        }
        for group in Group::ALL {
            let ranked = self.ranked(group);
            if ranked.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\nby {}", group.title());
            for (name, counts) in ranked.iter().take(LISTED) {
                let counts: Vec<String> =
                    counts.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
                let _ = writeln!(out, "  {:<40} {}", visible(name), counts.join(", "));
            }
            if let Some(more) = ranked.len().checked_sub(LISTED).filter(|more| *more > 0) {
                let _ = writeln!(out, "  … and {more} more; --format json lists all");
            }
        }
        if self.changed() > 0 {
            out.push('\n');
        }
        out.push_str(&self.totals());
        out.push('\n');
        for line in self.left_out() {
            let _ = writeln!(out, "{line}");
        }
        out
    }

    /// For a pull request.
    #[must_use]
    pub fn markdown(&self, titles: (&str, &str), visible: &dyn Fn(&str) -> String) -> String {
        let cell = |text: &str| visible(text).replace('|', "\\|").replace('`', "'").replace('<', "&lt;");
        let mut out = String::from("## What this change of policy does\n\n");
        let _ = writeln!(out, "`{}` → `{}`: {}\n", cell(titles.0), cell(titles.1), self.totals());
        for line in self.left_out() {
            let _ = writeln!(out, "> {line}\n");
        }
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| self.count(*kind) > 0).collect();
        if kinds.is_empty() {
            out.push_str("No verdict changes.\n");
            return out;
        }
        let heads: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        for group in Group::ALL {
            let ranked = self.ranked(group);
            if ranked.is_empty() {
                continue;
            }
            let _ = writeln!(out, "| {} | {} |", group.title(), heads.join(" | "));
            let _ = writeln!(out, "|---|{}", "---:|".repeat(kinds.len()));
            for (name, counts) in ranked.iter().take(LISTED) {
                let numbers: Vec<String> = kinds
                    .iter()
                    .map(|kind| counts.get(kind).map_or_else(String::new, u64::to_string))
                    .collect();
                let _ = writeln!(out, "| `{}` | {} |", cell(name), numbers.join(" | "));
            }
            if let Some(more) = ranked.len().checked_sub(LISTED).filter(|more| *more > 0) {
                let _ = writeln!(out, "| … {more} more | {} |", vec![""; kinds.len()].join(" | "));
            }
            out.push('\n');
        }
        for kind in kinds {
            let _ = writeln!(out, "<details><summary>{} {}</summary>\n", self.count(kind), kind.name());
            for change in self.examples().filter(|change| change.change == kind).take(SHOWN) {
                let _ = writeln!(out, "- {}", cell(&example(change, &str::to_owned)));
            }
            out.push_str("\n</details>\n\n");
        }
        out
    }

    fn totals(&self) -> String {
        let (changed, events) = (self.changed(), self.events());
        match changed {
            0 => format!("{events} events, no verdict changes"),
            1 => format!("1 verdict of {events} events changes"),
            _ => format!("{changed} verdicts of {events} events change"),
        }
    }

    /// What was not compared.
    fn left_out(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.malformed() > 0 {
            lines.push(format!("{} lines are no events and were left out", self.malformed()));
        }
        for (what, count) in self.not_kept() {
            lines.push(format!("{count} recorded events can't be decided again: {what}"));
        }
        lines
    }
}

/// One change on one line.
fn example(change: &Change, visible: Visible<'_>) -> String {
    let mut line = format!(
        "{}:{} session {} #{} {}",
        visible(&change.file),
        change.line,
        visible(&change.session),
        change.seq,
        change.stage
    );
    if let Some(tool) = &change.tool {
        let _ = write!(line, " {}", visible(tool));
    }
    let _ = write!(line, " by {}", visible(&change.user));
    if let Some(agent) = &change.agent {
        let _ = write!(line, " through {}", visible(agent));
    }
    let _ = write!(line, ": {} → {}", change.old.effect.name(), change.new.effect.name());
    let places = [(&change.old, "was"), (&change.new, "now")];
    for (side, word) in places {
        if let Some(reason) = side.reasons.first() {
            let _ = write!(line, ", {word} {}", name(reason));
            if let (Some(file), Some(at)) = (&reason.file, reason.line) {
                let _ = write!(line, " ({file}:{at})");
            }
        }
    }
    if change.old.reasons.is_empty() && change.new.reasons.is_empty() && !change.through.is_empty() {
        let _ = write!(line, ", through {}", change.through.join(", "));
    }
    for one in change.findings.iter().take(2) {
        let _ = write!(line, " [{} in {} at {}..{}]", one.rule, visible(&one.field), one.start, one.end);
    }
    line
}
