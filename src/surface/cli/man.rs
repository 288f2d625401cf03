//! `ringfence man`.

use std::path::PathBuf;

use anyhow::{Context, bail};

use super::report::Out;
use super::{Exit, report};
use crate::diagnostic::did_you_mean;

/// Print a page of the manual
///
/// Without a verb, the page about all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence man eval | man -l -
  ringfence man --dir ~/.local/share/man/man1")]
pub(super) struct Man {
    /// The verb whose page is printed, as `eval` or `audit list`.
    #[arg(value_name = "VERB")]
    verbs: Vec<String>,
    /// Write every page into this folder instead.
    #[arg(long, value_name = "DIR", conflicts_with = "verbs")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, mut command: clap::Command, out: &mut Out) -> anyhow::Result<Exit> {
        command = command.disable_help_subcommand(true);
        command.build();
        if let Some(dir) = self.dir {
            let failed = || format!("can't write the manual to `{}`", dir.display());
            std::fs::create_dir_all(&dir).with_context(failed)?;
            clap_mangen::generate_to(command, &dir).with_context(failed)?;
            report::note(&format!("wrote the manual to {}", dir.display()));
            return Ok(Exit::Fine);
        }
        let mut page = command;
        for verb in &self.verbs {
            page = match page.find_subcommand(verb) {
                Some(found) => found.clone(),
                None => {
                    let verbs = page.get_subcommands().map(clap::Command::get_name);
                    let help = did_you_mean(verb, verbs).map_or_else(String::new, |help| format!("; {help}"));
                    bail!("there is no verb `{verb}`{help}");
                }
            };
        }
        let mut text = Vec::new();
        clap_mangen::Man::new(page).render(&mut text).context("can't make the manual page")?;
        out.raw(&text)?;
        Ok(Exit::Fine)
    }
}
