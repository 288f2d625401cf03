//! Chunks of Chat Completions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::flow::Flow;
use super::{Calls as Kept, Outcome};
use crate::bundle::RefusedCalls;
use crate::surface::openai::conversation::{Conversation, Ruled};
use crate::surface::openai::error::{GuardError, Refusal};
use crate::surface::openai::wire::{self, Call, Place, Unfit, arguments, set};

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
    /// Tokens that it has told of.
    told: Option<u64>,
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
        Self { conversation, choices: BTreeMap::new(), failed: false, told: None, calls, outcome }
    }

    pub(super) fn is_counted(&self) -> bool {
        self.told.is_some()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.failed || !self.choices.is_empty() && self.choices.values().all(|choice| choice.is_done)
    }

    pub(super) async fn push(&mut self, mut chunk: Value) -> Result<Vec<Value>, GuardError> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            self.failed = true;
            let told = self.conversation.failure(error.clone()).await;
            return Ok(vec![json!({ "error": told })]);
        }
        let Some(members) = chunk.as_object_mut() else { return unfit("", "is no object") };
        members.retain(|name, _| CHUNK.contains(&name.as_str()));
        let choices = match members.insert("choices".to_owned(), json!([])) {
            Some(Value::Array(choices)) => choices,
            _ => return unfit("/choices", "is no list"),
        };
        let tokens = members.get("usage").and_then(|usage| usage.get("total_tokens")).and_then(Value::as_u64);
        if let Some(tokens) = tokens {
            // Some tell in each chunk what it has come to so far.
            self.conversation.spent(Some(tokens.saturating_sub(self.told.unwrap_or(0))));
            self.told = Some(tokens.max(self.told.unwrap_or(0)));
        }
        let texts = wire::texts(&chunk, &["choices"]);
        self.conversation.beside(&texts, &mut chunk).await;
        if choices.is_empty() {
            return Ok(vec![chunk]);
        }
        let (mut pieces, mut each) = (Vec::new(), true);
        let several = choices.len() > 1;
        for choice in choices {
            let before = pieces.len();
            self.choice(&chunk, choice, &mut pieces).await?;
            each &= pieces.len() <= before + 1;
        }
        Ok(chunks(chunk, pieces, several && each))
    }

    async fn choice(
        &mut self,
        envelope: &Value,
        mut choice: Value,
        out: &mut Vec<Piece>,
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
        let piece = |delta: Value, finish: Value| {
            Piece::Told(json!({ "index": index, "delta": delta, "finish_reason": finish }))
        };
        if choice.get("logprobs").is_some_and(|value| !value.is_null()) {
            return unfit("/choices/logprobs", "was not asked for");
        }
        let delta = match choice.get_mut("delta").map(Value::take) {
            Some(Value::Object(delta)) => delta,
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
                ("role", Value::String(role)) if !wire::is_word(role) => {
                    return unfit("/choices/delta/role", "is a text where none belongs");
                }
                ("role", Value::String(_)) | ("content" | "refusal" | "role", Value::Null) => {
                    kept.insert(name, value);
                }
                ("tool_calls", Value::Array(parts)) => {
                    let mut parts = parts.clone();
                    parts.iter_mut().for_each(|part| {
                        wire::chat::drops_of_call(part);
                    });
                    state.add(&parts, conversation.settings.answer_bytes)?;
                    withheld = true;
                    parts_of_calls = Some(Value::Array(parts)).filter(|parts| *parts != json!([]));
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
        if !(finish.is_null() || finish.as_str().is_some_and(wire::is_word)) {
            return unfit("/choices/finish_reason", "is no word");
        }
        if let Some(parts) = parts_of_calls {
            // What stands beside them and is no text waits with them.
            let has_text = kept.iter().any(|(name, value)| name != "role" && value.is_string());
            let mut delta = if has_text { Map::new() } else { std::mem::take(&mut kept) };
            delta.insert("tool_calls".to_owned(), parts);
            let told = json!({ "index": index, "delta": delta, "finish_reason": null });
            state.held.push(with_choices(envelope.clone(), vec![told]));
        }
        if finish.is_null() {
            if !kept.is_empty() || !withheld {
                out.push(piece(Value::Object(kept), Value::Null));
            }
            return Ok(());
        }
        let mut finished = state.finish(&conversation, self.calls).await?;
        self.outcome.calls.append(&mut finished.kept);
        let nothing_more = finished.rest.iter().all(|(_, rest)| rest.is_empty());
        if nothing_more && finished.refused.is_none() && state.held.is_empty() {
            out.push(piece(Value::Object(kept), finish));
            return Ok(());
        }
        if !kept.is_empty() {
            out.push(piece(Value::Object(kept), Value::Null));
        }
        for (name, rest) in finished.rest {
            if !rest.is_empty() {
                out.push(piece(json!({ name: rest }), Value::Null));
            }
        }
        if let Some(refusal) = finished.refused {
            out.push(piece(json!({ "refusal": refusal.message() }), Value::Null));
            out.push(piece(json!({}), json!("content_filter")));
            self.outcome.refused.get_or_insert(refusal);
            return Ok(());
        }
        match finished.calls {
            Calls::AsTheyCame => out.extend(state.held.drain(..).map(Piece::Held)),
            Calls::Rewritten(calls) => {
                for (number, (call, arguments)) in calls.into_iter().enumerate() {
                    let function = json!({ "name": call.tool, "arguments": arguments });
                    let part =
                        json!({ "index": number, "id": call.id, "type": "function", "function": function });
                    out.push(piece(json!({ "role": "assistant", "tool_calls": [part] }), Value::Null));
                }
            }
            Calls::AllRefused(why) => {
                out.push(piece(json!({ "refusal": why }), Value::Null));
                out.push(piece(json!({}), json!("content_filter")));
                return Ok(());
            }
        }
        out.push(piece(json!({}), finish));
        Ok(())
    }
}

/// What is handed on of a choice.
enum Piece {
    /// As it stands in a chunk now.
    Told(Value),
    /// A chunk that was held until now.
    Held(Value),
}

fn with_choices(mut chunk: Value, choices: Vec<Value>) -> Value {
    set(&mut chunk, "choices", Value::Array(choices));
    chunk
}

/// Pieces as chunks: each its own, or where they came in one, all in one.
fn chunks(envelope: Value, pieces: Vec<Piece>, together: bool) -> Vec<Value> {
    if together && pieces.iter().all(|piece| matches!(piece, Piece::Told(_))) && !pieces.is_empty() {
        let choices = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Told(choice) => Some(choice),
            Piece::Held(_) => None,
        });
        return vec![with_choices(envelope, choices.collect())];
    }
    let last = pieces.len().saturating_sub(1);
    let mut envelope = Some(envelope);
    let chunk = |(number, piece)| match piece {
        Piece::Told(choice) if number == last => {
            envelope.take().map(|envelope| with_choices(envelope, vec![choice]))
        }
        Piece::Told(choice) => {
            let mut chunk = with_choices(envelope.clone().unwrap_or_default(), vec![choice]);
            // What was used is told once.
            if chunk.get("usage").is_some() {
                set(&mut chunk, "usage", Value::Null);
            }
            Some(chunk)
        }
        Piece::Held(chunk) => Some(chunk),
    };
    pieces.into_iter().enumerate().filter_map(chunk).collect()
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
            if part.get("type").is_some_and(|kind| !kind.is_null() && kind != "function") {
                return unfit("/choices/delta/tool_calls", "is of a type that is not understood in a stream");
            }
            let begun = self.calls.entry(index).or_default();
            let text = |names: &[&str]| match wire::inside(part, names) {
                None | Some(Value::Null) => Ok(""),
                Some(Value::String(text)) => Ok(text.as_str()),
                Some(_) => unfit("/choices/delta/tool_calls", "holds what is no text"),
            };
            if !wire::is_word(text(&["id"])?) {
                return unfit("/choices/delta/tool_calls", "has a text for an id");
            }
            // Id and name come once; a second one would make another call of it.
            for (known, new) in
                [(&mut begun.id, text(&["id"])?), (&mut begun.name, text(&["function", "name"])?)]
            {
                if !new.is_empty() && !known.is_empty() && *known != new {
                    return unfit("/choices/delta/tool_calls", "changes its id or name");
                }
                if !new.is_empty() {
                    new.clone_into(known);
                }
            }
            begun.arguments.push_str(text(&["function", "arguments"])?);
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
        let mut gone = Vec::new();
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
                    let decided = conversation.handed_arguments(&call.tool, &decided).unwrap_or(decided);
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
                    gone.push((call, refusal));
                }
            }
        }
        let why = gone.first().map(|(_, refusal)| refusal.to_string());
        conversation.withhold(None, kept.iter().map(|(call, _)| call.id.clone()).collect(), gone);
        finished.calls = match why {
            Some(why) if kept.is_empty() => Calls::AllRefused(why),
            _ if changed => Calls::Rewritten(kept),
            _ => Calls::AsTheyCame,
        };
        Ok(finished)
    }
}
