//! `ringfence chat`.

mod folder;
mod screen;

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_openai::config::OpenAIConfig;
use clap::ValueEnum;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use self::folder::Folder;
use self::screen::Screen;
use super::Exit;
use super::access::known;
use super::bundle::{Applied, Key};
use super::report::{self, Out};
use crate::audit::JsonlSink;
use crate::engine::Engine;
use crate::event::{Body, Event, Stage, User};
use crate::guard::{Guard, Reload, ReloadError, Watch};
use crate::surface::openai::scripted::{Script, ScriptedServer};
use crate::surface::openai::{
    Answer, Api, Approver, GuardError, GuardedClient, Progress, Question, RunLimits, Tools,
};
use crate::verdict::{Decision, Verdict};

/// How often the bundle's folder is looked at.
const WATCHED: Duration = Duration::from_millis(500);

/// Talk to a guarded agent in the terminal
///
/// Every message, tool call, result and answer is decided about as it would be in an application; the verdicts are shown as they
/// come. The provider is any that speaks OpenAI's API: `OPENAI_BASE_URL` and `OPENAI_API_KEY` say which. The agent's tools
/// are files and commands below the folder, in the sandbox; where a policy asks, you are asked.
///
/// With `--offline` there is no provider: a server inside the program says what a script says, over the real protocol.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence chat --offline
  ringfence chat --user alice --role support --agent helpdesk
  OPENAI_BASE_URL=http://localhost:8080/v1 OPENAI_API_KEY=none ringfence chat --role engineer --agent coder --root src")]
pub(super) struct Chat {
    /// The user.
    #[arg(long, default_value = "alice")]
    user: String,
    /// The user's roles; may be given several times.
    #[arg(long, default_value = "support")]
    role: Vec<String>,
    /// The agent.
    #[arg(long, default_value = "helpdesk")]
    agent: String,
    /// The model.
    #[arg(long, default_value = "gpt-5")]
    model: String,
    /// What the agent is told.
    #[arg(long, value_name = "TEXT")]
    instructions: Option<String>,
    /// The API that is spoken.
    #[arg(long, value_enum, default_value_t = Spoken::Responses)]
    api: Spoken,
    /// The folder of the agent's files and commands.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Play a script instead of asking a provider.
    #[arg(long)]
    offline: bool,
    /// The script [default: the built-in one].
    #[arg(long, value_name = "FILE", requires = "offline")]
    script: Option<PathBuf>,
    #[command(flatten)]
    bundle: Applied,
    /// Take over what changes in the bundle's folder meanwhile. A bundle that does not load is told, and the old one stays.
    #[arg(long)]
    watch: bool,
    /// Try this bundle beside the other one: what it would decide otherwise is counted, told at the end, and marked in the records.
    #[arg(long, value_name = "DIR")]
    candidate: Option<PathBuf>,
    /// Append a record of each verdict to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    #[command(flatten)]
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Spoken {
    /// Responses.
    Responses,
    /// Chat Completions.
    Chat,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Get {
    /// The address.
    url: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Mail {
    /// Who it is for.
    to: Vec<String>,
    /// What it is about.
    #[expect(dead_code, reason = "the model is told of it; nothing is sent")]
    subject: String,
    /// What it says.
    #[expect(dead_code, reason = "the model is told of it; nothing is sent")]
    body: String,
}

/// Asks on the terminal.
struct Terminal {
    user: String,
    screen: Screen,
}

impl Approver for Terminal {
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer> {
        let why = question.verdict.message.clone().unwrap_or_default();
        let shown = report::visible(&shown(question.event));
        Box::pin(async move {
            self.screen.note(&format!("  ? {}: {shown}", report::visible(&why)));
            self.screen.prompt("  approve? [y/N] ");
            let line = tokio::task::spawn_blocking(line).await;
            match line {
                Ok(Ok(Some(line))) if matches!(line.trim(), "y" | "yes") => {
                    Answer::Approved { by: self.user.clone() }
                }
                // No line is no approval.
                _ => Answer::Refused,
            }
        })
    }
}

/// Says what came of a change to the bundle.
fn told(outcome: Result<Reload, ReloadError>) {
    match outcome {
        Ok(Reload::Unchanged) => {}
        Ok(Reload::Replaced { to, .. }) => {
            report::note(&format!("  = the bundle has changed: {to} decides from here on"));
        }
        Err(refused) => {
            if let ReloadError::Compile { bundle, error } = &refused {
                report::diagnostics(&error.diagnostics, bundle);
            }
            report::error(&refused.into());
        }
    }
}

/// A line of standard input; none at its end.
fn line() -> io::Result<Option<String>> {
    let mut line = String::new();
    Ok((io::stdin().lock().read_line(&mut line)? > 0).then_some(line))
}

/// What an event is about, for a person who decides.
fn shown(event: &Event) -> String {
    match &event.body {
        Body::ToolCall { tool, arguments, .. } => format!("{tool} {arguments}"),
        Body::ToolResult { tool, .. } => format!("the result of {tool}"),
        Body::Input { text, .. } | Body::Output { text } => text.to_string(),
        Body::Access(_) => "run the agent".to_owned(),
    }
}

impl Chat {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let screen = Screen::new(std::mem::take(out), &self.agent);
        // What is dropped here takes its folder and its commands with it.
        let exit = runtime.block_on(async {
            tokio::select! {
                biased;
                exit = self.talk(&screen) => exit,
                () = interrupted() => Ok(Exit::Interrupted),
            }
        });
        // A thread may still wait for a line that nobody types any more.
        runtime.shutdown_background();
        exit
    }

    async fn talk(self, screen: &Screen) -> anyhow::Result<Exit> {
        let options = self.key.options()?;
        let (engine, _) = self.bundle.engine(&options)?;
        known("agent", &self.agent, engine.agents()).context("name another one with --agent")?;
        known("model", &self.model, engine.models()).context("name another one with --model")?;
        for role in &self.role {
            known("role", role, engine.roles()).context("name others with --role")?;
        }
        let mut guard = Guard::builder(engine.clone());
        if let Some(trust) = self.bundle.signatures.trust()? {
            guard = guard.trusting(trust);
        }
        if let Some(path) = &self.audit {
            guard = guard.sink(Arc::new(JsonlSink::create(path).context("can't open the audit file")?));
        }
        let guard = Arc::new(guard.build());
        if let Some(candidate) = &self.candidate {
            super::try_candidate(&guard, candidate, &self.bundle.signatures)?;
        }
        let _watch = self.watch(&guard)?;
        let script = self.script()?;
        let folder = self.folder(script.as_ref())?;
        // Paths are resolved where the tools run.
        std::env::set_current_dir(folder.path())
            .with_context(|| format!("can't use `{}`", folder.path().display()))?;
        let server = match &script {
            Some(script) => Some(ScriptedServer::start(script.steps()).await?),
            None => None,
        };
        let config = match &server {
            Some(server) => OpenAIConfig::new().with_api_base(server.base()).with_api_key("offline"),
            None => OpenAIConfig::new(),
        };
        let coloured = report::stderr_colour();
        let client = GuardedClient::builder(Arc::clone(&guard), &config)?
            .approver(Terminal { user: self.user.clone(), screen: screen.clone() }, Duration::from_secs(300))
            .observer({
                let screen = screen.clone();
                move |event, verdict| {
                    let line = verdict_line(event, verdict, coloured);
                    if event.stage() == Stage::Output { screen.remark(line) } else { screen.note(&line) }
                }
            })
            .build()?;
        let agent = client.as_user(User::new(self.user.clone(), self.role.clone())).agent(self.agent.clone());
        let api = if self.api == Spoken::Chat { Api::Chat } else { Api::Responses };
        let mut talk = agent.talk(api, self.model.clone()).limits(RunLimits::default()).streamed();
        if let Some(instructions) = &self.instructions {
            talk = talk.instructions(instructions.clone());
        }
        let tools = self.tools(&engine, folder.path(), script.as_ref())?;
        let mut refused = false;
        let mut turns = script.iter().flat_map(|script| script.turns.clone());
        loop {
            let said = match (&script, turns.next()) {
                (Some(_), Some(turn)) => {
                    if !turn.note.is_empty() {
                        screen.note(&format!("\n# {}", turn.note));
                    }
                    screen.line(&format!("you> {}", turn.user))?;
                    turn.user
                }
                (Some(_), None) => break,
                (None, _) => {
                    if io::stdin().is_terminal() {
                        screen.prompt("you> ");
                    }
                    match tokio::task::spawn_blocking(line).await?? {
                        Some(line) if line.trim().is_empty() => continue,
                        Some(line) => line.trim_end().to_owned(),
                        None => break,
                    }
                }
            };
            let progress = &mut |progress: Progress<'_>| match progress {
                Progress::Said { text } => screen.said(text),
                Progress::Calling { tool } => screen.note(&format!("  … {tool}")),
                Progress::Called { .. } => {}
            };
            match talk.say_with(&said, &tools, progress).await {
                Ok(finished) => {
                    refused |= finished.refused.is_some();
                    screen.finish(&finished.text)?;
                }
                Err(GuardError::Refused(refusal)) => {
                    refused = true;
                    screen.line(&format!("{}> [{}]", self.agent, report::visible(&refusal.to_string())))?;
                }
                Err(error) => {
                    screen.end();
                    return Err(error.into());
                }
            }
        }
        if let Some(candidate) = guard.end_candidate() {
            for line in candidate.text().lines() {
                screen.note(&format!("  ~ {}", report::visible(line)));
            }
        }
        Ok(if refused { Exit::Found } else { Exit::Fine })
    }

    fn watch(&self, guard: &Arc<Guard>) -> anyhow::Result<Option<Watch>> {
        if !self.watch {
            return Ok(None);
        }
        let Some(folder) = super::folder(self.bundle.path.as_deref()) else {
            bail!("there is no folder to watch: name one with --bundle");
        };
        // The tools' folder becomes the working folder.
        let folder =
            std::path::absolute(&folder).with_context(|| format!("can't watch `{}`", folder.display()))?;
        Ok(Some(Watch::start(guard, &folder, WATCHED, told).context("can't watch the bundle")?))
    }

    fn script(&self) -> anyhow::Result<Option<Script>> {
        match (&self.script, self.offline) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("can't read the script `{}`", file.display()))?;
                Ok(Some(Script::parse(&text)?))
            }
            (None, true) => Ok(Some(Script::built_in()?)),
            (None, false) => Ok(None),
        }
    }

    /// Where the tools run: a script brings its own files.
    fn folder(&self, script: Option<&Script>) -> anyhow::Result<Folder> {
        let Some(script) = script else {
            let root = self.root.canonicalize();
            return Ok(Folder::There(root.with_context(|| format!("no folder `{}`", self.root.display()))?));
        };
        let folder = Folder::fresh()?;
        for (name, text) in &script.files {
            let path = std::path::Path::new(name);
            if path.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
                bail!("the script's file `{}` does not lie below its folder", report::visible(name));
            }
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            std::fs::write(path, text)?;
        }
        Ok(folder)
    }

    fn tools(
        &self,
        engine: &Engine,
        folder: &std::path::Path,
        script: Option<&Script>,
    ) -> anyhow::Result<Tools> {
        let tools = Tools::new().files(folder, script.is_none())?;
        let tools = tools.commands(engine, &crate::sandbox::launcher(), folder, Duration::from_secs(30));
        let Some(script) = script else { return Ok(tools) };
        let pages = script.pages.clone();
        let tools = tools.function("http_get", "Fetches a page", move |get: Get| {
            let page = pages.get(&get.url).cloned().ok_or("no such page");
            std::future::ready(page)
        });
        Ok(tools.function("send_mail", "Sends a mail", |mail: Mail| {
            std::future::ready(Ok::<_, std::convert::Infallible>(format!("sent to {}", mail.to.join(", "))))
        }))
    }
}

/// Waits until somebody wants the program to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let waits = ends.into_iter().filter_map(|kind| signal(kind).ok()).map(|mut signal| {
            Box::pin(async move {
                signal.recv().await;
            })
        });
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(waits).await;
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// One verdict on one line. No content of the event stands in it.
fn verdict_line(event: &Event, verdict: &Verdict, coloured: bool) -> String {
    let (on, off) = match (coloured, verdict.enforced) {
        (false, _) => ("", ""),
        (true, Decision::Allow) => ("\x1b[32m", "\x1b[0m"),
        (true, Decision::Ask) => ("\x1b[33m", "\x1b[0m"),
        (true, Decision::Deny) => ("\x1b[31m", "\x1b[0m"),
    };
    let about = match event.tool() {
        Some(tool) => format!("{} {}", event.stage(), report::visible(tool)),
        None => event.stage().to_string(),
    };
    let mut line = format!("  {on}{}{off} {about}", verdict.enforced);
    let mut rules: Vec<&str> = verdict.findings.iter().map(|finding| finding.rule.as_str()).collect();
    rules.dedup();
    if !rules.is_empty() {
        line.push_str(&format!(" [{}]", rules.join(", ")));
    }
    if !verdict.edits.is_empty() {
        line.push_str(&format!(" {} edited", verdict.edits.len()));
    }
    if let Some(reason) = verdict.reasons.first() {
        let by = reason.policy.as_deref().or(reason.rule.as_deref()).unwrap_or(reason.code.name());
        line.push_str(&format!(" by {by}: {}", report::visible(&reason.message)));
    }
    line
}
