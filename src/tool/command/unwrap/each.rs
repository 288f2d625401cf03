//! Programs that run a command for each of many things: `xargs`, `parallel`, `find -exec`.

use super::{Result, Unwrapping};
use crate::tool::command::word::UNKNOWN;
use crate::tool::command::{RedirectKind, Simple, Word};

impl Unwrapping<'_> {
    pub(super) fn xargs(&mut self) -> Result<()> {
        const VALUED: &str = "IJnPLsadERS";
        let rest = self.behind_flags(VALUED, 0);
        let words = &self.simple.words;
        let flags = words.get(..words.len() - rest.len()).unwrap_or_default();
        let (mut replaced, mut appends) = (None, false);
        for (at, word) in flags.iter().enumerate() {
            let value = || flags.get(at + 1).map(|word| word.text.to_string());
            match word.text.as_str() {
                "-I" | "-J" => (replaced, appends) = (value(), false),
                "-i" | "--replace" => (replaced, appends) = (Some("{}".to_owned()), false),
                text => {
                    if let Some(sign) = text.strip_prefix("-I").or(text.strip_prefix("--replace=")) {
                        (replaced, appends) = (Some(sign.to_owned()), false);
                    } else {
                        // Behind it, these make GNU's forget what was to be replaced, and append.
                        appends |= text.starts_with("--max-a") || text.starts_with("--max-l");
                        appends |= !text.starts_with("--") && text.contains(['n', 'L', 'l']);
                    }
                }
            }
        }
        let own = flags.len();
        self.files_of_flag(own, 'a', "--arg-file", RedirectKind::Read);
        if rest.is_empty() {
            return Ok(());
        }
        self.transparent();
        let given = self.given_text();
        let with = |given: Option<&str>| -> Vec<Word> {
            let mut words: Vec<Word> = Vec::new();
            for word in &rest {
                match &replaced {
                    Some(sign) if !sign.is_empty() && word.text.contains(sign.as_str()) => {
                        let value = given
                            .map_or(UNKNOWN.to_string(), |given| given.trim_end_matches('\n').to_owned());
                        let is_known = word.is_known && given.is_some();
                        words.push(Word {
                            text: word.text.replace(sign.as_str(), &value).into(),
                            is_known,
                            has_glob: false,
                        });
                    }
                    _ => words.push(word.clone()),
                }
            }
            if replaced.is_none() || appends {
                match given {
                    Some(given) => words.extend(split_input(given).into_iter().map(Word::new)),
                    None => words.push(Word::unknown()),
                }
            }
            words
        };
        let certain = with(None);
        let upstream = std::mem::take(&mut self.state.upstream);
        let mut result = self.inner(certain);
        if let (Some(given), Ok(())) = (&given, &result) {
            let words = with(Some(given));
            result = self.supposed(words);
        }
        if given.is_none() && result.is_ok() {
            let found = match upstream.as_slice() {
                [one] => self.state.out.commands.get(*one).and_then(found_by).unwrap_or_default(),
                _ => Vec::new(),
            };
            for path in found {
                let words = with(Some(&path));
                result = result.and_then(|()| self.supposed(words));
            }
        }
        self.state.upstream = upstream;
        result
    }

    pub(super) fn parallel(&mut self) -> Result<()> {
        let rest = self.behind_flags("jSNPILlna", 0);
        let at = rest
            .iter()
            .position(|word| matches!(word.text.as_str(), ":::" | "::::" | ":::+"))
            .unwrap_or(rest.len());
        let (command, given) = rest.split_at(at);
        let mut given: Vec<String> = given
            .iter()
            .filter(|word| !word.text.starts_with(":::"))
            .take(8)
            .map(|word| word.text.to_string())
            .collect();
        if given.is_empty() {
            given.extend(
                self.given_text()
                    .into_iter()
                    .flat_map(|text| text.lines().take(8).map(str::to_owned).collect::<Vec<_>>()),
            );
        }
        self.opaque();
        let template = command.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        if given.is_empty() {
            given.push(UNKNOWN.to_string());
        }
        for value in given {
            let code = if template.is_empty() {
                value
            } else if template.contains('{') {
                let mut code = template.clone();
                for sign in ["{}", "{.}", "{1}", "{2}", "{3}", "{/}", "{//}"] {
                    code = code.replace(sign, &value);
                }
                code
            } else {
                format!("{template} {value}")
            };
            self.supposed_code(&[Word::new(code)])?;
        }
        Ok(())
    }

    pub(super) fn find(&mut self) -> Result<()> {
        let words = &self.simple.words;
        let roots: Vec<&Word> =
            words.iter().take_while(|word| !word.text.starts_with(['-', '(', '!'])).take(4).collect();
        let roots: Vec<Word> = roots.into_iter().cloned().collect();
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            if !matches!(
                word.text.as_str(),
                "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch"
            ) {
                continue;
            }
            let mut command: Vec<Word> = Vec::new();
            while let Some(word) = words.get(at) {
                at += 1;
                if word.text == ";"
                    || (word.text == "+" && command.last().is_some_and(|last| last.text == "{}"))
                {
                    break;
                }
                command.push(word.clone());
            }
            let with = |value: &Word| -> Vec<Word> {
                let fill = |word: &Word| match word.text.contains("{}") {
                    true => Word {
                        text: word.text.replace("{}", &value.text).into(),
                        is_known: value.is_known && word.is_known,
                        has_glob: false,
                    },
                    false => word.clone(),
                };
                command.iter().map(fill).collect()
            };
            if command.is_empty() {
                continue;
            }
            self.inner(with(&Word::unknown()))?;
            let found = found_by(self.simple).unwrap_or_default();
            let roots: Vec<Word> = match found.as_slice() {
                [] => roots.clone(),
                found => found.iter().map(Word::new).collect(),
            };
            for root in &roots {
                // Where everything below a folder is handed over, the folder may be as well.
                let words = with(root);
                self.supposed(words)?;
            }
        }
        Ok(())
    }
}

/// What a search finds, where that is one name below its folders: `find . -name .env`. None where a glob takes in
/// everything, or where the name is only one of the ways to be found.
fn found_by(simple: &Simple) -> Option<Vec<String>> {
    if !matches!(simple.name(), Some("find" | "gfind")) {
        return None;
    }
    let texts: Vec<&str> = simple.words.iter().map(Word::text).collect();
    if texts.iter().any(|text| {
        matches!(*text, "-o" | "-or" | "!" | "-not" | "," | "(" | "-path" | "-regex" | "-files0-from")
    }) {
        return None;
    }
    let mut named = texts.windows(2).filter_map(|pair| match pair {
        ["-name" | "-iname", name] => Some(*name),
        _ => None,
    });
    let name = named.next().filter(|name| name.chars().any(|sign| !matches!(sign, '*' | '?' | UNKNOWN)))?;
    let roots = texts.iter().take_while(|text| !text.starts_with('-')).take(4);
    let mut found: Vec<String> =
        roots.clone().map(|root| format!("{}/{name}", root.trim_end_matches('/'))).collect();
    if found.is_empty() {
        found.push(name.to_owned());
    }
    if name.contains(['*', '?', '[']) {
        // Of many names, the folder itself may be one.
        found.extend(roots.map(|root| (*root).to_owned()));
    }
    named.next().is_none().then_some(found)
}

/// Words of standard input as `xargs` splits them.
fn split_input(text: &str) -> Vec<String> {
    text.split_whitespace().take(64).map(|word| word.trim_matches(['\'', '"']).to_owned()).collect()
}
