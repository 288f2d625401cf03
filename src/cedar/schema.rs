//! The Cedar schema of a bundle.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::vocabulary::{AttributeType, Tool, Vocabulary, attribute_types};

fn entity_type(name: &str) -> Value {
    json!({ "type": "Entity", "name": name })
}

fn set_of(name: &str) -> Value {
    json!({ "type": "Set", "element": entity_type(name) })
}

fn attribute_type(kind: AttributeType, required: bool) -> Value {
    match kind {
        AttributeType::String => json!({ "type": "String", "required": required }),
        AttributeType::Integer => json!({ "type": "Long", "required": required }),
        AttributeType::Boolean => json!({ "type": "Boolean", "required": required }),
        AttributeType::Strings => {
            json!({ "type": "Set", "element": { "type": "String" }, "required": required })
        }
    }
}

/// The context that every action has.
fn base_context() -> Map<String, Value> {
    let long = || json!({ "type": "Long" });
    let mut base = Map::new();
    base.insert("agent".to_owned(), entity_type("Agent"));
    base.insert("model".to_owned(), json!({ "type": "Entity", "name": "Model", "required": false }));
    base.insert("at".to_owned(), json!({ "type": "Extension", "name": "datetime" }));
    base.insert("stage".to_owned(), entity_type("Stage"));
    base.insert("found".to_owned(), set_of("Rule"));
    base.insert("packs".to_owned(), set_of("Pack"));
    base.insert("tags".to_owned(), set_of("Tag"));
    base.insert(
        "session".to_owned(),
        json!({ "type": "Record", "attributes": {
            "labels": set_of("Label"), "calls": long(), "denials": long(), "findings": long(), "minutes": long(),
            "turns": long(), "tokens": long(),
        } }),
    );
    base
}

fn action(parents: &[&str], resource: &str, context: Map<String, Value>) -> Value {
    let members: Vec<Value> = parents.iter().map(|id| json!({ "id": id })).collect();
    json!({
        "memberOf": members,
        "appliesTo": {
            "principalTypes": ["User"], "resourceTypes": [resource],
            "context": { "type": "Record", "attributes": context },
        },
    })
}

/// The schema in Cedar's JSON format, with actions for these tools alone.
pub(super) fn json_schema<'a>(vocabulary: &Vocabulary, tools: impl IntoIterator<Item = &'a Tool>) -> Value {
    let attributes = |types: BTreeMap<String, (AttributeType, bool)>| -> Map<String, Value> {
        types.into_iter().map(|(name, (kind, all))| (name, attribute_type(kind, all))).collect()
    };
    let shaped = |parents: &[&str], attributes: Map<String, Value>| json!({ "memberOfTypes": parents, "shape": { "type": "Record", "attributes": attributes } });
    let of = |entries: &[super::vocabulary::Declared]| {
        attributes(attribute_types(&entries.iter().collect::<Vec<_>>()))
    };
    let mut user = Map::new();
    user.insert("tenant".to_owned(), attribute_type(AttributeType::String, false));
    for (name, kind) in &vocabulary.user_attributes {
        user.insert(name.clone(), attribute_type(*kind, false));
    }
    let declared_tools: Vec<_> = vocabulary.tools.iter().map(|tool| &tool.declared).collect();
    let mut tool = attributes(attribute_types(&declared_tools));
    // A tool or agent that is not declared has none of the attributes that declared ones have.
    let optional = |map: &mut Map<String, Value>| {
        for value in map.values_mut() {
            if let Value::Object(attribute) = value {
                attribute.insert("required".to_owned(), Value::Bool(false));
            }
        }
    };
    if vocabulary.unlisted.is_some() {
        optional(&mut tool);
    }
    let mut agent = of(&vocabulary.agents);
    optional(&mut agent);
    tool.insert("reads".to_owned(), set_of("Label"));
    tool.insert("writes".to_owned(), set_of("Label"));

    let with = |name: &str, mut value: Value, required: bool| {
        let mut context = base_context();
        if let Value::Object(map) = &mut value {
            map.insert("required".to_owned(), Value::Bool(required));
        }
        context.insert(name.to_owned(), value);
        context
    };
    let mut actions = Map::new();
    for name in ["run_agent", "create_agent", "send_input", "send_output"] {
        actions.insert(name.to_owned(), action(&[], "Agent", base_context()));
    }
    actions.insert("read_result".to_owned(), action(&[], "Tool", base_context()));
    for name in ["waive", "reveal"] {
        actions.insert(name.to_owned(), action(&[], "Rule", with("tool", entity_type("Tool"), false)));
    }
    actions.insert("call_tool".to_owned(), json!({ "memberOf": [] }));
    let empty = json!({ "type": "Record", "attributes": {} });
    actions
        .insert("call_unlisted_tool".to_owned(), action(&["call_tool"], "Tool", with("input", empty, true)));
    for tool in tools {
        let context = with("input", tool.input.to_schema(), true);
        actions.insert(tool.declared.name.clone(), action(&["call_tool"], "Tool", context));
    }
    json!({ "": {
        "entityTypes": {
            "Role": shaped(&["Role"], of(&vocabulary.roles)),
            "User": shaped(&["Role"], user),
            "AgentGroup": shaped(&["AgentGroup"], of(&vocabulary.agent_groups)),
            "Agent": shaped(&["AgentGroup"], agent),
            "Toolset": shaped(&["Toolset"], of(&vocabulary.toolsets)),
            "Tool": shaped(&["Toolset"], tool),
            "Pack": {},
            "Rule": { "memberOfTypes": ["Pack"] },
            "Model": shaped(&[], of(&vocabulary.models)),
            "Tag": {},
            "Label": {},
            "Stage": { "enum": ["access", "input", "tool_call", "tool_result", "output"] },
        },
        "actions": actions,
    } })
}
