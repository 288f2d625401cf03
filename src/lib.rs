//! Policy-as-data for AI agents: Cedar policies and YAML rule packs, compiled once and applied around every agent call.
//!
//! A [`Bundle`] is the policy files; [`compile()`] makes an [`Engine`] of it, or every diagnostic; a [`Guard`] holds the
//! engine and the sessions and answers each [`Event`] with a [`Verdict`]. Whatever fails inside is a deny.
//!
//! ```
//! use ringfence::{Decision, Engine, Event, Guard, User};
//!
//! let guard = Guard::new(Engine::embedded()?);
//! let ann = || User::new("ann", ["user"]);
//!
//! // Personal data is taken out before the model sees it.
//! let event = Event::input("s1", ann(), "assistant", "My card is 4111 1111 1111 1111");
//! let verdict = guard.check(&event);
//! assert_eq!(verdict.enforced, Decision::Allow);
//! let edited = event.with_edits(&verdict.edits);
//! assert_eq!(edited.to_spec().text, Some("My card is [CC_REMOVED]".into()));
//!
//! // What nothing permits is refused.
//! let call = Event::tool_call("s1", ann(), "assistant", "run_command", serde_json::json!({ "command": "ls" }));
//! assert_eq!(guard.check(&call).reasons[0].code.name(), "nothing-permits");
//! # Ok::<(), ringfence::CompileError>(())
//! ```
//!
//! What a model writes bit by bit is cleaned bit by bit: text is released once nothing that follows can change it.
//!
//! ```
//! # let engine = ringfence::Engine::embedded()?;
//! let mut stream = engine.stream(&engine.rule_set(&[]).expect("no names: all rules"));
//! let mut shown = String::new();
//! for chunk in ["My mail is ann@corp", ".example. What is", " yours?"] {
//!     shown.push_str(&stream.push(chunk.as_bytes()).text);
//! }
//! shown.push_str(&stream.finish().text);
//! assert_eq!(shown, "My mail is [EMAIL_REMOVED]. What is yours?");
//! # Ok::<(), ringfence::CompileError>(())
//! ```
//!
//! With `default-features = false` there is no terminal crate, no async runtime and no network client in the build. The
//! feature `openai` brings the guarded client of `surface::openai` with both.

pub mod audit;
pub mod bundle;
mod cedar;
pub mod compile;
pub mod decode;
pub mod diagnostic;
pub mod engine;
pub mod event;
pub mod guard;
pub mod harness;
pub mod protection;
pub mod redact;
#[cfg(feature = "audit")]
pub mod retention;
pub mod rule;
#[cfg(all(unix, feature = "sandbox"))]
pub mod sandbox;
pub mod schema;
pub mod session;
#[cfg(feature = "audit")]
pub mod signed;
#[cfg(feature = "audit")]
pub mod store;
pub mod surface;
pub mod text;
pub mod tool;
pub mod verdict;
mod yaml;

pub use bundle::Bundle;
pub use cedar::{AttributeType, AttributeValue, PolicyEffect, PolicyInfo};
pub use compile::{CompileError, CompileOptions, Compiled, compile};
pub use engine::Engine;
pub use event::{Event, Stage, User};
pub use guard::Guard;
pub use session::Session;
pub use verdict::{Decision, Verdict};
