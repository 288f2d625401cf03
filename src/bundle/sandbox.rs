//! `sandbox:` of the manifest as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::quantity::{ByteSize, Period};
use crate::decode::Spanned;
use crate::protection::Protection;

/// What the sandbox has to give the commands of tools, and what it gives them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SandboxSpec {
    /// Protections without which a command is not run.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["files", "network", "tree"]]))]
    pub(crate) require: Vec<Protection>,
    /// Variables of the host's environment that commands are given, by their names.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["LANG", "PATH"]]))]
    pub(crate) environment: Vec<Spanned<String>>,
    /// What a command may use at most.
    #[serde(default)]
    #[schemars(extend("examples" = [{"time": "30s", "memory_bytes": "512MiB", "processes": 32}]))]
    pub(crate) limits: SandboxLimitsSpec,
}

/// What a command may use at most. What is absent is as the host has it, or by default 30 s, 1 MiB of output, 30 s of processor
/// time, 2 GiB of memory, 256 MiB in one file, 64 processes and 256 descriptors.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SandboxLimitsSpec {
    /// From start to end by the clock.
    #[schemars(extend("default" = "30s", "examples" = ["10s"]))]
    pub(crate) time: Option<Spanned<Period>>,
    /// Bytes kept of standard output, and as many of standard error.
    #[schemars(extend("default" = "1MiB", "examples" = ["64KiB"]))]
    pub(crate) output_bytes: Option<Spanned<ByteSize>>,
    /// Processor time of each process.
    #[schemars(extend("default" = "30s", "examples" = ["10s"]))]
    pub(crate) cpu: Option<Spanned<Period>>,
    /// Memory of one process, and of all together.
    #[schemars(extend("default" = "2GiB", "examples" = ["512MiB"]))]
    pub(crate) memory_bytes: Option<Spanned<ByteSize>>,
    /// Bytes of each file that is written; with 0, none is.
    #[schemars(extend("default" = "256MiB", "examples" = ["16MiB"]))]
    pub(crate) file_bytes: Option<Spanned<ByteSize>>,
    /// Processes at one time.
    #[schemars(extend("default" = 64, "examples" = [16]))]
    pub(crate) processes: Option<Spanned<u32>>,
    /// Files open at one time in each process.
    #[schemars(extend("default" = 256, "examples" = [64]))]
    pub(crate) descriptors: Option<Spanned<u32>>,
}
