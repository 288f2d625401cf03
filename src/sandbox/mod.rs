//! Commands and files for tools, with no more reach than they were given. Usable without the rest of the crate.
//!
//! A [`Command`] is a program pinned to the file it was when it was decided about, its arguments, and what it may reach:
//! [`Files`], [`Network`], [`Limits`]. [`run()`] runs it and tells in the [`Outcome`] how it ended, what it wrote, and
//! which [`Protection`]s held; what a command [`requires`](Command::require) and the system can't give refuses it.
//! [`Root`] reads and writes files beneath a folder and never outside.
//!
//! What a process may do is limited by itself before it becomes the program, so the host is started again as that
//! process: [`launcher()`] stands first in its `main`.
//!
//! ```no_run
//! use ringfence::sandbox::{self, Command, Program, Protection};
//!
//! let launcher = sandbox::launcher();
//! let git = Program::find("git", ["/usr/bin", "/usr/local/bin"])?;
//! let command = Command::new(git).arg("log").arg("-3").folder("/srv/checkout").require([Protection::Files]);
//! let outcome = sandbox::run(&launcher, &command)?;
//! println!("{:?}: {}", outcome.status, String::from_utf8_lossy(&outcome.stdout.bytes));
//! # Ok::<(), sandbox::SandboxError>(())
//! ```

mod command;
mod confine;
mod files;
mod launch;
mod processes;
mod program;
mod run;
mod temporary;
mod wire;

pub use crate::protection::Protection;
pub use command::{Command, Files, FolderAccess, Limits, Network};
pub use confine::{Level, Missing};
pub use files::{Entry, FileError, FileKind, FileLimits, Listing, Root, Symlinks, Write};
pub use launch::{Launcher, launcher};
pub use program::Program;
pub use run::{Captured, Limit, Outcome, Running, SandboxError, Status, run, run_until, start};
