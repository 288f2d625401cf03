//! What goes to the model: the agent's access, every text, every tool.

use std::collections::BTreeSet;

use serde_json::Value;

use super::conversation::Conversation;
use super::digest::{self, key_of};
use super::draft::Draft;
use super::error::GuardError;
use super::wire::{self, Api, Memory, Place, Slot, Unfit, value_of};
use crate::event::{Access, AccessKind, Body, InputPart, Stage};
use crate::verdict::Edit;

/// Most bytes of parts that are decided about together: little enough for the time that one event has.
const TOGETHER: usize = 64 << 10;

/// What a part is remembered by: its digest, or for one that is decided each time, its name, so that it is digested only where it
/// comes again.
enum Key {
    Digest([u8; 32]),
    Name(&'static str),
}

/// A part, and what it is remembered by.
type Keyed = (Slot, Key);

/// Where a part stands, and what it is remembered by.
type Placed = (Place, Key);

/// Parts of a request of one kind, which are decided about as one event.
#[derive(Default)]
struct Batch {
    slots: Vec<Keyed>,
    bytes: usize,
}

impl Conversation {
    /// Decides about a request. What goes on stands in it. Says whether a stream is asked for.
    pub(crate) async fn request(&self, api: Api, draft: &mut Draft) -> Result<bool, GuardError> {
        self.give_back(api, draft);
        let request = wire::read_request(api, draft.document(), &self.settings.openings)
            .map_err(|error| self.unfit(&error))?;
        if let Some(earlier) = &request.continues
            && !self.knows_response(earlier)
        {
            let what = "is not a response of this conversation, so that its history is not known: send the history itself";
            return Err(self.unfit(&Unfit { at: "/previous_response_id".to_owned(), what: what.to_owned() }));
        }
        let names: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let model = request.model.clone();
        let run = Access { kind: AccessKind::Run, name: None, instructions: None, model, tools: Some(names) };
        let (_, verdict) = self.decide(Body::Access(run)).await?;
        let remain = verdict.tools.unwrap_or_default();
        let taken: BTreeSet<usize> = if request.tools.iter().map(|tool| &tool.name).eq(&remain) {
            BTreeSet::new()
        } else {
            let remain: BTreeSet<String> = remain.into_iter().collect();
            request.tools.iter().filter(|tool| !remain.contains(&tool.name)).map(|tool| tool.at).collect()
        };
        let mut batch = Batch::default();
        for mut slot in request.slots {
            if is_taken(&slot.place, &taken) {
                continue;
            }
            self.name_tool(&mut slot.body)?;
            let key = match slot.memory {
                Memory::Fresh(name) => Key::Name(name),
                Memory::Known(name) => {
                    let key = key_of(name, &slot.body);
                    let known = self.memory().known(&key);
                    if let Some(known) = known {
                        if let Some(decided) = known {
                            self.put(draft, &slot.place, &decided)?;
                        }
                        continue;
                    }
                    Key::Digest(key)
                }
            };
            if !batch.takes(&slot, self.is_scored(Stage::Input)) {
                self.parts(std::mem::take(&mut batch), draft).await?;
            }
            batch.push(slot, key);
        }
        self.parts(batch, draft).await?;
        if !taken.is_empty() {
            wire::take_tools(draft.change(), &taken).map_err(|error| self.unfit(&error))?;
        }
        Ok(request.stream)
    }

    /// The tool of a result whose call stands in a response that the request continues: the session knows it.
    fn name_tool(&self, body: &mut Body) -> Result<(), GuardError> {
        if let Body::ToolResult { tool, call: Some(call), .. } = body
            && tool.is_empty()
        {
            let session = self.guard.session(&self.session);
            let called = session.as_ref().and_then(|session| session.tool_of_call(call)).map(str::to_owned);
            let Some(called) = called.or_else(|| self.withheld_tool(call)) else {
                let what = "answers no tool call that is known".to_owned();
                return Err(self.unfit(&Unfit { at: "/input".to_owned(), what }));
            };
            *tool = called;
        }
        Ok(())
    }

    /// Decides about parts, and remembers what was decided.
    async fn parts(&self, batch: Batch, draft: &mut Draft) -> Result<(), GuardError> {
        let Some((body, parts)) = batch.together() else { return Ok(()) };
        let (body, verdict) = self.decide(body).await?;
        let is_one = parts.len() == 1;
        if let ([(_, Key::Name(name))], true) = (&*parts, verdict.edits.is_empty()) {
            self.memory().add_said(name, wire::into_value(body));
            return Ok(());
        }
        for (number, (place, key)) in parts.into_iter().enumerate() {
            let key = match key {
                Key::Digest(key) => key,
                Key::Name(name) => {
                    self.memory().digest_said();
                    digest::key(name, &place.read(draft.document()))
                }
            };
            let decided = if verdict.edits.is_empty() {
                None
            } else if is_one {
                Some(value_of(&body))
            } else {
                let at = format!("/text/{number}");
                let is_in = |edit: &Edit| {
                    edit.field.strip_prefix(&at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                value_of(&body).get(number).filter(|_| verdict.edits.iter().any(is_in))
            };
            if let Some(decided) = decided {
                self.put(draft, &place, decided)?;
            }
            self.memory().add(key, decided.cloned());
        }
        Ok(())
    }

    /// Writes what was decided of a part.
    fn put(&self, draft: &mut Draft, place: &Place, decided: &Value) -> Result<(), GuardError> {
        if let Place::Value(at) = place
            && at.starts_with("/tools/")
            && draft.document().pointer(at).and_then(wire::tool_name) != wire::tool_name(decided)
        {
            let what = "has a name that rules would have to change".to_owned();
            return Err(self.unfit(&Unfit { at: "/tools".to_owned(), what }));
        }
        place.write(draft.change(), decided);
        Ok(())
    }

    /// Whether a detector looks at texts of a stage: it scores each by itself.
    fn is_scored(&self, stage: Stage) -> bool {
        self.settings.detectors.iter().any(|watch| watch.looks_at(stage))
    }
}

/// The kind of a part, where parts of its kind can be decided about together.
fn kind(body: &Body) -> Option<InputPart> {
    match body {
        Body::Input { part: part @ (InputPart::Instructions | InputPart::History), .. } => Some(*part),
        _ => None,
    }
}

impl Batch {
    /// Whether one more part can be decided about with those that are there.
    fn takes(&self, slot: &Slot, is_scored: bool) -> bool {
        let Some((first, _)) = self.slots.first() else { return true };
        let one_kind = kind(&first.body).is_some() && kind(&first.body) == kind(&slot.body);
        one_kind && !is_scored && self.bytes + wire::bytes(value_of(&slot.body)) <= TOGETHER
    }

    fn push(&mut self, slot: Slot, key: Key) {
        self.bytes += wire::bytes(value_of(&slot.body));
        self.slots.push((slot, key));
    }

    /// The one event of all parts, and where each of them stands.
    fn together(self) -> Option<(Body, Vec<Placed>)> {
        let part = kind(&self.slots.first()?.0.body);
        let parts = self.slots.into_iter().map(|(slot, key)| (slot.body, (slot.place, key)));
        let (mut bodies, places): (Vec<Body>, Vec<_>) = parts.unzip();
        let body = match part {
            Some(part) if bodies.len() > 1 => {
                Body::Input { part, text: Value::Array(bodies.into_iter().map(wire::into_value).collect()) }
            }
            // Others are decided about one by one.
            _ => bodies.pop()?,
        };
        Some((body, places))
    }
}

/// Whether a part stands in a tool that does not remain.
fn is_taken(place: &Place, taken: &BTreeSet<usize>) -> bool {
    if taken.is_empty() {
        return false;
    }
    let Place::Value(at) = place else { return false };
    let Some(number) = at.strip_prefix("/tools/") else { return false };
    number.parse().is_ok_and(|number: usize| taken.contains(&number))
}
