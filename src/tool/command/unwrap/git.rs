//! What git runs.

use super::{Result, Unwrapping};
use crate::tool::command::Word;

impl Unwrapping<'_> {
    /// `git -c alias.x='!code'`, and what `bisect run`, `rebase --exec` and `submodule foreach` run.
    pub(super) fn git(&mut self) -> Result<()> {
        let words = &self.simple.words;
        for word in words {
            if let Some((_, code)) = word.text.split_once("=!") {
                self.opaque();
                self.supposed_code(&[Word::new(code)])?;
            }
        }
        let texts: Vec<&str> = words.iter().map(Word::text).collect();
        let at = texts
            .windows(2)
            .position(|pair| matches!(pair, ["bisect", "run"] | ["submodule", "foreach"]))
            .map(|at| at + 2);
        let at = at.or(texts
            .iter()
            .position(|text| matches!(*text, "--exec" | "--tree-filter" | "--index-filter"))
            .map(|at| at + 1));
        match at.and_then(|at| words.get(at..)) {
            Some(code) if !code.is_empty() => {
                self.opaque();
                self.supposed_code(code)
            }
            _ => Ok(()),
        }
    }
}
