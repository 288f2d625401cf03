//! The only module that names Cedar: schema, checks of policies, the index by scope, and requests.
//!
//! Policies are asked by scope: a policy is looked at only if its principal, action and resource can match the request's
//! or an ancestor of them. A policy left out so is false and can't err, so that the answer is the one that Cedar's own
//! authorizer gives over all of them; a differential test holds this.

mod alter;
#[cfg(feature = "cli")]
mod format;
mod index;
mod kept;
mod key;
mod levers;
mod lint;
mod narrow;
mod parse;
mod parts;
mod paths;
mod probe;
mod reads;
mod request;
mod schema;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
mod uses;
mod validate;
mod vocabulary;

pub(crate) use alter::Alteration;
#[cfg(feature = "cli")]
pub(crate) use format::format;
pub(crate) use levers::Levers;
pub(crate) use narrow::{About, Narrow, Through, Who, without_permits};
pub(crate) use parts::place_of;
pub(crate) use probe::outcome as probe_outcome;
pub use vocabulary::{AttributeType, AttributeValue};
pub(crate) use vocabulary::{BUILT_IN_ACTIONS, Declared, NEW_AGENTS, Tool, Unlisted, Unread, Vocabulary};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Lines, Span};

/// A Cedar file.
pub(crate) struct Source {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
}

/// Policies that were checked and parsed before.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepared {
    list: Vec<PolicyInfo>,
    /// Each as the index stores it, in Cedar's JSON, and what it reads.
    stored: Vec<(String, reads::Reads)>,
    mentions: BTreeSet<(String, String)>,
}

/// How much of a bundle's policies is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    /// Everything.
    Full,
    /// Only what making them ready finds: for the embedded bundle, which the build's own tests check in full.
    Trusted,
}

/// What a policy does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyEffect {
    /// It lets the event go on.
    Permit,
    /// It refuses the event.
    Forbid,
    /// It wants a person to approve the event.
    Ask,
    /// It is recorded and never enforced.
    Shadow,
    /// It makes an exception to a rule.
    Waiver,
}

impl PolicyEffect {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PolicyEffect::Permit => "permit",
            PolicyEffect::Forbid => "forbid",
            PolicyEffect::Ask => "ask",
            PolicyEffect::Shadow => "shadow",
            PolicyEffect::Waiver => "waiver",
        }
    }
}

/// A policy as people speak of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyInfo {
    /// Its `@id`.
    pub id: String,
    /// What it does.
    pub effect: PolicyEffect,
    /// Where it stands.
    pub span: Span,
    /// The line of it, from 1.
    pub line: u32,
    /// Its `@reason`.
    pub reason: Option<String>,
    /// Its `@owner`.
    pub owner: Option<String>,
    /// The date of its `@expires`.
    pub expires: Option<String>,
    /// The same in milliseconds since 1970.
    pub(crate) expires_at: Option<i64>,
    /// The rules and packs that a waiver names; empty for others.
    pub(crate) waives: Vec<(String, String)>,
}

impl PolicyInfo {
    /// Whether it counts for what is asked; `number` is its own.
    fn is_in_force(&self, number: usize, ask: &Ask<'_>) -> bool {
        ask.without != Some(number) && self.expires_at.is_none_or(|expires| ask.at < expires)
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question<'a> {
    RunAgent,
    CreateAgent,
    SendInput,
    SendOutput,
    ReadResult { tool: &'a str },
    CallTool { tool: &'a str, input: &'a Value },
    CallUnlisted { tool: &'a str },
    Waive { rule: &'a str, tool: Option<&'a str> },
    Reveal { rule: &'a str, tool: Option<&'a str> },
}

/// A question with all that policies may read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) user: &'a str,
    pub(crate) roles: &'a [String],
    pub(crate) tenant: Option<&'a str>,
    pub(crate) attributes: &'a BTreeMap<String, AttributeValue>,
    pub(crate) question: Question<'a>,
    pub(crate) agent: &'a str,
    /// Whether the agent is one that is or was created, not one of the directory.
    pub(crate) agent_is_new: bool,
    pub(crate) model: Option<&'a str>,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// A policy that is to say nothing, as if it had expired.
    pub(crate) without: Option<usize>,
    pub(crate) stage: &'a str,
    pub(crate) found: &'a BTreeSet<&'a str>,
    pub(crate) packs: &'a BTreeSet<&'a str>,
    pub(crate) tags: &'a BTreeSet<&'a str>,
    pub(crate) session: &'a SessionView<'a>,
}

/// What policies see of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionView<'a> {
    pub(crate) labels: &'a BTreeSet<String>,
    pub(crate) calls: u64,
    pub(crate) denials: u64,
    pub(crate) findings: u64,
    pub(crate) minutes: u64,
    pub(crate) turns: u64,
    pub(crate) tokens: u64,
}

/// The policies that were satisfied or could not be evaluated, by what they do; numbers of [`Policies::list`].
///
/// Cedar's own words about an error are left out on purpose: they show values of the context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) permits: Vec<usize>,
    pub(crate) forbids: Vec<usize>,
    pub(crate) asks: Vec<usize>,
    pub(crate) shadows: Vec<usize>,
    pub(crate) errors: Vec<usize>,
    pub(crate) shadow_errors: Vec<usize>,
}

impl Answer {
    /// The permits, where nothing speaks against them: what a waiver or a reveal needs.
    pub(crate) fn unopposed(self) -> Vec<usize> {
        let opposed = !(self.forbids.is_empty() && self.asks.is_empty() && self.errors.is_empty());
        if opposed { Vec::new() } else { self.permits }
    }
}

/// Every policy of a bundle, ready to be asked.
pub(crate) struct Policies {
    list: Vec<PolicyInfo>,
    index: index::Index,
    requests: Arc<request::Requests>,
    mentions: Arc<BTreeSet<(String, String)>>,
    /// What those compare that read arguments. Made when it is first asked for.
    compared: OnceLock<Vec<levers::Compared>>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("policies", &self.list.len()).finish_non_exhaustive()
    }
}

/// Checks every policy and makes them ready. `None` where there is an error among the diagnostics.
pub(crate) fn compile(
    sources: &[Source],
    vocabulary: &Vocabulary,
    checks: Checks,
    out: &mut Vec<Diagnostic>,
) -> Option<Policies> {
    let before = out.len();
    let parsed = parse::parse(sources, out);
    if checks == Checks::Full {
        let names = lint::Names::new(vocabulary);
        let attributes = paths::Attributes::new(vocabulary);
        let mut valid = Vec::new();
        for one in &parsed {
            lint::scope(one, out);
            // What is misspelt would be reported a second time, and less clearly, by Cedar's own checks.
            let misnamed = lint::names(one, &names, out);
            let astray = attributes.lint(one, out);
            if !misnamed && !astray {
                valid.push(one);
            }
        }
        validate::validate(&valid, vocabulary, out);
        lint::unlisted(&parsed, vocabulary, out);
    }
    if out.iter().skip(before).any(Diagnostic::is_error) {
        return None;
    }
    let mentions = parsed
        .iter()
        .flat_map(|one| one.policy.entity_literals())
        .map(|literal| (literal.type_name().to_string(), literal.id().unescaped().to_owned()))
        .collect();
    let mut lines: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    let list: Vec<PolicyInfo> = parsed
        .iter()
        .map(|one| {
            let span = one.head();
            PolicyInfo {
                id: one.id.clone(),
                effect: one.effect,
                line: lines.entry(&one.file).or_insert_with(|| Lines::new(&one.source)).of(span.start),
                span,
                reason: one.reason.clone(),
                owner: one.owner.clone(),
                expires: one.expires.as_ref().map(|(_, date)| date.clone()),
                expires_at: one.expires.as_ref().map(|(at, _)| *at),
                waives: one.waives(),
            }
        })
        .collect();
    let stored = || {
        let stored = parsed.iter().enumerate().map(|(number, one)| index::as_permit(&one.policy, number));
        index::Index::new(stored.zip(parsed.iter().map(|one| &one.reads)))
    };
    match (stored(), requests(vocabulary, &mentions)) {
        (Some(index), Some(requests)) => {
            let (requests, mentions) = (Arc::new(requests), Arc::new(mentions));
            Some(Policies { list, index, requests, mentions, compared: OnceLock::new() })
        }
        // What is wrong has been told: names that are in themselves, or declared twice.
        _ if out.iter().any(Diagnostic::is_error) => None,
        _ => {
            let text = "the policies could not be made ready";
            out.push(Diagnostic::new(crate::diagnostic::Code::CedarType, text));
            None
        }
    }
}

fn requests(vocabulary: &Vocabulary, mentions: &BTreeSet<(String, String)>) -> Option<request::Requests> {
    let named: BTreeSet<&str> =
        mentions.iter().filter(|(kind, _)| kind == "Rule").map(|(_, rule)| rule.as_str()).collect();
    request::Requests::new(vocabulary, &|rule| named.contains(rule))
}

/// Makes policies ready that were checked before. `None` where Cedar can't read them again.
pub(crate) fn trusted(prepared: Prepared, vocabulary: &Vocabulary) -> Option<Policies> {
    let Prepared { list, stored, mentions } = prepared;
    let policies = stored.iter().enumerate().map(|(number, (json, reads))| {
        let json = serde_json::from_str(json).ok();
        (json.and_then(|json| index::from_json(json, number)), reads)
    });
    let index = index::Index::new(policies)?;
    let requests = Arc::new(requests(vocabulary, &mentions)?);
    Some(Policies { list, index, requests, mentions: Arc::new(mentions), compared: OnceLock::new() })
}

/// The schema of a bundle in Cedar's own syntax.
pub(crate) fn schema_text(vocabulary: &Vocabulary) -> Option<String> {
    let json = schema::json_schema(vocabulary, &vocabulary.tools);
    cedar_policy::SchemaFragment::from_json_value(json).ok()?.to_cedarschema().ok()
}

impl Policies {
    /// What [`trusted`] makes them of.
    #[cfg(test)]
    pub(crate) fn prepare(&self) -> Prepared {
        let stored = (0..self.list.len()).map(|number| self.index.stored(number).unwrap()).collect();
        Prepared { list: self.list.clone(), stored, mentions: (*self.mentions).clone() }
    }

    /// Every policy, in the order of files and places.
    pub(crate) fn list(&self) -> &[PolicyInfo] {
        &self.list
    }

    /// Whether a policy names this entity.
    pub(crate) fn mentions(&self, kind: &str, id: &str) -> bool {
        self.mentions.contains(&(kind.to_owned(), id.to_owned()))
    }

    /// Whether some permit could let somebody call a declared tool.
    pub(crate) fn permits_tool(&self, tool: &str) -> bool {
        let Some((actions, resources)) = self.requests.scope_of_tool(tool) else { return false };
        let permits =
            |policy: usize| self.list.get(policy).is_some_and(|info| info.effect == PolicyEffect::Permit);
        self.index.reach(actions, resources).into_iter().any(permits)
    }

    /// Asks every policy that can apply.
    pub(crate) fn ask(&self, ask: &Ask<'_>) -> Answer {
        let ask = &self.as_seen(ask);
        let Some(asked) = self.asked(ask) else { return self.all_err() };
        let mut answer = Answer::default();
        self.ask_plain(ask, &asked, &mut answer);
        if let Some(set) = asked.candidates.reading() {
            self.sort(&self.evaluate(ask, &asked, set), ask, &mut answer);
        }
        answer
    }

    /// A question as policies can tell it from others: where none names a user, a user is who has these roles and attributes. What
    /// an id is can't be asked, only whether it is the one that is named.
    fn as_seen<'a>(&self, ask: &Ask<'a>) -> Ask<'a> {
        if self.index.names_users() { *ask } else { Ask { user: "", ..*ask } }
    }

    fn asked(&self, ask: &Ask<'_>) -> Option<Arc<index::Asked>> {
        self.index.asked(key::Key::of_question(ask), || self.requests.scope(ask))
    }

    /// Asks the policies that read no arguments. What they say to a question that was asked before is known.
    fn ask_plain(&self, ask: &Ask<'_>, asked: &index::Asked, answer: &mut Answer) {
        let key = key::Key::of_context(ask, asked.candidates.plain_parts());
        if let Some(outcome) = asked.plain(key, |set| self.evaluate(ask, asked, set)) {
            self.sort(&outcome, ask, answer);
        }
    }

    fn evaluate(&self, ask: &Ask<'_>, asked: &index::Asked, set: &index::Set) -> index::Outcome {
        let entities = if set.looks_at_others() {
            self.requests.all(ask)
        } else {
            asked.own(|| self.requests.own(ask, &asked.scope))
        };
        let request = |needs: &index::Needs<'_>| {
            entities.as_deref().zip(self.requests.request(ask, &asked.scope, needs))
        };
        match request(&index::Needs::of(set)) {
            Some((entities, request)) => set.evaluate(&request, entities),
            // An argument that its type can't hold: what reads it can't be evaluated, and nothing else is touched.
            None => {
                let mut outcome = index::Outcome::default();
                for one in set.singles() {
                    match request(&one.needs).and_then(|(entities, request)| one.evaluate(&request, entities))
                    {
                        Some(false) => {}
                        Some(true) => outcome.satisfied.push(one.number),
                        None => outcome.erring.push(one.number),
                    }
                }
                outcome
            }
        }
    }

    /// Puts policies where they belong in the answer; one that has expired belongs nowhere.
    fn sort(&self, outcome: &index::Outcome, ask: &Ask<'_>, answer: &mut Answer) {
        for (policies, satisfied) in [(&outcome.satisfied, true), (&outcome.erring, false)] {
            for policy in policies {
                self.sort_one(*policy, ask, satisfied, answer);
            }
        }
        let Answer { permits, forbids, asks, shadows, errors, shadow_errors } = answer;
        for list in [permits, forbids, asks, shadows, errors, shadow_errors] {
            list.sort_unstable();
            list.dedup();
        }
    }

    fn sort_one(&self, policy: usize, ask: &Ask<'_>, satisfied: bool, answer: &mut Answer) {
        let Some(info) = self.list.get(policy).filter(|info| info.is_in_force(policy, ask)) else { return };
        match (info.effect, satisfied) {
            (PolicyEffect::Permit | PolicyEffect::Waiver, true) => answer.permits.push(policy),
            (PolicyEffect::Forbid, true) => answer.forbids.push(policy),
            (PolicyEffect::Ask, true) => answer.asks.push(policy),
            (PolicyEffect::Shadow, true) => answer.shadows.push(policy),
            (PolicyEffect::Shadow, false) => answer.shadow_errors.push(policy),
            (_, false) => answer.errors.push(policy),
        }
    }

    fn all_err(&self) -> Answer {
        Answer { errors: (0..self.list.len()).collect(), ..Answer::default() }
    }

    /// What is known before arguments are: the answer of the policies that read none, and whether a permit that does
    /// could apply.
    pub(crate) fn ask_without_input(&self, ask: &Ask<'_>) -> (Answer, bool) {
        let ask = &self.as_seen(ask);
        let Some(asked) = self.asked(ask) else { return (self.all_err(), false) };
        let permits = |policy: usize| {
            let info = self.list.get(policy);
            info.is_some_and(|info| info.effect == PolicyEffect::Permit && info.is_in_force(policy, ask))
        };
        let may_permit = asked.candidates.reading().is_some_and(|reading| reading.policies().any(permits));
        let mut answer = Answer::default();
        self.ask_plain(ask, &asked, &mut answer);
        (answer, may_permit)
    }

    /// The policies that can apply and read arguments, by what they do.
    pub(crate) fn reading(&self, ask: &Ask<'_>) -> Vec<(PolicyEffect, usize)> {
        let ask = &self.as_seen(ask);
        let Some(asked) = self.asked(ask) else { return Vec::new() };
        let numbers = asked.candidates.reading().into_iter().flat_map(index::Set::policies);
        let mut reading: Vec<_> =
            numbers.filter_map(|number| Some((self.list.get(number)?.effect, number))).collect();
        reading.sort_unstable();
        reading.dedup();
        reading
    }

    /// Whether a tool stays on offer before its arguments are known: unless a forbid that reads no arguments fires or
    /// errs, or no permit could apply whatever the arguments.
    pub(crate) fn remains(&self, ask: &Ask<'_>) -> bool {
        let (answer, may_permit) = self.ask_without_input(ask);
        answer.forbids.is_empty() && answer.errors.is_empty() && (!answer.permits.is_empty() || may_permit)
    }
}
