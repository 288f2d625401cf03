//! How a verdict is reached: check, find, ask Cedar, waive, combine.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::check::Identity;
use super::edits::{Edits, Pseudonym};
use super::find::{Findings, Found};
use super::{Engine, Inner, Trace};
use crate::bundle::{Missing, Mode};
use crate::cedar::{Answer, Ask, Question, SessionView};
use crate::event::{AccessKind, Body, Event, Stage};
use crate::session::Session;
use crate::verdict::{Action, Decision, Edit, Finding, Reason, ReasonCode};

/// What an event is decided in.
pub(crate) struct Situation<'a> {
    pub(crate) session: &'a Session,
    /// The event's agent, where it was created while the guard ran.
    pub(crate) created: Option<&'a CreatedAgent>,
    pub(crate) at: Timestamp,
    /// Whether the time to decide has run out.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

/// An agent that was created while the guard ran.
#[derive(Debug, Clone)]
pub(crate) struct CreatedAgent {
    /// The tools that remained when it was created; `None` where none were named.
    pub(crate) tools: Option<BTreeSet<String>>,
}

/// How an event was decided.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub(crate) decision: Decision,
    pub(crate) enforced: Decision,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) shadow: Vec<Reason>,
    pub(crate) trace: Trace,
    pub(crate) pseudonyms: Vec<Pseudonym>,
}

/// A refusal that shadow mode does not relax: the event does not fit, or something failed.
fn is_hard(code: ReasonCode) -> bool {
    match code {
        ReasonCode::Rule | ReasonCode::Forbid | ReasonCode::Ask | ReasonCode::NothingPermits => false,
        ReasonCode::BadEvent
        | ReasonCode::UnknownRole
        | ReasonCode::UnknownUser
        | ReasonCode::UnknownAgent
        | ReasonCode::UnknownModel
        | ReasonCode::UnlistedTool
        | ReasonCode::UndeclaredArgument
        | ReasonCode::BadArguments
        | ReasonCode::Argument
        | ReasonCode::Limit
        | ReasonCode::PolicyError
        | ReasonCode::MissingFact
        | ReasonCode::TimeLimit
        | ReasonCode::Panic
        | ReasonCode::AuditFailed => true,
    }
}

impl Evaluation {
    /// An evaluation that ends here.
    pub(crate) fn refuse(reasons: Vec<Reason>) -> Self {
        Self {
            decision: Decision::Deny,
            enforced: Decision::Deny,
            reasons,
            findings: Vec::new(),
            edits: Vec::new(),
            tools: None,
            shadow: Vec::new(),
            trace: Trace::default(),
            pseudonyms: Vec::new(),
        }
    }
}

/// Rounds of edits; what then still matches can't be made safe.
const EDIT_ROUNDS: u32 = 4;

/// One pass of steps 2 to 5.
struct Pass {
    decision: Decision,
    reasons: Vec<Reason>,
    found: Vec<Found>,
    shadow: Vec<Reason>,
    trace: Trace,
}

impl Engine {
    /// Decides one event. The same event in the same situation always has the same outcome.
    pub(crate) fn evaluate(&self, event: &Event, situation: &Situation<'_>) -> Evaluation {
        let engine = &*self.0;
        let identity = match engine.check(event, situation) {
            Ok(identity) => identity,
            Err(reason) => return Evaluation::refuse(vec![*reason]),
        };
        let Some(mut pass) = engine.pass(event, &identity, situation, &[]) else {
            return Evaluation::refuse(vec![time_limit()]);
        };
        let mut edits = engine.edits(pass.found.iter(), situation.session);
        for round in 1.. {
            // The name under which an agent is created is the sanitised one.
            let edited = event.with_edits(&edits.list);
            if let Some(reason) = engine.check_new_name(&edited) {
                return Evaluation { findings: findings(&pass.found), ..Evaluation::refuse(vec![*reason]) };
            }
            if edits.list.is_empty() {
                break;
            }
            // What was taken out may have parted what now matches.
            let Some(mut again) = engine.pass(&edited, &identity, situation, &pass.found) else {
                return Evaluation::refuse(vec![time_limit()]);
            };
            edits.without_own(&mut again.found);
            let more = edits.revealed(event, &again.found);
            if more.is_empty() || round == EDIT_ROUNDS {
                combine(&mut pass, again);
                break;
            }
            pass.found.extend(more);
            edits = engine.edits(pass.found.iter(), situation.session);
        }
        let tools = engine.remaining(event, &edits.list, &identity, situation, &pass);
        engine.finish(pass, edits, tools)
    }
}

impl Inner {
    fn finish(&self, pass: Pass, mut edits: Edits, tools: Option<Vec<String>>) -> Evaluation {
        let relaxed = self.mode == Mode::Shadow && !pass.reasons.iter().any(|reason| is_hard(reason.code));
        let enforced = if relaxed { Decision::Allow } else { pass.decision };
        if relaxed || enforced == Decision::Deny {
            edits.list.clear();
        }
        Evaluation {
            decision: pass.decision,
            enforced,
            reasons: pass.reasons,
            findings: findings(&pass.found),
            edits: edits.list,
            tools,
            shadow: pass.shadow,
            trace: pass.trace,
            pseudonyms: edits.pseudonyms,
        }
    }

    /// Steps 2 to 5 on an event as it is; `None` when the time has run out. `earlier` is what was found before edits.
    fn pass(
        &self,
        event: &Event,
        identity: &Identity,
        situation: &Situation<'_>,
        earlier: &[Found],
    ) -> Option<Pass> {
        let Findings { mut found, missing } = self.find(event, situation.stop).ok()?;
        let mut trace = Trace { tool: self.declared_tool(event), ..Trace::default() };
        let mut ruled: Vec<&str> = found.iter().map(|one| one.finding.rule.as_str()).collect();
        ruled.dedup();
        trace.rules = ruled.into_iter().map(str::to_owned).collect();
        let schema = self.check_schema(event);
        if !schema.is_empty() {
            return Some(Pass {
                decision: Decision::Deny,
                reasons: schema,
                found,
                shadow: Vec::new(),
                trace,
            });
        }
        let seen = Seen::new(self, found.iter().chain(earlier));
        let session = view(situation);
        let ask = |question| self.ask(event, identity, situation, &seen, &session, question);
        if (situation.stop)() {
            return None;
        }
        let answer = self.policies.ask(&ask(self.question(event)));
        self.note(&answer, &mut trace);

        // Waivers: one question for each rule that asks for something.
        let mut asked: Vec<(usize, Vec<usize>)> = Vec::new();
        for one in &mut found {
            let Some(rule) = self.rules.get(one.rule) else { continue };
            if one.action == Action::Flag || !rule.waivable {
                continue;
            }
            let known = asked.iter().find(|(number, _)| *number == one.rule).map(|(_, by)| by.clone());
            let by = known.unwrap_or_else(|| {
                let answer = self.policies.ask(&ask(Question::Waive { rule: &rule.id, tool: event.tool() }));
                let refused =
                    !answer.forbids.is_empty() || !answer.asks.is_empty() || !answer.errors.is_empty();
                let by = if refused { Vec::new() } else { answer.permits };
                asked.push((one.rule, by.clone()));
                by
            });
            one.finding.waived = !by.is_empty();
            trace.waivers.extend(
                by.iter().filter_map(|policy| self.policies.list().get(*policy)).map(|info| info.id.clone()),
            );
        }
        trace.waivers.sort_unstable();
        trace.waivers.dedup();

        let shadow = [&answer.shadows, &answer.shadow_errors]
            .into_iter()
            .flatten()
            .filter_map(|policy| self.policy_reason(ReasonCode::Forbid, *policy))
            .collect();
        let mut levels = self.levels(&answer, &found, &missing);
        let decision = levels.iter().map(|(decision, _)| *decision).max().unwrap_or(Decision::Allow);
        // The first level that reaches the decision gives the reasons together with the others that do; what is
        // hidden behind it by the procedure is told apart.
        let nothing_permits = answer.permits.is_empty();
        let mut reasons = Vec::new();
        for (level, reason) in levels.drain(..) {
            let hidden = nothing_permits && matches!(reason.code, ReasonCode::Forbid | ReasonCode::Ask);
            if level == decision && !hidden {
                reasons.push(reason);
            } else {
                trace.also.push(reason);
            }
        }
        Some(Pass { decision, reasons, found, shadow, trace })
    }

    /// Everything that asks or refuses, in the order of the procedure.
    fn levels(
        &self,
        answer: &Answer,
        found: &[Found],
        missing: &[(usize, Missing)],
    ) -> Vec<(Decision, Reason)> {
        let mut levels = Vec::new();
        let policies = |code, list: &[usize]| {
            list.iter().filter_map(|policy| self.policy_reason(code, *policy)).collect::<Vec<_>>()
        };
        for reason in policies(ReasonCode::PolicyError, &answer.errors) {
            levels.push((Decision::Deny, reason));
        }
        if answer.permits.is_empty() {
            levels.push((Decision::Deny, Reason::new(ReasonCode::NothingPermits, "no policy permits this")));
        }
        levels.extend(
            policies(ReasonCode::Forbid, &answer.forbids).into_iter().map(|reason| (Decision::Deny, reason)),
        );
        for (number, missing) in missing {
            let Some(rule) = self.rules.get(*number) else { continue };
            let decision = if *missing == Missing::Ask { Decision::Ask } else { Decision::Deny };
            let message = "a fact that a rule needs was not stated";
            levels.push((decision, self.rule_reason(ReasonCode::MissingFact, rule, "/facts", message)));
        }
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for one in found.iter().filter(|one| !one.finding.waived) {
            let decision = match one.action {
                Action::Deny => Decision::Deny,
                Action::Ask => Decision::Ask,
                Action::Flag | Action::Redact => continue,
            };
            let Some(rule) = self.rules.get(one.rule).filter(|_| told.insert(one.rule)) else { continue };
            let message = rule.message.clone().unwrap_or_else(|| match rule.action {
                Action::Redact => format!("`{}` matched where nothing can be replaced", rule.id),
                _ => format!("refused by the rule `{}`", rule.id),
            });
            levels.push((decision, self.rule_reason(ReasonCode::Rule, rule, &one.finding.field, &message)));
        }
        levels.extend(
            policies(ReasonCode::Ask, &answer.asks).into_iter().map(|reason| (Decision::Ask, reason)),
        );
        levels
    }

    fn note(&self, answer: &Answer, trace: &mut Trace) {
        let ids = |lists: &[&Vec<usize>]| -> Vec<String> {
            let policies = lists.iter().flat_map(|list| list.iter());
            policies
                .filter_map(|policy| self.policies.list().get(*policy))
                .map(|info| info.id.clone())
                .collect()
        };
        trace.permits = ids(&[&answer.permits]);
        trace.forbids = ids(&[&answer.forbids]);
        trace.asks = ids(&[&answer.asks]);
        trace.shadows = ids(&[&answer.shadows, &answer.shadow_errors]);
    }

    fn policy_reason(&self, code: ReasonCode, policy: usize) -> Option<Reason> {
        let info = self.policies.list().get(policy)?;
        let message = match (code, &info.reason) {
            (ReasonCode::PolicyError, _) => format!("the policy `{}` could not be evaluated", info.id),
            (_, Some(reason)) => reason.clone(),
            (ReasonCode::Ask, None) => format!("the policy `{}` wants a person to approve this", info.id),
            (_, None) => format!("forbidden by the policy `{}`", info.id),
        };
        Some(Reason {
            policy: Some(info.id.clone()),
            file: Some(info.span.file.to_string()),
            line: Some(info.line),
            ..Reason::new(code, message)
        })
    }

    fn rule_reason(&self, code: ReasonCode, rule: &crate::rule::Rule, field: &str, message: &str) -> Reason {
        Reason {
            rule: Some(rule.id.to_string()),
            file: Some(rule.file.to_string()),
            line: Some(rule.line),
            field: Some(field.to_owned()),
            ..Reason::new(code, message)
        }
    }

    fn declared_tool(&self, event: &Event) -> Option<String> {
        event.tool().filter(|tool| self.tools.contains_key(*tool)).map(str::to_owned)
    }

    fn question<'e>(&self, event: &'e Event) -> Question<'e> {
        match &event.body {
            Body::Access(access) if access.kind == AccessKind::Create => Question::CreateAgent,
            Body::Access(_) => Question::RunAgent,
            Body::Input { .. } => Question::SendInput,
            Body::Output { .. } => Question::SendOutput,
            Body::ToolResult { tool, .. } => Question::ReadResult { tool },
            Body::ToolCall { tool, arguments, .. } if self.tools.contains_key(tool) => {
                Question::CallTool { tool, input: arguments }
            }
            Body::ToolCall { tool, .. } => Question::CallUnlisted { tool },
        }
    }

    fn ask<'a>(
        &self,
        event: &'a Event,
        identity: &'a Identity,
        situation: &'a Situation<'_>,
        seen: &'a Seen<'a>,
        session: &'a SessionView<'a>,
        question: Question<'a>,
    ) -> Ask<'a> {
        let model = match &event.body {
            Body::Access(access) => access.model.as_deref(),
            _ => situation.session.model.as_deref(),
        };
        let created = match &event.body {
            Body::Access(access) if access.kind == AccessKind::Create => {
                access.name.as_deref().map(str::trim)
            }
            _ => None,
        };
        Ask {
            user: &event.user.id,
            roles: &identity.roles,
            tenant: identity.tenant.as_deref(),
            attributes: &identity.attributes,
            question,
            agent: created.or(event.agent.as_deref()).unwrap_or_default(),
            agent_is_new: created.is_some() || situation.created.is_some(),
            model,
            at: situation.at.as_millisecond(),
            stage: event.stage().name(),
            found: &seen.rules,
            packs: &seen.packs,
            tags: &seen.tags,
            session,
        }
    }

    /// At `access`: the tools that remain of those offered.
    fn remaining(
        &self,
        event: &Event,
        edits: &[Edit],
        identity: &Identity,
        situation: &Situation<'_>,
        pass: &Pass,
    ) -> Option<Vec<String>> {
        let Body::Access(access) = &event.body else { return None };
        let offered = access.tools.as_ref()?;
        if pass.decision == Decision::Deny {
            return Some(Vec::new());
        }
        let edited = event.with_edits(edits);
        let seen = Seen::new(self, pass.found.iter());
        let session = view(situation);
        let empty = serde_json::Value::Null;
        let stays = |tool: &&String| {
            let question = if self.tools.contains_key(*tool) {
                Question::CallTool { tool, input: &empty }
            } else if self.unlisted_reads.is_some() {
                Question::CallUnlisted { tool }
            } else {
                return false;
            };
            let ask = self.ask(&edited, identity, situation, &seen, &session, question);
            let ask = Ask { stage: Stage::ToolCall.name(), ..ask };
            self.policies.remains(&ask)
        };
        let mut tools: Vec<String> = offered.iter().filter(stays).cloned().collect();
        let mut known = BTreeSet::new();
        tools.retain(|tool| known.insert(tool.clone()));
        Some(tools)
    }
}

fn time_limit() -> Reason {
    Reason::new(ReasonCode::TimeLimit, "deciding took longer than the bundle allows")
}

fn findings(found: &[Found]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = found.iter().map(|one| one.finding.clone()).collect();
    findings.sort_by(|a, b| (&a.field, a.start, a.end, &a.rule).cmp(&(&b.field, b.start, b.end, &b.rule)));
    findings.dedup();
    findings
}

/// Adds the second decision, on the edited event, to the first: the strictest counts. What still asks to be replaced
/// after everything was replaced can't be made safe.
fn combine(first: &mut Pass, again: Pass) {
    let mut reasons = again.reasons;
    let mut decision = again.decision;
    if let Some(left) = again.found.iter().find(|one| one.action == Action::Redact && !one.finding.waived) {
        decision = Decision::Deny;
        let message = format!("`{}` still matches after its edits", left.finding.rule);
        reasons.push(Reason {
            rule: Some(left.finding.rule.clone()),
            field: Some(left.finding.field.clone()),
            ..Reason::new(ReasonCode::Rule, message)
        });
    }
    first.trace.also.extend(again.trace.also);
    if decision > first.decision {
        let weaker = std::mem::replace(&mut first.reasons, reasons);
        first.trace.also.extend(weaker);
        first.decision = decision;
    } else if decision == first.decision {
        reasons.retain(|reason| !first.reasons.contains(reason));
        first.reasons.extend(reasons);
    } else {
        first.trace.also.extend(reasons);
    }
    for (mine, theirs) in [
        (&mut first.trace.forbids, again.trace.forbids),
        (&mut first.trace.asks, again.trace.asks),
        (&mut first.trace.shadows, again.trace.shadows),
        (&mut first.trace.waivers, again.trace.waivers),
    ] {
        mine.extend(theirs);
        mine.sort_unstable();
        mine.dedup();
    }
}

fn view<'a>(situation: &'a Situation<'_>) -> SessionView<'a> {
    let session = situation.session;
    SessionView {
        labels: &session.labels,
        calls: session.calls,
        denials: session.denials,
        findings: session.findings,
        minutes: session.minutes(situation.at),
        turns: session.turns,
        tokens: session.tokens,
    }
}

/// What was found, as policies see it.
struct Seen<'a> {
    rules: BTreeSet<&'a str>,
    packs: BTreeSet<&'a str>,
    tags: BTreeSet<&'a str>,
}

impl<'a> Seen<'a> {
    fn new<'f>(engine: &'a Inner, found: impl Iterator<Item = &'f Found>) -> Self {
        let mut seen = Seen { rules: BTreeSet::new(), packs: BTreeSet::new(), tags: BTreeSet::new() };
        for rule in found.filter_map(|one| engine.rules.get(one.rule)) {
            seen.rules.insert(&rule.id);
            seen.packs.insert(&rule.pack);
            seen.tags.extend(rule.tags.iter().map(|tag| &**tag));
        }
        seen
    }
}
