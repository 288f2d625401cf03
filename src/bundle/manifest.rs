//! `ringfence.yaml` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::quantity::{ByteSize, Period};
use super::sandbox::SandboxSpec;
use crate::decode::{Entries, Spanned};

/// The manifest: what the bundle is called, and how its parts are to be read.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence manifest (ringfence.yaml)", deny_unknown_fields)]
pub(crate) struct ManifestSpec {
    /// Name of the bundle.
    #[schemars(extend("examples" = ["acme-support"]))]
    pub(crate) name: String,
    /// Version of the bundle, in any form that grows, such as `2026.11.1`.
    #[schemars(extend("examples" = ["2026.11.1"]))]
    pub(crate) version: String,
    /// Whether decisions of rules and policies are enforced or only recorded.
    #[serde(default)]
    #[schemars(extend("default" = "enforce", "examples" = ["shadow"]))]
    pub(crate) mode: Spanned<Mode>,
    /// Where a user's roles come from.
    #[serde(default)]
    #[schemars(extend("default" = "host", "examples" = ["directory"]))]
    pub(crate) roles: RolesFrom,
    /// What a tool is that `tools.yaml` does not declare.
    #[serde(default)]
    #[schemars(extend("default" = "deny", "examples" = [{"in": ["unlisted"], "reads": ["untrusted"], "writes": ["outbound"]}]))]
    pub(crate) unlisted_tools: UnlistedSpec,
    /// What becomes of a tool call that is refused, where the guard stands between model and application.
    #[serde(default)]
    #[schemars(extend("default" = "answer", "examples" = ["fail"]))]
    pub(crate) refused_calls: RefusedCalls,
    /// Limits on every event and session.
    #[serde(default)]
    #[schemars(extend("examples" = [{"event_bytes": "1MiB", "calls": 200, "turns": 50, "tokens": 200000, "decide_ms": 50}]))]
    pub(crate) limits: LimitsSpec,
    /// What a session starts with when its history is not known.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["untrusted"]]))]
    pub(crate) session_default_labels: Vec<Spanned<String>>,
    /// Whether a verdict waits for its record to be durable.
    #[serde(default)]
    #[schemars(extend("default" = "sync", "examples" = ["batched"]))]
    pub(crate) audit: AuditSpec,
    /// What happens when a guard puts this bundle in the place of another one.
    #[serde(default)]
    #[schemars(extend("examples" = [{"return_when": {"more_denied_percent": 20}}]))]
    pub(crate) reload: ReloadSpec,
    /// Names of parameters whose values are never recorded, at any depth and in any case.
    #[serde(default)]
    #[schemars(extend("examples" = [["password", "token"]]))]
    pub(crate) sensitive_parameters: Vec<String>,
    /// What the sandbox has to give the commands of tools.
    #[serde(default)]
    #[schemars(extend("examples" = [{"require": ["files", "network"], "limits": {"time": "30s"}}]))]
    pub(crate) sandbox: SandboxSpec,
    /// Attributes that events may state of a user, besides `tenant`.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"clearance": "integer"}]))]
    pub(crate) user_attributes: Entries<AttributeTypeSpec>,
    /// What detectors outside the engine may state about an event.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"moderation": {"type": "scores", "missing": "skip"}}]))]
    pub(crate) facts: Entries<FactSpec>,
}

/// Whether decisions of rules and policies are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are recorded, and the event goes on unedited. Invalid events and failures still deny.
    Shadow,
}

/// Where a user's roles come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RolesFrom {
    /// The host application states them in each event; users that the directory lists have only the roles it gives.
    #[default]
    Host,
    /// Only from the directory: a user that it does not list is refused.
    Directory,
}

/// What a tool is that `tools.yaml` does not declare.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "snake_case")]
#[schemars(untagged, rename = "UnlistedTools")]
pub(crate) enum UnlistedSpec {
    /// `deny`: such a tool may not be called.
    Scalar(DenySpec),
    /// A tool that the host application offered in its `access` event is of this kind.
    Mapping(UnlistedToolSpec),
}

impl Default for UnlistedSpec {
    fn default() -> Self {
        UnlistedSpec::Scalar(DenySpec::Deny)
    }
}

/// The word `deny`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DenySpec {
    /// Refused.
    Deny,
}

/// The kind of an unlisted tool.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct UnlistedToolSpec {
    /// Toolsets that it is in.
    #[serde(default, rename = "in")]
    #[schemars(extend("default" = [], "examples" = [["unlisted"]]))]
    pub(crate) parents: Vec<Spanned<String>>,
    /// Labels that its result puts on the session.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["untrusted"]]))]
    pub(crate) reads: Vec<Spanned<String>>,
    /// Labels of where it sends.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["outbound"]]))]
    pub(crate) writes: Vec<Spanned<String>>,
}

/// What becomes of a tool call that is refused. Ordered by strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusedCalls {
    /// It is not made, and the conversation goes on: a tool loop tells the model why, as the call's result; an application that
    /// runs the tools does not see the call, and where no other call and no text remains, sees a refusal that says why.
    #[default]
    Answer,
    /// The whole request, or run, fails.
    Fail,
}

/// Limits on every event and session. What is absent is not limited, but for `event_bytes` and `decide_ms`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct LimitsSpec {
    /// Bytes of all strings of one event (default 1MiB).
    #[schemars(extend("default" = "1MiB", "examples" = ["256KiB"]))]
    pub(crate) event_bytes: Option<Spanned<ByteSize>>,
    /// Tool calls of one session.
    #[schemars(extend("examples" = [200]))]
    pub(crate) calls: Option<Spanned<u64>>,
    /// User messages of one session.
    #[schemars(extend("examples" = [50]))]
    pub(crate) turns: Option<Spanned<u64>>,
    /// Model tokens of one session, as far as events state them.
    #[schemars(extend("examples" = [200000]))]
    pub(crate) tokens: Option<Spanned<u64>>,
    /// Milliseconds to decide one event (default 50), without what is made ready once, when a pattern is first tried.
    #[schemars(extend("default" = 50, "examples" = [100]))]
    pub(crate) decide_ms: Option<Spanned<u64>>,
}

/// Whether a verdict waits for its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuditSpec {
    /// It does.
    #[default]
    Sync,
    /// It is answered before the record is durable.
    Batched,
}

/// What happens when a guard puts this bundle in the place of another one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ReloadSpec {
    /// When the bundle before takes its place again, because this one refuses far more. Without it, never.
    #[schemars(extend("examples" = [{"more_denied_percent": 20, "events": 100, "users": 3, "within": "10m"}]))]
    pub(crate) return_when: Option<ReturnSpec>,
}

/// When a bundle is taken back: all of it has to hold. Whoever can have events refused can bring that about, so that a bundle
/// that closes a hole should not say it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ReturnSpec {
    /// The share of refused events has risen by more than so many percentage points, from 1 to 99.
    #[schemars(extend("examples" = [20]))]
    pub(crate) more_denied_percent: Spanned<u8>,
    /// At least so many events were decided by this bundle, and by the one before; at most 2,000 (default 100).
    #[schemars(extend("default" = 100, "examples" = [500]))]
    pub(crate) events: Option<Spanned<u64>>,
    /// Something was refused of at least so many users (default 3).
    #[schemars(extend("default" = 3, "examples" = [10]))]
    pub(crate) users: Option<Spanned<u64>>,
    /// This bundle is in force for no longer than this (default 10m).
    #[schemars(extend("default" = "10m", "examples" = ["1h"]))]
    pub(crate) within: Option<Spanned<Period>>,
}

/// Type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttributeTypeSpec {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// True or false.
    Boolean,
    /// A set of texts.
    Strings,
}

/// What a detector may state.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct FactSpec {
    /// What its values are.
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "there is one type so far; naming it keeps the format open")]
    #[schemars(extend("examples" = ["scores"]))]
    pub(crate) kind: FactType,
    /// What happens when a threshold needs the fact and the event lacks it.
    #[serde(default)]
    #[schemars(extend("default" = "deny", "examples" = ["skip"]))]
    pub(crate) missing: Missing,
    /// The categories that it scores; thresholds are held against them where they are listed.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["hate", "violence"]]))]
    pub(crate) categories: Vec<Spanned<String>>,
}

/// Type of a fact.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FactType {
    /// A score for each category.
    Scores,
}

/// What happens when a threshold needs a fact that the event lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    /// The event is refused.
    #[default]
    Deny,
    /// A person is asked.
    Ask,
    /// The threshold does not fire.
    Skip,
}
