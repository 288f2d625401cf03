//! What stands behind `$` and in backticks.

use std::ops::Range;

use super::{CommandError, Construct, Draft, MAX_PARSED, Parser, Piece, Raw, Result, word};

impl Parser<'_, '_> {
    /// Commands up to `)`; their numbers.
    pub(super) fn substitution(&mut self) -> Result<Range<usize>> {
        let before = self.state.out.commands.len();
        let upstream = self.state.upstream.clone();
        let folder = self.state.folder.clone();
        self.deeper(|parser| {
            parser.list(&[")"])?;
            if parser.eat(")") { Ok(()) } else { Err(parser.error("a substitution without an end")) }
        })?;
        self.state.upstream = upstream;
        self.state.folder = folder;
        Ok(before..self.state.out.commands.len())
    }

    fn output(&mut self, raw: &mut Raw, commands: Range<usize>, is_quoted: bool, draft: &mut Draft) {
        let numbers: Vec<usize> = commands.collect();
        let constant =
            self.state.constant_output(&numbers).map(|text| text.trim_end_matches('\n').to_owned());
        draft.sources.extend(numbers);
        raw.push(Piece::Output { is_quoted, constant });
    }

    /// `$…` and backticks.
    pub(super) fn dollar(&mut self, raw: &mut Raw, is_quoted: bool, draft: &mut Draft) -> Result<()> {
        if self.eat("`") {
            return self.backticks(raw, is_quoted, draft);
        }
        self.at += 1;
        if self.starts("((") {
            // `$((` is arithmetic unless it is a subshell within a substitution.
            let (at, state) = (self.at, (self.state.out.constructs, self.state.out.commands.len()));
            self.state.out.constructs.insert(Construct::Substitution);
            let document = self.document;
            match self.deeper(Self::arithmetic) {
                Ok(()) => {
                    raw.push(Piece::Unknown);
                    return Ok(());
                }
                Err(CommandError::Syntax { .. }) => {
                    // Each failed reading counts, or readings within readings would double with each level.
                    self.state.parsed += self.at.saturating_sub(at) + 1;
                    if self.state.parsed > MAX_PARSED {
                        return Err(CommandError::TooLarge { what: "arithmetic that is nested too deeply" });
                    }
                    self.at = at;
                    self.document = document;
                    self.state.out.constructs = state.0;
                    self.state.out.commands.truncate(state.1);
                }
                Err(other) => return Err(other),
            }
        }
        if self.eat("(") {
            self.state.out.constructs.insert(Construct::Substitution);
            let commands = self.substitution()?;
            self.output(raw, commands, is_quoted, draft);
            return Ok(());
        }
        if self.eat("{") {
            self.state.out.constructs.insert(Construct::Substitution);
            return self.parameter(raw, is_quoted, draft);
        }
        if !is_quoted && (self.starts("'") || self.starts("\"")) {
            self.only_bash()?;
        }
        if !is_quoted && self.eat("'") {
            return self.ansi_quoted(raw);
        }
        if !is_quoted && self.eat("\"") {
            return self.double_quoted(raw, draft);
        }
        let name = self.variable_name();
        if name.is_empty() {
            word::push(raw, "$");
            return Ok(());
        }
        self.at += name.len();
        self.state.out.constructs.insert(Construct::Substitution);
        raw.push(Piece::Variable { name, is_quoted, or: None });
        Ok(())
    }

    fn variable_name(&self) -> String {
        let rest = self.rest();
        match rest.chars().next() {
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                rest.chars().take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '_').collect()
            }
            Some(sign) if sign.is_ascii_digit() || "@*#?-$!".contains(sign) => sign.to_string(),
            _ => String::new(),
        }
    }

    /// `${…}` behind the brace.
    fn parameter(&mut self, raw: &mut Raw, is_quoted: bool, draft: &mut Draft) -> Result<()> {
        let is_plain = !self.starts("!") && !self.starts("#");
        if self.starts("!") || (self.starts("#") && !self.starts("#}")) {
            self.at += 1;
        }
        let mut name = self.variable_name();
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            name = self.rest().chars().take_while(char::is_ascii_digit).collect();
        }
        if name.is_empty() {
            return Err(self.error("`${` without a name"));
        }
        self.at += name.len();
        let mut is_whole = true;
        if self.starts("[") {
            is_whole = self.eat("[0]") || self.eat("[@]") || self.eat("[*]");
        }
        if self.eat("}") {
            let piece = if is_plain && is_whole {
                Piece::Variable { name, is_quoted, or: None }
            } else {
                Piece::Unknown
            };
            raw.push(piece);
            return Ok(());
        }
        let instead = [":-", "-", ":=", "=", ":+", "+"].into_iter().find(|sign| self.starts(sign));
        if let Some(sign) = instead {
            self.at += sign.len();
        }
        // What stands there is a word of its own, in which anything may be substituted.
        let mut inner = Raw::default();
        loop {
            match self.peek() {
                None => return Err(self.error("`${` without `}`")),
                Some('}') => {
                    self.next()?;
                    break;
                }
                Some('\'') if !is_quoted => {
                    self.next()?;
                    self.single_quoted(&mut inner)?;
                }
                Some('"') => {
                    self.next()?;
                    self.deeper(|parser| parser.double_quoted(&mut inner, draft))?;
                }
                Some('$' | '`') => self.deeper(|parser| parser.dollar(&mut inner, is_quoted, draft))?,
                Some('\\') => {
                    self.next()?;
                    match self.next()? {
                        Some(sign) => word::push(&mut inner, sign.encode_utf8(&mut [0; 4])),
                        None => return Err(self.error("`${` without `}`")),
                    }
                }
                Some('<' | '>') if self.starts("<(") || self.starts(">(") => {
                    return Err(self.error("a process substitution within `${`"));
                }
                Some(sign) => {
                    self.next()?;
                    word::push(&mut inner, sign.encode_utf8(&mut [0; 4]));
                }
            }
        }
        // An index, or what stands behind a colon, is evaluated.
        let (text, span, depth) = (word::settle(&inner).text, self.span(self.at), self.depth + 1);
        self.state.evaluated(&text, span, depth)?;
        match instead {
            Some(_) if is_plain && is_whole => {
                let value = self.state.supposed(&inner, 0);
                let known = value.is_known.then(|| value.text.to_string());
                if let (Some(":=" | "="), Some(value), None) =
                    (instead, &known, self.state.variables.get(&name))
                {
                    self.state.variable(&name, value.clone());
                }
                raw.push(match instead {
                    // What stands there where it is set.
                    Some(":+" | "+") => Piece::Output { is_quoted, constant: known },
                    _ => Piece::Variable { name, is_quoted, or: known },
                });
            }
            _ => raw.push(Piece::Unknown),
        }
        Ok(())
    }

    fn backticks(&mut self, raw: &mut Raw, is_quoted: bool, draft: &mut Draft) -> Result<()> {
        let from = self.at;
        let mut code = String::new();
        loop {
            match self.next()? {
                None => return Err(self.error("a backtick without an end")),
                Some('`') => break,
                Some('\\') => match self.next()? {
                    Some(sign @ ('`' | '\\' | '$')) => code.push(sign),
                    Some('"') if is_quoted => code.push('"'),
                    Some(sign) => {
                        code.push('\\');
                        code.push(sign);
                    }
                    None => return Err(self.error("a backtick without an end")),
                },
                Some(sign) => code.push(sign),
            }
        }
        self.state.out.constructs.insert(Construct::Substitution);
        let before = self.state.out.commands.len();
        let upstream = self.state.upstream.clone();
        let span = self.span(from);
        self.state.code(&code, Some(span), self.depth + 1)?;
        self.state.upstream = upstream;
        self.output(raw, before..self.state.out.commands.len(), is_quoted, draft);
        Ok(())
    }
}
