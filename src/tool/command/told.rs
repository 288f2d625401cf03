//! A command's words, told apart into flags and operands.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::find::plain_name;
use super::word::Word;
use super::{CommandLine, Simple, names};
use crate::tool::path::{Form, cleaned, lexical};
use crate::tool::signs::{Signs, Wildcard};

/// A line at which several rules look: its words are told apart once for all of them.
pub(crate) struct Looked<'a> {
    pub(super) line: &'a CommandLine,
    commands: Vec<LookedCommand<'a>>,
}

/// A command of it.
pub(super) struct LookedCommand<'a> {
    simple: &'a Simple,
    /// As rules write it.
    pub(super) name: Option<&'a str>,
    signs: OnceCell<Vec<Signs>>,
    told: OnceCell<Told<'a>>,
    targets: OnceCell<Vec<Vec<Form<'a>>>>,
}

impl<'a> Looked<'a> {
    pub(crate) fn new(line: &'a CommandLine) -> Self {
        let commands = line.commands().iter().map(|simple| LookedCommand {
            simple,
            name: simple.name().map(plain_name),
            signs: OnceCell::new(),
            told: OnceCell::new(),
            targets: OnceCell::new(),
        });
        Self { line, commands: commands.collect() }
    }

    pub(super) fn command(&self, number: usize) -> Option<&LookedCommand<'a>> {
        self.commands.get(number)
    }
}

impl<'a> LookedCommand<'a> {
    pub(super) fn told(&self) -> &Told<'a> {
        let name = self.simple.name().unwrap_or_default();
        self.told.get_or_init(|| Told::new(name, &self.simple.words, self.simple.folder.as_deref()))
    }

    /// Whether the program or one of its words fits one of these.
    pub(super) fn says(&self, patterns: &[Wildcard]) -> bool {
        if patterns.is_empty() {
            return false;
        }
        let signs = self.signs.get_or_init(|| self.simple.all().map(|word| Signs::of(&word.text)).collect());
        let mut words = self.simple.all().zip(signs);
        words.any(|(word, signs)| patterns.iter().any(|pattern| pattern.fits(&word.text, *signs)))
    }

    /// Whether one of its words is this.
    pub(super) fn says_exactly(&self, text: &str) -> bool {
        self.simple.words.iter().any(|word| word.text == text)
    }

    /// The files of its redirections, in their order, each in the forms in which a program may take it.
    pub(super) fn targets(&self) -> &[Vec<Form<'a>>] {
        let folder = self.simple.folder.as_deref();
        let redirects = self.simple.redirects.iter();
        self.targets.get_or_init(|| redirects.map(|redirect| forms(folder, &redirect.target.text)).collect())
    }
}

/// The words of a command, told apart.
pub(super) struct Told<'a> {
    short: Vec<char>,
    long: Vec<&'a str>,
    /// Those of them that were written with two dashes.
    doubled: Vec<&'a str>,
    pub(super) operands: Vec<&'a str>,
    /// Values of long flags.
    pub(super) values: Vec<&'a str>,
    pub(super) asks_for_help: bool,
    folder: Option<&'a str>,
    forms: OnceCell<Vec<Vec<Form<'a>>>>,
}

/// The forms in which a program may take an operand; none where it is no file.
fn forms<'a>(folder: Option<&str>, text: &'a str) -> Vec<Form<'a>> {
    let mut forms = Vec::new();
    if text.len() > 4096 {
        return forms;
    }
    let clean = cleaned(text);
    // What leads out of a folder does not fit a glob of that folder.
    if clean != text && !text.contains("..") {
        forms.push(Form::of_word(Cow::Borrowed(text)));
    }
    forms.push(Form::of_word(clean));
    if let Some(folder) = folder.filter(|_| !text.starts_with(['/', '~'])) {
        forms.push(Form::of_word(Cow::Owned(lexical(&format!("{folder}/{text}")))));
    }
    if let Some(path) = text.strip_prefix("file:").or(text.strip_prefix("FILE:")) {
        let path = path.trim_start_matches("//").trim_start_matches("localhost");
        forms.push(Form::of_word(cleaned(path)));
    }
    if let Some(file) = text.strip_prefix("if=") {
        forms.push(Form::of_word(cleaned(file)));
    }
    // The same files by way of a process.
    if let Some(below) = text.strip_prefix("/proc/")
        && let Some((_, path)) = below.split_once("/root/")
    {
        forms.push(Form::of_word(Cow::Owned(lexical(&format!("/{path}")))));
    }
    // `-d @file`, `name=@file` and `name=<file`.
    if let Some((_, file)) = text.rsplit_once('@').or(text.split_once("=<")) {
        let file = file.split([',', ';']).next().unwrap_or(file);
        if !file.is_empty() {
            forms.push(Form::new(cleaned(file)));
        }
    }
    forms
}

impl<'a> Told<'a> {
    fn new(name: &str, words: &'a [Word], folder: Option<&'a str>) -> Self {
        let mut told = Self {
            short: Vec::new(),
            long: Vec::new(),
            doubled: Vec::new(),
            operands: Vec::new(),
            values: Vec::new(),
            asks_for_help: false,
            folder,
            forms: OnceCell::new(),
        };
        let valued = names::valued_before_subcommand(name);
        let last = words.last().map(Word::text);
        told.asks_for_help =
            matches!(last, Some("--help" | "--version")) || (words.len() == 1 && last == Some("help"));
        let mut flags_end = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if flags_end || !text.starts_with('-') || text == "-" {
                told.operands.push(text);
            } else if text == "--" {
                flags_end = true;
            } else if let Some(long) = text.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => {
                        told.long.push(name);
                        told.doubled.push(name);
                        told.values.push(value);
                    }
                    None => {
                        told.long.push(long);
                        told.doubled.push(long);
                        if told.operands.is_empty() && valued.contains(&text) {
                            words.next();
                        }
                    }
                }
            } else {
                let cluster = text.get(1..).unwrap_or_default();
                told.long.push(cluster.split('=').next().unwrap_or(cluster));
                // What stands behind a flag that takes a value is its value.
                let letters = names::valued_letters(name);
                let end = cluster.find(letters).map_or(cluster.len(), |at| at + 1);
                let cluster_flags = cluster.get(..end).unwrap_or(cluster);
                if !letters.is_empty() {
                    let value = cluster.get(end..).filter(|value| !value.is_empty());
                    told.values.extend(value.filter(|value| !value.starts_with('=')));
                }
                told.short.extend(cluster_flags.chars().take_while(char::is_ascii_alphanumeric));
                if let Some((_, value)) = cluster.split_once('=') {
                    told.values.push(value);
                }
                if told.operands.is_empty() && valued.contains(&text) {
                    words.next();
                }
            }
        }
        told
    }

    /// Operands and values of flags, each with the forms in which a program may take it.
    pub(super) fn operands_and_values(&self) -> impl Iterator<Item = (&'a str, &[Form<'a>])> {
        let texts = self.operands.iter().chain(&self.values).copied();
        let forms = self.forms.get_or_init(|| texts.clone().map(|text| forms(self.folder, text)).collect());
        texts.zip(forms.iter().map(Vec::as_slice))
    }

    pub(super) fn begins_with(&self, words: &str) -> bool {
        let mut operands = self.operands.iter();
        words.split(' ').all(|word| operands.next().is_some_and(|operand| *operand == word))
    }

    /// Whether a flag is there, long ones also shortened as far as programs take them.
    pub(super) fn has(&self, flag: &str) -> bool {
        flag.split('|').any(|spelling| match single(spelling) {
            Some(letter) => self.short.contains(&letter),
            None => self
                .long
                .iter()
                .any(|long| *long == spelling || (self.abbreviates(long) && spelling.starts_with(long))),
        })
    }

    fn abbreviates(&self, long: &str) -> bool {
        !long.is_empty() && self.doubled.contains(&long)
    }

    pub(super) fn has_exactly(&self, flag: &str) -> bool {
        flag.split('|').any(|spelling| match single(spelling) {
            Some(letter) => self.short.contains(&letter),
            None => self.long.contains(&spelling),
        })
    }
}

fn single(flag: &str) -> Option<char> {
    let mut letters = flag.chars();
    letters.next().filter(|_| letters.next().is_none())
}
