//! Programs that run a command elsewhere: in a container, on another machine, behind a socket.

use super::{Result, Unwrapping};
use crate::tool::command::Word;

impl Unwrapping<'_> {
    /// `docker exec NAME command`, `docker run IMAGE command`, `kubectl exec NAME -- command`.
    pub(super) fn container(&mut self) -> Result<()> {
        let words = &self.simple.words;
        let verb = words.iter().position(|word| matches!(word.text.as_str(), "exec" | "run"));
        let Some(verb) = verb else { return Ok(()) };
        let dashes = words.iter().position(|word| word.text == "--");
        let rest: Vec<Word> = match dashes {
            Some(at) => words.iter().skip(at + 1).cloned().collect(),
            None if self.name == "kubectl" || self.name == "oc" => Vec::new(),
            None => {
                let mut rest = words.iter().skip(verb + 1).peekable();
                while let Some(word) = rest.next_if(|word| word.text.starts_with('-')) {
                    let valued = [
                        "-e",
                        "-v",
                        "-u",
                        "-w",
                        "-p",
                        "-h",
                        "-l",
                        "-m",
                        "-c",
                        "--name",
                        "--env",
                        "--volume",
                        "--user",
                        "--workdir",
                        "--network",
                        "--entrypoint",
                        "--publish",
                        "--mount",
                    ];
                    if valued.contains(&word.text.as_str()) {
                        rest.next();
                    }
                }
                rest.skip(1).cloned().collect()
            }
        };
        if rest.is_empty() {
            return Ok(());
        }
        self.opaque();
        self.supposed(rest)
    }

    pub(super) fn ssh(&mut self) -> Result<()> {
        let rest = self.behind_flags("BbcDEeFIiJLlmOopQRSWw", 1);
        if rest.is_empty() {
            // Without a command, the shell there runs what it is given.
            return if self.simple.words.iter().any(|word| !word.text.starts_with('-')) {
                self.runs_given("")
            } else {
                Ok(())
            };
        }
        self.opaque();
        self.supposed_code(&rest)
    }

    /// `socat … EXEC:code`, `nc --sh-exec=code`.
    pub(super) fn socket(&mut self) -> Result<()> {
        for word in &self.simple.words {
            let upper = word.text.to_ascii_uppercase();
            for sign in ["EXEC:", "SYSTEM:", "--SH-EXEC=", "--EXEC="] {
                if let Some(at) = upper.find(sign) {
                    let code = word.text.get(at + sign.len()..).unwrap_or_default();
                    let code = code.trim_matches(['\'', '"', '\\']).replace("\\\"", "\"");
                    self.opaque();
                    self.supposed_code(&[Word::new(code)])?;
                }
            }
        }
        Ok(())
    }
}
