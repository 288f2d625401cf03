//! Policy tests: cases of events and what is expected of them, and gates on labelled data, run on a compiled bundle.

mod accuracy;
mod coverage;
mod covered;
pub mod diff;
mod explain;
mod mutate;
mod names;
mod quality;
mod report;
mod run;
mod spec;
mod stated;
pub mod suggest;

pub use accuracy::{Accuracy, By};
pub use covered::{Covered, Part, covered};
pub use explain::{Changed, Explanation, Flip, Place, explain, told};
pub use mutate::{Mutant, Mutation, mutate};
pub use quality::{Count, Quality, Row, percent, share};
pub use report::{github, junit, mutation_github, mutation_text, text};
pub use run::{Outcome, Report, run};
pub(crate) use spec::TestsSpec;

use crate::bundle::{Bundle, Role};
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::engine::Engine;
use crate::yaml;
use accuracy::Gate;
use spec::Case;
use stated::Stated;

/// The tests of a bundle, ready to run.
#[derive(Debug, Default)]
pub struct Suite {
    pub(crate) cases: Vec<Case>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) stated: Vec<Stated>,
}

impl Suite {
    /// Reads every test file of a bundle. Cases that do not fit are left out and reported.
    #[must_use]
    pub fn load(bundle: &Bundle, engine: &Engine) -> (Suite, Vec<Diagnostic>) {
        let mut suite = Suite::default();
        let mut out = Vec::new();
        let mut examples = None;
        for source in bundle.with_role(Role::Test) {
            let (spec, diagnostics) = yaml::read::<TestsSpec>(&source.name, &source.text);
            out.extend(diagnostics);
            if let Some(mut spec) = spec {
                let rules = std::mem::take(&mut spec.rules);
                if !rules.0.is_empty() {
                    let examples = examples.get_or_insert_with(|| crate::compile::examples(bundle));
                    suite.stated.extend(stated::stated(rules, source, engine, examples, &mut out));
                }
                let accuracy = spec.expand(source, engine, &mut suite.cases, &mut out);
                let gates =
                    accuracy.into_iter().filter_map(|gate| gate.gate(source, bundle, engine, &mut out));
                suite.gates.extend(gates);
            }
        }
        (suite, out)
    }

    /// Number of cases, statements about rules, and gates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.len() + self.stated.len() + self.gates.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn unknown(span: Span, kind: &str, name: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::new(Code::BadTest, format!("no {kind} is called `{name}`"))
        .at(span, "")
        .maybe_help(did_you_mean(name, known.iter().copied()))
}
