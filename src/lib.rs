//! Policy-as-data for AI agents.

pub mod diagnostic;
