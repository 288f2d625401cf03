//! The guarded OpenAI client: Chat Completions and Responses, in which everything on its way to the model and back goes
//! through the guard.
//!
//! [`GuardedClient`] takes the place of `async_openai::Client`: the same requests and the same answers, with what policy
//! changes or refuses in them. [`GuardedAgent::run`] is a tool loop, whose calls are decided about before they are run and
//! their results after. What is not understood is refused: members of requests, items of answers, other addresses.

mod approve;
mod beside;
mod client;
mod conversation;
mod create;
mod detect;
mod digest;
mod draft;
mod error;
mod keys;
mod request;
mod reveal;
mod run;
#[cfg(all(unix, feature = "sandbox"))]
mod sandboxed;
pub mod scripted;
mod service;
mod stream;
mod telemetry;
mod tools;
mod transport;
mod wire;
mod withheld;

pub use crate::bundle::RefusedCalls;
pub use approve::{Answer, Approver, Ask, HttpApprover, Question};
pub use client::{AsUser, ClientBuilder, GuardedAgent, GuardedClient, IntoGuard};
pub use create::{AgentConfig, CreatedAgent};
pub use detect::{DetectError, Detector, HttpDetector, Moderation, Scores};
pub use error::{GuardError, Refusal, What};
pub use keys::{CommandKeys, EnvironmentKeys, FileKeys, KeyError, KeyProvider, OneKey};
pub use run::{Finished, Progress, RunLimits, Talk};
pub use telemetry::ATTRIBUTES;
pub use tools::{Tool, ToolError, Tools};
pub use wire::{Api, Unfit};
