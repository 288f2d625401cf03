//! `ringfence retain export`.

use jiff::Timestamp;

use super::On;
use crate::retention::Exported;
use crate::surface::cli::Exit;
use crate::surface::cli::report::Out;

/// Hand out what is kept of a user, decrypted: one JSON object per content
///
/// For a request of access. It is recorded before anything is shown. Each content is held to the commitment in its record.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  ringfence retain export --db log.db --payload-key payload.key --user ann > ann.jsonl")]
pub(super) struct Export {
    #[command(flatten)]
    on: On,
    /// The user.
    #[arg(long)]
    user: String,
}

impl Export {
    pub(super) fn run(self, out: &mut Out) -> anyhow::Result<Exit> {
        let mut show =
            |exported: &Exported| -> anyhow::Result<()> { out.line(&serde_json::to_string(exported)?) };
        self.on.open()?.export(&self.user, Timestamp::now(), &mut show)?;
        Ok(Exit::Fine)
    }
}
