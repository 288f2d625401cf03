//! Records of an audit log as the events that they are of, as far as a record holds them.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::retain::PayloadKeys;
use crate::audit::{Log, LogOptions, LogReader, Record, Vault};
use crate::engine::Engine;
use crate::event::{Access, AccessKind, Body, Event, InputPart, Stage, User};
use crate::store::{Order, Query};

/// Records that are read at once.
const PAGE: usize = 1024;

const NOT_WHOLE: &str = "the record is not whole";
const LACKING_ARGUMENTS: &str = "not every argument was kept (`log: true` keeps one)";

/// A recorded event.
pub(super) enum Recorded {
    /// It is whole.
    Whole(Box<Event>),
    /// It can't be decided again, for this reason.
    NotKept(&'static str),
}

/// Gives every recorded verdict of a log, with its record and that one's number, in the order of the log.
///
/// A record holds no content. An event is whole where its content was kept beside the record as it was and `keys` opens it, or where it
/// needs none: a run of an agent, a call whose arguments are all logged (`log: true`). Records of earlier versions do not say
/// what the event stated of its user, which the directory has to know then. Whatever follows an event that is not whole
/// depends on it, so that nothing is guessed.
pub(super) fn each(
    log: &Path,
    keys: &PayloadKeys,
    engines: &[&Engine],
    take: &mut dyn FnMut(u64, Recorded, &Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut reader = LogReader::open(log)?;
    let vault = match keys.is_given() {
        true => {
            let vault = reader.vault(log, keys.add(LogOptions::default())?)?;
            record_read(log)?;
            vault
        }
        false => None,
    };
    let mut from = 0;
    let mut broken: HashSet<String> = HashSet::new();
    loop {
        let query = Query { order: Order::OldestFirst, from, limit: PAGE, ..Query::default() };
        let page = reader.page(&query)?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.index + 1;
        for entry in &page {
            let Ok(record) = serde_json::from_str::<Value>(&entry.text) else { continue };
            if record.get("kind").and_then(Value::as_str) != Some("verdict") {
                continue;
            }
            let session = record.get("session").and_then(Value::as_str).unwrap_or_default().to_owned();
            let content = match content(&record, vault.as_ref()) {
                Content::Beside(vault) => match reader.content(&session, entry.index, vault)? {
                    Some(content) => Content::Whole(content),
                    None => Content::Missing("their content was removed"),
                },
                other => other,
            };
            let recorded = match event(&record, &session, engines, &content) {
                Ok(_) if broken.contains(&session) => {
                    Recorded::NotKept("an earlier event of their session was not kept")
                }
                Ok(event) => Recorded::Whole(Box::new(event)),
                Err(why) => Recorded::NotKept(why),
            };
            if matches!(recorded, Recorded::NotKept(_)) {
                broken.insert(session);
            }
            take(entry.index, recorded, &record)?;
        }
    }
}

/// Whether a file is a log: a database, by how it begins.
pub(super) fn is_log(path: &Path) -> bool {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let mut beginning = [0; MAGIC.len()];
    path.is_file()
        && std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut beginning)).is_ok()
        && beginning == MAGIC
}

/// Records that contents are read, before the first is.
fn record_read(log: &Path) -> anyhow::Result<()> {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let by = user.unwrap_or_else(|_| "unknown".to_owned());
    let record = Record::log_read(Timestamp::now(), &by, "replay", BTreeMap::new(), 0);
    Log::append_once(log, LogOptions::default(), &record)
        .context("that contents are read can't be recorded, so none is")?;
    Ok(())
}

/// What there is of the content of an event.
enum Content<'v> {
    /// It.
    Whole(Value),
    /// It lies beside the record, under this key.
    Beside(&'v Vault),
    /// Nothing that could be decided about, for this reason.
    Missing(&'static str),
    /// None was kept.
    NotKept,
}

impl Content<'_> {
    /// A part of it; `lacking` says that there is none.
    fn part(&self, name: &str, lacking: &'static str) -> Result<Value, &'static str> {
        match self {
            Content::Whole(content) => content.get(name).cloned().ok_or(lacking),
            Content::Missing(why) => Err(why),
            Content::Beside(_) | Content::NotKept => Err(lacking),
        }
    }
}

fn content<'v>(record: &Value, vault: Option<&'v Vault>) -> Content<'v> {
    let Some(kept) = record.get("kept") else { return Content::NotKept };
    match (kept.get("whole").and_then(Value::as_bool), vault) {
        (Some(true), Some(vault)) => Content::Beside(vault),
        (Some(true), None) => Content::Missing("their content was kept, and --payload-key would open it"),
        (Some(false), _) => Content::Missing("of their content was kept what was left after edits"),
        (None, _) => Content::Missing("whether their content was kept as it was is not recorded"),
    }
}

/// What the event stated beside its content, where the record says so.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stated {
    roles: Option<Vec<String>>,
    attributes: bool,
    part: Option<InputPart>,
    access: Option<Asked>,
    facts: BTreeMap<String, BTreeMap<String, f64>>,
    tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Asked {
    kind: AccessKind,
    model: Option<String>,
    tools: Option<Vec<String>>,
}

fn event(
    record: &Value,
    session: &str,
    engines: &[&Engine],
    content: &Content<'_>,
) -> Result<Event, &'static str> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let stage: Stage = record
        .get("stage")
        .and_then(|stage| serde_json::from_value(stage.clone()).ok())
        .ok_or("what was no event when it was recorded")?;
    let stated: Option<Stated> = record
        .get("stated")
        .map(|stated| serde_json::from_value(stated.clone()))
        .transpose()
        .map_err(|_| NOT_WHOLE)?;
    let user = text("user").ok_or(NOT_WHOLE)?;
    if stated.is_none() && !engines.iter().all(|engine| engine.lists_user(user)) {
        return Err("the roles of the user are not recorded, and the directory does not list the user");
    }
    if stated.as_ref().is_some_and(|stated| stated.attributes) {
        return Err("the attributes that were stated of the user are not recorded");
    }
    let is_recorded = stated.is_some();
    let stated = stated.unwrap_or_default();
    let agent = || text("agent").map(str::to_owned).ok_or(NOT_WHOLE);
    let (agent, body) = match stage {
        Stage::Access => {
            let asked = stated.access.ok_or("the model and the tools that were offered are not recorded")?;
            let Asked { kind, model, tools } = asked;
            let of_new = |name: &str| match kind {
                AccessKind::Create => content
                    .part(name, "the instructions were not kept")
                    .map(|value| Some(value).filter(|value| !value.is_null())),
                AccessKind::Run => Ok(None),
            };
            let name = of_new("name")?.and_then(|name| name.as_str().map(str::to_owned));
            let access = Access { kind, name, instructions: of_new("instructions")?, model, tools };
            let agent =
                if kind == AccessKind::Run { Some(agent()?) } else { text("agent").map(str::to_owned) };
            (agent, Body::Access(access))
        }
        Stage::Input => {
            let text = content.part("text", "the text was not kept")?;
            (Some(agent()?), Body::Input { part: stated.part.ok_or(NOT_WHOLE)?, text })
        }
        Stage::Output => {
            (Some(agent()?), Body::Output { text: content.part("text", "the text was not kept")? })
        }
        Stage::ToolResult => {
            let result = content.part("result", "the result was not kept")?;
            let (tool, call) = (text("tool").ok_or(NOT_WHOLE)?.to_owned(), text("call").map(str::to_owned));
            (Some(agent()?), Body::ToolResult { tool, call, result })
        }
        Stage::ToolCall => {
            let arguments = match (arguments(record), content.part("arguments", LACKING_ARGUMENTS)) {
                (_, Ok(Value::Object(arguments))) => arguments,
                (Some(arguments), _) => arguments,
                (None, Err(why)) => return Err(why),
                (None, Ok(_)) => return Err(NOT_WHOLE),
            };
            let (tool, call) = (text("tool").ok_or(NOT_WHOLE)?.to_owned(), text("call").map(str::to_owned));
            (Some(agent()?), Body::ToolCall { tool, call, arguments: Value::Object(arguments) })
        }
    };
    // Where the record does not say what was stated, the directory knows the tenant.
    let tenant = text("tenant").filter(|_| is_recorded).map(str::to_owned);
    let user = User { id: user.to_owned(), roles: stated.roles, tenant, attributes: None };
    let mut event = Event::output(session, user, "", "");
    event.agent = agent;
    event.at = text("at").and_then(|at| at.parse().ok());
    event.facts = stated.facts;
    event.tokens = stated.tokens;
    event.body = body;
    Ok(event)
}

/// The arguments of a call, where the record holds all of them.
fn arguments(record: &Value) -> Option<Map<String, Value>> {
    let object = |name: &str| record.get(name).and_then(Value::as_object);
    let kept: BTreeMap<&str, &Value> =
        object("arguments").into_iter().flatten().map(|(pointer, value)| (pointer.as_str(), value)).collect();
    let Some(parameters) = object("parameters") else {
        // None, unless they were not searched, or a rule matched in a name.
        let was_allowed = record.get("enforced").and_then(Value::as_str) == Some("allow");
        let in_a_name = record.get("findings").and_then(Value::as_array).is_some_and(|findings| {
            findings.iter().any(|one| one.get("field").and_then(Value::as_str) == Some("/arguments/*"))
        });
        return (was_allowed && !in_a_name).then(Map::new);
    };
    parameters
        .keys()
        .map(|name| {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            kept.get(pointer.as_str()).map(|value| (name.clone(), (*value).clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_record_holds_whole_is_an_event() {
        let call = |record: Value| arguments(&record).map(Value::Object);
        let kept =
            json!({ "parameters": { "path": "string" }, "arguments": { "/path": "a" }, "enforced": "deny" });
        assert_eq!(call(kept), Some(json!({ "path": "a" })));
        let part =
            json!({ "parameters": { "path": "string", "size": "number" }, "arguments": { "/path": "a" } });
        assert_eq!(call(part), None);
        assert_eq!(call(json!({ "enforced": "allow" })), Some(json!({})));
        assert_eq!(call(json!({ "enforced": "deny" })), None);
        assert_eq!(call(json!({ "enforced": "allow", "findings": [{ "field": "/arguments/*" }] })), None);
    }
}
