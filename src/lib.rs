//! Policy-as-data for AI agents.

pub mod audit;
pub mod bundle;
pub mod cedar;
pub mod compile;
pub mod decode;
pub mod diagnostic;
pub mod engine;
pub mod event;
pub mod guard;
pub mod harness;
pub mod redact;
pub mod rule;
pub mod schema;
pub mod session;
pub mod surface;
pub mod text;
pub mod tool;
pub mod verdict;
mod yaml;
