//! The first step: does the event fit its bundle?

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::decide::Situation;
use super::{Inner, ListedUser};
use crate::bundle::RolesFrom;
use crate::cedar::AttributeValue;
use crate::decode;
use crate::diagnostic::did_you_mean;
use crate::event::{AccessKind, Body, Event, InputPart, Stage};
use crate::session::Session;
use crate::text;
use crate::tool::{Fault, FaultKind};
use crate::verdict::{Reason, ReasonCode};

/// Longest name of a created agent, in characters.
const MAX_NAME: usize = 128;

static NO_ATTRIBUTES: BTreeMap<String, AttributeValue> = BTreeMap::new();

/// Who the event is about, as far as the bundle lets it say so.
#[derive(Debug)]
pub(super) struct Identity<'a> {
    pub(super) roles: &'a [String],
    pub(super) tenant: Option<&'a str>,
    pub(super) attributes: Cow<'a, BTreeMap<String, AttributeValue>>,
}

fn refuse(code: ReasonCode, field: &str, message: impl Into<String>) -> Box<Reason> {
    let field = (!field.is_empty()).then(|| field.to_owned());
    Box::new(Reason { field, ..Reason::new(code, message) })
}

/// Names come from outside and may be anything, a secret too: only names that the bundle declares are repeated.
fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    with_help(format!("the directory has no such {what}"), name, known)
}

fn declares_no<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    with_help(format!("the manifest declares no such {what}"), name, known)
}

fn with_help<'a>(message: String, name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    match did_you_mean(name, known.into_iter().map(String::as_str)) {
        Some(help) => format!("{message}; {help}"),
        None => message,
    }
}

impl Inner {
    /// Holds an event to the limits and the directory.
    pub(super) fn check<'a>(
        &'a self,
        event: &'a Event,
        situation: &Situation<'a>,
    ) -> Result<Identity<'a>, Box<Reason>> {
        if event.size() as u64 > self.limits.event_bytes {
            let message = format!("the event is larger than {} bytes", self.limits.event_bytes);
            return Err(refuse(ReasonCode::Limit, "", message));
        }
        let identity = self.identity(event, situation)?;
        self.check_agent(event, situation)?;
        if let Body::Access(access) = &event.body
            && let Some(model) = &access.model
            && !self.models.contains(model)
        {
            let message = unknown("model", model, &self.models);
            return Err(refuse(ReasonCode::UnknownModel, "/access/model", message));
        }
        if let Some(name) = event.facts.keys().find(|name| !self.facts.contains_key(*name)) {
            let message = declares_no("fact", name, self.facts.keys());
            return Err(refuse(ReasonCode::BadEvent, "/facts", message));
        }
        self.check_tool(event, situation)?;
        self.check_limits(event, situation)?;
        Ok(identity)
    }

    /// The tenant of an event's user: the directory's, or what the event or its session's latest one for the same user stated.
    pub(crate) fn tenant_of<'a>(&'a self, event: &'a Event, session: &'a Session) -> Option<&'a str> {
        let user = &event.user;
        if let Some(listed) = self.users.get(&user.id) {
            return listed.tenant.as_deref();
        }
        let earlier = session.user.as_ref().filter(|earlier| earlier.id == user.id);
        user.tenant.as_deref().or_else(|| earlier.and_then(|earlier| earlier.tenant.as_deref()))
    }

    pub(super) fn identity<'a>(
        &'a self,
        event: &'a Event,
        situation: &Situation<'a>,
    ) -> Result<Identity<'a>, Box<Reason>> {
        let user = &event.user;
        // What the directory lacks is refused, even where the directory alone says what the user is.
        if let Some(role) = user.roles.iter().flatten().find(|role| !self.roles.contains(*role)) {
            return Err(refuse(ReasonCode::UnknownRole, "/user/roles", unknown("role", role, &self.roles)));
        }
        if let Some(listed) = self.users.get(&user.id) {
            let ListedUser { roles, tenant, attributes } = listed;
            let attributes = Cow::Borrowed(attributes);
            return Ok(Identity { roles, tenant: tenant.as_deref(), attributes });
        }
        if self.roles_from == RolesFrom::Directory {
            let message = "the directory does not list this user";
            return Err(refuse(ReasonCode::UnknownUser, "/user/id", message));
        }
        // What an event leaves out is as the session's latest event for the same user had it.
        let earlier = situation.session.user.as_ref().filter(|earlier| earlier.id == user.id);
        let roles = user.roles.as_ref().or_else(|| earlier.and_then(|earlier| earlier.roles.as_ref()));
        let tenant = user.tenant.as_ref().or_else(|| earlier.and_then(|earlier| earlier.tenant.as_ref()));
        let stated =
            user.attributes.as_ref().or_else(|| earlier.and_then(|earlier| earlier.attributes.as_ref()));
        let roles = roles.map_or(&[][..], Vec::as_slice);
        let tenant = tenant.map(String::as_str);
        let Some(stated) = stated.filter(|stated| !stated.is_empty()) else {
            return Ok(Identity { roles, tenant, attributes: Cow::Borrowed(&NO_ATTRIBUTES) });
        };
        let mut attributes = BTreeMap::new();
        for (name, value) in stated {
            let Some(kind) = self.user_attributes.get(name) else {
                let message = declares_no("user attribute", name, self.user_attributes.keys());
                return Err(refuse(ReasonCode::BadEvent, "/user/attributes", message));
            };
            match AttributeValue::from_json(value) {
                Some(value) if value.kind() == *kind => {
                    attributes.insert(name.clone(), value);
                }
                _ => {
                    let message = format!("the user attribute `{name}` is not of its declared type");
                    return Err(refuse(ReasonCode::BadEvent, "/user/attributes", message));
                }
            }
        }
        Ok(Identity { roles, tenant, attributes: Cow::Owned(attributes) })
    }

    fn check_agent(&self, event: &Event, situation: &Situation<'_>) -> Result<(), Box<Reason>> {
        match &event.agent {
            Some(agent) if !self.agents.contains_key(agent) && situation.created.is_none() => {
                let message = unknown("agent", agent, self.agents.keys());
                Err(refuse(ReasonCode::UnknownAgent, "/agent", message))
            }
            _ => Ok(()),
        }
    }

    fn check_tool(&self, event: &Event, situation: &Situation<'_>) -> Result<(), Box<Reason>> {
        let Some(tool) = event.tool() else { return Ok(()) };
        let refused = |message: &str| Err(refuse(ReasonCode::UnlistedTool, "/tool", message));
        let is_call = event.stage() == Stage::ToolCall;
        if is_call && situation.created.is_some_and(|created| !created.tools.contains(tool)) {
            return refused("this agent was created without this tool");
        }
        if !self.tools.contains_key(tool) {
            if self.unlisted_reads.is_none() {
                return refused("the bundle does not declare this tool");
            }
            let agent = event.agent.as_deref().unwrap_or_default();
            if is_call && !situation.session.offers(agent, tool) {
                return refused(
                    "the bundle does not declare this tool, and the application did not offer it",
                );
            }
        }
        // A result under another tool's name would put that tool's labels on the session.
        if let (false, Some(called)) =
            (is_call, event.call().and_then(|call| situation.session.tool_of_call(call)))
            && called != tool
        {
            let message = "the call of this id was of another tool";
            return Err(refuse(ReasonCode::BadEvent, "/tool", message));
        }
        Ok(())
    }

    fn check_limits(&self, event: &Event, situation: &Situation<'_>) -> Result<(), Box<Reason>> {
        let session = situation.session;
        let reached = |limit: Option<u64>, used: u64| limit.filter(|limit| used >= *limit);
        let over = |what: &str, limit: u64| {
            Err(refuse(ReasonCode::Limit, "", format!("the session has reached its limit of {limit} {what}")))
        };
        if matches!(event.stage(), Stage::Access | Stage::Input | Stage::ToolCall)
            && let Some(limit) = reached(self.limits.tokens, session.tokens)
        {
            return over("tokens", limit);
        }
        match &event.body {
            Body::ToolCall { .. } => {
                reached(self.limits.calls, session.calls).map_or(Ok(()), |limit| over("calls", limit))
            }
            Body::Input { part: InputPart::User, .. } => {
                reached(self.limits.turns, session.turns).map_or(Ok(()), |limit| over("turns", limit))
            }
            _ => Ok(()),
        }
    }

    /// Holds arguments to the tool's schema, and an agent's JSON to its own.
    pub(super) fn check_schema(&self, event: &Event) -> Vec<Reason> {
        match &event.body {
            Body::ToolCall { tool, arguments, .. } => match self.tools.get(tool) {
                Some(declared) => {
                    let place = (declared.file.as_str(), declared.line);
                    faults(declared.schema.check(arguments), "/arguments", Some(place))
                }
                None => Vec::new(),
            },
            Body::Input { part: InputPart::User, text } => {
                self.check_payload(event, text, |agent| agent.input.as_ref())
            }
            Body::Output { text } => self.check_payload(event, text, |agent| agent.output.as_ref()),
            Body::Input { .. } | Body::Access(_) | Body::ToolResult { .. } => Vec::new(),
        }
    }

    fn check_payload(
        &self,
        event: &Event,
        text: &Value,
        schema: impl Fn(&super::Agent) -> Option<&crate::tool::Schema>,
    ) -> Vec<Reason> {
        let agent = event.agent.as_ref().and_then(|agent| self.agents.get(agent));
        let Some(schema) = agent.and_then(schema) else { return Vec::new() };
        let parsed = match text {
            Value::String(text) => decode::from_json(text),
            value => Ok(value.clone()),
        };
        match parsed {
            Ok(value) => faults(schema.check(&value), "/text", None),
            Err(problem) => vec![*refuse(ReasonCode::BadArguments, "/text", problem.message)],
        }
    }

    /// Whether the name of a new agent can be taken, once it is sanitised. One that only looks like another's is that
    /// name to whoever reads it.
    pub(super) fn check_new_name(&self, event: &Event) -> Option<Box<Reason>> {
        let Body::Access(access) = &event.body else { return None };
        let name = access.name.as_deref().filter(|_| access.kind == AccessKind::Create)?.trim();
        let looks = text::folded(name);
        let message = if name.is_empty() {
            "nothing is left of the agent's name".to_owned()
        } else if name.chars().count() > MAX_NAME {
            format!("the agent's name is longer than {MAX_NAME} characters")
        } else if self.agents.keys().any(|agent| text::folded(agent) == looks) {
            "an agent of the directory has this name".to_owned()
        } else {
            return None;
        };
        Some(refuse(ReasonCode::BadEvent, "/access/name", message))
    }
}

fn faults(faults: Vec<Fault>, root: &str, place: Option<(&str, u32)>) -> Vec<Reason> {
    let reason = |fault: Fault| {
        let code = match fault.kind {
            FaultKind::Undeclared => ReasonCode::UndeclaredArgument,
            FaultKind::Mismatch => ReasonCode::BadArguments,
        };
        let mut reason = *refuse(code, &format!("{root}{}", fault.pointer), fault.message);
        if let Some((file, line)) = place {
            reason.file = Some(file.to_owned());
            reason.line = Some(line);
        }
        reason
    };
    let mut reasons: Vec<Reason> = faults.into_iter().map(reason).collect();
    reasons.dedup();
    reasons
}
