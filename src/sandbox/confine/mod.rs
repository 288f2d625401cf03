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
use crate::protection::Protection;

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
