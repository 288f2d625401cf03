//! Simple commands: assignments, words and redirections.

use super::{Construct, Draft, Parser, Piece, Raw, RedirectKind, Result, word};

impl<'t> Parser<'t, '_> {
    pub(super) fn simple(&mut self) -> Result<()> {
        let from = self.at;
        let mut end = from;
        let mut draft = Draft::default();
        let mut both = false;
        loop {
            self.blanks();
            let begins = self.starts("&>");
            if self.redirection(&mut draft)? {
                both |= begins;
                end = self.at;
                continue;
            }
            if draft.words.is_empty()
                && let Some((name, raw)) = self.assignment(&mut draft)?
            {
                draft.assignments.push((name.to_owned(), raw));
                end = self.at;
                continue;
            }
            match self.word(&mut draft)? {
                Some(raw) => {
                    // Others read `a &> f b` as `a &` and `> f b`.
                    self.state.out.is_ambiguous |= both;
                    draft.words.push(raw);
                    end = self.at;
                    self.array_behind(&mut draft)?;
                }
                None => break,
            }
        }
        if draft.words.is_empty() && draft.assignments.is_empty() && draft.redirects.is_empty() {
            return Err(self.error("an operator where a command has to stand"));
        }
        draft.span = self.outer.clone().unwrap_or(from..end);
        self.state.finish(draft, self.depth)
    }

    /// `declare -a x=(…)`: a list behind a word that ends in `=`.
    fn array_behind(&mut self, draft: &mut Draft) -> Result<()> {
        if !self.starts("(") {
            return Ok(());
        }
        let declares = draft
            .words
            .first()
            .and_then(word::literal)
            .is_some_and(|name| matches!(name, "declare" | "local" | "typeset" | "export" | "readonly"));
        let ends = draft.words.last().and_then(word::literal).is_some_and(|text| text.ends_with('='));
        if !declares || !ends {
            return Err(self.error("a parenthesis within a command"));
        }
        self.at += 1;
        self.array(draft).map(|_| ())
    }

    fn array(&mut self, draft: &mut Draft) -> Result<Raw> {
        let mut first = Raw::default();
        loop {
            self.breaks()?;
            if self.eat(")") {
                return Ok(first);
            }
            match self.word(draft)? {
                Some(raw) if first.is_empty() => first = raw,
                Some(_) => {}
                None => return Err(self.error("a list without `)`")),
            }
        }
    }

    fn assignment(&mut self, draft: &mut Draft) -> Result<Option<(&'t str, Raw)>> {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'));
        let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(None);
        }
        let after = rest.get(name.len()..).unwrap_or_default();
        let skip = if after.starts_with('=') {
            1
        } else if after.starts_with("+=") {
            self.only_bash()?;
            2
        } else if after.starts_with('[') {
            // An index is evaluated, and can hold anything, so only plain ones are read.
            self.only_bash()?;
            let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '@' | '*');
            match after.get(1..).and_then(|index| index.split_once(']')) {
                Some((index, value)) if index.chars().all(plain) && value.starts_with('=') => index.len() + 3,
                Some((index, value)) if index.chars().all(plain) && value.starts_with("+=") => {
                    index.len() + 4
                }
                Some((index, value))
                    if !index.contains(['\n', ' ', ';']) && !value.starts_with(['=', '+']) =>
                {
                    return Ok(None);
                }
                _ => return Err(self.error("an index that is not plain")),
            }
        } else {
            return Ok(None);
        };
        self.at += name.len() + skip;
        if self.eat("(") {
            self.only_bash()?;
            let raw = self.array(draft)?;
            return Ok(Some((name, raw)));
        }
        let raw = self.word(draft)?.unwrap_or_default();
        Ok(Some((name, raw)))
    }

    pub(super) fn redirection(&mut self, draft: &mut Draft) -> Result<bool> {
        if !matches!(self.byte(), Some(b'0'..=b'9' | b'<' | b'>' | b'&' | b'{')) {
            return Ok(false);
        }
        let from = self.at;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let mut descriptor = self.rest().get(..digits).unwrap_or_default().to_owned();
        self.at += digits;
        let mut has_name = false;
        if digits == 0 && self.starts("{") {
            // `{name}>file` gives a descriptor to a variable.
            let name = self.rest().get(1..).and_then(|rest| rest.split_once('}')).filter(|(name, after)| {
                !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    && after.starts_with(['<', '>'])
            });
            if let Some((name, _)) = name {
                descriptor = name.to_owned();
                self.only_bash()?;
                self.at += descriptor.len() + 2;
                has_name = true;
            }
        }
        let both = digits == 0 && !has_name && self.starts("&>");
        if !(self.starts("<") || self.starts(">") || both)
            || ((digits == 0 && !has_name) && (self.starts("<(") || self.starts(">(")))
        {
            self.at = from;
            return Ok(false);
        }
        let signs = ["&>>", "&>", "<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let sign = signs.into_iter().find(|sign| self.starts(sign)).unwrap_or(">");
        if matches!(sign, "&>>" | "&>" | "<<<") {
            self.only_bash()?;
        }
        self.at += sign.len();
        if sign == "<<" || sign == "<<-" {
            self.state.out.constructs.insert(Construct::HereDocument);
            self.blanks();
            let raw = self.here_document(sign == "<<-", draft)?;
            draft.redirects.push((RedirectKind::Text, raw));
            return Ok(true);
        }
        self.blanks();
        let raw = self.word(draft)?.ok_or_else(|| self.error("a redirection without a target"))?;
        let kind = match sign {
            "<<<" => {
                self.state.out.constructs.insert(Construct::HereDocument);
                RedirectKind::Text
            }
            "<" => RedirectKind::Read,
            "<&" | ">&" => {
                let text = word::settle(&raw);
                let number = text.text.trim_end_matches('-');
                // Of the standard output, whatever is no number is a file.
                let is_file = sign == ">&" && matches!(descriptor.trim_start_matches('0'), "" | "1");
                let is_opened = raw.iter().all(|piece| match piece {
                    Piece::Variable { name, .. } => self.state.is_opened(name),
                    Piece::Text(text) => text.bytes().all(|byte| byte == b'-'),
                    _ => false,
                });
                if text.is_known && number.bytes().all(|byte| byte.is_ascii_digit()) {
                    RedirectKind::Duplicate
                } else if text.is_known
                    && text.text.contains(['$', '`', '\\', '\'', '"', '*', '?', '[', '~', '{'])
                {
                    // bash expands it again, quotes or not.
                    return Err(self.error("a file behind `>&` that is more than a plain name"));
                } else if text.is_known || (is_file && !is_opened) {
                    RedirectKind::Write
                } else {
                    RedirectKind::Duplicate
                }
            }
            _ => RedirectKind::Write,
        };
        if kind != RedirectKind::Text {
            self.state.out.constructs.insert(Construct::Redirect);
        }
        if descriptor.is_empty() {
            descriptor.push(if sign.starts_with('<') { '0' } else { '1' });
        }
        draft.descriptors.push((descriptor, draft.redirects.len()));
        draft.redirects.push((kind, raw));
        Ok(true)
    }
}
