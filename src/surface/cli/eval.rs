//! `ringfence eval`: the main job.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;

use super::Exit;
use super::bundle::{Applied, Key};
use super::events::{self, Chats, Events, Place, Work};
use super::replay::{self, Recorded};
use super::report::{self, Out};
use super::sink::{Records, Sink};
use super::summary::Summary;
use crate::engine::{Otherwise, Trace};
use crate::event::Event;
use crate::guard::{Guard, NoLinks};
use crate::harness::Explanation;
use crate::verdict::{Decision, Reason, ReasonCode, Verdict};

/// Apply the policies to events or whole agent sessions
///
/// Each line of a file is an event, or a session of OpenAI chat messages (`{"id", "messages", "tools"}`), which becomes
/// the events of its messages. There is one verdict for each event, in order. A malformed line is refused, the rest goes
/// on, and the run ends with 2.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence eval sessions.jsonl --offer-called-tools
  ringfence eval --bundle policies/ events.jsonl --format json | jq .decision
  ringfence eval --bundle policies/ events.jsonl --explain --fail-on deny")]
pub(super) struct Eval {
    /// Files of events or sessions, one JSON object per line; `-` is stdin.
    #[arg(default_value = "-")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    bundle: Applied,
    /// Try this bundle beside the other one: what it would decide otherwise is told, in JSON as `candidate`, and marked in the records.
    #[arg(long, value_name = "DIR")]
    candidate: Option<PathBuf>,
    #[command(flatten)]
    chats: Chats,
    /// Decide the recorded events of this audit log again. What its records do not hold whole is told and left out.
    #[arg(long, value_name = "DB", conflicts_with = "files")]
    replay: Option<PathBuf>,
    /// Exit with 1 when an event is refused (`deny`), or has to be asked for as well (`ask`).
    #[arg(long, value_enum, value_name = "DECISION")]
    fail_on: Option<FailOn>,
    /// Show what decided each event that was not simply allowed, with file and line, and the smallest changes with which it would be
    /// decided otherwise; in JSON of allowed events too, with the permits that carry them.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    records: Records,
    /// How verdicts are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A summary.
    Text,
    /// One verdict per line.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// For events that a person has to approve, and refused ones.
    Ask,
    /// For refused events.
    Deny,
}

/// What a line became.
struct Done {
    malformed: bool,
    answers: Vec<Answer>,
}

/// A verdict as it is printed as JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    #[serde(skip_serializing_if = "<[Reason]>::is_empty")]
    also: &'a [Reason],
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<&'a Otherwise>,
}

/// A verdict with what explains it.
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) trace: Trace,
    pub(super) tool: Option<String>,
    /// What would make it another one, where that was asked for.
    pub(super) explanation: Option<Explanation>,
}

impl Eval {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let options = self.key.options()?;
        let (engine, bundle) = match self.bundle.engine(&options) {
            Ok(ready) => ready,
            Err(error) => {
                self.records.bundle_refused(&self.bundle, &options);
                return Err(error);
            }
        };
        let sink = self.records.open(engine.is_audit_batched(), self.replay.is_some())?;
        // The outcome must not depend on how fast this machine is.
        let mut builder = Guard::builder(engine).no_time_limit().resolver(Arc::new(NoLinks));
        if let Some(sink) = &sink {
            builder = builder.sink(sink.for_guard());
        }
        let guard = builder.build();
        self.records.note_unkept(&guard);
        if let Some(candidate) = &self.candidate {
            super::try_candidate(&guard, candidate, &self.bundle.signatures)?;
        }
        let started = Instant::now();
        let mut summary = Summary::new(&bundle, self.explain);
        let mut exit = Exit::Fine;
        let progress = events::progress(self.format == Format::Text);
        let mut take = |place: &Place, done: Done| {
            if done.malformed {
                exit = Exit::Failed;
            }
            let printed = self.print(place, &done, &mut summary, out, &mut exit);
            if let Some(bar) = &progress {
                bar.set_position(summary.events() as u64);
            }
            printed
        };
        let unreadable = match &self.replay {
            Some(log) => {
                self.replay(log, &guard, &mut take)?;
                false
            }
            None => events::each(
                &self.files,
                self.chats.offer_called_tools,
                &|work, _| self.work(&guard, work),
                &mut take,
            )?,
        };
        if let Some(bar) = progress {
            bar.finish_and_clear();
        }
        let candidate = guard.end_candidate();
        drop(guard);
        if let Some(Err(error)) = sink.map(Sink::close) {
            report::error(&anyhow::Error::new(error));
            exit = Exit::Failed;
        }
        if self.format == Format::Text && !(unreadable && summary.events() == 0) {
            out.raw(summary.text(started.elapsed(), report::stdout_colour()).as_bytes())?;
            if let Some(candidate) = candidate {
                for line in candidate.text().lines() {
                    out.line(&report::visible(line))?;
                }
            }
        }
        Ok(if unreadable { Exit::Failed } else { exit })
    }

    fn print(
        &self,
        place: &Place,
        done: &Done,
        summary: &mut Summary<'_>,
        out: &mut Out,
        exit: &mut Exit,
    ) -> anyhow::Result<()> {
        for answer in &done.answers {
            let refused = match self.fail_on {
                Some(FailOn::Ask) => answer.verdict.enforced >= Decision::Ask,
                Some(FailOn::Deny) => answer.verdict.enforced == Decision::Deny,
                None => false,
            };
            if refused && *exit == Exit::Fine {
                *exit = Exit::Found;
            }
            if answer.verdict.reasons.iter().any(|reason| reason.code == ReasonCode::AuditFailed) {
                if *exit != Exit::Failed {
                    report::note(
                        "error: the audit file can't be written, and what can't be recorded is refused",
                    );
                }
                *exit = Exit::Failed;
            }
            summary.add(place, answer);
            if self.format == Format::Json {
                let also = if self.explain { answer.trace.also.as_slice() } else { &[] };
                let (explanation, candidate) =
                    (answer.explanation.as_ref(), answer.trace.candidate.as_deref());
                let line = Line { verdict: &answer.verdict, also, explanation, candidate };
                out.line(&serde_json::to_string(&line)?)?;
            } else if self.explain
                && let Some(text) = summary.explain(place, answer)
            {
                out.raw(text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn work(&self, guard: &Guard, work: Work) -> Done {
        let Events { list, ends } = self.chats.events(work, guard);
        let mut malformed = false;
        let answers = list
            .into_iter()
            .map(|event| match event {
                Ok(event) => self.answer(guard, &event),
                Err(refused) => {
                    malformed = true;
                    let verdict = guard.refuse_malformed(refused.session.as_deref(), &refused.message);
                    Answer { verdict, trace: Trace::default(), tool: None, explanation: None }
                }
            })
            .collect();
        if let Some(session) = ends
            && let Err(error) = guard.end_session(&session)
        {
            report::error(&anyhow::Error::new(error).context("the end of a session can't be recorded"));
            malformed = true;
        }
        Done { malformed, answers }
    }

    /// Decides what a log holds whole, and tells what it does not.
    fn replay(
        &self,
        log: &Path,
        guard: &Guard,
        take: &mut dyn FnMut(&Place, Done) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let file: Arc<str> = log.display().to_string().into();
        let mut not_kept: BTreeMap<&str, usize> = BTreeMap::new();
        replay::each(log, self.records.keys(), &[&guard.engine()], &mut |number, recorded, _| {
            match recorded {
                Recorded::Whole(event) => {
                    let line = usize::try_from(number).unwrap_or(usize::MAX);
                    let done = Done { malformed: false, answers: vec![self.answer(guard, &event)] };
                    take(&Place { file: Arc::clone(&file), line }, done)?;
                }
                Recorded::NotKept(why) => *not_kept.entry(why).or_default() += 1,
            }
            Ok(())
        })?;
        for (why, count) in not_kept {
            report::note(&format!("note: {count} recorded events can't be decided again: {why}"));
        }
        Ok(())
    }

    fn answer(&self, guard: &Guard, event: &Event) -> Answer {
        // Before it is decided: what counts is the session as it was.
        let before = self.explain.then(|| guard.session(&event.session));
        let (verdict, trace) = guard.examine(event);
        let wanted = self.format == Format::Json || verdict.decision != Decision::Allow;
        let explanation = before.filter(|_| wanted).map(|session| guard.explain_in(event, session));
        Answer { verdict, trace, tool: event.tool().map(str::to_owned), explanation }
    }
}

/// How often each of some names came up, the most frequent first.
pub(super) fn ranked(counts: &HashMap<String, usize>) -> Vec<(&str, usize)> {
    let mut ranked: Vec<(&str, usize)> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    ranked
}
