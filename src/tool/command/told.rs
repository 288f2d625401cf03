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
    name_sign: NameSet,
    /// Of each of its words, and of all together.
    signs: OnceCell<(Vec<Signs>, Signs)>,
    sources: OnceCell<Vec<usize>>,
    told: OnceCell<Told<'a>>,
    targets: OnceCell<Vec<Vec<Form<'a>>>>,
}

impl<'a> Looked<'a> {
    pub(crate) fn new(line: &'a CommandLine) -> Self {
        let looked = |simple: &'a Simple, name: Option<&'a str>| LookedCommand {
            simple,
            name,
            name_sign: name.map_or(NameSet::ALL, NameSet::of),
            signs: OnceCell::new(),
            sources: OnceCell::new(),
            told: OnceCell::new(),
            targets: OnceCell::new(),
        };
        let commands = line.commands().iter().map(|simple| looked(simple, simple.name().map(plain_name)));
        Self { line, commands: commands.collect() }
    }

    /// The program of each command, as rules write it.
    pub(super) fn names(&self) -> impl Iterator<Item = (Option<&'a str>, &'a Simple)> {
        self.commands.iter().map(|command| (command.name, command.simple))
    }

    pub(super) fn command(&self, number: usize) -> Option<&LookedCommand<'a>> {
        self.commands.get(number)
    }
}

impl<'a> LookedCommand<'a> {
    /// Whether its program may be one of these.
    pub(super) fn may_be(&self, names: NameSet) -> bool {
        names.0 & self.name_sign.0 != 0
    }

    /// Every command whose output it can be given, by any way.
    pub(super) fn sources(&self, line: &CommandLine, number: usize) -> &[usize] {
        self.sources.get_or_init(|| line.sources_of(number))
    }

    pub(super) fn told(&self) -> &Told<'a> {
        let name = self.simple.name().unwrap_or_default();
        self.told.get_or_init(|| Told::new(name, &self.simple.words, self.simple.folder.as_deref()))
    }

    /// Whether the program or one of its words fits one of these.
    pub(super) fn says(&self, patterns: &[Wildcard]) -> bool {
        if patterns.is_empty() {
            return false;
        }
        let (signs, all) = self.signs.get_or_init(|| {
            let signs: Vec<Signs> = self.simple.all().map(|word| Signs::of(&word.text)).collect();
            let all = signs.iter().fold(Signs::default(), |all, signs| all.with(*signs));
            (signs, all)
        });
        patterns.iter().filter(|pattern| pattern.may_fit(*all)).any(|pattern| {
            let mut words = self.simple.all().zip(signs);
            words.any(|(word, signs)| pattern.fits(&word.text, *signs))
        })
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

/// Names of programs, of which those that are told apart have a bit of their own: most are known not to be among them without
/// a look at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct NameSet(u128);

impl NameSet {
    pub(super) const ALL: Self = Self(u128::MAX);

    pub(super) fn of(name: &str) -> Self {
        let hash = name
            .bytes()
            .fold(name.len() as u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self(1 << ((hash ^ (hash >> 15)) & 127))
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A flag as rules name it, in all of its spellings.
#[derive(Debug, Clone)]
pub(super) struct Flag {
    letters: Letters,
    long: Vec<String>,
}

impl Flag {
    pub(super) fn new(spellings: &str) -> Self {
        let mut flag = Self { letters: Letters::default(), long: Vec::new() };
        for spelling in spellings.split('|') {
            match single(spelling) {
                Some(letter) => flag.letters.insert(letter),
                None => flag.long.push(spelling.to_owned()),
            }
        }
        flag
    }

    /// Whether a flag is spelt like this.
    fn is(&self, flag: &str) -> bool {
        self.long.iter().any(|long| long == flag)
    }
}

/// Letters and digits.
#[derive(Debug, Clone, Copy, Default)]
struct Letters(u128);

impl Letters {
    /// Others are no letters of flags.
    fn insert(&mut self, letter: char) {
        if letter.is_ascii_alphanumeric() {
            self.0 |= 1 << u32::from(letter);
        }
    }

    fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The words of a command, told apart.
pub(super) struct Told<'a> {
    short: Letters,
    /// Each with whether it was written with two dashes.
    long: Vec<(&'a str, bool)>,
    pub(super) operands: Vec<&'a str>,
    /// Values of long flags.
    pub(super) values: Vec<&'a str>,
    help: Help<'a>,
    folder: Option<&'a str>,
    forms: OnceCell<Vec<Vec<Form<'a>>>>,
}

/// Whether the last word asks for help.
#[derive(Clone, Copy)]
enum Help<'a> {
    None,
    /// Behind so many operands, and behind a flag.
    Behind {
        operands: usize,
        flag: Option<&'a str>,
    },
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
            short: Letters::default(),
            long: Vec::new(),
            operands: Vec::with_capacity(words.len()),
            values: Vec::new(),
            help: Help::None,
            folder,
            forms: OnceCell::new(),
        };
        let valued = names::valued_before_subcommand(name);
        let writing = names::writing_flag(name);
        let number = words.len();
        let mut flags_end = false;
        let mut before = "";
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            let flag_before = std::mem::replace(&mut before, text);
            if flags_end || !text.starts_with('-') || text == "-" {
                told.operands.push(text);
            } else if text == "--" {
                flags_end = true;
            } else if writing.is_some_and(|flag| flag.is(text)) {
                // What it writes stands among its redirections.
                words.next();
            } else if let Some(long) = text.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => {
                        told.long.push((name, true));
                        told.values.push(value);
                    }
                    None => {
                        if matches!(long, "help" | "version") && words.len() == 0 {
                            let flag = flag_before.starts_with('-') && !flag_before.contains('=');
                            told.help = Help::Behind {
                                operands: told.operands.len(),
                                flag: flag.then(|| flag_before.trim_start_matches('-')),
                            };
                        }
                        told.long.push((long, true));
                        if told.operands.is_empty() && valued.contains(&text) {
                            words.next();
                        }
                    }
                }
            } else {
                let cluster = text.get(1..).unwrap_or_default();
                told.long.push((cluster.split('=').next().unwrap_or(cluster), false));
                // What stands behind a flag that takes a value is its value.
                let letters = names::valued_letters(name);
                let end = cluster.find(letters).map_or(cluster.len(), |at| at + 1);
                let cluster_flags = cluster.get(..end).unwrap_or(cluster);
                if !letters.is_empty() {
                    let value = cluster.get(end..).filter(|value| !value.is_empty());
                    told.values.extend(value.filter(|value| !value.starts_with('=')));
                }
                cluster_flags
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .for_each(|letter| told.short.insert(letter));
                if let Some((_, value)) = cluster.split_once('=') {
                    told.values.push(value);
                }
                if told.operands.is_empty() && valued.contains(&text) {
                    words.next();
                }
            }
        }
        if number == 1 && told.operands == ["help"] {
            told.help = Help::Behind { operands: 0, flag: None };
        }
        told
    }

    /// Whether the program only says how it is used. Behind an operand the programs of some systems take `--help` for one
    /// more, so that nothing may stand before it but what the program is told to do, which so many operands are. Behind a
    /// flag it may be that flag's value, unless the flag is one that belongs to what the program is told.
    pub(super) fn asks_for_help(&self, verbs: usize, flags: &[Flag]) -> bool {
        let Help::Behind { operands, flag } = self.help else { return false };
        let is_named = |flag: &str| verbs > 0 && flags.iter().any(|named| named.is(flag));
        operands <= verbs && flag.is_none_or(is_named)
    }

    /// Operands and values of flags, each with the forms in which a program may take it.
    pub(super) fn operands_and_values(&self) -> impl Iterator<Item = (&'a str, &[Form<'a>])> {
        let texts = self.operands.iter().chain(&self.values).copied();
        let forms = self.forms.get_or_init(|| texts.clone().map(|text| forms(self.folder, text)).collect());
        texts.zip(forms.iter().map(Vec::as_slice))
    }

    pub(super) fn begins_with(&self, words: &[String]) -> bool {
        self.operands.get(..words.len()).is_some_and(|operands| operands.iter().eq(words))
    }

    /// Whether a flag is there, long ones also shortened as far as programs take them.
    pub(super) fn has(&self, flag: &Flag) -> bool {
        let is = |(long, doubled): &(&str, bool), spelling: &str| {
            *long == spelling || (*doubled && !long.is_empty() && spelling.starts_with(long))
        };
        self.short.meet(flag.letters)
            || flag.long.iter().any(|spelling| self.long.iter().any(|long| is(long, spelling)))
    }

    pub(super) fn has_exactly(&self, flag: &Flag) -> bool {
        self.short.meet(flag.letters)
            || flag.long.iter().any(|spelling| self.long.iter().any(|(long, _)| long == spelling))
    }
}

fn single(flag: &str) -> Option<char> {
    let mut letters = flag.chars();
    letters.next().filter(|_| letters.next().is_none())
}
