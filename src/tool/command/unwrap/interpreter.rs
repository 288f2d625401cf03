//! Interpreters of other languages, whose code may run commands.

use std::sync::Arc;

use super::{Result, Unwrapping, names, unescape};
use crate::tool::command::Word;

impl Unwrapping<'_> {
    pub(super) fn interpreter(&mut self, flags: &[&str]) -> Result<()> {
        let words = &self.simple.words;
        let mut codes: Vec<Word> = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let text = word.text.as_str();
            let is_short_cluster = |flag: &str| {
                // `-Ic'…'`, `-e'…'`: flags without values may stand before the one that takes the code.
                let letter = flag.strip_prefix('-').filter(|letter| letter.len() == 1)?;
                let cluster = text.strip_prefix('-').filter(|cluster| !cluster.starts_with('-'))?;
                let (before, code) = cluster.split_once(letter)?;
                before.bytes().all(|byte| byte.is_ascii_alphabetic()).then_some(code)
            };
            if flags.contains(&text) {
                codes.extend(words.get(at + 1).cloned());
                break;
            }
            let attached = flags.iter().find_map(|flag| {
                text.strip_prefix(flag)
                    .and_then(|rest| rest.strip_prefix('='))
                    .or_else(|| is_short_cluster(flag))
            });
            match attached {
                Some("") => {
                    codes.extend(words.get(at + 1).cloned());
                    break;
                }
                Some(code) => {
                    codes.push(word.with(code));
                    break;
                }
                None if !text.starts_with('-') && text != "eval" => break,
                None => {}
            }
        }
        let has_script = words.iter().any(|word| !word.text.starts_with('-'));
        let reads = codes.is_empty() && (!has_script || words.iter().any(|word| word.text == "-"));
        if reads && self.has_input() {
            self.opaque();
            if let (Some(text), Some(program)) = (self.given_text(), &self.simple.program) {
                return self.supposed(vec![program.clone(), Word::new("-c"), Word::new(text)]);
            }
        }
        if codes.is_empty() {
            return Ok(());
        }
        self.opaque();
        for code in codes {
            self.foreign_code(&code.text)?;
        }
        Ok(())
    }

    /// Texts within code of another language that runs commands: each may be one.
    fn foreign_code(&mut self, code: &str) -> Result<()> {
        const RUNS: &[&str] = &[
            "system",
            "exec",
            "popen",
            "Popen",
            "subprocess",
            "spawn",
            "child_process",
            "shell",
            "`",
            "%x",
            "os.",
            "Kernel",
            "ProcessBuilder",
            "proc_open",
        ];
        if self.name == "fish"
            || names::is_shell(self.name)
            || matches!(self.name, "csh" | "tcsh" | "nu" | "elvish" | "xonsh")
        {
            return self.supposed_code(&[Word::new(code)]);
        }
        for folder in deleted_folders(code).into_iter().take(16) {
            // As if by `rm`, which rules know well; that it is code that deletes is told by its wrapper.
            let folder = folder.map_or_else(Word::unknown, Word::new);
            let through = self.state.through.iter().cloned().chain([Arc::from("code")]).collect();
            let outer = std::mem::replace(&mut self.state.through, through);
            let result = self.supposed(vec![Word::new("rm"), Word::new("-rf"), folder]);
            self.state.through = outer;
            result?;
        }
        if !RUNS.iter().any(|sign| code.contains(sign)) {
            // A line that is no program of the language may be a command all the same.
            return if code.starts_with("rm ") { self.supposed_code(&[Word::new(code)]) } else { Ok(()) };
        }
        let texts = quoted_texts(code);
        let together = texts.join(" ");
        for text in texts.iter().take(16) {
            let decoded = unescape(text, false).unwrap_or_else(|| text.clone());
            self.supposed_code(&[Word::new(decoded)])?;
            if let Some(plain) = from_base64(text) {
                self.supposed_code(&[Word::new(plain)])?;
            }
        }
        if texts.len() > 1 {
            self.supposed_code(&[Word::new(together)])?;
        }
        Ok(())
    }
}

/// Folders that code deletes with all that is in them; none where it is known only at run time which.
fn deleted_folders(code: &str) -> Vec<Option<String>> {
    const DELETING: &[&str] = &["rmtree(", "rmSync(", "rmdirSync(", "rm_rf(", "rm_r("];
    let calls = DELETING.iter().flat_map(|sign| code.match_indices(sign).map(|(at, sign)| at + sign.len()));
    calls
        .map(|at| {
            let rest = code.get(at..)?.trim_start();
            let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"' | '`'))?;
            let (folder, after) = rest.get(1..)?.split_once(quote)?;
            let is_whole = after.trim_start().starts_with([',', ')']) && !folder.contains(['\\', '$', '#']);
            is_whole.then(|| folder.to_owned())
        })
        .collect()
}

/// Texts between quotes in code, and lists of words.
fn quoted_texts(code: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (at, _) in code.match_indices("qw").take(8) {
        let mut rest = code.get(at + 2..).unwrap_or_default().trim_start().chars();
        let end = match rest.next() {
            Some('(') => ')',
            Some('[') => ']',
            Some('{') => '}',
            Some('<') => '>',
            Some(sign) if !sign.is_alphanumeric() => sign,
            _ => continue,
        };
        texts.extend(rest.as_str().split_once(end).map(|(words, _)| words.to_owned()));
    }
    let mut signs = code.char_indices();
    while let Some((start, quote)) = signs.next() {
        if !matches!(quote, '\'' | '"' | '`') {
            continue;
        }
        let mut escaped = false;
        for (end, sign) in signs.by_ref() {
            if escaped {
                escaped = false;
            } else if sign == '\\' {
                escaped = true;
            } else if sign == quote {
                texts.extend(code.get(start + 1..end).filter(|text| !text.is_empty()).map(str::to_owned));
                break;
            }
        }
    }
    texts
}

/// A text that base64 stands for.
fn from_base64(text: &str) -> Option<String> {
    if text.len() < 8 || text.len() > 4096 {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    text.chars().all(|sign| !sign.is_control() || sign == '\n').then_some(text)
}
