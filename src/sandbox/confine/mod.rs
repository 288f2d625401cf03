//! What a process takes from itself before it becomes the program.

#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod namespaces;
mod rlimits;
#[cfg(target_os = "linux")]
mod seccomp;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
pub(super) use namespaces::{Entered, enter};

use super::wire::Spec;

/// What holds of a command while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protection {
    /// Processor time, memory, file size and descriptors have limits (`setrlimit`). Each process has its own.
    Limits,
    /// The number of processes and the memory of all together have limits, looked at 50 times a second.
    Processes,
    /// Whatever it started is gone when it ends, also what left its process group (PID namespace, or orphans taken in).
    Tree,
    /// Set-user-ID programs give it nothing.
    NoNewPrivileges,
    /// It has none of root's powers, though it may run under root's name.
    NoCapabilities,
    /// It opens only the files that it was given (Landlock, with truncation).
    Files,
    /// It can't make a socket (seccomp; besides, a network namespace without a network and Landlock where there are).
    /// Holds only where the network is refused.
    Network,
    /// It can't signal processes outside, or reach their abstract sockets (Landlock).
    Signals,
    /// System calls that reach into other processes or the kernel are refused (seccomp).
    SystemCalls,
    /// It sees no process, message queue or network of the host (user, PID, IPC, UTS and, if refused, network namespace).
    Namespaces,
}

impl Protection {
    /// The name in reports and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Processes => "processes",
            Self::Tree => "tree",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::NoCapabilities => "no-capabilities",
            Self::Files => "files",
            Self::Network => "network",
            Self::Signals => "signals",
            Self::SystemCalls => "system-calls",
            Self::Namespaces => "namespaces",
        }
    }
}

/// Which protections a command ran under.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Those that held.
    pub held: BTreeSet<Protection>,
    /// Those that were tried and did not.
    pub missing: Vec<Missing>,
}

/// A protection that does not hold, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which.
    pub protection: Protection,
    /// What the system said.
    pub why: String,
}

impl Level {
    /// Whether it held.
    #[must_use]
    pub fn holds(&self, protection: Protection) -> bool {
        self.held.contains(&protection)
    }

    pub(super) fn note<E: ToString>(&mut self, protection: Protection, done: Result<(), E>) {
        match done {
            Ok(()) => drop(self.held.insert(protection)),
            Err(why) => self.missing.push(Missing { protection, why: why.to_string() }),
        }
    }
}

/// Takes everything that the command was not given. Nothing can be opened behind this but what the command may open.
///
/// # Errors
/// When a root that the command names can't be opened. A protection that the system lacks is noted in the level.
pub(super) fn confine(spec: &Spec, program: &File, folder: &File, level: &mut Level) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use super::command::Network;

        level.note(Protection::NoNewPrivileges, rustix::thread::set_no_new_privs(true));
        landlock::restrict(spec, program, folder, level)?;
        level.note(Protection::NoCapabilities, drop_capabilities());
        level.note(Protection::Limits, rlimits::set(spec, level.holds(Protection::Namespaces)));
        let filtered = seccomp::filter(spec.network);
        if spec.network == Network::Refuse {
            level.note(Protection::Network, filtered.as_ref().map(|_| ()));
        }
        level.note(Protection::SystemCalls, filtered);
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (program, folder);
        level.note(Protection::Limits, rlimits::set(spec, false));
        for protection in [
            Protection::NoNewPrivileges,
            Protection::NoCapabilities,
            Protection::Files,
            Protection::Network,
            Protection::Signals,
            Protection::SystemCalls,
        ] {
            level.note(protection, Err("only Linux has it"));
        }
    }
    Ok(())
}

/// With no new privileges, what is not permitted now can't be gained by running a program, root's or other.
#[cfg(target_os = "linux")]
fn drop_capabilities() -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

    let none = CapabilitySet::empty();
    // Ambient ones go with the permitted ones.
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}
