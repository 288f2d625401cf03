//! Policy tests: cases of events and what is expected of them, run on a compiled bundle.

mod coverage;
mod names;
mod report;
mod run;
mod spec;

pub use report::{junit, text};
pub use run::{Outcome, Report, run};
pub(crate) use spec::TestsSpec;

use crate::bundle::{Bundle, Role};
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::engine::Engine;
use crate::yaml;
use spec::Case;

/// The tests of a bundle, ready to run.
#[derive(Debug, Default)]
pub struct Suite {
    pub(crate) cases: Vec<Case>,
    /// Gates on labelled data that this version does not run.
    pub accuracy_gates: usize,
}

impl Suite {
    /// Reads every test file of a bundle. Cases that do not fit are left out and reported.
    #[must_use]
    pub fn load(bundle: &Bundle, engine: &Engine) -> (Suite, Vec<Diagnostic>) {
        let mut suite = Suite::default();
        let mut out = Vec::new();
        for source in bundle.with_role(Role::Test) {
            let (spec, diagnostics) = yaml::read::<TestsSpec>(&source.name, &source.text);
            out.extend(diagnostics);
            if let Some(spec) = spec {
                suite.accuracy_gates += spec.accuracy.len();
                spec.expand(source, engine, &mut suite.cases, &mut out);
            }
        }
        (suite, out)
    }

    /// Number of cases.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

fn unknown(span: Span, kind: &str, name: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::new(Code::BadTest, format!("no {kind} is called `{name}`"))
        .at(span, "")
        .maybe_help(did_you_mean(name, known.iter().copied()))
}
