//! Each reason code, forced.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringfence::audit::{AuditError, AuditSink, JsonlSink, Record};
use ringfence::guard::{Clock, Revealed, To};
use ringfence::verdict::ReasonCode;
use ringfence::{CompileOptions, Decision, Guard, User, Verdict};

use crate::{MANIFEST, engine, engine_of, files};

fn check(change: &[(&str, &str)], lines: &[&str]) -> Verdict {
    let guard = Guard::builder(engine(change)).no_time_limit().build();
    lines.iter().map(|line| guard.check_json(line)).last().unwrap()
}

fn first(verdict: &Verdict) -> (Decision, &'static str) {
    assert_eq!(verdict.decision, verdict.enforced);
    (verdict.enforced, verdict.reasons.first().map_or("", |reason| reason.code.name()))
}

const INPUT: &str =
    r#"{"stage":"input","session":"s","user":{"id":"u","roles":["user"]},"agent":"bot","text":"hello"}"#;
const CALL: &str = r#"{"stage":"tool_call","session":"s","user":{"id":"u","roles":["user"]},"agent":"bot","tool":"note","arguments":{"text":"a"}}"#;

/// A rule in a pack of its own.
fn pack(body: &str) -> String {
    format!("pack: p\nrules:\n  - id: r\n{body}\n    examples: {{ match: [secret], ignore: [secretive] }}\n")
}

const FIND: &str =
    "    stages: [input, tool_call, tool_result, output, access]\n    find: { pattern: '\\bsecret\\b' }\n";

const FIND_PUBLIC: &str = "  - { id: o, stages: [input], action: deny, find: { pattern: '\\bpublic\\b' }, examples: { match: [public], ignore: [publican] } }\n";

struct Broken;
impl AuditSink for Broken {
    fn write(&self, _: &Record<'_>) -> Result<(), AuditError> {
        Err(AuditError::Other("full".to_owned()))
    }
}

struct Panicking;
impl Clock for Panicking {
    fn now(&self) -> jiff::Timestamp {
        panic!("no time")
    }
}

#[test]
fn every_reason_code() {
    let rule = |action: &str| pack(&format!("{FIND}    action: {action}"));
    let (deny, ask) = (rule("deny"), rule("ask"));
    let threshold = "pack: p\nrules:\n  - { id: r, stages: [input], action: deny, find: { threshold: { fact: f, category: c, at: 0.5 } } }\n";
    let facts = format!("{MANIFEST}facts: {{ f: {{ type: scores, missing: deny }} }}\n");
    let facts_ask = format!("{MANIFEST}facts: {{ f: {{ type: scores, missing: ask }} }}\n");
    let facts_skip = format!("{MANIFEST}facts: {{ f: {{ type: scores, missing: skip }} }}\n");
    let limits = format!("{MANIFEST}limits: {{ calls: 1, event_bytes: 300 }}\n");
    let permits = "@id(\"all\")\npermit(principal in Role::\"user\", action in [Action::\"run_agent\", Action::\"send_input\", Action::\"note\"], resource);\n";
    let with = |more: &str| format!("{permits}{more}");
    let forbid = with("@id(\"no\") forbid(principal, action == Action::\"note\", resource);");
    let asks = with("@id(\"no\") @effect(\"ask\") forbid(principal, action == Action::\"note\", resource);");
    let errs = with(
        "@id(\"no\") forbid(principal, action, resource) when { context.session.calls + 9223372036854775807 > context.session.seqs };",
    );
    let errs = errs
        .replace("context.session.seqs", "0")
        .replace("context.session.calls +", "(context.session.calls + 1) +");
    let listed = format!("{MANIFEST}roles: directory\n");
    let replace = |from: &str, to: &str| CALL.replace(from, to);
    let say = |text: &str| INPUT.replace("hello", text);
    let cases: Vec<(Verdict, Decision, ReasonCode)> = vec![
        (check(&[], &["{"]), Decision::Deny, ReasonCode::BadEvent),
        (check(&[], &[&INPUT.replace("\"agent\"", "\"agnet\"")]), Decision::Deny, ReasonCode::BadEvent),
        (
            check(&[], &[&INPUT.replace("\"text\"", "\"facts\":{\"x\":{\"y\":1}},\"text\"")]),
            Decision::Deny,
            ReasonCode::BadEvent,
        ),
        (
            check(
                &[("ringfence.yaml", &facts_skip), ("packs/p.yaml", threshold)],
                &[&INPUT.replace("\"text\"", "\"facts\":{\"f\":{\"c\":-1}},\"text\"")],
            ),
            Decision::Deny,
            ReasonCode::BadEvent,
        ),
        (
            check(
                &[("ringfence.yaml", &facts_skip), ("packs/p.yaml", threshold)],
                &[&INPUT.replace("\"text\"", "\"facts\":{\"f\":{\"c\":1.5}},\"text\"")],
            ),
            Decision::Deny,
            ReasonCode::BadEvent,
        ),
        (check(&[], &[&INPUT.replace("[\"user\"]", "[\"root\"]")]), Decision::Deny, ReasonCode::UnknownRole),
        (check(&[("ringfence.yaml", &listed)], &[INPUT]), Decision::Deny, ReasonCode::UnknownUser),
        (check(&[], &[&INPUT.replace("\"bot\"", "\"bat\"")]), Decision::Deny, ReasonCode::UnknownAgent),
        (
            check(
                &[],
                &[
                    r#"{"stage":"access","session":"s","user":{"id":"u","roles":["user"]},"agent":"bot","access":{"kind":"run","model":"m9"}}"#,
                ],
            ),
            Decision::Deny,
            ReasonCode::UnknownModel,
        ),
        (check(&[], &[&replace("\"note\"", "\"nope\"")]), Decision::Deny, ReasonCode::UnlistedTool),
        (
            check(&[], &[&replace("\"text\":\"a\"", "\"text\":\"a\",\"x\":1")]),
            Decision::Deny,
            ReasonCode::UndeclaredArgument,
        ),
        (check(&[], &[&replace("\"a\"", "1")]), Decision::Deny, ReasonCode::BadArguments),
        (check(&[("ringfence.yaml", &limits)], &[CALL, CALL]), Decision::Deny, ReasonCode::Limit),
        (check(&[("ringfence.yaml", &limits)], &[&say(&"x".repeat(400))]), Decision::Deny, ReasonCode::Limit),
        (check(&[("packs/p.yaml", &deny)], &[&say("a secret")]), Decision::Deny, ReasonCode::Rule),
        (check(&[("packs/p.yaml", &ask)], &[&say("a secret")]), Decision::Ask, ReasonCode::Rule),
        (check(&[("access.cedar", &forbid)], &[CALL]), Decision::Deny, ReasonCode::Forbid),
        (check(&[("access.cedar", &asks)], &[CALL]), Decision::Ask, ReasonCode::Ask),
        (check(&[], &[&INPUT.replace("[\"user\"]", "[]")]), Decision::Deny, ReasonCode::NothingPermits),
        (check(&[("access.cedar", &errs)], &[CALL]), Decision::Deny, ReasonCode::PolicyError),
        (
            check(&[("ringfence.yaml", &facts), ("packs/p.yaml", threshold)], &[INPUT]),
            Decision::Deny,
            ReasonCode::MissingFact,
        ),
        (
            check(&[("ringfence.yaml", &facts_ask), ("packs/p.yaml", threshold)], &[INPUT]),
            Decision::Ask,
            ReasonCode::MissingFact,
        ),
    ];
    let mut seen: BTreeSet<ReasonCode> = BTreeSet::new();
    for (verdict, decision, code) in &cases {
        assert_eq!(first(verdict), (*decision, code.name()), "{verdict:?}");
        assert!(verdict.edits.is_empty());
        seen.insert(*code);
    }
    assert_eq!(
        check(&[("ringfence.yaml", &facts_skip), ("packs/p.yaml", threshold)], &[INPUT]).decision,
        Decision::Allow
    );

    let guard = Guard::builder(engine(&[])).sink(Arc::new(Broken)).build();
    let failed = guard.check_json(INPUT);
    assert_eq!(first(&failed), (Decision::Deny, "audit-failed"));
    assert_eq!(guard.session("s").unwrap().turns, 0, "what could not be recorded has not happened");
    seen.insert(ReasonCode::AuditFailed);

    let guard = Guard::builder(engine(&[])).clock(Arc::new(Panicking)).build();
    assert_eq!(first(&guard.check_json(INPUT)), (Decision::Deny, "panic"));
    seen.insert(ReasonCode::Panic);

    let no_time = format!("{MANIFEST}limits: {{ decide_ms: 1, event_bytes: 64MiB }}\n");
    let guard = Guard::new(engine(&[("ringfence.yaml", &no_time), ("packs/p.yaml", &rule("flag"))]));
    let long = INPUT.replace("hello", &"secret ".repeat(2_000_000));
    assert_eq!(first(&guard.check_json(&long)), (Decision::Deny, "time-limit"));
    seen.insert(ReasonCode::TimeLimit);

    let checked =
        "tools:\n  - name: note\n    in: [set]\n    args: { /text: { command: { allow: [git status] } } }\n";
    let verdict = check(&[("tools.yaml", checked)], &[CALL]);
    assert_eq!(first(&verdict), (Decision::Deny, "argument"));
    seen.insert(ReasonCode::Argument);

    let missing: Vec<ReasonCode> = ReasonCode::ALL.into_iter().filter(|code| !seen.contains(code)).collect();
    assert_eq!(missing, []);
}

#[test]
fn a_forbid_is_not_the_reason_where_nothing_permits() {
    let policies = "@id(\"no\") forbid(principal, action == Action::\"note\", resource);";
    let verdict = check(&[("access.cedar", policies)], &[CALL]);
    assert!(verdict.reasons.iter().all(|reason| reason.code == ReasonCode::NothingPermits));
    let guard = Guard::new(engine(&[("access.cedar", policies)]));
    let (_, trace) = guard.examine(&ringfence::Event::from_json(CALL).unwrap());
    assert_eq!(trace.also.iter().filter_map(|reason| reason.policy.as_deref()).collect::<Vec<_>>(), ["no"]);
}

#[test]
fn shadow_relaxes_rules_and_policies_only() {
    let shadow = format!("{MANIFEST}mode: shadow\n");
    let redact = pack(&format!("{FIND}    action: redact"));
    let change = [("ringfence.yaml", shadow.as_str()), ("packs/p.yaml", &redact)];
    let verdict = check(&change, &[&INPUT.replace("hello", "a secret").replace("[\"user\"]", "[]")]);
    assert_eq!(
        (verdict.decision, verdict.enforced, verdict.edits.len()),
        (Decision::Deny, Decision::Allow, 0)
    );
    assert_eq!(verdict.findings.len(), 1);
    assert_eq!(first(&check(&change, &["{"])), (Decision::Deny, "bad-event"));
    assert_eq!(first(&check(&change, &[&CALL.replace("\"a\"", "1")])), (Decision::Deny, "bad-arguments"));
}

#[test]
fn edited_arguments_are_decided_again() {
    let redact = pack(&format!("{FIND}    action: redact\n    replace: '[GONE]'"));
    let policies = "@id(\"all\")\npermit(principal, action == Action::\"note\", resource);\n@id(\"gone\")\nforbid(principal, action == Action::\"note\", resource) when { context.input.text like \"*GONE*\" };";
    let verdict = check(
        &[("packs/p.yaml", &redact), ("access.cedar", policies)],
        &[&CALL.replace("\"a\"", "\"a secret\"")],
    );
    assert_eq!(first(&verdict), (Decision::Deny, "forbid"));
    let long = pack(&format!("{FIND}    action: redact\n    replace: '{}'", "x".repeat(60)));
    let verdict = check(&[("packs/p.yaml", &long)], &[&CALL.replace("\"a\"", "\"a secret\"")]);
    assert_eq!(first(&verdict), (Decision::Deny, "bad-arguments"));
}

#[test]
fn waivers_drop_only_what_the_rule_would_do() {
    let deny = pack(&format!("{FIND}    action: deny"));
    let fixed = pack(&format!("{FIND}    action: deny\n    waivable: false"));
    let permits =
        "@id(\"all\")\npermit(principal in Role::\"user\", action == Action::\"send_input\", resource);\n";
    let waiver = format!(
        "{permits}@id(\"w\")\npermit(principal in Role::\"boss\", action == Action::\"waive\", resource == Rule::\"p/r\");\n"
    );
    let boss = INPUT.replace("hello", "secret").replace("[\"user\"]", "[\"boss\"]");
    let verdict = check(&[("packs/p.yaml", &deny), ("access.cedar", &waiver)], &[&boss]);
    assert_eq!((verdict.decision, verdict.findings[0].waived), (Decision::Allow, true));
    let user = INPUT.replace("hello", "secret");
    assert_eq!(
        first(&check(&[("packs/p.yaml", &deny), ("access.cedar", &waiver)], &[&user])),
        (Decision::Deny, "rule")
    );
    let other = format!("{fixed}{FIND_PUBLIC}");
    let of_pack = waiver.replace("resource == Rule::\"p/r\"", "resource in Pack::\"p\"");
    assert_eq!(
        first(&check(&[("packs/p.yaml", &other), ("access.cedar", &of_pack)], &[&boss])),
        (Decision::Deny, "rule")
    );
    let blocked = format!("{waiver}@id(\"b\")\nforbid(principal, action == Action::\"waive\", resource);\n");
    assert_eq!(
        first(&check(&[("packs/p.yaml", &deny), ("access.cedar", &blocked)], &[&boss])),
        (Decision::Deny, "rule")
    );
}

#[test]
fn nothing_that_matched_is_repeated() {
    let deny = "pack: p\nrules:\n  - { id: r, stages: [tool_call, input], action: redact, find: { pattern: 'hunter\\d' }, examples: { match: [hunter2], ignore: [hunters] } }\n";
    let schema = "tools:\n  - { name: note, input: { type: object, additionalProperties: true } }\n";
    let change = [
        ("packs/p.yaml", deny),
        ("tools.yaml", schema),
        ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n"),
        (
            "access.cedar",
            "@id(\"a\")\npermit(principal, action in [Action::\"note\", Action::\"send_input\"], resource);",
        ),
    ];
    let key = CALL.replace("\"text\":\"a\"", "\"hunter2\":{\"x\":\"hunter3\"},\"b\":\"hunter4\"");
    for line in
        [key.as_str(), &INPUT.replace("hello", "hunter2"), &CALL.replace("\"arguments\"", "\"hunter2\"")]
    {
        let path = tempfile::tempdir().unwrap();
        let sink = Arc::new(JsonlSink::create(&path.path().join("audit.jsonl")).unwrap());
        let guard = Guard::builder(engine(&change)).no_time_limit().sink(sink).build();
        let verdict = guard.check_json(line);
        let shown = format!(
            "{}{}",
            serde_json::to_string(&verdict).unwrap(),
            std::fs::read_to_string(path.path().join("audit.jsonl")).unwrap()
        );
        assert!(
            !shown.contains("hunter2") && !shown.contains("hunter3") && !shown.contains("hunter4"),
            "{shown}"
        );
    }
    // A key can't be edited, so the event is refused.
    assert_eq!(first(&check(&change, &[&key])), (Decision::Deny, "rule"));
}

#[test]
fn pseudonyms_and_hashes_need_a_key_and_stay_within_a_session() {
    let pseudonym = "pack: p\nrules:\n  - { id: r, stages: [input], action: redact, replace: { pseudonym: WORD }, find: { pattern: '\\bx\\d{1,9}\\b' }, examples: { match: [x12], ignore: [x12y] } }\n";
    let list = files(&[("packs/p.yaml", pseudonym)]);
    let bundle = ringfence::Bundle::from_sources("test", list.iter().copied());
    let error = ringfence::compile(&bundle, &CompileOptions::default()).unwrap_err();
    assert_eq!(error.diagnostics[0].code.name(), "key-required");
    let options = CompileOptions::default().with_key("a key of sixteen bytes");
    let guard = Guard::builder(engine_of(&list, &options)).no_time_limit().build();
    let edits = |session: &str, text: &str| -> Vec<String> {
        let line = INPUT.replace("\"s\"", &format!("\"{session}\"")).replace("hello", text);
        guard.check_json(&line).edits.into_iter().map(|edit| edit.with).collect()
    };
    assert_eq!(edits("a", "x1 x2 x1"), ["<WORD_1>", "<WORD_2>", "<WORD_1>"]);
    assert_eq!(edits("a", "x3 x2"), ["<WORD_3>", "<WORD_2>"]);
    assert_eq!(edits("b", "x3 x2"), ["<WORD_1>", "<WORD_2>"]);
}

#[test]
fn what_a_pseudonym_stands_for_is_revealed_to_whom_policy_permits() {
    let pack = |id: &str, name: &str, letter: &str| {
        format!(
            "pack: {id}\nrules:\n  - {{ id: r, stages: [input], action: redact, replace: {{ pseudonym: {name} }}, find: {{ pattern: '\\b{letter}\\d{{1,9}}\\b' }}, examples: {{ match: [{letter}12], ignore: [{letter}12y] }} }}\n"
        )
    };
    let (p, q) = (pack("p", "WORD", "x"), pack("q", "OTHER_1", "z"));
    let directory = "roles: [{ name: user }, { name: boss, in: [user] }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\nlabels: [private]\n";
    let policies = "@id(\"a\")\npermit(principal in Role::\"user\", action == Action::\"send_input\", resource);\n@id(\"b\")\npermit(principal in Role::\"boss\", action == Action::\"reveal\", resource in Pack::\"p\") unless { context has tool };\n@id(\"c\")\npermit(principal, action == Action::\"reveal\", resource == Rule::\"q/r\") when { context has tool && context.tool == Tool::\"read\" };\n";
    let list = files(&[
        ("packs/p.yaml", p.as_str()),
        ("packs/q.yaml", q.as_str()),
        ("directory.yaml", directory),
        ("access.cedar", policies),
        ("tools.yaml", "tools: [{ name: read, in: [set] }, { name: write, in: [set] }]\n"),
    ]);
    let options = CompileOptions::default().with_key("a key of sixteen bytes");
    let guard = Guard::builder(engine_of(&list, &options)).no_time_limit().build();
    let verdict = guard.check_json(&INPUT.replace("hello", "x1 and z2"));
    assert_eq!(verdict.edits.len(), 2, "{verdict:?}");
    let reveal = |session: &str, role: &str, tool: Option<&str>, text: &str| {
        let user = User::new("u", [role]);
        let Revealed { text, revealed, kept } =
            guard.reveal(session, To { user: &user, agent: "bot", tool }, text);
        (text, revealed.into_iter().collect::<Vec<_>>(), kept.into_iter().collect::<Vec<_>>())
    };
    let said = |text: &str, revealed: &[&str], kept: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        (text.to_owned(), owned(revealed), owned(kept))
    };
    let text = "<<WORD_1>, <OTHER_1_1> <WORD_2> <WORD_01> <WORD_1 <b>";
    assert_eq!(
        reveal("s", "boss", None, text),
        said("<x1, <OTHER_1_1> <WORD_2> <WORD_01> <WORD_1 <b>", &["<WORD_1>"], &["<OTHER_1_1>"])
    );
    assert_eq!(reveal("s", "user", None, text), said(text, &[], &["<OTHER_1_1>", "<WORD_1>"]));
    assert_eq!(reveal("s", "user", Some("read"), "<OTHER_1_1>"), said("z2", &["<OTHER_1_1>"], &[]));
    assert_eq!(reveal("s", "boss", Some("write"), "<OTHER_1_1>"), said("<OTHER_1_1>", &[], &["<OTHER_1_1>"]));
    // A role that there is not, and another session.
    assert_eq!(reveal("s", "king", None, "<WORD_1>"), said("<WORD_1>", &[], &["<WORD_1>"]));
    assert_eq!(reveal("t", "boss", None, "<WORD_1>"), said("<WORD_1>", &[], &[]));
    assert!(!format!("{:?}", guard.session("s")).contains("x1"));
}

#[test]
fn json_of_an_agent_fits_its_schema() {
    let directory = "roles: [{ name: user }]\nagents: [{ name: bot, output: { schema: answer.json } }]\ntoolsets: [{ name: set }]\nlabels: [private]\n";
    let schema = r#"{"type":"object","required":["answer"],"properties":{"answer":{"type":"string"}}}"#;
    let change = [("directory.yaml", directory), ("answer.json", schema)];
    let output = |text: &str| {
        let line = format!(
            r#"{{"stage":"output","session":"s","user":{{"id":"u","roles":["user"]}},"agent":"bot","text":{text}}}"#
        );
        let verdict = check(&change, &[&line]);
        (verdict.decision, verdict.reasons.first().map(|reason| reason.code))
    };
    assert_eq!(output(r#"{"answer":"yes"}"#), (Decision::Allow, None));
    assert_eq!(output(r#""{\"answer\":\"yes\"}""#), (Decision::Allow, None));
    assert_eq!(output(r#""yes""#), (Decision::Deny, Some(ReasonCode::BadArguments)));
    assert_eq!(output(r#"{"answer":1}"#), (Decision::Deny, Some(ReasonCode::BadArguments)));
    assert_eq!(
        output(r#"{"answer":"yes","more":1}"#),
        (Decision::Deny, Some(ReasonCode::UndeclaredArgument))
    );
}

#[test]
fn a_listed_user_has_the_roles_of_the_directory_alone() {
    let directory = "roles: [{ name: user }, { name: boss, in: [user] }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\nlabels: [private]\nusers: [{ name: ann, in: [user], tenant: acme, attributes: { level: 3 } }]\n";
    let policies = "@id(\"a\")\npermit(principal in Role::\"user\", action == Action::\"send_input\", resource)\nwhen { principal has tenant && principal.tenant == \"acme\" && principal has level && principal.level > 2 };\n@id(\"b\")\nforbid(principal in Role::\"boss\", action, resource);\n";
    let listed = format!("{MANIFEST}roles: directory\n");
    let change =
        [("ringfence.yaml", listed.as_str()), ("directory.yaml", directory), ("access.cedar", policies)];
    let ann = INPUT.replace("\"u\",\"roles\":[\"user\"]", "\"ann\",\"roles\":[\"boss\"],\"tenant\":\"evil\"");
    assert_eq!(check(&change, &[&ann]).decision, Decision::Allow);
    assert_eq!(first(&check(&change, &[INPUT])), (Decision::Deny, "unknown-user"));
}

#[test]
fn parts_limit_rules() {
    let only_user = "pack: p\nrules:\n  - { id: r, stages: [input, output], parts: [user], action: deny, find: { phrases: [open sesame] }, examples: { match: [open sesame], ignore: [open the door] } }\n";
    let say = |part: &str| {
        INPUT.replace("\"text\":\"hello\"", &format!("\"part\":\"{part}\",\"text\":\"Open, Sesame\""))
    };
    let change = [("packs/p.yaml", only_user)];
    assert_eq!(first(&check(&change, &[&say("user")])), (Decision::Deny, "rule"));
    assert_eq!(check(&change, &[&say("instructions")]).decision, Decision::Allow);
    let output = INPUT.replace("\"stage\":\"input\"", "\"stage\":\"output\"").replace("hello", "open sesame");
    assert_eq!(
        first(&check(&change, &[&output])),
        (Decision::Deny, "rule"),
        "a stage without parts is read whole"
    );
}

#[test]
fn what_a_shadow_policy_reads_never_decides() {
    let policies = "@id(\"all\")\npermit(principal in Role::\"user\", action == Action::\"note\", resource);\n\
                    @id(\"s\") @mode(\"shadow\")\nforbid(principal, action == Action::\"note\", resource) when { context.input has size && context.input.size > 3 };\n";
    let huge = CALL.replace("\"text\":\"a\"", "\"text\":\"a\",\"size\":9223372036854775808");
    let verdict = check(&[("access.cedar", policies)], &[&huge]);
    assert_eq!(first(&verdict), (Decision::Allow, ""));
    assert_eq!(verdict.shadow.len(), 1);
    // One that decides is to blame alone.
    let enforced = policies.replace("@mode(\"shadow\")", "");
    let verdict = check(&[("access.cedar", &enforced)], &[&huge]);
    let blamed: Vec<_> = verdict.reasons.iter().map(|reason| reason.policy.as_deref()).collect();
    assert_eq!((first(&verdict), blamed), ((Decision::Deny, "policy-error"), vec![Some("s")]));
}

#[test]
fn a_listed_user_is_not_of_unknown_roles() {
    let listed = "roles: [{ name: user }]\nagents: [{ name: bot }]\ntoolsets: [{ name: set }]\nmodels: [m1, m2]\nlabels: [private]\n\
                  users: [{ name: u, in: [user] }]\n";
    let change = [("directory.yaml", listed)];
    assert_eq!(first(&check(&change, &[INPUT])), (Decision::Allow, ""));
    let other = INPUT.replace("[\"user\"]", "[\"nope\"]");
    assert_eq!(first(&check(&change, &[&other])), (Decision::Deny, "unknown-role"));
}

#[test]
fn names_that_nothing_declares_are_not_repeated() {
    for (line, suggestion) in [
        (INPUT.replace("[\"user\"]", "[\"536-90-4399\"]"), false),
        (INPUT.replace("[\"user\"]", "[\"usr\"]"), true),
        (INPUT.replace("\"bot\"", "\"536-90-4399\""), false),
        (INPUT.replace("\"text\"", "\"facts\":{\"536-90-4399\":{\"y\":1}},\"text\""), false),
    ] {
        let verdict = check(&[], &[&line]);
        let text = serde_json::to_string(&verdict.reasons).unwrap();
        assert!(!text.contains("536-90"), "{text}");
        assert_eq!(text.contains("did you mean `user`?"), suggestion, "{text}");
    }
}

#[test]
fn matches_without_end_are_refused() {
    let redact = pack(&format!("{FIND}    action: redact"));
    let say = |times: usize| INPUT.replace("hello", &"secret ".repeat(times));
    let many = check(&[("packs/p.yaml", &redact)], &[&say(16_384)]);
    assert_eq!((many.decision, many.findings.len()), (Decision::Allow, 16_384));
    assert_eq!(first(&check(&[("packs/p.yaml", &redact)], &[&say(16_385)])), (Decision::Deny, "limit"));
}
