//! `ringfence test`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use super::bundle::Key;
use super::report::{self, Out};
use super::{Exit, open};
use crate::bundle::{Bundle, FolderState};
use crate::compile::{CompileOptions, compile};
use crate::engine::Engine;
use crate::harness::{self, Suite};
use crate::schema::rows::{TestCase, TestResult, TestSummary};

/// How often files are looked at.
const WATCHED: Duration = Duration::from_millis(300);

/// Run the policy tests of a bundle
///
/// Gates on labelled data (`accuracy:`) are tests too. Lists the policies, rules and tools that decide no test: those that could be taken away without a test noticing. A permit
/// decides where it alone permits what is then not refused; a forbid, or a rule that asks or refuses, where it is the only
/// reason or the one that `by:` names; a rule that replaces, where `found:` lists it or the text after edits is expected; a
/// waiver, where that text shows what it left; a policy in shadow, where `shadow:` lists it; a tool, where a decision on its
/// call or result is expected.
///
/// Exits with 1 where a test fails or there is none, with --deny-untested also where something decides no test, and with 2
/// where the bundle or a test does not load, or --only selects nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence test policies/ --format junit > report.xml
  ringfence test policies/ --coverage --html coverage.html --min-coverage 100
  ringfence test policies/ --mutate --min-mutation 90
  ringfence test policies/ --watch")]
pub(super) struct Test {
    /// The bundle [default: ./policies or . with a ringfence.yaml].
    dir: Option<PathBuf>,
    /// Only tests whose name holds this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Exit with 1 where a policy, rule or tool decides no test.
    #[arg(long, conflicts_with = "only")]
    deny_untested: bool,
    /// List the policies, conditions, rules, arguments and retention classes that no test reaches.
    #[arg(long, conflicts_with = "only")]
    coverage: bool,
    /// Exit with 1 where less than so many percent of them are reached.
    #[arg(long, value_name = "PERCENT", requires = "coverage")]
    min_coverage: Option<f64>,
    /// Write a page with what is reached, line by line.
    #[arg(long, value_name = "FILE", requires = "coverage")]
    html: Option<PathBuf>,
    /// Make the bundle weaker in one place after another, and list what no test notices.
    #[arg(long, conflicts_with = "only")]
    mutate: bool,
    /// Exit with 1 where less than so many percent of these changes are noticed.
    #[arg(long, value_name = "PERCENT", requires = "mutate")]
    min_mutation: Option<f64>,
    /// Run again whenever a file of the bundle changes, until interrupted.
    #[arg(long)]
    watch: bool,
    /// How the outcome is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One object per case, then one with what no test reached.
    Json,
    /// JUnit XML.
    Junit,
    /// Annotations of a GitHub workflow.
    Github,
}

impl Test {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        if !self.watch {
            return self.once(out);
        }
        loop {
            // What a half-saved file earns is told, and the next save is waited for.
            if let Err(error) = self.once(out) {
                if report::is_broken_pipe(&error) {
                    return Err(error);
                }
                report::error(&error);
            }
            out.flush()?;
            let folder = super::folder(self.dir.as_deref()).unwrap_or_else(|| PathBuf::from("."));
            let seen = FolderState::of(&folder);
            report::note("watching for changes; interrupt to end");
            while FolderState::of(&folder) == seen {
                std::thread::sleep(WATCHED);
            }
        }
    }

    fn once(&self, out: &mut Out) -> anyhow::Result<Exit> {
        let (bundle, built_in) = open(self.dir.as_deref())?;
        if built_in {
            anyhow::bail!("there is no bundle here: name its folder, or write one with `ringfence init DIR`");
        }
        let options = self.key.options()?;
        let engine = match compile(&bundle, &options) {
            Ok(compiled) => compiled.engine,
            Err(error) => {
                report::diagnostics(&error.diagnostics, &bundle);
                anyhow::bail!("the bundle `{}` does not load", bundle.origin());
            }
        };
        report::diagnostics(&super::check::expired(&engine, super::check::today()), &bundle);
        let (suite, problems) = Suite::load(&bundle, &engine);
        report::diagnostics(&problems, &bundle);
        let failed = problems.iter().any(crate::diagnostic::Diagnostic::is_error);
        let has_none = suite.is_empty() && !failed;
        if has_none {
            report::note(
                "the bundle has no tests, so nothing says what it does: put some in tests/*.yaml \
                 (`ringfence schema test`; `ringfence init DIR` writes examples)",
            );
        }
        let report = harness::run(&engine, &suite, &self.only);
        if report.outcomes.is_empty() && !self.only.is_empty() && !failed {
            anyhow::bail!("no test has a name that holds `{}`", self.only);
        }
        let covered = match self.coverage {
            true => Some(
                harness::covered(&bundle, &engine, &suite, &report)
                    .context("the conditions of the policies could not be looked into")?,
            ),
            false => None,
        };
        if let (Some(covered), Some(path)) = (&covered, &self.html) {
            std::fs::write(path, covered.html(&bundle))
                .with_context(|| format!("can't write `{}`", path.display()))?;
        }
        let mutation = self.mutation(&bundle, &options, &engine, &suite, &report)?;
        let folder = bundle.origin().trim_end_matches('/').trim_start_matches("./");
        match self.format {
            Format::Github => {
                out.raw(harness::github(&report, folder).as_bytes())?;
                if let Some(mutation) = &mutation {
                    out.raw(harness::mutation_github(mutation, folder).as_bytes())?;
                }
            }
            Format::Text => {
                out.raw(harness::text(&report).as_bytes())?;
                if let Some(covered) = &covered {
                    out.raw(covered.text().as_bytes())?;
                }
                if let Some(mutation) = &mutation {
                    out.raw(harness::mutation_text(mutation).as_bytes())?;
                }
            }
            Format::Junit => out.raw(harness::junit(&report).as_bytes())?,
            Format::Json => {
                for harness::Outcome { name, file, line, failures, accuracy } in &report.outcomes {
                    let case = TestResult::Case(TestCase {
                        name,
                        file,
                        line: *line,
                        failures,
                        accuracy: accuracy.as_ref(),
                    });
                    out.line(&serde_json::to_string(&case)?)?;
                }
                for part in covered.iter().flat_map(|covered| &covered.parts) {
                    out.line(&serde_json::to_string(&TestResult::Part(part))?)?;
                }
                for mutant in mutation.iter().flat_map(|mutation| &mutation.mutants) {
                    out.line(&serde_json::to_string(&TestResult::Mutant(mutant))?)?;
                }
                let summary = TestResult::Summary(TestSummary {
                    passed: report.passed(),
                    failed: report.failed(),
                    unreached_policies: &report.unreached_policies,
                    unreached_rules: &report.unreached_rules,
                    unreached_tools: &report.unreached_tools,
                    coverage: covered.as_ref().map(harness::Covered::share),
                    mutation: mutation.as_ref().map(harness::Mutation::score),
                });
                out.line(&serde_json::to_string(&summary)?)?;
            }
        }
        let unreached =
            covered.zip(self.min_coverage).is_some_and(|(covered, least)| covered.share() < least);
        let unnoticed =
            mutation.zip(self.min_mutation).is_some_and(|(mutation, least)| mutation.score() < least);
        let untested = self.deny_untested && report.has_untested();
        Ok(if failed {
            Exit::Failed
        } else if report.failed() > 0 || has_none || untested || unreached || unnoticed {
            Exit::Found
        } else {
            Exit::Fine
        })
    }

    /// Changes the bundle in one place after another, once all its tests pass.
    fn mutation(
        &self,
        bundle: &Bundle,
        options: &CompileOptions,
        engine: &Engine,
        suite: &Suite,
        report: &harness::Report,
    ) -> anyhow::Result<Option<harness::Mutation>> {
        if !self.mutate {
            return Ok(None);
        }
        if report.failed() > 0 {
            report::note("note: nothing is changed while a test fails: what it notices can't be told");
            return Ok(None);
        }
        let bar = report::stderr_is_terminal().then(|| indicatif::ProgressBar::new(0));
        let progress = |done: usize, all: usize| {
            if let Some(bar) = &bar {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            }
        };
        let mutation = harness::mutate(bundle, options, engine, suite, &progress);
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        mutation.context("the bundle could not be read a second time").map(Some)
    }
}
