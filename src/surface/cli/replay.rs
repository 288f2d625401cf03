//! Records of an audit log as the events that they are of, as far as a record holds them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value};

use crate::audit::LogReader;
use crate::engine::Engine;
use crate::event::{Event, Stage, User};
use crate::store::{Order, Query};

/// Records that are read at once.
const PAGE: usize = 1024;

/// A recorded event.
pub(super) enum Recorded {
    /// It is whole.
    Whole(Box<Event>),
    /// It can't be decided again, for this reason.
    NotKept(&'static str),
}

/// Gives every recorded verdict of a log, with its record's number, in the order of the log.
///
/// A record holds no text, no model, no offered tools and no roles. An event is whole only where it needs none of them: a call
/// whose arguments are all logged (`log: true`), by a user whom the directory lists, in a session of nothing else.
/// Whatever follows an event that is not whole depends on it, so that nothing is guessed.
pub(super) fn each(
    log: &Path,
    engines: &[&Engine],
    take: &mut dyn FnMut(u64, Recorded) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut reader = LogReader::open(log)?;
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
            let recorded = match event(&record, &session, engines) {
                Ok(_) if broken.contains(&session) => {
                    Recorded::NotKept("an earlier event of their session was not kept")
                }
                Ok(event) => Recorded::Whole(Box::new(event)),
                Err(why) => Recorded::NotKept(why),
            };
            if matches!(recorded, Recorded::NotKept(_)) {
                broken.insert(session);
            }
            take(entry.index, recorded)?;
        }
    }
}

fn event(record: &Value, session: &str, engines: &[&Engine]) -> Result<Event, &'static str> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let stage: Stage = record
        .get("stage")
        .and_then(|stage| serde_json::from_value(stage.clone()).ok())
        .ok_or("what was no event when it was recorded")?;
    match stage {
        Stage::Access => return Err("the model and the tools that were offered are not recorded"),
        Stage::Input | Stage::Output => return Err("the text was not kept"),
        Stage::ToolResult => return Err("the result was not kept"),
        Stage::ToolCall => {}
    }
    let (Some(user), Some(agent), Some(tool)) = (text("user"), text("agent"), text("tool")) else {
        return Err("the record is not whole");
    };
    if !engines.iter().all(|engine| engine.lists_user(user)) {
        return Err("the roles of the user are not recorded, and the directory does not list the user");
    }
    let arguments = arguments(record).ok_or("not every argument was kept (`log: true` keeps one)")?;
    let user = User { id: user.to_owned(), ..User::default() };
    let mut event = Event::tool_call(session, user, agent, tool, Value::Object(arguments));
    event.at = text("at").and_then(|at| at.parse().ok());
    if let crate::event::Body::ToolCall { call, .. } = &mut event.body {
        *call = text("call").map(str::to_owned);
    }
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
