//! `ringfence who` and `ringfence what`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use serde_json::json;

use super::Exit;
use super::bundle::Signatures;
use super::events::{self, Chats, Events};
use super::report::{self, Out, visible};
use crate::engine::{Asking, Doing, Engine, May};
use crate::guard::{Guard, NoLinks};

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
    /// The bundle [default: ./policies or . with a ringfence.yaml, else the built-in one].
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    signatures: Signatures,
    /// How answers are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// List what somebody may do, or what of a bundle events do not use
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence what --user ann --role engineer
  ringfence what --role support --agent helpdesk
  ringfence what --unused-on events.jsonl")]
pub(super) struct What {
    /// The user: one that the directory lists, or any name beside --role.
    #[arg(long, required_unless_present_any = ["unused_on", "role"])]
    user: Option<String>,
    /// Only through this agent.
    #[arg(long = "through", value_name = "AGENT")]
    through: Option<String>,
    /// List the permits and rules that no event of these files was decided by.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    unused_on: Vec<PathBuf>,
    #[command(flatten)]
    chats: Roles,
    /// The bundle [default: ./policies or . with a ringfence.yaml, else the built-in one].
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    signatures: Signatures,
    /// How answers are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Direct roles.
#[derive(Debug, clap::Args)]
struct Roles {
    /// The user's direct roles; may be given several times.
    #[arg(long)]
    role: Vec<String>,
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

fn known<'n>(kind: &str, name: &str, names: impl IntoIterator<Item = &'n str>) -> anyhow::Result<()> {
    let names: Vec<&str> = names.into_iter().collect();
    if names.contains(&name) {
        return Ok(());
    }
    let help =
        crate::diagnostic::did_you_mean(name, names).map_or_else(String::new, |help| format!("; {help}"));
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
        let (engine, _) = super::engine(self.bundle.as_deref(), &super::key(None)?, &self.signatures)?;
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
        let (engine, _) = super::engine(self.bundle.as_deref(), &super::key(None)?, &self.signatures)?;
        if !self.unused_on.is_empty() {
            return self.unused(&engine, out);
        }
        for role in &self.chats.role {
            known("role", role, engine.roles())?;
        }
        if let Some(agent) = &self.through {
            known("agent", agent, engine.agents())?;
        }
        let user = self.user.as_deref().unwrap_or("somebody");
        if self.chats.role.is_empty() {
            known("user", user, engine.users())?;
        }
        let agents =
            engine.agents().filter(|agent| self.through.as_deref().is_none_or(|only| only == *agent));
        for agent in agents {
            let ask = |doing| answers(&engine, user, &self.chats.role, agent, doing);
            for (what, doing) in [("run it", Doing::RunAgent), ("talk to it", Doing::SendInput)] {
                print(&engine, self.format, (user, agent, what), &ask(doing), out)?;
            }
            for tool in &engine.inventory().tools {
                let what = format!("call {}", tool.name);
                print(&engine, self.format, (user, agent, &what), &ask(Doing::CallTool(&tool.name)), out)?;
            }
        }
        Ok(Exit::Fine)
    }

    /// Permits that no event was allowed by, and rules that matched in none.
    fn unused(&self, engine: &Engine, out: &mut Out) -> anyhow::Result<Exit> {
        let resolver = std::sync::Arc::new(NoLinks);
        let guard = Guard::builder(engine.clone()).no_time_limit().resolver(resolver).build();
        let chats = Chats::default();
        let (mut used, mut events) = (BTreeSet::<String>::new(), 0_usize);
        let unreadable = events::each(
            &self.unused_on,
            chats.offer_called_tools,
            &|work, _| {
                let Events { list, ends } = chats.events(work, &guard);
                let names: Vec<Vec<String>> = list
                    .iter()
                    .flatten()
                    .map(|event| {
                        let (verdict, trace) = guard.examine(event);
                        let rules = verdict.findings.into_iter().map(|finding| finding.rule);
                        let decided = verdict.reasons.into_iter().filter_map(|reason| reason.policy);
                        let lists = [trace.permits, trace.forbids, trace.asks, trace.shadows, trace.waivers];
                        rules.chain(decided).chain(lists.into_iter().flatten()).collect()
                    })
                    .collect();
                if let Some(session) = ends {
                    // It has no log in which the end could not be recorded.
                    let _ = guard.end_session(&session);
                }
                names
            },
            &mut |_, done| {
                events += done.len();
                used.extend(done.into_iter().flatten());
                Ok(())
            },
        )?;
        let inventory = engine.inventory();
        let items = inventory.policies.iter().map(|item| ("policy", item));
        let items = items.chain(inventory.rules.iter().map(|item| ("rule", item)));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, item) in items.filter(|(_, item)| !used.contains(&item.name)) {
            *counts.entry(kind).or_default() += 1;
            match self.format {
                Format::Json => out.line(&serde_json::to_string(&json!({
                    "unused": kind, "name": item.name, "kind": item.kind, "file": item.file, "line": item.line,
                }))?)?,
                Format::Text => {
                    out.line(&format!("{}:{}: {kind} {} ({})", item.file, item.line, item.name, item.kind))?;
                }
            }
        }
        if self.format == Format::Text {
            let count = |kind| report::counted(counts.get(kind).copied().unwrap_or(0_usize), kind);
            let events = report::counted(events, "event");
            let (policies, rules) = (count("policy"), count("rule"));
            out.line(&format!("{events}; never satisfied: {policies}, found nothing: {rules}"))?;
        }
        Ok(if unreadable { Exit::Failed } else { Exit::Fine })
    }
}
