//! The index and the lean requests give the answers of Cedar's own authorizer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cedar_policy::{
    Authorizer, Context, Entities, EntityUid, PolicyId, PolicySet, Request, Schema, ValidationMode, Validator,
};
use serde_json::json;

use super::index::{Index, Needs, Set, as_permit};
use super::parse::{Parsed, parse};
use super::reads::Reads;
use super::request::Scope;
use super::*;
use crate::diagnostic::Code;

/// A small generator of pseudo-random numbers (SplitMix64): the same cases every time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[(self.next() % of.len() as u64) as usize]
    }
    fn chance(&mut self, one_in: u64) -> bool {
        self.next().is_multiple_of(one_in)
    }
}

const ROLES: &[&str] = &["user", "staff", "support", "engineer", "guest"];
const TOOLS: &[&str] = &["read", "write", "pay", "odd name"];
const AGENTS: &[&str] = &["helper", "coder"];

fn declared(name: &str, parents: &[&str]) -> Declared {
    Declared {
        name: name.to_owned(),
        parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
        attributes: BTreeMap::new(),
    }
}

fn tool(name: &str, parents: &[&str], writes: &[&str], schema: &Value) -> Tool {
    Tool {
        declared: declared(name, parents),
        reads: vec!["private".to_owned()],
        writes: writes.iter().map(|label| (*label).to_owned()).collect(),
        checks: Vec::new(),
        input: shape::Shape::of_arguments(schema),
    }
}

fn vocabulary() -> Vocabulary {
    let path = json!({ "type": "object", "required": ["path"], "properties": {
        "path": { "type": "string" }, "max": { "type": "integer" }, "mode": { "type": "string", "enum": ["r", "w"] } } });
    let pay = json!({ "type": "object", "required": ["amount"], "properties": { "amount": { "type": "number" },
        "path": { "type": "string" }, "to": { "type": "object", "properties": { "bank": { "type": "string" } } } } });
    Vocabulary {
        roles: vec![
            declared("user", &[]),
            declared("staff", &["user"]),
            declared("support", &["staff"]),
            declared("engineer", &["staff"]),
            declared("guest", &[]),
        ],
        agent_groups: vec![declared("inner", &[])],
        agents: vec![declared("helper", &[]), declared("coder", &["inner"])],
        toolsets: vec![declared("safe", &[]), declared("risky", &[]), declared("worst", &["risky"])],
        models: vec![declared("m1", &[]), declared("m2", &[])],
        labels: vec!["private".to_owned(), "outbound".to_owned()],
        tags: vec!["pii".to_owned()],
        packs: vec!["p".to_owned()],
        rules: vec![declared("p/a", &["p"]), declared("p/b", &["p"])],
        users: None,
        user_attributes: BTreeMap::from([("level".to_owned(), AttributeType::Integer)]),
        tools: vec![
            tool("read", &["safe"], &[], &path),
            tool("write", &["worst"], &["outbound"], &path),
            tool("pay", &["risky"], &["outbound"], &pay),
            tool("odd name", &["safe"], &[], &json!({})),
        ],
        unlisted: Some(Unlisted { parents: vec!["safe".to_owned()], reads: Vec::new(), writes: Vec::new() }),
        unread: Unread::default(),
    }
}

/// A policy that validates, and may err at run time by overflow.
fn policy(dice: &mut Dice, id: usize) -> String {
    let principal = match dice.next() % 5 {
        0 => "principal".to_owned(),
        1 => format!("principal == User::\"u{}\"", dice.next() % 3),
        2 => "principal is User".to_owned(),
        _ => format!("principal in Role::\"{}\"", dice.pick(ROLES)),
    };
    let forbid = dice.chance(2);
    let tool = dice.pick(TOOLS);
    let (action, reads_path) = match dice.next() % 7 {
        0 if forbid => ("action".to_owned(), false),
        0 | 1 => ("action in Action::\"call_tool\"".to_owned(), false),
        2 => (format!("action == Action::\"{tool}\""), ["read", "write"].contains(&tool)),
        3 => ("action in [Action::\"read\", Action::\"write\"]".to_owned(), true),
        4 => ("action in [Action::\"send_input\", Action::\"run_agent\"]".to_owned(), false),
        5 => ("action in [Action::\"read_result\", Action::\"call_tool\"]".to_owned(), false),
        _ => ("action == Action::\"send_output\"".to_owned(), false),
    };
    let conditions: &[&str] = &[
        "context.session.calls > 3",
        "context.session.calls * 4611686018427387904 > 5",
        "context.session.labels.contains(Label::\"private\")",
        "context.tags.contains(Tag::\"pii\") || context.session.denials < 2",
        "context has model && context.model == Model::\"m1\"",
        "context.agent in AgentGroup::\"inner\"",
        "context.at > datetime(\"2026-01-01\")",
        "context.found.isEmpty()",
        "context.stage == Stage::\"input\"",
        "principal has level && principal.level > 2",
        "principal in Role::\"engineer\"",
        "context.packs.contains(Pack::\"p\")",
        "context.session.minutes + context.session.turns + context.session.tokens > 4",
        "context has input.path && context.input.path like \"a*\"",
        "Role::\"engineer\" in Role::\"user\" && context.session.calls > 2",
        "Tool::\"pay\".writes.contains(Label::\"outbound\") && context.session.calls < 2",
        "(if context.session.calls > 2 then Agent::\"coder\" else context.agent) in AgentGroup::\"inner\"",
        "context.agent is Agent in AgentGroup::\"inner\"",
        "[Agent::\"coder\", Agent::\"helper\"].contains(context.agent)",
        "principal == User::\"u1\" || principal in [Role::\"staff\", Role::\"guest\"]",
        "User::\"u1\" in Role::\"staff\"",
        "principal is User in Role::\"user\"",
    ];
    let typed: &[&str] = &[
        "context.input.path like \"*b\"",
        "context.input has max && context.input.max > 9",
        "context.input has mode && context.input.mode == \"w\"",
    ];
    let condition = if reads_path && dice.chance(2) { dice.pick(typed) } else { dice.pick(conditions) };
    let clause = match dice.next() % 4 {
        0 => String::new(),
        1 => format!("unless {{ {condition} }}"),
        _ => format!("when {{ {condition} }}"),
    };
    let word = if forbid { "forbid" } else { "permit" };
    format!("@id(\"p{id}\")\n{word}({principal}, {action}, resource) {clause};\n")
}

fn compiled(text: &str) -> (Policies, Vec<Parsed>) {
    let sources = [Source { file: "a.cedar".into(), text: text.into() }];
    let mut out = Vec::new();
    let policies = compile(&sources, &vocabulary(), Checks::Trusted, &mut out);
    let parsed = parse(&sources, &mut out);
    (policies.unwrap_or_else(|| panic!("{out:?}")), parsed)
}

/// Decides as Cedar does over all policies, with the whole context.
fn reference(policies: &Policies, parsed: &[Parsed], ask: &Ask<'_>) -> (Answer, cedar_policy::Decision) {
    let scope = policies.requests.scope(ask).unwrap();
    let request = policies.requests.request(ask, &scope, &Needs::everything()).unwrap();
    let entities = policies.requests.all(ask).unwrap();
    let mut answer = Answer::default();
    let mut whole = PolicySet::new();
    for wanted in [PolicyEffect::Permit, PolicyEffect::Forbid] {
        let mut set = PolicySet::new();
        for (number, one) in parsed.iter().enumerate().filter(|(_, one)| one.effect == wanted) {
            let renamed = one.policy.new_id(PolicyId::new(number.to_string()));
            set.add(renamed.clone()).unwrap();
            whole.add(renamed).unwrap();
        }
        let response = Authorizer::new().is_authorized(&request, &set, &entities);
        let number = |id: &PolicyId| AsRef::<str>::as_ref(id).parse::<usize>().unwrap();
        let list = if wanted == PolicyEffect::Permit { &mut answer.permits } else { &mut answer.forbids };
        list.extend(response.diagnostics().reason().map(number));
        for cedar_policy::AuthorizationError::PolicyEvaluationError(error) in response.diagnostics().errors()
        {
            answer.errors.push(number(error.policy_id()));
        }
    }
    for list in [&mut answer.permits, &mut answer.forbids, &mut answer.errors] {
        list.sort_unstable();
    }
    (answer, Authorizer::new().is_authorized(&request, &whole, &entities).decision())
}

/// As many cases as `RINGFENCE_CASES` says.
fn cases() -> u64 {
    std::env::var("RINGFENCE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

#[test]
fn index_and_lean_context_answer_as_cedar_does() {
    let mut dice = Dice(7);
    let per_set = 1000;
    let mut seen = [0usize; 4];
    for _ in 0..cases().div_ceil(per_set) {
        let mut text: String = (0..20).map(|id| policy(&mut dice, id)).collect();
        if dice.chance(2) {
            // No user is named.
            text = text.replace("User::\"", "Role::\"");
        }
        let (policies, parsed) = compiled(&text);
        assert_eq!(policies.index.names_users(), text.contains("User::\""));
        for _ in 0..per_set {
            let labels: BTreeSet<String> =
                if dice.chance(2) { BTreeSet::from(["private".to_owned()]) } else { BTreeSet::new() };
            let session = SessionView {
                labels: &labels,
                calls: dice.next() % 6,
                denials: dice.next() % 4,
                findings: 0,
                minutes: dice.next() % 3,
                turns: dice.next() % 3,
                tokens: dice.next() % 3,
            };
            let (empty, rules, packs, tags) =
                (BTreeSet::new(), BTreeSet::from(["p/a"]), BTreeSet::from(["p"]), BTreeSet::from(["pii"]));
            let found = dice.chance(2);
            let input = json!({ "path": dice.pick(&["a", "ab", "b"]), "max": dice.next() % 20, "amount": 1.5,
                "mode": dice.pick(&["r", "w"]) });
            let name = dice.pick(TOOLS);
            let question = match dice.next() % 8 {
                0 => Question::RunAgent,
                1 => Question::SendInput,
                2 => Question::SendOutput,
                3 => Question::ReadResult { tool: name },
                4 => Question::CallUnlisted { tool: "strange" },
                _ => Question::CallTool { tool: name, input: &input },
            };
            let roles: Vec<String> = (0..dice.next() % 3).map(|_| dice.pick(ROLES).to_owned()).collect();
            let attributes = if dice.chance(2) {
                BTreeMap::from([("level".to_owned(), AttributeValue::Integer((dice.next() % 5) as i64))])
            } else {
                BTreeMap::new()
            };
            let user = format!("u{}", dice.next() % 4);
            let ask = Ask {
                user: &user,
                roles: &roles,
                tenant: None,
                attributes: &attributes,
                question,
                agent: dice.pick(AGENTS),
                agent_is_new: false,
                model: dice.pick(&[&None, &Some("m1"), &Some("m2")]).as_deref(),
                at: 1_700_000_000_000 + (dice.next() % 200_000_000) as i64 * 1000,
                without: None,
                stage: dice.pick(&["input", "tool_call"]),
                found: if found { &rules } else { &empty },
                packs: if found { &packs } else { &empty },
                tags: if found { &tags } else { &empty },
                session: &session,
            };
            let ours = policies.ask(&ask);
            let (theirs, decision) = reference(&policies, &parsed, &ask);
            assert_eq!(ours, theirs, "{text}\n{ask:?}");
            // Most questions come up more than once, each with other contexts between; this one is known now.
            if dice.chance(8) {
                assert_eq!(policies.ask(&ask), theirs, "{text}\n{ask:?}");
                let (plain, _) = policies.ask_without_input(&ask);
                assert_eq!(policies.afresh().ask_without_input(&ask).0, plain, "{text}\n{ask:?}");
            }
            let allowed = !ours.permits.is_empty() && ours.forbids.is_empty();
            assert_eq!(allowed, decision == cedar_policy::Decision::Allow);
            for (count, list) in seen.iter_mut().zip([&ours.permits, &ours.forbids, &ours.errors]) {
                *count += usize::from(!list.is_empty());
            }
            seen[3] += usize::from(ours == Answer::default());
        }
    }
    assert!(seen.iter().all(|count| *count > 100), "every kind of answer came up: {seen:?}");
}

/// Third-party folders of policies, entities and requests, where `RINGFENCE_CEDAR_DATA` names them.
#[test]
fn index_answers_as_cedar_does_on_foreign_policies() {
    let Some(root) = std::env::var_os("RINGFENCE_CEDAR_DATA") else { return };
    let root = Path::new(&root);
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let mut requests = 0;
    for folder in std::fs::read_dir(root.join("tests")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let case: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let set: PolicySet = read(case["policies"].as_str().unwrap()).parse().unwrap();
            let schema = Schema::from_cedarschema_str(&read(case["schema"].as_str().unwrap())).unwrap().0;
            let entities =
                Entities::from_json_str(&read(case["entities"].as_str().unwrap()), Some(&schema)).unwrap();
            let policies: Vec<_> = set.policies().collect();
            let reads: Vec<Reads> =
                policies.iter().map(|one| Reads::of(one.to_pst().unwrap().body())).collect();
            let index = {
                let stored = policies.iter().enumerate().map(|(number, policy)| as_permit(policy, number));
                Index::new(stored.zip(&reads)).unwrap()
            };
            for request in case["requests"].as_array().unwrap() {
                let uid = |key: &str| EntityUid::from_json(request[key].clone()).unwrap();
                let (principal, action, resource) = (uid("principal"), uid("action"), uid("resource"));
                let context =
                    Context::from_json_value(request["context"].clone(), Some((&schema, &action))).unwrap();
                let chain = |uid: &EntityUid| -> Vec<EntityUid> {
                    std::iter::once(uid.clone())
                        .chain(entities.ancestors(uid).into_iter().flatten().cloned())
                        .collect()
                };
                let scope = Scope {
                    principals: chain(&principal),
                    actions: chain(&action),
                    resources: chain(&resource),
                };
                let asked = Request::new(principal, action, resource, context, None).unwrap();
                let mut satisfied: BTreeSet<PolicyId> = BTreeSet::new();
                let mut erring = 0;
                for set in
                    index.candidates(&scope).iter().flat_map(|bucket| bucket.sets()).collect::<Vec<&Set>>()
                {
                    let outcome = set.evaluate(&asked, &entities);
                    satisfied.extend(outcome.satisfied.iter().map(|number| policies[*number].id().clone()));
                    erring += outcome.erring.len();
                }
                let effect =
                    |id: &&PolicyId| set.policy(id).unwrap().effect() == cedar_policy::Effect::Forbid;
                let forbids: Vec<String> = satisfied.iter().filter(effect).map(ToString::to_string).collect();
                let reasons: Vec<String> = if forbids.is_empty() {
                    satisfied.iter().map(ToString::to_string).collect()
                } else {
                    forbids.clone()
                };
                let allow = forbids.is_empty() && !reasons.is_empty();
                let expected: Vec<String> = request["reason"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|id| id.as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(
                    if allow { "allow" } else { "deny" },
                    request["decision"].as_str().unwrap(),
                    "{}",
                    path.display()
                );
                assert_eq!(
                    reasons.iter().collect::<BTreeSet<_>>(),
                    expected.iter().collect::<BTreeSet<_>>(),
                    "{}",
                    path.display()
                );
                assert_eq!(erring, request["errors"].as_array().unwrap().len(), "{}", path.display());
                requests += 1;
            }
        }
    }
    assert!(requests > 20, "{requests}");
}

fn diagnose(text: &str) -> Vec<(Code, String)> {
    diagnose_with(text, &vocabulary())
}

fn diagnose_with(text: &str, vocabulary: &Vocabulary) -> Vec<(Code, String)> {
    let sources = [Source { file: "a.cedar".into(), text: text.into() }];
    let mut out = Vec::new();
    let _ = compile(&sources, vocabulary, Checks::Full, &mut out);
    let shown = |diagnostic: &Diagnostic| {
        let span = &diagnostic.primary.as_ref().unwrap().span;
        text[span.start..span.end].to_owned()
    };
    out.iter().map(|diagnostic| (diagnostic.code, shown(diagnostic))).collect()
}

#[test]
fn partitioned_validation_agrees_with_the_whole_schema() {
    let mut dice = Dice(11);
    let schema = || Schema::from_json_value(schema::json_schema(&vocabulary(), &vocabulary().tools)).unwrap();
    let whole = Validator::new(schema());
    let wrong = [
        "context.input.path > 3",
        "context.session.cals > 1",
        "context.tags.contains(\"pii\")",
        "context.input.max > 1",
    ];
    for id in 0..400 {
        let mut text = policy(&mut dice, id);
        if dice.chance(3) {
            text = format!(
                "@id(\"w{id}\")\nforbid(principal, action == Action::\"{}\", resource) when {{ {} }};",
                dice.pick(TOOLS),
                dice.pick(&wrong)
            );
        }
        let sources = [Source { file: "a.cedar".into(), text: text.as_str().into() }];
        let mut out = Vec::new();
        let parsed = parse(&sources, &mut out);
        validate::validate(&parsed.iter().collect::<Vec<_>>(), &vocabulary(), &mut out);
        // Cedar itself says nothing of parts.
        out.retain(|diagnostic| diagnostic.code != Code::DeadCondition);
        let result = whole.validate(&text.parse().unwrap(), ValidationMode::Strict);
        assert_eq!(out.is_empty(), result.validation_passed_without_warnings(), "{text}\n{out:?}");
    }
}

#[test]
fn mistakes_are_found_where_they_stand() {
    let one = |text: &str| {
        diagnose(text).into_iter().next().unwrap_or_else(|| panic!("nothing is wrong with {text}"))
    };
    let cases: &[(&str, Code, &str)] = &[
        (
            "@id(\"a\") forbid(principal in Role::\"stafff\", action, resource);",
            Code::UndeclaredName,
            "Role::\"stafff\"",
        ),
        ("@id(\"a\") forbid(principal, action == Action::\"call_tool\", resource);", Code::NeverApplies, ""),
        ("@id(\"a\") permit(principal, action, resource);", Code::UnscopedPermit, ""),
        ("@id(\"a\") permit(principal, action == Action::\"waive\", resource);", Code::UnscopedWaiver, ""),
        (
            "@id(\"a\") permit(principal, action in [Action::\"waive\", Action::\"read\"], resource);",
            Code::MixedPermit,
            "",
        ),
        ("permit(principal, action == Action::\"read\", resource);", Code::MissingId, ""),
        (
            "@id(\"a\") @efect(\"ask\") forbid(principal, action, resource);",
            Code::UnknownAnnotation,
            "@efect",
        ),
        ("@id(\"a\") @mode(\"shadwo\") forbid(principal, action, resource);", Code::BadAnnotation, "@mode"),
        (
            "@id(\"a\") @effect(\"ask\") permit(principal, action == Action::\"read\", resource);",
            Code::BadAnnotation,
            "@effect",
        ),
        (
            "@id(\"a\") @expires(\"soon\") permit(principal, action == Action::\"read\", resource);",
            Code::BadAnnotation,
            "@expires",
        ),
        (
            "@id(\"a\") forbid(principal, action == Action::\"read\", resource) when { context.input.pth like \"x\" };",
            Code::UnknownAttribute,
            "pth",
        ),
        (
            "@id(\"a\") forbid(principal, action == Action::\"read\", resource) when { context.input has pth || context.session.calls > 1 };",
            Code::UnknownAttribute,
            "pth",
        ),
        (
            "@id(\"a\") forbid(principal, action == Action::\"read\", resource) when { context.input has mode && context.input.mode == \"x\" };",
            Code::UnknownEnumValue,
            "\"x\"",
        ),
        ("@id(\"a\") forbid(principal == ?principal, action, resource);", Code::Template, ""),
        ("@id(\"a\") forbid(principal, action, resource", Code::CedarSyntax, ""),
        (
            "@id(\"a\") forbid(principal, action, resource) when { context.session.calls > \"3\" };",
            Code::CedarType,
            "",
        ),
        ("@id(\"a\") forbid(principal, action, resource); // \u{202e}", Code::Confusable, "\u{202e}"),
        (
            "@id(\"a\") forbid(principal, action == Action::\"read\", resource) when { context.input.path like \"/srv/*\" };",
            Code::LikeOnPath,
            "like",
        ),
        (
            "@id(\"a\") forbid(principal, action in Action::\"call_tool\", resource) when { context has input.path && context.input.path like \"x*\" };",
            Code::InputForbidUnlisted,
            "",
        ),
    ];
    for (text, code, span) in cases {
        let (found, shown) = one(text);
        assert_eq!(found, *code, "{text}");
        if !span.is_empty() {
            assert_eq!(shown, *span, "{text}");
        }
    }
    let twice =
        "@id(\"a\") forbid(principal, action, resource);\n@id(\"a\") forbid(principal, action, resource);";
    assert_eq!(one(twice).0, Code::DuplicateId);
}

#[test]
fn half_a_condition_that_is_dead_is_found() {
    let mut vocabulary = vocabulary();
    vocabulary.tools.push(tool(
        "tagged",
        &["safe"],
        &[],
        &json!({ "type": "object", "required": ["m"], "properties": {
            "m": { "enum": ["slow", "fast", null] }, "free": { "const": "yes" },
            "flags": { "type": "array", "items": { "type": "string", "enum": ["fast", "slow"] } } } }),
    ));
    vocabulary.tools.push(tool(
        "open",
        &["safe"],
        &[],
        &json!({ "type": "object", "properties": { "m": { "type": "string" } } }),
    ));
    let check = |scope: &str, condition: &str| {
        diagnose_with(
            &format!("@id(\"a\") forbid(principal, {scope}, resource) when {{ {condition} }};"),
            &vocabulary,
        )
        .into_iter()
        .filter(|(code, _)| *code != Code::InputForbidUnlisted)
        .collect::<Vec<_>>()
    };
    let (unlisted, tagged, call, any) = (
        "action == Action::\"call_unlisted_tool\"",
        "action == Action::\"tagged\"",
        "action in Action::\"call_tool\"",
        "action",
    );
    let cases = [
        (unlisted, "context.input has pth", Code::UnknownAttribute, "pth"),
        (any, "context has imput || context.session.calls > 9", Code::UnknownAttribute, "imput"),
        (any, "context.session has callz || context.session.calls > 9", Code::UnknownAttribute, "callz"),
        (any, "context.session.calls > 9 || context.session has callz", Code::UnknownAttribute, "callz"),
        (any, "principal has tenantt || context.session.calls > 9", Code::UnknownAttribute, "tenantt"),
        (call, "resource has wrytes || context.session.calls > 9", Code::UnknownAttribute, "wrytes"),
        (call, "{a: context.input}.a has pth || context.session.calls > 9", Code::UnknownAttribute, "pth"),
        (
            any,
            "principal in Toolset::\"safe\" || context.session.calls > 9",
            Code::DeadCondition,
            "principal in Toolset::\"safe\"",
        ),
        (call, "resource is Agent || context.session.calls > 9", Code::DeadCondition, "resource is Agent"),
        (
            any,
            "context.session.calls > 9 || (context.session.calls > 1 && resource in Role::\"user\")",
            Code::DeadCondition,
            "context.session.calls > 1 && resource in Role::\"user\"",
        ),
        (call, "if resource is Agent then true else context.session.calls > 9", Code::DeadCondition, ""),
        (call, "context.session.calls > 9 && !(resource in Role::\"user\")", Code::DeadCondition, ""),
        (
            tagged,
            "context.input has flags && context.input.flags.contains(\"fsat\")",
            Code::UnknownEnumValue,
            "\"fsat\"",
        ),
        (
            tagged,
            "context.input has flags && context.input.flags.containsAny([\"fsat\"])",
            Code::UnknownEnumValue,
            "\"fsat\"",
        ),
        (tagged, "context.input has m && context.input.m like \"wed*\"", Code::UnknownEnumValue, "\"wed*\""),
        (tagged, "context.input has m && context.input.m == \"zz\"", Code::UnknownEnumValue, "\"zz\""),
        (tagged, "context.input has free && context.input.free == \"no\"", Code::UnknownEnumValue, "\"no\""),
        (
            call,
            "action == Action::\"tagged\" && context.input has m && context.input.m == \"zz\"",
            Code::UnknownEnumValue,
            "\"zz\"",
        ),
        (
            call,
            "action == Action::\"tagged\" && context.input has path || context.session.calls > 9",
            Code::UnknownAttribute,
            "path",
        ),
    ];
    for (scope, condition, code, span) in cases {
        let found = check(scope, condition);
        assert_eq!(found.first().map(|(code, _)| *code), Some(code), "{condition}: {found:?}");
        assert!(span.is_empty() || found[0].1 == span, "{condition}: {found:?}");
    }
    let fine = [
        (any, "context has tool || context.session.calls > 9"),
        (any, "context has input.path && (context.input.path == \"a\" || context.input.path like \"b*\")"),
        (any, "resource is Agent || resource in Toolset::\"safe\""),
        (call, "if context.input has m then context.input.m == \"zz\" else false"),
        (call, "!(context.input has path) || !(resource in Toolset::\"safe\")"),
        (tagged, "context.input has m && [\"slow\", \"fast\"].contains(context.input.m)"),
        (tagged, "context.input has m && (context.input.m like \"s*\" || context.input.m != \"fast\")"),
        (call, "(action == Action::\"open\" && context.input has m) || context.session.calls > 9"),
    ];
    for (scope, condition) in fine {
        assert_eq!(check(scope, condition), [], "{condition}");
    }
    vocabulary.tools.clear();
    let none = "@id(\"a\") forbid(principal, action, resource) when { context has input.pth || context.session.calls > 9 };";
    assert_eq!(diagnose_with(none, &vocabulary)[0].0, Code::UnknownAttribute);
}

#[test]
fn an_expired_permit_does_not_apply() {
    let (policies, _) = compiled(
        "@id(\"p\") @expires(\"2026-11-22\") permit(principal, action == Action::\"send_input\", resource);",
    );
    let (none, labels) = (BTreeSet::new(), BTreeSet::new());
    let session =
        SessionView { labels: &labels, calls: 0, denials: 0, findings: 0, minutes: 0, turns: 0, tokens: 0 };
    let permits = |at: &str| {
        let at: jiff::Timestamp = at.parse().unwrap();
        policies.ask(&Ask { at: at.as_millisecond(), ..asking(&session, &none, Question::SendInput) })
    };
    assert_eq!(permits("2026-11-21T23:59:59Z").permits, [0]);
    assert_eq!(permits("2026-11-22T00:00:00Z"), Answer::default());
}

/// A question on which everything else is built.
fn asking<'a>(session: &'a SessionView<'a>, none: &'a BTreeSet<&'a str>, question: Question<'a>) -> Ask<'a> {
    static NO_ATTRIBUTES: BTreeMap<String, AttributeValue> = BTreeMap::new();
    Ask {
        user: "u",
        roles: &[],
        tenant: None,
        attributes: &NO_ATTRIBUTES,
        question,
        agent: "helper",
        agent_is_new: false,
        model: None,
        at: 1_700_000_000_000,
        without: None,
        stage: "input",
        found: none,
        packs: none,
        tags: none,
        session,
    }
}

#[test]
fn what_differs_in_anything_that_policies_see_is_another_question() {
    let (none, labels) = (BTreeSet::new(), BTreeSet::new());
    let session =
        SessionView { labels: &labels, calls: 0, denials: 0, findings: 0, minutes: 0, turns: 0, tokens: 0 };
    let ask = asking(&session, &none, Question::SendInput);
    let (roles, more_roles) = (["ab".to_owned(), "c".to_owned()], ["a".to_owned(), "bc".to_owned()]);
    let level = |value| BTreeMap::from([("level".to_owned(), value)]);
    let attributes = [
        level(AttributeValue::Integer(-1)),
        level(AttributeValue::Integer(1)),
        level(AttributeValue::Boolean(true)),
        level(AttributeValue::String("1".to_owned())),
        level(AttributeValue::Strings(vec!["1".to_owned()])),
        level(AttributeValue::Strings(vec!["1".to_owned(), String::new()])),
        BTreeMap::from([("leve".to_owned(), AttributeValue::String("l1".to_owned()))]),
    ];
    let input = json!({});
    let mut questions = vec![
        ask,
        Ask { user: "v", ..ask },
        Ask { roles: &roles, ..ask },
        Ask { roles: &more_roles, ..ask },
        Ask { roles: &roles[..1], ..ask },
        Ask { tenant: Some(""), ..ask },
        Ask { tenant: Some("u"), ..ask },
        Ask { agent: "coder", ..ask },
        Ask { agent: "", ..ask },
        Ask { agent_is_new: true, ..ask },
    ];
    questions.extend(attributes.iter().map(|attributes| Ask { attributes, ..ask }));
    let others = [
        Question::RunAgent,
        Question::CreateAgent,
        Question::SendOutput,
        Question::ReadResult { tool: "read" },
        Question::ReadResult { tool: "write" },
        Question::CallTool { tool: "read", input: &input },
        Question::CallUnlisted { tool: "read" },
        Question::Waive { rule: "p/a", tool: None },
        Question::Waive { rule: "p/a", tool: Some("") },
        Question::Waive { rule: "p/a", tool: Some("read") },
        Question::Waive { rule: "p/b", tool: None },
        Question::Reveal { rule: "p/a", tool: None },
    ];
    questions.extend(others.map(|question| Ask { question, ..ask }));
    let keys: std::collections::HashSet<key::Key> = questions.iter().map(key::Key::of_question).collect();
    assert_eq!(keys.len(), questions.len());

    let parts = |name: &str| {
        let text = format!("@id(\"a\") forbid(principal, action, resource) when {{ context has {name} }};");
        let (_, parsed) = compiled(&text);
        parsed[0].reads.parts
    };
    let (some, labelled) = (BTreeSet::from(["x"]), BTreeSet::from(["x".to_owned()]));
    let counted = |change: &dyn Fn(&mut SessionView<'_>)| {
        let mut view = session;
        change(&mut view);
        key::Key::of_context(&Ask { session: &view, ..ask }, parts("session"))
    };
    for (part, other) in [
        ("model", Ask { model: Some(""), ..ask }),
        ("stage", Ask { stage: "output", ..ask }),
        ("found", Ask { found: &some, ..ask }),
        ("packs", Ask { packs: &some, ..ask }),
        ("tags", Ask { tags: &some, ..ask }),
        ("session.labels", Ask { session: &SessionView { labels: &labelled, ..session }, ..ask }),
        ("session.calls", Ask { session: &SessionView { calls: 1, ..session }, ..ask }),
        ("session.denials", Ask { session: &SessionView { denials: 1, ..session }, ..ask }),
        ("session.findings", Ask { session: &SessionView { findings: 1, ..session }, ..ask }),
        ("session.minutes", Ask { session: &SessionView { minutes: 1, ..session }, ..ask }),
        ("session.turns", Ask { session: &SessionView { turns: 1, ..session }, ..ask }),
    ] {
        let key = |ask: &Ask<'_>| key::Key::of_context(ask, parts(part)).unwrap();
        assert_eq!(key(&ask), key(&ask), "{part}");
        assert_ne!(key(&ask), key(&other), "{part}");
    }
    // What is another each time is not kept.
    assert_eq!(key::Key::of_context(&ask, parts("at")), None);
    assert_eq!(counted(&|_| {}), None);
    assert_eq!(key::Key::of_context(&ask, reads::Parts::ALL), None);
    assert_ne!(key::Key::of_context(&ask, reads::Parts::default()), None);
}

#[test]
fn memory_of_questions_is_bounded() {
    let (policies, _) = compiled(
        "@id(\"p\") permit(principal, action == Action::\"send_input\", resource) when { context.session.calls < 9000 };",
    );
    let (none, labels) = (BTreeSet::new(), BTreeSet::new());
    for calls in 0..10_000 {
        let session =
            SessionView { labels: &labels, calls, denials: 0, findings: 0, minutes: 0, turns: 0, tokens: 0 };
        let user = format!("u{}", calls % 3000);
        let answer = policies.ask(&Ask { user: &user, ..asking(&session, &none, Question::SendInput) });
        assert_eq!(answer.permits.len(), usize::from(calls < 9000));
    }
    let (questions, answers) = policies.index.kept();
    assert!(questions <= 1024 && answers <= 1024 * 32, "{questions} {answers}");
}
