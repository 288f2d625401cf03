//! `ringfence eval`: the main job.

mod lines;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;
use jiff::Timestamp;

pub(super) use self::lines::Place;
use self::lines::{Flow, Line, Reader, Work};
use super::Exit;
use super::report::{self, Out};
use super::retain::PayloadKeys;
use super::summary::Summary;
use crate::audit::{AuditError, AuditSink, Durability, JsonlSink, Log, LogOptions, Record, SigningKey};
use crate::compile::{CompileOptions, compile};
use crate::engine::Trace;
use crate::event::{Event, User};
use crate::guard::{Guard, NoLinks};
use crate::verdict::{Decision, ReasonCode, Verdict};

/// Lines on their way between the reader and a worker.
const IN_FLIGHT: usize = 256;

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
    /// The bundle [default: ./policies or . with a ringfence.yaml, else the built-in one].
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// The user of sessions of chat messages.
    #[arg(long, default_value = "local")]
    user: String,
    /// The user's roles there; may be given several times.
    #[arg(long, default_value = "user")]
    role: Vec<String>,
    /// The agent of such sessions.
    #[arg(long, default_value = "assistant")]
    agent: String,
    /// The model of such sessions.
    #[arg(long)]
    model: Option<String>,
    /// Where a session names no tools, offer those that it calls.
    #[arg(long)]
    offer_called_tools: bool,
    /// Exit with 1 when an event is refused (`deny`), or has to be asked for as well (`ask`).
    #[arg(long, value_enum, value_name = "DECISION")]
    fail_on: Option<FailOn>,
    /// Show what decided each event that was not simply allowed, with file and line.
    #[arg(long)]
    explain: bool,
    /// Append a record of each verdict to this audit log: a database where the name ends in .db or .sqlite, else JSON lines.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// The key that signs the database's checkpoints (`ringfence audit init-key`).
    #[arg(long, value_name = "FILE", requires = "audit")]
    audit_key: Option<PathBuf>,
    /// Append the database's checkpoints to this file too: keep it where who can write the database can't.
    #[arg(long, value_name = "FILE", requires = "audit_key")]
    checkpoints: Option<PathBuf>,
    #[command(flatten)]
    keys: PayloadKeys,
    /// How verdicts are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A file with the key for hashes and pseudonyms.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
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

/// Where records go.
enum Sink {
    Lines(Arc<JsonlSink>),
    Log(Arc<Log>),
}

impl Sink {
    fn for_guard(&self) -> Arc<dyn AuditSink> {
        match self {
            Sink::Lines(sink) => Arc::clone(sink) as Arc<dyn AuditSink>,
            Sink::Log(log) => Arc::clone(log) as Arc<dyn AuditSink>,
        }
    }

    fn close(self) -> Result<(), AuditError> {
        match self {
            // Each line is durable already.
            Sink::Lines(_) => Ok(()),
            Sink::Log(log) => Arc::into_inner(log).map_or(Ok(()), Log::close),
        }
    }
}

/// Whether a file is to be a database, by its name.
fn is_database(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["db", "sqlite", "sqlite3"].contains(&extension))
}

/// What a line became.
struct Done {
    number: usize,
    bytes: usize,
    place: Place,
    malformed: bool,
    answers: Vec<Answer>,
}

/// A verdict with what explains it.
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) trace: Trace,
    pub(super) tool: Option<String>,
}

impl Eval {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let options = super::key(self.key_file.as_deref())?;
        let (engine, bundle) = match super::engine(self.bundle.as_deref(), &options) {
            Ok(ready) => ready,
            Err(error) => {
                self.record_refusal(&options);
                return Err(error);
            }
        };
        let sink = self.sink(engine.is_audit_batched())?;
        // The outcome must not depend on how fast this machine is.
        let mut builder = Guard::builder(engine).no_time_limit().resolver(Arc::new(NoLinks));
        if let Some(sink) = &sink {
            builder = builder.sink(sink.for_guard());
        }
        let guard = builder.build();
        self.note_unkept(&guard);
        let started = Instant::now();
        let mut summary = Summary::new(&bundle, self.explain);
        let mut exit = Exit::Fine;
        let mut unreadable = false;
        let stop = AtomicBool::new(false);
        let flow = Flow::default();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let progress = self.progress();
        std::thread::scope(|scope| -> anyhow::Result<()> {
            let (done_to, done) = sync_channel::<Done>(IN_FLIGHT);
            let mut lines_to: Vec<SyncSender<Line>> = Vec::new();
            for _ in 0..workers {
                let (to, lines) = sync_channel::<Line>(IN_FLIGHT / workers + 1);
                let done_to = done_to.clone();
                let (guard, eval) = (&guard, &self);
                lines_to.push(to);
                scope.spawn(move || eval.work(guard, lines, &done_to));
            }
            drop(done_to);
            let (eval, stop, flow) = (&self, &stop, &flow);
            let reader = Reader {
                files: &eval.files,
                offer_called_tools: eval.offer_called_tools,
                workers: lines_to,
                stop,
                flow,
            };
            let reader = scope.spawn(move || reader.run());
            let mut printed = Ok(());
            let mut waiting: BTreeMap<usize, Done> = BTreeMap::new();
            let mut next = 0;
            for one in done {
                waiting.insert(one.number, one);
                while let Some(one) = waiting.remove(&next) {
                    next += 1;
                    flow.end(one.bytes);
                    if one.malformed {
                        exit = Exit::Failed;
                    }
                    if printed.is_ok() {
                        printed = self.print(&one, &mut summary, out, &mut exit);
                    }
                    // The reader stops, and what is under way is still taken, so that nobody waits for anybody.
                    if printed.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                if let Some(bar) = &progress {
                    bar.set_position(summary.events() as u64);
                }
            }
            unreadable = reader.join().unwrap_or(true);
            printed
        })?;
        if let Some(bar) = progress {
            bar.finish_and_clear();
        }
        drop(guard);
        if let Some(Err(error)) = sink.map(Sink::close) {
            report::error(&anyhow::Error::new(error));
            exit = Exit::Failed;
        }
        if self.format == Format::Text && !(unreadable && summary.events() == 0) {
            out.raw(summary.text(started.elapsed(), report::stdout_colour()).as_bytes())?;
        }
        Ok(if unreadable { Exit::Failed } else { exit })
    }

    /// What the bundle keeps and this run does not.
    fn note_unkept(&self, guard: &Guard) {
        let unkept = guard.unkept_classes();
        if self.audit.as_deref().is_some_and(is_database) && !unkept.is_empty() {
            report::note(&format!(
                "note: no content is kept ({}): make a key with `ringfence retain init-key FILE` and give it with --payload-key",
                unkept.join(", ")
            ));
        }
    }

    fn sink(&self, batched: bool) -> anyhow::Result<Option<Sink>> {
        let Some(path) = &self.audit else {
            if self.keys.is_given() {
                anyhow::bail!("contents are kept beside an audit log: give --audit FILE.db");
            }
            return Ok(None);
        };
        if !is_database(path) {
            if self.keys.is_given() {
                anyhow::bail!("contents are kept in a database: name the audit log FILE.db");
            }
            let sink = JsonlSink::create(path).context("can't open the audit file")?;
            return Ok(Some(Sink::Lines(Arc::new(sink))));
        }
        let durability = if batched { Durability::OnFlush } else { Durability::EachRecord };
        let mut options = LogOptions::default().durability(durability);
        match &self.audit_key {
            Some(key) => options = options.key(SigningKey::read(key)?),
            None => report::note(
                "note: nothing signs the audit log: make a key with `ringfence audit init-key FILE` and give it with --audit-key",
            ),
        }
        if let Some(file) = &self.checkpoints {
            options = options.checkpoints(file);
        }
        options = self.keys.add(options)?;
        Ok(Some(Sink::Log(Arc::new(Log::open(path, options)?))))
    }

    /// A bundle that does not load is recorded where a log is written; that it can't be is told beside the reason.
    fn record_refusal(&self, options: &CompileOptions) {
        let Ok(Some(sink)) = self.sink(false) else { return };
        let Ok((bundle, _)) = super::open(self.bundle.as_deref()) else { return };
        let Err(refused) = compile(&bundle, options) else { return };
        let errors = refused.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        let codes = errors.map(|diagnostic| diagnostic.code.name());
        let record = Record::bundle_refused(Timestamp::now(), bundle.origin(), bundle.digest(), codes);
        if let Err(error) = sink.for_guard().write(&record).and_then(|()| sink.close()) {
            report::error(&anyhow::Error::new(error));
        }
    }

    fn progress(&self) -> Option<indicatif::ProgressBar> {
        (report::stderr_is_terminal() && self.format == Format::Text).then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            let style =
                indicatif::ProgressStyle::with_template("{spinner} {pos} events, {per_sec}, {elapsed}");
            bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()))
        })
    }

    fn print(
        &self,
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
            summary.add(&done.place, answer);
            if self.format == Format::Json {
                let line = if self.explain {
                    let mut value = serde_json::to_value(&answer.verdict)?;
                    if let (Some(map), false) = (value.as_object_mut(), answer.trace.also.is_empty()) {
                        map.insert("also".to_owned(), serde_json::to_value(&answer.trace.also)?);
                    }
                    serde_json::to_string(&value)?
                } else {
                    serde_json::to_string(&answer.verdict)?
                };
                out.line(&line)?;
            } else if self.explain
                && let Some(text) = summary.explain(&done.place, answer)
            {
                out.raw(text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn work(&self, guard: &Guard, lines: Receiver<Line>, done: &SyncSender<Done>) {
        let user = User::new(self.user.clone(), self.role.clone());
        for Line { number, bytes, place, work } in lines {
            let mut malformed = false;
            let mut refuse = |session: Option<&str>, message: &str| {
                malformed = true;
                Answer {
                    verdict: guard.refuse_malformed(session, message),
                    trace: Trace::default(),
                    tool: None,
                }
            };
            let answers = match work {
                Work::Malformed(message) => vec![refuse(None, &message)],
                Work::Event(event) => vec![answer(guard, &event)],
                // An event's session and this one would share labels and counters, or lose them.
                Work::Chat(chat) if guard.session(&chat.id).is_some() => {
                    vec![refuse(None, "events before this line are of a session of this id")]
                }
                Work::Chat(chat) => {
                    let called = if self.offer_called_tools { chat.called_tools() } else { Vec::new() };
                    let tools = chat.tools.clone().unwrap_or(called);
                    let events = chat.events(&user, &self.agent, self.model.as_deref(), &tools);
                    let answers = events
                        .into_iter()
                        .map(|event| match event {
                            Ok(event) => answer(guard, &event),
                            Err(error) => refuse(Some(&chat.id), &error.to_string()),
                        })
                        .collect();
                    // The next line of this id is another session.
                    if let Err(error) = guard.end_session(&chat.id) {
                        report::error(
                            &anyhow::Error::new(error).context("the end of a session can't be recorded"),
                        );
                        malformed = true;
                    }
                    answers
                }
            };
            if done.send(Done { number, bytes, place, malformed, answers }).is_err() {
                return;
            }
        }
    }
}

fn answer(guard: &Guard, event: &Event) -> Answer {
    let (verdict, trace) = guard.examine(event);
    Answer { verdict, trace, tool: event.tool().map(str::to_owned) }
}

/// How often each of some names came up, the most frequent first.
pub(super) fn ranked(counts: &HashMap<String, usize>) -> Vec<(&str, usize)> {
    let mut ranked: Vec<(&str, usize)> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    ranked
}
