//! Spans and events for `tracing`, with the names of OpenTelemetry's conventions for generative AI. No content in them.

use tracing::Span;

use super::wire::Api;
use crate::event::Event;
use crate::verdict::Verdict;

/// The conventions' names, in one place since they still change: attribute, and what it holds here.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    ("gen_ai.operation.name", "`chat`, `execute_tool` or `create_agent`"),
    ("gen_ai.provider.name", "`openai`"),
    ("gen_ai.agent.name", "the agent"),
    ("gen_ai.conversation.id", "the session"),
    ("gen_ai.request.model", "the model that was asked for"),
    ("gen_ai.tool.name", "the tool of a call"),
    ("gen_ai.tool.call.id", "the id of a call"),
    ("gen_ai.usage.total_tokens", "tokens of the exchange"),
    ("ringfence.stage", "the stage of a verdict"),
    ("ringfence.decision", "what was enforced"),
    ("ringfence.reason", "the code of the deciding reason"),
];

/// The span of one exchange with the model.
pub(crate) fn exchange(api: Api, agent: &str, session: &str, request: &serde_json::Value) -> Span {
    tracing::info_span!(
        "chat",
        "gen_ai.operation.name" = "chat",
        "gen_ai.provider.name" = "openai",
        "gen_ai.agent.name" = agent,
        "gen_ai.conversation.id" = session,
        "gen_ai.request.model" = request.get("model").and_then(serde_json::Value::as_str),
        "gen_ai.usage.total_tokens" = tracing::field::Empty,
        "url.path" = api.path(),
    )
}

/// The span of one tool call.
pub(crate) fn tool(tool: &str, call: &str, session: &str) -> Span {
    tracing::info_span!(
        "execute_tool",
        "gen_ai.operation.name" = "execute_tool",
        "gen_ai.tool.name" = tool,
        "gen_ai.tool.call.id" = call,
        "gen_ai.conversation.id" = session,
    )
}

/// Tells of a verdict.
pub(crate) fn verdict(event: &Event, verdict: &Verdict) {
    let reason = verdict.reasons.first().map(|reason| reason.code.name());
    tracing::debug!(
        "ringfence.stage" = event.stage().name(),
        "ringfence.decision" = verdict.enforced.name(),
        "ringfence.reason" = reason,
        "gen_ai.conversation.id" = %event.session,
        "verdict"
    );
}
