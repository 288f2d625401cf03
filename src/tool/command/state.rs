//! What is known of a line while it is read: its commands, what its variables hold, and what is given to what.

mod files;
mod suppose;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::parse;
use super::text::Text;
use super::word::{self, Piece, Raw, UNKNOWN, Word};
use super::{
    CommandError, CommandLine, Construct, MAX_COMMANDS, MAX_DEPTH, MAX_FILES, MAX_PARSED, MAX_WORDS,
    Redirect, RedirectKind, Simple, names, unwrap,
};
use crate::tool::path;

type Result<T> = std::result::Result<T, CommandError>;

/// A folder that is known only at run time.
const UNKNOWN_FOLDER: &str = "\0";

/// Descriptors that stand for commands at most.
const MAX_FED: usize = 32;

/// Stands for the number of the command that is being read.
pub(super) const UNREAD: usize = usize::MAX;

/// What is known while a line is read.
#[derive(Default)]
pub(super) struct State {
    pub(super) out: CommandLine,
    /// Values that variables may have, by what the line itself gave them.
    pub(super) variables: Rc<BTreeMap<String, Vec<String>>>,
    /// Commands whose output a variable holds.
    carried: BTreeMap<String, Vec<usize>>,
    /// Files that commands of the line wrote.
    files: Vec<(String, usize)>,
    /// Files that descriptors stand for.
    opened: Vec<(String, String)>,
    /// Commands that were given a descriptor to write to or read from.
    duplicated: Vec<(String, usize)>,
    /// Commands in `>(…)` for which descriptors stand, whatever is written to them.
    fed: Vec<(String, Range<usize>)>,
    /// Commands of functions.
    pub(super) bodies: BTreeMap<String, Vec<usize>>,
    /// Commands whose output is the standard input at this point.
    pub(super) upstream: Vec<usize>,
    /// Whether commands are given what is printed to a word of a loop.
    pub(super) has_unread: bool,
    /// Whether what is read now is only supposed to run.
    pub(super) supposing: bool,
    /// Names of the wrappers around what is read now.
    pub(super) through: Arc<[Arc<str>]>,
    pub(super) folder: Option<Arc<str>>,
    /// Whether what is read now is for a shell that may not be bash.
    pub(super) posix: bool,
    words: usize,
    /// Bytes of all values that variables were given, and of all words that were supposed with them.
    values: usize,
    supposed: Cell<usize>,
    /// How often something was put into the background.
    pub(super) backgrounds: usize,
    pub(super) parsed: usize,
}

/// A simple command as it is read.
#[derive(Debug, Default, Clone)]
pub(super) struct Draft {
    pub(super) assignments: Vec<(String, Raw)>,
    pub(super) words: Vec<Raw>,
    pub(super) redirects: Vec<(RedirectKind, Raw)>,
    /// Descriptors, by number or by the name of a variable, each with the number of its redirection.
    pub(super) descriptors: Vec<(String, usize)>,
    pub(super) sources: Vec<usize>,
    /// The first command of those in `>(…)` among its words.
    pub(super) fed: Option<usize>,
    pub(super) span: Range<usize>,
}

impl State {
    /// Reads code, which stands in the line as a whole or, where it is code within code, at `outer`.
    pub(super) fn code(&mut self, text: &str, outer: Option<Range<usize>>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(CommandError::TooLarge { what: "nested too deeply" });
        }
        self.parsed += text.len();
        if self.parsed > MAX_PARSED {
            return Err(CommandError::TooLarge { what: "code within code that is too long in all" });
        }
        parse::code(self, text, outer, depth)
    }

    /// The same for code that may be anything: what does not parse is opaque.
    pub(super) fn try_code(&mut self, text: &str, outer: Range<usize>, depth: usize) -> Result<()> {
        match self.code(text, Some(outer), depth) {
            Err(CommandError::Syntax { .. }) => {
                self.out.constructs.insert(Construct::Opaque);
                Ok(())
            }
            other => other,
        }
    }

    /// Runs something while it is only supposed to run: constructs in it do not count.
    pub(super) fn supposing<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let constructs = self.out.constructs;
        let before = std::mem::replace(&mut self.supposing, true);
        let result = run(self);
        self.supposing = before;
        self.out.constructs = constructs;
        result
    }

    /// Counts the value of a variable; what is too much in all is refused with the next command.
    fn has_room(&mut self, value: &str) -> bool {
        self.values = self.values.saturating_add(value.len());
        self.values <= MAX_PARSED
    }

    pub(super) fn variable(&mut self, name: &str, value: String) {
        if !self.has_room(&value) {
            return;
        }
        let variables = Rc::make_mut(&mut self.variables);
        let values = match variables.get_mut(name) {
            Some(values) => values,
            None => variables.entry(name.to_owned()).or_default(),
        };
        if values.len() < 8 && !values.contains(&value) {
            values.push(value);
        }
    }

    /// A text that the shell evaluates: in it, the index of an array can hold code.
    pub(super) fn evaluated(&mut self, text: &str, span: Range<usize>, depth: usize) -> Result<()> {
        let mut in_index = false;
        let code = text.bytes().enumerate().find_map(|(at, byte)| {
            match byte {
                b'[' => in_index = true,
                b']' => in_index = false,
                _ => {}
            }
            let next = text.as_bytes().get(at + 1).copied().unwrap_or_default();
            let expands = matches!(next, b'(' | b'{' | b'[' | b'_') || next.is_ascii_alphanumeric();
            (in_index && (byte == b'`' || (byte == b'$' && expands))).then(|| text.get(at..)).flatten()
        });
        let Some(code) = code else { return Ok(()) };
        self.out.constructs.insert(Construct::Opaque);
        self.supposing(|state| state.try_code(&format!(": {code}"), span, depth))
    }

    /// Whether a descriptor was given to a variable of this name.
    pub(super) fn is_opened(&self, name: &str) -> bool {
        self.opened.iter().any(|(descriptor, _)| descriptor == name)
    }

    /// The only value of a variable.
    pub(super) fn set(&mut self, name: &str, value: String) {
        if !self.has_room(&value) {
            return;
        }
        Rc::make_mut(&mut self.variables).insert(name.to_owned(), vec![value]);
    }

    pub(super) fn values(&self, name: &str) -> Vec<String> {
        self.variables.get(name).cloned().unwrap_or_default()
    }

    /// The text that was last given to a command of the line.
    pub(super) fn last_text(&self) -> Option<String> {
        let texts = self.out.commands.iter().rev().flat_map(|one| one.redirects.iter().rev());
        texts
            .filter(|redirect| redirect.kind == RedirectKind::Text)
            .map(|redirect| redirect.target.text.to_string())
            .next()
    }

    pub(super) fn with_variables<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = Rc::clone(&self.variables);
        let result = run(self);
        self.variables = before;
        result
    }

    /// A command is complete: it is kept, and what it runs is read in turn.
    pub(super) fn finish(&mut self, mut draft: Draft, depth: usize) -> Result<()> {
        let used =
            draft.words.iter().chain(draft.redirects.iter().map(|(_, raw)| raw)).flat_map(|raw| raw.iter());
        let names = used.filter_map(|piece| match piece {
            Piece::Variable { name, .. } => self.carried.get(name),
            _ => None,
        });
        let carried: Vec<usize> = names.flatten().copied().collect();
        draft.sources.extend(carried);
        for (name, raw) in &draft.assignments {
            let value = self.supposed(raw, 0);
            if value.is_known {
                self.evaluated(&value.text, draft.span.clone(), depth + 1)?;
                self.variable(name, value.text.to_string());
            }
            if !draft.sources.is_empty() && draft.words.is_empty() {
                self.carried.insert(name.clone(), draft.sources.clone());
            }
        }
        let number = self.out.commands.len();
        self.descriptors(&mut draft, number);
        if self.fed.len() > MAX_FED {
            return Err(CommandError::TooLarge { what: "made of too many descriptors" });
        }
        // Names that can't be known before the line is run, and are tried as what they most likely are.
        let variants = if self.supposing { 0 } else { self.variants(&draft) };
        self.keep(&draft, depth)?;
        for variant in 0..variants {
            self.supposing(|state| state.keep_supposed(&draft, variant, depth))?;
        }
        // What stands in `>(…)` is given what this command prints; where it stands among the words of a loop, any may.
        let fed = if self.has_unread { 0 } else { draft.fed.unwrap_or(number) };
        for one in self.out.commands.get_mut(fed..number).unwrap_or_default() {
            for source in one.sources.iter_mut().filter(|source| **source == UNREAD) {
                *source = number;
            }
        }
        Ok(())
    }

    /// A command as it is written.
    fn keep(&mut self, draft: &Draft, depth: usize) -> Result<()> {
        let (mut program, mut words) = (None, Vec::with_capacity(draft.words.len().saturating_sub(1)));
        for raw in &draft.words {
            self.expand(raw, &mut program, &mut words)?;
        }
        let assignments = draft.assignments.iter();
        let redirects = draft.redirects.iter();
        let simple = Simple {
            assignments: assignments.map(|(name, raw)| (name.clone(), word::settle(raw))).collect(),
            program,
            words,
            redirects: redirects
                .map(|(kind, raw)| Redirect { kind: *kind, target: word::settle(raw) })
                .collect(),
            span: draft.span.clone(),
            sources: draft.sources.clone(),
            ..Simple::default()
        };
        self.add(simple, depth)
    }

    /// The same as it is supposed to be.
    fn keep_supposed(&mut self, draft: &Draft, variant: usize, depth: usize) -> Result<()> {
        let (mut program, mut words) = (None, Vec::with_capacity(draft.words.len().saturating_sub(1)));
        for (number, raw) in draft.words.iter().enumerate() {
            if word::is_plain(raw) {
                put(&mut program, &mut words, word::settle(raw));
                continue;
            }
            for raw in self.supposed_words(raw, variant, number == 0) {
                self.expand(&raw, &mut program, &mut words)?;
            }
        }
        let supposed = |raw| self.supposed(raw, variant);
        let simple = Simple {
            assignments: draft.assignments.iter().map(|(name, raw)| (name.clone(), supposed(raw))).collect(),
            program,
            words,
            redirects: draft
                .redirects
                .iter()
                .map(|(kind, raw)| Redirect { kind: *kind, target: supposed(raw) })
                .collect(),
            span: draft.span.clone(),
            sources: draft.sources.clone(),
            ..Simple::default()
        };
        self.add(simple, depth)
    }

    /// Adds the words that braces make of one.
    fn expand(&mut self, raw: &Raw, program: &mut Option<Word>, words: &mut Vec<Word>) -> Result<()> {
        if !word::has_brace(raw) {
            put(program, words, word::settle(raw));
            return Ok(());
        }
        let (several, any) = word::braces(raw.clone())?;
        if any {
            self.out.constructs.insert(Construct::Glob);
        }
        if any && self.posix {
            return Err(CommandError::Syntax {
                at: 0,
                what: "braces, which `sh` may read otherwise than bash; name `bash`",
            });
        }
        several.iter().for_each(|raw| put(program, words, word::settle(raw)));
        Ok(())
    }

    /// Keeps a command, and reads what it runs.
    pub(super) fn add(&mut self, mut simple: Simple, depth: usize) -> Result<()> {
        if self.values.max(self.supposed.get()) > MAX_PARSED {
            return Err(CommandError::TooLarge { what: "made of variables that are too long in all" });
        }
        self.words += simple.words.len() + simple.redirects.len() + simple.assignments.len() + 1;
        if self.out.commands.len() >= MAX_COMMANDS || self.words > MAX_WORDS {
            return Err(CommandError::TooLarge { what: "made of too many commands or words" });
        }
        simple.is_supposed = self.supposing;
        simple.through = Arc::clone(&self.through);
        simple.folder.clone_from(&self.folder);
        if simple.all().any(|word| word.has_glob) {
            self.out.constructs.insert(Construct::Glob);
        }
        let name = simple.name();
        // A script, or code among the words, is not what stands on standard input.
        let reads = name.is_none_or(|name| names::runs_input(name, &simple.words));
        let given = simple.sources.iter().chain(self.upstream.iter().filter(|_| reads)).copied();
        let mut sources: Vec<usize> = given.collect();
        sources.extend(self.read_files(&simple));
        if let Some(body) = name.and_then(|name| self.bodies.get(name)) {
            sources.extend(body);
        }
        sources.sort_unstable();
        sources.dedup();
        let number = self.out.commands.len();
        self.written_files(&simple, name, number);
        if self.files.len() > MAX_FILES {
            return Err(CommandError::TooLarge { what: "made of too many redirections" });
        }
        self.carry(&simple, name, &sources);
        self.change_folder(&simple, name);
        self.out.repeats |= name == Some("trap");
        let evaluated: Vec<Text> =
            names::evaluated(name, &simple.words).map(|word| word.text.clone()).collect();
        let span = simple.span.clone();
        simple.sources = sources;
        self.out.commands.push(simple);
        for text in evaluated {
            self.evaluated(&text, span.clone(), depth + 1)?;
        }
        unwrap::unwrap(self, number, depth)
    }

    fn change_folder(&mut self, simple: &Simple, name: Option<&str>) {
        if !matches!(name, Some("cd" | "pushd" | "popd")) || self.supposing {
            return;
        }
        let target = simple.words.iter().find(|word| !word.text.starts_with('-') || word.text == "-");
        self.folder = match target.map(|word| word.text.as_str()) {
            _ if name == Some("popd") => Some(UNKNOWN_FOLDER.into()),
            None => Some("~".into()),
            Some(to) if to == "-" || to.contains(UNKNOWN) || to.len() > 4096 => Some(UNKNOWN_FOLDER.into()),
            Some(to) => match &self.folder {
                Some(from) if !to.starts_with(['/', '~']) => {
                    Some(path::lexical(&format!("{from}/{to}")).into())
                }
                _ => Some(path::lexical(to).into()),
            },
        };
    }

    /// What a run of commands prints, where it is one command that prints a constant.
    pub(super) fn constant_output(&self, numbers: &[usize]) -> Option<String> {
        let mut printing =
            numbers.iter().filter_map(|number| self.out.commands.get(*number)).filter(|one| !one.is_supposed);
        match (printing.next(), printing.next()) {
            (Some(simple), None) if simple.redirects.is_empty() => unwrap::printed(simple),
            _ => None,
        }
    }
}

/// The first word of a command is its program.
fn put(program: &mut Option<Word>, words: &mut Vec<Word>, word: Word) {
    match program {
        None => *program = Some(word),
        Some(_) => words.push(word),
    }
}
