//! What a command prints, where that is a constant.

use super::unescape;
use crate::tool::command::{Simple, Word};

/// What `echo` and `printf` print, where that is known.
pub(in crate::tool::command) fn printed(simple: &Simple) -> Option<String> {
    let known = |word: &Word| word.known().map(str::to_owned);
    match simple.name()? {
        // A new file or folder, of which only the place is known.
        "mktemp"
            if simple
                .words
                .iter()
                .all(|word| matches!(word.text.as_str(), "-d" | "-t" | "--directory" | "-q")) =>
        {
            Some("/tmp/tmp.new".to_owned())
        }
        "echo" => {
            let mut words = simple.words.iter().peekable();
            let (mut escapes, mut breaks) = (false, true);
            while let Some(flag) = words.next_if(|word| {
                word.text.strip_prefix('-').is_some_and(|flags| {
                    !flags.is_empty() && flags.bytes().all(|flag| b"neE".contains(&flag))
                })
            }) {
                escapes = (escapes || flag.text.contains('e')) && !flag.text.contains('E');
                breaks &= !flag.text.contains('n');
            }
            let words: Option<Vec<String>> = words.map(known).collect();
            let text = words?.join(" ");
            let text = if escapes { unescape(&text, true)? } else { text };
            Some(if breaks { text + "\n" } else { text })
        }
        "printf" => {
            let mut words = simple.words.iter().skip_while(|word| word.text == "--");
            let format = unescape(words.next()?.known()?, false)?;
            let mut values = words.map(known).collect::<Option<Vec<String>>>()?.into_iter();
            let mut text = String::new();
            let parts: Vec<&str> = format.split('%').collect();
            let mut parts = parts.into_iter();
            text.push_str(parts.next()?);
            let mut literal = false;
            for part in parts {
                if std::mem::take(&mut literal) {
                    text.push_str(part);
                    continue;
                }
                match part.chars().next() {
                    Some('s') => text.push_str(&values.next().unwrap_or_default()),
                    Some('b') => text.push_str(&unescape(&values.next().unwrap_or_default(), true)?),
                    None => {
                        text.push('%');
                        literal = true;
                        continue;
                    }
                    _ => return None,
                }
                text.push_str(part.get(1..)?);
            }
            Some(text)
        }
        _ => None,
    }
}
