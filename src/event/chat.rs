//! Whole agent sessions as OpenAI chat messages, read into events.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::{Access, AccessKind, Body, Event, InputPart, User};
use crate::decode;

/// A session as recorded by many tools: `{"id": …, "messages": […], "tools": […]}` on one line.
///
/// Fields other than these three are ignored, since such files carry what their makers liked to add.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// The session's id.
    pub id: String,
    /// Its messages in order.
    pub messages: Vec<Message>,
    /// Names of the tools that it was given; absent where the file does not say.
    pub tools: Option<Vec<String>>,
}

/// One message: what it becomes is decided by its role.
#[derive(Debug, Clone, PartialEq)]
pub struct Message(Value);

/// Why a line is not a session, or a message not an event. Never repeats what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatError(String);

impl fmt::Display for ChatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ChatError {}

impl Chat {
    /// Reads a session from one line of JSON.
    ///
    /// # Errors
    /// Where it is not strict JSON, or has no `id` or `messages`.
    pub fn from_json(text: &str) -> Result<Self, ChatError> {
        let value = decode::from_json(text).map_err(|problem| ChatError(problem.message))?;
        Self::from_value(value)
    }

    pub(crate) fn from_value(mut value: Value) -> Result<Self, ChatError> {
        let missing = |name: &str, what: &str| ChatError(format!("a session needs `{name}`, {what}"));
        if value.get("stage").is_some() {
            return Err(ChatError(
                "this has both `stage`, as an event, and `messages`, as a session".to_owned(),
            ));
        }
        let id = match value.get("id") {
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => return Err(missing("id", "a text")),
        };
        let Some(Value::Array(messages)) = value.get_mut("messages").map(Value::take) else {
            return Err(missing("messages", "a list"));
        };
        let tools = match value.get("tools") {
            None | Some(Value::Null) => None,
            Some(Value::Array(tools)) => {
                let names: Option<Vec<String>> = tools.iter().map(tool_name).collect();
                Some(names.ok_or_else(|| ChatError("an entry of `tools` has no name".to_owned()))?)
            }
            Some(_) => return Err(ChatError("`tools` is not a list".to_owned())),
        };
        Ok(Self { id, messages: messages.into_iter().map(Message).collect(), tools })
    }

    /// Names of the tools that the session calls, each once, in order.
    #[must_use]
    pub fn called_tools(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for message in &self.messages {
            for call in message.calls() {
                if let Some(name) = call.get("function").and_then(|f| f.get("name")).and_then(Value::as_str)
                    && !names.iter().any(|known| known == name)
                {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }

    /// The session's events in order: first an `access` event that offers `tools`, then what each message becomes.
    /// A message that is no event stands as an error in its place.
    #[must_use]
    pub fn events(
        &self,
        user: &User,
        agent: &str,
        model: Option<&str>,
        tools: &[String],
    ) -> Vec<Result<Event, ChatError>> {
        let new = |body| Event::new(self.id.clone(), user.clone(), Some(agent.to_owned()), body);
        let mut events = vec![Ok(new(Body::Access(Access {
            kind: AccessKind::Run,
            name: None,
            instructions: None,
            model: model.map(str::to_owned),
            tools: Some(tools.to_vec()),
        })))];
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for (index, message) in self.messages.iter().enumerate() {
            let bodies = message.bodies(&mut names);
            events.extend(bodies.into_iter().map(|body| {
                body.map(new).map_err(|what| ChatError(format!("message {}: {what}", index + 1)))
            }));
        }
        events
    }
}

fn tool_name(tool: &Value) -> Option<String> {
    let function = tool.get("function").and_then(|function| function.get("name"));
    // A hosted tool has no name but its type.
    let name = function.or_else(|| tool.get("name")).or_else(|| tool.get("type"))?;
    name.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

impl Message {
    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    fn calls(&self) -> &[Value] {
        self.0.get("tool_calls").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn content(&self) -> Option<Value> {
        match self.0.get("content") {
            None | Some(Value::Null) => None,
            Some(content) => Some(content.clone()),
        }
    }

    fn bodies(&self, names: &mut BTreeMap<String, String>) -> Vec<Result<Body, &'static str>> {
        let input = |part| match self.content() {
            Some(text) => vec![Ok(Body::Input { part, text })],
            None => vec![Err("has no `content`")],
        };
        match self.text("role") {
            Some("system" | "developer") => input(InputPart::Instructions),
            Some("user") => input(InputPart::User),
            Some("assistant") => {
                let mut bodies = Vec::new();
                for text in [self.content(), self.0.get("refusal").filter(|text| text.is_string()).cloned()] {
                    bodies.extend(text.map(|text| Ok(Body::Output { text })));
                }
                if !matches!(self.0.get("tool_calls"), None | Some(Value::Null | Value::Array(_))) {
                    bodies.push(Err("has `tool_calls` that are not a list"));
                }
                bodies.extend(self.calls().iter().map(|call| tool_call(call, names)));
                match self.0.get("function_call") {
                    None | Some(Value::Null) => {}
                    Some(call) if call.is_object() => bodies.push(function(call, None)),
                    Some(_) => bodies.push(Err("has a `function_call` that is not an object")),
                }
                if bodies.is_empty() {
                    bodies.push(Err("has neither `content` nor `tool_calls`"));
                }
                bodies
            }
            Some("tool" | "function") => {
                let call = self.text("tool_call_id").map(str::to_owned);
                let called = call.as_ref().and_then(|call| names.get(call)).cloned();
                // The call knows which tool it was; a `name` beside the result is only its copy.
                let Some(tool) = called.or_else(|| self.text("name").map(str::to_owned)) else {
                    return vec![Err("answers no call and has no `name`")];
                };
                vec![Ok(Body::ToolResult { tool, call, result: self.content().unwrap_or_default() })]
            }
            Some(_) => vec![Err("has a role that is not system, developer, user, assistant or tool")],
            None => vec![Err("has no `role`")],
        }
    }
}

fn tool_call(call: &Value, names: &mut BTreeMap<String, String>) -> Result<Body, &'static str> {
    let id = call.get("id").and_then(Value::as_str).map(str::to_owned);
    let body = function(call.get("function").ok_or("a tool call has no `function`")?, id.clone())?;
    if let (Some(id), Body::ToolCall { tool, .. }) = (id, &body) {
        names.insert(id, tool.clone());
    }
    Ok(body)
}

fn function(function: &Value, call: Option<String>) -> Result<Body, &'static str> {
    let tool = function.get("name").and_then(Value::as_str).ok_or("a tool call has no name")?.to_owned();
    let arguments = match function.get("arguments") {
        None | Some(Value::Null) => Value::Object(serde_json::Map::new()),
        Some(Value::String(text)) if text.trim().is_empty() => Value::Object(serde_json::Map::new()),
        Some(Value::String(text)) => {
            decode::from_json(text).map_err(|_| "the arguments of a tool call are not strict JSON")?
        }
        Some(arguments) => arguments.clone(),
    };
    if !arguments.is_object() {
        return Err("the arguments of a tool call are not an object");
    }
    Ok(Body::ToolCall { tool, call, arguments })
}
