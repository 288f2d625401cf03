//! Requests: entities, and of the context what is read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};

use super::index::Needs;
use super::kept::Kept;
use super::key::Key;
use super::shape::{Shape, datetime};
use super::vocabulary::{AttributeValue, BUILT_IN_ACTIONS, Declared, NEW_AGENTS, Vocabulary, ancestors};
use super::{Ask, Question};

/// Most stores of entities that are kept ready. A store is that of the bundle with one user, and with one tool or agent
/// that the bundle does not declare.
const MAX_STORES: usize = 1024;

/// What every request of a bundle has in common.
pub(super) struct Requests {
    types: Types,
    actions: HashMap<String, Vec<EntityUid>>,
    roles: HashMap<String, Vec<EntityUid>>,
    agents: HashMap<String, Vec<EntityUid>>,
    tools: HashMap<String, (Vec<EntityUid>, Shape)>,
    /// Packs of each rule, and whether the rule is among the entities of every request.
    rules: HashMap<String, (Vec<String>, bool)>,
    unlisted: Option<(Vec<EntityUid>, BTreeMap<String, RestrictedExpression>)>,
    new_agents: EntityUid,
    base: Entities,
    stores: Kept<Key, Entities>,
}

/// Names of entity types, parsed once.
struct Types {
    user: EntityTypeName,
    role: EntityTypeName,
    agent: EntityTypeName,
    agent_group: EntityTypeName,
    tool: EntityTypeName,
    toolset: EntityTypeName,
    rule: EntityTypeName,
    pack: EntityTypeName,
    tag: EntityTypeName,
    label: EntityTypeName,
    model: EntityTypeName,
    stage: EntityTypeName,
    action: EntityTypeName,
}

impl Types {
    fn new() -> Option<Self> {
        let name = |text: &str| EntityTypeName::from_str(text).ok();
        Some(Self {
            user: name("User")?,
            role: name("Role")?,
            agent: name("Agent")?,
            agent_group: name("AgentGroup")?,
            tool: name("Tool")?,
            toolset: name("Toolset")?,
            rule: name("Rule")?,
            pack: name("Pack")?,
            tag: name("Tag")?,
            label: name("Label")?,
            model: name("Model")?,
            stage: name("Stage")?,
            action: name("Action")?,
        })
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// Entities of a request with all their ancestors: what a scope can name.
pub(super) struct Scope {
    pub(super) principals: Vec<EntityUid>,
    pub(super) actions: Vec<EntityUid>,
    pub(super) resources: Vec<EntityUid>,
}

fn attributes(values: &BTreeMap<String, AttributeValue>) -> HashMap<String, RestrictedExpression> {
    values.iter().map(|(name, value)| (name.clone(), expression(value))).collect()
}

fn expression(value: &AttributeValue) -> RestrictedExpression {
    match value {
        AttributeValue::String(text) => RestrictedExpression::new_string(text.clone()),
        AttributeValue::Integer(number) => RestrictedExpression::new_long(*number),
        AttributeValue::Boolean(flag) => RestrictedExpression::new_bool(*flag),
        AttributeValue::Strings(texts) => RestrictedExpression::new_set(
            texts.iter().map(|text| RestrictedExpression::new_string(text.clone())),
        ),
    }
}

impl Requests {
    /// `names` tells the rules that policies name.
    pub(super) fn new(vocabulary: &Vocabulary, names: &dyn Fn(&str) -> bool) -> Option<Self> {
        let types = Types::new()?;
        let mut entities: Vec<Entity> = Vec::new();
        let chain = |kind: &EntityTypeName, group: &EntityTypeName, entry: &Declared, groups: &[Declared]| {
            // A tool may have the name of its toolset: they are two.
            let own = uid(kind, &entry.name);
            let above = ancestors(groups, &entry.parents).into_iter().map(|name| uid(group, name));
            let above: Vec<EntityUid> = above.filter(|above| *above != own).collect();
            std::iter::once(own).chain(above).collect::<Vec<_>>()
        };
        let mut add =
            |chain: &[EntityUid], attributes: HashMap<String, RestrictedExpression>| -> Option<()> {
                let (own, above) = chain.split_first()?;
                entities.push(Entity::new(own.clone(), attributes, above.iter().cloned().collect()).ok()?);
                Some(())
            };
        let mut lists: Vec<HashMap<String, Vec<EntityUid>>> = Vec::new();
        let new_group = Declared { name: NEW_AGENTS.to_owned(), ..Declared::default() };
        let groups: Vec<Declared> = vocabulary.agent_groups.iter().cloned().chain([new_group]).collect();
        // There are many rules, and every request would have them all: it gets those that a policy may look at.
        let named: Vec<Declared> =
            vocabulary.rules.iter().filter(|rule| names(&rule.name)).cloned().collect();
        let kinds = [
            (&types.role, &types.role, &vocabulary.roles, &vocabulary.roles),
            (&types.agent_group, &types.agent_group, &groups, &groups),
            (&types.agent, &types.agent_group, &vocabulary.agents, &groups),
            (&types.toolset, &types.toolset, &vocabulary.toolsets, &vocabulary.toolsets),
            (&types.rule, &types.pack, &named, &Vec::new()),
            (&types.model, &types.model, &vocabulary.models, &Vec::new()),
        ];
        for (kind, group, entries, groups) in kinds {
            let mut list = HashMap::new();
            for entry in entries {
                let chain = chain(kind, group, entry, groups);
                add(&chain, attributes(&entry.attributes))?;
                list.insert(entry.name.clone(), chain);
            }
            lists.push(list);
        }
        let labels = |names: &[String]| {
            RestrictedExpression::new_set(
                names.iter().map(|name| RestrictedExpression::new_entity_uid(uid(&types.label, name))),
            )
        };
        let mut tools = HashMap::new();
        for tool in &vocabulary.tools {
            let chain = chain(&types.tool, &types.toolset, &tool.declared, &vocabulary.toolsets);
            let mut values = attributes(&tool.declared.attributes);
            values.insert("reads".to_owned(), labels(&tool.reads));
            values.insert("writes".to_owned(), labels(&tool.writes));
            add(&chain, values)?;
            tools.insert(tool.declared.name.clone(), (chain, tool.input.clone()));
        }
        let unlisted = vocabulary.unlisted.as_ref().map(|unlisted| {
            let entry = Declared { parents: unlisted.parents.clone(), ..Declared::default() };
            let above = chain(&types.tool, &types.toolset, &entry, &vocabulary.toolsets).split_off(1);
            let values = BTreeMap::from([
                ("reads".to_owned(), labels(&unlisted.reads)),
                ("writes".to_owned(), labels(&unlisted.writes)),
            ]);
            (above, values)
        });
        // The group of actions has to be in the store, or `action in Action::"call_tool"` is false for everything.
        let mut actions = HashMap::new();
        let call_tool = uid(&types.action, "call_tool");
        let tool_names = vocabulary.tools.iter().map(|tool| tool.declared.name.as_str());
        for name in BUILT_IN_ACTIONS.iter().copied().chain(tool_names) {
            let is_call = name == "call_unlisted_tool" || tools.contains_key(name);
            let mut chain = vec![uid(&types.action, name)];
            chain.extend(is_call.then(|| call_tool.clone()));
            add(&chain, HashMap::new())?;
            actions.insert(name.to_owned(), chain);
        }
        let base = Entities::from_entities(entities, None).ok()?;
        let mut lists = lists.into_iter();
        let (roles, _, agents, _, named) =
            (lists.next()?, lists.next()?, lists.next()?, lists.next()?, lists.next()?);
        let rules = vocabulary.rules.iter().map(|rule| {
            let is_named = named.contains_key(&rule.name);
            (rule.name.clone(), (rule.parents.clone(), is_named))
        });
        let rules = rules.collect();
        let new_agents = uid(&types.agent_group, NEW_AGENTS);
        let stores = Kept::new(MAX_STORES);
        Some(Self { types, actions, roles, agents, tools, rules, unlisted, new_agents, base, stores })
    }

    /// Whether a role is the other one, or below it.
    pub(super) fn role_is_below(&self, role: &str, above: &str) -> bool {
        self.role_is_in(role, &uid(&self.types.role, above))
    }

    /// Whether a role is this one, or below it.
    pub(super) fn role_is_in(&self, role: &str, above: &EntityUid) -> bool {
        self.roles.get(role).is_some_and(|chain| chain.contains(above))
    }

    /// What a scope can name of a call of a declared tool.
    pub(super) fn scope_of_tool(&self, tool: &str) -> Option<(&[EntityUid], &[EntityUid])> {
        Some((self.actions.get(tool)?, &self.tools.get(tool)?.0))
    }

    /// What a scope can name of this request; `None` where it is about a rule or tool that does not exist.
    pub(super) fn scope(&self, ask: &Ask<'_>) -> Option<Scope> {
        let mut principals = vec![uid(&self.types.user, ask.user)];
        for role in ask.roles {
            principals.extend(self.roles.get(role)?.iter().cloned());
        }
        principals.sort();
        principals.dedup();
        let agent = || match self.agents.get(ask.agent) {
            Some(chain) => chain.clone(),
            None => vec![uid(&self.types.agent, ask.agent), self.new_agents.clone()],
        };
        let tool = |name: &str| match (self.tools.get(name), &self.unlisted) {
            (Some((chain, _)), _) => Some(chain.clone()),
            (None, Some((above, _))) => {
                Some(std::iter::once(uid(&self.types.tool, name)).chain(above.iter().cloned()).collect())
            }
            (None, None) => None,
        };
        let (action, resources) = match ask.question {
            Question::RunAgent => ("run_agent", agent()),
            Question::CreateAgent => ("create_agent", agent()),
            Question::SendInput => ("send_input", agent()),
            Question::SendOutput => ("send_output", agent()),
            Question::ReadResult { tool: name } => ("read_result", tool(name)?),
            Question::CallTool { tool: name, .. } => (name, tool(name)?),
            Question::CallUnlisted { tool: name } => ("call_unlisted_tool", tool(name)?),
            Question::Waive { rule, .. } | Question::Reveal { rule, .. } => {
                let (packs, _) = self.rules.get(rule)?;
                let packs = packs.iter().map(|pack| uid(&self.types.pack, pack));
                let action = if matches!(ask.question, Question::Waive { .. }) { "waive" } else { "reveal" };
                (action, std::iter::once(uid(&self.types.rule, rule)).chain(packs).collect())
            }
        };
        Some(Scope { principals, actions: self.actions.get(action)?.clone(), resources })
    }

    /// The request. `None` where an argument that is read does not fit its type.
    pub(super) fn request(&self, ask: &Ask<'_>, scope: &Scope, needs: &Needs<'_>) -> Option<Request> {
        let context = Context::from_pairs(self.context(ask, needs)?).ok()?;
        let principal = uid(&self.types.user, ask.user);
        let action = scope.actions.first()?.clone();
        let resource = scope.resources.first()?.clone();
        Request::new(principal, action, resource, context, None).ok()
    }

    fn context(&self, ask: &Ask<'_>, needs: &Needs<'_>) -> Option<Vec<(String, RestrictedExpression)>> {
        let types = &self.types;
        let entity = |kind: &EntityTypeName, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let set = |kind: &EntityTypeName, ids: &BTreeSet<&str>| {
            RestrictedExpression::new_set(ids.iter().map(|id| entity(kind, id)))
        };
        let mut pairs: Vec<(String, RestrictedExpression)> = Vec::with_capacity(8);
        let mut put = |name: &str, value: &dyn Fn() -> RestrictedExpression| {
            if needs.parts.has(name) {
                pairs.push((name.to_owned(), value()));
            }
        };
        put("agent", &|| entity(&types.agent, ask.agent));
        if let Some(model) = ask.model {
            put("model", &|| entity(&types.model, model));
        }
        put("at", &|| datetime(ask.at));
        put("stage", &|| entity(&types.stage, ask.stage));
        put("found", &|| set(&types.rule, ask.found));
        put("packs", &|| set(&types.pack, ask.packs));
        put("tags", &|| set(&types.tag, ask.tags));
        if let Question::Waive { tool: Some(tool), .. } | Question::Reveal { tool: Some(tool), .. } =
            ask.question
        {
            put("tool", &|| entity(&types.tool, tool));
        }
        if needs.parts.has_session() {
            let mut session: Vec<(String, RestrictedExpression)> = Vec::with_capacity(7);
            if needs.parts.has("session.labels") {
                let labels = ask.session.labels.iter().map(|label| entity(&types.label, label));
                session.push(("labels".to_owned(), RestrictedExpression::new_set(labels)));
            }
            let counters = [
                ("session.calls", ask.session.calls),
                ("session.denials", ask.session.denials),
                ("session.findings", ask.session.findings),
                ("session.minutes", ask.session.minutes),
                ("session.turns", ask.session.turns),
                ("session.tokens", ask.session.tokens),
            ];
            for (part, value) in counters.iter().filter(|(part, _)| needs.parts.has(part)) {
                let value = RestrictedExpression::new_long(i64::try_from(*value).unwrap_or(i64::MAX));
                session.push((part.trim_start_matches("session.").to_owned(), value));
            }
            pairs.push(("session".to_owned(), RestrictedExpression::new_record(session).ok()?));
        }
        match ask.question {
            Question::CallTool { tool, input } => {
                let (_, shape) = self.tools.get(tool)?;
                pairs.push(("input".to_owned(), arguments(shape, input, needs)?));
            }
            Question::CallUnlisted { .. } => {
                pairs.push(("input".to_owned(), RestrictedExpression::new_record([]).ok()?));
            }
            _ => {}
        }
        Some(pairs)
    }

    /// What of the question the bundle does not declare: a tool, an agent, or a rule that no policy names.
    fn undeclared<'a>(&self, ask: &Ask<'a>) -> [Option<&'a str>; 3] {
        let rule = match ask.question {
            Question::Waive { rule, .. } | Question::Reveal { rule, .. } => Some(rule),
            _ => None,
        };
        let is_named = |rule: &&str| self.rules.get(*rule).is_some_and(|(_, is_named)| !is_named);
        let tool = tool_beside(ask).filter(|name| !self.tools.contains_key(*name));
        let agent = Some(ask.agent).filter(|name| !self.agents.contains_key(*name));
        [tool, agent, rule.filter(is_named)]
    }

    /// The user, with these parents, and what the bundle does not declare.
    fn foreign(&self, ask: &Ask<'_>, parents: HashSet<EntityUid>) -> Option<Vec<Entity>> {
        let [tool, agent, rule] = self.undeclared(ask);
        let mut values = attributes(ask.attributes);
        if let Some(tenant) = ask.tenant {
            values.insert("tenant".to_owned(), RestrictedExpression::new_string(tenant.to_owned()));
        }
        let mut entities = vec![Entity::new(uid(&self.types.user, ask.user), values, parents).ok()?];
        if let (Some(name), Some((above, values))) = (tool, &self.unlisted) {
            let values = values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            entities.push(
                Entity::new(uid(&self.types.tool, name), values, above.iter().cloned().collect()).ok()?,
            );
        }
        if let Some(name) = agent {
            let groups =
                if ask.agent_is_new { HashSet::from([self.new_agents.clone()]) } else { HashSet::new() };
            entities.push(Entity::new(uid(&self.types.agent, name), HashMap::new(), groups).ok()?);
        }
        if let Some((rule, (packs, _))) = rule.and_then(|rule| Some((rule, self.rules.get(rule)?))) {
            let packs = packs.iter().map(|pack| uid(&self.types.pack, pack)).collect();
            entities.push(Entity::new(uid(&self.types.rule, rule), HashMap::new(), packs).ok()?);
        }
        Some(entities)
    }

    /// The entities that a question is about, with all above them: the user, the action, the resource, the agent and the tool. Whom
    /// policies only name needs no entity: being below one is told by the lower of the two.
    pub(super) fn own(&self, ask: &Ask<'_>, scope: &Scope) -> Option<Entities> {
        let user = uid(&self.types.user, ask.user);
        let above = scope.principals.iter().filter(|above| **above != user);
        let mut entities = self.foreign(ask, above.cloned().collect())?;
        let tool = tool_beside(ask).map(|tool| uid(&self.types.tool, tool));
        let agent = uid(&self.types.agent, ask.agent);
        let about = scope.actions.first().into_iter().chain(scope.resources.first());
        let about: HashSet<&EntityUid> = about.chain([&agent]).chain(&tool).collect();
        entities.extend(about.into_iter().filter_map(|uid| self.base.get(uid).cloned()));
        // Where there are few, adding them costs half of what a store made of them does.
        Entities::empty().add_entities(entities, None).ok()
    }

    /// The bundle's entities, the user, and what the bundle does not declare.
    pub(super) fn all(&self, ask: &Ask<'_>) -> Option<Arc<Entities>> {
        let mut key = Key::of_store(ask, self.undeclared(ask));
        key.flag(ask.agent_is_new);
        self.stores.get(key, || {
            let roles = ask.roles.iter().map(|role| uid(&self.types.role, role)).collect();
            self.base.clone().add_entities(self.foreign(ask, roles)?, None).ok()
        })
    }
}

/// The tool of a question, where that is not in its action.
fn tool_beside<'a>(ask: &Ask<'a>) -> Option<&'a str> {
    match ask.question {
        Question::ReadResult { tool } | Question::CallUnlisted { tool } => Some(tool),
        Question::Waive { tool, .. } | Question::Reveal { tool, .. } => tool,
        _ => None,
    }
}

/// The arguments that are read.
fn arguments(shape: &Shape, input: &serde_json::Value, needs: &Needs<'_>) -> Option<RestrictedExpression> {
    if needs.all_arguments {
        return shape.convert(input).ok();
    }
    let Shape::Record(fields) = shape else { return None };
    let mut pairs = Vec::with_capacity(needs.arguments.len());
    for name in &needs.arguments {
        let Some((shape, _)) = fields.get(*name) else { continue };
        match input.get(*name) {
            None => {}
            Some(serde_json::Value::Null) if *shape != Shape::Opaque => {}
            Some(value) => pairs.push(((*name).to_owned(), shape.convert(value).ok()?)),
        }
    }
    RestrictedExpression::new_record(pairs).ok()
}
