//! `ringfence who` and `ringfence what`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::json;

use super::Exit;
use super::bundle::{Applied, Key};
use super::report::{Out, visible};
use super::retain::PayloadKeys;
use super::used::Used;
use crate::compile::CompileOptions;
use crate::engine::{Asking, Doing, Engine, May};

/// List who may do something
///
/// Every role of the directory alone, and every user that it lists, through every agent, in a new session. What rules find in a text and
/// what a session has read can still refuse it; where only the arguments decide, the answer is `depends`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence who --can call_tool --tool run_command
  ringfence who --can run_agent --agent coder --format json")]
pub(super) struct Who {
    /// What they may do.
    #[arg(long, value_enum, value_name = "ACTION")]
    can: Action,
    /// The tool of `call_tool` and `read_result`.
    #[arg(long, required_if_eq_any = [("can", "call_tool"), ("can", "read_result")])]
    tool: Option<String>,
    /// Only through this agent.
    #[arg(long)]
    agent: Option<String>,
    #[command(flatten)]
    bundle: Applied,
    /// How answers are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// List what somebody may do, or what of a bundle events do not use, or the permits that they need
///
/// With --on, every event of the files is decided again, and policies that were never satisfied and rules that found nothing are
/// listed. Of records of a log whose content was not kept it is known what rules found, but not what permitted them.
///
/// With --suggest too, the tightest permits that let the same events go on are printed as Cedar: each permit that was needed, for the
/// roles, actions, agents and tools that needed it. Every event is then decided once more, with them in the place of
/// the bundle's permits; the exit status is 1 where one comes out otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence what --user ann --role engineer
  ringfence what --role support --through helpdesk
  ringfence what --on events.jsonl
  ringfence what --on log.db --payload-key payload.key --suggest > policies/suggested.cedar")]
#[command(group(clap::ArgGroup::new("about").args(["user", "role", "on"]).multiple(true).required(true)))]
pub(super) struct What {
    /// The user: one that the directory lists, or any name beside --role.
    #[arg(long)]
    user: Option<String>,
    /// Only through this agent.
    #[arg(long = "through", value_name = "AGENT")]
    through: Option<String>,
    /// List the policies and rules that no event of these files was decided by: files as `ringfence eval` reads them, or audit logs.
    #[arg(long, alias = "unused-on", value_name = "FILE", num_args = 1.., conflicts_with_all = ["user", "role", "through"])]
    on: Vec<PathBuf>,
    /// Print the tightest permits that would have let go on what did.
    #[arg(long, requires = "on")]
    suggest: bool,
    #[command(flatten)]
    keys: PayloadKeys,
    #[command(flatten)]
    key: Key,
    /// The user's direct roles; may be given several times.
    #[arg(long)]
    role: Vec<String>,
    #[command(flatten)]
    bundle: Applied,
    /// How answers are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Action {
    /// Run an agent.
    RunAgent,
    /// Create one.
    CreateAgent,
    /// Talk to one.
    SendInput,
    /// Have its answers.
    SendOutput,
    /// Call a tool.
    CallTool,
    /// See what a tool has answered.
    ReadResult,
}

impl Action {
    fn doing(self, tool: &str) -> Doing<'_> {
        match self {
            Action::RunAgent => Doing::RunAgent,
            Action::CreateAgent => Doing::CreateAgent,
            Action::SendInput => Doing::SendInput,
            Action::SendOutput => Doing::SendOutput,
            Action::CallTool => Doing::CallTool(tool),
            Action::ReadResult => Doing::ReadResult(tool),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One object per answer.
    Json,
}

/// An answer for some models: all of them where none is named.
#[derive(PartialEq)]
struct Answer {
    may: May,
    by: Vec<String>,
    models: Vec<String>,
}

/// The answers through one agent, by model where it matters.
fn answers(engine: &Engine, user: &str, roles: &[String], agent: &str, doing: Doing<'_>) -> Vec<Answer> {
    let models: Vec<&str> = engine.models().collect();
    let asked = |model| engine.may(Asking { user, roles, agent, model }, doing);
    let mut all: Vec<Answer> = Vec::new();
    for model in &models {
        let (may, by) = asked(Some(model));
        match all.iter_mut().find(|answer| answer.may == may && answer.by == by) {
            Some(answer) => answer.models.push((*model).to_owned()),
            None => all.push(Answer { may, by, models: vec![(*model).to_owned()] }),
        }
    }
    if models.is_empty() {
        let (may, by) = asked(None);
        return vec![Answer { may, by, models: Vec::new() }];
    }
    if let [one] = all.as_mut_slice() {
        one.models.clear();
    }
    all
}

fn place(engine: &Engine, policy: &str) -> String {
    match engine.policies().iter().find(|info| info.id == policy) {
        Some(info) => format!("{policy} ({}:{})", info.span.file, info.line),
        None => policy.to_owned(),
    }
}

/// Most names that a message lists.
const LISTED: usize = 6;

/// Holds a name to those that a bundle declares.
pub(super) fn known<'n>(
    kind: &str,
    name: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> anyhow::Result<()> {
    let names: Vec<&str> = names.into_iter().collect();
    if names.contains(&name) {
        return Ok(());
    }
    let help = match crate::diagnostic::did_you_mean(name, names.iter().copied()) {
        Some(help) => format!("; {help}"),
        None if names.is_empty() => String::new(),
        None => {
            let first: Vec<String> =
                names.iter().take(LISTED).map(|name| format!("`{}`", visible(name))).collect();
            let more = if names.len() > LISTED { " and others" } else { "" };
            format!("; it has {}{more}", first.join(", "))
        }
    };
    bail!("the bundle has no {kind} `{}`{help}", visible(name))
}

fn print(
    engine: &Engine,
    format: Format,
    row: (&str, &str, &str),
    answers: &[Answer],
    out: &mut Out,
) -> anyhow::Result<()> {
    let (who, agent, what) = row;
    for Answer { may, by, models } in answers.iter().filter(|answer| answer.may != May::No) {
        match format {
            Format::Json => out.line(&serde_json::to_string(&json!({
                "who": who, "agent": agent, "what": what, "may": may, "models": models,
                "by": by.iter().map(|policy| place(engine, policy)).collect::<Vec<_>>(),
            }))?)?,
            Format::Text => {
                let models =
                    if models.is_empty() { String::new() } else { format!(" with {}", models.join(", ")) };
                let by: Vec<String> = by.iter().map(|policy| place(engine, policy)).collect();
                let line = format!("{:<8} {who} through {agent}: {what}{models}", may.name());
                out.line(&format!("{line}\n         by {}", by.join(", ")))?;
            }
        }
    }
    Ok(())
}

impl Who {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let (engine, _) = self.bundle.engine(&CompileOptions::default())?;
        let tool = self.tool.as_deref().unwrap_or_default();
        if matches!(self.can, Action::CallTool | Action::ReadResult) {
            known("tool", tool, engine.inventory().tools.iter().map(|tool| tool.name.as_str()))?;
        }
        if let Some(agent) = &self.agent {
            known("agent", agent, engine.agents())?;
        }
        let agents: Vec<&str> =
            engine.agents().filter(|agent| self.agent.as_deref().is_none_or(|only| only == *agent)).collect();
        let agents = if self.can == Action::CreateAgent { vec!["(new)"] } else { agents };
        let mut principals: Vec<(String, String, Vec<String>)> = engine
            .roles()
            .map(|role| (format!("role {role}"), format!("any {role}"), vec![role.to_owned()]))
            .collect();
        principals.extend(engine.users().map(|user| (format!("user {user}"), user.to_owned(), Vec::new())));
        let what = format!(
            "{}{}",
            self.can.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
            if tool.is_empty() { String::new() } else { format!(" {tool}") }
        );
        for (title, user, roles) in &principals {
            for agent in &agents {
                let answers = answers(&engine, user, roles, agent, self.can.doing(tool));
                print(&engine, self.format, (title, agent, &what), &answers, out)?;
            }
        }
        Ok(Exit::Fine)
    }
}

impl What {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let options = self.key.options()?;
        let (engine, bundle) = self.bundle.engine(&options)?;
        if !self.on.is_empty() {
            let used = Used { on: &self.on, keys: &self.keys, is_text: self.format == Format::Text };
            return match self.suggest {
                true => used.suggest(&engine, &bundle, &options, out),
                false => used.unused(&engine, out),
            };
        }
        for role in &self.role {
            known("role", role, engine.roles())?;
        }
        if let Some(agent) = &self.through {
            known("agent", agent, engine.agents())?;
        }
        let user = self.user.as_deref().unwrap_or("somebody");
        if self.role.is_empty() {
            known("user", user, engine.users())
                .context("without --role, the directory has to list the user")?;
        }
        let agents =
            engine.agents().filter(|agent| self.through.as_deref().is_none_or(|only| only == *agent));
        for agent in agents {
            let ask = |doing| answers(&engine, user, &self.role, agent, doing);
            let itself = [
                ("run it", Doing::RunAgent),
                ("talk to it", Doing::SendInput),
                ("have its answers", Doing::SendOutput),
            ];
            for (what, doing) in itself {
                print(&engine, self.format, (user, agent, what), &ask(doing), out)?;
            }
            for tool in &engine.inventory().tools {
                let what = format!("call {}", tool.name);
                print(&engine, self.format, (user, agent, &what), &ask(Doing::CallTool(&tool.name)), out)?;
            }
            let tools = engine.inventory().tools.iter().map(|tool| tool.name.as_str());
            let results: Vec<_> = tools.map(|tool| (tool, ask(Doing::ReadResult(tool)))).collect();
            // Mostly no policy tells results apart, and a line for each tool would hide what can be called.
            let alike =
                results.iter().all(|(_, answers)| Some(answers) == results.first().map(|(_, first)| first));
            match results.first().filter(|_| alike && self.format == Format::Text) {
                Some((_, answers)) => {
                    print(&engine, self.format, (user, agent, "read the result of any tool"), answers, out)?;
                }
                None => {
                    for (tool, answers) in &results {
                        let what = format!("read the result of {tool}");
                        print(&engine, self.format, (user, agent, &what), answers, out)?;
                    }
                }
            }
        }
        Ok(Exit::Fine)
    }
}
