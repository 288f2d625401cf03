//! `ringfence bundle`: one file, signed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::report::{self, Out};
use super::{Exit, open};
use crate::audit::{PublicKey, SigningKey};
use crate::bundle::Bundle;
use crate::compile::CompileOptions;
use crate::engine::Engine;
use crate::signed::{self, Checked, Trust};

/// Pack a bundle into one file, sign it, and check who has signed one
#[derive(Debug, clap::Args)]
pub(super) struct Bundles {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    InitKey(InitKey),
    Pack(Pack),
    Sign(Sign),
    Verify(Verify),
}

/// Make the key that signs bundles
///
/// Writes FILE, readable by you alone, and FILE.pub, which --require-signature takes. Keep FILE away from the machines that use bundles.
#[derive(Debug, clap::Args)]
struct InitKey {
    /// The file to write; nothing is overwritten.
    file: PathBuf,
    /// The name under which it signs.
    #[arg(long, default_value = "ringfence-bundle")]
    name: String,
}

/// Pack a bundle into one file
///
/// The same bundle always gives the same file. Wherever a verb takes a bundle, it takes such a file too. A bundle that does not load
/// is not packed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence bundle pack policies/ --output policies.bundle")]
struct Pack {
    /// The bundle [default: ./policies or . with a ringfence.yaml].
    dir: Option<PathBuf>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    key: Key,
}

/// Sign a packed bundle, in its file
///
/// The version that its manifest states is numbers with dots between them, and higher than that of the one signed before.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence bundle sign policies.bundle --key bundle.key")]
struct Sign {
    /// The packed bundle.
    file: PathBuf,
    /// The key (`ringfence bundle init-key`).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Check who has signed a packed bundle
///
/// Exits with 1 where none of the keys has, or it is not newer than what --seen keeps. Nothing is kept by this.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence bundle verify policies.bundle --key bundle.key.pub")]
struct Verify {
    /// The packed bundle.
    file: PathBuf,
    /// A key that is trusted, as a .pub file; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// The file that keeps the latest version that was used.
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
}

/// The bundle that a verb applies.
#[derive(Debug, clap::Args)]
pub(super) struct Applied {
    /// The bundle; `built-in` is the one of the program [default: ./policies or . with a ringfence.yaml, else the built-in one].
    #[arg(id = "bundle", long, value_name = "DIR")]
    pub(super) path: Option<PathBuf>,
    #[command(flatten)]
    pub(super) signatures: Signatures,
}

impl Applied {
    /// Compiles it for use; what is wrong goes to stderr.
    pub(super) fn engine(&self, options: &CompileOptions) -> anyhow::Result<(Engine, Bundle)> {
        super::engine(self.path.as_deref(), options, &self.signatures)
    }
}

/// What goes into the hashes and pseudonyms of a bundle.
#[derive(Debug, clap::Args)]
pub(super) struct Key {
    /// A file with the key for hashes and pseudonyms.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Key {
    /// The options with which a bundle is compiled.
    pub(super) fn options(&self) -> anyhow::Result<CompileOptions> {
        let options = CompileOptions::default();
        let Some(file) = &self.key_file else { return Ok(options) };
        let key =
            std::fs::read(file).with_context(|| format!("can't read the key file `{}`", file.display()))?;
        if key.len() < 16 {
            bail!("the key in `{}` is shorter than 16 bytes", file.display());
        }
        Ok(options.with_key(key))
    }
}

/// Which bundles a verb uses.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Signatures {
    /// Use no bundle but one that this key (a .pub file) has signed, and none older than one that was used before; may be given several times.
    #[arg(long, value_name = "FILE")]
    require_signature: Vec<PathBuf>,
    /// The file that keeps the latest version that was used [default: the first key's, with .seen behind].
    #[arg(long, value_name = "FILE", requires = "require_signature")]
    seen: Option<PathBuf>,
}

impl Signatures {
    /// What is trusted, where signatures are required.
    pub(super) fn trust(&self) -> anyhow::Result<Option<Trust>> {
        let Some(first) = self.require_signature.first() else { return Ok(None) };
        let mut beside = first.as_os_str().to_owned();
        beside.push(".seen");
        // Some verbs change the working folder later.
        let seen = std::path::absolute(self.seen.clone().unwrap_or_else(|| beside.into()))?;
        Ok(Some(Trust::new(keys(&self.require_signature)?).remembering(seen)))
    }

    /// Whether a bundle may be used.
    pub(super) fn check(&self, bundle: &Bundle) -> anyhow::Result<Option<(Trust, Checked)>> {
        let Some(trust) = self.trust()? else { return Ok(None) };
        let checked = trust.check(bundle)?;
        Ok(Some((trust, checked)))
    }
}

fn keys(files: &[PathBuf]) -> anyhow::Result<Vec<PublicKey>> {
    Ok(files.iter().map(|file| PublicKey::read(file)).collect::<Result<_, _>>()?)
}

impl Bundles {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::InitKey(verb) => verb.run(out),
            Verb::Pack(verb) => verb.run(out),
            Verb::Sign(verb) => verb.run(out),
            Verb::Verify(verb) => verb.run(out),
        }
    }
}

impl InitKey {
    fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let key = SigningKey::generate(&self.name)?;
        let public = key.write_new(&self.file)?;
        out.line(&key.public().text())?;
        report::note(&format!(
            "wrote {} (keep it secret) and {} (for whoever uses the bundles)",
            self.file.display(),
            public.display()
        ));
        Ok(Exit::Fine)
    }
}

impl Pack {
    fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let (bundle, built_in) = open(self.dir.as_deref())?;
        if built_in {
            bail!("there is no bundle here: name its folder, or write one with `ringfence init DIR`");
        }
        let (_, bundle) = super::compiled(bundle, false, &self.key.options()?)?;
        write(&self.output, &bundle.pack()?)?;
        out.line(&bundle.packed_digest()?)?;
        Ok(Exit::Fine)
    }
}

impl Sign {
    fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let bundle = Bundle::from_packed(&self.file)?;
        let key = SigningKey::read(&self.key)?;
        let bundle = signed::sign(&bundle, &key)?;
        write(&self.file, &bundle.pack()?)?;
        let checked = Trust::new([key.public()]).check(&bundle)?;
        out.line(&told(&checked))?;
        Ok(Exit::Fine)
    }
}

impl Verify {
    fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let bundle = Bundle::from_packed(&self.file)?;
        let mut trust = Trust::new(keys(&self.key)?);
        if let Some(file) = self.seen {
            trust = trust.remembering(file);
        }
        match trust.check(&bundle) {
            Ok(checked) => {
                out.line(&told(&checked))?;
                Ok(Exit::Fine)
            }
            Err(untrusted) => {
                report::error(&untrusted.into());
                Ok(Exit::Found)
            }
        }
    }
}

fn told(checked: &Checked) -> String {
    let Checked { name, version, digest, signed_by } = checked;
    let shown = report::visible;
    format!("{} {}, signed by {}, {digest}", shown(name), shown(version), shown(signed_by))
}

/// Writes a file as a whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let written = std::fs::File::create(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&draft, path))
        .with_context(|| format!("can't write `{}`", path.display()))
}
