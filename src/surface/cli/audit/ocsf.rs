//! A record as an event of OCSF 1.8.0 (Open Cybersecurity Schema Framework).
//!
//! A decision about a tool call is an API Activity, one about a run or creation of an agent an Authorize Session, one about a text a
//! Detection Finding where a rule matched and else an API Activity of the model; what happens to the log and its bundle is an
//! Application Lifecycle. What has no place there stands under `unmapped`, the record's hash-chained text included.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

const VERSION: &str = "1.8.0";

/// A class of events, and what happened in it.
struct Class {
    uid: u64,
    name: &'static str,
    category: (u64, &'static str),
    activity: (u64, &'static str),
}

const fn class(
    uid: u64,
    name: &'static str,
    category: (u64, &'static str),
    activity: (u64, &'static str),
) -> Class {
    Class { uid, name, category, activity }
}

const APPLICATION: (u64, &str) = (6, "Application Activity");
const IDENTITY: (u64, &str) = (3, "Identity & Access Management");
const FINDINGS: (u64, &str) = (2, "Findings");

/// The class of a record.
fn class_of(record: &Value) -> Class {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let found = record.get("findings").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    let lifecycle = |activity| class(6002, "Application Lifecycle", APPLICATION, activity);
    match (text("kind"), text("stage")) {
        ("verdict", "access") => class(3003, "Authorize Session", IDENTITY, (1, "Assign Privileges")),
        ("verdict", "tool_call" | "tool_result") => class(6003, "API Activity", APPLICATION, (99, "Other")),
        ("verdict", _) if found => class(2004, "Detection Finding", FINDINGS, (1, "Create")),
        ("verdict", _) => class(6003, "API Activity", APPLICATION, (99, "Other")),
        ("security_event", _) => class(2004, "Detection Finding", FINDINGS, (1, "Create")),
        ("approval" | "reveal", _) => class(3003, "Authorize Session", IDENTITY, (1, "Assign Privileges")),
        ("start", _) => lifecycle((3, "Start")),
        ("stop", _) => lifecycle((4, "Stop")),
        ("bundle_loaded" | "bundle_returned", _) => lifecycle((8, "Update")),
        ("log_read" | "access_request", _) => class(6003, "API Activity", APPLICATION, (2, "Read")),
        ("retention_batch" | "retention_run" | "records_removed" | "erasure", _) => {
            class(6003, "API Activity", APPLICATION, (4, "Delete"))
        }
        ("hold" | "release" | "key_rotation", _) => class(6003, "API Activity", APPLICATION, (3, "Update")),
        _ => lifecycle((99, "Other")),
    }
}

/// What was done: action and disposition.
fn done(record: &Value) -> Option<[(u64, &'static str); 2]> {
    let edited = record.get("edits").and_then(Value::as_u64).unwrap_or(0) > 0;
    let approved = record.get("approved_by").is_some();
    let shadow = record.get("decision") != record.get("enforced");
    Some(match record.get("enforced")?.as_str()? {
        "allow" if edited => [(4, "Modified"), (11, "Corrected")],
        "allow" if approved => [(1, "Allowed"), (8, "Approved")],
        "allow" if shadow => [(3, "Observed"), (15, "Detected")],
        "allow" => [(1, "Allowed"), (1, "Allowed")],
        "ask" => [(2, "Denied"), (14, "Delayed")],
        _ => [(2, "Denied"), (2, "Blocked")],
    })
}

/// How bad it is: that of the worst finding, and at least low where something was refused.
fn severity(record: &Value) -> (u64, &'static str) {
    let of = |name: &str| match name {
        "critical" => 5,
        "high" => 4,
        "medium" => 3,
        _ => 2,
    };
    let findings = record.get("findings").and_then(Value::as_array).into_iter().flatten();
    let worst = findings.filter_map(|one| Some(of(one.get("severity")?.as_str()?))).max();
    let refused = record.get("enforced").and_then(Value::as_str).is_some_and(|enforced| enforced != "allow");
    let told = record.get("kind").and_then(Value::as_str) == Some("security_event");
    match worst.unwrap_or(0).max(if refused || told { 2 } else { 1 }) {
        1 => (1, "Informational"),
        2 => (2, "Low"),
        3 => (3, "Medium"),
        4 => (4, "High"),
        _ => (5, "Critical"),
    }
}

/// A record as an event. `text` is the record as it is hashed.
pub(super) fn event(number: u64, record: &Value, text: &str) -> Value {
    let word = |name: &str| record.get(name).and_then(Value::as_str);
    let class = class_of(record);
    let at = word("at").and_then(|at| at.parse::<Timestamp>().ok()).map(Timestamp::as_millisecond);
    let (severity_id, severity) = severity(record);
    let actor = word("user").or(word("by"));
    let done = done(record);
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    };
    put("class_uid", class.uid.into());
    put("class_name", class.name.into());
    put("category_uid", class.category.0.into());
    put("category_name", class.category.1.into());
    put("activity_id", class.activity.0.into());
    put("activity_name", class.activity.1.into());
    put("type_uid", (class.uid * 100 + class.activity.0).into());
    put("type_name", format!("{}: {}", class.name, class.activity.1).into());
    put("time", at.unwrap_or_default().into());
    put("severity_id", severity_id.into());
    put("severity", severity.into());
    put("message", word("kind").into());
    // Of an activity whether it succeeded; of a finding how far somebody has got with it, which is not at all.
    let status = match class.uid {
        2004 => Some(1),
        _ => word("enforced").map(|enforced| if enforced == "allow" { 1 } else { 2 }),
    };
    put("status_id", status.into());
    let mut profiles = Vec::new();
    if let Some([action, disposition]) = done {
        profiles.push("security_control");
        put("action_id", action.0.into());
        put("action", action.1.into());
        put("disposition_id", disposition.0.into());
        put("disposition", disposition.1.into());
    }
    let user = actor.map(|id| {
        let mut user = json!({ "uid": id, "name": id, "type_id": 1 });
        if let (Some(tenant), Some(user)) = (word("tenant"), user.as_object_mut()) {
            user.insert("org".to_owned(), json!({ "uid": tenant }));
        }
        user
    });
    put(
        "actor",
        json!({
            "user": user,
            "session": word("session").map(|uid| json!({ "uid": uid })),
            "app_name": word("agent").unwrap_or("ringfence"),
        }),
    );
    // Other classes than API Activity have an actor by this profile.
    if class.uid != 6003 {
        profiles.push("host");
    }
    let operation = word("tool").or(word("stage")).or(word("verb")).or(word("kind"));
    match class.uid {
        6003 => {
            put(
                "api",
                json!({ "operation": operation, "request": word("call").map(|uid| json!({ "uid": uid })), "service": { "name": "ringfence" } }),
            );
            put(
                "src_endpoint",
                json!({ "name": word("agent").unwrap_or("ringfence"), "type_id": 99, "type": "AI agent" }),
            );
        }
        3003 => {
            put("user", user.unwrap_or_else(|| json!({ "uid": "unknown", "name": "unknown", "type_id": 0 })));
            put("session", json!({ "uid": word("session") }));
            put("privileges", json!([operation.unwrap_or("unknown")]));
        }
        2004 => {
            let rules = list(record, "findings", "rule");
            let title = rules.first().copied().or(word("event")).or(operation);
            put(
                "finding_info",
                json!({ "uid": format!("{}/{number}", word("_log").unwrap_or_default()), "title": title, "types": rules }),
            );
            put("is_alert", true.into());
        }
        _ => {
            put("app", json!({ "name": "ringfence", "vendor_name": "Ringfence", "version": word("engine") }))
        }
    }
    if let (Some(policy), Some(_)) = (list(record, "reasons", "policy").first(), done) {
        put("policy", json!({ "name": policy, "uid": word("bundle"), "is_applied": true }));
    }
    if word("stage").is_some() && class.uid == 6003 {
        profiles.push("ai_operation");
        let role = match word("stage") {
            Some("input") => Some((1, "User")),
            Some("output") => Some((2, "Assistant")),
            Some("tool_call" | "tool_result") => Some((3, "Tool")),
            _ => None,
        };
        // Without texts, which are in no record.
        let (id, role) = role.unwrap_or((0, "Unknown"));
        put(
            "message_context",
            json!({
                "ai_role_id": id, "ai_role": role, "uid": word("session"), "application": { "name": word("agent").unwrap_or("unknown") },
            }),
        );
    }
    put(
        "metadata",
        json!({
            "version": VERSION,
            "product": { "name": "Ringfence", "vendor_name": "Ringfence", "version": word("engine") },
            "profiles": profiles,
            "uid": format!("{}/{number}", word("_log").unwrap_or_default()),
            "sequence": number,
            "log_name": word("_log"),
            "correlation_uid": word("session"),
        }),
    );
    put("raw_data", text.into());
    put(
        "unmapped",
        json!({
            "reasons": list(record, "reasons", "code"),
            "rules": list(record, "findings", "rule"),
            "tags": tags(record),
            "waivers": record.get("waivers"),
            "shadow": list(record, "shadow", "policy"),
            "prev_hash": word("_prev"),
        }),
    );
    without_nulls(Value::Object(out))
}

/// One member of each item of a list, each once.
fn list<'a>(record: &'a Value, name: &str, part: &str) -> Vec<&'a str> {
    let items = record.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut parts: Vec<&str> = items.filter_map(|item| item.get(part)?.as_str()).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

fn tags(record: &Value) -> Vec<&str> {
    let findings = record.get("findings").and_then(Value::as_array).into_iter().flatten();
    let tags = findings.filter_map(|one| one.get("tags")?.as_array()).flatten();
    let mut tags: Vec<&str> = tags.filter_map(Value::as_str).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// A value without members that are null or empty objects.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, without_nulls(value)));
            let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
            members.filter(|(_, value)| !empty(value)).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(record: &Value) -> Value {
        event(7, record, "{}")
    }

    #[test]
    fn decisions_are_events_of_their_class() {
        let call = of(
            &json!({ "kind": "verdict", "stage": "tool_call", "at": "2026-11-22T10:00:00Z", "user": "ann", "tenant": "acme",
            "agent": "bot", "tool": "send_mail", "call": "c1", "session": "s", "decision": "deny", "enforced": "deny", "edits": 0,
            "reasons": [{ "code": "forbid", "policy": "no-mail" }], "findings": [], "bundle": "sha256:x", "engine": "0.1.0",
            "_log": "log/1", "_prev": "00" }),
        );
        assert_eq!(
            (&call["class_uid"], &call["type_uid"], &call["time"]),
            (&json!(6003), &json!(600_399), &json!(1_795_341_600_000_i64))
        );
        assert_eq!(
            (&call["action_id"], &call["disposition_id"], &call["severity_id"], &call["status_id"]),
            (&json!(2), &json!(2), &json!(2), &json!(2))
        );
        assert_eq!(
            (&call["api"]["operation"], &call["policy"]["name"]),
            (&json!("send_mail"), &json!("no-mail"))
        );
        assert_eq!(
            call["actor"],
            json!({ "user": { "uid": "ann", "name": "ann", "type_id": 1, "org": { "uid": "acme" } }, "session": { "uid": "s" }, "app_name": "bot" })
        );
        assert_eq!(
            (&call["metadata"]["version"], &call["metadata"]["uid"]),
            (&json!("1.8.0"), &json!("log/1/7"))
        );
        let redacted = of(
            &json!({ "kind": "verdict", "stage": "input", "at": "2026-11-22T10:00:00Z", "decision": "allow", "enforced": "allow",
            "edits": 1, "findings": [{ "rule": "pii/email", "severity": "high", "tags": ["pii"] }] }),
        );
        assert_eq!(
            (&redacted["class_uid"], &redacted["action_id"], &redacted["severity_id"]),
            (&json!(2004), &json!(4), &json!(4))
        );
        assert_eq!(redacted["finding_info"]["title"], "pii/email");
        assert_eq!(redacted["unmapped"]["tags"], json!(["pii"]));
        for (kind, uid) in [
            ("start", 600_203),
            ("stop", 600_204),
            ("erasure", 600_304),
            ("log_read", 600_302),
            ("approval", 300_301),
            ("later", 600_299),
        ] {
            assert_eq!(of(&json!({ "kind": kind, "at": "2026-11-22T10:00:00Z" }))["type_uid"], uid, "{kind}");
        }
    }

    /// The schema of a class: what OCSF has of it that is used here, its profiles as the event lists them, and nothing else.
    fn schema_of(event: &Value) -> Value {
        let all: Value = serde_json::from_str(include_str!("ocsf/schema.json")).unwrap();
        let uid = event["class_uid"].to_string();
        let class = &all[&uid];
        assert!(class.is_object(), "class {uid}");
        let mut properties = all["$defs"]["base"].as_object().unwrap().clone();
        properties.extend(class["properties"].as_object().unwrap().clone());
        for profile in event["metadata"]["profiles"].as_array().unwrap() {
            assert!(class["profiles"].as_array().unwrap().contains(profile), "{uid}: {profile}");
            if let Some(members) = all["$defs"].get(profile.as_str().unwrap()) {
                properties.extend(members.as_object().unwrap().clone());
            }
        }
        properties.insert("class_uid".to_owned(), json!({ "const": event["class_uid"] }));
        properties.insert("category_uid".to_owned(), json!({ "const": class["category_uid"] }));
        properties.insert("activity_id".to_owned(), json!({ "enum": class["activities"] }));
        properties.insert("status_id".to_owned(), json!({ "enum": class["statuses"] }));
        let mut required = all["$defs"]["required"].as_array().unwrap().clone();
        required.extend(class["required"].as_array().unwrap().iter().cloned());
        let mut defs = all["$defs"].as_object().unwrap().clone();
        for parts in ["base", "security_control", "ai_operation", "required"] {
            defs.remove(parts);
        }
        json!({ "$defs": defs, "type": "object", "properties": properties, "required": required })
    }

    fn fits(event: &Value) {
        let faults = crate::tool::Schema::new(&schema_of(event)).unwrap().check(event);
        assert!(faults.is_empty(), "{faults:#?} in {event:#}");
        assert_eq!(
            event["type_uid"],
            event["class_uid"].as_u64().unwrap() * 100 + event["activity_id"].as_u64().unwrap()
        );
    }

    /// A value of a schema of records: with all members that there can be, or with those that have to be there.
    fn some(schema: &Value, root: &Value, all: bool) -> Value {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            return some(root.pointer(&target[1..]).unwrap(), root, all);
        }
        if let Some(value) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
            return value.clone();
        }
        if let Some(branches) = schema.get("anyOf").or(schema.get("oneOf")) {
            return some(&branches[0], root, all);
        }
        let kind = schema.get("type").map(|kind| if kind.is_array() { &kind[0] } else { kind });
        match kind.and_then(Value::as_str) {
            Some("string") => json!("2026-11-22T10:00:00Z"),
            Some("integer" | "number") => json!(7),
            Some("boolean") => json!(true),
            Some("array") => json!([some(&schema["items"], root, all)]),
            Some("object") if schema.get("properties").is_some() => {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                let members = schema["properties"].as_object().unwrap().iter();
                members
                    .filter(|(name, _)| all || required.contains(&json!(name)))
                    .map(|(name, member)| (name.clone(), some(member, root, all)))
                    .collect()
            }
            Some("object") => json!({}),
            _ => Value::Null,
        }
    }

    /// Every kind of record, as its schema has it, so that a new one is not forgotten.
    fn every_kind() -> Vec<Value> {
        let root = crate::schema::named("record").unwrap();
        let mut records = Vec::new();
        for kind in root["oneOf"].as_array().unwrap() {
            for all in [false, true] {
                let mut record = some(kind, &root, all);
                if let Some(shared) = kind.get("$ref") {
                    let rest = some(&json!({ "$ref": shared }), &root, all);
                    record = kind["properties"].as_object().unwrap().keys().fold(rest, |mut rest, name| {
                        rest[name] = some(&kind["properties"][name], &root, all);
                        rest
                    });
                }
                for (name, value) in [("_log", "log/1"), ("_prev", "00ff")] {
                    record[name] = json!(value);
                }
                records.push(record);
            }
        }
        records
    }

    #[test]
    fn every_kind_of_record_fits_the_schema_of_its_class() {
        let records = every_kind();
        let kinds: std::collections::BTreeSet<&str> =
            records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
        assert!(kinds.len() >= 18 && kinds.contains("records_removed"), "{kinds:?}");
        let mut tried = 0;
        for record in &records {
            fits(&of(record));
            if record["kind"] != "verdict" {
                continue;
            }
            for stage in ["access", "input", "tool_call", "tool_result", "output"] {
                for (decision, enforced) in
                    [("allow", "allow"), ("ask", "ask"), ("deny", "deny"), ("deny", "allow")]
                {
                    for edits in [0, 2] {
                        for found in [true, false] {
                            let mut record = record.clone();
                            record["stage"] = json!(stage);
                            record["decision"] = json!(decision);
                            record["enforced"] = json!(enforced);
                            record["edits"] = json!(edits);
                            if !found {
                                record["findings"] = json!([]);
                            }
                            fits(&of(&record));
                            tried += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(tried, 160);
        // The schema itself refuses what does not fit.
        let good = of(&records[0]);
        for (name, value) in [
            ("time", json!("now")),
            ("severity_id", json!(9)),
            ("surplus", json!(1)),
            ("metadata", json!({})),
        ] {
            let mut bad = good.clone();
            let schema = crate::tool::Schema::new(&schema_of(&bad)).unwrap();
            bad[name] = value;
            assert!(!schema.check(&bad).is_empty(), "{name}");
        }
    }
}
