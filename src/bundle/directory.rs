//! `directory.yaml` as written: every name that policies may use.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::decode::{Entries, List, Spanned};

/// Who and what exists.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence directory (directory.yaml)", deny_unknown_fields)]
pub(crate) struct DirectorySpec {
    /// Roles of users, and the roles that they are in.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "user"}, {"name": "support", "in": ["user"]}]]))]
    pub(crate) roles: List<NamedSpec>,
    /// Groups of agents.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "general"}]]))]
    pub(crate) agent_groups: List<NamedSpec>,
    /// The agents that may be run.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "helpdesk", "in": ["general"]}]]))]
    pub(crate) agents: List<AgentSpec>,
    /// Groups of tools.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "readonly"}]]))]
    pub(crate) toolsets: List<NamedSpec>,
    /// The models that agents may use.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["gpt-5", "gpt-5-mini"]]))]
    pub(crate) models: List<NameSpec>,
    /// Labels that tools read and write, and that sessions collect.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["private", "untrusted", "outbound"]]))]
    pub(crate) labels: List<Spanned<String>>,
    /// Users whose roles this file gives; others are as the manifest's `roles:` says.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "ann", "in": ["support"]}]]))]
    pub(crate) users: List<UserEntrySpec>,
}

/// An entry with a name, groups of its own kind that it is in, and attributes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct NamedSpec {
    /// Its name.
    #[schemars(extend("examples" = ["support"]))]
    pub(crate) name: Spanned<String>,
    /// The groups that it is in; they are declared too.
    #[serde(default, rename = "in")]
    #[schemars(extend("default" = [], "examples" = [["user"]]))]
    pub(crate) parents: Vec<Spanned<String>>,
    /// Attributes that policies can read. One name has one type over all entries of a kind.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"level": 2}]))]
    pub(crate) attributes: Entries<AttributeSpec>,
}

/// An entry that is its name alone, or has attributes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "snake_case")]
#[schemars(untagged, rename = "Name")]
pub(crate) enum NameSpec {
    /// The name.
    Scalar(Spanned<String>),
    /// The name and attributes.
    Mapping(NamedSpec),
}

impl NameSpec {
    pub(crate) fn into_named(self) -> NamedSpec {
        match self {
            NameSpec::Scalar(name) => NamedSpec { name, parents: Vec::new(), attributes: Entries::default() },
            NameSpec::Mapping(named) => named,
        }
    }
}

/// An agent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct AgentSpec {
    /// Its name.
    #[schemars(extend("examples" = ["helpdesk"]))]
    pub(crate) name: Spanned<String>,
    /// The agent groups that it is in.
    #[serde(default, rename = "in")]
    #[schemars(extend("default" = [], "examples" = [["general"]]))]
    pub(crate) parents: Vec<Spanned<String>>,
    /// Attributes that policies can read.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"level": 2}]))]
    pub(crate) attributes: Entries<AttributeSpec>,
    /// What its input is: `text` (default), or JSON that fits a schema.
    #[schemars(extend("default" = "text", "examples" = [{"schema": "order.json"}]))]
    pub(crate) input: Option<PayloadSpec>,
    /// What its output is.
    #[schemars(extend("default" = "text", "examples" = [{"schema": {"type": "object"}}]))]
    pub(crate) output: Option<PayloadSpec>,
}

/// What an agent's input or output is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "snake_case")]
#[schemars(untagged, rename = "Payload")]
pub(crate) enum PayloadSpec {
    /// `text`: anything.
    Scalar(TextSpec),
    /// JSON that fits a schema.
    Mapping(SchemaPayloadSpec),
}

/// The word `text`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TextSpec {
    /// Any text.
    Text,
}

/// JSON that fits a schema.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SchemaPayloadSpec {
    /// A JSON Schema (2020-12), inline or as the name of a file of the bundle.
    #[schemars(extend("examples" = ["order.json", {"type": "object", "required": ["id"]}]))]
    pub(crate) schema: Spanned<Value>,
}

/// A user that the directory lists.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct UserEntrySpec {
    /// The user's id.
    #[schemars(extend("examples" = ["ann"]))]
    pub(crate) name: Spanned<String>,
    /// The user's roles: these, whatever an event says.
    #[serde(default, rename = "in")]
    #[schemars(extend("default" = [], "examples" = [["support"]]))]
    pub(crate) roles: Vec<Spanned<String>>,
    /// The user's tenant.
    #[schemars(extend("examples" = ["acme"]))]
    pub(crate) tenant: Option<String>,
    /// Attributes of the user.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"clearance": 3}]))]
    pub(crate) attributes: Entries<AttributeSpec>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct AttributeSpec(pub(crate) Value);
