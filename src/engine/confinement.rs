//! What the bundle requires of the sandbox in which the commands of tools run.

use std::time::Duration;

use super::Engine;
use crate::protection::Protection;

/// `sandbox:` of the manifest: what has to hold of a command that a tool runs, what it is given and what it may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxPolicy {
    pub(crate) required: Vec<Protection>,
    pub(crate) environment: Vec<String>,
    pub(crate) most: Most,
}

/// What a command may use at most, as far as the bundle says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) time: Option<Duration>,
    pub(crate) output_bytes: Option<u64>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) file_bytes: Option<u64>,
    pub(crate) processes: Option<u32>,
    pub(crate) descriptors: Option<u32>,
}

impl Engine {
    /// What the bundle requires of the sandbox.
    #[must_use]
    pub fn sandbox(&self) -> &SandboxPolicy {
        &self.0.sandbox
    }
}

impl SandboxPolicy {
    /// Protections without which a command is not run, by their names in reports.
    pub fn required(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().map(|required| required.name())
    }

    /// Variables of the host's environment that commands are given.
    #[must_use]
    pub fn environment(&self) -> &[String] {
        &self.environment
    }

    /// How long a command may take, where the bundle says so.
    #[must_use]
    pub fn time(&self) -> Option<Duration> {
        self.most.time
    }
}

#[cfg(all(unix, feature = "sandbox"))]
mod applied {
    use std::ffi::OsString;

    use super::SandboxPolicy;
    use crate::sandbox::{Command, Limits};

    impl SandboxPolicy {
        /// The limits of a command: those of the bundle, and the default ones where it says nothing.
        #[must_use]
        pub fn limits(&self) -> Limits {
            self.over(Limits::default())
        }

        /// A command as the bundle lets it run: it requires what the bundle requires, uses no more than the bundle allows, and is
        /// given those variables of `host` that the bundle lists, in place of any of its own of the same name. `host` is mostly
        /// `std::env::vars_os()`.
        ///
        /// What the bundle requires can't be taken back: a command that does not get it is not run.
        pub fn confine(
            &self,
            command: Command,
            host: impl IntoIterator<Item = (OsString, OsString)>,
        ) -> Command {
            let most = Limits {
                time: std::time::Duration::MAX,
                output_bytes: usize::MAX,
                cpu: std::time::Duration::MAX,
                memory_bytes: u64::MAX,
                file_bytes: u64::MAX,
                processes: u32::MAX,
                descriptors: u32::MAX,
            };
            let listed = |name: &OsString| self.environment.iter().any(|listed| name == listed.as_str());
            host.into_iter()
                .filter(|(name, _)| listed(name))
                .fold(command, |command, (name, value)| command.env(name, value))
                .require(self.required.iter().copied())
                .at_most(&self.over(most))
        }

        fn over(&self, limits: Limits) -> Limits {
            let most = &self.most;
            Limits {
                time: most.time.unwrap_or(limits.time),
                output_bytes: most
                    .output_bytes
                    .map_or(limits.output_bytes, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
                cpu: most.cpu.unwrap_or(limits.cpu),
                memory_bytes: most.memory_bytes.unwrap_or(limits.memory_bytes),
                file_bytes: most.file_bytes.unwrap_or(limits.file_bytes),
                processes: most.processes.unwrap_or(limits.processes),
                descriptors: most.descriptors.unwrap_or(limits.descriptors),
            }
        }
    }
}
