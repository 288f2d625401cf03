//! One thing that happens at one stage of an agent call.
//!
//! Surfaces make an [`Event`], the guard answers it with a verdict. What its rules read are its text fields
//! ([`Event::fields`]): every string that a person, a model or a tool wrote, with a JSON Pointer to it.

mod chat;
mod fields;
mod spec;

pub use chat::{Chat, ChatError, Message};
pub use fields::{Field, Part};
pub use spec::{AccessSpec, EventError, EventSpec, UserSpec};

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where in an agent call an event happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A user asks to run or to create an agent.
    Access,
    /// Text goes to the model: instructions, the user's message, history.
    Input,
    /// The model wants to call a tool.
    ToolCall,
    /// A tool has answered.
    ToolResult,
    /// The model's answer goes to the user.
    Output,
}

impl Stage {
    /// Every stage, in the order of an agent call.
    pub const ALL: [Stage; 5] =
        [Stage::Access, Stage::Input, Stage::ToolCall, Stage::ToolResult, Stage::Output];

    /// The name in JSON, YAML and Cedar.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Access => "access",
            Stage::Input => "input",
            Stage::ToolCall => "tool_call",
            Stage::ToolResult => "tool_result",
            Stage::Output => "output",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One event of one session.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The agent run that it belongs to.
    pub session: String,
    /// When it happened; the guard stamps its own time where this is absent.
    pub at: Option<Timestamp>,
    /// On whose behalf.
    pub user: User,
    /// By which agent; absent only when one is being created.
    pub agent: Option<String>,
    /// What detectors outside the engine state: scores by fact and category.
    pub facts: BTreeMap<String, BTreeMap<String, f64>>,
    /// Model tokens that this step has used, where the host counts them.
    pub tokens: Option<u64>,
    /// What happens.
    pub body: Body,
}

/// The user on whose behalf an agent acts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct User {
    /// The user's id, as in `User::"alice"`.
    pub id: String,
    /// Direct roles. Absent: those that this session's latest event for the same user stated.
    pub roles: Option<Vec<String>>,
    /// The tenant; absent as for `roles`.
    pub tenant: Option<String>,
    /// Attributes that the manifest declares; absent as for `roles`.
    pub attributes: Option<BTreeMap<String, Value>>,
}

impl User {
    /// A user with these direct roles.
    #[must_use]
    pub fn new<R: Into<String>>(id: impl Into<String>, roles: impl IntoIterator<Item = R>) -> Self {
        Self { id: id.into(), roles: Some(roles.into_iter().map(Into::into).collect()), ..Self::default() }
    }
}

/// What happens at each stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// See [`Stage::Access`].
    Access(Access),
    /// See [`Stage::Input`].
    Input {
        /// Who wrote it.
        part: InputPart,
        /// Text, or JSON whose strings are the text.
        text: Value,
    },
    /// See [`Stage::ToolCall`].
    ToolCall {
        /// The tool's name.
        tool: String,
        /// Id that pairs the call with its result.
        call: Option<String>,
        /// The arguments, an object.
        arguments: Value,
    },
    /// See [`Stage::ToolResult`].
    ToolResult {
        /// The tool's name.
        tool: String,
        /// Id of the call that it answers.
        call: Option<String>,
        /// Text, or JSON whose strings are the text.
        result: Value,
    },
    /// See [`Stage::Output`].
    Output {
        /// Text, or JSON whose strings are the text.
        text: Value,
    },
}

/// What a user asks for at [`Stage::Access`].
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// Run an agent that exists, or create one.
    pub kind: AccessKind,
    /// Name of the agent to create.
    pub name: Option<String>,
    /// Its instructions: text, or JSON whose strings are the text.
    pub instructions: Option<Value>,
    /// The model that it would use.
    pub model: Option<String>,
    /// The tools that the host application offers it. Absent: nothing is offered or restricted.
    pub tools: Option<Vec<String>>,
}

/// Whether an agent is run or created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessKind {
    /// Run an agent.
    Run,
    /// Create an agent.
    Create,
}

/// Who wrote an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputPart {
    /// The developer: the system prompt.
    Instructions,
    /// The user, now.
    #[default]
    User,
    /// Earlier turns that are sent again.
    History,
}

impl Event {
    /// The stage at which it happens.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match &self.body {
            Body::Access(_) => Stage::Access,
            Body::Input { .. } => Stage::Input,
            Body::ToolCall { .. } => Stage::ToolCall,
            Body::ToolResult { .. } => Stage::ToolResult,
            Body::Output { .. } => Stage::Output,
        }
    }

    /// The tool of a call or result.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        match &self.body {
            Body::ToolCall { tool, .. } | Body::ToolResult { tool, .. } => Some(tool),
            Body::Access(_) | Body::Input { .. } | Body::Output { .. } => None,
        }
    }

    /// The id that pairs a call with its result.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        match &self.body {
            Body::ToolCall { call, .. } | Body::ToolResult { call, .. } => call.as_deref(),
            Body::Access(_) | Body::Input { .. } | Body::Output { .. } => None,
        }
    }

    fn new(session: impl Into<String>, user: User, agent: Option<String>, body: Body) -> Self {
        let facts = BTreeMap::new();
        Self { session: session.into(), at: None, user, agent, facts, tokens: None, body }
    }

    /// A user asks to run `agent` with `model` and the tools that the application offers.
    #[must_use]
    pub fn run(
        session: impl Into<String>,
        user: User,
        agent: impl Into<String>,
        model: Option<String>,
        tools: Vec<String>,
    ) -> Self {
        let access =
            Access { kind: AccessKind::Run, name: None, instructions: None, model, tools: Some(tools) };
        Self::new(session, user, Some(agent.into()), Body::Access(access))
    }

    /// A user asks to create an agent.
    #[must_use]
    pub fn create(
        session: impl Into<String>,
        user: User,
        name: impl Into<String>,
        instructions: impl Into<Value>,
        model: Option<String>,
        tools: Vec<String>,
    ) -> Self {
        let access = Access {
            kind: AccessKind::Create,
            name: Some(name.into()),
            instructions: Some(instructions.into()),
            model,
            tools: Some(tools),
        };
        Self::new(session, user, None, Body::Access(access))
    }

    /// A user's message.
    #[must_use]
    pub fn input(
        session: impl Into<String>,
        user: User,
        agent: impl Into<String>,
        text: impl Into<Value>,
    ) -> Self {
        Self::new(session, user, Some(agent.into()), Body::Input { part: InputPart::User, text: text.into() })
    }

    /// A tool call that the model asks for.
    #[must_use]
    pub fn tool_call(
        session: impl Into<String>,
        user: User,
        agent: impl Into<String>,
        tool: impl Into<String>,
        arguments: Value,
    ) -> Self {
        let body = Body::ToolCall { tool: tool.into(), call: None, arguments };
        Self::new(session, user, Some(agent.into()), body)
    }

    /// A tool's answer.
    #[must_use]
    pub fn tool_result(
        session: impl Into<String>,
        user: User,
        agent: impl Into<String>,
        tool: impl Into<String>,
        result: impl Into<Value>,
    ) -> Self {
        let body = Body::ToolResult { tool: tool.into(), call: None, result: result.into() };
        Self::new(session, user, Some(agent.into()), body)
    }

    /// The model's answer to the user.
    #[must_use]
    pub fn output(
        session: impl Into<String>,
        user: User,
        agent: impl Into<String>,
        text: impl Into<Value>,
    ) -> Self {
        Self::new(session, user, Some(agent.into()), Body::Output { text: text.into() })
    }
}
