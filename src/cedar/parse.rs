//! Cedar files to policies with their places, and what their annotations say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{ActionConstraint, Effect, Policy, PolicyId, PolicySet};
use miette::Diagnostic as _;

use super::reads::Reads;
use super::{PolicyEffect, Source};
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};

/// Annotations that mean something.
const ANNOTATIONS: &[&str] = &["id", "reason", "effect", "mode", "expires", "owner"];

/// A policy as parsed.
pub(super) struct Parsed {
    pub(super) policy: Policy,
    pub(super) id: String,
    pub(super) effect: PolicyEffect,
    pub(super) file: Arc<str>,
    /// The bytes of the policy in its file, annotations included.
    pub(super) span: Span,
    pub(super) reason: Option<String>,
    pub(super) owner: Option<String>,
    /// Milliseconds since 1970 from which on it does not apply, and the date as written.
    pub(super) expires: Option<(i64, String)>,
    pub(super) reads: Reads,
    pub(super) source: Arc<str>,
}

impl Parsed {
    /// The span of the first place in the policy where `text` stands, or of the whole policy.
    pub(super) fn find(&self, text: &str) -> Span {
        let slice = self.source.get(self.span.start..self.span.end).unwrap_or_default();
        match slice.find(text) {
            Some(at) => {
                let start = self.span.start + at;
                Span::new(&self.file, start, start + text.len())
            }
            None => self.head(),
        }
    }

    /// The span of an attribute's name: in the conditions and as a word of its own where it stands so.
    pub(super) fn find_name(&self, name: &str) -> Span {
        let slice = self.source.get(self.span.start..self.span.end).unwrap_or_default();
        let conditions = slice.find(')').unwrap_or(0);
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let alone = |at: &usize| {
            let before = slice.get(..*at).and_then(|text| text.chars().next_back());
            let after = slice.get(at + name.len()..).and_then(|text| text.chars().next());
            *at > conditions && !before.is_some_and(part) && !after.is_some_and(part)
        };
        match slice.match_indices(name).map(|(at, _)| at).find(alone) {
            Some(at) => {
                let start = self.span.start + at;
                Span::new(&self.file, start, start + name.len())
            }
            None => self.find(name),
        }
    }

    /// The policy's first line that is no annotation: what an excerpt shows of it.
    pub(super) fn head(&self) -> Span {
        let slice = self.source.get(self.span.start..self.span.end).unwrap_or_default();
        let mut at = 0;
        for line in slice.split_inclusive('\n') {
            let trimmed = line.trim_start();
            if !(trimmed.is_empty() || trimmed.starts_with('@') || trimmed.starts_with("//")) {
                let start = self.span.start + at + (line.len() - trimmed.len());
                return Span::new(&self.file, start, start + trimmed.trim_end().len());
            }
            at += line.len();
        }
        self.span.clone()
    }

    /// The rules and packs that it names, each as type and id, where it waives rules.
    pub(super) fn waives(&self) -> Vec<(String, String)> {
        if !self.actions().is_some_and(|actions| actions.iter().all(|name| name == "waive")) {
            return Vec::new();
        }
        let named: std::collections::BTreeSet<(String, String)> = self
            .policy
            .entity_literals()
            .into_iter()
            .map(|literal| (literal.type_name().to_string(), literal.id().unescaped().to_owned()))
            .filter(|(kind, _)| kind == "Rule" || kind == "Pack")
            .collect();
        named.into_iter().collect()
    }

    /// Names of the actions in the scope; `None` where it names none.
    pub(super) fn actions(&self) -> Option<Vec<String>> {
        match self.policy.action_constraint() {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(action) => Some(vec![action.id().unescaped().to_owned()]),
            ActionConstraint::In(actions) => {
                Some(actions.iter().map(|action| action.id().unescaped().to_owned()).collect())
            }
        }
    }
}

/// Parses every file; reports what is wrong with single policies and their annotations.
pub(super) fn parse(sources: &[Source], out: &mut Vec<Diagnostic>) -> Vec<Parsed> {
    let mut parsed: Vec<Parsed> = Vec::new();
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources {
        hidden_characters(source, out);
        let set: PolicySet = match source.text.parse() {
            Ok(set) => set,
            Err(errors) => {
                for error in cedar_policy::ParseErrors::iter(&errors) {
                    let span = label(error, &source.file).unwrap_or_else(|| Span::whole(&source.file));
                    let help = error.help().map(|help| help.to_string());
                    out.push(
                        Diagnostic::new(Code::CedarSyntax, error.to_string()).at(span, "").maybe_help(help),
                    );
                }
                continue;
            }
        };
        for template in set.templates() {
            let span = locate(&source.text, &template.to_cedar(), 0);
            out.push(
                Diagnostic::new(Code::Template, "a policy with `?principal` or `?resource` is never applied")
                    .at(Span::new(&source.file, span.0, span.1), "")
                    .help("write out the principal and resource that are meant"),
            );
        }
        let mut policies: Vec<&Policy> = set.policies().collect();
        // `policy0`, `policy1`, …: the parser numbers them in file order.
        policies.sort_by_key(|policy| number(policy.id()));
        let mut from = 0;
        for policy in policies {
            let text = policy.to_cedar().unwrap_or_default();
            let (start, end) = locate(&source.text, &text, from);
            from = end;
            let place = Place { source, span: Span::new(&source.file, start, end) };
            if let Some(one) = annotated(policy, &place, out) {
                if let Some(first) = ids.get(&one.id).and_then(|index| parsed.get(*index)) {
                    let text = format!("two policies are called `{}`", one.id);
                    out.push(
                        Diagnostic::new(Code::DuplicateId, text)
                            .at(one.find(&format!("\"{}\"", one.id)), "again here")
                            .related(first.find(&format!("\"{}\"", first.id)), "first here"),
                    );
                    continue;
                }
                ids.insert(one.id.clone(), parsed.len());
                parsed.push(one);
            }
        }
    }
    parsed
}

fn number(id: &PolicyId) -> usize {
    AsRef::<str>::as_ref(id).trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

fn locate(file: &str, text: &str, from: usize) -> (usize, usize) {
    let at = file.get(from..).and_then(|rest| rest.find(text)).map_or(from, |at| from + at);
    (at, (at + text.len()).min(file.len()))
}

/// The first label of one of Cedar's errors.
pub(super) fn label(error: &dyn miette::Diagnostic, file: &Arc<str>) -> Option<Span> {
    let label = error.labels()?.next()?;
    Some(Span::new(file, label.offset(), label.offset() + label.len()))
}

fn hidden_characters(source: &Source, out: &mut Vec<Diagnostic>) {
    let hidden = |c: char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    for (at, c) in source.text.char_indices().filter(|(at, c)| hidden(*c) && *at > 0).take(8) {
        let message = format!("a character that does not show or turns text around (U+{:04X})", u32::from(c));
        out.push(
            Diagnostic::new(Code::Confusable, message)
                .at(Span::new(&source.file, at, at + c.len_utf8()), "here")
                .help("remove it: what a reviewer sees must be what the engine reads"),
        );
    }
}

struct Place<'a> {
    source: &'a Source,
    span: Span,
}

fn annotated(policy: &Policy, place: &Place<'_>, out: &mut Vec<Diagnostic>) -> Option<Parsed> {
    let body = match policy.to_pst() {
        Ok(pst) => Some(Reads::of(pst.body())),
        Err(_) => None,
    };
    let annotations: HashMap<&str, &str> = policy.annotations().collect();
    let mut parsed = Parsed {
        policy: policy.clone(),
        id: annotations.get("id").copied().unwrap_or_default().to_owned(),
        effect: PolicyEffect::Permit,
        file: Arc::clone(&place.source.file),
        span: place.span.clone(),
        reason: annotations.get("reason").map(|reason| (*reason).to_owned()),
        owner: annotations.get("owner").map(|owner| (*owner).to_owned()),
        expires: None,
        reads: body.unwrap_or_default(),
        source: Arc::clone(&place.source.text),
    };
    let before = out.len();
    let mut keys: Vec<&str> = annotations.keys().copied().collect();
    keys.sort_unstable();
    for key in keys {
        if !ANNOTATIONS.contains(&key) {
            let help = did_you_mean(key, ANNOTATIONS.iter().copied())
                .unwrap_or_else(|| format!("the annotations are @{}", ANNOTATIONS.join(", @")));
            out.push(
                Diagnostic::new(Code::UnknownAnnotation, format!("there is no annotation `@{key}`"))
                    .at(parsed.find(&format!("@{key}")), "")
                    .help(help),
            );
        }
    }
    if parsed.id.is_empty() {
        out.push(Diagnostic::new(Code::MissingId, "this policy has no `@id`").at(parsed.head(), "").help(
            "put `@id(\"a-name\")` above it: verdicts, tests and the audit log speak of policies by name",
        ));
    }
    let line_of_permit = policy.effect() == Effect::Permit;
    parsed.effect = effect(&annotations, line_of_permit, &parsed, out);
    parsed.expires = expires(&annotations, line_of_permit, &parsed, out);
    if annotations.contains_key("owner") && !line_of_permit {
        out.push(bad(&parsed, "owner", "`@owner` stands on permits and waivers"));
    }
    if annotations.get("reason").is_some_and(|reason| reason.trim().is_empty()) {
        out.push(bad(&parsed, "reason", "`@reason` is empty"));
    }
    (out.len() == before).then_some(parsed)
}

fn bad(parsed: &Parsed, key: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::BadAnnotation, message).at(parsed.find(&format!("@{key}")), "")
}

fn effect(
    annotations: &HashMap<&str, &str>,
    permit: bool,
    parsed: &Parsed,
    out: &mut Vec<Diagnostic>,
) -> PolicyEffect {
    let mut effect = if permit { PolicyEffect::Permit } else { PolicyEffect::Forbid };
    let choices = [("effect", "ask", PolicyEffect::Ask), ("mode", "shadow", PolicyEffect::Shadow)];
    for (key, value, means) in choices {
        match annotations.get(key) {
            None => {}
            Some(_) if permit => out.push(
                bad(parsed, key, format!("`@{key}` stands on a forbid"))
                    .help("write a forbid with it instead"),
            ),
            Some(given) if *given == value => effect = means,
            Some(_) => out.push(
                bad(parsed, key, format!("`@{key}` takes one value: \"{value}\""))
                    .help(format!("write `@{key}(\"{value}\")`")),
            ),
        }
    }
    let waives = || {
        parsed.actions().is_some_and(|actions| actions.iter().all(|name| name == "waive" || name == "reveal"))
    };
    if permit && waives() { PolicyEffect::Waiver } else { effect }
}

fn expires(
    annotations: &HashMap<&str, &str>,
    permit: bool,
    parsed: &Parsed,
    out: &mut Vec<Diagnostic>,
) -> Option<(i64, String)> {
    let date = annotations.get("expires")?;
    if !permit {
        out.push(
            bad(parsed, "expires", "`@expires` stands on permits and waivers")
                .help("a forbid that ends by itself would open a hole; compare `context.at` instead"),
        );
        return None;
    }
    let midnight = date.parse::<jiff::civil::Date>().ok().filter(|_| date.len() == 10);
    let midnight = midnight.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    match midnight {
        Some(midnight) => Some((midnight.timestamp().as_millisecond(), (*date).to_owned())),
        None => {
            out.push(
                bad(parsed, "expires", "`@expires` is not a date").help("write `@expires(\"2026-12-31\")`"),
            );
            None
        }
    }
}
