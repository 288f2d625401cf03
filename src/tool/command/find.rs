//! What rules find in command lines.

use serde::{Deserialize, Serialize};

use super::told::{Flag, Looked, NameSet};
use super::word::UNKNOWN;
use super::{CommandLine, Construct, RedirectKind, Simple};
use crate::tool::path::{Glob, GlobError};
use crate::tool::signs::Wildcard;

/// What a rule finds in a command line: a simple command for which everything that is named here holds. Commands behind
/// wrappers, in substitutions and in code within code are looked at like any other, and so is what most likely runs
/// where that is known only at run time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CommandFind {
    /// Names of programs, without folders; `*` stands for any characters.
    pub program: Vec<String>,
    /// What the program is told to do: one or more words, such as `stash drop`.
    pub subcommand: Vec<String>,
    /// Flags that all have to be there; `|` stands between spellings, as in `r|R|recursive`.
    pub flags: Vec<String>,
    /// Flags of which one has to be there.
    pub any_flag: Vec<String>,
    /// Flags that may not be there.
    pub without_flags: Vec<String>,
    /// Globs, one of which fits an operand or the value of a flag. `{unknown}` is one that is known only at run time.
    pub operands: Vec<String>,
    /// Globs of operands that do not count.
    pub not_operands: Vec<String>,
    /// Whether there may be no operands at all.
    pub no_operands: bool,
    /// Texts, one of which a word fits; `*` stands for any characters.
    pub words: Vec<String>,
    /// Texts that no word fits.
    pub not_words: Vec<String>,
    /// Globs, one of which fits a file that is written by a redirection.
    pub writes: Vec<String>,
    /// Globs, one of which fits a file that is read by a redirection.
    pub reads: Vec<String>,
    /// Names of variables, one of which is set for the command.
    pub assignments: Vec<String>,
    /// Names of wrappers, one of which runs the command; `code` where code of another language does what the command would.
    pub through: Vec<String>,
    /// Constructs that the line has.
    pub constructs: Vec<Construct>,
    /// Whether the program is known only at run time.
    pub unknown_program: bool,
    /// Whether it is started without end, by a function that calls itself or a loop that does not wait.
    pub is_endless: bool,
    /// A command whose output reaches this one.
    pub from: Option<Box<CommandFind>>,
    /// Of these, one has to hold besides.
    pub any: Vec<CommandFind>,
}

/// [`CommandFind`], ready for use.
#[derive(Debug, Clone)]
pub struct CommandFinder {
    find: CommandFind,
    operands: Vec<Glob>,
    unknown_operand: bool,
    not_operands: Vec<Glob>,
    not_unknown: bool,
    words: Vec<Wildcard>,
    not_words: Vec<Wildcard>,
    writes: Vec<Glob>,
    reads: Vec<Glob>,
    assignments: Vec<Wildcard>,
    program: Vec<Wildcard>,
    names: NameSet,
    subcommand: Vec<Vec<String>>,
    flags: Vec<Flag>,
    any_flag: Vec<Flag>,
    without_flags: Vec<Flag>,
    from: Option<Box<CommandFinder>>,
    any: Vec<CommandFinder>,
}

/// Where a rule found a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFound {
    /// Its bytes in the line.
    pub span: std::ops::Range<usize>,
    /// The command, as far as the rule itself speaks of it: its program, what it is told to do, and flags and words that
    /// the rule names. Nothing else of the line is repeated.
    pub part: String,
}

const UNKNOWN_OPERAND: &str = "{unknown}";

impl CommandFinder {
    /// Makes it ready.
    ///
    /// # Errors
    /// The first glob that can't be used.
    pub fn new(find: CommandFind) -> Result<Self, GlobError> {
        let globs = |list: &[String]| {
            let globs = list.iter().filter(|glob| *glob != UNKNOWN_OPERAND);
            globs.map(|glob| Glob::new(glob)).collect::<Result<Vec<_>, _>>()
        };
        // What refuses looks at paths in any case, as some systems do.
        let small = |globs: Vec<Glob>| globs.iter().map(Glob::without_case).collect::<Vec<_>>();
        let flags = |list: &[String]| list.iter().map(|flag| Flag::new(flag)).collect();
        let wildcards = |list: &[String]| list.iter().map(|pattern| Wildcard::new(pattern)).collect();
        Ok(Self {
            program: wildcards(&find.program),
            names: match find.program.is_empty() || find.program.iter().any(|name| name.contains('*')) {
                true => NameSet::ALL,
                false => {
                    find.program.iter().map(|name| NameSet::of(name)).fold(NameSet::default(), NameSet::and)
                }
            },
            subcommand: find
                .subcommand
                .iter()
                .map(|words| words.split(' ').map(str::to_owned).collect())
                .collect(),
            flags: flags(&find.flags),
            any_flag: flags(&find.any_flag),
            without_flags: flags(&find.without_flags),
            words: wildcards(&find.words),
            not_words: wildcards(&find.not_words),
            assignments: wildcards(&find.assignments),
            operands: small(globs(&find.operands)?),
            unknown_operand: find.operands.iter().any(|glob| glob == UNKNOWN_OPERAND),
            not_operands: globs(&find.not_operands)?,
            not_unknown: find.not_operands.iter().any(|glob| glob == UNKNOWN_OPERAND),
            writes: small(globs(&find.writes)?),
            reads: small(globs(&find.reads)?),
            from: find.from.clone().map(|from| Self::new(*from).map(Box::new)).transpose()?,
            any: find.any.iter().cloned().map(Self::new).collect::<Result<Vec<_>, _>>()?,
            find,
        })
    }

    /// As written.
    #[must_use]
    pub fn find(&self) -> &CommandFind {
        &self.find
    }

    /// The first command that it finds.
    #[must_use]
    pub fn search(&self, line: &CommandLine) -> Option<CommandFound> {
        self.search_among(&Looked::new(line), 0..line.commands().len())
    }

    /// The first of these commands that it finds, in a line at which other rules look too.
    pub(crate) fn search_among(
        &self,
        looked: &Looked<'_>,
        commands: impl IntoIterator<Item = usize>,
    ) -> Option<CommandFound> {
        commands.into_iter().find_map(|number| {
            let one = looked.line.commands().get(number)?;
            self.fits(looked, number, one)
                .then(|| CommandFound { span: one.span.clone(), part: self.part(looked, number) })
        })
    }

    fn part(&self, looked: &Looked<'_>, number: usize) -> String {
        /// Words that are told at most, and the characters of one.
        const TOLD: usize = 6;
        const LONGEST: usize = 32;
        let Some(one) = looked.command(number) else { return String::new() };
        let is_plain = |text: &str| {
            text.len() <= LONGEST
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+:".contains(&byte))
        };
        let mut part = vec![one.name.filter(|name| is_plain(name)).unwrap_or("a program").to_owned()];
        let told = one.told();
        for finder in std::iter::once(self).chain(&self.any) {
            let find = &finder.find;
            let verb = find
                .subcommand
                .iter()
                .zip(&finder.subcommand)
                .filter(|(_, words)| told.begins_with(words))
                .max_by_key(|(verb, _)| verb.len());
            part.extend(verb.map(|(verb, _)| verb.clone()));
            for flag in find.flags.iter().chain(&find.any_flag) {
                let spelt = flag.split('|').find(|spelling| told.has_exactly(&Flag::new(spelling)));
                part.extend(
                    spelt.map(|spelt| format!("{}{spelt}", if spelt.len() == 1 { "-" } else { "--" })),
                );
            }
            let words = find.words.iter().filter(|word| is_plain(word) && one.says_exactly(word));
            part.extend(words.cloned());
        }
        let mut told: Vec<String> = Vec::new();
        part.retain(|word| {
            !told.contains(word) && told.len() < TOLD && {
                told.push(word.clone());
                true
            }
        });
        part.join(" ")
    }

    fn fits(&self, looked: &Looked<'_>, number: usize, one: &Simple) -> bool {
        let (find, line) = (&self.find, looked.line);
        let Some(looked_at) = looked.command(number) else { return false };
        let name = looked_at.name;
        if !find.program.is_empty() {
            let Some(name) = name.filter(|_| looked_at.may_be(self.names)) else { return false };
            if !self.program.iter().any(|program| program.fits_text(name)) {
                return false;
            }
        }
        if self.from.is_some() && one.sources.is_empty() {
            return false;
        }
        // What is supposed of an unknown word is looked at in its place.
        let is_supposed = line
            .commands()
            .get(number + 1)
            .is_some_and(|next| next.is_supposed && next.span == one.span && !one.is_supposed);
        if find.unknown_program && (name.is_some() || one.program.is_none() || is_supposed) {
            return false;
        }
        if find.is_endless && !one.is_endless {
            return false;
        }
        if !find.constructs.iter().all(|construct| line.constructs().contains(*construct)) {
            return false;
        }
        if !find.through.is_empty()
            && !find.through.iter().any(|wrapper| one.through.iter().any(|name| **name == **wrapper))
        {
            return false;
        }
        let sets = |(name, _): &(String, _)| self.assignments.iter().any(|pattern| pattern.fits_text(name));
        if !self.assignments.is_empty() && !one.assignments.iter().any(sets) {
            return false;
        }
        let redirected = |kind: RedirectKind, globs: &[Glob]| {
            let mut redirects = one.redirects.iter().zip(looked_at.targets());
            redirects.any(|(redirect, forms)| {
                redirect.kind == kind && forms.iter().any(|form| form.fits_any_case(globs))
            })
        };
        if !find.writes.is_empty() && !redirected(RedirectKind::Write, &self.writes) {
            return false;
        }
        if !find.reads.is_empty() && !redirected(RedirectKind::Read, &self.reads) {
            return false;
        }
        if (!self.words.is_empty() && !looked_at.says(&self.words)) || looked_at.says(&self.not_words) {
            return false;
        }
        let told = looked_at.told();
        let mut skipped = 0;
        if !self.subcommand.is_empty() {
            let verbs = self.subcommand.iter().filter(|words| told.begins_with(words));
            let Some(longest) = verbs.map(Vec::len).max() else { return false };
            skipped = longest;
        }
        if told.asks_for_help(skipped, &self.flags) || told.asks_for_help(skipped, &self.any_flag) {
            return false;
        }
        if !self.flags.iter().all(|flag| told.has(flag))
            || (!self.any_flag.is_empty() && !self.any_flag.iter().any(|flag| told.has(flag)))
            || self.without_flags.iter().any(|flag| told.has_exactly(flag))
        {
            return false;
        }
        if find.no_operands && told.operands.len() + told.values.len() > skipped {
            return false;
        }
        if !find.operands.is_empty() {
            let fits = told.operands_and_values().skip(skipped).any(|(text, forms)| {
                let is_unknown = text.starts_with(UNKNOWN);
                let fits = forms.iter().any(|form| form.fits_any_case(&self.operands));
                ((self.unknown_operand && is_unknown && !is_supposed) || fits)
                    && !((self.not_unknown && is_unknown)
                        || forms.iter().any(|form| form.fits_any(&self.not_operands)))
            });
            if !fits {
                return false;
            }
        }
        if let Some(from) = &self.from {
            let sources = looked_at.sources(line, number).iter();
            let mut commands = sources.filter_map(|&source| Some((source, line.commands().get(source)?)));
            let may_be = |source| looked.command(source).is_some_and(|source| source.may_be(from.names));
            if !commands.any(|(source, one)| may_be(source) && from.fits(looked, source, one)) {
                return false;
            }
        }
        self.any.is_empty()
            || self.any.iter().any(|other| looked_at.may_be(other.names) && other.fits(looked, number, one))
    }
}

/// A program's name as rules write it.
pub(super) fn plain_name(name: &str) -> &str {
    name.strip_suffix(".exe").unwrap_or(name)
}
