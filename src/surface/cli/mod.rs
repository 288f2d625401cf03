//! The `ringfence` program.

mod access;
mod audit;
mod bundle;
#[cfg(all(unix, feature = "openai", feature = "sandbox"))]
mod chat;
mod check;
mod diff;
mod eval;
mod events;
#[cfg(all(unix, feature = "sandbox"))]
mod exec;
mod fmt;
mod init;
mod man;
mod replay;
mod report;
mod retain;
mod scan;
mod sink;
mod summary;
mod test;
mod used;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{CommandFactory, Parser, Subcommand};

use crate::bundle::{Bundle, LoadError};
use crate::compile::{CompileOptions, Compiled, compile};
use crate::engine::Engine;
use crate::guard::{Guard, ReloadError};
use bundle::Signatures;
use report::Out;

/// Policy-as-data for AI agents: check, test and apply Cedar policies and rule packs around every agent call.
#[derive(Debug, Parser)]
#[command(
    name = "ringfence",
    version,
    max_term_width = 100,
    after_help = "\
Start with:
  ringfence eval sessions.jsonl --offer-called-tools   apply the built-in policies to recorded sessions
  ringfence scan src/ --only secrets                   find secrets in files
  ringfence init policies/                             write a bundle of your own
  ringfence check policies/ && ringfence test policies/"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Check(check::Check),
    Test(test::Test),
    Fmt(fmt::Fmt),
    Eval(Box<eval::Eval>),
    Diff(Box<diff::Diff>),
    Who(access::Who),
    What(access::What),
    #[cfg(all(unix, feature = "sandbox"))]
    Exec(Box<exec::Exec>),
    #[cfg(all(unix, feature = "openai", feature = "sandbox"))]
    Chat(Box<chat::Chat>),
    Scan(scan::Scan),
    Audit(Box<audit::Audit>),
    Bundle(bundle::Bundles),
    Retain(Box<retain::Retain>),
    Schema(Schema),
    /// Print a shell's completions
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    Man(man::Man),
}

/// Print a JSON or Cedar schema
#[derive(Debug, clap::Args)]
struct Schema {
    /// The schema: `cedar`, or a name of the list that is printed without one.
    name: Option<String>,
    /// The bundle whose Cedar schema is printed.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

/// How a run ended: the exit status of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Fine,
    Found,
    Failed,
    /// Somebody ended it, as a shell tells it.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => ExitCode::SUCCESS,
            Exit::Found => ExitCode::from(1),
            Exit::Failed => ExitCode::from(2),
            Exit::Interrupted => ExitCode::from(130),
        }
    }
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Out::default();
    let done = match cli.verb {
        Verb::Init(verb) => verb.run(&mut out),
        Verb::Check(verb) => verb.run(&mut out),
        Verb::Test(verb) => verb.run(&mut out),
        Verb::Fmt(verb) => verb.run(&mut out),
        Verb::Eval(verb) => verb.run(&mut out),
        Verb::Diff(verb) => verb.run(&mut out),
        Verb::Who(verb) => verb.run(&mut out),
        Verb::What(verb) => verb.run(&mut out),
        #[cfg(all(unix, feature = "sandbox"))]
        Verb::Exec(verb) => verb.run(&mut out),
        #[cfg(all(unix, feature = "openai", feature = "sandbox"))]
        Verb::Chat(verb) => verb.run(&mut out),
        Verb::Scan(verb) => verb.run(&mut out),
        Verb::Audit(verb) => verb.run(&mut out),
        Verb::Bundle(verb) => verb.run(&mut out),
        Verb::Retain(verb) => verb.run(&mut out),
        Verb::Schema(verb) => verb.run(&mut out),
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ringfence", &mut text);
            out.raw(&text).map(|()| Exit::Fine)
        }
        Verb::Man(verb) => verb.run(Cli::command(), &mut out),
    };
    let done = done.and_then(|exit| out.flush().map(|()| exit));
    match done {
        Ok(exit) => exit.into(),
        Err(error) if report::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            Exit::Failed.into()
        }
    }
}

impl Schema {
    fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let Some(name) = self.name else {
            out.line(&format!("{}\ncedar", crate::schema::NAMES.join("\n")))?;
            return Ok(Exit::Fine);
        };
        if name == "cedar" {
            let (bundle, _) = open(self.bundle.as_deref())?;
            match compile(&bundle, &CompileOptions::default()) {
                Ok(compiled) => out.line(compiled.engine.cedar_schema().trim_end())?,
                Err(error) => {
                    report::diagnostics(&error.diagnostics, &bundle);
                    return Ok(Exit::Failed);
                }
            }
            return Ok(Exit::Fine);
        }
        let Some(schema) = crate::schema::named(&name) else {
            bail!("there is no schema `{name}`; the names are {}, cedar", crate::schema::NAMES.join(", "));
        };
        out.line(&serde_json::to_string_pretty(&schema)?)?;
        Ok(Exit::Fine)
    }
}

/// The bundle of a folder or packed file; without one, `./policies` or `.` where there is a manifest, else the built-in one.
fn open(named: Option<&Path>) -> Result<(Bundle, bool), LoadError> {
    match folder(named).filter(|folder| folder != Path::new(BUILT_IN) || folder.exists()) {
        Some(folder) => Bundle::read(&folder).map(|bundle| (bundle, false)),
        None => Ok((Bundle::embedded(), true)),
    }
}

/// What the built-in bundle is called where a folder is named.
const BUILT_IN: &str = "built-in";

/// The folder or packed file of the bundle, unless it is the built-in one.
fn folder(named: Option<&Path>) -> Option<PathBuf> {
    let has_manifest = |folder: &&Path| folder.join("ringfence.yaml").is_file();
    let here = || ["policies", "."].into_iter().map(Path::new).find(has_manifest);
    named.or_else(here).map(Path::to_owned)
}

/// Compiles for use; what is wrong goes to stderr.
fn engine(
    named: Option<&Path>,
    options: &CompileOptions,
    signatures: &Signatures,
) -> anyhow::Result<(Engine, Bundle)> {
    let (bundle, built_in) = open(named)?;
    let trusted = signatures.check(&bundle)?;
    let ready = compiled(bundle, built_in, options)?;
    if let Some((trust, checked)) = trusted {
        trust.remember(&checked)?;
    }
    Ok(ready)
}

/// Has a guard try a bundle beside its own; what is wrong with it goes to stderr.
fn try_candidate(guard: &Guard, path: &Path, signatures: &Signatures) -> anyhow::Result<()> {
    let bundle = Bundle::read(path)?;
    signatures.check(&bundle)?;
    match guard.try_candidate(&bundle) {
        Ok(_) => Ok(()),
        Err(ReloadError::Compile { error, .. }) => {
            report::diagnostics(&error.diagnostics, &bundle);
            bail!("the candidate `{}` does not load", bundle.origin())
        }
        Err(error) => Err(error.into()),
    }
}

/// The same of a folder that has to be named; `built-in` is the built-in bundle.
fn engine_of(folder: &Path, options: &CompileOptions) -> anyhow::Result<(Engine, Bundle)> {
    let (bundle, built_in) = open(Some(folder))?;
    compiled(bundle, built_in, options)
}

fn compiled(bundle: Bundle, built_in: bool, options: &CompileOptions) -> anyhow::Result<(Engine, Bundle)> {
    // The built-in bundle was checked when the program was built, and so was a folder that says the same.
    if built_in || bundle.digest() == Bundle::embedded().digest() {
        return Ok((Engine::of_embedded(&bundle)?, bundle));
    }
    match compile(&bundle, options) {
        Ok(Compiled { engine, .. }) => Ok((engine, bundle)),
        Err(error) => {
            report::diagnostics(&error.diagnostics, &bundle);
            bail!("the bundle `{}` does not load", bundle.origin())
        }
    }
}

/// The Cedar schema of a bundle for editors, below its folder.
const CEDAR_SCHEMA: &str = ".schemas/policies.cedarschema";

/// The Cedar schema of a bundle; `None` where it does not compile.
fn cedar_schema(bundle: &Bundle) -> Option<String> {
    // It makes no hashes, so that any key will do.
    let options = CompileOptions::default().with_key([0; 32]);
    let compiled = compile(bundle, &options).ok()?;
    Some(compiled.engine.cedar_schema().trim_end().to_owned() + "\n")
}
