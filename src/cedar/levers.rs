//! What of an event a policy looks at: what has to be otherwise for the policy to say something else.

use std::collections::BTreeSet;

use cedar_policy::{PrincipalConstraint, ResourceConstraint};
use serde_json::Value;

use super::Policies;
use super::reads::{Arguments, Reads};

/// What a policy looks at. What is not among it can't change what the policy says.
#[derive(Debug)]
pub(crate) struct Levers {
    /// Who asks.
    pub(crate) principal: bool,
    /// What it is about.
    pub(crate) resource: bool,
    reads: Reads,
}

impl Levers {
    /// Whether it looks at a part of the context, by its name in [`reads`](super::reads).
    pub(crate) fn part(&self, name: &str) -> bool {
        self.reads.parts.has(name)
    }

    /// Whether it looks at anything of the session.
    pub(crate) fn session(&self) -> bool {
        self.reads.parts.has_session()
    }

    /// Whether it looks at what rules have found.
    pub(crate) fn found(&self) -> bool {
        ["found", "packs", "tags"].iter().any(|part| self.part(part))
    }

    /// Whether it looks at any argument.
    pub(crate) fn input(&self) -> bool {
        self.reads.input
    }

    /// Whether it looks at this argument.
    pub(crate) fn argument(&self, name: &str) -> bool {
        reads(&self.reads.arguments, name)
    }
}

fn reads(arguments: &Arguments, name: &str) -> bool {
    match arguments {
        Arguments::These(names) => names.contains(name),
        Arguments::All => true,
    }
}

/// What a policy that reads arguments compares them with.
pub(super) struct Compared {
    policy: usize,
    arguments: Arguments,
    /// Texts and numbers, as they are written there.
    literals: BTreeSet<String>,
}

impl Policies {
    /// What a policy looks at.
    pub(crate) fn levers(&self, number: usize) -> Option<Levers> {
        let policy = self.index.policy(number)?;
        let json = policy.to_json().ok()?;
        let conditions = json.get("conditions").unwrap_or(&Value::Null);
        Some(Levers {
            principal: !matches!(policy.principal_constraint(), PrincipalConstraint::Any)
                || has_variable(conditions, "principal"),
            resource: !matches!(policy.resource_constraint(), ResourceConstraint::Any)
                || has_variable(conditions, "resource"),
            reads: Reads::of(policy.to_pst().ok()?.body()),
        })
    }

    /// Whether somebody of one role has the other one as well.
    pub(crate) fn role_is_in(&self, role: &str, above: &str) -> bool {
        self.requests.role_is_below(role, above)
    }

    /// Texts and numbers in the policies about a declared tool that read this argument of it.
    pub(crate) fn compared_with(&self, tool: &str, argument: &str) -> BTreeSet<&str> {
        let Some((actions, resources)) = self.requests.scope_of_tool(tool) else { return BTreeSet::new() };
        let compared = self.compared.get_or_init(|| self.compared());
        if compared.is_empty() {
            return BTreeSet::new();
        }
        let reach: BTreeSet<usize> = self.index.reach(actions, resources).into_iter().collect();
        let about =
            compared.iter().filter(|one| reach.contains(&one.policy) && reads(&one.arguments, argument));
        about.flat_map(|one| &one.literals).map(String::as_str).collect()
    }

    fn compared(&self) -> Vec<Compared> {
        let of = |policy: usize| {
            let stored = self.index.policy(policy)?;
            let Reads { input, arguments, .. } = Reads::of(stored.to_pst().ok()?.body());
            let mut found = BTreeSet::new();
            if input {
                literals(&stored.to_json().ok()?, &mut found);
            }
            input.then_some(Compared { policy, arguments, literals: found })
        };
        (0..self.list.len()).filter_map(of).collect()
    }
}

/// Values of literals in the JSON of a policy.
fn literals(json: &Value, found: &mut BTreeSet<String>) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("Value", Value::String(text)) => drop(found.insert(text.clone())),
                    ("Value", Value::Number(number)) => drop(found.insert(number.to_string())),
                    ("annotations", _) => {}
                    (_, value) => literals(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| literals(item, found)),
        _ => {}
    }
}

/// Whether an expression names a variable.
fn has_variable(json: &Value, variable: &str) -> bool {
    match json {
        Value::Object(members) => members.iter().any(|(name, value)| {
            (name == "Var" && value.as_str() == Some(variable)) || has_variable(value, variable)
        }),
        Value::Array(items) => items.iter().any(|item| has_variable(item, variable)),
        _ => false,
    }
}
