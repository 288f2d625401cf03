//! The tool loop: ask the model, decide, run what was allowed, tell it what came of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tracing::Instrument;

use super::client::GuardedAgent;
use super::conversation::Ruled;
use super::draft::Draft;
use super::error::{GuardError, Refusal};
use super::telemetry;
use super::tools::{Tool, ToolError, Tools};
use super::transport;
use super::wire::{Api, Call, set, value_of};
use super::withheld;
use crate::bundle::RefusedCalls;
use crate::event::Body;

/// How far one run goes, beyond what the bundle's `limits:` say of the whole session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// Answers of the model.
    pub turns: u64,
    /// Tool calls that it asks for.
    pub calls: u64,
    /// Tool calls at the same time.
    pub parallel: usize,
    /// Time in all.
    pub time: Duration,
    /// Tokens in all, as far as the provider tells.
    pub tokens: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { turns: 16, calls: 64, parallel: 8, time: Duration::from_secs(600), tokens: 1_000_000 }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The answer; where it was refused, why.
    pub text: String,
    /// The refusal of the answer.
    pub refused: Option<Box<Refusal>>,
    /// Tool calls that were refused; the model was told why.
    pub refused_calls: u64,
    /// Answers of the model.
    pub turns: u64,
    /// Tool calls that it asked for.
    pub calls: u64,
    /// Tokens, as far as the provider told.
    pub tokens: u64,
}

/// What goes on in a run, as it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// More of the model's text has been released, or of the refusal that stands in its place.
    Said {
        /// What comes next.
        text: &'a str,
    },
    /// A tool is run.
    Calling {
        /// The tool.
        tool: &'a str,
    },
    /// It has ended, and its result was decided about.
    Called {
        /// The tool.
        tool: &'a str,
        /// Whether the model sees its result.
        seen: bool,
    },
}

/// A conversation with an agent: each turn goes on from the last one.
///
/// Cancel-safe: a turn that is dropped has not been; what was decided and run in it stays in session and log.
pub struct Talk {
    agent: GuardedAgent,
    api: Api,
    model: String,
    instructions: Option<String>,
    limits: RunLimits,
    is_streamed: bool,
    /// What was said, as the API wants it sent.
    history: Vec<Value>,
}

impl std::fmt::Debug for Talk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Talk")
            .field("agent", &self.agent)
            .field("said", &self.history.len())
            .finish_non_exhaustive()
    }
}

impl GuardedAgent {
    /// Begins a conversation.
    #[must_use]
    pub fn talk(&self, api: Api, model: impl Into<String>) -> Talk {
        Talk {
            agent: self.clone(),
            api,
            model: model.into(),
            instructions: None,
            limits: RunLimits::default(),
            is_streamed: false,
            history: Vec::new(),
        }
    }

    /// One question and its answer, with these tools, through the Responses API.
    ///
    /// # Errors
    /// Where the question was refused, a limit was reached, or the provider failed. A refused tool call is none: the model
    /// is told.
    pub async fn run(
        &self,
        model: impl Into<String>,
        input: &str,
        tools: &Tools,
    ) -> Result<Finished, GuardError> {
        self.talk(Api::Responses, model).say(input, tools).await
    }
}

impl Talk {
    /// The developer's instructions.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// How far each turn goes.
    #[must_use]
    pub fn limits(mut self, limits: RunLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Asks for answers bit by bit: [`Progress::Said`] tells of their text as it is released.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.is_streamed = true;
        self
    }

    /// Says something, and runs tools until the model has answered.
    ///
    /// # Errors
    /// As [`GuardedAgent::run`]; the conversation is then where it was before.
    pub async fn say(&mut self, input: &str, tools: &Tools) -> Result<Finished, GuardError> {
        self.say_with(input, tools, &mut |_| {}).await
    }

    /// The same, told what goes on.
    ///
    /// # Errors
    /// As [`Talk::say`].
    pub async fn say_with(
        &mut self,
        input: &str,
        tools: &Tools,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Finished, GuardError> {
        let limit = GuardError::Limit { what: "seconds", limit: self.limits.time.as_secs() };
        let turn = self.turn(input, tools, progress);
        let (finished, said) = tokio::time::timeout(self.limits.time, turn).await.unwrap_or(Err(limit))?;
        self.history = said;
        Ok(finished)
    }

    async fn turn(
        &self,
        input: &str,
        tools: &Tools,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<(Finished, Vec<Value>), GuardError> {
        let guarded = &self.agent.guarded;
        let mut said = self.history.clone();
        said.push(json!({ "role": "user", "content": input }));
        let mut done =
            Finished { text: String::new(), refused: None, refused_calls: 0, turns: 0, calls: 0, tokens: 0 };
        let within = |what, used: u64, limit: u64| match used >= limit {
            true => Err(GuardError::Limit { what, limit }),
            false => Ok(()),
        };
        loop {
            within("turns", done.turns, self.limits.turns)?;
            within("tokens", done.tokens, self.limits.tokens)?;
            done.turns += 1;
            let request = self.request(&said, tools);
            let mut answered = if self.is_streamed {
                let told = &mut |text: &str| progress(Progress::Said { text });
                guarded.ask(self.api, Draft::new(request), Some(told)).await?
            } else {
                guarded.ask(self.api, Draft::new(request), None).await?
            };
            let document = answered.document.document();
            if document.get("status").and_then(Value::as_str) == Some("failed") {
                let error = document.get("error").unwrap_or(&Value::Null);
                return Err(transport::told(http::StatusCode::OK, error));
            }
            let usage = document.pointer("/usage/total_tokens").and_then(Value::as_u64);
            done.tokens = done.tokens.saturating_add(usage.unwrap_or(0));
            let (items, text) = spoken(self.api, document)?;
            said.extend(items);
            if answered.refused.is_some() || answered.calls.is_empty() {
                done.text = text;
                done.refused = answered.refused;
                return Ok((done, said));
            }
            done.calls = done.calls.saturating_add(answered.calls.len() as u64);
            if done.calls > self.limits.calls {
                return Err(GuardError::Limit { what: "tool calls", limit: self.limits.calls });
            }
            if guarded.conversation.refused_calls() == RefusedCalls::Fail
                && let Some(at) = answered.calls.iter().position(|ruled| ruled.arguments.is_err())
                && let Err(refusal) = answered.calls.swap_remove(at).arguments
            {
                return Err(GuardError::Refused(refusal));
            }
            let refused = answered.calls.iter().filter(|ruled| ruled.arguments.is_err()).count();
            done.refused_calls = done.refused_calls.saturating_add(refused as u64);
            for (call, result) in self.results(answered.calls, tools, progress).await {
                guarded.conversation.remember_result(&call.tool, &call.id, &Value::String(result.clone()));
                said.push(withheld::result(self.api, withheld::is_custom(&call), &call.id, &result));
            }
        }
    }

    fn request(&self, said: &[Value], tools: &Tools) -> Value {
        let mut request = json!({ "model": self.model });
        let Some(members) = request.as_object_mut() else { return request };
        let instructions = self.instructions.as_ref();
        if self.is_streamed {
            members.insert("stream".to_owned(), Value::Bool(true));
        }
        match self.api {
            Api::Chat => {
                let system = instructions.map(|text| json!({ "role": "system", "content": text }));
                let messages: Vec<Value> = system.into_iter().chain(said.iter().cloned()).collect();
                members.insert("messages".to_owned(), Value::Array(messages));
                if self.is_streamed {
                    // Otherwise nobody tells of the tokens.
                    members.insert("stream_options".to_owned(), json!({ "include_usage": true }));
                }
            }
            Api::Responses => {
                members.insert("input".to_owned(), Value::Array(said.to_vec()));
                // The whole history is sent each time, where the guard can read it.
                members.insert("store".to_owned(), Value::Bool(false));
                members.insert("include".to_owned(), json!(["reasoning.encrypted_content"]));
                if let Some(text) = instructions {
                    members.insert("instructions".to_owned(), json!(text));
                }
            }
        }
        let offered = tools.offered(self.api);
        if !offered.is_empty() {
            members.insert("tools".to_owned(), Value::Array(offered));
        }
        request
    }

    /// Runs what was allowed, side by side, and gives what the model is told of each call, in order.
    async fn results(
        &self,
        calls: Vec<Ruled>,
        tools: &Tools,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Vec<(Call, String)> {
        let conversation = &self.agent.guarded.conversation;
        let runs = calls.into_iter().map(|Ruled { call, arguments }| {
            let tool = tools.get(&call.tool).cloned();
            if let (Ok(_), Some(tool)) = (&arguments, &tool) {
                progress(Progress::Calling { tool: tool.name() });
            }
            async move {
                let span = telemetry::tool(&call.tool, &call.id, &conversation.session);
                let outcome = match arguments {
                    Err(refusal) => Err(withheld::told(&refusal)),
                    Ok(arguments) => Ok(self.run_tool(tool, &call.tool, arguments).instrument(span).await),
                };
                (call, outcome)
            }
        });
        let runs: Vec<_> = runs.collect();
        let mut runs = futures_util::stream::iter(runs).buffered(self.limits.parallel.max(1));
        let mut results = Vec::new();
        while let Some((call, outcome)) = runs.next().await {
            let (text, seen) = match outcome {
                Err(refused) => (refused, false),
                Ok(result) => {
                    let result = result.unwrap_or_else(|error| Value::String(format!("error: {error}")));
                    let body =
                        Body::ToolResult { tool: call.tool.clone(), call: Some(call.id.clone()), result };
                    match conversation.decide(body).await {
                        Ok((body, _)) => (as_text(value_of(&body)), true),
                        Err(refusal) => (format!("the result was withheld: {}", refusal.message()), false),
                    }
                }
            };
            progress(Progress::Called { tool: &call.tool, seen });
            results.push((call, text));
        }
        results
    }

    async fn run_tool(
        &self,
        tool: Option<Arc<dyn Tool>>,
        name: &str,
        arguments: Value,
    ) -> Result<Value, ToolError> {
        let Some(tool) = tool else { return Err(ToolError::new("there is no such tool")) };
        let arguments = self.agent.guarded.conversation.for_tool(name, &arguments);
        tool.call(arguments).await
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// What the model said, as it is sent back, and its text.
fn spoken(api: Api, document: &Value) -> Result<(Vec<Value>, String), GuardError> {
    let nothing = || {
        let what = "holds nothing that a model said".to_owned();
        GuardError::Answer(super::wire::Unfit { at: String::new(), what })
    };
    match api {
        Api::Chat => {
            let message = document.pointer("/choices/0/message").ok_or_else(nothing)?;
            let mut kept = json!({ "role": "assistant" });
            let mut text = String::new();
            for name in ["content", "refusal", "tool_calls"] {
                match message.get(name) {
                    None | Some(Value::Null) => {}
                    Some(value) => {
                        text.push_str(value.as_str().unwrap_or_default());
                        set(&mut kept, name, value.clone());
                    }
                }
            }
            Ok((vec![kept], text))
        }
        Api::Responses => {
            let items = document.get("output").and_then(Value::as_array).ok_or_else(nothing)?;
            let parts = items.iter().filter_map(|item| item.get("content")?.as_array());
            let text =
                parts.flatten().filter_map(|part| part.get("text").or_else(|| part.get("refusal"))?.as_str());
            let text: String = text.collect();
            let mut kept = items.clone();
            for part in kept.iter_mut().filter_map(|item| item.get_mut("content")?.as_array_mut()).flatten() {
                if let Some(part) = part.as_object_mut() {
                    // Notes on the text, which nobody needs back.
                    part.remove("annotations");
                    part.remove("logprobs");
                }
            }
            Ok((kept, text))
        }
    }
}
