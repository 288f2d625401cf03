//! Rules by what a line has to hold for them to find anything, so that only those are tried that can.

use std::collections::HashMap;

use super::told::Looked;
use super::{CommandFind, CommandFinder, Constructs, RedirectKind};
use crate::tool::signs::{Signs, Wildcard};

/// Rules over command lines, by number.
#[derive(Debug, Default)]
pub(crate) struct CommandIndex {
    programs: HashMap<String, Vec<usize>>,
    /// Names of programs with `*`.
    globs: Vec<(Wildcard, Vec<usize>)>,
    /// Wrappers through which a command has to be run.
    through: HashMap<String, Vec<usize>>,
    constructs: Vec<(Constructs, usize)>,
    signs: HashMap<Sign, Vec<usize>>,
    /// Rules that may fit any command.
    always: Vec<usize>,
}

/// What a command is besides its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sign {
    Writes,
    Reads,
    Assigns,
    Endless,
    UnknownProgram,
}

/// What a line has to hold.
enum Key<'f> {
    Program(&'f str),
    Through(&'f str),
    Constructs(Constructs),
    Sign(Sign),
}

impl CommandIndex {
    pub(crate) fn new<'f>(finders: impl IntoIterator<Item = (usize, &'f CommandFinder)>) -> Self {
        let mut index = Self::default();
        for (number, finder) in finders {
            match keys(finder.find()) {
                Some(keys) => keys.into_iter().for_each(|key| index.insert(key, number)),
                None => index.always.push(number),
            }
        }
        index
    }

    fn insert(&mut self, key: Key<'_>, number: usize) {
        let list = match key {
            Key::Program(glob) if glob.contains('*') => {
                let glob = Wildcard::new(glob);
                match self.globs.iter_mut().position(|(known, _)| *known == glob) {
                    Some(at) => self.globs.get_mut(at).map(|(_, list)| list),
                    None => {
                        self.globs.push((glob, Vec::new()));
                        self.globs.last_mut().map(|(_, list)| list)
                    }
                }
            }
            Key::Program(name) => Some(self.programs.entry(name.to_owned()).or_default()),
            Key::Through(name) => Some(self.through.entry(name.to_owned()).or_default()),
            Key::Sign(sign) => Some(self.signs.entry(sign).or_default()),
            Key::Constructs(constructs) => {
                self.constructs.push((constructs, number));
                None
            }
        };
        if let Some(list) = list.filter(|list| list.last() != Some(&number)) {
            list.push(number);
        }
    }

    /// Numbers of the rules that can find something in a line, each with the number of a command in which it can, in
    /// order.
    ///
    /// INVARIANT: whatever a rule finds in a command, both are among these.
    pub(crate) fn candidates(&self, looked: &Looked<'_>) -> Vec<(usize, usize)> {
        let mut found = Vec::with_capacity(64);
        let holds = |constructs: &Constructs| constructs.is_within(looked.line.constructs());
        let anywhere = self.constructs.iter().filter(|(constructs, _)| holds(constructs));
        let anywhere: Vec<usize> =
            anywhere.map(|(_, number)| *number).chain(self.always.iter().copied()).collect();
        for (command, (name, one)) in looked.names().enumerate() {
            let mut add = |list: Option<&Vec<usize>>| {
                found.extend(list.into_iter().flatten().map(|number| (*number, command)));
            };
            add(Some(&anywhere));
            match name {
                Some(name) => {
                    let signs = Signs::of(name);
                    add(self.programs.get(name));
                    for (glob, list) in &self.globs {
                        add(Some(list).filter(|_| glob.fits(name, signs)));
                    }
                }
                None => add(self.signs.get(&Sign::UnknownProgram)),
            }
            for name in one.through.iter() {
                add(self.through.get(&**name));
            }
            if !one.assignments.is_empty() {
                add(self.signs.get(&Sign::Assigns));
            }
            if one.is_endless {
                add(self.signs.get(&Sign::Endless));
            }
            for redirect in &one.redirects {
                match redirect.kind {
                    RedirectKind::Write => add(self.signs.get(&Sign::Writes)),
                    RedirectKind::Read => add(self.signs.get(&Sign::Reads)),
                    RedirectKind::Duplicate | RedirectKind::Text => {}
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Of these, one has to hold for some command of a line; `None` where nothing has to.
fn keys(find: &CommandFind) -> Option<Vec<Key<'_>>> {
    // What tells most apart comes first.
    if !find.program.is_empty() && !find.program.iter().any(|name| name == "*") {
        return Some(find.program.iter().map(|name| Key::Program(name)).collect());
    }
    let sign = |sign| Some(vec![Key::Sign(sign)]);
    if find.is_endless {
        return sign(Sign::Endless);
    }
    if find.unknown_program {
        return sign(Sign::UnknownProgram);
    }
    if !find.through.is_empty() {
        return Some(find.through.iter().map(|name| Key::Through(name)).collect());
    }
    if !find.assignments.is_empty() {
        return sign(Sign::Assigns);
    }
    if !find.any.is_empty()
        && let Some(keys) = find.any.iter().map(keys).collect::<Option<Vec<_>>>()
    {
        return Some(keys.into_iter().flatten().collect());
    }
    if !find.writes.is_empty() {
        return sign(Sign::Writes);
    }
    if !find.reads.is_empty() {
        return sign(Sign::Reads);
    }
    if !find.constructs.is_empty() {
        return Some(vec![Key::Constructs(find.constructs.iter().copied().collect())]);
    }
    None
}
