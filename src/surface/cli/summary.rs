//! What `ringfence eval` tells people.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use super::eval::{Answer, ranked};
use super::events::Place;
use super::report::visible;
use crate::bundle::Bundle;
use crate::event::Stage;
use crate::harness::told;
use crate::verdict::{Action, Decision, Reason};

/// Refused events that are listed one by one.
const LISTED: usize = 20;

/// Changes that would flip a decision, of which so many are shown.
const FLIPS: usize = 6;

/// Most lines of the head of a policy that are shown.
const HEAD_LINES: usize = 6;

/// Counts of a run.
pub(super) struct Summary<'b> {
    bundle: &'b Bundle,
    explained: bool,
    events: usize,
    edited: usize,
    decisions: BTreeMap<Option<Stage>, [usize; 3]>,
    decided: HashMap<String, usize>,
    found: HashMap<String, usize>,
    waived: HashMap<String, usize>,
    shadow: HashMap<String, usize>,
    refused: Vec<String>,
    refused_beyond: usize,
}

/// A line of a file, from 1; where only a bracket is opened there, with what stands in it.
fn excerpt(text: &str, line: u32) -> String {
    let mut lines = text.lines().skip(line.saturating_sub(1) as usize).map(str::trim);
    let mut excerpt = lines.next().unwrap_or_default().to_owned();
    if excerpt.ends_with('(') {
        let inner: Vec<&str> =
            lines.by_ref().take(HEAD_LINES).take_while(|line| !line.starts_with(')')).collect();
        excerpt.push_str(&inner.join(" "));
        excerpt.push(')');
    }
    excerpt
}

fn name(reason: &Reason) -> &str {
    reason.policy.as_deref().or(reason.rule.as_deref()).unwrap_or(reason.code.name())
}

impl<'b> Summary<'b> {
    pub(super) fn new(bundle: &'b Bundle, explained: bool) -> Self {
        Self {
            bundle,
            explained,
            events: 0,
            edited: 0,
            decisions: BTreeMap::new(),
            decided: HashMap::new(),
            found: HashMap::new(),
            waived: HashMap::new(),
            shadow: HashMap::new(),
            refused: Vec::new(),
            refused_beyond: 0,
        }
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn add(&mut self, place: &Place, answer: &Answer) {
        let verdict = &answer.verdict;
        self.events += 1;
        self.edited += usize::from(!verdict.edits.is_empty());
        let counts = self.decisions.entry(verdict.stage).or_default();
        let index = match verdict.decision {
            Decision::Allow => 0,
            Decision::Ask => 1,
            Decision::Deny => 2,
        };
        if let Some(count) = counts.get_mut(index) {
            *count += 1;
        }
        for reason in &verdict.reasons {
            *self.decided.entry(name(reason).to_owned()).or_default() += 1;
        }
        for finding in &verdict.findings {
            let counts = if finding.waived { &mut self.waived } else { &mut self.found };
            *counts.entry(finding.rule.clone()).or_default() += 1;
        }
        for reason in &verdict.shadow {
            *self.shadow.entry(name(reason).to_owned()).or_default() += 1;
        }
        if verdict.decision != Decision::Allow {
            if self.refused.len() < LISTED {
                let first = verdict.reasons.first();
                let reason = first.map_or_else(String::new, |reason| {
                    format!("{}: {}", name(reason), visible(&reason.message))
                });
                self.refused.push(format!("  {} {} {reason}", verdict.decision, headline(place, answer)));
            } else {
                self.refused_beyond += 1;
            }
        }
    }

    /// What decided an event that was not simply allowed; `None` where it was.
    pub(super) fn explain(&self, place: &Place, answer: &Answer) -> Option<String> {
        let verdict = &answer.verdict;
        let acted = verdict.findings.iter().any(|finding| finding.action != Action::Flag);
        let candidate = answer.trace.candidate.as_deref();
        if verdict.decision == Decision::Allow && !acted && verdict.shadow.is_empty() && candidate.is_none() {
            return None;
        }
        let mut out = String::new();
        let done = match (verdict.decision, verdict.edits.is_empty()) {
            (Decision::Allow, false) => "edit",
            (decision, _) => decision.name(),
        };
        let _ = writeln!(out, "{done} {}", headline(place, answer));
        for reason in &verdict.reasons {
            self.reason(&mut out, "by", reason);
        }
        for finding in &verdict.findings {
            let action = match (finding.waived, finding.action) {
                (true, _) => "waived",
                (false, Action::Flag) => "flag",
                (false, Action::Redact) => "redact",
                (false, Action::Ask) => "ask",
                (false, Action::Deny) => "deny",
            };
            let _ = writeln!(
                out,
                "  found {} in {} at {}..{} ({action})",
                finding.rule,
                visible(&finding.field),
                finding.start,
                finding.end
            );
        }
        for reason in &answer.trace.also {
            self.reason(&mut out, "also", reason);
        }
        for reason in &verdict.shadow {
            self.reason(&mut out, "in shadow", reason);
        }
        if let Some(candidate) = candidate {
            let (effect, through) = (candidate.effect.name(), visible(&candidate.through.join(", ")));
            let _ = writeln!(out, "  the candidate would {effect} it, through {through}");
        }
        let flips = answer.explanation.as_ref().map_or_else(Vec::new, |explanation| told(&explanation.flips));
        for (decision, changes) in flips.iter().take(FLIPS) {
            let _ = writeln!(out, "  would be {decision} if {}", visible(changes));
        }
        Some(out)
    }

    fn reason(&self, out: &mut String, word: &str, reason: &Reason) {
        let _ = write!(out, "  {word} {} [{}]", name(reason), reason.code);
        if let Some(field) = &reason.field {
            let _ = write!(out, " in {}", visible(field));
        }
        let _ = writeln!(out, ": {}", visible(&reason.message));
        if let (Some(file), Some(line)) = (&reason.file, reason.line) {
            let text = self.bundle.source(file).map(|source| excerpt(&source.text, line));
            let _ = writeln!(out, "    {file}:{line} | {}", text.unwrap_or_default());
        }
    }

    pub(super) fn text(&self, elapsed: Duration, coloured: bool) -> String {
        let paint =
            |code: &str, text: String| if coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
        let mut out = String::new();
        if self.explained && self.events > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{:<12} {:>8} {:>8} {:>8}", "stage", "allow", "ask", "deny");
        for (stage, [allow, ask, deny]) in &self.decisions {
            let ask = if *ask > 0 { paint("33", format!("{ask:>8}")) } else { format!("{ask:>8}") };
            let deny = if *deny > 0 { paint("31", format!("{deny:>8}")) } else { format!("{deny:>8}") };
            let _ = writeln!(out, "{:<12} {allow:>8} {ask} {deny}", stage.map_or("malformed", Stage::name));
        }
        let lists = [
            ("decided by", &self.decided),
            ("found", &self.found),
            ("waived", &self.waived),
            ("in shadow", &self.shadow),
        ];
        for (title, counts) in lists.iter().filter(|(_, counts)| !counts.is_empty()) {
            let _ = writeln!(out, "\n{title}");
            for (name, count) in ranked(counts) {
                let _ = writeln!(out, "{count:>8}  {name}");
            }
        }
        if !self.refused.is_empty() && !self.explained {
            let _ = writeln!(out, "\nnot allowed");
            for line in &self.refused {
                let _ = writeln!(out, "{line}");
            }
            if self.refused_beyond > 0 {
                let _ = writeln!(out, "  … and {} more; --explain shows all", self.refused_beyond);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = self.events as f64 / elapsed.as_secs_f64().max(1e-6);
        let (events, edited) = (self.events, self.edited);
        let _ = writeln!(
            out,
            "\n{events} events, {edited} edited, in {:.2} s ({rate:.0} events/s)",
            elapsed.as_secs_f64()
        );
        out
    }
}

fn headline(place: &Place, answer: &Answer) -> String {
    let verdict = &answer.verdict;
    let session = visible(verdict.session.as_deref().unwrap_or("-"));
    let stage = verdict.stage.map_or("malformed", Stage::name);
    let tool = answer.tool.as_deref().map_or_else(String::new, |tool| format!(" {}", visible(tool)));
    format!("{}:{} session {session} #{} {stage}{tool}", visible(&place.file), place.line, verdict.seq)
}
