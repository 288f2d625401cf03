//! Clients of databases, whose own commands run others and read and write files.

use super::{Result, Unwrapping};

/// Commands of sqlite3 that only show something.
const SHOWING: &[&str] = &[
    ".tables",
    ".schema",
    ".mode",
    ".headers",
    ".header",
    ".databases",
    ".dump",
    ".indexes",
    ".indices",
    ".width",
    ".show",
    ".timer",
    ".stats",
    ".help",
    ".quit",
    ".exit",
    ".separator",
    ".nullvalue",
    ".dbinfo",
    ".explain",
    ".eqp",
    ".echo",
    ".bail",
    ".changes",
    ".print",
    ".fullschema",
    ".lint",
    ".timeout",
    ".version",
    ".sha3sum",
];

pub(super) fn is_one(name: &str) -> bool {
    matches!(name, "psql" | "mysql" | "mariadb" | "sqlite3" | "sqlite" | "cockroach" | "clickhouse-client")
}

impl Unwrapping<'_> {
    pub(super) fn client(&mut self) -> Result<()> {
        for word in &self.simple.words {
            for line in word.text.split('\n') {
                let told = line.trim_start();
                let told = match told.strip_prefix("-c").or(told.strip_prefix("-e")) {
                    Some(code) => code.trim_start(),
                    None => {
                        told.split_once('=').filter(|_| told.starts_with("--")).map_or(told, |(_, code)| code)
                    }
                };
                let runs = match self.name {
                    "sqlite3" | "sqlite" => {
                        let name = told.split_whitespace().next().unwrap_or_default();
                        let dotted = name.len() > 1 && name.starts_with('.') && !name.contains('/');
                        (dotted && !SHOWING.contains(&name))
                            || ["load_extension(", "writefile(", "readfile(", "edit(", "fts3_tokenizer("]
                                .iter()
                                .any(|function| told.to_ascii_lowercase().contains(function))
                    }
                    "psql" | "cockroach" => {
                        let lower = told.to_ascii_lowercase();
                        ["\\!", "\\o", "\\g", "\\i", "\\w", "\\copy", "\\e", "\\setenv", "\\s "]
                            .iter()
                            .any(|command| told.contains(command))
                            || told.contains('`')
                            || (lower.contains("copy")
                                && (lower.contains(" program")
                                    || lower.contains("to '")
                                    || lower.contains("from '")))
                            || ["pg_read_file", "pg_ls_dir", "lo_import", "lo_export"]
                                .iter()
                                .any(|function| lower.contains(function))
                    }
                    _ => {
                        let lower = told.to_ascii_lowercase();
                        let first = lower.split_whitespace().next().unwrap_or_default();
                        matches!(first, "system" | "source" | "tee" | "pager" | "edit")
                            || ["\\!", "\\.", "\\t ", "\\p ", "\\e"]
                                .iter()
                                .any(|command| told.contains(command))
                            || ["load_file", "into outfile", "into dumpfile", "; system", ";system"]
                                .iter()
                                .any(|part| lower.contains(part))
                    }
                };
                if !runs {
                    continue;
                }
                self.opaque();
                let code = told.trim_start_matches('.');
                let code = ["shell ", "system ", "!", "program '"]
                    .iter()
                    .find_map(|sign| {
                        Some(code.get(code.to_ascii_lowercase().find(sign)? + sign.len()..)?.trim())
                    })
                    .unwrap_or_default();
                if !code.is_empty() {
                    let code = code.trim_end_matches(['\'', ';']);
                    self.supposed_code(&[word.with(code)])?;
                }
            }
        }
        self.lowered()?;
        let files = super::flags::CLIENT_FILES.among(&self.simple.words);
        if files.is_there {
            self.opaque();
        }
        Ok(())
    }

    /// SQL is the same in small letters, in which rules write it.
    fn lowered(&mut self) -> Result<()> {
        let changes = |text: &str| {
            let lower = text.to_ascii_lowercase();
            lower != text && ["drop", "truncate", "delete"].iter().any(|word| lower.contains(word))
        };
        if self.state.supposing || !self.simple.words.iter().any(|word| changes(&word.text)) {
            return Ok(());
        }
        let lower = self.simple.words.iter().map(|word| match changes(&word.text) {
            true => {
                word.with(word.text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase())
            }
            false => word.clone(),
        });
        let words = self.simple.program.iter().cloned().chain(lower).collect();
        self.supposed(words)
    }
}
