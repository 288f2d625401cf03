//! `ringfence scan`.

mod baseline;
mod inputs;
mod print;
mod stats;
mod stream;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::sync_channel;

use anyhow::bail;
use clap::ValueEnum;

use self::baseline::Baseline;
use self::inputs::{Inputs, Job};
use super::Exit;
use super::bundle::{Applied, Key};
use super::report::{self, Out};
use crate::bundle::Bundle;
use crate::diagnostic::did_you_mean;
use crate::engine::{Engine, RuleSet};
use crate::verdict::Finding;

/// Jobs that are done and wait for an earlier one.
const AHEAD: usize = 64;

/// Find secrets, personal data and prompt attacks in files
///
/// Text rules alone, as a secret scanner runs. Folders are searched with what their .gitignore and .ignore files leave,
/// hidden files too; binary files are passed over. Exits with 1 where something is found.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence scan . --only secrets                        as a check before a commit
  ringfence scan --only secrets --write-baseline known.jsonl . && ringfence scan --baseline known.jsonl .
  ringfence scan --jsonl text chats.jsonl --format json  one line for each row
  ringfence scan --only pii --format json notes/        personal data of every country, by its tag
  ringfence scan --redact letter.txt > clean.txt
  ringfence scan --stats labelled.jsonl --only prompts   precision and recall")]
pub(super) struct Scan {
    /// Files and folders; `-` is stdin.
    #[arg(value_name = "FILE|DIR|-")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    bundle: Applied,
    /// Only this pack, the rules with this tag, or this rule named pack/rule; may be repeated.
    #[arg(long, value_name = "PACK|TAG")]
    only: Vec<String>,
    /// Inputs are JSON lines, and this field of each is scanned: a name, or a JSON Pointer.
    #[arg(long, value_name = "FIELD")]
    jsonl: Option<String>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the input to stdout with everything replaced that rules replace, as it is read.
    #[arg(long, conflicts_with_all = ["format", "baseline", "write_baseline", "stats"])]
    redact: bool,
    /// Leave out findings that this file accepts.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write a file that accepts everything that is found.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "stats"])]
    write_baseline: Option<PathBuf>,
    /// Measure the rules on rows with `text` and `label` (or `positive`), by `source`.
    #[arg(long, value_name = "LABELLED.jsonl", conflicts_with_all = ["inputs", "jsonl", "baseline"])]
    stats: Option<PathBuf>,
    /// Files larger than this are not read, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    max_size: u64,
    #[command(flatten)]
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With masked excerpts.
    Text,
    /// One object per finding; with --jsonl, per row.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

/// A text that was scanned.
struct Scanned {
    /// Where it stands: a file, and with `--jsonl` the row.
    file: String,
    row: Option<usize>,
    text: String,
    findings: Vec<Finding>,
    /// What is written instead, with `--redact`.
    cleaned: Option<String>,
    /// Why it could not be read.
    problem: Option<String>,
}

impl Scan {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let options = self.key.options()?;
        let (engine, bundle) = self.bundle.engine(&options)?;
        let rules = match engine.rule_set(&self.only) {
            Ok(rules) => rules,
            Err(unknown) => {
                let known = engine.rules();
                let packs = known.iter().filter_map(|rule| rule.id.split('/').next());
                let help = did_you_mean(unknown, packs.chain(known.iter().map(|rule| rule.id)));
                let help = help.map_or_else(String::new, |help| format!("; {help}"));
                bail!("`{unknown}` is neither a pack, a tag nor a rule of {}{help}", bundle.origin());
            }
        };
        if let Some(labelled) = &self.stats {
            return stats::run(labelled, &engine, &rules, self.format == Format::Json, out);
        }
        if self.inputs.is_empty() {
            bail!("name files or folders to scan, or `-` for stdin");
        }
        if self.redact
            && self.jsonl.is_none()
            && (self.inputs.len() > 1 || self.inputs.iter().any(|path| path.is_dir()))
        {
            bail!("--redact takes one file, or `-`");
        }
        if let [path] = self.inputs.as_slice()
            && self.redact
            && self.jsonl.is_none()
        {
            return stream::redact(path, &engine, &rules, out);
        }
        let mut baseline = match (&self.baseline, &self.write_baseline) {
            (Some(path), _) => Baseline::read(path)?,
            (None, Some(_)) => Baseline::new(),
            (None, None) => Baseline::default(),
        };
        if self.bundle.path.is_none()
            && self.format == Format::Text
            && bundle.digest() != Bundle::embedded().digest()
        {
            let rules = report::counted(engine.inventory().rules.len(), "rule");
            let help = "`--bundle built-in` finds what the program knows";
            report::note(&format!("note: scanning by the {rules} of {}; {help}", bundle.origin()));
        }
        let mut printer = print::Printer::new(self.format, self.jsonl.is_some(), &engine);
        let mut exit = Exit::Fine;
        let mut failed = false;
        let mut skipped = 0;
        self.each(&engine, &rules, &mut |scanned| {
            let Some(mut scanned) = scanned else {
                skipped += 1;
                return Ok(());
            };
            if let Some(problem) = &scanned.problem {
                failed = true;
                let row = scanned.row.map_or_else(String::new, |row| format!(":{row}"));
                report::note(&format!("error: {}{row}: {problem}", report::visible(&scanned.file)));
            }
            if let Some(cleaned) = &scanned.cleaned {
                return out.raw(cleaned.as_bytes());
            }
            if self.write_baseline.is_some() {
                baseline.add(&scanned);
            } else if self.baseline.is_some() {
                let accepted = baseline.accepted(&scanned);
                scanned.findings = scanned
                    .findings
                    .into_iter()
                    .zip(accepted)
                    .filter(|(_, known)| !known)
                    .map(|(one, _)| one)
                    .collect();
            }
            if !scanned.findings.is_empty() && exit == Exit::Fine && self.write_baseline.is_none() {
                exit = Exit::Found;
            }
            if self.write_baseline.is_none() { printer.print(&scanned, out) } else { Ok(()) }
        })?;
        if let Some(path) = &self.write_baseline {
            let count = baseline.write(path)?;
            report::note(&format!("{} accepts {}", path.display(), report::counted(count, "finding")));
        }
        if skipped > 0 {
            report::note(&format!("note: {skipped} binary files were passed over"));
        }
        if !self.redact && self.write_baseline.is_none() {
            printer.finish(out)?;
        }
        Ok(if failed { Exit::Failed } else { exit })
    }

    /// Scans all inputs, side by side, and gives what was found in order; `None` for a binary file.
    fn each(
        &self,
        engine: &Engine,
        rules: &RuleSet,
        done: &mut dyn FnMut(Option<Scanned>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let inputs =
            Mutex::new(Inputs::new(&self.inputs, self.jsonl.is_some(), self.max_size << 20).enumerate());
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let progress =
            (report::stderr_is_terminal() && self.format == Format::Text && !self.redact).then(|| {
                let style =
                    indicatif::ProgressStyle::with_template("{spinner} {pos} files or rows, {elapsed}");
                let bar = indicatif::ProgressBar::new_spinner();
                bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()))
            });
        let stop = std::sync::atomic::AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| -> anyhow::Result<()> {
            let (to, from) = sync_channel::<(usize, Vec<Option<Scanned>>)>(AHEAD);
            for _ in 0..workers {
                let (to, inputs, stop) = (to.clone(), &inputs, &stop);
                scope.spawn(move || {
                    loop {
                        let next = inputs.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((number, job)) = next else { return };
                        if stop.load(std::sync::atomic::Ordering::Relaxed)
                            || to.send((number, self.scan(job, engine, rules))).is_err()
                        {
                            return;
                        }
                    }
                });
            }
            drop(to);
            let mut waiting = BTreeMap::new();
            let mut next = 0;
            let mut outcome = Ok(());
            for (number, scanned) in from {
                waiting.insert(number, scanned);
                while let Some(scanned) = waiting.remove(&next) {
                    next += 1;
                    for one in scanned {
                        if let Some(bar) = &progress {
                            bar.inc(1);
                        }
                        if outcome.is_ok() {
                            outcome = done(one);
                        }
                    }
                    if outcome.is_err() {
                        stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            }
            outcome
        });
        if let Some(bar) = progress {
            bar.finish_and_clear();
        }
        outcome
    }

    fn scan(&self, job: Job, engine: &Engine, rules: &RuleSet) -> Vec<Option<Scanned>> {
        let one = |file: String, row, text: String| {
            let (cleaned, findings) = if self.redact {
                let (cleaned, findings) = engine.clean(&text, rules);
                (Some(cleaned), findings)
            } else {
                (None, engine.scan(&text, rules))
            };
            Scanned { file, row, text, findings, cleaned, problem: None }
        };
        let problem = |file: &str, row, problem: String| {
            let (text, findings) = (String::new(), Vec::new());
            Some(Scanned {
                file: file.to_owned(),
                row,
                text,
                findings,
                cleaned: None,
                problem: Some(problem),
            })
        };
        match job {
            Job::Text { file, text } => vec![Some(one(file, None, text))],
            Job::Binary => vec![None],
            Job::Problem { file, message } => vec![problem(&file, None, message)],
            Job::Rows { file, rows } => {
                let field = self.jsonl.as_deref().unwrap_or_default();
                let scanned = |(row, line): (usize, String)| match inputs::Row::read(&line, field) {
                    Err(message) => problem(&file, Some(row), message),
                    Ok(inputs::Row { text: None, .. }) => {
                        let cleaned = self.redact.then(|| format!("{line}\n"));
                        Some(Scanned { cleaned, ..one(file.clone(), Some(row), String::new()) })
                    }
                    Ok(inputs::Row { text: Some(text), mut value }) => {
                        let mut scanned = one(file.clone(), Some(row), text);
                        if let Some(cleaned) = scanned.cleaned.take() {
                            inputs::set(&mut value, field, cleaned);
                            scanned.cleaned = Some(format!("{value}\n"));
                        }
                        Some(scanned)
                    }
                };
                rows.into_iter().map(scanned).collect()
            }
        }
    }
}
