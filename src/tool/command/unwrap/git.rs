//! What git runs.

use super::flags::{codes_in, of_git};
use super::{Result, Unwrapping, names};
use crate::tool::command::Word;

/// Endings of keys whose value git runs.
const RUNNING: &[&str] = &[
    "pager",
    "editor",
    "sshcommand",
    "external",
    "command",
    "cmd",
    "textconv",
    "clean",
    "smudge",
    "process",
    "driver",
    "helper",
    "askpass",
    "fsmonitor",
    "hookspath",
    "gitproxy",
    "program",
    "uploadpack",
    "receivepack",
    "difffilter",
    "path",
    "templatedir",
];

/// The words of git, told apart.
struct Told<'w> {
    /// `key=value` of `-c` before what git is told to do.
    settings: Vec<Word>,
    /// Whether it is told where its settings are otherwise.
    is_set: bool,
    verb: &'w str,
    rest: &'w [Word],
}

fn told(words: &[Word]) -> Told<'_> {
    let valued = names::valued_before_subcommand("git");
    let mut told = Told { settings: Vec::new(), is_set: false, verb: "", rest: &[] };
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        at += 1;
        if !text.starts_with('-') {
            told.verb = text;
            break;
        }
        if let Some(glued) = text.strip_prefix("-c") {
            told.is_set = true;
            match glued {
                "" => told.settings.extend(words.get(at).cloned()),
                glued => told.settings.push(word.with(glued)),
            }
        }
        if valued.contains(&text) {
            at += 1;
        }
    }
    told.rest = words.get(at..).unwrap_or_default();
    told
}

impl Unwrapping<'_> {
    /// Settings, aliases and flags that hold code, and what `bisect run`, `rebase --exec` and `submodule foreach` run.
    pub(super) fn git(&mut self) -> Result<()> {
        let words = self.simple.words.as_slice();
        let told = told(words);
        let flags = of_git(told.verb).among(words);
        let mut settings = told.settings.clone();
        if told.verb == "clone" {
            settings.extend(flags.values.iter().filter(|value| value.text.contains('=')).cloned());
        }
        if told.is_set || flags.is_there {
            self.opaque();
        }
        for setting in &settings {
            let (key, value) = setting.text.split_once('=').unwrap_or((&setting.text, ""));
            self.setting(key, &setting.with(value))?;
        }
        for value in &flags.values {
            self.supposed_codes_of(value)?;
        }
        for word in words {
            let code = word.text.split_once("=!").map(|(_, code)| code);
            let code =
                code.or_else(|| Some(word.text.split_once("ext::")?.1)).or(word.text.strip_prefix('!'));
            if let Some(code) = code.filter(|code| !code.is_empty()) {
                self.opaque();
                self.supposed_code(&[Word::new(code)])?;
            }
        }
        let operands: Vec<(usize, &str)> =
            told.rest.iter().map(Word::text).enumerate().filter(|(_, text)| !text.starts_with('-')).collect();
        match told.verb {
            "config" => {
                if let [(_, key), (at, _), ..] = operands.as_slice()
                    && let Some(value) = told.rest.get(*at)
                {
                    self.setting(key, value)?;
                }
                Ok(())
            }
            "filter-branch" => {
                self.opaque();
                Ok(())
            }
            "bisect" | "submodule" => match operands.first() {
                Some((at, "run" | "foreach")) => {
                    self.opaque();
                    let code: Vec<Word> = told.rest.iter().skip(at + 1).cloned().collect();
                    let code: Vec<Word> =
                        code.into_iter().skip_while(|word| word.text.starts_with('-')).collect();
                    self.supposed_code(&code)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// A key of its settings, which git reads in any case.
    fn setting(&mut self, key: &str, value: &Word) -> Result<()> {
        let lower = key.to_ascii_lowercase();
        let ending = lower.rsplit('.').next().unwrap_or_default();
        if RUNNING.contains(&ending) || lower.starts_with("alias.") {
            self.supposed_codes_of(value)?;
        }
        if lower != key || self.simple.words.first().is_none_or(|word| word.text != "config") {
            let words = ["git", "config", lower.as_str()].map(Word::new);
            return self.supposed(words.into_iter().chain([value.clone()]).collect());
        }
        Ok(())
    }

    pub(super) fn supposed_codes_of(&mut self, value: &Word) -> Result<()> {
        for code in codes_in(&value.text) {
            self.supposed_code(&[value.with(code)])?;
        }
        Ok(())
    }
}
