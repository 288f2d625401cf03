//! Tools of the sandbox, ready-made: files below a folder, and commands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tools::{ToolError, Tools};
use crate::engine::{Engine, SandboxPolicy};
use crate::sandbox::{self, Command, Files, Launcher, Limits, Network, Program, Root, Symlinks, Write};
use crate::tool::CommandLine;

/// Where programs are looked for.
const PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

#[derive(Deserialize, JsonSchema)]
struct ReadFile {
    /// A file below the working folder.
    path: String,
}

#[derive(Deserialize, JsonSchema)]
struct ListDirectory {
    /// A folder below the working folder; itself where absent.
    path: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct WriteFile {
    /// A file below the working folder.
    path: String,
    /// Its new content.
    content: String,
}

#[derive(Deserialize, JsonSchema)]
struct RunCommand {
    /// A command line.
    command: String,
}

impl Tools {
    /// `read_file` and `list_directory` below a folder, and with `writes` also `write_file`. No link is followed.
    ///
    /// # Errors
    /// Where the folder can't be opened.
    pub fn files(self, folder: impl Into<PathBuf>, writes: bool) -> Result<Self, ToolError> {
        let root = Arc::new(Root::open(folder.into(), Symlinks::Refuse).map_err(ToolError::new)?);
        let (reads, lists) = (Arc::clone(&root), Arc::clone(&root));
        let tools = self
            .function(
                "read_file",
                "Reads a text file below the working folder",
                move |arguments: ReadFile| {
                    let root = Arc::clone(&reads);
                    blocking(move || {
                        let bytes = root.read(arguments.path).map_err(ToolError::new)?;
                        Ok(Value::String(crate::text::decode(bytes)))
                    })
                },
            )
            .function(
                "list_directory",
                "Lists a folder below the working folder",
                move |arguments: ListDirectory| {
                    let root = Arc::clone(&lists);
                    blocking(move || {
                        let path = arguments.path.unwrap_or_else(|| ".".to_owned());
                        let listing = root.list(path).map_err(ToolError::new)?;
                        let names =
                            listing.entries.iter().map(|entry| entry.name.to_string_lossy().into_owned());
                        Ok(json!(names.collect::<Vec<_>>()))
                    })
                },
            );
        if !writes {
            return Ok(tools);
        }
        Ok(tools.function(
            "write_file",
            "Writes a text file below the working folder",
            move |arguments: WriteFile| {
                let root = Arc::clone(&root);
                blocking(move || {
                    let bytes = arguments.content.as_bytes();
                    root.write(arguments.path, bytes, Write::CreateOrReplace).map_err(ToolError::new)?;
                    Ok(json!("written"))
                })
            },
        ))
    }

    /// `run_command` in a folder: without network, not longer than `time`, and with what the engine's bundle requires of the
    /// sandbox. A run that is dropped ends the command.
    #[must_use]
    pub fn commands(
        self,
        engine: &Engine,
        launcher: &Launcher,
        folder: impl Into<PathBuf>,
        time: Duration,
    ) -> Self {
        let (required, launcher, folder) = (engine.sandbox().clone(), launcher.clone(), folder.into());
        self.function(
            "run_command",
            "Runs a command line in the working folder",
            move |arguments: RunCommand| {
                let started = command(&arguments.command, &folder, time, &required)
                    .and_then(|command| sandbox::start(&launcher, command).map_err(ToolError::new));
                async move {
                    let outcome = started?.await.map_err(ToolError::new)?;
                    let mut text = crate::text::decode(outcome.output());
                    if !outcome.status.is_success() {
                        text.push_str(&format!("\n[{:?}]\n", outcome.status));
                    }
                    Ok::<_, ToolError>(text)
                }
            },
        )
    }
}

async fn blocking(
    work: impl FnOnce() -> Result<Value, ToolError> + Send + 'static,
) -> Result<Value, ToolError> {
    tokio::task::spawn_blocking(work).await.map_err(ToolError::new)?
}

fn command(
    line: &str,
    folder: &PathBuf,
    time: Duration,
    required: &SandboxPolicy,
) -> Result<Command, ToolError> {
    let parsed = CommandLine::parse(line).map_err(ToolError::new)?;
    let find = |name: &str| Program::find(name, PATH).map_err(ToolError::new);
    let command = match parsed.plain() {
        Some((program, arguments)) => Command::new(find(program)?).args(arguments),
        None => Command::shell(find("bash")?, line),
    };
    let command = command
        .folder(folder)
        .files(Files::system())
        .network(Network::Refuse)
        .limits(Limits { time, ..required.limits() })
        .env("PATH", PATH.join(":"))
        .env("LANG", "C.UTF-8")
        .env("HOME", folder);
    Ok(required.confine(command, std::env::vars_os()))
}
