//! An event as written in JSON.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, AccessKind, Body, Event, InputPart, Stage, User};
use crate::decode::{self, Problem};

/// An event: one JSON object, which stands on one line of a JSONL file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Ringfence event")]
pub struct EventSpec {
    /// Where in the agent call it happens.
    pub stage: Stage,
    /// The agent run that it belongs to.
    pub session: String,
    /// When it happened (RFC 3339). The guard stamps its own time where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// On whose behalf.
    pub user: UserSpec,
    /// By which agent. Required but where one is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// At `access`: what is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessSpec>,
    /// At `input`: who wrote the text; `user` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<InputPart>,
    /// At `input` and `output`: text, or JSON whose strings are the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Value>,
    /// At `tool_call` and `tool_result`: id that pairs a result with its call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// At `tool_call` and `tool_result`: the tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// At `tool_call`: the arguments, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// At `tool_result`: text, or JSON whose strings are the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// What detectors outside the engine state: scores by fact and category.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, BTreeMap<String, f64>>,
    /// Model tokens that this step has used, where the host counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// The user of an event.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The user's id.
    pub id: String,
    /// Direct roles. Absent: those that this session's latest event for the same user stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// The tenant; absent as for `roles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Attributes that the manifest declares; absent as for `roles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, Value>>,
}

/// What is asked for at `access`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessSpec {
    /// Run an agent that exists, or create one.
    #[schemars(extend("examples" = ["create"]))]
    pub kind: AccessKind,
    /// Name of the agent to create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["researcher"]))]
    pub name: Option<String>,
    /// Its instructions: text, or JSON whose strings are the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["You look things up."]))]
    pub instructions: Option<Value>,
    /// The model that it would use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["gpt-5"]))]
    pub model: Option<String>,
    /// The tools that the host application offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [["read_file"]]))]
    pub tools: Option<Vec<String>>,
}

/// Why JSON is not an event. Says which field, never what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventError {
    problems: Vec<(String, String)>,
}

impl EventError {
    fn at(pointer: &str, message: impl Into<String>) -> Self {
        Self { problems: vec![(pointer.to_owned(), message.into())] }
    }

    fn from_problems(problems: Vec<Problem>) -> Self {
        let describe = |problem: Problem| match problem.help {
            Some(help) => (problem.pointer, format!("{} ({help})", problem.message)),
            None => (problem.pointer, problem.message),
        };
        Self { problems: problems.into_iter().map(describe).collect() }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (pointer, message)) in self.problems.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            if pointer.is_empty() {
                write!(f, "{comma}{message}")?;
            } else {
                write!(f, "{comma}`{pointer}`: {message}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for EventError {}

impl Event {
    /// Reads an event from one JSON object, strictly: unknown and duplicate keys, and fields of another stage, are
    /// refused.
    ///
    /// # Errors
    /// Names every field that does not fit.
    pub fn from_json(text: &str) -> Result<Self, EventError> {
        let node =
            decode::node_from_json(text).map_err(|problem| EventError::from_problems(vec![problem]))?;
        Self::from_node(&node)
    }

    pub(crate) fn from_node(node: &decode::Node) -> Result<Self, EventError> {
        let (spec, problems) = decode::decode::<EventSpec>(node);
        match spec {
            Some(spec) if problems.is_empty() => Event::try_from(spec),
            _ => Err(EventError::from_problems(problems)),
        }
    }

    /// The event as written in JSON.
    #[must_use]
    pub fn to_spec(&self) -> EventSpec {
        let mut spec = EventSpec {
            stage: self.stage(),
            session: self.session.clone(),
            at: self.at.map(|at| at.to_string()),
            user: UserSpec {
                id: self.user.id.clone(),
                roles: self.user.roles.clone(),
                tenant: self.user.tenant.clone(),
                attributes: self.user.attributes.clone(),
            },
            agent: self.agent.clone(),
            access: None,
            part: None,
            text: None,
            call: self.call().map(str::to_owned),
            tool: self.tool().map(str::to_owned),
            arguments: None,
            result: None,
            facts: self.facts.clone(),
            tokens: self.tokens,
        };
        match &self.body {
            Body::Access(access) => {
                let Access { kind, name, instructions, model, tools } = access.clone();
                spec.access = Some(AccessSpec { kind, name, instructions, model, tools });
            }
            Body::Input { part, text } => {
                spec.part = Some(*part);
                spec.text = Some(text.clone());
            }
            Body::ToolCall { arguments, .. } => spec.arguments = Some(arguments.clone()),
            Body::ToolResult { result, .. } => spec.result = Some(result.clone()),
            Body::Output { text } => spec.text = Some(text.clone()),
        }
        spec
    }
}

/// Takes a field that the stage requires.
fn take<T>(field: &mut Option<T>, name: &str, stage: Stage) -> Result<T, EventError> {
    field
        .take()
        .ok_or_else(|| EventError::at("", format!("`{name}` is missing: every {stage} event has one")))
}

impl TryFrom<EventSpec> for Event {
    type Error = EventError;

    fn try_from(mut spec: EventSpec) -> Result<Self, EventError> {
        let stage = spec.stage;
        if spec.session.is_empty() {
            return Err(EventError::at("/session", "is empty"));
        }
        if spec.user.id.is_empty() {
            return Err(EventError::at("/user/id", "is empty"));
        }
        let at = match &spec.at {
            Some(at) => Some(at.parse::<Timestamp>().map_err(|_| {
                EventError::at("/at", "is not a time such as 2026-11-22T10:00:00Z (RFC 3339)")
            })?),
            None => None,
        };
        let body = match stage {
            Stage::Access => {
                Body::Access(access(take(&mut spec.access, "access", stage)?, spec.agent.as_ref())?)
            }
            Stage::Input => Body::Input {
                part: spec.part.take().unwrap_or_default(),
                text: take(&mut spec.text, "text", stage)?,
            },
            Stage::ToolCall => {
                let arguments = take(&mut spec.arguments, "arguments", stage)?;
                if !arguments.is_object() {
                    return Err(EventError::at("/arguments", "must be an object"));
                }
                Body::ToolCall {
                    tool: take(&mut spec.tool, "tool", stage)?,
                    call: spec.call.take(),
                    arguments,
                }
            }
            Stage::ToolResult => Body::ToolResult {
                tool: take(&mut spec.tool, "tool", stage)?,
                call: spec.call.take(),
                result: take(&mut spec.result, "result", stage)?,
            },
            Stage::Output => Body::Output { text: take(&mut spec.text, "text", stage)? },
        };
        let left_over = [
            ("access", spec.access.is_some()),
            ("part", spec.part.is_some()),
            ("text", spec.text.is_some()),
            ("call", spec.call.is_some()),
            ("tool", spec.tool.is_some()),
            ("arguments", spec.arguments.is_some()),
            ("result", spec.result.is_some()),
        ];
        if let Some((name, _)) = left_over.iter().find(|(_, there)| *there) {
            return Err(EventError::at(
                "",
                format!("`{name}` does not belong to an event of stage `{stage}`"),
            ));
        }
        if spec.agent.is_none() && !matches!(&body, Body::Access(access) if access.kind == AccessKind::Create)
        {
            return Err(EventError::at("", "`agent` is missing"));
        }
        // Written so that what is not a number is outside too.
        let outside = |score: &f64| !(0.0..=1.0).contains(score);
        if spec.facts.values().flat_map(BTreeMap::values).any(outside) {
            return Err(EventError::at("/facts", "a score is a number from 0 to 1"));
        }
        let UserSpec { id, roles, tenant, attributes } = spec.user;
        let user = User { id, roles, tenant, attributes };
        Ok(Event {
            session: spec.session,
            at,
            user,
            agent: spec.agent,
            facts: spec.facts,
            tokens: spec.tokens,
            body,
        })
    }
}

fn access(spec: AccessSpec, agent: Option<&String>) -> Result<Access, EventError> {
    let AccessSpec { kind, name, instructions, model, tools } = spec;
    match kind {
        AccessKind::Create if name.is_none() => {
            Err(EventError::at("/access", "`name` is missing: an agent is created by name"))
        }
        AccessKind::Create if agent.is_some() => Err(EventError::at(
            "/agent",
            "does not belong where an agent is created: its name is `access.name`",
        )),
        AccessKind::Run if name.is_some() || instructions.is_some() => {
            Err(EventError::at("/access", "`name` and `instructions` belong to an agent that is created"))
        }
        AccessKind::Run | AccessKind::Create => Ok(Access { kind, name, instructions, model, tools }),
    }
}
