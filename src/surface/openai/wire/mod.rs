//! Documents of both APIs: what in them the guard decides about, and where its edits are written. Pure.

pub(crate) mod chat;
mod content;
mod fields;
pub(crate) mod responses;

pub(crate) use fields::{drops, is_word, texts};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::content::{Content, PartNames};
use crate::decode;
use crate::event::{Body, InputPart};
use crate::surface::openai::draft::Draft;

/// Longest pointer that is shown.
const LONGEST_POINTER: usize = 120;

/// One of the two APIs that are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// `POST /chat/completions`.
    Chat,
    /// `POST /responses`.
    Responses,
}

impl Api {
    /// Both.
    pub const ALL: [Api; 2] = [Api::Chat, Api::Responses];

    /// The path below the base address.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Api::Chat => "/chat/completions",
            Api::Responses => "/responses",
        }
    }
}

/// What in a document is not understood, or not let through: where, and what to do. Repeats no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{at}` {what}")]
pub struct Unfit {
    /// JSON Pointer into the document.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
}

pub(super) fn unfit<T>(at: impl Into<String>, what: impl Into<String>) -> Result<T, Unfit> {
    // Names of members may come from a model or from anybody's server.
    let shown = |c: char| if c.is_control() { '?' } else { c };
    Err(Unfit { at: at.into().chars().take(LONGEST_POINTER).map(shown).collect(), what: what.into() })
}

/// What a host lets through beyond texts and its own tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Openings {
    /// Images, sounds and files, whose content nothing reads.
    pub(crate) attachments: bool,
    /// Types of tools that the provider runs.
    pub(crate) hosted: BTreeSet<String>,
}

/// Where a decided value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Strings: one, or one for each entry of the list.
    Texts(Vec<String>),
    /// A string that holds JSON.
    Json(String),
    /// A member of the object that is the value: the input of a custom tool.
    Member(String, &'static str),
    /// The value itself.
    Value(String),
}

/// Whether an earlier decision about the same content holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// It is decided each time, and then known under this name.
    Fresh(&'static str),
    /// What was decided under this name in this session holds.
    Known(&'static str),
}

/// A part of a document that the guard decides about.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) body: Body,
    pub(crate) place: Place,
    pub(crate) memory: Memory,
}

/// The text, arguments or result of an event.
pub(crate) fn value_of(body: &Body) -> &Value {
    match body {
        Body::Input { text, .. } | Body::Output { text } => text,
        Body::ToolCall { arguments: value, .. } | Body::ToolResult { result: value, .. } => value,
        Body::Access(_) => &Value::Null,
    }
}

/// The same, taken out of it.
pub(crate) fn into_value(body: Body) -> Value {
    match body {
        Body::Input { text, .. } | Body::Output { text } => text,
        Body::ToolCall { arguments: value, .. } | Body::ToolResult { result: value, .. } => value,
        Body::Access(_) => Value::Null,
    }
}

/// A value inside objects, by the names of the members on the way.
pub(crate) fn inside<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().try_fold(value, |value, name| value.get(name))
}

impl Place {
    /// The value of a part that stands here, as it was read.
    pub(crate) fn read(&self, document: &Value) -> Value {
        let at = |pointer: &String| document.pointer(pointer).cloned().unwrap_or_default();
        match self {
            Place::Texts(pointers) => match &**pointers {
                [one] => at(one),
                several => several.iter().map(at).collect(),
            },
            Place::Json(pointer) => match document.pointer(pointer).and_then(Value::as_str).map(arguments) {
                Some(Ok(arguments)) => arguments,
                Some(Err(_)) | None => at(pointer),
            },
            Place::Member(pointer, name) => json!({ *name: at(pointer) }),
            Place::Value(pointer) => at(pointer),
        }
    }

    /// Writes what the guard made of the value, unless that is what stands there: so arguments stay as they were written.
    pub(crate) fn write_if_changed(&self, document: &mut Value, decided: &Value) {
        let stands = match self {
            Place::Json(pointer) => {
                document.pointer(pointer).and_then(Value::as_str).and_then(|text| arguments(text).ok())
            }
            _ => None,
        };
        if stands.as_ref() != Some(decided) {
            self.write(document, decided);
        }
    }

    /// Writes what the guard made of the value.
    pub(crate) fn write(&self, document: &mut Value, decided: &Value) {
        let mut set = |pointer: &str, value: Value| {
            if let Some(there) = document.pointer_mut(pointer) {
                *there = value;
            }
        };
        match (self, decided) {
            (Place::Texts(pointers), Value::Array(texts)) => {
                for (pointer, text) in pointers.iter().zip(texts) {
                    set(pointer, text.clone());
                }
            }
            (Place::Texts(pointers), text) => {
                if let Some(pointer) = pointers.first() {
                    set(pointer, text.clone());
                }
            }
            (Place::Json(pointer), value) => set(pointer, Value::String(value.to_string())),
            (Place::Member(pointer, name), value) => {
                set(pointer, value.get(*name).cloned().unwrap_or_default());
            }
            (Place::Value(pointer), value) => set(pointer, value.clone()),
        }
    }
}

/// A tool call that a model asks for.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) tool: String,
    /// The arguments, or why they are none.
    pub(crate) arguments: Result<Value, &'static str>,
    /// As the model wrote them.
    pub(crate) text: String,
    pub(crate) place: Place,
    /// Where the whole call stands.
    pub(crate) at: String,
    /// The choice that it belongs to, where there are several.
    pub(crate) choice: usize,
}

impl Call {
    /// What history that holds this call is remembered by.
    pub(crate) fn written(&self) -> Value {
        self.arguments.clone().unwrap_or_else(|_| Value::String(self.text.clone()))
    }

    /// The part of a request that holds it as history. What was no JSON was refused and answered: it is text.
    fn past(self) -> Slot {
        let body = input(InputPart::History)(self.written());
        let place = match (self.arguments, self.place) {
            (Err(_), Place::Json(at)) => Place::Texts(vec![at]),
            (_, place) => place,
        };
        Slot { body, place, memory: Memory::Known("call") }
    }
}

/// A request, read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) model: Option<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) stream: bool,
    /// The response that this one continues.
    pub(crate) continues: Option<String>,
}

/// A tool that a request offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) at: usize,
}

/// A response, read.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) id: Option<String>,
    pub(crate) slots: Vec<Slot>,
    /// The choice that each slot belongs to.
    pub(crate) choices: Vec<usize>,
    pub(crate) calls: Vec<Call>,
    /// Tokens that were used.
    pub(crate) tokens: Option<u64>,
    /// Members beside what the model said that hold texts.
    pub(crate) texts: Vec<String>,
}

impl Response {
    pub(crate) fn add(&mut self, choice: usize, slot: Slot) {
        self.slots.push(slot);
        self.choices.push(choice);
    }
}

pub(crate) fn read_request(api: Api, document: &Value, open: &Openings) -> Result<Request, Unfit> {
    match api {
        Api::Chat => chat::request(document, open),
        Api::Responses => responses::request(document, open),
    }
}

/// The tools that a request offers. `unknown` says what is wrong with one of a type that is not let through.
fn tools(
    document: &Value,
    open: &Openings,
    unknown: &str,
    slots: &mut Vec<Slot>,
) -> Result<Vec<Tool>, Unfit> {
    let mut tools: Vec<Tool> = Vec::new();
    for (index, tool) in fields::list(document.get("tools"), "/tools")?.iter().enumerate() {
        let at = entry("/tools", index);
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
        if !matches!(kind, "function" | "custom") && !open.hosted.contains(kind) {
            return unfit(at, unknown);
        }
        let Some(name) = tool_name(tool) else { return unfit(at, "has no name") };
        if tools.iter().any(|other| other.name == name) {
            return unfit(at, "has the name of a tool before it");
        }
        tools.push(Tool { name, at: index });
        slots.push(Slot {
            body: input(InputPart::Instructions)(tool.clone()),
            place: Place::Value(at),
            memory: Memory::Known("tool"),
        });
    }
    Ok(tools)
}

/// Reads an answer, and drops from it what is not known.
pub(crate) fn read_answer(api: Api, answer: &mut Draft, open: &Openings) -> Result<Response, Unfit> {
    answer.change_if(|document| match api {
        Api::Chat => chat::drops(document),
        Api::Responses => responses::drops(document),
    });
    let document = answer.document();
    match api {
        Api::Chat => chat::response(document),
        Api::Responses => responses::response(document, open),
    }
}

/// Takes the tools of these places out of a request.
pub(crate) fn take_tools(document: &mut Value, taken: &BTreeSet<usize>) -> Result<(), Unfit> {
    let Some(request) = document.as_object_mut() else { return Ok(()) };
    let Some(Value::Array(tools)) = request.get_mut("tools") else { return Ok(()) };
    let all = std::mem::take(tools);
    let (gone, kept): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(at, _)| taken.contains(at));
    tools.extend(kept.into_iter().map(|(_, tool)| tool));
    let is_empty = tools.is_empty();
    let gone: BTreeSet<String> = gone.iter().filter_map(|(_, tool)| tool_name(tool)).collect();
    if let Some(choice) = request.get("tool_choice")
        && gone.iter().any(|name| mentions(choice, name))
    {
        return unfit("/tool_choice", "names a tool that this user's agent may not use");
    }
    if is_empty {
        if request.get("tool_choice").and_then(Value::as_str) == Some("required") {
            return unfit("/tool_choice", "requires a tool, and none that was offered may be used");
        }
        for name in ["tools", "tool_choice", "parallel_tool_calls"] {
            request.remove(name);
        }
    }
    Ok(())
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(entries) => entries.values().any(|item| mentions(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The name of a tool: its own, or for what the provider runs, its type.
pub(crate) fn tool_name(tool: &Value) -> Option<String> {
    let kind = tool.get("type")?.as_str()?;
    let named = match kind {
        "function" | "custom" => {
            tool.get(kind).and_then(|inner| inner.get("name")).or_else(|| tool.get("name"))?
        }
        _ => return Some(kind.to_owned()),
    };
    named.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Arguments as a model wrote them. None are an empty object.
pub(crate) fn arguments(text: &str) -> Result<Value, &'static str> {
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match decode::from_json(text) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err("the arguments are not a JSON object"),
        Err(_) => Err("the arguments are not complete and strict JSON"),
    }
}

/// A text slot.
fn text(body: impl FnOnce(Value) -> Body, at: String, text: &str, memory: Memory) -> Slot {
    Slot { body: body(Value::String(text.to_owned())), place: Place::Texts(vec![at]), memory }
}

fn input(part: InputPart) -> impl FnOnce(Value) -> Body {
    move |text| Body::Input { part, text }
}

fn output(text: Value) -> Body {
    Body::Output { text }
}

/// Writes a document behind what stands there.
pub(crate) fn append(bytes: &mut Vec<u8>, document: &Value) {
    // Writing to memory does not fail, and all keys are texts.
    let _ = serde_json::to_writer(bytes, document);
}

/// A document as it is sent.
pub(crate) fn written(document: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    append(&mut bytes, document);
    bytes
}

/// About how long a value is.
pub(crate) fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// What a text is taken to cost where nobody tells: a token is about four bytes. Attachments are not text.
pub(crate) fn estimated_tokens(document: &Value) -> u64 {
    fn bytes(value: &Value) -> usize {
        match value {
            Value::String(text) if text.starts_with("data:") => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(bytes).sum(),
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "data" | "file_data" | "encrypted_content"))
                .map(|(name, value)| name.len() + bytes(value))
                .sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        }
    }
    bytes(document).div_ceil(4) as u64
}

/// The same of what an event of a stream adds to the answer.
pub(crate) fn estimated_tokens_of_event(event: &Value) -> u64 {
    let choices = event.get("choices").and_then(Value::as_array).into_iter().flatten();
    let deltas = choices.chain([event]).filter_map(|of| of.get("delta"));
    deltas.map(estimated_tokens).fold(0, u64::saturating_add)
}

/// Drops from a provider's error what is not known.
pub(crate) fn only_error(error: &mut Value) {
    drops(error, &["message", "type", "param", "code"]);
}

/// Gives an object a member.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// A member's pointer.
fn below(at: &str, name: &str) -> String {
    let mut pointer = String::with_capacity(at.len() + 1 + name.len());
    pointer.push_str(at);
    pointer.push('/');
    match name.contains(['~', '/']) {
        true => pointer.push_str(&decode::pointer_segment(name)),
        false => pointer.push_str(name),
    }
    pointer
}

/// The pointer of an entry of a list.
fn entry(list: &str, index: usize) -> String {
    below(list, &index.to_string())
}

fn is_absent(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(value)) => !value,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(entries)) => entries.is_empty(),
        Some(Value::Number(number)) => number.as_u64() == Some(0),
        Some(Value::String(text)) => text.is_empty(),
    }
}

/// Which tool each call id was of.
type Names = BTreeMap<String, String>;
