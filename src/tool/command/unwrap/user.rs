//! Programs that run a command as another user, or in a terminal that is kept: `su`, `runuser`, `script`, `sg`.

use super::{Result, Unwrapping};

impl Unwrapping<'_> {
    pub(super) fn user(&mut self) -> Result<()> {
        let words = self.simple.words.as_slice();
        let valued: &str = match self.name {
            "script" => "EoBIOTmt",
            "sg" => "",
            _ => "gGsTwu",
        };
        let mut as_words = false;
        let mut at = 0;
        let mut operands = None;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            at += 1;
            if text == "--" {
                operands = operands.or(Some(at));
                break;
            }
            if let Some(long) = text.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                if "command".starts_with(name) || "session-command".starts_with(name) {
                    let code = match value {
                        Some(value) => Some(word.with(value)),
                        None => words.get(at).cloned(),
                    };
                    return self.joined(code.iter());
                }
                as_words |= self.name == "runuser" && "user".starts_with(name);
                at += usize::from(
                    value.is_none()
                        && ["user", "group", "supp-group", "shell", "whitelist-environment"].contains(&name),
                );
                continue;
            }
            let Some(cluster) = text.strip_prefix('-').filter(|cluster| !cluster.is_empty()) else {
                // Flags may stand behind the name of the user.
                if text != "-" {
                    operands = operands.or(Some(at - 1));
                }
                if as_words {
                    break;
                }
                continue;
            };
            if let Some(end) = cluster.find(|letter| letter == 'c' || valued.contains(letter)) {
                let value = cluster.get(end + 1..).unwrap_or_default();
                if cluster.get(end..).is_some_and(|rest| rest.starts_with('c')) {
                    let code = match value {
                        "" => words.get(at).cloned(),
                        value => Some(word.with(value)),
                    };
                    return self.joined(code.iter());
                }
                as_words |=
                    self.name == "runuser" && cluster.get(end..).is_some_and(|rest| rest.starts_with('u'));
                at += usize::from(value.is_empty());
            }
        }
        let Some(operands) = operands else { return Ok(()) };
        let rest = words.get(operands..).unwrap_or_default();
        match self.name {
            _ if as_words => self.inner(rest.to_vec()),
            // Behind the name of the group or the file stands the command.
            "script" | "sg" if rest.len() > 1 => self.supposed(rest.get(1..).unwrap_or_default().to_vec()),
            _ => Ok(()),
        }
    }
}
