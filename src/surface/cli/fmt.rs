//! `ringfence fmt`.

use std::path::{Path, PathBuf};

use super::report::{self, Out};
use super::{CEDAR_SCHEMA, Exit, cedar_schema, folder};
use crate::bundle::{Bundle, Role, Source};

/// Lay out the files of a bundle as everybody writes them
///
/// Policies are laid out by Cedar's own formatter. In YAML white space at the ends of lines goes, and a file ends with one line
/// end; nothing is set in otherwise, since that belongs to who wrote it. Comments stay, and what a file says never changes: a file of
/// which that can't be said is left as it is.
///
/// The Cedar schema that `ringfence init` wrote for editors is written anew where the bundle declares something else by now.
///
/// Prints the files that have changed. With --check exits with 1 where one would, and writes nothing; ends with 2 where a file can't be
/// read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ringfence fmt policies/
  ringfence fmt policies/ --check")]
pub(super) struct Fmt {
    /// The bundle's folder [default: ./policies or . with a ringfence.yaml].
    dir: Option<PathBuf>,
    /// Only say which files would change.
    #[arg(long)]
    check: bool,
}

impl Fmt {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let Some(folder) = folder(self.dir.as_deref()) else {
            anyhow::bail!("there is no bundle here: name its folder, or write one with `ringfence init DIR`");
        };
        let bundle = Bundle::from_folder(&folder)?;
        let mut exit = Exit::Fine;
        report::diagnostics(bundle.problems(), &bundle);
        if !bundle.problems().is_empty() {
            exit = Exit::Failed;
        }
        for source in bundle.sources() {
            let text = match formatted(source) {
                Ok(text) => text,
                Err(why) => {
                    let name = report::visible(&source.name);
                    report::note(&format!("`{name}` is left as it is: {why}; `ringfence check` tells more"));
                    exit = Exit::Failed;
                    continue;
                }
            };
            if *text == *source.text {
                continue;
            }
            out.line(&report::visible(&source.name))?;
            if self.check {
                exit = if exit == Exit::Fine { Exit::Found } else { exit };
            } else {
                // A link stays one: what it leads to is written.
                let path = std::fs::canonicalize(folder.join(&*source.name))?;
                super::bundle::write(&path, &text)?;
            }
        }
        if self.refresh_schema(&folder, &bundle, out)? && self.check && exit == Exit::Fine {
            exit = Exit::Found;
        }
        Ok(exit)
    }

    /// Writes the Cedar schema for editors anew, where there is one and the bundle compiles. Whether it was another one.
    fn refresh_schema(&self, folder: &Path, bundle: &Bundle, out: &mut Out) -> anyhow::Result<bool> {
        let path = folder.join(CEDAR_SCHEMA);
        let Ok(there) = std::fs::read_to_string(&path) else { return Ok(false) };
        let Some(schema) = cedar_schema(bundle).filter(|schema| *schema != there.replace("\r\n", "\n"))
        else {
            return Ok(false);
        };
        out.line(CEDAR_SCHEMA)?;
        if !self.check {
            super::bundle::write(&std::fs::canonicalize(path)?, &schema)?;
        }
        Ok(true)
    }
}

/// The text of a file as it is to be.
fn formatted(source: &Source) -> Result<String, String> {
    match source.role() {
        Role::Policies => crate::cedar::format(&source.text).map_err(|error| error.to_string()),
        Role::Manifest | Role::Directory | Role::Tools | Role::Retention | Role::Pack | Role::Test => {
            crate::yaml::tidy(&source.text).map_err(|problem| problem.message)
        }
        Role::Schema | Role::Document | Role::Misplaced | Role::Unknown => Ok(source.text.to_string()),
    }
}
