//! Programs of awk: what they run, and which files they name themselves.

use crate::tool::command::Word;

/// What awk is given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// It runs code, reads or writes files that are no words of the line, or is not understood.
    pub(super) escapes: bool,
    /// Texts of the program.
    pub(super) texts: Vec<String>,
}

/// Reads the words of awk.
pub(super) fn read(words: &[Word]) -> Program {
    let mut program = Program::default();
    let mut sources: Vec<&str> = Vec::new();
    let mut words = words.iter().map(Word::text);
    let mut operand = None;
    while let Some(text) = words.next() {
        if text == "--" {
            operand = words.next();
            break;
        }
        if text == "-" || !text.starts_with('-') {
            operand = Some(text);
            break;
        }
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let is = |flag: &str| flag.starts_with(name);
            // What may be one of several is taken for the worst of them.
            if ["file", "include", "load", "exec"].into_iter().any(is)
                || (value.is_some()
                    && ["dump-variables", "pretty-print", "profile", "debug"].into_iter().any(is))
            {
                program.escapes = true;
            } else if is("source") {
                sources.extend(value.or_else(|| words.next()));
            } else if (is("assign") || is("field-separator")) && value.is_none() {
                words.next();
            }
            continue;
        }
        for (at, letter) in text.char_indices().skip(1) {
            let rest = text.get(at + letter.len_utf8()..).unwrap_or_default();
            match letter {
                'F' | 'v' if rest.is_empty() => {
                    words.next();
                }
                'F' | 'v' => {}
                'e' => sources.extend(if rest.is_empty() { words.next() } else { Some(rest) }),
                // Code in a file, of an extension or for a debugger, and files that are written.
                'f' | 'i' | 'l' | 'E' | 'W' | 'D' => program.escapes = true,
                'd' | 'o' | 'p' => program.escapes |= !rest.is_empty(),
                _ => continue,
            }
            break;
        }
    }
    if sources.is_empty() && !program.escapes {
        sources.extend(operand);
    }
    for source in sources {
        let mut reading = Reading { rest: source, ..Reading::default() };
        program.escapes |= reading.read().is_none() || reading.escapes;
        program.texts.append(&mut reading.texts);
    }
    program
}

#[derive(Default)]
struct Reading<'t> {
    rest: &'t str,
    escapes: bool,
    texts: Vec<String>,
    /// Whether an operand stands before, so that a slash divides.
    behind_operand: bool,
    /// How deep in parentheses, where a statement prints.
    prints: Option<usize>,
    depth: usize,
}

impl Reading<'_> {
    /// `None` where something is not understood.
    fn read(&mut self) -> Option<()> {
        while let Some(sign) = self.rest.chars().next() {
            let after = self.rest.get(sign.len_utf8()..).unwrap_or_default();
            if sign.is_ascii_alphabetic() || sign == '_' {
                self.word();
                continue;
            }
            self.rest = after;
            match sign {
                '"' => {
                    self.text()?;
                    self.behind_operand = true;
                }
                '/' if !self.behind_operand => {
                    self.expression()?;
                    self.behind_operand = true;
                }
                '#' => {
                    self.rest = self.rest.find('\n').and_then(|at| self.rest.get(at..)).unwrap_or_default()
                }
                ' ' | '\t' | '\r' => {}
                '\\' if after.starts_with('\n') => self.rest = after.get(1..).unwrap_or_default(),
                '|' if after.starts_with('|') => {
                    self.rest = after.get(1..).unwrap_or_default();
                    self.behind_operand = false;
                }
                '|' | '@' => {
                    self.escapes = true;
                    self.behind_operand = false;
                }
                // Where something is printed, what stands outside parentheses is no comparison.
                '>' => {
                    self.escapes |= self.prints.is_some_and(|depth| self.depth <= depth);
                    self.behind_operand = false;
                }
                ';' | '{' | '}' | '\n' => {
                    self.prints = None;
                    self.behind_operand = false;
                }
                '(' => {
                    self.depth += 1;
                    self.behind_operand = false;
                }
                ')' | ']' => {
                    if sign == ')' {
                        self.depth = self.depth.saturating_sub(1);
                    }
                    self.behind_operand = true;
                }
                // `i++ / 2` divides; taken for the beginning of an expression it would hide what follows.
                '+' | '-' if after.starts_with(sign) => {
                    self.rest = after.get(1..).unwrap_or_default();
                    self.behind_operand = true;
                }
                sign => self.behind_operand = sign.is_ascii_digit() || matches!(sign, '.' | '$' | '\0'),
            }
        }
        Some(())
    }

    fn word(&mut self) {
        let end = self.rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        self.behind_operand = true;
        match word {
            "system" | "getline" => self.escapes = true,
            "print" | "printf" => {
                self.prints = Some(self.depth);
                self.behind_operand = false;
            }
            "return" | "in" | "case" | "else" | "do" => self.behind_operand = false,
            _ => {}
        }
    }

    fn text(&mut self) -> Option<()> {
        let text = self.rest;
        let mut signs = text.char_indices();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '"' => {
                    self.texts.extend(text.get(..at).filter(|text| !text.is_empty()).map(str::to_owned));
                    self.rest = text.get(at + 1..).unwrap_or_default();
                    return Some(());
                }
                '\\' => {
                    signs.next();
                }
                '\n' => return None,
                _ => {}
            }
        }
        None
    }

    /// A regular expression. A slash within brackets ends it for some versions.
    fn expression(&mut self) -> Option<()> {
        let text = self.rest;
        let mut signs = text.char_indices();
        let mut in_brackets = false;
        while let Some((at, sign)) = signs.next() {
            match sign {
                '/' if in_brackets => return None,
                '/' => {
                    self.rest = text.get(at + 1..).unwrap_or_default();
                    return Some(());
                }
                '\\' => {
                    signs.next();
                }
                '[' => in_brackets = true,
                ']' => in_brackets = false,
                '\n' => return None,
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(words: &[&str]) -> Program {
        read(&words.iter().map(|word| Word::new(*word)).collect::<Vec<_>>())
    }

    #[test]
    fn programs_that_do_more_than_read_their_input() {
        for words in [
            &["BEGIN{system(\"id\")}"][..],
            &["BEGIN { system (\"id\") }"],
            &["-v", "a=1", "-v", "b=2", "BEGIN{system(\"id\")}"],
            &["-F", ":", "-v", "x=1", "{print | \"sh\"}"],
            &["-F:", "-vx=1", "{print | \"sh\"}"],
            &["BEGIN{print \"x\" > \"f\"}"],
            &["BEGIN{printf(\"x\") >> \"f\"}"],
            &["BEGIN{print (1)(2) > \"f\"}"],
            &["BEGIN{f=\"sys\"\"tem\"; @f(\"id\")}"],
            &["BEGIN{\"id\" | getline x}"],
            &["BEGIN{while((getline x < \"/etc/passwd\") > 0) print x}"],
            &["BEGIN{\"id\" |& getline}"],
            &["-f", "x.awk"],
            &["-vx=1", "-fx.awk"],
            &["-i", "x", "{print}"],
            &["-l", "filefuncs", "{print}"],
            &["--fi=x.awk"],
            &["--load=x", "1"],
            &["--source", "BEGIN{system(\"id\")}"],
            &["-e", "1", "-e", "BEGIN{system(\"id\")}"],
            &["--", "BEGIN{system(\"id\")}"],
            &["-W", "exec", "x"],
            &["-ox.awk", "1"],
            &["{x = 4 / 2; system(\"id\") / 1}"],
            &["{i++ / system(\"id\") / 2}"],
            &["{$1 / system(\"id\") / 2}"],
            &["{print \"open}"],
            &["/[/]system(\"id\")/"],
        ] {
            assert!(program(words).escapes, "{words:?}");
        }
    }

    #[test]
    fn programs_that_only_read_their_input() {
        for words in [
            &["{print $1}", "x"][..],
            &["-F", ":", "$3 > 1000 {print $1}", "/etc/passwd"],
            &["NR>1 && $2 > 5"],
            &["/a|b/ {print}"],
            &["$1 ~ /a|b/ || $2 == \"a|b > c\""],
            &["{print ($1 > 2)}"],
            &["{ if ($1 > 3) print $1 / $2 }"],
            &["BEGIN { OFS = \"\\t\" } { s += $1 } END { print s / NR }"],
            &["# system(\"id\")\n{print}"],
            &["--field-separator", ",", "{print $2}"],
            &["{ a[$1]++ } END { for (k in a) printf \"%s %d\\n\", k, a[k] }"],
            &["-v", "x=system", "{print x}"],
            &["!seen[$0]++"],
            &["{ system_load = $1; print system_load }"],
            &["length > 80"],
        ] {
            assert!(!program(words).escapes, "{words:?}");
        }
    }
}
