//! Doors to the guard. Each translates in, asks, and translates out; none decides anything.

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "openai")]
pub mod openai;
