//! Compound commands: groups, conditions, loops, `case`, tests, arithmetic and functions.

use super::{Construct, Draft, Parser, RESERVED, Raw, Result, Simple, word};

impl<'t> Parser<'t, '_> {
    pub(super) fn command(&mut self) -> Result<()> {
        let before = self.state.out.commands.len();
        if self.starts("((") {
            self.state.out.is_compound = true;
            self.only_bash()?;
            return self.arithmetic_command();
        }
        if self.eat("(") {
            self.state.out.is_compound = true;
            self.state.out.constructs.insert(Construct::Subshell);
            let folder = self.state.folder.clone();
            if self.list(&[")"])? == 0 || !self.eat(")") {
                return Err(self.error("a subshell without an end"));
            }
            self.state.folder = folder;
            return self.redirections(before);
        }
        let Some(word) = self.reserved(RESERVED) else {
            return match self.function_name() {
                Some(name) => self.function(name),
                None => self.simple(),
            };
        };
        self.state.out.is_compound = true;
        self.state.out.repeats |=
            matches!(word, "while" | "until" | "for" | "select" | "function" | "coproc");
        if matches!(word, "[[" | "select" | "function" | "coproc") {
            self.only_bash()?;
        }
        let from = self.at;
        self.at += word.len();
        match word {
            "{" => {
                self.some(&["}"])?;
                self.expect("}", "a brace group without `}`")?;
            }
            "if" => {
                self.some(&["then"])?;
                self.expect("then", "`if` without `then`")?;
                loop {
                    self.some(&["elif", "else", "fi"])?;
                    match self.reserved(&["elif", "else", "fi"]) {
                        Some("elif") => {
                            self.at += 4;
                            self.some(&["then"])?;
                            self.expect("then", "`elif` without `then`")?;
                        }
                        Some("else") => {
                            self.at += 4;
                            self.some(&["fi"])?;
                            self.expect("fi", "`if` without `fi`")?;
                            break;
                        }
                        Some(_) => {
                            self.at += 2;
                            break;
                        }
                        None => return Err(self.error("`if` without `fi`")),
                    }
                }
            }
            "while" | "until" => {
                let condition = self.state.out.commands.len();
                let begin = self.at;
                self.some(&["do"])?;
                let shown =
                    self.text.get(begin..self.at).unwrap_or_default().trim_matches([' ', ';', '\n', '\t']);
                let is_endless = match word {
                    "while" => matches!(shown, "true" | ":" | "((1))" | "[[ 1 ]]" | "[ 1 ]" | "/bin/true"),
                    _ => matches!(shown, "false" | "((0))" | "/bin/false"),
                };
                let backgrounds = self.state.backgrounds;
                self.body()?;
                if is_endless && self.state.backgrounds > backgrounds {
                    self.mark_endless(condition);
                }
            }
            "for" | "select" => self.for_loop()?,
            "case" => self.case()?,
            "[[" => self.test()?,
            "function" => {
                self.blanks();
                let name = self.plain_name();
                if name.is_empty() {
                    return Err(self.error("a function without a name"));
                }
                self.at += name.len();
                self.blanks();
                if self.eat("(") {
                    self.blanks();
                    if !self.eat(")") {
                        return Err(self.error("a function's parentheses"));
                    }
                }
                return self.function(name);
            }
            "coproc" => {
                self.blanks();
                self.state.out.constructs.insert(Construct::Background);
                let name = self.plain_name();
                let after =
                    self.text.get(self.at + name.len()..).unwrap_or_default().trim_start_matches([' ', '\t']);
                let compound = ["{", "(", "if ", "while ", "until ", "for ", "case ", "select "];
                if !name.is_empty()
                    && !RESERVED.contains(&name)
                    && compound.iter().any(|begin| after.starts_with(begin))
                {
                    self.at += name.len();
                    self.blanks();
                }
                return self.deeper(Self::command);
            }
            "time" => {
                self.at = from;
                return self.simple();
            }
            _ => {
                self.at = from;
                return Err(self.error("a reserved word that nothing begins"));
            }
        }
        self.redirections(before)
    }

    fn body(&mut self) -> Result<()> {
        self.expect("do", "a loop without `do`")?;
        self.some(&["done"])?;
        self.expect("done", "a loop without `done`")
    }

    fn for_loop(&mut self) -> Result<()> {
        self.blanks();
        if self.starts("((") {
            self.arithmetic()?;
        } else {
            let name = self.plain_name();
            if name.is_empty() {
                return Err(self.error("`for` without a name"));
            }
            self.at += name.len();
            self.breaks()?;
            if self.reserved(&["in"]).is_some() {
                self.at += 2;
                let mut draft = Draft::default();
                loop {
                    self.blanks();
                    if self.rest().is_empty() || self.starts(";") || self.starts("\n") {
                        break;
                    }
                    let raw = self
                        .word(&mut draft)?
                        .ok_or_else(|| self.error("a sign within the words of `for`"))?;
                    self.state.has_unread |= draft.fed.is_some();
                    if !word::has_brace(&raw) {
                        self.value_of_loop(name, &raw);
                        continue;
                    }
                    let (several, any) = word::braces(raw)?;
                    if any {
                        self.only_bash()?;
                    }
                    several.iter().for_each(|raw| self.value_of_loop(name, raw));
                }
            }
        }
        self.blanks();
        let _ = self.eat(";");
        self.breaks()?;
        if self.reserved(&["{"]).is_some() {
            self.at += 1;
            self.some(&["}"])?;
            return self.expect("}", "a loop without `}`");
        }
        self.body()
    }

    fn value_of_loop(&mut self, name: &str, raw: &Raw) {
        let value = word::settle(raw);
        if value.has_glob {
            self.state.out.constructs.insert(Construct::Glob);
        }
        if value.is_known {
            self.state.variable(name, value.text.to_string());
        }
    }

    fn case(&mut self) -> Result<()> {
        let mut draft = Draft::default();
        self.blanks();
        if self.word(&mut draft)?.is_none() {
            return Err(self.error("`case` without a word"));
        }
        self.expect("in", "`case` without `in`")?;
        loop {
            self.breaks()?;
            if self.reserved(&["esac"]).is_some() {
                self.at += 4;
                return Ok(());
            }
            let _ = self.eat("(");
            loop {
                self.blanks();
                if self.word(&mut draft)?.is_none() {
                    return Err(self.error("a case without a pattern"));
                }
                self.state.has_unread |= draft.fed.is_some();
                self.blanks();
                if self.eat("|") {
                    continue;
                }
                if self.eat(")") {
                    break;
                }
                return Err(self.error("a pattern of `case` without `)`"));
            }
            self.list(&[";;", "esac"])?;
            if self.starts(";&") || self.starts(";;&") {
                self.only_bash()?;
            }
            if !(self.eat(";;&") || self.eat(";;") || self.eat(";&")) {
                self.breaks()?;
                if self.reserved(&["esac"]).is_none() {
                    return Err(self.error("`case` without `esac`"));
                }
            }
        }
    }

    /// `[[ … ]]`: nothing in it runs but substitutions, and indices that are evaluated.
    fn test(&mut self) -> Result<()> {
        let mut draft = Draft::default();
        loop {
            self.breaks()?;
            if self.reserved(&["]]"]).is_some() {
                self.at += 2;
                return Ok(());
            }
            if self.eat("&&")
                || self.eat("||")
                || self.eat("(")
                || self.eat(")")
                || self.eat("<")
                || self.eat(">")
            {
                // Where `[[` is no word of the shell, what follows is a command or a file.
                self.state.out.is_ambiguous = true;
                continue;
            }
            let from = self.at;
            match self.word(&mut draft)? {
                Some(raw) => {
                    self.state.has_unread |= draft.fed.is_some();
                    let (span, depth) = (self.span(from), self.depth + 1);
                    self.state.evaluated(&word::settle(&raw).text, span, depth)?;
                }
                // Regular expressions may hold what elsewhere is an operator.
                None if self.eat("|") => {}
                None => return Err(self.error("`[[` without `]]`")),
            }
        }
    }

    fn arithmetic_command(&mut self) -> Result<()> {
        let before = self.state.out.commands.len();
        self.arithmetic()?;
        self.redirections(before)
    }

    /// `((…))`, whose names are evaluated, and can hold code by that.
    pub(super) fn arithmetic(&mut self) -> Result<()> {
        self.at += 2;
        let mut depth = 0_usize;
        let mut draft = Draft::default();
        loop {
            if depth == 0 && self.eat("))") {
                return Ok(());
            }
            match self.peek() {
                None => return Err(self.error("`((` without `))`")),
                Some('(') => depth += 1,
                Some(')') => {
                    depth = depth.checked_sub(1).ok_or_else(|| self.error("`((` without `))`"))?;
                }
                Some('$' | '`') => {
                    let mut raw = Raw::default();
                    self.dollar(&mut raw, true, &mut draft)?;
                    continue;
                }
                Some('\'' | '"' | '\\') => return Err(self.error("a quote within `((`")),
                Some(sign) if sign.is_ascii_alphabetic() || sign == '_' => {
                    self.state.out.constructs.insert(Construct::Substitution);
                }
                Some(_) => {}
            }
            self.next()?;
        }
    }

    /// A name before `()`.
    fn function_name(&self) -> Option<&'t str> {
        let name = self.plain_name();
        if name.is_empty() || name.contains('=') {
            return None;
        }
        let after = self.text.get(self.at + name.len()..)?.trim_start_matches([' ', '\t']);
        after.strip_prefix('(')?.trim_start_matches([' ', '\t']).starts_with(')').then_some(name)
    }

    /// What may be the name of a function or variable.
    fn plain_name(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|sign: char| {
            !(sign.is_alphanumeric()
                || matches!(sign, '_' | '-' | '.' | ':' | '@' | '+' | '/' | '?' | '!' | ','))
        });
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }

    fn function(&mut self, name: &str) -> Result<()> {
        self.state.out.is_compound = true;
        self.state.out.repeats = true;
        if self.starts(name) {
            self.at += name.len();
            self.blanks();
            self.at += 1;
            self.blanks();
            self.at += 1;
        }
        self.breaks()?;
        let calls_itself = self.state.out.commands.len();
        let backgrounds = self.state.backgrounds;
        self.state.out.functions.push(name.to_owned());
        let compound = ["{", "if", "while", "until", "for", "case", "select", "[["];
        if !self.starts("(") && self.reserved(&compound).is_none() {
            return Err(self.error("a function without a body"));
        }
        let upstream = std::mem::take(&mut self.state.upstream);
        let result = self.deeper(Self::command);
        self.state.upstream = upstream;
        result?;
        let body = calls_itself..self.state.out.commands.len();
        self.state.bodies.entry(name.to_owned()).or_default().extend(body);
        // A function that calls itself in the background or in a pipeline never ends.
        let forks =
            self.state.backgrounds > backgrounds || self.state.out.constructs.contains(Construct::Pipe);
        for one in self.state.out.commands.iter_mut().skip(calls_itself).filter(|_| forks) {
            one.is_endless |= one.name() == Some(name);
        }
        Ok(())
    }

    /// The commands of a loop without end, unless one of them waits for others or leaves the loop.
    fn mark_endless(&mut self, from: usize) {
        let commands = self.state.out.commands.get_mut(from..).unwrap_or_default();
        let waits = |one: &Simple| {
            matches!(
                one.name(),
                Some("wait" | "sleep" | "break" | "return" | "exit" | "read" | "inotifywait")
            )
        };
        if !commands.iter().any(waits) {
            commands.iter_mut().for_each(|one| one.is_endless = true);
        }
    }

    /// Redirections behind a compound command, whose commands begin with number `before`.
    pub(super) fn redirections(&mut self, before: usize) -> Result<()> {
        let mut draft = Draft::default();
        let commands = before..self.state.out.commands.len();
        let from = self.at;
        loop {
            self.blanks();
            if !self.redirection(&mut draft)? {
                break;
            }
        }
        if draft.redirects.is_empty() {
            return Ok(());
        }
        draft.span = self.span(from);
        self.state.feed(commands.clone(), &draft);
        draft.sources.extend(commands);
        self.state.finish(draft, self.depth)
    }
}
