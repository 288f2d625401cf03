//! Events of Responses. Each text stands in up to four of them: all say what was decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::flow::Flow;
use super::{Calls, Outcome};
use crate::bundle::RefusedCalls;
use crate::surface::openai::conversation::{Conversation, Ruled};
use crate::surface::openai::error::{GuardError, Refusal};
use crate::surface::openai::wire::{self, Unfit, responses, set, value_of};
use crate::surface::openai::withheld::RefusedCall;

/// Most items, and most texts of them, of one answer.
const MAX_PARTS: usize = 4096;

/// A text of an answer: its item, which list of texts, and its place there.
type Key = (u64, &'static str, u64);

/// A stream of events.
pub(super) struct ResponseStream {
    conversation: Arc<Conversation>,
    flows: BTreeMap<Key, Flow>,
    /// Texts that are complete, as they were handed on.
    texts: BTreeMap<Key, String>,
    /// Items that are complete, in order.
    items: Vec<Value>,
    /// Events of a tool call, which wait for its decision.
    held: Vec<Value>,
    /// The item that is under way.
    open: Option<Open>,
    /// Items that were taken out.
    gone: u64,
    /// Calls that were refused, which these items were.
    refused: Vec<RefusedCall>,
    sequence: Option<u64>,
    response: Value,
    is_complete: bool,
    calls: Calls,
    pub(super) outcome: Outcome,
}

/// The item under way.
struct Open {
    index: u64,
    id: Value,
    kind: Kind,
    /// Arguments of a call so far.
    written: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Call,
    Hosted,
}

fn unfit<T>(what: &str) -> Result<T, GuardError> {
    Err(GuardError::Answer(Unfit { at: String::new(), what: what.to_owned() }))
}

fn number(event: &Value, name: &str) -> Result<u64, GuardError> {
    match event.get(name).and_then(Value::as_u64) {
        Some(number) => Ok(number),
        None => unfit(&format!("has an event without `{name}`")),
    }
}

fn string<'a>(event: &'a Value, name: &str) -> Result<&'a str, GuardError> {
    match event.get(name).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => unfit(&format!("has an event whose `{name}` is no text")),
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    }
}

/// Which list the texts of an event are of, which of its members numbers them, and which holds the complete text.
fn texts_of(kind: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let kind = kind.strip_suffix(".delta").or_else(|| kind.strip_suffix(".done"))?;
    match kind {
        "response.output_text" => Some(("content", "content_index", "text")),
        "response.refusal" => Some(("content", "content_index", "refusal")),
        "response.reasoning_text" => Some(("content", "content_index", "text")),
        "response.reasoning_summary_text" => Some(("summary", "summary_index", "text")),
        _ => None,
    }
}

impl ResponseStream {
    pub(super) fn new(conversation: Arc<Conversation>, calls: Calls) -> Self {
        Self {
            conversation,
            flows: BTreeMap::new(),
            texts: BTreeMap::new(),
            items: Vec::new(),
            held: Vec::new(),
            open: None,
            gone: 0,
            refused: Vec::new(),
            sequence: None,
            response: Value::Null,
            is_complete: false,
            calls,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn next_number(&self) -> u64 {
        self.sequence.unwrap_or_default()
    }

    pub(super) async fn push(&mut self, event: Value) -> Result<Vec<Value>, GuardError> {
        if self.sequence.is_none() {
            self.sequence = event.get("sequence_number").and_then(Value::as_u64);
        }
        let mut out = Vec::new();
        self.event(event, &mut out).await?;
        for event in &mut out {
            let next = self.sequence.unwrap_or_default();
            set(event, "sequence_number", json!(next));
            self.sequence = Some(next + 1);
        }
        Ok(out)
    }

    async fn event(&mut self, mut event: Value, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let kind = string(&event, "type")?.to_owned();
        if let Some((list, place, whole)) = texts_of(&kind) {
            let key = (number(&event, "output_index")?, list, number(&event, place)?);
            return self.text(event, &kind, key, whole, out).await;
        }
        match kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                let mut response = event.get("response").cloned().unwrap_or_default();
                if !is_empty(response.get("output")) {
                    return unfit("begins with what should come later");
                }
                set(&mut response, "output", json!([]));
                let open = &self.conversation.settings.openings;
                wire::read_response(wire::Api::Responses, &mut response, open).map_err(GuardError::Answer)?;
                self.response = response.clone();
                set(&mut event, "response", response);
                out.push(event);
            }
            "response.output_item.added" => self.begin(event, out)?,
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                let part = event.get("part");
                let text = |name: &str| part.and_then(|part| part.get(name));
                if !["text", "refusal", "annotations", "logprobs"].iter().all(|name| is_empty(text(name))) {
                    return unfit("has a part that begins with what should come later");
                }
                self.renumbered(event, out)?;
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                let is_content = kind == "response.content_part.done";
                let (list, place) =
                    if is_content { ("content", "content_index") } else { ("summary", "summary_index") };
                let key = (number(&event, "output_index")?, list, number(&event, place)?);
                let mut part = event.get("part").cloned().unwrap_or_default();
                if self.part(&mut part, key).await?.is_some() {
                    return unfit("has a part that was refused");
                }
                set(&mut event, "part", part);
                self.renumbered(event, out)?;
            }
            "response.output_text.annotation.added" => {
                let note = event.get("annotation").cloned().unwrap_or_default();
                let body = crate::event::Body::Output { text: note };
                let (decided, _) = self.conversation.decide(body).await.map_err(GuardError::Refused)?;
                set(&mut event, "annotation", value_of(&decided.body).clone());
                self.renumbered(event, out)?;
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let index = number(&event, "output_index")?;
                let delta = string(&event, "delta")?;
                let limit = self.conversation.settings.answer_bytes;
                let open = self.call(index)?;
                open.written.push_str(delta);
                if open.written.len() > limit {
                    return Err(GuardError::TooLarge { limit });
                }
                self.held.push(event);
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                let index = number(&event, "output_index")?;
                let name = if kind.starts_with("response.function") { "arguments" } else { "input" };
                let written = string(&event, name)?.to_owned();
                let open = self.call(index)?;
                if !open.written.is_empty() && open.written != written {
                    return unfit("has a tool call whose arguments differ from their parts");
                }
                open.written = written;
                self.held.push(event);
            }
            "response.output_item.done" => self.end(event, out).await?,
            "response.completed" | "response.incomplete" | "response.failed" => self.complete(event, out)?,
            // The provider's own words about a failure of its own.
            "error" => {
                self.is_complete = true;
                out.push(event);
            }
            _ if self.open.as_ref().is_some_and(|open| open.kind == Kind::Hosted) => {
                self.hosted(event, &kind, out)?;
            }
            _ => return unfit("has an event of a type that is not understood"),
        }
        Ok(())
    }

    /// What tools of the provider tell on their way. What they write stands in the item at its end too, where it is decided
    /// about: until then it waits, and what follows it.
    fn hosted(&mut self, event: Value, kind: &str, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let ids_only = ["in_progress", "searching", "completed", "generating", "interpreting"];
        let limit = self.conversation.settings.answer_bytes;
        let Some(open) = &mut self.open else {
            return unfit("has an event of an item that is not under way");
        };
        match kind {
            "response.code_interpreter_call_code.delta" => {
                open.written.push_str(string(&event, "delta")?);
                if open.written.len() > limit {
                    return Err(GuardError::TooLarge { limit });
                }
            }
            "response.code_interpreter_call_code.done" => {
                let code = string(&event, "code")?;
                if code != open.written {
                    return unfit("has code that differs from its parts");
                }
            }
            // Whatever else it is, nothing will have looked at it.
            _ if !ids_only.iter().any(|end| kind.ends_with(end)) => return Ok(()),
            _ if self.held.is_empty() => return self.renumbered(event, out),
            _ => {}
        }
        self.held.push(event);
        Ok(())
    }

    /// Hands on an event that belongs to an item, under the number that the item has now.
    fn renumbered(&self, mut event: Value, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let index = number(&event, "output_index")?;
        if self.open.as_ref().is_none_or(|open| open.index != index) {
            return unfit("has an event of an item that is not under way");
        }
        set(&mut event, "output_index", json!(index.saturating_sub(self.gone)));
        out.push(event);
        Ok(())
    }

    fn call(&mut self, index: u64) -> Result<&mut Open, GuardError> {
        match &mut self.open {
            Some(open) if open.kind == Kind::Call && open.index == index => Ok(open),
            _ => unfit("has arguments of a tool call that is not under way"),
        }
    }

    fn begin(&mut self, event: Value, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let index = number(&event, "output_index")?;
        if self.open.is_some() || index != self.items.len() as u64 + self.gone {
            return unfit("has items that do not come one behind the other");
        }
        if self.items.len() >= MAX_PARTS {
            return unfit("has too many items");
        }
        let item = event.get("item").cloned().unwrap_or_default();
        if !["content", "summary", "arguments", "input"].iter().all(|name| is_empty(item.get(name))) {
            return unfit("has an item that begins with what should come later");
        }
        let kind = match item.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message" | "reasoning" => Kind::Text,
            "function_call" | "custom_tool_call" => Kind::Call,
            kind if responses::hosted(kind)
                .is_some_and(|kind| self.conversation.settings.openings.hosted.contains(kind)) =>
            {
                Kind::Hosted
            }
            _ => return unfit("has an item of a type that was not asked for"),
        };
        let id = item.get("id").cloned().unwrap_or_default();
        self.open = Some(Open { index, id, kind, written: String::new() });
        match kind {
            Kind::Call => self.held.push(event),
            Kind::Text => self.renumbered(event, out)?,
            // Known once it has ended.
            Kind::Hosted => {
                let mut event = event;
                set(&mut event, "item", hollow(&item));
                self.renumbered(event, out)?;
            }
        }
        Ok(())
    }

    async fn text(
        &mut self,
        mut event: Value,
        kind: &str,
        key: Key,
        whole: &str,
        out: &mut Vec<Value>,
    ) -> Result<(), GuardError> {
        if !is_empty(event.get("logprobs")) {
            return unfit("repeats its text token by token, which was not asked for");
        }
        if self.open.as_ref().is_none_or(|open| open.index != key.0 || open.kind != Kind::Text)
            || self.texts.contains_key(&key)
        {
            return unfit("has a text of an item that is not under way");
        }
        if self.flows.len() >= MAX_PARTS {
            return unfit("has too many texts");
        }
        let conversation = Arc::clone(&self.conversation);
        let flow = self.flows.entry(key).or_insert_with(|| Flow::new(&conversation));
        if kind.ends_with(".delta") {
            let delta = string(&event, "delta")?;
            let limit = conversation.settings.answer_bytes;
            if flow.raw().len() + delta.len() > limit {
                return Err(GuardError::TooLarge { limit });
            }
            let released = flow.push(delta);
            if released.is_empty() && !delta.is_empty() {
                return Ok(());
            }
            set(&mut event, "delta", json!(released));
            return self.renumbered(event, out);
        }
        if string(&event, whole)? != flow.raw() {
            return unfit("has a text that differs from its parts");
        }
        match flow.finish().await {
            Ok(rest) => {
                let text = flow.handed().to_owned();
                if !rest.is_empty() {
                    let mut more = event.clone();
                    if let Some(members) = more.as_object_mut() {
                        members.remove(whole);
                        members.insert("delta".to_owned(), json!(rest));
                        members.insert(
                            "type".to_owned(),
                            json!(format!("{}delta", kind.trim_end_matches("done"))),
                        );
                    }
                    self.renumbered(more, out)?;
                }
                set(&mut event, whole, json!(text));
                self.flows.remove(&key);
                self.texts.insert(key, text);
                self.renumbered(event, out)
            }
            Err(refusal) => self.deny(&refusal, out),
        }
    }

    /// Puts the text that was decided into a part, and decides about its notes. Gives the refusal of these.
    async fn part(&self, part: &mut Value, key: Key) -> Result<Option<Box<Refusal>>, GuardError> {
        let name = if part.get("refusal").is_some() { "refusal" } else { "text" };
        if !is_empty(part.get("logprobs")) {
            return unfit("repeats its text token by token, which was not asked for");
        }
        match self.texts.get(&key) {
            Some(text) => set(part, name, json!(text)),
            None if is_empty(part.get(name)) => {}
            None => return unfit("has a part whose text did not come in parts"),
        }
        if !is_empty(part.get("annotations")) {
            let notes = part.get("annotations").cloned().unwrap_or_default();
            match self.conversation.decide(crate::event::Body::Output { text: notes }).await {
                Ok((decided, _)) => set(part, "annotations", value_of(&decided.body).clone()),
                Err(refusal) => return Ok(Some(refusal)),
            }
        }
        Ok(None)
    }

    async fn end(&mut self, mut event: Value, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let index = number(&event, "output_index")?;
        let Some(open) = self.open.as_ref().filter(|open| open.index == index) else {
            return unfit("ends an item that is not under way");
        };
        let (kind, written) = (open.kind, open.written.clone());
        let mut item = event.get("item").cloned().unwrap_or_default();
        match kind {
            Kind::Text => {
                if self.flows.keys().any(|key| key.0 == index) {
                    return unfit("ends an item before its texts");
                }
                for list in ["content", "summary"] {
                    let Some(Value::Array(parts)) = item.get_mut(list) else { continue };
                    let mut parts = std::mem::take(parts);
                    for (place, part) in parts.iter_mut().enumerate() {
                        if let Some(refusal) = self.part(part, (index, list, place as u64)).await? {
                            return self.deny(&refusal, out);
                        }
                    }
                    set(&mut item, list, Value::Array(parts));
                }
                // Whatever else stands in it is read as in a whole answer.
                let mut read = wire::Response::default();
                responses::output_item(&item, "", &self.conversation.settings.openings, &mut read)
                    .map_err(GuardError::Answer)?;
                set(&mut event, "item", item.clone());
                self.renumbered(event, out)?;
            }
            Kind::Hosted => {
                let mut read = wire::Response::default();
                responses::output_item(&item, "", &self.conversation.settings.openings, &mut read)
                    .map_err(GuardError::Answer)?;
                let came = item.clone();
                for slot in read.slots {
                    match self.conversation.decide(slot.body).await {
                        Ok((decided, _)) => slot.place.write_if_changed(&mut item, value_of(&decided.body)),
                        Err(refusal) => {
                            self.held.clear();
                            return self.deny(&refusal, out);
                        }
                    }
                }
                self.conversation.remember("hosted", &item);
                let mut held = std::mem::take(&mut self.held);
                if !written.is_empty() && came.get("code").and_then(Value::as_str) != Some(&written) {
                    return unfit("has code that differs from its parts");
                }
                if item != came {
                    // What was written on the way is what was edited at the end.
                    held.retain(|event| event.get("delta").is_none() && event.get("code").is_none());
                }
                for one in held {
                    self.renumbered(one, out)?;
                }
                set(&mut event, "item", item.clone());
                self.renumbered(event, out)?;
            }
            Kind::Call => {
                let mut read = wire::Response::default();
                responses::output_item(&item, "", &self.conversation.settings.openings, &mut read)
                    .map_err(GuardError::Answer)?;
                let Some(call) = read.calls.pop() else { return unfit("has a tool call that is none") };
                if !written.is_empty() && call.text != written {
                    return unfit("has a tool call whose arguments differ from their parts");
                }
                let Ruled { call, arguments } = self.conversation.call(call).await;
                let mut held = std::mem::take(&mut self.held);
                if self.calls == Calls::Kept {
                    if let Ok(decided) = &arguments {
                        call.place.write_if_changed(&mut item, decided);
                    }
                    self.outcome.calls.push(Ruled { call, arguments });
                    self.items.push(item);
                    self.open = None;
                    return Ok(());
                }
                let handed =
                    arguments.map(|decided| self.conversation.handed_arguments(&call.tool, &decided));
                match handed {
                    Ok(decided) if call.arguments.as_ref() == Ok(&decided) => {}
                    Ok(decided) => {
                        call.place.write(&mut item, &decided);
                        let name = if item.get("input").is_some() { "input" } else { "arguments" };
                        rewrite(&mut held, name, item.get(name).cloned().unwrap_or_default());
                    }
                    Err(refusal) if self.conversation.refused_calls() == RefusedCalls::Fail => {
                        return Err(GuardError::Refused(refusal));
                    }
                    Err(refusal) => {
                        self.refused.push((call, refusal));
                        self.open = None;
                        self.gone += 1;
                        return Ok(());
                    }
                }
                for one in held {
                    self.renumbered(one, out)?;
                }
                set(&mut event, "item", item.clone());
                self.renumbered(event, out)?;
            }
        }
        self.open = None;
        self.items.push(item);
        Ok(())
    }

    fn complete(&mut self, mut event: Value, out: &mut Vec<Value>) -> Result<(), GuardError> {
        if self.open.is_some() && event.get("type").and_then(Value::as_str) == Some("response.completed") {
            return unfit("ends before its last item");
        }
        let mut response = event.get("response").cloned().unwrap_or_default();
        let told = response.get("output").and_then(Value::as_array).map_or(0, Vec::len);
        if told as u64 > self.items.len() as u64 + self.gone + u64::from(self.open.is_some()) {
            return unfit("ends with items that did not come before");
        }
        // All that stands in it has come and was decided about.
        set(&mut response, "output", json!([]));
        let open = &self.conversation.settings.openings;
        let read =
            wire::read_response(wire::Api::Responses, &mut response, open).map_err(GuardError::Answer)?;
        self.conversation.spent(read.tokens);
        let ids = self.items.iter().filter_map(|item| item.get("call_id")?.as_str());
        let beside = ids.map(str::to_owned).collect();
        let refused = std::mem::take(&mut self.refused);
        let why = refused.first().map(|(_, refusal)| refusal.to_string());
        self.conversation.withhold(read.id.as_deref(), beside, refused);
        if let Some(id) = read.id {
            self.conversation.remember_response(&id);
        }
        self.is_complete = true;
        let said =
            self.items.iter().any(|item| item.get("type").and_then(Value::as_str) != Some("reasoning"));
        if let Some(why) = why.filter(|_| !said) {
            self.response = response;
            return self.refuse(&why, out);
        }
        set(&mut response, "output", Value::Array(std::mem::take(&mut self.items)));
        set(&mut event, "response", response);
        out.push(event);
        Ok(())
    }

    /// Ends the stream with a refusal. What was handed on of the item under way stays what it is, and is told to be
    /// incomplete.
    fn deny(&mut self, refusal: &Refusal, out: &mut Vec<Value>) -> Result<(), GuardError> {
        if let Some(open) = self.open.take() {
            let of_item = |key: &Key| key.0 == open.index && key.1 == "content";
            let done = self.texts.iter().filter(|(key, _)| of_item(key)).map(|(_, text)| text.as_str());
            let begun = self.flows.iter().filter(|(key, _)| of_item(key)).map(|(_, flow)| flow.handed());
            let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
            let said: Vec<Value> = done.chain(begun).map(part).collect();
            let item = json!({
                "type": "message", "id": open.id, "role": "assistant",
                "status": "incomplete", "content": said,
            });
            let index = open.index.saturating_sub(self.gone);
            out.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
            self.items.push(item);
        }
        self.outcome.refused.get_or_insert_with(|| Box::new(refusal.clone()));
        self.refuse(refusal.message(), out)
    }

    fn refuse(&mut self, why: &str, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let id = self.response.get("id").and_then(Value::as_str).unwrap_or("resp").to_owned();
        let item = responses::refusal(&id, why);
        let index = self.items.len();
        let item_id = item.get("id").cloned().unwrap_or_default();
        let mut begun = item.clone();
        set(&mut begun, "status", json!("in_progress"));
        set(&mut begun, "content", json!([]));
        let place = |kind: &str, name: &str, value: Value| {
            let mut event =
                json!({ "type": kind, "item_id": item_id, "output_index": index, "content_index": 0 });
            set(&mut event, name, value);
            event
        };
        out.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun }));
        out.push(place("response.content_part.added", "part", json!({ "type": "refusal", "refusal": "" })));
        out.push(place("response.refusal.delta", "delta", json!(why)));
        out.push(place("response.refusal.done", "refusal", json!(why)));
        out.push(place("response.content_part.done", "part", json!({ "type": "refusal", "refusal": why })));
        out.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
        self.items.push(item);
        let mut response = self.response.clone();
        set(&mut response, "output", Value::Array(std::mem::take(&mut self.items)));
        set(&mut response, "status", json!("incomplete"));
        set(&mut response, "incomplete_details", json!({ "reason": "content_filter" }));
        out.push(json!({ "type": "response.incomplete", "response": response }));
        self.is_complete = true;
        Ok(())
    }
}

/// An item of a tool that the provider runs, as it begins: its shape, which the client's types need, without what it says.
fn hollow(item: &Value) -> Value {
    fn inside(value: &Value) -> Value {
        match value {
            Value::String(_) => json!(""),
            Value::Array(_) => json!([]),
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| match (name.as_str(), value) {
                    ("type", Value::String(kind)) if is_word(kind) => (name.clone(), value.clone()),
                    _ => (name.clone(), inside(value)),
                });
                Value::Object(members.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
    let mut hollow = inside(item);
    for name in ["id", "status", "container_id"] {
        if let Some(value) = item.get(name) {
            set(&mut hollow, name, value.clone());
        }
    }
    hollow
}

/// Whether it is one of the API's own words, by its looks.
fn is_word(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Puts edited arguments into the events that told them: in one part, and at the end.
fn rewrite(held: &mut Vec<Value>, name: &str, with: Value) {
    let mut first = true;
    held.retain_mut(|event| {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with(".delta") {
            set(event, "delta", with.clone());
            return std::mem::take(&mut first);
        }
        if kind.ends_with(".done") {
            set(event, name, with.clone());
        }
        true
    });
}
