//! Permits with narrower scopes: as text for whoever reviews them.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::pst::Clause;
use cedar_policy::{EntityId, EntityTypeName, EntityUid, PrincipalConstraint, ResourceConstraint};

use super::vocabulary::NEW_AGENTS;
use super::{Policies, PolicyEffect, Source, parse};

/// Who a narrower permit is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Those of the permit that it is made of.
    AsBefore,
    /// Those who have this role.
    Role(String),
    /// This user.
    User(String),
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Through {
    /// One of the directory.
    Named(String),
    /// One that was created.
    New,
}

/// What a narrower permit is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// What the permit that it is made of is about.
    AsBefore,
    /// An agent.
    Agent(Through),
    /// A declared tool.
    Tool(String),
}

/// A permit to be written.
pub(crate) struct Narrow<'a> {
    pub(crate) id: &'a str,
    pub(crate) who: &'a Who,
    /// Names of actions.
    pub(crate) actions: Vec<&'a str>,
    pub(crate) about: Vec<&'a About>,
    /// Only through these agents; through all where there are none.
    pub(crate) through: Vec<&'a Through>,
}

/// An entity as Cedar writes it. `None` for no type.
fn entity(kind: &str, id: &str) -> Option<String> {
    let kind = EntityTypeName::from_str(kind).ok()?;
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(id)).to_string())
}

/// A variable that is one of some agents.
fn is_one_of(variable: &str, agents: &[&Through]) -> Option<String> {
    let named: Option<Vec<String>> = agents
        .iter()
        .filter_map(|agent| match agent {
            Through::Named(name) => Some(entity("Agent", name)),
            Through::New => None,
        })
        .collect();
    let named = named?;
    let mut parts = Vec::new();
    match named.as_slice() {
        [] => {}
        [one] => parts.push(format!("{variable} == {one}")),
        several => parts.push(format!("[{}].contains({variable})", several.join(", "))),
    }
    if agents.iter().any(|agent| **agent == Through::New) {
        parts.push(format!("{variable} in {}", entity("AgentGroup", NEW_AGENTS)?));
    }
    Some(parts.join(" || "))
}

impl Policies {
    /// Whether who has this role can be a principal of a policy for that alone.
    pub(crate) fn admits_role(&self, policy: usize, role: &str) -> bool {
        let Some(policy) = self.index.policy(policy) else { return false };
        match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
            PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
                self.requests.role_is_in(role, &uid)
            }
            PrincipalConstraint::Eq(_) => false,
        }
    }

    /// Whether every user can be a principal of a policy.
    pub(crate) fn admits_everybody(&self, policy: usize) -> bool {
        let constraint = self.index.policy(policy).map(cedar_policy::Policy::principal_constraint);
        matches!(constraint, Some(PrincipalConstraint::Any | PrincipalConstraint::Is(_)))
    }

    /// The text of a permit that is one of the bundle's with a narrower scope, or of one that is only its scope. `None` where its
    /// text can't be written.
    pub(crate) fn narrowed(&self, of: Option<usize>, narrow: &Narrow<'_>) -> Option<String> {
        let info = of.and_then(|policy| self.list.get(policy));
        let policy = of.and_then(|policy| self.index.policy(policy));
        let mut conditions: Vec<String> = Vec::new();
        let principal = match narrow.who {
            Who::Role(role) => format!("principal in {}", entity("Role", role)?),
            Who::User(user) => format!("principal == {}", entity("User", user)?),
            Who::AsBefore => match policy?.principal_constraint() {
                PrincipalConstraint::Any => "principal".to_owned(),
                PrincipalConstraint::Is(kind) => format!("principal is {kind}"),
                PrincipalConstraint::In(uid) => format!("principal in {uid}"),
                PrincipalConstraint::Eq(uid) => format!("principal == {uid}"),
                PrincipalConstraint::IsIn(kind, uid) => format!("principal is {kind} in {uid}"),
            },
        };
        let actions: Option<Vec<String>> =
            narrow.actions.iter().map(|action| entity("Action", action)).collect();
        let action = match actions?.as_slice() {
            [one] => format!("action == {one}"),
            several => format!("action in [{}]", several.join(", ")),
        };
        let before = || {
            Some(match policy.map(|policy| policy.resource_constraint()) {
                None | Some(ResourceConstraint::Any) => "resource".to_owned(),
                Some(ResourceConstraint::Is(kind)) => format!("resource is {kind}"),
                Some(ResourceConstraint::In(uid)) => format!("resource in {uid}"),
                Some(ResourceConstraint::Eq(uid)) => format!("resource == {uid}"),
                Some(ResourceConstraint::IsIn(kind, uid)) => format!("resource is {kind} in {uid}"),
            })
        };
        let resource = match narrow.about.as_slice() {
            [] | [About::AsBefore] => before()?,
            [About::Tool(tool)] => format!("resource == {}", entity("Tool", tool)?),
            [About::Agent(agent)] => is_one_of("resource", &[agent])?,
            several => {
                let agents: Vec<&Through> = several
                    .iter()
                    .filter_map(|about| match about {
                        About::Agent(agent) => Some(agent),
                        About::AsBefore | About::Tool(_) => None,
                    })
                    .collect();
                let tools: Option<Vec<String>> = several
                    .iter()
                    .filter_map(|about| match about {
                        About::Tool(tool) => Some(entity("Tool", tool)),
                        About::AsBefore | About::Agent(_) => None,
                    })
                    .collect();
                let tools = tools?;
                match (agents.len() == several.len(), tools.len() == several.len()) {
                    (true, _) => conditions.push(is_one_of("resource", &agents)?),
                    (_, true) => conditions.push(format!("[{}].contains(resource)", tools.join(", "))),
                    _ => return None,
                }
                "resource".to_owned()
            }
        };
        if !narrow.through.is_empty() {
            conditions.push(is_one_of("context.agent", &narrow.through)?);
        }
        let mut text = String::new();
        let annotations = [
            ("id", Some(narrow.id)),
            ("owner", info.and_then(|info| info.owner.as_deref())),
            ("expires", info.and_then(|info| info.expires.as_deref())),
        ];
        for (name, value) in annotations {
            if let Some(value) = value {
                // Cedar's own escapes, of a text that stands behind a type.
                let quoted = entity("Text", value)?;
                let _ = writeln!(text, "@{name}({})", quoted.strip_prefix("Text::")?);
            }
        }
        let _ = writeln!(text, "permit({principal}, {action}, {resource})");
        let body = of.and_then(|policy| self.body(policy));
        for clause in body.iter().flat_map(|body| body.clauses()) {
            let _ = match clause {
                Clause::When(expr) => writeln!(text, "when {{ {expr} }}"),
                Clause::Unless(expr) => writeln!(text, "unless {{ {expr} }}"),
            };
        }
        for condition in conditions {
            let _ = writeln!(text, "when {{ {condition} }}");
        }
        let end = text.trim_end().len();
        text.truncate(end);
        text.push_str(";\n");
        Some(text)
    }
}

/// The text of a Cedar file without its permits; waivers and everything else stay where they were. `None` where it is not valid.
pub(crate) fn without_permits(file: &Arc<str>, text: &Arc<str>) -> Option<String> {
    let mut problems = Vec::new();
    let source = Source { file: Arc::clone(file), text: Arc::clone(text) };
    let parsed = parse::parse(&[source], &mut problems);
    if problems.iter().any(crate::diagnostic::Diagnostic::is_error) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for one in parsed.iter().filter(|one| one.effect == PolicyEffect::Permit) {
        out.push_str(text.get(from..one.span.start)?);
        from = one.span.end;
    }
    out.push_str(text.get(from..)?);
    Some(out)
}
