//! The grammar: text to simple commands. Whatever is not read with certainty is refused.

use std::ops::Range;

use super::state::{Draft, State, UNREAD};
use super::word::{self, Piece, Raw, UNKNOWN, Word};
use super::{
    CommandError, CommandLine, Construct, MAX_BYTES, MAX_DEPTH, MAX_PARSED, RedirectKind, Simple, names,
};

type Result<T> = std::result::Result<T, CommandError>;

/// Words that begin or continue a compound command where a command may begin.
const RESERVED: &[&str] = &[
    "if", "then", "elif", "else", "fi", "while", "until", "for", "select", "do", "done", "case", "esac",
    "function", "{", "}", "!", "[[", "time", "coproc",
];

pub(super) fn line(text: &str) -> Result<CommandLine> {
    if text.len() > MAX_BYTES {
        return Err(CommandError::TooLarge { what: "longer than 64 KiB" });
    }
    if let Some(at) = text.find(UNKNOWN) {
        return Err(CommandError::Syntax { at, what: "a NUL character" });
    }
    let mut state = State::default();
    state.code(text, None, 0)?;
    if let Some(shell) = state.out.commands.iter().find_map(foreign) {
        return Err(CommandError::ForeignShell { shell });
    }
    Ok(state.out)
}

pub(super) fn argv<'a>(words: impl Iterator<Item = &'a str>) -> Result<CommandLine> {
    let mut state = State::default();
    let mut raws = Vec::new();
    let mut bytes = 0;
    for text in words {
        bytes += text.len() + 1;
        if bytes > MAX_BYTES {
            return Err(CommandError::TooLarge { what: "longer than 64 KiB" });
        }
        if text.contains(UNKNOWN) {
            return Err(CommandError::Syntax { at: bytes - 1, what: "a NUL character" });
        }
        raws.push(vec![Piece::Text(text.to_owned())]);
    }
    if raws.is_empty() {
        return Err(CommandError::Syntax { at: 0, what: "nothing to run" });
    }
    state.finish(Draft { words: raws, span: 0..0, ..Draft::default() }, 0)?;
    if let Some(shell) = state.out.commands.iter().find_map(foreign) {
        return Err(CommandError::ForeignShell { shell });
    }
    Ok(state.out)
}

/// The Windows shell that a command is of.
fn foreign(simple: &Simple) -> Option<&'static str> {
    let name = simple.name().filter(|_| !simple.is_supposed)?;
    if names::is_cmdlet(name) {
        return Some("PowerShell");
    }
    let program = simple.program.as_ref()?.known()?;
    let variable = |word: &Word| {
        let text = word.text();
        text.len() > 2
            && text.starts_with('%')
            && text.get(1..).is_some_and(|rest| {
                rest.contains('%')
                    && !rest.contains(['/', '+', ' ', ':'])
                    && rest.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
            })
    };
    let switch = |word: &Word| {
        let bytes = word.text().as_bytes();
        bytes.len() == 2 && bytes.first() == Some(&b'/') && bytes.get(1).is_some_and(u8::is_ascii_alphabetic)
    };
    let lower = program.to_ascii_lowercase();
    let built_in = matches!(
        lower.as_str(),
        "del" | "erase" | "rd" | "rmdir" | "dir" | "copy" | "xcopy" | "move" | "format" | "attrib"
    );
    if (built_in && simple.words.iter().any(switch)) || simple.words.iter().any(variable) {
        return Some("cmd");
    }
    None
}

/// Reads code to its end.
pub(super) fn code(state: &mut State, text: &str, outer: Option<Range<usize>>, depth: usize) -> Result<()> {
    let mut parser = Parser { text, at: 0, depth, level: 0, outer, state, document: None };
    parser.list(&[])?;
    parser.blanks();
    if parser.at < text.len() {
        return Err(parser.error("an operator or a word that can't stand here"));
    }
    if parser.document.is_some() {
        return Err(parser.error("a here-document without an end"));
    }
    Ok(())
}

struct Parser<'t, 's> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// Lists within lists.
    level: usize,
    /// Where all of the text stands in the line, if it is code within code.
    outer: Option<Range<usize>>,
    state: &'s mut State,
    /// A here-document that was read ahead.
    document: Option<Document>,
}

#[derive(Clone, Copy)]
struct Document {
    /// The line break before it.
    after: usize,
    /// Where reading goes on behind it.
    resume: usize,
    /// The list in which it was asked for.
    level: usize,
}

impl Parser<'_, '_> {
    fn error(&self, what: &'static str) -> CommandError {
        let at = self.outer.as_ref().map_or(self.at, |outer| outer.start);
        CommandError::Syntax { at, what }
    }

    fn span(&self, from: usize) -> Range<usize> {
        self.outer.clone().unwrap_or(from..self.at)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn starts(&self, sign: &str) -> bool {
        self.rest().starts_with(sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let there = self.starts(sign);
        if there {
            self.at += sign.len();
        }
        there
    }

    /// The next character, which may not be a line break behind which a here-document waits.
    fn next(&mut self) -> Result<Option<char>> {
        let Some(sign) = self.peek() else { return Ok(None) };
        if sign == '\n' && self.document.is_some_and(|document| document.after == self.at) {
            return Err(self.error("a here-document behind a quoted line break"));
        }
        self.at += sign.len_utf8();
        Ok(Some(sign))
    }

    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(CommandError::TooLarge { what: "nested too deeply" });
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// Skips blanks, comments and continued lines.
    fn blanks(&mut self) {
        loop {
            if self.eat(" ") || self.eat("\t") {
                continue;
            }
            if self.starts("\\\n") && self.document.is_none() {
                self.at += 2;
                continue;
            }
            if self.starts("#") {
                let end = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += end;
            }
            return;
        }
    }

    /// Skips line breaks too, and here-documents behind them.
    fn breaks(&mut self) -> Result<bool> {
        let mut any = false;
        loop {
            self.blanks();
            if !self.starts("\n") {
                return Ok(any);
            }
            any = true;
            match self.document {
                Some(document) if document.after == self.at => {
                    if document.level != self.level {
                        return Err(self.error("a here-document that begins within another construct"));
                    }
                    self.at = document.resume;
                    self.document = None;
                }
                _ => self.at += 1,
            }
        }
    }

    /// The reserved word here, if it is one of these.
    fn reserved(&self, words: &[&'static str]) -> Option<&'static str> {
        let rest = self.rest();
        words.iter().copied().find(|word| {
            rest.strip_prefix(word).is_some_and(|after| {
                after.chars().next().is_none_or(|sign| {
                    matches!(sign, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
                })
            })
        })
    }

    fn expect(&mut self, word: &'static str, what: &'static str) -> Result<()> {
        self.breaks()?;
        match self.reserved(&[word]) {
            Some(_) => {
                self.at += word.len();
                Ok(())
            }
            None => Err(self.error(what)),
        }
    }

    /// Lists of pipelines until one of these words or signs stands where a command may begin.
    fn list(&mut self, ends: &[&'static str]) -> Result<usize> {
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
            self.at += if self.starts("|&") { 2 } else { 1 };
            self.state.out.constructs.insert(Construct::Pipe);
            self.state.upstream = (before..self.state.out.commands.len()).collect();
            self.breaks()?;
        }
    }

    fn command(&mut self) -> Result<()> {
        let before = self.state.out.commands.len();
        if self.starts("((") {
            return self.arithmetic_command();
        }
        if self.eat("(") {
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
                    && !RESERVED.contains(&name.as_str())
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

    /// A list that has to hold something.
    fn some(&mut self, ends: &[&'static str]) -> Result<()> {
        if self.list(ends)? == 0 {
            return Err(self.error("a part without commands"));
        }
        Ok(())
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
                    for raw in word::braces(raw)? {
                        let value = word::settle(&raw);
                        if value.has_glob {
                            self.state.out.constructs.insert(Construct::Glob);
                        }
                        if value.is_known {
                            self.state.variable(&name, value.text);
                        }
                    }
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
            if !(self.eat(";;&") || self.eat(";;") || self.eat(";&")) {
                self.breaks()?;
                if self.reserved(&["esac"]).is_none() {
                    return Err(self.error("`case` without `esac`"));
                }
            }
        }
    }

    /// `[[ … ]]`: nothing in it runs but substitutions.
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
                continue;
            }
            if self.word(&mut draft)?.is_none() {
                // Regular expressions may hold what elsewhere is an operator.
                if self.eat("|") {
                    continue;
                }
                return Err(self.error("`[[` without `]]`"));
            }
        }
    }

    fn arithmetic_command(&mut self) -> Result<()> {
        let before = self.state.out.commands.len();
        self.arithmetic()?;
        self.redirections(before)
    }

    /// `((…))`, whose names are evaluated, and can hold code by that.
    fn arithmetic(&mut self) -> Result<()> {
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
                    let mut raw = Raw::new();
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
    fn function_name(&self) -> Option<String> {
        let name = self.plain_name();
        if name.is_empty() || name.contains('=') {
            return None;
        }
        let after = self.text.get(self.at + name.len()..)?.trim_start_matches([' ', '\t']);
        after.strip_prefix('(')?.trim_start_matches([' ', '\t']).starts_with(')').then_some(name)
    }

    /// What may be the name of a function or variable.
    fn plain_name(&self) -> String {
        self.rest()
            .chars()
            .take_while(|sign| {
                sign.is_alphanumeric()
                    || matches!(sign, '_' | '-' | '.' | ':' | '@' | '+' | '/' | '?' | '!' | ',')
            })
            .collect()
    }

    fn function(&mut self, name: String) -> Result<()> {
        if self.starts(&name) {
            self.at += name.len();
            self.blanks();
            self.at += 1;
            self.blanks();
            self.at += 1;
        }
        self.breaks()?;
        let calls_itself = self.state.out.commands.len();
        let backgrounds = self.state.backgrounds;
        self.state.out.functions.push(name.clone());
        let compound = ["{", "if", "while", "until", "for", "case", "select", "[["];
        if !self.starts("(") && self.reserved(&compound).is_none() {
            return Err(self.error("a function without a body"));
        }
        let upstream = std::mem::take(&mut self.state.upstream);
        let result = self.deeper(Self::command);
        self.state.upstream = upstream;
        result?;
        let body = calls_itself..self.state.out.commands.len();
        self.state.bodies.entry(name.clone()).or_default().extend(body);
        // A function that calls itself in the background or in a pipeline never ends.
        let forks =
            self.state.backgrounds > backgrounds || self.state.out.constructs.contains(Construct::Pipe);
        for one in self.state.out.commands.iter_mut().skip(calls_itself).filter(|_| forks) {
            one.is_endless |= one.name() == Some(&name);
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
    fn redirections(&mut self, before: usize) -> Result<()> {
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

    fn simple(&mut self) -> Result<()> {
        let from = self.at;
        let mut end = from;
        let mut draft = Draft::default();
        loop {
            self.blanks();
            if self.redirection(&mut draft)? {
                end = self.at;
                continue;
            }
            if draft.words.is_empty()
                && let Some((name, raw)) = self.assignment(&mut draft)?
            {
                draft.assignments.push((name, raw));
                end = self.at;
                continue;
            }
            match self.word(&mut draft)? {
                Some(raw) => {
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
        let mut first = Raw::new();
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

    fn assignment(&mut self, draft: &mut Draft) -> Result<Option<(String, Raw)>> {
        let rest = self.rest();
        let name: String =
            rest.chars().take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '_').collect();
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(None);
        }
        let after = rest.get(name.len()..).unwrap_or_default();
        let skip = if after.starts_with('=') {
            1
        } else if after.starts_with("+=") {
            2
        } else if after.starts_with('[') {
            // An index is evaluated, and can hold anything, so only plain ones are read.
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
            let raw = self.array(draft)?;
            return Ok(Some((name, raw)));
        }
        let raw = self.word(draft)?.unwrap_or_default();
        Ok(Some((name, raw)))
    }

    fn redirection(&mut self, draft: &mut Draft) -> Result<bool> {
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
                let descriptor = text.text.trim_end_matches('-');
                let is_descriptor = descriptor.bytes().all(|byte| byte.is_ascii_digit());
                if is_descriptor && text.is_known {
                    RedirectKind::Duplicate
                } else if text.is_known {
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

    fn here_document(&mut self, strips_tabs: bool, draft: &mut Draft) -> Result<Raw> {
        // The delimiter is taken as it is written: nothing in it is expanded, and any quote makes the text plain.
        let (mut delimiter, mut is_quoted) = (String::new(), false);
        loop {
            match self.peek() {
                Some('\'' | '"') => {
                    is_quoted = true;
                    let quote = self.next()?.unwrap_or_default();
                    loop {
                        match self.next()? {
                            Some(sign) if sign == quote => break,
                            Some('\\' | '$' | '`') if quote == '"' => {
                                return Err(self.error("a delimiter that is not plain"));
                            }
                            Some(sign) => delimiter.push(sign),
                            None => return Err(self.error("a quote without an end")),
                        }
                    }
                }
                Some('\\') => {
                    is_quoted = true;
                    self.next()?;
                    match self.next()? {
                        Some(sign) if sign != '\n' => delimiter.push(sign),
                        _ => return Err(self.error("a delimiter that is not plain")),
                    }
                }
                Some('$' | '`' | '{' | '}') => return Err(self.error("a delimiter that is not plain")),
                Some(sign) if !is_meta(sign) => {
                    delimiter.push(sign);
                    self.next()?;
                }
                _ => break,
            }
        }
        if delimiter.is_empty() || delimiter.contains('\n') {
            return Err(self.error("a here-document without a delimiter"));
        }
        let (after, start) = match self.document {
            Some(document) if document.level == self.level => (document.after, document.resume),
            Some(_) => return Err(self.error("here-documents within one another")),
            None => match self.rest().find('\n') {
                Some(at) => (self.at + at, self.at + at + 1),
                None => return Err(self.error("a here-document without a text")),
            },
        };
        let mut body = String::new();
        let mut line_start = start;
        loop {
            let rest = self.text.get(line_start..).unwrap_or_default();
            if rest.is_empty() {
                return Err(self.error("a here-document without an end"));
            }
            let line = rest.split('\n').next().unwrap_or_default();
            let next = line_start + line.len() + 1;
            let shown = if strips_tabs { line.trim_start_matches('\t') } else { line };
            if shown == delimiter {
                self.document =
                    Some(Document { after, resume: next.min(self.text.len()), level: self.level });
                break;
            }
            // A continued line of an expanded text can't be told from a delimiter behind it.
            if !is_quoted && line.ends_with('\\') {
                return Err(self.error("a continued line in a here-document"));
            }
            body.push_str(shown);
            body.push('\n');
            line_start = next;
        }
        if is_quoted {
            return Ok(vec![Piece::Text(body)]);
        }
        self.expanded(&body, draft)
    }

    /// A text in which only `$`, backticks and backslashes count.
    fn expanded(&mut self, body: &str, draft: &mut Draft) -> Result<Raw> {
        if !body.contains(['$', '`', '\\']) {
            return Ok(vec![Piece::Text(body.to_owned())]);
        }
        let outer = self.outer.clone().unwrap_or(self.at..self.at);
        let mut inner = Parser {
            text: body,
            at: 0,
            depth: self.depth + 1,
            level: 0,
            outer: Some(outer),
            state: &mut *self.state,
            document: None,
        };
        let mut raw = Raw::new();
        loop {
            match inner.peek() {
                None => return Ok(raw),
                Some('$' | '`') => inner.dollar(&mut raw, true, draft)?,
                Some('\\') => {
                    inner.next()?;
                    match inner.peek() {
                        Some(sign @ ('$' | '`' | '\\')) => {
                            inner.next()?;
                            word::push(&mut raw, sign.encode_utf8(&mut [0; 4]));
                        }
                        _ => word::push(&mut raw, "\\"),
                    }
                }
                Some(UNKNOWN) => {
                    inner.next()?;
                    raw.push(Piece::Unknown);
                }
                Some(sign) => {
                    inner.next()?;
                    word::push(&mut raw, sign.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    /// A word; `None` where an operator or the end is.
    fn word(&mut self, draft: &mut Draft) -> Result<Option<Raw>> {
        let mut raw = Raw::new();
        let from = self.at;
        while let Some(sign) = self.peek() {
            match sign {
                '<' | '>' if self.starts("<(") || self.starts(">(") => {
                    let reads = self.starts("<(");
                    self.at += 2;
                    self.state.out.constructs.insert(Construct::Substitution);
                    let upstream = self.state.upstream.clone();
                    if !reads {
                        self.state.upstream = vec![UNREAD];
                    }
                    let commands = self.substitution()?;
                    self.state.upstream = upstream;
                    if reads {
                        draft.sources.extend(commands);
                    }
                    raw.push(Piece::Unknown);
                }
                '(' if self.at > from && matches!(raw.last(), Some(Piece::Glob(_) | Piece::Text(_))) => {
                    // Only with `extglob`, or where a list is assigned.
                    if matches!(raw.last(), Some(Piece::Text(text)) if text.ends_with('=')) {
                        break;
                    }
                    return Err(self.error("a parenthesis within a word"));
                }
                sign if is_meta(sign) => break,
                '\\' => {
                    self.next()?;
                    match self.next()? {
                        Some('\n') => {}
                        Some(sign) => word::push(&mut raw, sign.encode_utf8(&mut [0; 4])),
                        None => word::push(&mut raw, "\\"),
                    }
                }
                '\'' => {
                    self.next()?;
                    self.single_quoted(&mut raw)?;
                }
                '"' => {
                    self.next()?;
                    self.double_quoted(&mut raw, draft)?;
                }
                '$' | '`' => self.dollar(&mut raw, false, draft)?,
                '*' | '?' | '[' | ']' => {
                    self.next()?;
                    raw.push(Piece::Glob(sign));
                }
                '{' | ',' | '}' => {
                    self.next()?;
                    raw.push(Piece::Brace(sign));
                }
                '~' if self.at == from
                    || matches!(raw.last(), Some(Piece::Text(text)) if text.ends_with(['=', ':'])) =>
                {
                    self.next()?;
                    let user: String = self
                        .rest()
                        .chars()
                        .take_while(|sign| {
                            sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.' | '+')
                        })
                        .collect();
                    self.at += user.len();
                    raw.push(Piece::Home(user));
                }
                UNKNOWN => {
                    self.next()?;
                    raw.push(Piece::Unknown);
                }
                sign => {
                    self.next()?;
                    word::push(&mut raw, sign.encode_utf8(&mut [0; 4]));
                }
            }
        }
        if self.at == from {
            return Ok(None);
        }
        if raw.is_empty() {
            raw.push(Piece::Text(String::new()));
        }
        Ok(Some(raw))
    }

    fn single_quoted(&mut self, raw: &mut Raw) -> Result<()> {
        let mut text = String::new();
        loop {
            match self.next()? {
                None => return Err(self.error("a quote without an end")),
                Some('\'') => break,
                Some(UNKNOWN) => {
                    word::push(raw, &text);
                    raw.push(Piece::Unknown);
                    text.clear();
                }
                Some(sign) => text.push(sign),
            }
        }
        word::push(raw, &text);
        Ok(())
    }

    fn double_quoted(&mut self, raw: &mut Raw, draft: &mut Draft) -> Result<()> {
        word::push(raw, "");
        loop {
            match self.peek() {
                None => return Err(self.error("a quote without an end")),
                Some('"') => {
                    self.next()?;
                    return Ok(());
                }
                Some('$' | '`') => self.dollar(raw, true, draft)?,
                Some('\\') => {
                    self.next()?;
                    match self.next()? {
                        Some('\n') => {}
                        Some(sign @ ('$' | '`' | '"' | '\\')) => {
                            word::push(raw, sign.encode_utf8(&mut [0; 4]))
                        }
                        Some(sign) => {
                            word::push(raw, "\\");
                            word::push(raw, sign.encode_utf8(&mut [0; 4]));
                        }
                        None => return Err(self.error("a quote without an end")),
                    }
                }
                Some(UNKNOWN) => {
                    self.next()?;
                    raw.push(Piece::Unknown);
                }
                Some(sign) => {
                    self.next()?;
                    word::push(raw, sign.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    /// Commands up to `)`; their numbers.
    fn substitution(&mut self) -> Result<Range<usize>> {
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
    fn dollar(&mut self, raw: &mut Raw, is_quoted: bool, draft: &mut Draft) -> Result<()> {
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
        let mut inner = Raw::new();
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
        match instead {
            Some(_) if is_plain && is_whole => {
                let value = word::settle(&self.state.suppose(&inner, 0));
                let known = value.is_known.then_some(value.text);
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

    fn ansi_quoted(&mut self, raw: &mut Raw) -> Result<()> {
        let from = self.at;
        let mut escaped = false;
        loop {
            match self.next()? {
                None => return Err(self.error("a quote without an end")),
                Some('\\') if !escaped => escaped = true,
                Some('\'') if !escaped => break,
                Some(_) => escaped = false,
            }
        }
        let body = self.text.get(from..self.at - 1).unwrap_or_default();
        match unescape(body) {
            Some(text) => {
                word::push(raw, &text);
                Ok(())
            }
            None => Err(self.error("an escape that is not read")),
        }
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

fn continue_or_end(ends: &[&'static str], parser: &Parser<'_, '_>) -> Result<()> {
    if parser.starts(")") && !ends.contains(&")") {
        return Err(parser.error("a parenthesis that nothing opens"));
    }
    Ok(())
}

fn is_meta(sign: char) -> bool {
    matches!(sign, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

/// The escapes of `$'…'` and of `echo -e` and `printf`.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(rest.get(..at)?.as_bytes());
        rest = rest.get(at + 1..)?;
        let Some(sign) = rest.chars().next() else {
            out.push(b'\\');
            break;
        };
        rest = rest.get(sign.len_utf8()..)?;
        let mut number = |radix: u32, most: usize| {
            let digits: String = rest.chars().take(most).take_while(|digit| digit.is_digit(radix)).collect();
            rest = rest.get(digits.len()..).unwrap_or_default();
            u32::from_str_radix(&digits, radix).ok()
        };
        match sign {
            'a' => out.push(7),
            'b' => out.push(8),
            'e' | 'E' => out.push(27),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            'x' => out.push(u8::try_from(number(16, 2)?).ok()?),
            'u' => out.extend(char::from_u32(number(16, 4)?)?.to_string().bytes()),
            'U' => out.extend(char::from_u32(number(16, 8)?)?.to_string().bytes()),
            'c' => return None,
            '0'..='7' => {
                let first = sign.to_digit(8)?;
                let most = if sign == '0' { 3 } else { 2 };
                let digits: String = rest.chars().take(most).take_while(|digit| digit.is_digit(8)).collect();
                rest = rest.get(digits.len()..)?;
                let value = digits
                    .chars()
                    .filter_map(|digit| digit.to_digit(8))
                    .fold(first, |value, digit| value * 8 + digit);
                out.push(u8::try_from(value & 0xff).ok()?);
            }
            '\\' | '\'' | '"' | '?' => out.extend(sign.to_string().bytes()),
            other => {
                out.push(b'\\');
                out.extend(other.to_string().bytes());
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    // A NUL ends the text in some shells, and stands for what is unknown here.
    if out.contains(&0) {
        return None;
    }
    String::from_utf8(out).ok()
}
