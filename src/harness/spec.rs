//! `tests/*.yaml` as written, and the cases that they stand for.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::accuracy::AccuracySpec;
use super::names::{self, Place};
use super::unknown;
use crate::bundle::Source;
use crate::decode::{Entries, List, Spanned};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::Engine;
use crate::event::{AccessKind, AccessSpec, Event, EventSpec, InputPart, Stage, UserSpec};
use crate::text::{Finder, Text};
use crate::verdict::{Action, Decision, ReasonCode};

/// A file of policy tests.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence policy tests (tests/*.yaml)", deny_unknown_fields)]
pub(crate) struct TestsSpec {
    /// The time at which every case happens (RFC 3339).
    #[schemars(extend("examples" = ["2026-11-22T10:00:00Z"]))]
    now: Option<Spanned<String>>,
    /// The agent of cases that name none.
    #[schemars(extend("examples" = ["helpdesk"]))]
    agent: Option<Spanned<String>>,
    /// The users that cases speak of.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"ann": {"roles": ["support"]}}]))]
    users: Entries<TestUserSpec>,
    /// The cases.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "support looks things up", "as": "ann", "tool_call": {"tool": "read_file", "arguments": {"path": "a.txt"}}, "expect": {"decision": "allow"}}]]))]
    tests: List<TestSpec>,
    /// What rules are to do with what they find: by `pack/rule`, or `pack/*` for all of a pack that are not named themselves. Each is held to
    /// that with the first of its own examples that match.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"pii/*": "redact"}]))]
    pub(super) rules: Entries<Action>,
    /// Gates on labelled data.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"data": "labelled.jsonl", "pack": "prompts", "recall": 0.65, "false_positives": 0.003}]]))]
    accuracy: List<AccuracySpec>,
}

/// A user of a test file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "TestUser", deny_unknown_fields)]
struct TestUserSpec {
    /// Direct roles.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["support"]]))]
    roles: Vec<Spanned<String>>,
    /// The tenant.
    #[schemars(extend("examples" = ["acme"]))]
    tenant: Option<String>,
    /// Attributes.
    #[schemars(extend("examples" = [{"clearance": 3}]))]
    attributes: Option<BTreeMap<String, Value>>,
}

/// A test: one event, or steps within one session.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "Test", deny_unknown_fields)]
struct TestSpec {
    /// What it shows.
    #[schemars(extend("examples" = ["only engineers reach the shell"]))]
    name: Spanned<String>,
    /// The user.
    #[serde(rename = "as")]
    #[schemars(extend("examples" = ["ann"]))]
    user: Option<Spanned<String>>,
    /// The agent.
    #[schemars(extend("examples" = ["helpdesk"]))]
    agent: Option<Spanned<String>>,
    /// A cross product of users and agents: one case each.
    #[serde(rename = "for")]
    #[schemars(extend("examples" = [{"user": ["ann", "eve"]}]))]
    each: Option<EachSpec>,
    /// Several events in order.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"input": "hello"}, {"output": "hello", "expect": {"decision": "allow"}}]]))]
    steps: List<StepSpec>,
    /// At `access`: what is asked for.
    #[schemars(extend("examples" = [{"kind": "run", "model": "gpt-5", "tools": ["read_file"]}]))]
    access: Option<AccessSpec>,
    /// Input text.
    #[schemars(extend("examples" = ["hello"]))]
    input: Option<TextSpec>,
    /// A tool call.
    #[schemars(extend("examples" = [{"tool": "read_file", "arguments": {"path": "a.txt"}}]))]
    tool_call: Option<CallSpec>,
    /// A tool's answer.
    #[schemars(extend("examples" = [{"tool": "read_file", "result": "ssn 536-90-4399"}]))]
    tool_result: Option<ResultSpec>,
    /// Output text.
    #[schemars(extend("examples" = ["hello"]))]
    output: Option<TextSpec>,
    /// Facts about the event.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"moderation": {"hate": 0.9}}]))]
    facts: BTreeMap<String, BTreeMap<String, f64>>,
    /// When it happens, if not at `now`.
    #[schemars(extend("examples" = ["2026-11-23T10:00:00Z"]))]
    at: Option<String>,
    /// Tokens that it used.
    #[schemars(extend("examples" = [1200]))]
    tokens: Option<u64>,
    /// What is expected.
    #[schemars(extend("examples" = [{"decision": "deny", "by": "nothing-permits"}]))]
    expect: Option<ExpectSpec>,
}

/// A cross product.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(title = "For", deny_unknown_fields)]
struct EachSpec {
    /// Users.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["ann", "eve"]]))]
    user: Vec<Spanned<String>>,
    /// Agents.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["helpdesk", "coder"]]))]
    agent: Vec<Spanned<String>>,
    /// Tools of a call or result that names none.
    #[serde(default)]
    #[schemars(extend("examples" = [["read_file", "write_file"]]))]
    tool: Vec<String>,
}

/// One event of a test with several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "Step", deny_unknown_fields)]
struct StepSpec {
    /// The user, if not the test's.
    #[serde(rename = "as")]
    #[schemars(extend("examples" = ["ann"]))]
    user: Option<Spanned<String>>,
    /// The agent, if not the test's.
    #[schemars(extend("examples" = ["helpdesk"]))]
    agent: Option<Spanned<String>>,
    /// At `access`: what is asked for.
    #[schemars(extend("examples" = [{"kind": "run", "model": "gpt-5", "tools": ["read_file"]}]))]
    access: Option<AccessSpec>,
    /// Input text.
    #[schemars(extend("examples" = ["hello"]))]
    input: Option<TextSpec>,
    /// A tool call.
    #[schemars(extend("examples" = [{"tool": "read_file", "arguments": {"path": "a.txt"}}]))]
    tool_call: Option<CallSpec>,
    /// A tool's answer.
    #[schemars(extend("examples" = [{"tool": "read_file", "result": "ssn 536-90-4399"}]))]
    tool_result: Option<ResultSpec>,
    /// Output text.
    #[schemars(extend("examples" = ["hello"]))]
    output: Option<TextSpec>,
    /// Facts about the event.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"moderation": {"hate": 0.9}}]))]
    facts: BTreeMap<String, BTreeMap<String, f64>>,
    /// When it happens, if not at `now`.
    #[schemars(extend("examples" = ["2026-11-23T10:00:00Z"]))]
    at: Option<String>,
    /// Tokens that it used.
    #[schemars(extend("examples" = [1200]))]
    tokens: Option<u64>,
    /// What is expected.
    #[schemars(extend("examples" = [{"decision": "deny", "by": "nothing-permits"}]))]
    expect: Option<ExpectSpec>,
}

/// A text, alone or with its part.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "snake_case")]
#[schemars(untagged, rename = "Text")]
enum TextSpec {
    /// The text.
    Scalar(String),
    /// The text and its part.
    Mapping(TextPartSpec),
}

/// A text and its part.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "TextPart", deny_unknown_fields)]
struct TextPartSpec {
    /// The text, or JSON whose strings are the text.
    #[schemars(extend("examples" = ["hello"]))]
    text: Value,
    /// At `input`: who wrote it.
    #[schemars(extend("examples" = ["instructions"]))]
    part: Option<InputPart>,
}

/// A tool call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "Call", deny_unknown_fields)]
struct CallSpec {
    /// The tool; from `for:` where absent.
    #[schemars(extend("examples" = ["read_file"]))]
    tool: Option<String>,
    /// Id that pairs it with a result.
    #[schemars(extend("examples" = ["c1"]))]
    call: Option<String>,
    /// The arguments.
    #[serde(default)]
    #[schemars(extend("examples" = [{"path": "a.txt"}]))]
    arguments: serde_json::Map<String, Value>,
}

/// A tool's answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "Result", deny_unknown_fields)]
struct ResultSpec {
    /// The tool; from `for:` where absent.
    #[schemars(extend("examples" = ["read_file"]))]
    tool: Option<String>,
    /// Id of the call.
    #[schemars(extend("examples" = ["c1"]))]
    call: Option<String>,
    /// Text, or JSON whose strings are the text.
    #[schemars(extend("examples" = ["ssn 536-90-4399"]))]
    result: Value,
}

/// What is expected of a verdict. What is absent is not looked at.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "Expect", deny_unknown_fields)]
pub(crate) struct ExpectSpec {
    /// The decision.
    #[schemars(extend("examples" = ["deny"]))]
    pub(super) decision: Option<Decision>,
    /// What is enforced.
    #[schemars(extend("examples" = ["allow"]))]
    pub(super) enforced: Option<Decision>,
    /// Policy, rule or reason code that decided; `nothing-permits` is not the same as a forbid.
    #[schemars(extend("examples" = ["nothing-permits"]))]
    pub(super) by: Option<Spanned<String>>,
    /// Exactly the rules that were found.
    #[schemars(extend("examples" = [["pii/us_ssn"]]))]
    pub(super) found: Option<Vec<Spanned<String>>>,
    /// The text after edits.
    #[schemars(extend("examples" = ["ssn [SSN_REMOVED]"]))]
    pub(super) text: Option<Value>,
    /// The result after edits.
    #[schemars(extend("examples" = ["ssn [SSN_REMOVED]"]))]
    pub(super) result: Option<Value>,
    /// The arguments after edits.
    #[schemars(extend("examples" = [{"path": "a.txt"}]))]
    pub(super) arguments: Option<Value>,
    /// At `output` what the user reads, at `tool_call` the arguments that the tool gets: with the values behind the pseudonyms that a permit
    /// for `reveal` gives them.
    #[schemars(extend("examples" = ["write to ann@post.example"]))]
    pub(super) revealed: Option<Value>,
    /// The name of a created agent after edits.
    #[schemars(extend("examples" = ["researcher"]))]
    pub(super) name: Option<String>,
    /// The instructions of a created agent after edits.
    #[schemars(extend("examples" = ["You look things up."]))]
    pub(super) instructions: Option<Value>,
    /// The tools that remain.
    #[schemars(extend("examples" = [["read_file"]]))]
    pub(super) tools: Option<Vec<String>>,
    /// What the agent or user is told.
    #[schemars(extend("examples" = ["This may not leave the company"]))]
    pub(super) message: Option<String>,
    /// Exactly the policies in shadow that would have refused.
    #[schemars(extend("examples" = [["no-private-data"]]))]
    pub(super) shadow: Option<Vec<Spanned<String>>>,
}

impl ExpectSpec {
    /// Whether it says something of a text after edits.
    pub(super) fn shows_text(&self) -> bool {
        let values = [&self.text, &self.result, &self.arguments, &self.instructions];
        values.iter().any(|value| value.is_some()) || self.name.is_some()
    }

    /// Whether `by:` is this code.
    pub(super) fn is_by(&self, code: ReasonCode) -> bool {
        self.by.as_ref().is_some_and(|by| by.value == code.name())
    }

    fn is_empty(&self) -> bool {
        let outcome = self.decision.is_some() || self.enforced.is_some() || self.by.is_some();
        let found = self.found.is_some() || self.shadow.is_some() || self.revealed.is_some();
        !(outcome || found || self.shows_text() || self.tools.is_some() || self.message.is_some())
    }
}

/// One case: events of one session, with what is expected of each.
#[derive(Debug)]
pub(crate) struct Case {
    pub(super) name: String,
    pub(super) file: Arc<str>,
    pub(super) line: u32,
    pub(super) steps: Vec<(Event, Option<ExpectSpec>)>,
}

impl Case {
    /// Whether something is found in a text of its events.
    pub(super) fn finds(&self, finder: &Finder) -> bool {
        let finds = |event: &Event| {
            event.fields().iter().any(|field| !finder.find(&Text::new(field.text)).is_empty())
        };
        self.steps.iter().any(|(event, _)| finds(event))
    }
}

impl From<TestSpec> for StepSpec {
    fn from(test: TestSpec) -> Self {
        let TestSpec { access, input, tool_call, tool_result, output, facts, at, tokens, expect, .. } = test;
        StepSpec {
            user: None,
            agent: None,
            access,
            input,
            tool_call,
            tool_result,
            output,
            facts,
            at,
            tokens,
            expect,
        }
    }
}

/// What the steps of a case have in common.
struct Shared<'a> {
    source: &'a Source,
    users: &'a Entries<TestUserSpec>,
    now: Timestamp,
    user: Option<&'a Spanned<String>>,
    agent: Option<&'a Spanned<String>>,
    tool: Option<&'a str>,
}

impl TestsSpec {
    /// Expands cross products; reports what does not fit. Returns the gates.
    pub(super) fn expand(
        self,
        source: &Source,
        engine: &Engine,
        cases: &mut Vec<Case>,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<AccuracySpec> {
        let span = |range: std::ops::Range<usize>| Span::new(&source.name, range.start, range.end);
        let mut now = Timestamp::UNIX_EPOCH;
        match self.now.as_ref().map(|now| (now, now.value.parse::<Timestamp>())) {
            Some((_, Ok(at))) => now = at,
            Some((text, Err(_))) => out.push(
                Diagnostic::new(Code::BadTest, "`now` is not a time such as 2026-11-22T10:00:00Z")
                    .at(span(text.range()), ""),
            ),
            None if self.tests.0.is_empty() => {}
            None => out.push(
                Diagnostic::new(Code::BadTest, "the file has no `now`, so its cases happen in 1970")
                    .at(Span::whole(&source.name), "")
                    .help("add `now: 2026-11-22T10:00:00Z`"),
            ),
        }
        // A role that the bundle lacks may stand here for tests that expect to be refused for it.
        let of_test = |test: &'_ TestSpec| {
            let expects = test.steps.0.iter().map(|step| &step.expect).chain([&test.expect]);
            expects.flatten().any(|expect| expect.is_by(ReasonCode::UnknownRole))
        };
        let by_role = self.tests.0.iter().any(of_test);
        let roles: Vec<&str> = engine.roles().collect();
        for role in self.users.0.iter().flat_map(|(_, user)| &user.roles) {
            if !by_role && !roles.contains(&role.value.as_str()) {
                out.push(unknown(span(role.range()), "role", &role.value, &roles));
            }
        }
        for test in self.tests.0 {
            let each = test.each.clone().unwrap_or_default();
            let line = crate::diagnostic::line(&source.text, test.name.start);
            let users: Vec<Option<&Spanned<String>>> = if each.user.is_empty() {
                vec![test.user.as_ref()]
            } else {
                each.user.iter().map(Some).collect()
            };
            let own = test.agent.as_ref().or(self.agent.as_ref());
            let agents: Vec<Option<&Spanned<String>>> =
                if each.agent.is_empty() { vec![own] } else { each.agent.iter().map(Some).collect() };
            let tools: Vec<Option<&str>> = if each.tool.is_empty() {
                vec![None]
            } else {
                each.tool.iter().map(|tool| Some(tool.as_str())).collect()
            };
            for user in &users {
                for agent in &agents {
                    for tool in &tools {
                        let shared = Shared {
                            source,
                            users: &self.users,
                            now,
                            user: *user,
                            agent: *agent,
                            tool: *tool,
                        };
                        let steps = if test.steps.0.is_empty() {
                            vec![StepSpec::from(test.clone())]
                        } else {
                            test.steps.0.clone()
                        };
                        let mut name = test.name.value.clone();
                        let crossed = [
                            (users.len(), user.map(|user| user.value.as_str())),
                            (agents.len(), agent.map(|agent| agent.value.as_str())),
                            (tools.len(), *tool),
                        ];
                        let parts: Vec<&str> = crossed
                            .iter()
                            .filter(|(count, _)| *count > 1)
                            .filter_map(|(_, part)| *part)
                            .collect();
                        if !parts.is_empty() {
                            name = format!("{name} ({})", parts.join(", "));
                        }
                        let before = out.len();
                        let steps: Vec<_> = steps
                            .into_iter()
                            .filter_map(|step| shared.event(step, &test.name, engine, out))
                            .collect();
                        if out.len() > before {
                            continue;
                        }
                        let place = Place { source, test: span(test.name.range()) };
                        let mut expected = steps.iter().filter_map(|(_, expect)| expect.as_ref()).peekable();
                        let mut problems = names::check(&steps, engine, &place);
                        if expected.peek().is_none() || expected.any(ExpectSpec::is_empty) {
                            let message = format!("`{}` expects nothing", test.name.value);
                            problems.push(
                                Diagnostic::new(Code::BadTest, message)
                                    .at(place.test.clone(), "")
                                    .help("say under `expect:` what must come of it, or it proves nothing"),
                            );
                        }
                        if problems.is_empty() {
                            cases.push(Case { name, file: Arc::clone(&source.name), line, steps });
                        }
                        // The cases of a cross product share their problems.
                        problems.retain(|problem| !out.contains(problem));
                        out.extend(problems);
                    }
                }
            }
        }
        self.accuracy.0
    }
}

impl Shared<'_> {
    fn event(
        &self,
        step: StepSpec,
        name: &Spanned<String>,
        engine: &Engine,
        out: &mut Vec<Diagnostic>,
    ) -> Option<(Event, Option<ExpectSpec>)> {
        let span = |range: std::ops::Range<usize>| Span::new(&self.source.name, range.start, range.end);
        let bad = |message: String| Diagnostic::new(Code::BadTest, message).at(span(name.range()), "");
        let Some(user) = step.user.as_ref().or(self.user) else {
            out.push(
                bad(format!("`{}` does not say who acts", name.value))
                    .help("add `as:` or `for: { user: [...] }`"),
            );
            return None;
        };
        let known: Vec<&str> = self.users.0.iter().map(|(name, _)| name.value.as_str()).collect();
        let Some((_, found)) = self.users.0.iter().find(|(known, _)| known.value == user.value) else {
            out.push(unknown(span(user.range()), "user of this file", &user.value, &known));
            return None;
        };
        if let Some(expect) = &step.expect {
            self.check_names(expect, engine, out);
        }
        let at = step.at.clone().unwrap_or_else(|| self.now.to_string());
        let agent = step.agent.as_ref().or(self.agent).map(|agent| agent.value.clone());
        let mut spec = EventSpec {
            stage: Stage::Access,
            session: "test".to_owned(),
            at: Some(at),
            user: UserSpec {
                id: user.value.clone(),
                roles: Some(found.roles.iter().map(|role| role.value.clone()).collect()),
                tenant: found.tenant.clone(),
                attributes: found.attributes.clone(),
            },
            agent,
            access: None,
            part: None,
            text: None,
            call: None,
            tool: None,
            arguments: None,
            result: None,
            facts: step.facts,
            tokens: step.tokens,
        };
        let mut given = 0;
        if let Some(access) = step.access {
            given += 1;
            if access.kind == AccessKind::Create {
                spec.agent = None;
            }
            spec.access = Some(access);
        }
        for (stage, text) in [(Stage::Input, step.input), (Stage::Output, step.output)] {
            let Some(text) = text else { continue };
            given += 1;
            spec.stage = stage;
            match text {
                TextSpec::Scalar(text) => spec.text = Some(Value::String(text)),
                TextSpec::Mapping(TextPartSpec { text, part }) => {
                    spec.text = Some(text);
                    spec.part = part;
                }
            }
        }
        if let Some(call) = step.tool_call {
            given += 1;
            spec.stage = Stage::ToolCall;
            spec.tool = call.tool.or_else(|| self.tool.map(str::to_owned));
            spec.call = call.call;
            spec.arguments = Some(Value::Object(call.arguments));
        }
        if let Some(result) = step.tool_result {
            given += 1;
            spec.stage = Stage::ToolResult;
            spec.tool = result.tool.or_else(|| self.tool.map(str::to_owned));
            spec.call = result.call;
            spec.result = Some(result.result);
        }
        if given != 1 {
            let help = "give exactly one of access, input, tool_call, tool_result and output, or `steps:`";
            out.push(bad(format!("`{}` has {given} events where one belongs", name.value)).help(help));
            return None;
        }
        let revealed = step.expect.as_ref().is_some_and(|expect| expect.revealed.is_some());
        match Event::try_from(spec) {
            Ok(event) if revealed && !matches!(event.stage(), Stage::Output | Stage::ToolCall) => {
                let stage = event.stage();
                out.push(
                    bad(format!("`{}` expects something of `revealed` at `{stage}`", name.value)).help(
                        "values are revealed at `output`, to the user, and at `tool_call`, to the tool",
                    ),
                );
                None
            }
            Ok(event) => Some((event, step.expect)),
            Err(error) => {
                out.push(bad(format!("`{}` is no event: {error}", name.value)));
                None
            }
        }
    }

    fn check_names(&self, expect: &ExpectSpec, engine: &Engine, out: &mut Vec<Diagnostic>) {
        let inventory = engine.inventory();
        let rules: Vec<&str> = inventory.rules.iter().map(|rule| rule.name.as_str()).collect();
        let mut known: Vec<&str> = inventory.policies.iter().map(|policy| policy.name.as_str()).collect();
        known.extend(&rules);
        known.extend(ReasonCode::ALL.iter().map(|code| code.name()));
        let span = |name: &Spanned<String>| Span::new(&self.source.name, name.start, name.end);
        let policies = inventory.policies.iter().map(|policy| policy.name.as_str());
        let policies: Vec<&str> = policies.collect();
        for policy in expect.shadow.iter().flatten().filter(|id| !policies.contains(&id.value.as_str())) {
            out.push(unknown(span(policy), "policy", &policy.value, &policies));
        }
        if let Some(by) = expect.by.as_ref().filter(|by| !known.contains(&by.value.as_str())) {
            out.push(unknown(span(by), "policy, rule or reason code", &by.value, &known));
        }
        for rule in expect.found.iter().flatten().filter(|rule| !rules.contains(&rule.value.as_str())) {
            out.push(unknown(span(rule), "rule", &rule.value, &rules));
        }
    }
}
