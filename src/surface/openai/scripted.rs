//! A model server that says what a script says, over the real wire: for demonstrations and tests without a provider.
//!
//! It listens on this machine only, answers both APIs, streamed and whole, and goes through its script step by step.

mod answer;
mod server;

pub use server::ScriptedServer;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A script: what the user says and what the model answers, turn by turn.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Script of a conversation (ringfence chat --offline --script FILE)")]
pub struct Script {
    /// What it shows.
    #[serde(default)]
    #[schemars(extend("examples" = ["A customer asks for an order"]))]
    pub title: String,
    /// Files that the tools find, by name.
    #[serde(default)]
    #[schemars(extend("examples" = [{"order.txt": "shipped on 20 November"}]))]
    pub files: BTreeMap<String, String>,
    /// Pages that a tool finds, by address.
    #[serde(default)]
    #[schemars(extend("examples" = [{"https://example.com/": "hello"}]))]
    pub pages: BTreeMap<String, String>,
    /// The turns of the user.
    #[serde(default)]
    #[schemars(extend("examples" = [[{"user": "Where is my order?", "model": [{"say": "It was shipped."}]}]]))]
    pub turns: Vec<Turn>,
}

/// What the user says, and the model's answers to it: one more after each round of tool results.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What is shown here, for the reader.
    #[serde(default)]
    #[schemars(extend("examples" = ["The file holds a card number"]))]
    pub note: String,
    /// The user's words.
    #[schemars(extend("examples" = ["Where is my order?"]))]
    pub user: String,
    /// The model's answers, in order.
    #[schemars(extend("examples" = [[{"say": "It was shipped."}]]))]
    pub model: Vec<Step>,
}

/// One answer of the model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Text.
    #[schemars(extend("examples" = ["It was shipped."]))]
    pub say: String,
    /// Tool calls, all at once.
    #[schemars(extend("examples" = [[{"tool": "read_file", "arguments": {"path": "order.txt"}}]]))]
    pub call: Vec<ScriptedCall>,
}

/// A tool call of a script.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptedCall {
    /// The tool.
    #[schemars(extend("examples" = ["read_file"]))]
    pub tool: String,
    /// Its arguments.
    #[schemars(extend("examples" = [{"path": "order.txt"}]))]
    pub arguments: Value,
}

/// Why a script is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the script does not load: {0}")]
pub struct ScriptError(String);

impl Script {
    /// Reads a script of YAML.
    ///
    /// # Errors
    /// Names the line of the first mistake.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let (script, diagnostics) = crate::yaml::read(&"script".into(), text);
        match (script, diagnostics.first()) {
            (Some(script), None) => Ok(script),
            (_, Some(first)) => {
                let at = first.primary.as_ref().map_or(0, |label| label.span.start);
                let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
                Err(ScriptError(format!("line {line}: {}", first.message)))
            }
            (None, None) => Err(ScriptError("nothing stands in it".to_owned())),
        }
    }

    /// The script that is built in.
    ///
    /// # Errors
    /// None: a test reads it.
    pub fn built_in() -> Result<Self, ScriptError> {
        Self::parse(include_str!("../../../examples/scripts/helpdesk.yaml"))
    }

    /// The model's answers in order, whoever asks.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.turns.iter().flat_map(|turn| turn.model.iter().cloned()).collect()
    }
}
