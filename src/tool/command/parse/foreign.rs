//! Commands of the shells of Windows, which are not read.

use super::{Simple, names};
use crate::tool::command::Word;

/// Commands of `cmd` that are told by their switches from programs of the same name.
const BUILT_IN: [&str; 10] =
    ["del", "erase", "rd", "rmdir", "dir", "copy", "xcopy", "move", "format", "attrib"];

/// The Windows shell that a command is of.
pub(super) fn shell_of(simple: &Simple) -> Option<&'static str> {
    let name = simple.name().filter(|_| !simple.is_supposed)?;
    if names::is_cmdlet(name) {
        return Some("PowerShell");
    }
    let program = simple.program.as_ref()?.known()?;
    let variable = |word: &Word| {
        let text = word.text();
        text.len() > 2
            && text.starts_with('%')
            && text.get(1..).is_some_and(|rest| {
                rest.contains('%')
                    && !rest.contains(['/', '+', ' ', ':'])
                    && rest.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
            })
    };
    let switch = |word: &Word| {
        let bytes = word.text().as_bytes();
        bytes.len() == 2 && bytes.first() == Some(&b'/') && bytes.get(1).is_some_and(u8::is_ascii_alphabetic)
    };
    let built_in = || BUILT_IN.iter().any(|name| program.eq_ignore_ascii_case(name));
    if (simple.words.iter().any(switch) && built_in()) || simple.words.iter().any(variable) {
        return Some("cmd");
    }
    None
}
