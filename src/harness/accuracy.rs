//! Gates on labelled data: `accuracy:` of a test file.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quality::{Quality, Row, percent};
use super::{Outcome, unknown};
use crate::bundle::{Bundle, Source, TESTS};
use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::{Engine, RuleSet};

/// Room for sums of fractions: a recall of 0.65 is not lower than 0.65.
const ROUNDING: f64 = 1e-9;

/// A gate on labelled data.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Accuracy", deny_unknown_fields)]
pub(super) struct AccuracySpec {
    /// A file of the bundle beside this one or below, relative to it. Its lines are JSON objects with `text`, `positive` (true
    /// or false) or `label`, and perhaps `source`.
    #[schemars(extend("examples" = ["labelled.jsonl"]))]
    data: Spanned<String>,
    /// The pack that is measured, or one rule, `pack/rule`.
    #[schemars(extend("examples" = ["prompts"]))]
    pack: Spanned<String>,
    /// The lowest share of positive rows in which something must be found.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[schemars(extend("examples" = [0.65]))]
    recall: Option<f64>,
    /// The highest share of negative rows in which something may be found.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[schemars(extend("examples" = [0.003]))]
    false_positives: Option<f64>,
    /// Whether rows count alike, or sources do.
    #[serde(default)]
    #[schemars(extend("examples" = ["source"]))]
    by: By,
}

/// What counts alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Every row.
    #[default]
    Row,
    /// Every `source`: the mean of their recalls, and the worst of their false positives.
    Source,
}

/// What a gate measured.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Accuracy {
    /// The pack or rule.
    pub pack: String,
    /// What counted alike.
    pub by: By,
    /// Rows in which something should be found.
    pub positive: usize,
    /// Rows in which nothing should be found.
    pub negative: usize,
    /// The share of the former in which something was.
    pub recall: Option<f64>,
    /// The share of the latter in which something was.
    pub false_positives: Option<f64>,
}

impl Accuracy {
    /// Both shares, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let (recall, alarms) = (percent(self.recall), percent(self.false_positives));
        format!(
            "recall {recall} of {} rows, false positives {alarms} of {} rows",
            self.positive, self.negative
        )
    }
}

/// A gate that is ready to run.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(super) name: String,
    file: Arc<str>,
    line: u32,
    pack: String,
    rules: RuleSet,
    rows: Vec<Row>,
    recall: Option<f64>,
    false_positives: Option<f64>,
    by: By,
}

impl AccuracySpec {
    /// The gate; reports what does not fit. The data are read from the bundle and from nowhere else, so that a test file
    /// can't make the program read, or tell anything of, another file of the machine.
    pub(super) fn gate(
        self,
        source: &Source,
        bundle: &Bundle,
        engine: &Engine,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Gate> {
        let span = |at: &Spanned<String>| Span::new(&source.name, at.start, at.end);
        let bad =
            |at: &Spanned<String>, message: String| Diagnostic::new(Code::BadTest, message).at(span(at), "");
        let before = out.len();
        let names = [self.pack.value.clone()];
        let rules = engine.rule_set(&names).ok();
        if rules.is_none() {
            let known = engine.rules();
            let mut known: Vec<&str> = known
                .iter()
                .filter_map(|rule| rule.id.split('/').next())
                .chain(known.iter().map(|rule| rule.id))
                .collect();
            known.dedup();
            out.push(unknown(span(&self.pack), "pack or rule", &self.pack.value, &known));
        }
        let share = |share: Option<f64>| share.is_none_or(|share| (0.0..=1.0).contains(&share));
        if !share(self.recall) || !share(self.false_positives) {
            out.push(bad(&self.data, "a share is not between 0 and 1".to_owned()).help("0.65 is 65 percent"));
        }
        if self.recall.is_none() && self.false_positives.is_none() {
            let message = "the gate asks for nothing, so it holds nothing".to_owned();
            out.push(bad(&self.data, message).help("add `recall:`, `false_positives:` or both"));
        }
        let rows = self.rows(bundle).map_err(|problem| out.push(problem(&bad))).ok();
        if out.len() > before {
            return None;
        }
        Some(Gate {
            name: format!("accuracy of {} on {}", self.pack.value, self.data.value),
            file: Arc::clone(&source.name),
            line: crate::diagnostic::line(&source.text, self.data.start),
            pack: self.pack.value,
            rules: rules?,
            rows: rows?,
            recall: self.recall,
            false_positives: self.false_positives,
            by: self.by,
        })
    }

    /// The rows of the data.
    fn rows(&self, bundle: &Bundle) -> Result<Vec<Row>, Box<Problem<'_>>> {
        let data = &self.data;
        let inside = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':']);
        if !data.value.split('/').all(inside) {
            return Err(Box::new(move |bad| {
                bad(data, format!("`{}` is not a path below the folder of the tests", data.value))
                    .help("put the data beside the test file; a bundle reads nothing else")
            }));
        }
        let name = format!("{TESTS}{}", data.value);
        let Some(file) = bundle.source(&name) else {
            return Err(Box::new(move |bad| bad(data, format!("the bundle has no file `{name}`"))));
        };
        let mut rows = Vec::new();
        for (number, line) in (1..).zip(file.text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            match Row::read(line) {
                Ok(row) => rows.push(row),
                Err(message) => {
                    return Err(Box::new(move |bad| bad(data, format!("`{name}` line {number}: {message}"))));
                }
            }
        }
        Ok(rows)
    }
}

/// Makes a diagnostic of what is wrong with the data.
type Problem<'a> = dyn FnOnce(&dyn Fn(&Spanned<String>, String) -> Diagnostic) -> Diagnostic + 'a;

impl Gate {
    pub(super) fn run(&self, engine: &Engine) -> Outcome {
        let mut quality = Quality::default();
        for row in &self.rows {
            quality.add(engine, &self.rules, row);
        }
        let (recall, false_positives) = match self.by {
            By::Row => (quality.all.recall(), quality.all.false_positives()),
            By::Source => (quality.mean_recall(), quality.worst_false_positives()),
        };
        let mut failures = Vec::new();
        match (self.recall, recall) {
            (Some(_), None) => failures.push("recall: the data have no positive row".to_owned()),
            (Some(least), Some(recall)) if recall + ROUNDING < least => {
                failures.push(format!("recall: expected at least {}, got {}", exact(least), exact(recall)));
            }
            _ => {}
        }
        match (self.false_positives, false_positives) {
            (Some(_), None) => failures.push("false positives: the data have no negative row".to_owned()),
            (Some(most), Some(alarms)) if alarms > most + ROUNDING => {
                failures.push(format!(
                    "false positives: expected at most {}, got {}",
                    exact(most),
                    exact(alarms)
                ));
            }
            _ => {}
        }
        Outcome {
            name: self.name.clone(),
            file: self.file.to_string(),
            line: self.line,
            failures,
            accuracy: Some(Accuracy {
                pack: self.pack.clone(),
                by: self.by,
                positive: quality.all.positive,
                negative: quality.all.negative,
                recall,
                false_positives,
            }),
        }
    }
}

/// A share in percent, as many digits as tell 0.65 from 0.6499.
fn exact(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
