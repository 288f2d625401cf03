//! `ringfence exec`: one tool call from decision to scanned result.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::Exit;
use super::bundle::{Applied, Key};
use super::report::{self, Out};
use super::sink::{Records, Sink};
use crate::event::{Body, Event, User};
use crate::guard::Guard;
use crate::sandbox::{self, Command, Files, Network, Outcome, Program, Root, Status, Symlinks};
use crate::tool::CommandLine;
use crate::verdict::{Decision, Verdict};

/// Where programs are looked for.
const PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// The session of the call.
const SESSION: &str = "exec";

/// Decide a tool call, run it in the sandbox, and scan what comes back
///
/// The call is decided like an agent's: the agent's access first, then the call with its arguments. What is allowed runs with
/// the edits that the verdict asks for, a command without a shell unless it needs one, and its result is decided before it
/// is printed. A refused call, or a refused result, ends with 1. What the bundle requires of the sandbox (`sandbox:` in
/// ringfence.yaml) and this system can't give ends with 2, and nothing is run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence exec --tool read_file --path src/main.rs
  ringfence exec --role engineer --tool run_command --command 'git log --oneline -n 5'
  ringfence exec --bundle policies/ --role engineer --tool run_command --command 'ls -la src' --format json")]
pub(super) struct Exec {
    /// The tool, as the bundle declares it.
    #[arg(long)]
    tool: String,
    /// The argument `command`: a command line to be run.
    #[arg(long, conflicts_with = "path", required_unless_present = "path")]
    command: Option<String>,
    /// The argument `path`: a file below the root to be read.
    #[arg(long)]
    path: Option<String>,
    /// Further arguments of the call, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    arguments: String,
    /// The folder in which a command runs and paths begin.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// A further folder from which programs may be run.
    #[arg(long, value_name = "DIR")]
    execute: Vec<PathBuf>,
    /// A further folder that may be read.
    #[arg(long, value_name = "DIR")]
    read: Vec<PathBuf>,
    /// Let the command use the network.
    #[arg(long)]
    network: bool,
    /// Seconds that a command may take, no more than the bundle allows [default: what the bundle says, else 30].
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    #[command(flatten)]
    bundle: Applied,
    /// The user.
    #[arg(long, default_value = "local")]
    user: String,
    /// The user's roles; may be given several times.
    #[arg(long, default_value = "user")]
    role: Vec<String>,
    /// The agent.
    #[arg(long, default_value = "assistant")]
    agent: String,
    #[command(flatten)]
    records: Records,
    /// How the outcome is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The result alone; what was refused goes to stderr.
    Text,
    /// Verdicts, result and how the command ended, in one object.
    Json,
}

/// What a tool gave.
struct Ran {
    output: String,
    how: Value,
    /// It did what it was to do.
    well: bool,
}

impl Exec {
    pub(super) fn run(mut self, out: &mut Out) -> anyhow::Result<Exit> {
        let options = self.key.options()?;
        let (engine, _) = match self.bundle.engine(&options) {
            Ok(ready) => ready,
            Err(error) => {
                self.records.bundle_refused(&self.bundle, &options);
                return Err(error);
            }
        };
        if let (Some(asked), Some(most)) = (self.time, engine.sandbox().time())
            && asked > most.as_secs()
        {
            bail!("`--time {asked}` is more than the {} seconds that the bundle allows", most.as_secs());
        }
        let folder =
            |path: &PathBuf| path.canonicalize().with_context(|| format!("no folder `{}`", path.display()));
        let root = folder(&self.root)?;
        self.execute = self.execute.iter().map(folder).collect::<Result<_, _>>()?;
        self.read = self.read.iter().map(folder).collect::<Result<_, _>>()?;
        let sink = self.records.open(engine.is_audit_batched(), false)?;
        let mut builder = Guard::builder(engine);
        if let Some(sink) = &sink {
            builder = builder.sink(sink.for_guard());
        }
        let guard = builder.build();
        self.records.note_unkept(&guard);
        // Paths are resolved where the tool runs.
        std::env::set_current_dir(&root).with_context(|| format!("can't use `{}`", root.display()))?;
        let exit = self.go(&guard, &root, out);
        drop(guard);
        if let Some(Err(error)) = sink.map(Sink::close) {
            report::error(&anyhow::Error::new(error));
            return exit.and(Ok(Exit::Failed));
        }
        exit
    }

    /// Decides, runs, decides about the result and prints it.
    fn go(&self, guard: &Guard, root: &Path, out: &mut Out) -> anyhow::Result<Exit> {
        let user = User::new(self.user.clone(), self.role.clone());
        let access = Event::run(SESSION, user.clone(), &self.agent, None, vec![self.tool.clone()]);
        let verdict = guard.check(&access);
        if !verdict.is_allowed() {
            return self.refused("the agent", &verdict, out);
        }
        // The program that is decided about is the one that is there now.
        let pinned = self.command.as_deref().and_then(pinned);
        let call = Event::tool_call(SESSION, user.clone(), &self.agent, &self.tool, self.arguments()?);
        let verdict = guard.check(&call);
        if !verdict.is_allowed() {
            return self.refused("the call", &verdict, out);
        }
        let edited = call.with_edits(&verdict.edits);
        let Body::ToolCall { arguments, .. } = &edited.body else { bail!("the call is none") };
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let ran = match (text("command"), text("path")) {
            (Some(command), _) => self.command(guard, command, pinned, root)?,
            (None, Some(path)) => read(path, root)?,
            (None, None) => bail!("the call has neither `command` nor `path`"),
        };
        let result = Event::tool_result(SESSION, user, &self.agent, &self.tool, ran.output.clone());
        let verdict = guard.check(&result);
        if !verdict.is_allowed() {
            return self.refused("the result", &verdict, out);
        }
        let cleaned = result.with_edits(&verdict.edits);
        let Body::ToolResult { result: cleaned, .. } = &cleaned.body else { bail!("the result is none") };
        let cleaned = cleaned.as_str().unwrap_or_default();
        match self.format {
            Format::Text => out.raw(cleaned.as_bytes())?,
            Format::Json => {
                let object =
                    json!({ "decision": "allow", "result": cleaned, "ran": ran.how, "verdict": verdict });
                out.line(&serde_json::to_string(&object)?)?;
            }
        }
        if !ran.well {
            report::note(&format!(
                "the command ended otherwise than well: {}",
                ran.how.get("status").unwrap_or(&Value::Null)
            ));
        }
        Ok(if ran.well { Exit::Fine } else { Exit::Found })
    }

    fn arguments(&self) -> anyhow::Result<Value> {
        let mut arguments: Map<String, Value> =
            serde_json::from_str(&self.arguments).context("`--arguments` is no JSON object")?;
        let own = [("command", &self.command), ("path", &self.path)];
        for (name, value) in own {
            if let Some(value) = value {
                arguments.insert(name.to_owned(), Value::String(value.clone()));
            }
        }
        Ok(Value::Object(arguments))
    }

    fn refused(&self, what: &str, verdict: &Verdict, out: &mut Out) -> anyhow::Result<Exit> {
        match self.format {
            Format::Json => {
                let object = json!({ "decision": verdict.enforced, "refused": what, "verdict": verdict });
                out.line(&serde_json::to_string(&object)?)?;
            }
            Format::Text => {
                let how = if verdict.enforced == Decision::Ask { "needs an approval" } else { "is refused" };
                report::note(&format!("{what} {how}"));
                for reason in &verdict.reasons {
                    let field =
                        reason.field.as_deref().map(|field| format!(" ({field})")).unwrap_or_default();
                    report::note(&format!("  {}{field}: {}", reason.code.name(), reason.message));
                }
            }
        }
        Ok(Exit::Found)
    }

    /// Runs a command line: by its words where it is nothing else, otherwise through a shell.
    fn command(
        &self,
        guard: &Guard,
        line: &str,
        pinned: Option<(String, Program)>,
        root: &Path,
    ) -> anyhow::Result<Ran> {
        let parsed = CommandLine::parse(line).context("the command can't be read")?;
        let command = match parsed.plain() {
            Some((name, arguments)) => {
                let program = match pinned {
                    Some((pinned, program)) if pinned == name => program,
                    // An edit made it another one.
                    _ => Program::find(name, PATH)?,
                };
                Command::new(program).args(arguments)
            }
            None => Command::shell(Program::find("bash", PATH).context("the command needs a shell")?, line),
        };
        let mut files = Files::system();
        files = self.execute.iter().fold(files, Files::execute);
        files = self.read.iter().fold(files, Files::read);
        let engine = guard.engine();
        let required = engine.sandbox();
        let mut limits = required.limits();
        if let Some(seconds) = self.time {
            limits.time = Duration::from_secs(seconds);
        }
        let command = command
            .folder(root)
            .files(files)
            .network(if self.network { Network::Allow } else { Network::Refuse })
            .limits(limits)
            .env("PATH", PATH.join(":"))
            .env("LANG", "C.UTF-8")
            .env("HOME", root);
        let command = required.confine(command, std::env::vars_os());
        let outcome = sandbox::run(&sandbox::launcher(), &command)?;
        Ok(Ran {
            output: crate::text::decode(outcome.output()),
            how: how(&outcome),
            well: outcome.status.is_success(),
        })
    }
}

/// The program of a command that needs no shell, by its name.
fn pinned(line: &str) -> Option<(String, Program)> {
    let parsed = CommandLine::parse(line).ok()?;
    let (name, _) = parsed.plain()?;
    Some((name.to_owned(), Program::find(name, PATH).ok()?))
}

fn how(outcome: &Outcome) -> Value {
    let status = match outcome.status {
        Status::Exited(code) => json!({ "exited": code }),
        Status::Signalled(signal) => json!({ "signal": signal }),
        Status::TimedOut => json!("timed_out"),
        Status::Cancelled => json!("cancelled"),
        Status::OverLimit(limit) => json!({ "over_limit": limit }),
    };
    json!({
        "status": status,
        "truncated": outcome.stdout.is_truncated() || outcome.stderr.is_truncated(),
        "seconds": outcome.wall.as_secs_f64(),
        "cpu_seconds": outcome.cpu.as_secs_f64(),
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "protections": outcome.level.held,
    })
}

/// Reads a file below the root.
fn read(path: &str, root: &Path) -> anyhow::Result<Ran> {
    let bytes = Root::open(root, Symlinks::Refuse)?.read(path).context("the file can't be read")?;
    let how = json!({ "status": "read", "bytes": bytes.len() });
    Ok(Ran { output: crate::text::decode(bytes), how, well: true })
}
