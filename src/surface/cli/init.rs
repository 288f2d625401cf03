//! `ringfence init`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::Exit;
use super::report::{self, Out};
use crate::bundle::{Bundle, starter};

/// Write a starter bundle to edit
///
/// The bundle passes `ringfence check` and `ringfence test`. Editors complete and validate its files by the schemas that
/// are written with it, its policies by a Cedar schema; `ringfence fmt` keeps that one fresh.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ringfence init policies/ && ringfence test policies/")]
pub(super) struct Init {
    /// The folder to write; nothing in it is overwritten.
    dir: PathBuf,
    /// Write the built-in default bundle instead of the small one.
    #[arg(long)]
    full: bool,
}

/// Where Cedar's extension finds the schema when the folder is opened.
const EDITOR: &str = "{\n  \"cedar.schemaFile\": \".schemas/policies.cedarschema\"\n}\n";

impl Init {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let bundle = if self.full { Bundle::embedded() } else { starter() };
        let mut files: Vec<(PathBuf, String)> = bundle
            .sources()
            .map(|source| {
                // In the project's own tree the schemas stand beside the bundle; here they come with it.
                let text = source.text.replace("$schema=../../schemas/", "$schema=../.schemas/");
                (self.dir.join(&*source.name), text.replace("$schema=../schemas/", "$schema=.schemas/"))
            })
            .collect();
        for name in crate::schema::NAMES {
            if let Some(schema) = crate::schema::named(name) {
                let text = serde_json::to_string_pretty(&schema)? + "\n";
                files.push((self.dir.join(".schemas").join(format!("{name}.json")), text));
            }
        }
        if let Some(schema) = super::cedar_schema(&bundle) {
            files.push((self.dir.join(super::CEDAR_SCHEMA), schema));
            files.push((self.dir.join(".vscode/settings.json"), EDITOR.to_owned()));
        }
        if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
            bail!("`{}` exists already; nothing was written", there.display());
        }
        for (path, text) in &files {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
            }
            fs::write(path, text).with_context(|| format!("can't write `{}`", path.display()))?;
        }
        let dir = self.dir.display();
        out.line(&format!("wrote {} files to {dir}", files.len()))?;
        report::note(&format!("next: ringfence check {dir} && ringfence test {dir}"));
        Ok(Exit::Fine)
    }
}
