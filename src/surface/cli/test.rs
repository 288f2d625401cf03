//! `ringfence test`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::report::{self, Out};
use super::{Exit, open};
use crate::compile::compile;
use crate::harness::{self, Suite};
use crate::schema::rows::{TestCase, TestResult, TestSummary};

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
#[command(after_help = "Example:\n  ringfence test policies/ --format junit > report.xml")]
pub(super) struct Test {
    /// The bundle [default: ./policies or . with a ringfence.yaml].
    dir: Option<PathBuf>,
    /// Only tests whose name holds this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Exit with 1 where a policy, rule or tool decides no test.
    #[arg(long, conflicts_with = "only")]
    deny_untested: bool,
    /// How the outcome is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A file with the key for hashes and pseudonyms.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One object per case, then one with what no test reached.
    Json,
    /// JUnit XML.
    Junit,
}

impl Test {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let (bundle, built_in) = open(self.dir.as_deref())?;
        if built_in {
            anyhow::bail!("there is no bundle here: name its folder, or write one with `ringfence init DIR`");
        }
        let options = super::key(self.key_file.as_deref())?;
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
        match self.format {
            Format::Text => out.raw(harness::text(&report).as_bytes())?,
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
                let summary = TestResult::Summary(TestSummary {
                    passed: report.passed(),
                    failed: report.failed(),
                    unreached_policies: &report.unreached_policies,
                    unreached_rules: &report.unreached_rules,
                    unreached_tools: &report.unreached_tools,
                });
                out.line(&serde_json::to_string(&summary)?)?;
            }
        }
        let untested = self.deny_untested && report.has_untested();
        Ok(if failed {
            Exit::Failed
        } else if report.failed() > 0 || has_none || untested {
            Exit::Found
        } else {
            Exit::Fine
        })
    }
}
