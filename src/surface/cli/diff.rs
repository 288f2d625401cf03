//! `ringfence diff`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use super::Exit;
use super::bundle::Key;
use super::events::{self, Chats, Events};
use super::replay::{self, Recorded};
use super::report::{Out, visible};
use super::retain::PayloadKeys;
use crate::engine::{Engine, Trace};
use crate::event::Event;
use crate::guard::{Guard, NoLinks};
use crate::harness::diff::{self, Change, Compare, Differences, Kind};
use crate::schema::rows::{DiffResult, DiffSummary};
use crate::verdict::Verdict;

/// Say whose verdicts change between two bundles
///
/// Every event of the files is decided by both bundles, each with sessions of its own. What changes is counted by the policy or rule
/// that makes the difference, by role, user, agent and tool, with examples: places and spans, never text.
///
/// `newly-allowed` also counts events that a person had to approve, and texts that were replaced and now go on as they are;
/// `less-edited` are texts of which less is replaced.
///
/// A file may be an audit log. Its records hold no texts: what can't be decided again for that is counted and left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence diff policies/ changed/ --on events.jsonl
  ringfence diff main/policies policies --on last-month.jsonl --format markdown > comment.md
  ringfence diff old/ new/ --on sessions.jsonl --offer-called-tools --fail-on newly-allowed")]
pub(super) struct Diff {
    /// The bundle in force: a folder, or `built-in`.
    old: PathBuf,
    /// The bundle that may follow it: a folder, or `built-in`.
    new: PathBuf,
    /// Files of events or sessions, as `ringfence eval` reads them; `-` is stdin. Or audit logs.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    on: Vec<PathBuf>,
    #[command(flatten)]
    chats: Chats,
    /// Exit with 1 where there are such changes; may be given several times.
    #[arg(long, value_enum, value_name = "CHANGE")]
    fail_on: Vec<FailOn>,
    /// Compare what the bundles decide, even in shadow mode, rather than what is done.
    #[arg(long)]
    decided: bool,
    /// How changes are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    keys: PayloadKeys,
    #[command(flatten)]
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A summary.
    Text,
    /// One object per change, then one with all counts.
    Json,
    /// For a pull request.
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Something goes on that did not, or less of it is replaced.
    NewlyAllowed,
    /// Something is refused that was not.
    NewlyDenied,
    /// A person has to approve something that went on, or was refused.
    NewlyAsked,
    /// Anything.
    Any,
}

impl FailOn {
    fn fails(self, differences: &Differences) -> bool {
        let count = |wanted: &dyn Fn(Kind) -> bool| {
            Kind::ALL.into_iter().filter(|kind| wanted(*kind)).any(|kind| differences.count(kind) > 0)
        };
        match self {
            FailOn::NewlyAllowed => count(&Kind::allows_more),
            FailOn::NewlyDenied => count(&|kind| kind == Kind::NewlyDenied),
            FailOn::NewlyAsked => count(&|kind| kind == Kind::NewlyAsked),
            FailOn::Any => count(&|_| true),
        }
    }
}

/// Both bundles with their sessions.
struct Both {
    old: Guard,
    new: Guard,
    compare: Compare,
}

impl Both {
    fn decide(&self, event: &Event, place: (&str, u64)) -> Option<Change> {
        let (old, new): ((Verdict, Trace), (Verdict, Trace)) =
            (self.old.examine(event), self.new.examine(event));
        let roles = || diff::roles(&self.new.engine(), event, self.new.session(&event.session).as_ref());
        diff::compare(event, place, &old, &new, self.compare, roles)
    }

    fn refuse(&self, session: Option<&str>, message: &str) {
        for guard in [&self.old, &self.new] {
            let _ = guard.refuse_malformed(session, message);
        }
    }

    fn end(&self, session: &str) {
        // Neither has a log in which the end could not be recorded.
        for guard in [&self.old, &self.new] {
            let _ = guard.end_session(session);
        }
    }
}

/// What a line became.
type Done = Vec<Result<Option<Change>, ()>>;

impl Diff {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let options = self.key.options()?;
        let guard = |folder: &Path| -> anyhow::Result<(Guard, String)> {
            let (engine, bundle) = super::engine_of(folder, &options)?;
            let title = format!("{} {}", engine.name(), engine.version());
            let title = format!("{title} ({})", bundle.digest().chars().take(15).collect::<String>());
            // The outcome must not depend on how fast this machine is.
            Ok((Guard::builder(engine).no_time_limit().resolver(Arc::new(NoLinks)).build(), title))
        };
        let ((old, was), (new, is)) = (guard(&self.old)?, guard(&self.new)?);
        let compare = if self.decided { Compare::Decided } else { Compare::Enforced };
        let both = Both { old, new, compare };
        let mut differences = Differences::default();
        let progress = events::progress(self.format != Format::Json);
        let advance = |differences: &Differences| {
            if let Some(bar) = &progress {
                bar.set_position(differences.events());
            }
        };
        let (logs, files): (Vec<PathBuf>, Vec<PathBuf>) =
            self.on.iter().cloned().partition(|path| replay::is_log(path));
        let mut take = |change: Option<&Change>, differences: &mut Differences| -> anyhow::Result<()> {
            differences.add(change);
            if let (Format::Json, Some(change)) = (self.format, change) {
                out.line(&serde_json::to_string(&DiffResult::Change(change))?)?;
            }
            Ok(())
        };
        let unreadable = events::each(
            &files,
            self.chats.offer_called_tools,
            &|work, place| {
                let Events { list, ends } = self.chats.events(work, &both.new);
                let place = (&*place.file, place.line as u64);
                let decide = |event| match event {
                    Ok(event) => Ok(both.decide(&event, place)),
                    Err(events::Malformed { session, message }) => {
                        both.refuse(session.as_deref(), &message);
                        Err(())
                    }
                };
                let done: Done = list.into_iter().map(decide).collect();
                if let Some(session) = ends {
                    both.end(&session);
                }
                done
            },
            &mut |_, done| {
                for one in done {
                    match one {
                        Ok(change) => take(change.as_ref(), &mut differences)?,
                        Err(()) => differences.add_malformed(),
                    }
                }
                advance(&differences);
                Ok(())
            },
        )?;
        let (old, new) = (both.old.engine(), both.new.engine());
        let engines: [&Engine; 2] = [&old, &new];
        for log in &logs {
            let name = log.display().to_string();
            replay::each(log, &self.keys, &engines, &mut |number, recorded, _| {
                match recorded {
                    Recorded::Whole(event) => {
                        let change = both.decide(&event, (&name, number));
                        take(change.as_ref(), &mut differences)?;
                    }
                    Recorded::NotKept(what) => differences.add_not_kept(what),
                }
                advance(&differences);
                Ok(())
            })?;
        }
        if let Some(bar) = progress {
            bar.finish_and_clear();
        }
        if unreadable && differences.events() + differences.malformed() == 0 {
            return Ok(Exit::Failed);
        }
        match self.format {
            Format::Text => out.raw(differences.text(&|text| visible(text)).as_bytes())?,
            Format::Markdown => {
                out.raw(differences.markdown((&was, &is), &|text| visible(text)).as_bytes())?;
            }
            Format::Json => {
                let summary = DiffResult::Summary(DiffSummary::new(&differences));
                out.line(&serde_json::to_string(&summary)?)?;
            }
        }
        Ok(if unreadable || differences.malformed() > 0 {
            Exit::Failed
        } else if self.fail_on.iter().any(|fail_on| fail_on.fails(&differences)) {
            Exit::Found
        } else {
            Exit::Fine
        })
    }
}
