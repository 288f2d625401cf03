//! Scripts of sed: what they run, and which files they name themselves.

use crate::tool::command::Word;

/// What a command of sed does besides changing text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// It runs code, reads or writes files that are no words of the line, or is not understood.
    pub(super) escapes: bool,
    /// Code that it runs, as far as it is told.
    pub(super) codes: Vec<String>,
}

/// Reads the words of sed.
pub(super) fn read(words: &[Word]) -> Script {
    let (mut pieces, mut operands): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut script = Script::default();
    let mut words = words.iter().map(Word::text);
    let mut flags_end = false;
    while let Some(text) = words.next() {
        if flags_end || text == "-" || !text.starts_with('-') {
            operands.push(text);
        } else if text == "--" {
            flags_end = true;
        } else if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let is = |flag: &str| !name.is_empty() && flag.starts_with(name);
            if is("expression") {
                pieces.extend(value.or_else(|| words.next()));
            } else if is("file") {
                script.escapes = true;
            } else if is("line-length") && value.is_none() {
                words.next();
            }
        } else {
            for (at, letter) in text.char_indices().skip(1) {
                let rest = text.get(at + letter.len_utf8()..).unwrap_or_default();
                match letter {
                    'e' => pieces.extend(if rest.is_empty() { words.next() } else { Some(rest) }),
                    'f' => script.escapes = true,
                    'l' if rest.is_empty() => {
                        words.next();
                    }
                    // `i` takes what stands behind it for the ending of copies.
                    'l' | 'i' | 'I' => {}
                    _ => continue,
                }
                break;
            }
        }
    }
    if pieces.is_empty() && !script.escapes {
        // `sed -i '' script` is that of BSD.
        let first = operands.iter().take_while(|operand| operand.is_empty()).count();
        pieces.extend(operands.get(..=first).or(operands.get(..)).unwrap_or_default());
    }
    let text = pieces.join("\n");
    // Within brackets, the sign that ends an expression is one of them for some versions and ends it for others.
    let mut codes = Vec::new();
    for reads_brackets in [true, false] {
        if !text.contains('[') && !reads_brackets {
            continue;
        }
        let mut reading = Reading { rest: &text, reads_brackets, codes: Vec::new(), escapes: false };
        script.escapes |= reading.commands().is_none() || reading.escapes;
        codes.append(&mut reading.codes);
    }
    codes.dedup();
    script.codes = codes;
    script
}

struct Reading<'t> {
    rest: &'t str,
    reads_brackets: bool,
    codes: Vec<String>,
    escapes: bool,
}

impl<'t> Reading<'t> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = self.rest.get(next.len_utf8()..).unwrap_or_default();
        Some(next)
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(wanted);
    }

    /// What is left of the line of the script.
    fn line(&mut self) -> &'t str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        line
    }

    /// `None` where something is not understood.
    fn commands(&mut self) -> Option<()> {
        loop {
            self.skip(|sign| sign.is_whitespace() || matches!(sign, ';' | '}'));
            if self.rest.is_empty() {
                return Some(());
            }
            if self.address()? {
                self.skip(is_blank);
                if self.peek() == Some(',') {
                    self.next();
                    self.skip(is_blank);
                    if matches!(self.peek(), Some('+' | '~')) {
                        self.next();
                    }
                    if !self.address()? {
                        return None;
                    }
                }
            }
            self.skip(|sign| is_blank(sign) || sign == '!');
            self.command()?;
        }
    }

    /// Whether an address stands here.
    fn address(&mut self) -> Option<bool> {
        match self.peek() {
            Some(digit) if digit.is_ascii_digit() => {
                self.skip(|sign| sign.is_ascii_digit());
                if self.peek() == Some('~') {
                    self.next();
                    self.skip(|sign| sign.is_ascii_digit());
                }
            }
            Some('$') => {
                self.next();
            }
            Some('/') => {
                self.next();
                self.until('/')?;
                self.skip(|sign| matches!(sign, 'I' | 'M'));
            }
            Some('\\') => {
                self.next();
                let end = self.next()?;
                self.until(end)?;
                self.skip(|sign| matches!(sign, 'I' | 'M'));
            }
            _ => return Some(false),
        }
        Some(true)
    }

    /// The text up to a sign that is not escaped.
    fn until(&mut self, end: char) -> Option<&'t str> {
        if matches!(end, '\n' | '\\') {
            return None;
        }
        let text = self.rest;
        let mut in_brackets = false;
        loop {
            let at = text.len() - self.rest.len();
            match self.next()? {
                sign if sign == end && !in_brackets => return text.get(..at),
                '\\' if !in_brackets => {
                    self.next()?;
                }
                '[' if self.reads_brackets && !in_brackets => {
                    in_brackets = true;
                    if self.peek() == Some('^') {
                        self.next();
                    }
                    if self.peek() == Some(']') {
                        self.next();
                    }
                }
                ']' => in_brackets = false,
                // Classes within brackets end like brackets: what is read then is more, never less.
                _ => {}
            }
        }
    }

    fn command(&mut self) -> Option<()> {
        match self.next()? {
            '#' => {
                self.line();
                Some(())
            }
            '{' => Some(()),
            '=' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z' | 'F' => self.end(),
            'l' | 'L' | 'q' | 'Q' => {
                self.skip(|sign| is_blank(sign) || sign.is_ascii_digit());
                self.end()
            }
            'a' | 'i' | 'c' => {
                while self.line().ends_with('\\') && !self.rest.is_empty() {}
                Some(())
            }
            ':' | 'b' | 't' | 'T' | 'v' => {
                self.skip(is_blank);
                self.skip(|sign| !sign.is_whitespace() && !matches!(sign, ';' | '}'));
                Some(())
            }
            'r' | 'R' | 'w' | 'W' => {
                let file = self.line().trim();
                self.escapes |= !matches!(file, "/dev/stdout" | "/dev/stderr");
                Some(())
            }
            'e' => {
                let code = self.line().trim();
                self.escapes = true;
                if !code.is_empty() {
                    self.codes.push(code.to_owned());
                }
                Some(())
            }
            's' => self.substitution(),
            'y' => {
                let end = self.next()?;
                self.until(end)?;
                self.until(end)?;
                self.end()
            }
            _ => None,
        }
    }

    fn substitution(&mut self) -> Option<()> {
        let end = self.next()?;
        self.until(end)?;
        let brackets = std::mem::replace(&mut self.reads_brackets, false);
        let replacement = self.until(end);
        self.reads_brackets = brackets;
        let replacement = replacement?;
        loop {
            match self.peek() {
                Some('g' | 'p' | 'i' | 'I' | 'm' | 'M') => {}
                Some(digit) if digit.is_ascii_digit() => {}
                Some('e') => {
                    self.escapes = true;
                    self.codes.push(replacement.to_owned());
                }
                Some('w') => {
                    self.next();
                    let file = self.line().trim();
                    self.escapes |= !matches!(file, "/dev/stdout" | "/dev/stderr");
                    return Some(());
                }
                _ => return self.end(),
            }
            self.next();
        }
    }

    /// A command ends here.
    fn end(&mut self) -> Option<()> {
        self.skip(is_blank);
        match self.peek() {
            None | Some(';' | '\n' | '}' | '#') => Some(()),
            // A carriage return is one of a file that was written elsewhere.
            Some('\r') => {
                self.next();
                self.end()
            }
            Some(_) => None,
        }
    }
}

fn is_blank(sign: char) -> bool {
    matches!(sign, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_do_more_than_change_text() {
        for words in [
            &["1e id"][..],
            &["e"],
            &["\\,^,e id"],
            &["/a/,/b/e id"],
            &["s/.*/id;/e"],
            &["s/a/b/ge"],
            &["s|a|b|w /tmp/x"],
            &["s/a/b/w/tmp/x"],
            &["/x/Ie id"],
            &["/x\\/y/e id"],
            &["--expression=1eid"],
            &["--exp", "1eid"],
            &["-e", "p", "-e", "d", "-e", "1eid"],
            &["-e1eid"],
            &["-ne1eid"],
            &["p", "file", "-e", "1eid"],
            &["-f", "x.sed"],
            &["-nfx.sed"],
            &["--fi=x.sed"],
            &["$!{N;e id\n}"],
            &["0~3e id"],
            &["1,+2!e id"],
            &["a\\\ntext\ne id"],
            &["s/[/]/x/;e id"],
            &["s/[/;e id"],
            &["y/ab/cd/;w x"],
            &["r /etc/shadow"],
            &["-i", "", "1e id", "x"],
            &[],
        ] {
            let script = read(&words.iter().map(|word| Word::new(*word)).collect::<Vec<_>>());
            assert_eq!(script.escapes, !words.is_empty(), "{words:?}");
        }
    }

    #[test]
    fn scripts_that_only_change_text() {
        for words in [
            &["s/a/b/"][..],
            &["-n", "1,5p", "x"],
            &["-E", "s/(a|b)+/\\1/g;s,/usr,/opt,", "x"],
            &["-i.bak", "/^#/d", "x"],
            &["/start/,/end/{s/we/ewe/;p}", "x"],
            &["-e", "s/e/w/g", "-e", "$!N", "-e", "P;D"],
            &[":a;N;$!ba;s/\\n/ /g"],
            &["a\\\nsome text\\\nwith e and w"],
            &["1i first line of we"],
            &["y/abc/xyz/"],
            &["s/[^]]*]/e/"],
            &["s/\\/e/w/;q5"],
            &["w /dev/stdout"],
            &["# e id"],
            &["2q", "e"],
            &["s/x/w e/"],
            &["--quiet", "--regexp-extended", "s/a/b/"],
            &["p", "--", "-e1"],
        ] {
            let script = read(&words.iter().map(|word| Word::new(*word)).collect::<Vec<_>>());
            assert_eq!(script, Script::default(), "{words:?}");
        }
    }

    #[test]
    fn code_is_told() {
        for (script, code) in [("1e id -u", "id -u"), ("s/.*/id -u/e", "id -u"), ("/x/{e id -u\n}", "id -u")]
        {
            assert_eq!(read(&[Word::new(script)]).codes, [code], "{script}");
        }
    }
}
