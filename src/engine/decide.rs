//! How a verdict is reached: check, find, ask Cedar, waive, combine.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::arguments::ResolvedPaths;
use super::check::Identity;
use super::combine::combine;
use super::edits::Edits;
use super::find::{Findings, Found, Scans, Unfinished};
use super::question::{Seen, view};
use super::{Engine, Inner, Trace};
use crate::bundle::Mode;
use crate::cedar::{Answer, Ask, Question};
use crate::event::Event;
use crate::session::{Pseudonym, Session};
use crate::verdict::{Action, Decision, Edit, Finding, Reason, ReasonCode};

/// What an event is decided in.
pub(crate) struct Situation<'a> {
    pub(crate) session: &'a Session,
    /// The event's agent, where it was created while the guard ran.
    pub(crate) created: Option<&'a CreatedAgent>,
    pub(crate) at: Timestamp,
    /// Where paths among the arguments lead, as the host states it.
    pub(crate) paths: &'a ResolvedPaths,
    /// Whether the time to decide has run out.
    pub(crate) stop: &'a dyn Fn() -> bool,
    /// Of an event that is decided again and again with little changed: what is known of its texts.
    pub(crate) scans: Option<&'a Scans>,
    /// A policy, by its number, that is to say nothing.
    pub(crate) without: Option<usize>,
}

/// An agent that was created while the guard ran.
#[derive(Debug, Clone)]
pub(crate) struct CreatedAgent {
    /// The tools that remained when it was created.
    pub(crate) tools: BTreeSet<String>,
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

/// What policies say of a value behind a pseudonym.
#[derive(Debug, Default)]
pub(crate) struct Revealing {
    /// Those that permit it.
    pub(crate) permits: Vec<String>,
    /// Those in shadow that were satisfied.
    pub(crate) shadows: Vec<String>,
}

/// One pass of steps 2 to 5.
pub(super) struct Pass {
    pub(super) decision: Decision,
    pub(super) reasons: Vec<Reason>,
    pub(super) found: Vec<Found>,
    pub(super) shadow: Vec<Reason>,
    pub(super) trace: Trace,
}

impl Pass {
    /// Whether shadow mode leaves the refusal as it is.
    pub(super) fn is_hard(&self) -> bool {
        self.reasons.iter().any(|reason| is_hard(reason.code))
    }
}

impl Engine {
    /// Decides one event. The same event in the same situation always has the same outcome.
    pub(crate) fn evaluate(&self, event: &Event, situation: &Situation<'_>) -> Evaluation {
        let engine = &*self.0;
        let identity = match engine.check(event, situation) {
            Ok(identity) => identity,
            Err(reason) => return Evaluation::refuse(vec![*reason]),
        };
        let mut pass = match engine.pass(event, &identity, situation, &[]) {
            Ok(pass) => pass,
            Err(unfinished) => return Evaluation::refuse(vec![unfinished.reason()]),
        };
        let mut edits = match pass.found.as_slice() {
            [] => Edits::default(),
            found => engine.edits(found.iter(), situation.session),
        };
        for round in 1.. {
            // The name under which an agent is created is the sanitised one.
            let edited = match edits.list.as_slice() {
                [] => Cow::Borrowed(event),
                edits => Cow::Owned(event.with_edits(edits)),
            };
            if let Some(reason) = engine.check_new_name(&edited) {
                return Evaluation { findings: findings(&pass.found), ..Evaluation::refuse(vec![*reason]) };
            }
            if edits.list.is_empty() {
                break;
            }
            // What was taken out may have parted what now matches.
            let mut again = match engine.pass(&edited, &identity, situation, &pass.found) {
                Ok(again) => again,
                Err(unfinished) => return Evaluation::refuse(vec![unfinished.reason()]),
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
        let relaxed = self.mode == Mode::Shadow && !pass.is_hard();
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

    /// Steps 2 to 5 on an event as it is, unless it takes too long or too much is found. `earlier` is what was found before edits.
    fn pass(
        &self,
        event: &Event,
        identity: &Identity<'_>,
        situation: &Situation<'_>,
        earlier: &[Found],
    ) -> Result<Pass, Unfinished> {
        let read = self.read_arguments(event);
        let mut findings = self.find(event, situation)?;
        self.find_in_arguments(&read, &mut findings);
        let Findings { mut found, missing } = findings;
        let mut trace = Trace { tool: self.declared_tool(event), ..Trace::default() };
        if !found.is_empty() {
            let mut ruled: Vec<&str> = found.iter().map(|one| one.finding.rule.as_str()).collect();
            ruled.dedup();
            trace.rules = ruled.into_iter().map(str::to_owned).collect();
        }
        let mut unfit = self.check_schema(event);
        unfit.extend(self.check_arguments(event, &read, situation.paths));
        let seen = Seen::new(self, found.iter().chain(earlier));
        let session = view(situation);
        let ask = |question| self.ask(event, identity, situation, &seen, &session, question);
        if (situation.stop)() {
            return Err(Unfinished::Stopped);
        }
        if !unfit.is_empty() {
            // Such arguments never reach Cedar; what it says without them is what else would have refused the event.
            let (answer, may_permit) = self.policies.ask_without_input(&ask(self.question(event)));
            let mut levels = self.levels(&answer, &found, &missing);
            levels.retain(|(_, reason)| !may_permit || reason.code != ReasonCode::NothingPermits);
            trace.also.extend(levels.into_iter().map(|(_, reason)| reason));
            return Ok(Pass { decision: Decision::Deny, reasons: unfit, found, shadow: Vec::new(), trace });
        }
        trace.scanned = true;
        let answer = self.policies.ask(&ask(self.question(event)));
        self.note(&answer, &mut trace);

        self.waive(event, &mut found, &ask, &mut trace);
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
        Ok(Pass { decision, reasons, found, shadow, trace })
    }

    /// Step 4: one question for each rule that asks for something.
    fn waive<'a>(
        &'a self,
        event: &'a Event,
        found: &mut [Found],
        ask: &dyn Fn(Question<'a>) -> Ask<'a>,
        trace: &mut Trace,
    ) {
        if found.is_empty() {
            return;
        }
        let mut asked: Vec<(usize, Vec<usize>)> = Vec::new();
        for one in found {
            let Some(rule) = self.rules.get(one.rule) else { continue };
            if one.action == Action::Flag || !rule.waivable {
                continue;
            }
            let known = asked.iter().find(|(number, _)| *number == one.rule).map(|(_, by)| by.clone());
            let by = known.unwrap_or_else(|| {
                let answer = self.policies.ask(&ask(Question::Waive { rule: &rule.id, tool: event.tool() }));
                trace.shadows.extend(self.ids(&[&answer.shadows, &answer.shadow_errors]));
                let by = answer.unopposed();
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
    }

    /// The policies that permit that a user, or a tool, has what a rule hid; none where something speaks against it.
    pub(crate) fn reveal(
        &self,
        event: &Event,
        situation: &Situation<'_>,
        rule: &str,
        tool: Option<&str>,
    ) -> Revealing {
        let Ok(identity) = self.identity(event, situation) else { return Revealing::default() };
        let (seen, session) = (Seen::new(self, std::iter::empty()), view(situation));
        let question = Question::Reveal { rule, tool };
        let answer = self.policies.ask(&self.ask(event, &identity, situation, &seen, &session, question));
        let shadows = self.ids(&[&answer.shadows, &answer.shadow_errors]);
        Revealing { permits: self.ids(&[&answer.unopposed()]), shadows }
    }

    fn note(&self, answer: &Answer, trace: &mut Trace) {
        trace.permits = self.ids(&[&answer.permits]);
        trace.forbids = self.ids(&[&answer.forbids]);
        trace.asks = self.ids(&[&answer.asks]);
        trace.shadows = self.ids(&[&answer.shadows, &answer.shadow_errors]);
    }

    fn ids(&self, lists: &[&Vec<usize>]) -> Vec<String> {
        if lists.iter().all(|list| list.is_empty()) {
            return Vec::new();
        }
        let policies = lists.iter().flat_map(|list| list.iter());
        policies.filter_map(|policy| self.policies.list().get(*policy)).map(|info| info.id.clone()).collect()
    }

    fn declared_tool(&self, event: &Event) -> Option<String> {
        event.tool().filter(|tool| self.tools.contains_key(*tool)).map(str::to_owned)
    }
}

fn findings(found: &[Found]) -> Vec<Finding> {
    if found.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = found.iter().map(|one| one.finding.clone()).collect();
    findings.sort_by(|a, b| (&a.field, a.start, a.end, &a.rule).cmp(&(&b.field, b.start, b.end, &b.rule)));
    findings.dedup();
    findings
}
