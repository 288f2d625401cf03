//! Chunks of Chat Completions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::flow::Flow;
use super::{Calls as Kept, Outcome};
use crate::bundle::RefusedCalls;
use crate::surface::openai::conversation::{Conversation, Ruled};
use crate::surface::openai::error::{GuardError, Refusal};
use crate::surface::openai::wire::{Call, Place, Unfit, arguments, set};

/// Most choices of one answer.
const MAX_CHOICES: usize = 128;
/// Most tool calls of one choice.
const MAX_CALLS: usize = 128;

/// A stream of chunks.
pub(super) struct ChatStream {
    conversation: Arc<Conversation>,
    choices: BTreeMap<u64, Choice>,
    /// Whether the provider told of a failure of its own.
    failed: bool,
    calls: Kept,
    pub(super) outcome: Outcome,
}

/// One choice under way.
#[derive(Default)]
struct Choice {
    content: Option<Flow>,
    refusal: Option<Flow>,
    calls: BTreeMap<u64, Begun>,
    /// Chunks with parts of calls, which wait for the decision.
    held: Vec<Value>,
    is_done: bool,
}

/// A tool call under way.
#[derive(Default)]
struct Begun {
    id: String,
    name: String,
    arguments: String,
}

fn unfit<T>(at: &str, what: &str) -> Result<T, GuardError> {
    Err(GuardError::Answer(Unfit { at: at.to_owned(), what: what.to_owned() }))
}

const CHUNK: &[&str] = &[
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    "service_tier",
    "system_fingerprint",
    "obfuscation",
    "moderation",
];

impl ChatStream {
    pub(super) fn new(conversation: Arc<Conversation>, calls: Kept) -> Self {
        let outcome = Outcome::default();
        Self { conversation, choices: BTreeMap::new(), failed: false, calls, outcome }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.failed || !self.choices.is_empty() && self.choices.values().all(|choice| choice.is_done)
    }

    pub(super) async fn push(&mut self, mut chunk: Value) -> Result<Vec<Value>, GuardError> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            self.failed = true;
            // The provider's own words.
            return Ok(vec![json!({ "error": error })]);
        }
        let Some(members) = chunk.as_object_mut() else { return unfit("", "is no object") };
        members.retain(|name, _| CHUNK.contains(&name.as_str()));
        let choices = match members.insert("choices".to_owned(), json!([])) {
            Some(Value::Array(choices)) => choices,
            _ => return unfit("/choices", "is no list"),
        };
        let tokens = members.get("usage").and_then(|usage| usage.get("total_tokens")).and_then(Value::as_u64);
        self.conversation.spent(tokens);
        if choices.is_empty() {
            return Ok(vec![chunk]);
        }
        let (mut out, mut each) = (Vec::new(), true);
        let several = choices.len() > 1;
        for choice in choices {
            let before = out.len();
            self.choice(&chunk, choice, &mut out).await?;
            each &= out.len() <= before + 1;
        }
        if several && each {
            // As it came: choices that stood in one chunk stand in one.
            out = together(out);
        }
        if let Some((_, earlier)) = out.split_last_mut() {
            // What was used is told once.
            for chunk in earlier.iter_mut().filter(|chunk| chunk.get("usage").is_some()) {
                set(chunk, "usage", Value::Null);
            }
        }
        Ok(out)
    }

    async fn choice(
        &mut self,
        envelope: &Value,
        choice: Value,
        out: &mut Vec<Value>,
    ) -> Result<(), GuardError> {
        let Some(index) = choice.get("index").and_then(Value::as_u64) else {
            return unfit("/choices", "has no index");
        };
        if self.choices.len() >= MAX_CHOICES && !self.choices.contains_key(&index) {
            return unfit("/choices", "are too many");
        }
        let conversation = Arc::clone(&self.conversation);
        let state = self.choices.entry(index).or_default();
        if state.is_done {
            return unfit("/choices", "go on behind their end");
        }
        let chunk = |delta: Value, finish: Value| {
            let mut chunk = envelope.clone();
            if let Some(members) = chunk.as_object_mut() {
                let choice = json!({ "index": index, "delta": delta, "finish_reason": finish });
                members.insert("choices".to_owned(), json!([choice]));
            }
            chunk
        };
        if choice.get("logprobs").is_some_and(|value| !value.is_null()) {
            return unfit("/choices/logprobs", "was not asked for");
        }
        let delta = match choice.get("delta") {
            Some(Value::Object(delta)) => delta.clone(),
            None | Some(Value::Null) => Map::new(),
            Some(_) => return unfit("/choices/delta", "is no object"),
        };
        let mut kept = Map::new();
        let mut parts_of_calls = None;
        let mut withheld = false;
        for (name, value) in delta {
            match (name.as_str(), &value) {
                ("content" | "refusal", Value::String(text)) => {
                    let flow = if name == "content" { &mut state.content } else { &mut state.refusal };
                    let flow = flow.get_or_insert_with(|| Flow::new(&conversation));
                    if flow.raw().len() + text.len() > conversation.settings.answer_bytes {
                        return Err(GuardError::TooLarge { limit: conversation.settings.answer_bytes });
                    }
                    let released = flow.push(text);
                    if released.is_empty() && !text.is_empty() {
                        withheld = true;
                    } else {
                        kept.insert(name, Value::String(released));
                    }
                }
                ("role", Value::String(_)) | ("content" | "refusal" | "role", Value::Null) => {
                    kept.insert(name, value);
                }
                ("tool_calls", Value::Array(parts)) => {
                    state.add(parts, conversation.settings.answer_bytes)?;
                    parts_of_calls = Some(json!(parts)).filter(|_| !parts.is_empty());
                    withheld = true;
                }
                ("tool_calls" | "function_call" | "audio", Value::Null) => {}
                ("tool_calls" | "function_call" | "audio", _) => {
                    return unfit("/choices/delta", "holds what is not understood");
                }
                // Whatever it is, nothing has looked at it.
                _ => {}
            }
        }
        let finish = choice.get("finish_reason").cloned().unwrap_or_default();
        if let Some(parts) = parts_of_calls {
            // What stands beside them and is no text waits with them.
            let has_text = kept.iter().any(|(name, value)| name != "role" && value.is_string());
            let mut delta = if has_text { Map::new() } else { std::mem::take(&mut kept) };
            delta.insert("tool_calls".to_owned(), parts);
            state.held.push(chunk(Value::Object(delta), Value::Null));
        }
        if finish.is_null() {
            if !kept.is_empty() || !withheld {
                out.push(chunk(Value::Object(kept), Value::Null));
            }
            return Ok(());
        }
        let mut finished = state.finish(&conversation, self.calls).await?;
        self.outcome.calls.append(&mut finished.kept);
        let nothing_more = finished.rest.iter().all(|(_, rest)| rest.is_empty());
        if nothing_more && finished.refused.is_none() && state.held.is_empty() {
            out.push(chunk(Value::Object(kept), finish));
            return Ok(());
        }
        if !kept.is_empty() {
            out.push(chunk(Value::Object(kept), Value::Null));
        }
        for (name, rest) in finished.rest {
            if !rest.is_empty() {
                out.push(chunk(json!({ name: rest }), Value::Null));
            }
        }
        if let Some(refusal) = finished.refused {
            out.push(chunk(json!({ "refusal": refusal.message() }), Value::Null));
            out.push(chunk(json!({}), json!("content_filter")));
            self.outcome.refused.get_or_insert(refusal);
            return Ok(());
        }
        match finished.calls {
            Calls::AsTheyCame => out.append(&mut state.held),
            Calls::Rewritten(calls) => {
                for (number, (call, arguments)) in calls.into_iter().enumerate() {
                    let function = json!({ "name": call.tool, "arguments": arguments });
                    let part =
                        json!({ "index": number, "id": call.id, "type": "function", "function": function });
                    out.push(chunk(json!({ "role": "assistant", "tool_calls": [part] }), Value::Null));
                }
            }
            Calls::AllRefused(why) => {
                out.push(chunk(json!({ "refusal": why }), Value::Null));
                out.push(chunk(json!({}), json!("content_filter")));
                return Ok(());
            }
        }
        out.push(chunk(json!({}), finish));
        Ok(())
    }
}

/// One chunk of several that differ in their choices.
fn together(chunks: Vec<Value>) -> Vec<Value> {
    let mut chunks = chunks.into_iter();
    let Some(mut first) = chunks.next() else { return Vec::new() };
    let mut rest: Vec<Value> = chunks.collect();
    if let Some(Value::Array(choices)) = first.get_mut("choices") {
        for chunk in &mut rest {
            if let Some(Value::Array(more)) = chunk.get_mut("choices") {
                choices.append(more);
            }
        }
    }
    vec![first]
}

/// What a choice came to.
struct Finished {
    rest: Vec<(&'static str, String)>,
    refused: Option<Box<Refusal>>,
    calls: Calls,
    /// Calls that do not stand in the stream.
    kept: Vec<Ruled>,
}

enum Calls {
    AsTheyCame,
    Rewritten(Vec<(Call, String)>),
    AllRefused(String),
}

impl Choice {
    /// Takes parts of tool calls.
    fn add(&mut self, parts: &[Value], limit: usize) -> Result<(), GuardError> {
        for part in parts {
            let Some(index) = part.get("index").and_then(Value::as_u64) else {
                return unfit("/choices/delta/tool_calls", "has no index");
            };
            if self.calls.len() >= MAX_CALLS && !self.calls.contains_key(&index) {
                return unfit("/choices/delta/tool_calls", "are too many");
            }
            if part.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "function") {
                return unfit("/choices/delta/tool_calls", "is of a type that is not understood in a stream");
            }
            let begun = self.calls.entry(index).or_default();
            let text = |pointer: &str| part.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            // Id and name come once; a second one would make another call of it.
            for (known, new) in [(&mut begun.id, text("/id")), (&mut begun.name, text("/function/name"))] {
                if !new.is_empty() && !known.is_empty() && *known != new {
                    return unfit("/choices/delta/tool_calls", "changes its id or name");
                }
                if !new.is_empty() {
                    new.clone_into(known);
                }
            }
            begun.arguments.push_str(text("/function/arguments"));
            if begun.arguments.len() > limit {
                return Err(GuardError::TooLarge { limit });
            }
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        conversation: &Arc<Conversation>,
        calls: Kept,
    ) -> Result<Finished, GuardError> {
        self.is_done = true;
        let mut finished =
            Finished { rest: Vec::new(), refused: None, calls: Calls::AsTheyCame, kept: Vec::new() };
        for (name, flow) in [("content", &mut self.content), ("refusal", &mut self.refusal)] {
            let Some(flow) = flow else { continue };
            match flow.finish().await {
                Ok(rest) => finished.rest.push((name, rest)),
                Err(refusal) => {
                    finished.refused = Some(refusal);
                    return Ok(finished);
                }
            }
        }
        let mut changed = false;
        let mut why: Option<String> = None;
        let mut kept = Vec::new();
        let mut ids = std::collections::BTreeSet::new();
        for begun in std::mem::take(&mut self.calls).into_values() {
            if begun.id.is_empty() || begun.name.is_empty() || !ids.insert(begun.id.clone()) {
                return unfit("/choices/delta/tool_calls", "lacks an id or a name of its own");
            }
            let call = Call {
                arguments: arguments(&begun.arguments),
                id: begun.id,
                tool: begun.name,
                text: begun.arguments,
                place: Place::Texts(Vec::new()),
                at: String::new(),
                choice: 0,
            };
            let ruled = conversation.call(call).await;
            if calls == Kept::Kept {
                finished.kept.push(ruled);
                continue;
            }
            let Ruled { call, arguments } = ruled;
            match arguments {
                Ok(decided) => {
                    let is_same = call.arguments.as_ref() == Ok(&decided);
                    changed |= !is_same;
                    let text = if is_same { call.text.clone() } else { decided.to_string() };
                    kept.push((call, text));
                }
                Err(refusal) if conversation.refused_calls() == RefusedCalls::Fail => {
                    return Err(GuardError::Refused(refusal));
                }
                Err(refusal) => {
                    changed = true;
                    why.get_or_insert_with(|| refusal.to_string());
                }
            }
        }
        finished.calls = match why {
            Some(why) if kept.is_empty() => Calls::AllRefused(why),
            _ if changed => Calls::Rewritten(kept),
            _ => Calls::AsTheyCame,
        };
        Ok(finished)
    }
}
