//! `ringfence check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;

use super::bundle::{Key, Signatures};
use super::report::{self, Out};
use super::{Exit, open};
use crate::compile::compile;
use crate::diagnostic::{Code, Diagnostic};
use crate::harness::Suite;

/// Print every diagnostic of a bundle
///
/// Exits with 1 where there are errors, or warnings under --deny-warnings.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence check policies/ --deny-warnings
  ringfence check policies/ --write-baseline known.jsonl && ringfence check policies/ --baseline known.jsonl")]
pub(super) struct Check {
    /// The bundle [default: ./policies or . with a ringfence.yaml, else the built-in one].
    dir: Option<PathBuf>,
    #[command(flatten)]
    signatures: Signatures,
    /// How the diagnostics are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 1 for warnings too.
    #[arg(long)]
    deny_warnings: bool,
    /// Report only warnings that this file does not list, and every error.
    #[arg(long, value_name = "FILE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,
    /// List the warnings that there are in this file, to begin with a bundle that has some.
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    #[command(flatten)]
    key: Key,
    /// The day from which expiry is judged, as 2026-12-31 [default: today].
    #[arg(long, value_name = "DATE")]
    today: Option<jiff::civil::Date>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With source excerpts.
    Text,
    /// One object per line.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

/// Warnings of policies whose day has passed.
pub(super) fn expired(engine: &crate::engine::Engine, today: jiff::civil::Date) -> Vec<Diagnostic> {
    let passed = |policy: &&crate::cedar::PolicyInfo| {
        policy
            .expires
            .as_ref()
            .and_then(|date| date.parse::<jiff::civil::Date>().ok())
            .is_some_and(|date| date <= today)
    };
    let warn = |policy: &crate::cedar::PolicyInfo| {
        let date = policy.expires.clone().unwrap_or_default();
        Diagnostic::new(Code::Expired, format!("`{}` has expired on {date} and no longer applies", policy.id))
            .at(policy.span.clone(), "")
            .help("remove it, or give it a new date and the owner's consent")
    };
    engine.policies().iter().filter(passed).map(warn).collect()
}

/// What an accepted diagnostic is recognised by: not its line, which moves with every edit above it.
fn known(diagnostic: &Diagnostic) -> String {
    let file = diagnostic.primary.as_ref().map(|label| &*label.span.file);
    serde_json::json!({ "code": diagnostic.code, "file": file, "message": diagnostic.message }).to_string()
}

pub(super) fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// How much of a stream the rules hold back.
fn hold_back(engine: &crate::engine::Engine, out: &mut Out) -> anyhow::Result<()> {
    let Ok(rules) = engine.rule_set(&[]) else { return Ok(()) };
    let held = engine.hold_back(&rules);
    let Some((rule, bytes)) = held.rule else { return Ok(()) };
    let most = format!(
        "at most {} where one match is open ({rule}), {}{} where none is, {} whatever comes",
        size(bytes),
        size(held.idle),
        if held.line.is_some() { " and the line that has begun" } else { "" },
        size(held.most)
    );
    match held.to_the_end.as_slice() {
        [] => out.line(&format!("a stream is held back by {most}"))?,
        [first, others @ ..] => {
            let who = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            out.line(&format!(
                "a stream is held back to its end by rules that replace signals, from the first one on: {first}{who}"
            ))?;
            out.line(&format!("else it is held back by {most}"))?;
        }
    }
    Ok(())
}

fn size(bytes: usize) -> String {
    let tenths = |unit: usize| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", tenths(1024)),
        _ => format!("{} MiB", tenths(0x10_0000)),
    }
}

impl Check {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let (bundle, built_in) = open(self.dir.as_deref())?;
        if built_in {
            report::note("checking the built-in bundle; name a folder to check your own");
        }
        self.signatures.check(&bundle)?;
        let options = self.key.options()?;
        let mut ready = None;
        let mut list = match compile(&bundle, &options) {
            Ok(compiled) => {
                let mut list = compiled.warnings;
                list.extend(expired(&compiled.engine, self.today.unwrap_or_else(today)));
                list.extend(Suite::load(&bundle, &compiled.engine).1);
                ready = Some(compiled.engine);
                list
            }
            Err(error) => error.diagnostics,
        };
        if let Some(path) = &self.write_baseline {
            let known: BTreeSet<String> =
                list.iter().filter(|diagnostic| !diagnostic.is_error()).map(known).collect();
            let text: String = known.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(path, text).with_context(|| format!("can't write `{}`", path.display()))?;
            report::note(&format!("{} warnings are accepted in `{}`", known.len(), path.display()));
            return Ok(Exit::Fine);
        }
        if let Some(path) = &self.baseline {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("can't read the baseline `{}`", path.display()))?;
            let accepted: BTreeSet<&str> = text.lines().collect();
            // Errors are never accepted: the bundle would not load.
            list.retain(|diagnostic| diagnostic.is_error() || !accepted.contains(known(diagnostic).as_str()));
        }
        let errors = list.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let warnings = list.len() - errors;
        match self.format {
            Format::Text => {
                for diagnostic in &list {
                    out.line(&format!("{}\n", report::render(diagnostic, &bundle, report::stdout_colour())))?;
                }
                match ready.filter(|_| list.is_empty()) {
                    Some(engine) => {
                        let inventory = engine.inventory();
                        out.line(&format!(
                            "ok: {} ({}, {}, {})",
                            bundle.origin(),
                            report::counted(inventory.policies.len(), "policy"),
                            report::counted(inventory.rules.len(), "rule"),
                            report::counted(inventory.tools.len(), "tool")
                        ))?;
                        hold_back(&engine, out)?;
                    }
                    None => out.line(&format!(
                        "{}: {}, {}",
                        bundle.origin(),
                        report::counted(errors, "error"),
                        report::counted(warnings, "warning")
                    ))?,
                }
            }
            Format::Json => {
                for diagnostic in &list {
                    out.line(&serde_json::to_string(diagnostic)?)?;
                }
            }
            Format::Sarif => out.line(&serde_json::to_string_pretty(&report::sarif(&list, &bundle))?)?,
        }
        Ok(if errors > 0 || (self.deny_warnings && warnings > 0) { Exit::Found } else { Exit::Fine })
    }
}
