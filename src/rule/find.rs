//! `find:`: one file for what a rule looks for, as written and as used.

mod argument;

pub(crate) use argument::{ArgumentFind, ArgumentFinder};

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use argument::{FindCommandSpec, FindPathSpec, FindUrlSpec};

use super::pack::{ExamplesSpec, Scope};
use super::{Find, Reporter, Threshold};
use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::text::{self, Exception, Finder, FinderSpec, Kind, NearSpec, SignalSpec, Unless, View};
use crate::tool::CommandFind;

/// What a rule finds: exactly one of `pattern`, `phrases`, `signals`, `threshold`, `command`, `path` and `url`, and
/// conditions on a match in a text.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Find", deny_unknown_fields)]
pub(crate) struct FindSpec {
    /// A regular expression of the `regex` crate: linear time, without look-around and back-references. A group
    /// named `value` limits the match to that group.
    #[schemars(extend("examples" = ["ORD-\\d{8}"]))]
    pattern: Option<Spanned<String>>,
    /// Phrases; case, spacing and punctuation do not matter.
    #[schemars(extend("examples" = [["ignore all previous instructions"]]))]
    phrases: Option<Spanned<Vec<String>>>,
    /// Weighted signals that fire together.
    #[schemars(extend("examples" = [{"at": 1.0, "of": [{"phrases": ["act as"], "weight": 0.5}, {"phrases": ["no restrictions"], "weight": 0.5}]}]))]
    signals: Option<Spanned<SignalsSpec>>,
    /// A score of a fact.
    #[schemars(extend("examples" = [{"fact": "moderation", "category": "hate", "at": 0.8}]))]
    threshold: Option<Spanned<ThresholdSpec>>,
    /// A simple command within an argument that is declared a command.
    #[schemars(extend("examples" = [{"program": "git", "subcommand": "push", "any_flag": ["f", "force"]}]))]
    command: Option<Spanned<FindCommandSpec>>,
    /// A path in an argument that is declared one.
    #[schemars(extend("examples" = [{"any": ["**/.env"], "access": ["read"]}]))]
    path: Option<Spanned<FindPathSpec>>,
    /// A URL in an argument that is declared one.
    #[schemars(extend("examples" = [{"hosts": ["*.example.com"]}]))]
    url: Option<Spanned<FindUrlSpec>>,
    /// Not yet in this version.
    sql: Option<Spanned<Value>>,
    /// A named checksum or range check that a match passes.
    #[schemars(extend("examples" = ["luhn"]))]
    check: Option<Spanned<String>>,
    /// Words that stand near a match.
    #[schemars(extend("examples" = [{"words": ["passport"], "within": 40}]))]
    near: Option<NearbySpec>,
    /// Matches that do not count.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["EXAMPLE"]]))]
    not: Vec<ExceptionSpec>,
    /// Views of the text that are searched besides the raw one.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["base64", "hex"]]))]
    views: Vec<ViewSpec>,
    /// Longest match in bytes, where the pattern itself has no bound.
    #[schemars(extend("examples" = [4096]))]
    max_bytes: Option<usize>,
}

/// Fires when the weights of distinct signals in one text reach `at`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Signals", deny_unknown_fields)]
pub(crate) struct SignalsSpec {
    /// The sum that fires.
    #[schemars(extend("examples" = [1.0]))]
    at: f64,
    /// The signals.
    #[schemars(extend("examples" = [[{"phrases": ["act as"], "weight": 0.5}]]))]
    of: Vec<OneSignalSpec>,
}

/// One signal: `phrases` or a `pattern`, and its weight.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Signal", deny_unknown_fields)]
pub(crate) struct OneSignalSpec {
    /// Phrases, any of which is the signal.
    #[schemars(extend("examples" = [["act as"]]))]
    phrases: Option<Vec<String>>,
    /// A regular expression.
    #[schemars(extend("examples" = ["(?i)jail ?break"]))]
    pattern: Option<String>,
    /// What it adds.
    #[schemars(extend("examples" = [0.5]))]
    weight: f64,
}

/// Fires when a category's score reaches `at`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Threshold", deny_unknown_fields)]
pub(crate) struct ThresholdSpec {
    /// The fact, as the manifest declares it.
    #[schemars(extend("examples" = ["moderation"]))]
    fact: Spanned<String>,
    /// The category within the fact.
    #[schemars(extend("examples" = ["hate"]))]
    category: Spanned<String>,
    /// The score from which on it fires.
    #[schemars(extend("examples" = [0.8]))]
    at: Spanned<f64>,
}

/// Words near a match.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Near", deny_unknown_fields)]
pub(crate) struct NearbySpec {
    /// Any of these. The key of a short JSON value stands before it: `{"passportNumber": "…"}` is a passport number.
    #[schemars(extend("examples" = [["passport", "Reisepass"]]))]
    words: Vec<String>,
    /// Characters between word and match at most.
    #[schemars(extend("examples" = [40]))]
    within: usize,
    /// When no word is needed.
    #[schemars(extend("examples" = ["separated"]))]
    unless: Option<UnlessSpec>,
}

/// When no word is needed near a match.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnlessSpec {
    /// The match has separators: a space, dash, dot or slash.
    Separated,
}

/// A match that does not count.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "snake_case")]
#[schemars(untagged, rename = "Exception")]
pub(crate) enum ExceptionSpec {
    /// This very text, in any case.
    Scalar(String),
    /// What a pattern matches.
    Mapping(ExceptionPatternSpec),
}

/// A pattern for matches that do not count.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "ExceptionPattern", deny_unknown_fields)]
pub(crate) struct ExceptionPatternSpec {
    /// A regular expression, searched within the match.
    #[schemars(extend("examples" = ["^0+$"]))]
    pattern: String,
}

/// A view of a text besides the raw one. In a decoded view, what looks encoded is read decoded, up to two times over; a rule
/// reads what was encoded in two ways if it names both.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ViewSpec {
    /// Compatibility forms, case, look-alikes, invisible characters and spacing evened out, and text spelt in tag characters.
    Folded,
    /// Base64 decoded: standard, URL-safe, unpadded, wrapped.
    Base64,
    /// Hexadecimal decoded: in a row, or a list such as `\x41\x42`, `0x41, 0x42` or `41 42`.
    Hex,
    /// Percent-encoding decoded.
    Percent,
    /// HTML entities, and escapes such as `\u0041`, `\u{41}` and `\x41`, decoded.
    Html,
    /// ROT13.
    Rot13,
    /// Read from the end, or as a right-to-left override shows it.
    Reversed,
    /// Digits and signs that stand for letters.
    Leet,
    /// Letters spaced apart joined.
    Spaced,
}

impl From<ViewSpec> for View {
    fn from(view: ViewSpec) -> View {
        match view {
            ViewSpec::Folded => View::Folded,
            ViewSpec::Base64 => View::Base64,
            ViewSpec::Hex => View::Hex,
            ViewSpec::Percent => View::Percent,
            ViewSpec::Html => View::Html,
            ViewSpec::Rot13 => View::Rot13,
            ViewSpec::Reversed => View::Reversed,
            ViewSpec::Leet => View::Leet,
            ViewSpec::Spaced => View::Spaced,
        }
    }
}

impl FindSpec {
    /// Reads these views too, if it reads texts.
    pub(crate) fn add_views(&mut self, views: &[ViewSpec]) {
        if self.threshold.is_none() && self.argument().is_none() {
            self.views.extend(views);
        }
    }

    /// The matcher; diagnostics where there is none.
    pub(crate) fn compile(
        &self,
        id: &str,
        at: Range<usize>,
        scope: &Scope<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Find> {
        let before = reporter.out.len();
        if let Some(sql) = &self.sql {
            reporter.push(unsupported("sql", reporter, sql.range()));
        }
        let given: Vec<&str> = [
            ("pattern", self.pattern.is_some()),
            ("phrases", self.phrases.is_some()),
            ("signals", self.signals.is_some()),
            ("threshold", self.threshold.is_some()),
            ("command", self.command.is_some()),
            ("path", self.path.is_some()),
            ("url", self.url.is_some()),
        ]
        .iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| *name)
        .collect();
        if reporter.out.len() > before {
            return None;
        }
        if given.len() != 1 {
            let message = match given.as_slice() {
                [] => format!("`{id}` finds nothing"),
                several => format!("`{id}` says in {} ways what to find", several.len()),
            };
            reporter.push(
                Diagnostic::new(Code::BadFind, message)
                    .at(reporter.span(at), "")
                    .help("give exactly one of `pattern`, `phrases`, `signals`, `threshold`, `command`, `path` and `url`"),
            );
            return None;
        }
        if let Some(threshold) = &self.threshold {
            return self.threshold(threshold, scope, reporter);
        }
        if let Some((find, at)) = self.argument() {
            return self.argument_finder(find, at, reporter);
        }
        let spec = self.finder_spec(reporter)?;
        match Finder::new(&spec) {
            Ok(finder) => Some(Find::Text(Box::new(finder))),
            Err(error) => {
                self.report(&error, at, reporter);
                None
            }
        }
    }

    /// What it finds in an argument.
    fn argument(&self) -> Option<(ArgumentFind, Range<usize>)> {
        let command = self
            .command
            .as_ref()
            .map(|spec| (ArgumentFind::Command(Box::new(spec.value.find())), spec.range()));
        let path = self.path.as_ref().map(|spec| (ArgumentFind::Path(spec.value.find()), spec.range()));
        let url = self.url.as_ref().map(|spec| (ArgumentFind::Url(spec.value.find()), spec.range()));
        command.or(path).or(url)
    }

    fn argument_finder(
        &self,
        find: ArgumentFind,
        at: Range<usize>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Find> {
        if self.has_conditions() {
            reporter.push(
                Diagnostic::new(Code::BadFind, "what is found in an argument takes no further conditions")
                    .at(reporter.span(at), "")
                    .help("`check`, `near`, `not`, `views` and `max_bytes` are about matches in a text"),
            );
            return None;
        }
        if matches!(&find, ArgumentFind::Command(find) if **find == CommandFind::default()) {
            reporter.push(
                Diagnostic::new(Code::BadFind, "this finds every command")
                    .at(reporter.span(at), "")
                    .help("name a `program`, flags, operands or what else the command has"),
            );
            return None;
        }
        match ArgumentFinder::new(find) {
            Ok(finder) => Some(Find::Argument(Box::new(finder))),
            Err(message) => {
                reporter.push(Diagnostic::new(Code::BadPattern, message).at(reporter.span(at), ""));
                None
            }
        }
    }

    fn has_conditions(&self) -> bool {
        self.check.is_some()
            || self.near.is_some()
            || !self.not.is_empty()
            || !self.views.is_empty()
            || self.max_bytes.is_some()
    }

    fn threshold(
        &self,
        threshold: &Spanned<ThresholdSpec>,
        scope: &Scope<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Find> {
        let ThresholdSpec { fact, category, at } = &threshold.value;
        if self.has_conditions() {
            reporter.push(
                Diagnostic::new(Code::BadFind, "a threshold takes no further conditions")
                    .at(reporter.span(threshold.range()), "")
                    .help("`check`, `near`, `not`, `views` and `max_bytes` are about matches in a text"),
            );
            return None;
        }
        let Some(known) = scope.facts.iter().find(|known| known.name == fact.value) else {
            reporter.push(
                Diagnostic::new(Code::UndeclaredName, format!("no fact is called `{}`", fact.value))
                    .at(reporter.span(fact.range()), "")
                    .help(
                        did_you_mean(&fact.value, scope.facts.iter().map(|known| known.name))
                            .unwrap_or_else(|| "declare it under `facts:` in ringfence.yaml".to_owned()),
                    ),
            );
            return None;
        };
        if !known.categories.is_empty() && !known.categories.contains(&category.value.as_str()) {
            let message = format!("`{}` scores no category `{}`", fact.value, category.value);
            let help = did_you_mean(&category.value, known.categories.iter().copied()).unwrap_or_else(|| {
                format!("it scores {}; add it there, or name one of these", known.categories.join(", "))
            });
            reporter.push(
                Diagnostic::new(Code::UndeclaredName, message)
                    .at(reporter.span(category.range()), "")
                    .help(help),
            );
            return None;
        }
        if !(0.0..=1.0).contains(&at.value) {
            reporter.push(
                Diagnostic::new(
                    Code::BadRule,
                    "a score is from 0 to 1, so this threshold is always reached or never",
                )
                .at(reporter.span(at.range()), "")
                .help("write a number from 0 to 1"),
            );
            return None;
        }
        Some(Find::Threshold(Threshold {
            fact: fact.value.clone(),
            category: category.value.clone(),
            at: at.value,
        }))
    }

    fn finder_spec(&self, reporter: &mut Reporter<'_>) -> Option<FinderSpec> {
        let kind = if let Some(pattern) = &self.pattern {
            Kind::Pattern(pattern.value.clone())
        } else if let Some(phrases) = &self.phrases {
            Kind::Phrases(phrases.value.clone())
        } else {
            let signals = self.signals.as_ref()?;
            let mut of = Vec::new();
            for signal in &signals.value.of {
                let what = match (&signal.pattern, &signal.phrases) {
                    (Some(pattern), None) => Kind::Pattern(pattern.clone()),
                    (None, Some(phrases)) => Kind::Phrases(phrases.clone()),
                    _ => {
                        reporter.push(
                            Diagnostic::new(Code::BadFind, "a signal is `phrases` or a `pattern`")
                                .at(reporter.span(signals.range()), "")
                                .help("give each signal exactly one of the two"),
                        );
                        return None;
                    }
                };
                of.push(SignalSpec { what, weight: signal.weight });
            }
            Kind::Signals { at: signals.value.at, of }
        };
        Some(FinderSpec {
            kind,
            check: self.check.as_ref().map(|check| check.value.clone()),
            near: self.near.as_ref().map(|near| NearSpec {
                words: near.words.clone(),
                within: near.within,
                unless: near.unless.map(|UnlessSpec::Separated| Unless::Separated),
            }),
            not: self
                .not
                .iter()
                .map(|exception| match exception {
                    ExceptionSpec::Scalar(text) => Exception::Literal(text.clone()),
                    ExceptionSpec::Mapping(pattern) => Exception::Pattern(pattern.pattern.clone()),
                })
                .collect(),
            views: self.views.iter().map(|view| View::from(*view)).collect(),
            max_bytes: self.max_bytes,
        })
    }

    fn report(&self, error: &text::FindError, at: Range<usize>, reporter: &mut Reporter<'_>) {
        let diagnostic = match error {
            text::FindError::UnknownCheck { name } => {
                let span = self.check.as_ref().map_or(at, Spanned::range);
                Diagnostic::new(Code::UnknownCheck, format!("there is no check called `{name}`"))
                    .at(reporter.span(span), "")
                    .help(
                        did_you_mean(name, text::check::names())
                            .unwrap_or_else(|| format!("the checks are {}", text::check::names().join(", "))),
                    )
            }
            other => {
                let span = self.pattern.as_ref().map_or(at, Spanned::range);
                Diagnostic::new(Code::BadPattern, one_line(&other.to_string()))
                    .at(reporter.span(span), "")
                    .maybe_help(other.help())
            }
        };
        reporter.push(diagnostic);
    }

    /// The same without what a match has to fulfil beyond its shape: what a near miss still matches.
    fn shape_only(&self, reporter: &mut Reporter<'_>) -> Option<Finder> {
        if self.check.is_none() && self.near.is_none() && self.not.is_empty() {
            return None;
        }
        let spec = self.finder_spec(reporter)?;
        Finder::new(&FinderSpec { check: None, near: None, not: Vec::new(), ..spec }).ok()
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a matcher of a later version earns.
pub(crate) fn unsupported(name: &str, reporter: &Reporter<'_>, at: Range<usize>) -> Diagnostic {
    Diagnostic::new(Code::UnsupportedKind, format!("this version can't apply a `{name}` matcher"))
        .at(reporter.span(at), "")
        .help(
            "leave it out and use the tool's JSON Schema (`enum`, `pattern`, `maxLength`) and Cedar policies",
        )
}

pub(crate) use argument::prove as prove_argument;

/// Holds a rule to its own examples.
pub(crate) fn prove(
    id: &str,
    spec: &FindSpec,
    finder: &Finder,
    examples: Option<&Spanned<ExamplesSpec>>,
    at: Range<usize>,
    reporter: &mut Reporter<'_>,
) {
    if let Err(error) = finder.prove() {
        spec.report(&error, at, reporter);
        return;
    }
    let Some(examples) = examples else {
        unproved(id, at, reporter);
        return;
    };
    let ExamplesSpec { matching, ignore } = &examples.value;
    let fires = |finder: &Finder, text: &str| !finder.find(&text::Text::new(text)).is_empty();
    for example in matching {
        if !fires(finder, &example.value) {
            let why = match spec.shape_only(reporter) {
                Some(shape) if fires(&shape, &example.value) => {
                    "its shape matches, but `check`, `near` or `not` rejects it"
                }
                _ => "nothing in it matches",
            };
            reporter.push(
                Diagnostic::new(Code::ExampleFails, format!("`{id}` does not match its own example"))
                    .at(reporter.span(example.range()), why),
            );
        }
    }
    for example in ignore {
        if fires(finder, &example.value) {
            reporter.push(
                Diagnostic::new(
                    Code::ExampleFails,
                    format!("`{id}` matches an example that it should ignore"),
                )
                .at(reporter.span(example.range()), "matches"),
            );
        }
    }
    let near = match spec.shape_only(reporter) {
        Some(shape) => ignore.iter().any(|example| fires(&shape, &example.value)),
        None => {
            let known: Vec<String> =
                matching.iter().flat_map(|example| text::trigrams(&example.value)).collect();
            ignore
                .iter()
                .any(|example| text::trigrams(&example.value).iter().any(|gram| known.contains(gram)))
        }
    };
    if !near {
        reporter.push(
            Diagnostic::new(Code::NoNearMiss, format!("no `ignore` example of `{id}` comes close to it"))
                .at(reporter.span(examples.range()), "")
                .help("add a text that has the shape and fails `check`, `near` or `not`; or, for a bare pattern, one that shares a word with a match"),
        );
    }
}

/// Warns of a rule without examples.
fn unproved(id: &str, at: Range<usize>, reporter: &mut Reporter<'_>) {
    let mut diagnostic = Diagnostic::new(Code::NoNearMiss, format!("nothing proves that `{id}` works"))
        .at(reporter.span(at), "")
        .help("add `examples:` with texts to `match` and texts to `ignore`");
    diagnostic.severity = crate::diagnostic::Severity::Warning;
    reporter.push(diagnostic);
}
