//! `ringfence retain hold`, `release` and `holds`.

use anyhow::bail;
use jiff::Timestamp;

use super::{Format, On};
use crate::retention::NewHold;
use crate::schema::rows::RetentionHold;
use crate::store::Held;
use crate::surface::cli::Exit;
use crate::surface::cli::report::{Out, visible};

/// Keep everything of a user or thread, whatever is due and whoever asks for its erasure
///
/// A thread is a session. The hold is recorded, with who placed it and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence retain hold --db log.db --user ann --reason 'Smith v. Acme' --owner legal@acme.example
  ringfence retain hold --db log.db --thread s-17 --name incident-4 --reason 'incident 4' --owner security --until 2027-06-30T00:00:00Z")]
pub(super) struct HoldVerb {
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    which: Which,
    /// Its name, by which it is released [default: user or thread and its id].
    #[arg(long)]
    name: Option<String>,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who answers for it.
    #[arg(long)]
    owner: String,
    /// When it ends by itself [default: when it is released].
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The user.
    #[arg(long)]
    user: Option<String>,
    /// The thread: a session.
    #[arg(long)]
    thread: Option<String>,
}

impl HoldVerb {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let on = match (self.which.user, self.which.thread) {
            (Some(user), None) => Held::User(user),
            (None, Some(thread)) => Held::Thread(thread),
            _ => bail!("give --user or --thread"),
        };
        let name = self.name.unwrap_or_else(|| format!("{}-{}", on.kind(), on.id()));
        let hold = NewHold { name, on, reason: self.reason, owner: self.owner, until: self.until };
        self.on.open()?.hold(&hold, Timestamp::now())?;
        out.line(&visible(&format!("held: {}", hold.name)))?;
        Ok(Exit::Fine)
    }
}

/// Release a hold
///
/// What is due by then goes with the next `apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence retain release user-ann --db log.db --reason 'case closed'")]
pub(super) struct Release {
    /// The hold's name.
    name: String,
    #[command(flatten)]
    on: On,
    /// Why.
    #[arg(long)]
    reason: String,
}

impl Release {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        self.on.open()?.release(&self.name, &self.reason, Timestamp::now())?;
        out.line(&visible(&format!("released: {}", self.name)))?;
        Ok(Exit::Fine)
    }
}

/// List holds
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ringfence retain holds --db log.db")]
pub(super) struct Holds {
    #[command(flatten)]
    on: On,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Holds {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let now = Timestamp::now().as_microsecond();
        for hold in self.on.open()?.holds()? {
            let time = |at| Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
            let row = RetentionHold {
                name: &hold.name,
                on: hold.on.kind(),
                id: hold.on.id(),
                reason: &hold.reason,
                owner: &hold.owner,
                placed: time(hold.placed),
                until: hold.until.map(time),
                in_force: hold.is_in_force(now),
            };
            if self.format == Format::Json {
                out.line(&serde_json::to_string(&row)?)?;
                continue;
            }
            let until = row.until.map_or_else(String::new, |until| format!(" until {until}"));
            let over = if row.in_force { "" } else { " (over)" };
            out.line(&visible(&format!(
                "{}: {} {}, since {}{until}{over}, {} ({})",
                row.name, row.on, row.id, row.placed, row.reason, row.owner
            )))?;
        }
        Ok(Exit::Fine)
    }
}
