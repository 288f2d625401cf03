//! A compiled bundle, and how it decides one event. Pure: no clock, no I/O, no randomness.

mod arguments;
mod check;
mod clean;
mod combine;
mod compare;
mod confinement;
mod decide;
mod edits;
mod enumerate;
mod find;
mod hold_back;
mod named;
mod nothing;
mod question;
mod scan;
mod stream;
#[cfg(test)]
mod texts;

pub(crate) use arguments::{ArgumentRules, ResolvedPaths};
pub(crate) use compare::{Answered, Contrast, contrast, differing, name, otherwise};
pub use compare::{Differing, Effect, Kind, Otherwise, Which};
pub(crate) use confinement::Most;
pub use confinement::SandboxPolicy;
pub(crate) use decide::{CreatedAgent, Evaluation, Revealing, Situation};
pub use enumerate::{Asking, Doing, May};
pub(crate) use find::Scans;
pub use hold_back::HoldBack;
pub(crate) use named::Named;
pub(crate) use nothing::Nothing;
pub use scan::{RuleInfo, RuleSet};
pub use stream::{Released, StreamScanner};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::{Missing, Mode, RefusedCalls, RolesFrom};
use crate::cedar::{AttributeType, AttributeValue, Policies, PolicyInfo};
use crate::rule::argument::Argument;
use crate::rule::{Class, Data, Rule};
use crate::text::Scanner;
use crate::tool::Schema;
use crate::verdict::Reason;

/// A compiled bundle: immutable, cheap to clone, answers any number of events.
#[derive(Debug, Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

/// The larger parts are shared between an engine and others that differ from it in little.
#[derive(Debug, Clone)]
pub(crate) struct Inner {
    pub(crate) digest: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) mode: Mode,
    pub(crate) roles_from: RolesFrom,
    pub(crate) batched_audit: bool,
    pub(crate) refused_calls: RefusedCalls,
    pub(crate) limits: Limits,
    pub(crate) return_when: Option<ReturnWhen>,
    pub(crate) default_labels: Vec<String>,
    pub(crate) sensitive_parameters: Vec<String>,
    pub(crate) sandbox: SandboxPolicy,
    pub(crate) facts: BTreeMap<String, Missing>,
    pub(crate) user_attributes: BTreeMap<String, AttributeType>,
    pub(crate) roles: BTreeSet<String>,
    pub(crate) models: BTreeSet<String>,
    pub(crate) agents: Arc<BTreeMap<String, Agent>>,
    pub(crate) users: BTreeMap<String, ListedUser>,
    pub(crate) tools: BTreeMap<String, Arc<Tool>>,
    /// Labels that the result of an unlisted tool puts on the session, where such tools are let in.
    pub(crate) unlisted_reads: Option<Vec<String>>,
    pub(crate) rules: Vec<Arc<Rule>>,
    /// Numbers of the rules that look at facts.
    pub(crate) thresholds: Vec<usize>,
    /// The rules that look at arguments by their kind.
    pub(crate) argument_rules: Arc<ArgumentRules>,
    /// Finds where any of `rules` can match.
    pub(crate) scanner: Arc<Scanner>,
    /// Rules by the words that must stand near a match.
    pub(crate) named: Arc<Named>,
    pub(crate) nothing: Nothing,
    pub(crate) policies: Arc<Policies>,
    pub(crate) retention: Vec<Class>,
    pub(crate) key: Vec<u8>,
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) cedar_schema: Arc<str>,
}

/// Limits of the manifest.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) event_bytes: u64,
    pub(crate) calls: Option<u64>,
    pub(crate) turns: Option<u64>,
    pub(crate) tokens: Option<u64>,
    pub(crate) decide_ms: u64,
}

/// When a bundle is taken back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReturnWhen {
    /// Percentage points.
    pub(crate) percent: u8,
    pub(crate) events: u64,
    pub(crate) users: u64,
    pub(crate) seconds: u64,
}

/// An agent of the directory.
#[derive(Debug, Default)]
pub(crate) struct Agent {
    pub(crate) input: Option<Schema>,
    pub(crate) output: Option<Schema>,
}

/// A user that the directory lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListedUser {
    pub(crate) roles: Vec<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
}

/// A declared tool.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) reads: Vec<String>,
    pub(crate) schema: Schema,
    pub(crate) file: String,
    pub(crate) line: u32,
    /// Pointers of arguments whose values may stand in the audit record.
    pub(crate) logged: Vec<String>,
    /// What single arguments may be.
    pub(crate) arguments: Vec<Argument>,
    /// Values that the schema names of an argument: those that it may be, and its limits.
    pub(crate) named: BTreeMap<String, Vec<Value>>,
}

/// Everything of a bundle that a test can reach.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The policies.
    pub policies: Vec<Item>,
    /// The rules.
    pub rules: Vec<Item>,
    /// The tools.
    pub tools: Vec<Item>,
}

/// A policy, rule or tool of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// The file that declares it.
    pub file: String,
    /// Its line there, from 1.
    pub line: u32,
    /// `permit`, `forbid`, `ask`, `shadow` or `waiver`; a rule's action; `tool`.
    pub kind: &'static str,
    /// The date from which on it does not apply.
    pub expires: Option<String>,
}

/// What happened while an event was decided, beyond what the verdict says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Permits that were satisfied.
    pub permits: Vec<String>,
    /// Forbids that were.
    pub forbids: Vec<String>,
    /// Ask-forbids that were.
    pub asks: Vec<String>,
    /// Policies in shadow that were, or that could not be evaluated.
    pub shadows: Vec<String>,
    /// Waivers that were.
    pub waivers: Vec<String>,
    /// Rules that matched.
    pub rules: Vec<String>,
    /// The declared tool that the event is about.
    pub tool: Option<String>,
    /// What else would have refused the event, beyond the reasons of the verdict.
    pub also: Vec<Reason>,
    /// Whether every rule of the stage has searched the event, and its arguments fit their schema.
    pub scanned: bool,
    /// Who approved the event, where a person had to.
    pub approved_by: Option<String>,
    /// What the guard's candidate would have done otherwise, where it has one and that differs.
    pub candidate: Option<Box<Otherwise>>,
}

impl Engine {
    /// Digest of the bundle.
    #[must_use]
    pub fn bundle_digest(&self) -> &str {
        &self.0.digest
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The bundle's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Everything that a test can reach.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.0.inventory
    }

    /// The policies.
    #[must_use]
    pub fn policies(&self) -> &[PolicyInfo] {
        self.0.policies.list()
    }

    /// The bundle's Cedar schema.
    #[must_use]
    pub fn cedar_schema(&self) -> &str {
        &self.0.cedar_schema
    }

    /// The retention classes.
    #[must_use]
    pub fn retention(&self) -> &[Class] {
        &self.0.retention
    }

    /// The class of a content: the first that takes it. Without one, it is not kept.
    #[must_use]
    pub fn retention_class(&self, data: &Data<'_>) -> Option<&Class> {
        self.0.retention.iter().find(|class| class.takes(data))
    }

    /// Names of parameters whose values are never recorded.
    #[must_use]
    pub fn sensitive_parameters(&self) -> &[String] {
        &self.0.sensitive_parameters
    }

    /// Whether the bundle lets verdicts be returned before their records are durable.
    #[must_use]
    pub fn is_audit_batched(&self) -> bool {
        self.0.batched_audit
    }

    /// What becomes of a tool call that is refused, where a surface stands between model and application.
    #[must_use]
    pub fn refused_calls(&self) -> RefusedCalls {
        self.0.refused_calls
    }

    /// Pointers of a tool's arguments whose values may stand in the audit record.
    #[must_use]
    pub fn logged_arguments(&self, tool: &str) -> &[String] {
        self.0.tools.get(tool).map_or(&[], |tool| tool.logged.as_slice())
    }

    /// Whether decisions of rules and policies are recorded and not enforced.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.0.mode == Mode::Shadow
    }

    /// Whether an agent's answers are JSON of a schema, so that nothing is known of one before it is complete.
    #[must_use]
    pub fn has_output_schema(&self, agent: &str) -> bool {
        self.0.agents.get(agent).is_some_and(|agent| agent.output.is_some())
    }

    /// Whether the directory lists a user, and so says what roles the user has.
    #[must_use]
    pub fn lists_user(&self, user: &str) -> bool {
        self.0.users.contains_key(user)
    }

    /// Users that the directory lists.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.0.users.keys().map(String::as_str)
    }

    /// Models that agents may run on.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.0.models.iter().map(String::as_str)
    }

    /// Roles that policies may name.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.roles.iter().map(String::as_str)
    }

    /// Agents that may be run.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.0.agents.keys().map(String::as_str)
    }
}
