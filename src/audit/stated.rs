//! What an event stated beside its content: with that, and the content where it was kept, it can be decided again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{AccessKind, Body, Event, InputPart};

/// Largest number that a canonical record holds exactly.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// What an event stated beside its content.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StatedRecord<'a> {
    /// The user's direct roles. Absent where the event stated none: they are then those that it stated last in this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<&'a [String]>,
    /// Whether it stated attributes of the user. Their values are not recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub attributes: bool,
    /// At `input`: who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<InputPart>,
    /// At `access`: what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<AskedRecord<'a>>,
    /// What detectors stated: scores by fact and category.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<&'a str, BTreeMap<&'a str, f64>>,
    /// Model tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// What was asked for at `access`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AskedRecord<'a> {
    /// To run an agent, or to create one.
    pub kind: AccessKind,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// The tools that were offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<&'a [String]>,
}

impl<'a> StatedRecord<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        let user = &event.user;
        let part = match &event.body {
            Body::Input { part, .. } => Some(*part),
            Body::Access(_) | Body::ToolCall { .. } | Body::ToolResult { .. } | Body::Output { .. } => None,
        };
        let access = match &event.body {
            Body::Access(access) => Some(AskedRecord {
                kind: access.kind,
                model: access.model.as_deref(),
                tools: access.tools.as_deref(),
            }),
            Body::Input { .. } | Body::ToolCall { .. } | Body::ToolResult { .. } | Body::Output { .. } => {
                None
            }
        };
        let scores = |scores: &'a BTreeMap<String, f64>| {
            // A score that a record can't hold exactly is none.
            let exact = scores.iter().filter(|(_, score)| score.abs() <= EXACT);
            exact.map(|(category, score)| (category.as_str(), *score)).collect()
        };
        Self {
            roles: user.roles.as_deref(),
            attributes: user.attributes.is_some(),
            part,
            access,
            facts: event.facts.iter().map(|(fact, list)| (fact.as_str(), scores(list))).collect(),
            tokens: event.tokens.filter(|tokens| *tokens < 1 << 53),
        }
    }
}
