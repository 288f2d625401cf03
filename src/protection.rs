//! What can hold of a command while it runs: bundles require it by name, whether or not the sandbox is part of the program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What holds of a command while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ProtectionSpec", description = "A protection of the sandbox.")]
#[non_exhaustive]
pub enum Protection {
    /// Processor time, memory, file size and descriptors have limits (`setrlimit`). Each process has its own.
    #[schemars(
        description = "Processor time, memory, file size and descriptors of each process have limits."
    )]
    Limits,
    /// The number of processes and the memory of all together have limits, looked at 50 times a second.
    #[schemars(description = "The number of processes and the memory of all together have limits.")]
    Processes,
    /// Whatever it started is gone when it ends, also what left its process group (PID namespace, or orphans taken in).
    #[schemars(description = "Whatever the command started is gone when it ends.")]
    Tree,
    /// Set-user-ID programs give it nothing.
    NoNewPrivileges,
    /// It has none of root's powers, though it may run under root's name.
    #[schemars(description = "It has none of root's powers.")]
    NoCapabilities,
    /// It opens only the files that it was given (Landlock, with truncation).
    #[schemars(description = "It opens only the files that it was given.")]
    Files,
    /// It can't make a socket (seccomp; besides, a network namespace without a network and Landlock where there are).
    /// Holds only where the network is refused.
    #[schemars(description = "It can't make a socket.")]
    Network,
    /// It can't signal processes outside, or reach their abstract sockets (Landlock).
    #[schemars(description = "It can't signal processes outside.")]
    Signals,
    /// System calls that reach into other processes or the kernel are refused (seccomp).
    #[schemars(description = "System calls that reach into other processes or the kernel are refused.")]
    SystemCalls,
    /// It sees no process, message queue or network of the host (user, PID, IPC, UTS and, if refused, network namespace).
    #[schemars(description = "It sees no process, message queue or network of the host.")]
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
