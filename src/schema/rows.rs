//! JSON lines that the program reads or prints and that no other module has a type for.

#![cfg_attr(
    not(feature = "cli"),
    expect(dead_code, reason = "the command line makes what is described for everybody")
)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::{Removed, Stayed};
use crate::harness::diff::{Change, Differences, Group, Kind};
use crate::harness::{Accuracy, Mutant, Part};
use crate::verdict::{Finding, Severity};

/// A line of `test --format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "Ringfence test result (test --format json)")]
pub(crate) enum TestResult<'a> {
    /// A case.
    Case(TestCase<'a>),
    /// With --coverage: a part of the bundle.
    Part(&'a Part),
    /// With --mutate: a change to the bundle.
    Mutant(&'a Mutant),
    /// The last line.
    Summary(TestSummary<'a>),
}

/// How one case went.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TestCase<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The file that holds it.
    pub(crate) file: &'a str,
    /// Its line there, from 1.
    pub(crate) line: u32,
    /// What was not as expected; empty where all was.
    pub(crate) failures: &'a [String],
    /// What was measured, where it is a gate on labelled data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accuracy: Option<&'a Accuracy>,
}

/// How all cases went.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TestSummary<'a> {
    /// Cases that went as expected.
    pub(crate) passed: usize,
    /// Cases that did not.
    pub(crate) failed: usize,
    /// Policies that decided no step with an `expect`.
    pub(crate) unreached_policies: &'a [String],
    /// Rules that matched in none.
    pub(crate) unreached_rules: &'a [String],
    /// Tools that none was about.
    pub(crate) unreached_tools: &'a [String],
    /// With --coverage: the share of parts that tests reach, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<f64>,
    /// With --mutate: the share of changes that a test noticed, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mutation: Option<f64>,
}

/// A line of `diff --format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "Ringfence diff result (diff --format json)")]
pub(crate) enum DiffResult<'a> {
    /// An event whose verdict changes.
    Change(&'a Change),
    /// The last line.
    Summary(DiffSummary<'a>),
}

/// Everything that changes, counted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct DiffSummary<'a> {
    /// Events that were compared.
    events: u64,
    /// Lines that are no events.
    malformed: u64,
    /// Recorded events that can't be decided again, by what of them was not kept.
    not_kept: BTreeMap<&'a str, u64>,
    /// How many verdicts change in each way.
    changes: BTreeMap<&'a str, u64>,
    /// The same for each policy or rule that makes a difference, and each role, user, agent and tool.
    by: BTreeMap<Group, BTreeMap<&'a str, BTreeMap<&'a str, u64>>>,
}

impl<'a> DiffSummary<'a> {
    pub(crate) fn new(differences: &'a Differences) -> Self {
        let names = |counts: &BTreeMap<Kind, u64>| -> BTreeMap<&str, u64> {
            counts.iter().map(|(kind, count)| (kind.name(), *count)).collect()
        };
        let group = |group| -> BTreeMap<&str, BTreeMap<&str, u64>> {
            differences.ranked(group).into_iter().map(|(name, counts)| (name, names(counts))).collect()
        };
        let counted = Kind::ALL.into_iter().map(|kind| (kind.name(), differences.count(kind)));
        Self {
            events: differences.events(),
            malformed: differences.malformed(),
            not_kept: differences.not_kept().iter().map(|(what, count)| (*what, *count)).collect(),
            changes: counted.filter(|(_, count)| *count > 0).collect(),
            by: Group::ALL.into_iter().map(|one| (one, group(one))).collect(),
        }
    }
}

/// A line of `scan --format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "Ringfence scan result (scan --format json)")]
pub(crate) enum ScanResult<'a> {
    /// A finding in a file.
    Finding(FileFinding<'a>),
    /// With `--jsonl`: a row with its findings.
    Row(ScannedRow<'a>),
}

/// A rule that matched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Matched<'a> {
    /// The rule, as `pack/rule`.
    rule: &'a str,
    /// First byte of the match (UTF-8).
    start: usize,
    /// One past its last byte.
    end: usize,
    /// How bad it is.
    severity: Severity,
    /// Tags of the rule and its pack.
    tags: &'a [String],
}

impl<'a> Matched<'a> {
    pub(crate) fn new(finding: &'a Finding) -> Self {
        let Finding { rule, start, end, severity, tags, .. } = finding;
        Self { rule, start: *start, end: *end, severity: *severity, tags }
    }
}

/// A finding in a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FileFinding<'a> {
    /// What matched where in the text.
    #[serde(flatten)]
    pub(crate) matched: Matched<'a>,
    /// The file.
    pub(crate) file: &'a str,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column, in characters, from 1.
    pub(crate) column: usize,
}

/// A row of JSON lines with its findings.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ScannedRow<'a> {
    /// Its line in the file, from 1.
    pub(crate) line: Option<usize>,
    /// What matched in its field.
    pub(crate) findings: Vec<Matched<'a>>,
    /// Why it could not be scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
}

/// A line of a file that `scan --baseline` reads: the header first, then what is accepted.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, title = "Ringfence baseline (scan --baseline)")]
#[expect(dead_code, reason = "the schema is made of it; the program reads the two kinds one after the other")]
pub(crate) enum Baseline {
    /// The first line.
    Header(BaselineHeader),
    /// The others.
    Accepted(Accepted),
}

/// The first line of a baseline.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BaselineHeader {
    /// Version of the format: 1.
    pub(crate) ringfence_baseline: u32,
    /// The random key of its digests.
    pub(crate) key: String,
}

/// A finding that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    /// The file.
    pub(crate) file: String,
    /// The rule, as `pack/rule`.
    pub(crate) rule: String,
    /// Digest of its line with the matches masked.
    pub(crate) line: String,
    /// Part of a digest of the match.
    pub(crate) value: String,
}

/// What `audit stats --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Ringfence audit statistics (audit stats --format json)")]
pub(crate) struct AuditStats<'a> {
    /// The log's name.
    pub(crate) log: &'a str,
    /// Records.
    pub(crate) records: u64,
    /// Records before them that retention has removed.
    pub(crate) removed: u64,
    /// Records that the latest checkpoint covers.
    pub(crate) signed: u64,
    /// Bytes of the database.
    pub(crate) bytes: u64,
    /// Times of the earliest and the latest event (RFC 3339); null where there are no records.
    pub(crate) times: Option<[String; 2]>,
    /// The most frequent values of each field, with how many records have them.
    pub(crate) most_frequent: BTreeMap<&'a str, BTreeMap<String, u64>>,
}

/// What `retain apply --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Ringfence retention run (retain apply --format json)")]
pub(crate) struct RetentionRun<'a> {
    /// Its name, which its records carry.
    pub(crate) run: &'a str,
    /// What went, by class.
    pub(crate) removed: &'a [Removed],
    /// What was due and stayed, and why.
    pub(crate) stayed: &'a [Stayed],
    /// Data keys that were destroyed.
    pub(crate) keys: u64,
    /// Whether nothing of what went is left in any file.
    pub(crate) clean: bool,
    /// Transactions.
    pub(crate) batches: u64,
    /// The longest of them, in milliseconds.
    pub(crate) longest_ms: u128,
}

/// What `retain check --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Ringfence account of contents (retain check --format json)")]
pub(crate) struct RetentionAccount<'a> {
    /// Contents that records tell of.
    pub(crate) kept: u64,
    /// Contents that are there.
    pub(crate) there: u64,
    /// Contents that runs and erasures have removed.
    pub(crate) removed: u64,
    /// Numbers of contents that are neither; the first twenty.
    pub(crate) missing: &'a [u64],
    /// Numbers of contents that are there and should not be; the first twenty.
    pub(crate) surplus: &'a [u64],
}

/// A line of `retain holds --format json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Ringfence hold (retain holds --format json)")]
pub(crate) struct RetentionHold<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// `user` or `thread`.
    pub(crate) on: &'static str,
    /// The user's or session's id.
    pub(crate) id: &'a str,
    /// Why.
    pub(crate) reason: &'a str,
    /// Who answers for it.
    pub(crate) owner: &'a str,
    /// When it was placed (RFC 3339).
    #[schemars(with = "String")]
    pub(crate) placed: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(crate) until: Option<Timestamp>,
    /// Whether it holds now.
    pub(crate) in_force: bool,
}

/// What `audit verify --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Ringfence audit report (audit verify --format json)")]
pub(crate) struct AuditReport<'a> {
    /// The log's name.
    pub(crate) log: &'a str,
    /// Records before the first that retention has removed, as a signed statement says.
    pub(crate) removed: u64,
    /// Records that are there.
    pub(crate) records: u64,
    /// Records that a checkpoint covers which fits.
    pub(crate) signed: u64,
    /// Records that such a checkpoint from outside the database covers.
    pub(crate) signed_outside: u64,
    /// Checkpoints in the database.
    pub(crate) checkpoints: usize,
    /// Whether a public key was given, and signatures were held against it.
    pub(crate) signatures_checked: bool,
    /// What is wrong, in the order of records; empty where nothing is.
    pub(crate) problems: Vec<AuditProblem>,
}

/// Something that is wrong with a log.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct AuditProblem {
    /// `altered`, `removed`, `truncated`, `rewritten`, `another log`, `unsigned` or `index`.
    pub(crate) kind: String,
    /// What and where, in one line.
    pub(crate) message: String,
}

/// A session of OpenAI chat messages, as `eval` reads one from a line. Other fields are ignored.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence session (a line for eval)")]
pub(crate) struct Session {
    /// The session's id.
    pub(crate) id: SessionId,
    /// Its messages in order.
    pub(crate) messages: Vec<Message>,
    /// The tools that it was given; absent where the file does not say.
    pub(crate) tools: Option<Vec<Offered>>,
}

/// An id: text, or a number.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum SessionId {
    /// Text.
    Text(#[schemars(length(min = 1))] String),
    /// A number.
    Number(f64),
}

/// A message; other fields are ignored.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(crate) enum Message {
    /// Instructions of the application.
    System {
        /// Text, or parts of it.
        content: Value,
    },
    /// Instructions of the application, in the newer word.
    Developer {
        /// Text, or parts of it.
        content: Value,
    },
    /// What the user says.
    User {
        /// Text, or parts of it.
        content: Value,
    },
    /// What the model says and calls.
    Assistant {
        /// Text, or parts of it.
        content: Option<Value>,
        /// A refusal by the model itself.
        refusal: Option<String>,
        /// The tools that it calls.
        tool_calls: Option<Vec<ToolCall>>,
        /// A call in the older form.
        function_call: Option<Function>,
    },
    /// A tool's answer.
    Tool {
        /// The call that it answers.
        tool_call_id: Option<String>,
        /// The tool, where no call says so.
        name: Option<String>,
        /// The answer.
        content: Option<Value>,
    },
    /// A tool's answer in the older form.
    Function {
        /// The tool.
        name: String,
        /// The answer.
        content: Option<Value>,
    },
}

/// A call of a tool.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ToolCall {
    /// Its id, which the answer names.
    pub(crate) id: Option<String>,
    /// What is called.
    pub(crate) function: Function,
}

/// What is called.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Function {
    /// The tool's name.
    pub(crate) name: String,
    /// An object, or its JSON as text.
    pub(crate) arguments: Option<Value>,
}

/// A tool that the session was given.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Offered {
    /// A function.
    Function {
        /// The function.
        function: Named,
    },
    /// A function, in the flat form.
    Named(Named),
    /// A hosted tool, which has no name but its type.
    Hosted {
        /// Its type.
        r#type: String,
    },
}

/// Something with a name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Named {
    /// The name.
    pub(crate) name: String,
}

#[cfg(test)]
mod tests {
    use jsonschema_of::fits;
    use serde_json::json;

    use crate::event::{Chat, User};

    mod jsonschema_of {
        use serde_json::Value;

        use crate::tool::Schema;

        /// Whether a value fits a schema of the program; members that it does not list are ignored in sessions.
        pub(super) fn fits(name: &str, value: &Value) -> bool {
            let mut schema = crate::schema::named(name).unwrap();
            open(&mut schema);
            Schema::new(&schema).unwrap().check(value).is_empty()
        }

        fn open(schema: &mut Value) {
            match schema {
                Value::Object(map) => {
                    if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                        map.insert("additionalProperties".to_owned(), Value::Bool(true));
                    }
                    if map.get("format").is_some_and(|format| {
                        ["uint", "uint32", "uint64", "int64", "double"].iter().any(|own| format == own)
                    }) {
                        map.remove("format");
                    }
                    map.values_mut().for_each(open);
                }
                Value::Array(items) => items.iter_mut().for_each(open),
                _ => {}
            }
        }
    }

    #[test]
    fn the_schema_of_sessions_takes_what_the_reader_takes() {
        let call = json!({ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } });
        let cases = [
            (json!({ "id": "s", "messages": [], "source": "x" }), true),
            (json!({ "id": 7, "messages": [{ "role": "user", "content": "hi", "extra": 1 }] }), true),
            (
                json!({ "id": "s", "messages": [{ "role": "assistant", "content": null, "tool_calls": [call] },
                { "role": "tool", "tool_call_id": "c", "content": "ok" }],
                "tools": [{ "type": "function", "function": { "name": "f" } }, { "type": "web_search" }, { "name": "g" }] }),
                true,
            ),
            (
                json!({ "id": "s", "messages": [{ "role": "assistant", "content": "x", "function_call": { "name": "f" } }] }),
                true,
            ),
            (json!({ "messages": [] }), false),
            (json!({ "id": "s", "messages": {} }), false),
            (json!({ "id": "s", "messages": [{ "role": "user" }] }), false),
            (json!({ "id": "s", "messages": [{ "role": "judge", "content": "x" }] }), false),
            (json!({ "id": "s", "messages": [{ "role": "assistant", "tool_calls": {} }] }), false),
            (json!({ "id": "s", "messages": [], "tools": [{}] }), false),
        ];
        for (session, taken) in cases {
            let user = User { id: "u".to_owned(), ..User::default() };
            let read = Chat::from_json(&session.to_string())
                .is_ok_and(|chat| chat.events(&user, "a", None, &[]).iter().all(Result::is_ok));
            assert_eq!((read, fits("session", &session)), (taken, taken), "{session}");
        }
    }
}
