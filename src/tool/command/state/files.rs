//! Files and descriptors, by which commands give one another what they print.

use std::borrow::Cow;
use std::ops::Range;

use super::{Draft, State, word};
use crate::tool::command::word::{Piece, Raw, Word};
use crate::tool::command::{Construct, RedirectKind, Simple, names};
use crate::tool::path;

impl State {
    /// What is written to and read from a descriptor is written to and read from the files for which it stands.
    pub(super) fn descriptors(&mut self, draft: &mut Draft, number: usize) {
        let is_exec = matches!(draft.words.as_slice(), [program] if word::literal(program) == Some("exec"));
        for (descriptor, at) in &draft.descriptors {
            let Some((kind, raw)) = draft.redirects.get(*at) else { continue };
            if *kind == RedirectKind::Duplicate {
                let Some(of) = descriptor_of(raw) else { continue };
                let files: Vec<String> = self
                    .opened
                    .iter()
                    .filter(|(known, _)| *known == of)
                    .map(|(_, file)| file.clone())
                    .collect();
                let commands = self.files.iter().filter(|(name, _)| files.contains(name));
                draft.sources.extend(commands.map(|(_, number)| *number));
                for file in files {
                    if is_exec {
                        self.opened.push((descriptor.clone(), file.clone()));
                    }
                    self.files.push((file, number));
                }
                for (_, commands) in self.fed.iter().filter(|(known, _)| *known == of) {
                    for one in self.out.commands.get_mut(commands.clone()).unwrap_or_default() {
                        one.sources.push(number);
                    }
                }
                self.duplicated.push((of, number));
            } else if *kind != RedirectKind::Text
                && (is_exec || (draft.words.is_empty() && !matches!(descriptor.as_str(), "0" | "1" | "2")))
            {
                if let Some(first) = draft.fed {
                    self.fed.push((descriptor.clone(), first..number));
                }
                let file = file_name(&word::settle(raw).text).into_owned();
                for (_, number) in self.duplicated.iter().filter(|(known, _)| known == descriptor) {
                    self.files.push((file.clone(), *number));
                }
                self.opened.push((descriptor.clone(), file));
            }
        }
        for (_, commands) in self.fed.iter().filter(|(known, commands)| known == "1" && commands.end < number)
        {
            for one in self.out.commands.get_mut(commands.clone()).unwrap_or_default() {
                one.sources.push(number);
            }
        }
        for (descriptor, file) in &self.opened {
            // Behind `exec >file` everything is written there; `/dev/fd/3` is what 3 stands for.
            if descriptor == "1" {
                self.files.push((file.clone(), number));
            }
            if descriptor == "0" {
                let commands = self.files.iter().filter(|(name, _)| name == file);
                draft.sources.extend(commands.map(|(_, number)| *number));
            }
            // The number that a variable is given is known to the shell only.
            let is_number = descriptor.bytes().all(|byte| byte.is_ascii_digit());
            let named = |text: &str| {
                let number =
                    ["/dev/fd/", "/proc/self/fd/"].iter().find_map(|folder| text.strip_prefix(folder));
                number.is_some_and(|number| number == descriptor || !is_number)
                    || (descriptor == "0" && text == "/dev/stdin")
            };
            let words = draft.words.iter().chain(draft.redirects.iter().map(|(_, raw)| raw));
            if words.filter_map(word::literal).any(named) {
                let commands = self.files.iter().filter(|(name, _)| name == file);
                draft.sources.extend(commands.map(|(_, number)| *number));
                self.files.push((file.clone(), number));
            }
        }
    }

    /// The commands of a compound read what stands in files behind it.
    pub(in crate::tool::command) fn feed(&mut self, commands: Range<usize>, draft: &Draft) {
        let read = draft.redirects.iter().filter(|(kind, _)| *kind == RedirectKind::Read);
        let names: Vec<String> =
            read.map(|(_, raw)| file_name(&word::settle(raw).text).into_owned()).collect();
        if names.is_empty() {
            return;
        }
        let written =
            self.files.iter().filter(|(name, number)| names.contains(name) && *number < commands.start);
        let writers: Vec<usize> = written.map(|(_, number)| *number).collect();
        for one in self.out.commands.get_mut(commands).unwrap_or_default() {
            one.sources.extend(&writers);
            if one.words.is_empty() && one.name().is_some_and(names::is_shell) {
                self.out.constructs.insert(Construct::Opaque);
            }
        }
    }

    /// Commands that wrote a file which this one names.
    pub(super) fn read_files(&self, simple: &Simple) -> Vec<usize> {
        if self.files.is_empty() {
            return Vec::new();
        }
        let named = simple.all().chain(simple.redirects.iter().map(|redirect| &redirect.target));
        let names: Vec<Cow<'_, str>> =
            named.filter(|word| word.text.len() < 4096).map(|word| file_name(&word.text)).collect();
        let written = self.files.iter().filter(|(name, _)| names.iter().any(|named| named == name));
        written.map(|(_, number)| *number).collect()
    }

    /// Files that a program which downloads names by the end of the address.
    fn downloaded_files(&mut self, simple: &Simple, name: Option<&str>, number: usize) {
        let names_itself = match name {
            Some("wget" | "wget2" | "aria2c" | "axel") => true,
            Some("curl") => simple.words.iter().any(|word| {
                let cluster = word.text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
                cluster.is_some_and(|flags| flags.contains(['O', 'J'])) || word.text.starts_with("--remote-")
            }),
            _ => false,
        };
        if !names_itself {
            return;
        }
        let folder = download_folder(&simple.words);
        let addresses = simple.words.iter().map(Word::text).filter(|text| !text.starts_with('-'));
        for address in addresses.filter(|address| address.len() < 4096) {
            let path = address.split(['?', '#']).next().unwrap_or(address);
            let Some((_, end)) = path.rsplit_once('/').filter(|(_, end)| !end.is_empty()) else { continue };
            self.files.push((file_name(end).into_owned(), number));
            if let Some(folder) = folder {
                self.files.push((file_name(&format!("{folder}/{end}")).into_owned(), number));
            }
        }
    }

    /// A builtin that puts what it is given into variables: they hold what its sources print.
    pub(super) fn carry(&mut self, simple: &Simple, name: Option<&str>, sources: &[usize]) {
        if sources.is_empty() {
            return;
        }
        let names: Vec<&str> = match name {
            Some("read" | "mapfile" | "readarray") => simple.words.iter().map(Word::text).collect(),
            Some("printf") if simple.words.first().is_some_and(|flag| flag.text == "-v") => {
                simple.words.get(1).map(Word::text).into_iter().collect()
            }
            Some("declare" | "typeset" | "local" | "export" | "readonly") => simple
                .words
                .iter()
                .filter_map(|word| word.text.split_once('='))
                .map(|(name, _)| name)
                .collect(),
            _ => return,
        };
        for name in names.into_iter().filter(|name| !name.starts_with('-')) {
            let carried = self.carried.entry(name.to_owned()).or_default();
            carried.extend(sources);
            carried.sort_unstable();
            carried.dedup();
        }
        // What is read without a name.
        if matches!(name, Some("read" | "mapfile" | "readarray")) {
            for name in ["REPLY", "MAPFILE"] {
                self.carried.insert(name.to_owned(), sources.to_vec());
            }
        }
    }

    pub(super) fn written_files(&mut self, simple: &Simple, name: Option<&str>, number: usize) {
        let mut written: Vec<&Word> = Vec::new();
        written.extend(
            simple
                .redirects
                .iter()
                .filter(|redirect| redirect.kind == RedirectKind::Write)
                .map(|redirect| &redirect.target),
        );
        self.downloaded_files(simple, name, number);
        match name {
            Some("rm" | "unlink") => {
                let gone: Vec<Cow<'_, str>> = simple.words.iter().map(|word| file_name(&word.text)).collect();
                self.files.retain(|(name, _)| !gone.iter().any(|gone| gone == name));
            }
            Some("tee") => written.extend(&simple.words),
            Some("cp" | "mv" | "ln" | "install" | "link" | "rsync") => written.extend(simple.words.last()),
            _ => {
                let mut words = simple.words.iter();
                while let Some(word) = words.next() {
                    match word.text.as_str() {
                        "-o" | "-O" | "--output" | "--output-document" | "-out" => {
                            written.extend(words.next())
                        }
                        text => {
                            if let Some(name) = text.strip_prefix("--output=").or(text.strip_prefix("of=")) {
                                self.files.push((file_name(name).into_owned(), number));
                            }
                        }
                    }
                }
            }
        }
        let files = written
            .into_iter()
            .map(Word::text)
            .filter(|text| text.len() < 4096 && !text.starts_with('-') && !text.starts_with("/dev/"));
        for name in files.map(file_name).filter(|name| !name.is_empty()) {
            self.files.push((name.into_owned(), number));
        }
    }
}

/// The folder in which a program that downloads puts what it downloads.
fn download_folder(words: &[Word]) -> Option<&str> {
    let next = words.iter().skip(1).map(Word::text).map(Some).chain([None]);
    words.iter().map(Word::text).zip(next).find_map(|(word, next)| match word {
        "-P" | "--directory-prefix" | "--output-dir" | "-d" | "--dir" => next,
        word => ["--directory-prefix=", "--output-dir=", "--dir=", "-P"]
            .iter()
            .find_map(|flag| word.strip_prefix(flag)),
    })
}

/// `3` of `>&3` and `fd` of `>&$fd`.
fn descriptor_of(raw: &Raw) -> Option<String> {
    raw.iter().find_map(|piece| match piece {
        Piece::Text(text) => Some(text.trim_end_matches('-').to_owned()).filter(|text| !text.is_empty()),
        Piece::Variable { name, .. } => Some(name.clone()),
        _ => None,
    })
}

/// A file's name as one command writes and another reads it: `./x`, `@x`, `files=@x` and `x` are one.
fn file_name(text: &str) -> Cow<'_, str> {
    let text = text.rsplit('@').next().unwrap_or(text);
    let text = text.split(',').next().unwrap_or(text);
    path::cleaned(text)
}
