//! Commands in a row: lists, and-or lists and pipelines.

use super::{Construct, Parser, Result};

impl Parser<'_, '_> {
    /// Lists of pipelines until one of these words or signs stands where a command may begin.
    pub(super) fn list(&mut self, ends: &[&'static str]) -> Result<usize> {
        self.level += 1;
        let count = self.list_parts(ends);
        self.level -= 1;
        count
    }

    fn list_parts(&mut self, ends: &[&'static str]) -> Result<usize> {
        let mut count = 0;
        loop {
            self.breaks()?;
            let closes = |sign: &str| ends.contains(&sign);
            if self.rest().is_empty()
                || (self.starts(")") && closes(")"))
                || (self.starts(";;") && closes(";;"))
                || (self.starts(";&") && closes(";;"))
                || self.reserved(ends).is_some_and(|word| word != ")" && word != ";;")
            {
                return Ok(count);
            }
            self.and_or()?;
            count += 1;
            self.blanks();
            if self.starts(";;") || self.starts(";&") {
                continue;
            }
            if self.eat(";") {
            } else if self.starts("&") && !self.starts("&&") {
                self.at += 1;
                self.state.out.constructs.insert(Construct::Background);
                self.state.backgrounds += 1;
            } else if !self.starts("\n") {
                // Whatever stands here ends the list, or is an error of who asked for it.
                if self.starts(")") || self.rest().is_empty() {
                    continue_or_end(ends, self)?;
                    return Ok(count);
                }
                return Err(self.error("a word or sign that can't stand here"));
            }
        }
    }

    fn and_or(&mut self) -> Result<()> {
        loop {
            self.pipeline()?;
            self.blanks();
            if !(self.eat("&&") || self.eat("||")) {
                return Ok(());
            }
            self.breaks()?;
        }
    }

    fn pipeline(&mut self) -> Result<()> {
        let inherited = self.state.upstream.clone();
        let result = self.pipeline_parts();
        self.state.upstream = inherited;
        result
    }

    fn pipeline_parts(&mut self) -> Result<()> {
        while let Some(word) = self.reserved(&["!", "time"]) {
            // `time` with a redirection or alone is nothing that a pipeline follows.
            self.at += word.len();
            self.state.out.is_compound = true;
            self.blanks();
            if word == "time" && self.reserved(&["-p"]).is_some() {
                self.at += 2;
                self.blanks();
            }
            if word == "time" && (self.rest().is_empty() || self.starts("\n") || self.starts(";")) {
                return Ok(());
            }
        }
        loop {
            let before = self.state.out.commands.len();
            self.deeper(Self::command)?;
            self.blanks();
            let is_pipe = self.starts("|") && !self.starts("||");
            if !is_pipe {
                return Ok(());
            }
            if self.starts("|&") {
                self.only_bash()?;
                self.at += 1;
            }
            self.at += 1;
            self.state.out.constructs.insert(Construct::Pipe);
            self.state.upstream = (before..self.state.out.commands.len()).collect();
            self.breaks()?;
        }
    }

    /// A list that has to hold something.
    pub(super) fn some(&mut self, ends: &[&'static str]) -> Result<()> {
        if self.list(ends)? == 0 {
            return Err(self.error("a part without commands"));
        }
        Ok(())
    }
}

fn continue_or_end(ends: &[&'static str], parser: &Parser<'_, '_>) -> Result<()> {
    if parser.starts(")") && !ends.contains(&")") {
        return Err(parser.error("a parenthesis that nothing opens"));
    }
    Ok(())
}
