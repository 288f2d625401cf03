//! Events of Responses. Each text stands in up to four of them: all say what was decided.

mod event;
mod hosted;
mod item;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use self::event::{is_empty, number, only_known, only_known_of_part, string, texts_of, unfit};
use self::hosted::hollow;
use super::flow::Flow;
use super::{Calls, Outcome};
use crate::surface::openai::conversation::Conversation;
use crate::surface::openai::error::{GuardError, Refusal};
use crate::surface::openai::wire::{self, responses, set, value_of};
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
    /// Whether it was told what was used.
    is_counted: bool,
    /// Ids of items, and of calls.
    ids: BTreeSet<String>,
    call_ids: BTreeSet<String>,
    calls: Calls,
    pub(super) outcome: Outcome,
}

/// The item under way.
struct Open {
    index: u64,
    /// As it began.
    item: Value,
    kind: Kind,
    /// Arguments of a call so far.
    written: String,
    /// Whether they are complete.
    is_written: bool,
    /// Bytes of pictures on the way.
    pictures: usize,
}

impl Open {
    fn id(&self) -> Value {
        self.item.get("id").cloned().unwrap_or_default()
    }
}

/// What an item is told to be when it begins, and has to be at its end.
const IDENTITY: &[&str] = &["type", "id", "call_id", "name", "role"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Call,
    Hosted,
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
            is_counted: false,
            ids: BTreeSet::new(),
            call_ids: BTreeSet::new(),
            calls,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
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
        only_known(&mut event, &kind)?;
        // Whoever puts items together by their ids has to get what those who go by their places get.
        if let (Some(of), Some(open)) = (event.get("item_id"), &self.open)
            && *of != open.id()
        {
            return unfit("has an event that is of one item by its place and of another by its id");
        }
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
                let read = responses::of_event(&mut response, open).map_err(GuardError::Answer)?;
                self.conversation.beside(&read.texts, &mut response).await;
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
                only_known_of_part(&mut event)?;
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
                only_known_of_part(&mut event)?;
                self.renumbered(event, out)?;
            }
            "response.output_text.annotation.added" => {
                let note = event.get("annotation").cloned().unwrap_or_default();
                let body = crate::event::Body::Output { text: note };
                let (decided, _) = self.conversation.decide(body).await.map_err(GuardError::Refused)?;
                set(&mut event, "annotation", value_of(&decided).clone());
                self.renumbered(event, out)?;
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let index = number(&event, "output_index")?;
                let delta = string(&event, "delta")?;
                let limit = self.conversation.settings.answer_bytes;
                let open = self.call(index)?;
                if open.is_written {
                    return unfit("has arguments of a tool call that go on behind their end");
                }
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
                if std::mem::replace(&mut open.is_written, true) {
                    return unfit("has arguments of a tool call that end twice");
                }
                open.written = written;
                if event.get("name").is_some_and(|name| Some(name) != open.item.get("name")) {
                    return unfit("has a tool call whose name changes");
                }
                self.held.push(event);
            }
            "response.output_item.done" => self.end(event, out).await?,
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.complete(event, out).await?
            }
            "error" => {
                self.is_complete = true;
                let mut told = self.conversation.failure(event).await;
                for name in ["code", "message", "param"] {
                    if told.get(name).is_none() {
                        set(&mut told, name, if name == "message" { json!("") } else { Value::Null });
                    }
                }
                set(&mut told, "type", json!("error"));
                out.push(told);
            }
            _ if self.open.as_ref().is_some_and(|open| open.kind == Kind::Hosted) => {
                self.hosted(event, &kind, out)?;
            }
            _ => return unfit("has an event of a type that is not understood"),
        }
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
        for (name, ids) in [("id", &mut self.ids), ("call_id", &mut self.call_ids)] {
            let id = item.get(name).and_then(Value::as_str).unwrap_or_default();
            if !wire::is_word(id) || !(id.is_empty() || ids.insert(id.to_owned())) {
                return unfit("has an item whose id is none of its own");
            }
        }
        if kind != Kind::Hosted {
            self.read(&item)?;
        }
        let written = String::new();
        self.open = Some(Open { index, item: item.clone(), kind, written, is_written: false, pictures: 0 });
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
                Ok((decided, _)) => set(part, "annotations", value_of(&decided).clone()),
                Err(refusal) => return Ok(Some(refusal)),
            }
        }
        Ok(None)
    }

    async fn complete(&mut self, mut event: Value, out: &mut Vec<Value>) -> Result<(), GuardError> {
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
        let read = responses::of_event(&mut response, open).map_err(GuardError::Answer)?;
        self.conversation.beside(&read.texts, &mut response).await;
        self.is_counted = read.tokens.is_some();
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
}
