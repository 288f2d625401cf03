//! Policy-as-data for AI agents.

pub mod decode;
pub mod diagnostic;
pub mod event;
pub mod redact;
pub mod verdict;
mod yaml;
