//! Namespaces of our own: no other process, no network, no message queue to see.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use rustix::process::{getegid, geteuid};

use crate::sandbox::command::Network;

/// How far it went.
pub(in crate::sandbox) enum Entered {
    /// The next process that is started is the first of its namespace.
    All,
    /// Nothing was changed.
    None(String),
    /// The user namespace was entered, but names no user: it can't be used, and can't be left.
    Stuck(String),
}

/// Enters new namespaces, as the same user.
pub(in crate::sandbox) fn enter(network: Network) -> Entered {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let mut flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if network == Network::Refuse {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if let Err(error) = unshare(flags) {
        return Entered::None(error.to_string());
    }
    match name_user(user, group) {
        Ok(()) => Entered::All,
        Err(error) => Entered::Stuck(error.to_string()),
    }
}

fn name_user(user: u32, group: u32) -> io::Result<()> {
    // The kernel lets a user name their own group only once groups can no longer be dropped.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}
