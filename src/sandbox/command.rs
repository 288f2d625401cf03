//! What to run, and what it may reach.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::program::Program;
use crate::protection::Protection;

/// A command by its arguments; no shell reads them unless it is made by [`Command::shell`].
///
/// Without more said it runs in a folder of its own that is removed at the end, with an empty environment, nothing to
/// read from, no network, and the files of the system to read ([`Files::system`]).
#[derive(Debug, Clone)]
#[must_use]
pub struct Command {
    pub(super) program: Program,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) folder: Option<PathBuf>,
    pub(super) files: Files,
    pub(super) network: Network,
    pub(super) limits: Limits,
    pub(super) required: BTreeSet<Protection>,
}

/// What may be opened. The pinned program itself may always be read and run.
///
/// A root is a folder with all beneath it, or a file, by its absolute path. One that does not exist refuses the command, except
/// those of [`Files::system`].
///
/// Landlock is about opening, making, moving and deleting. Elsewhere too a program finds out names, sizes and times, and may
/// change the mode and times of what its user owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Programs, libraries and settings that most programs need: `/usr`, `/bin`, `/lib`, a few files of `/etc` (not
    /// `/etc/shadow`) and `/dev` (not terminals or disks). Nothing of `/proc`, `/sys`, `/home`, `/root`, `/var` or `/tmp`.
    pub system: bool,
    /// Read only.
    pub read: Vec<OsString>,
    /// Read and run.
    pub execute: Vec<OsString>,
    /// Read, write, create and delete, not run.
    pub write: Vec<OsString>,
    /// The working folder, which need not be named among the roots.
    pub folder: FolderAccess,
}

/// What may be done in the working folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FolderAccess {
    /// Nothing.
    None,
    /// Read only.
    Read,
    /// Read, write, create and delete, not run.
    Write,
}

/// Whether the network is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// No socket of any kind can be made, not even a local one.
    Refuse,
    /// The host's network, without local sockets, through which other programs could be asked to act.
    Allow,
}

/// How much may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// From start to end by the clock.
    pub time: Duration,
    /// Bytes kept of standard output, and as many of standard error; what goes beyond is read and dropped.
    pub output_bytes: usize,
    /// Processor time of each process, in whole seconds, rounded up.
    pub cpu: Duration,
    /// Bytes of memory: what one process may ask for, and what all together may hold, the latter looked at 50 times a second.
    pub memory_bytes: u64,
    /// Bytes of each file written. What all of them hold together has no limit.
    pub file_bytes: u64,
    /// Processes at one time.
    pub processes: u32,
    /// Files open at one time in each process.
    pub descriptors: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            output_bytes: 1 << 20,
            cpu: Duration::from_secs(30),
            memory_bytes: 2 << 30,
            file_bytes: 256 << 20,
            processes: 64,
            descriptors: 256,
        }
    }
}

impl Limits {
    /// Of each limit, the lower one.
    #[must_use]
    pub fn at_most(self, other: &Self) -> Self {
        Self {
            time: self.time.min(other.time),
            output_bytes: self.output_bytes.min(other.output_bytes),
            cpu: self.cpu.min(other.cpu),
            memory_bytes: self.memory_bytes.min(other.memory_bytes),
            file_bytes: self.file_bytes.min(other.file_bytes),
            processes: self.processes.min(other.processes),
            descriptors: self.descriptors.min(other.descriptors),
        }
    }
}

impl Files {
    /// The files of the system and the working folder, which may be written to.
    #[must_use]
    pub fn system() -> Self {
        Self { system: true, folder: FolderAccess::Write, ..Self::nothing() }
    }

    /// Nothing but the program: enough for one that is linked statically. Even the working folder can't be read.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            system: false,
            read: Vec::new(),
            execute: Vec::new(),
            write: Vec::new(),
            folder: FolderAccess::None,
        }
    }

    /// Adds a root to read.
    #[must_use]
    pub fn read(mut self, root: impl Into<OsString>) -> Self {
        self.read.push(root.into());
        self
    }

    /// Adds a root to read and run from.
    #[must_use]
    pub fn execute(mut self, root: impl Into<OsString>) -> Self {
        self.execute.push(root.into());
        self
    }

    /// Adds a root to write to.
    #[must_use]
    pub fn write(mut self, root: impl Into<OsString>) -> Self {
        self.write.push(root.into());
        self
    }
}

impl Command {
    /// A program to be run with the arguments added.
    pub fn new(program: Program) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            files: Files::system(),
            network: Network::Refuse,
            limits: Limits::default(),
            required: BTreeSet::new(),
        }
    }

    /// A script given to a shell (`sh -c`): for a verdict that allowed what the script does.
    pub fn shell(shell: Program, script: impl AsRef<OsStr>) -> Self {
        Self::new(shell).arg("-c").arg(script)
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Adds a variable to the environment, which is empty without.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs in this folder rather than in a fresh one. It must exist and not be a link.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// What may be opened.
    pub fn files(mut self, files: Files) -> Self {
        self.files = files;
        self
    }

    /// Whether the network is there.
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// How much may be used.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lowers the limits to these where they are higher.
    pub fn at_most(mut self, limits: &Limits) -> Self {
        self.limits = self.limits.at_most(limits);
        self
    }

    /// Refuses to run where one of these does not hold.
    pub fn require(mut self, protections: impl IntoIterator<Item = Protection>) -> Self {
        self.required.extend(protections);
        self
    }
}
