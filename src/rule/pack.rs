//! `packs/*.yaml`: text rules and thresholds.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::find::{FindSpec, ViewSpec};
use super::replace::ReplaceSpec;
use super::{Find, Replacement, Reporter, Rule};
use crate::bundle::FactSpec;
use crate::decode::{List, Spanned};
use crate::diagnostic::{Code, Diagnostic, Lines};
use crate::event::{Part, Stage};
use crate::verdict::{Action, Severity};

/// A pack: rules that belong together, with what they have in common.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence pack (packs/*.yaml)", deny_unknown_fields)]
pub(crate) struct PackSpec {
    /// Name of the pack; its rules are called `pack/rule`.
    #[schemars(extend("examples" = ["pii"]))]
    pub(crate) pack: Spanned<String>,
    /// What it is about, for people.
    #[expect(dead_code, reason = "for people; reading it keeps the key known")]
    #[schemars(extend("examples" = ["Personal data"]))]
    pub(crate) title: Option<String>,
    /// Stages of rules that name none.
    #[schemars(extend("examples" = [["input", "tool_result"]]))]
    pub(crate) stages: Option<Vec<Stage>>,
    /// Action of rules that name none.
    #[schemars(extend("examples" = ["redact"]))]
    pub(crate) action: Option<Action>,
    /// Tags of every rule, besides its own.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["gdpr"]]))]
    pub(crate) tags: Vec<Spanned<String>>,
    /// Views that every rule reads, besides its own.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["base64"]]))]
    views: Vec<ViewSpec>,
    /// The rules.
    #[schemars(extend("default" = [], "examples" = [[{"id": "order_number", "find": {"pattern": "ORD-\\d{8}"}, "action": "redact", "examples": {"match": ["ORD-12345678"], "ignore": ["ORD-1"]}}]]))]
    pub(crate) rules: List<RuleSpec>,
}

/// A rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Rule", deny_unknown_fields)]
pub(crate) struct RuleSpec {
    /// Name of the rule within its pack.
    #[schemars(extend("examples" = ["us_ssn"]))]
    pub(crate) id: Spanned<String>,
    /// What it is about, for people.
    #[schemars(extend("examples" = ["US social security number"]))]
    pub(crate) title: Option<String>,
    /// The stages at which it applies.
    #[schemars(extend("examples" = [["input", "tool_call"]]))]
    pub(crate) stages: Option<Vec<Stage>>,
    /// The parts of an event that it reads; all where absent.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["user"]]))]
    pub(crate) parts: Vec<Spanned<Part>>,
    /// What it finds.
    #[schemars(extend("examples" = [{"pattern": "\\d{3}-\\d{2}-\\d{4}", "check": "us_ssn"}]))]
    pub(crate) find: Spanned<FindSpec>,
    /// What it does with what it finds.
    #[schemars(extend("examples" = ["redact"]))]
    pub(crate) action: Option<Action>,
    /// What stands in place of a match, for `redact` (default `[REMOVED]`).
    #[schemars(extend("examples" = ["[SSN_REMOVED]", {"mask": "last4"}]))]
    pub(crate) replace: Option<Spanned<ReplaceSpec>>,
    /// What the agent or user is told instead, for `deny` and `ask`.
    #[schemars(extend("examples" = ["This may not leave the company"]))]
    pub(crate) message: Option<Spanned<String>>,
    /// How bad a match is.
    #[serde(default)]
    #[schemars(extend("examples" = ["high"]))]
    pub(crate) severity: Severity,
    /// Whether a policy may waive it (default true).
    #[schemars(extend("default" = true, "examples" = [false]))]
    pub(crate) waivable: Option<bool>,
    /// Its tags, besides those of the pack.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["pii"]]))]
    pub(crate) tags: Vec<Spanned<String>>,
    /// Texts that it must and must not match, proved whenever the bundle is compiled.
    #[schemars(extend("examples" = [{"match": ["536-90-4399"], "ignore": ["000-12-3456"]}]))]
    pub(crate) examples: Option<Spanned<ExamplesSpec>>,
}

/// Texts that a rule must and must not match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "Examples", deny_unknown_fields)]
pub(crate) struct ExamplesSpec {
    /// Texts that it matches.
    #[serde(default, rename = "match")]
    #[schemars(extend("default" = [], "examples" = [["ORD-12345678"]]))]
    pub(crate) matching: Vec<Spanned<String>>,
    /// Texts that it does not match; one at least comes close.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["ORD-1"]]))]
    pub(crate) ignore: Vec<Spanned<String>>,
}

/// What a pack's file declares.
pub(crate) struct Pack {
    pub(crate) name: Spanned<String>,
    pub(crate) rules: Vec<Arc<Rule>>,
}

/// Whether examples are proved: not for a bundle whose own build has done so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Examples {
    Prove,
    Trust,
}

/// What rules may refer to.
pub(crate) struct Scope<'a> {
    pub(crate) facts: &'a [Fact<'a>],
    pub(crate) has_key: bool,
    pub(crate) examples: Examples,
}

/// A fact that thresholds may look at.
pub(crate) struct Fact<'a> {
    pub(crate) name: &'a str,
    /// Its categories; empty where the manifest does not list them.
    pub(crate) categories: Vec<&'a str>,
}

impl<'a> Fact<'a> {
    pub(crate) fn new((name, spec): &'a (Spanned<String>, FactSpec)) -> Self {
        let categories = spec.categories.iter().map(|category| category.value.as_str()).collect();
        Self { name: &name.value, categories }
    }
}

pub(crate) fn compile(spec: PackSpec, scope: &Scope<'_>, reporter: &mut Reporter<'_>) -> Pack {
    let mut rules: Vec<Arc<Rule>> = Vec::new();
    let mut known: HashMap<String, Range<usize>> = HashMap::new();
    let mut lines = Lines::new(reporter.text);
    let pack: Arc<str> = spec.pack.value.as_str().into();
    plain_name(&spec.pack, "a pack", reporter);
    for mut rule in spec.rules.0 {
        rule.find.value.add_views(&spec.views);
        plain_name(&rule.id, "a rule", reporter);
        if let Some(first) = known.get(&rule.id.value) {
            let duplicate =
                Diagnostic::new(Code::DuplicateName, format!("two rules are called `{}`", rule.id.value))
                    .at(reporter.span(rule.id.range()), "again here")
                    .related(reporter.span(first.clone()), "first here");
            reporter.push(duplicate);
            continue;
        }
        known.insert(rule.id.value.clone(), rule.id.range());
        let line = lines.of(rule.id.start);
        let defaults =
            Defaults { pack: &pack, stages: spec.stages.as_deref(), action: spec.action, tags: &spec.tags };
        rules.extend(compile_rule(rule, line, &defaults, scope, reporter).map(Arc::new));
    }
    Pack { name: spec.pack, rules }
}

fn plain_name(name: &Spanned<String>, what: &str, reporter: &mut Reporter<'_>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.value.is_empty() || !name.value.bytes().all(plain) {
        let diagnostic = Diagnostic::new(Code::BadValue, format!("`{}` can't name {what}", name.value))
            .at(reporter.span(name.range()), "")
            .help("use letters, digits, `_`, `-` and `.`");
        reporter.push(diagnostic);
    }
}

struct Defaults<'a> {
    pack: &'a Arc<str>,
    stages: Option<&'a [Stage]>,
    action: Option<Action>,
    tags: &'a [Spanned<String>],
}

fn compile_rule(
    spec: RuleSpec,
    line: u32,
    defaults: &Defaults<'_>,
    scope: &Scope<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Rule> {
    let at = spec.id.range();
    let id: Arc<str> = format!("{}/{}", defaults.pack, spec.id.value).into();
    let missing = |what: &str, reporter: &Reporter<'_>| {
        Diagnostic::new(Code::MissingKey, format!("the rule `{id}` has no `{what}`"))
            .at(reporter.span(at.clone()), "")
            .help(format!("add `{what}:` to the rule or, for all its rules, to the pack"))
    };
    let Some(action) = spec.action.or(defaults.action) else {
        reporter.push(missing("action", reporter));
        return None;
    };
    let stages = spec.stages.as_deref().or(defaults.stages).unwrap_or_default().to_vec();
    if stages.is_empty() {
        reporter.push(missing("stages", reporter));
        return None;
    }
    check_parts(&spec.parts, &stages, reporter);
    let mut find = spec.find.value.compile(&id, spec.find.range(), scope, reporter)?;
    let replacement = match spec.replace {
        Some(replace) => {
            if action != Action::Redact {
                reporter.push(
                    Diagnostic::new(Code::BadRule, format!("`replace` of `{id}` has no effect"))
                        .at(reporter.span(replace.range()), "")
                        .help("`replace` belongs to `action: redact`"),
                );
            }
            replace.value.compile(replace.start..replace.end, scope, reporter)?
        }
        None => Replacement::default(),
    };
    if let (Some(message), Action::Flag | Action::Redact) = (&spec.message, action) {
        reporter.push(
            Diagnostic::new(Code::BadRule, format!("`message` of `{id}` is never shown"))
                .at(reporter.span(message.range()), "")
                .help("`message` belongs to `action: deny` or `action: ask`"),
        );
    }
    if matches!(find, Find::Threshold(_)) && action == Action::Redact {
        reporter.push(
            Diagnostic::new(Code::BadRule, format!("`{id}` has nothing to redact"))
                .at(reporter.span(spec.find.range()), "a threshold judges the event as a whole")
                .help("use `action: deny`, `ask` or `flag`"),
        );
        return None;
    }
    if let Find::Argument(finder) = &find {
        if action == Action::Redact {
            reporter.push(
                Diagnostic::new(Code::BadRule, format!("`{id}` has nothing to redact"))
                    .at(reporter.span(spec.find.range()), "an argument is refused or let through as a whole")
                    .help("use `action: deny`, `ask` or `flag`"),
            );
            return None;
        }
        if stages.iter().any(|stage| *stage != Stage::ToolCall) {
            reporter.push(
                Diagnostic::new(Code::BadRule, format!("`{id}` finds something only at `tool_call`"))
                    .at(reporter.span(at.clone()), "")
                    .help("write `stages: [tool_call]`"),
            );
            return None;
        }
        if scope.examples == Examples::Prove {
            super::find::prove_argument(&id, finder, spec.examples.as_ref(), at.clone(), reporter);
        }
    }
    if let (Examples::Prove, Find::Text(finder)) = (scope.examples, &find) {
        super::find::prove(&id, &spec.find.value, finder, spec.examples.as_ref(), at.clone(), reporter);
        if let Replacement::Text(text) = &replacement
            && action == Action::Redact
            && !finder.find(&crate::text::Text::new(text)).is_empty()
        {
            let message = format!("what `{id}` puts in place of a match matches it again");
            reporter.push(
                Diagnostic::new(Code::BadRule, message)
                    .at(reporter.span(at), "")
                    .help("choose a `replace` that does not look like what it stands for"),
            );
        }
    }
    if let Find::Text(finder) = &mut find {
        // Many of a bundle's rules find nothing for as long as it is used.
        finder.forget();
    }
    let mut tags: Vec<Arc<str>> =
        defaults.tags.iter().chain(&spec.tags).map(|tag| tag.value.as_str().into()).collect();
    tags.dedup();
    Some(Rule {
        id,
        pack: Arc::clone(defaults.pack),
        stages,
        parts: spec.parts.iter().map(|part| part.value).collect(),
        find: Arc::new(find),
        action,
        replacement,
        message: spec.message.map(|message| message.value),
        title: spec.title.map(Arc::from),
        severity: spec.severity,
        waivable: spec.waivable.unwrap_or(true),
        tags,
        file: Arc::clone(reporter.file),
        line,
    })
}

fn check_parts(parts: &[Spanned<Part>], stages: &[Stage], reporter: &mut Reporter<'_>) {
    for part in parts {
        let (at, name) = match part.value {
            Part::User => (&[Stage::Input][..], "user"),
            Part::History => (&[Stage::Input][..], "history"),
            Part::Name => (&[Stage::Access][..], "name"),
            Part::Instructions => (&[Stage::Input, Stage::Access][..], "instructions"),
        };
        if !at.iter().any(|stage| stages.contains(stage)) {
            let stages: Vec<String> = at.iter().map(|stage| format!("`{stage}`")).collect();
            reporter.push(
                Diagnostic::new(Code::BadRule, format!("no stage of this rule has a part `{name}`"))
                    .at(reporter.span(part.range()), "")
                    .help(format!("`{name}` is a part of {}", stages.join(" and "))),
            );
        }
    }
}
