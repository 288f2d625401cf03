//! Globs over paths, segment by segment.

use std::borrow::Cow;
use std::fmt;

use crate::tool::signs::Signs;

/// A glob: `*` and `?` within a segment, `**` any number of segments, `[a-z]`; `\` takes the next sign as it is. A glob
/// that ends in `/**` is the folder and everything in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
    /// Characters of every path that fits.
    needs: Signs,
    /// What every path that fits begins with, and what it ends with.
    head: String,
    tail: String,
}

/// A path as globs look at it.
#[derive(Debug)]
pub(crate) struct Form<'a> {
    path: Cow<'a, str>,
    signs: Signs,
    /// The same path with `~` for a home folder.
    in_home: Option<(String, Signs)>,
    /// The same in small letters, where that is another text.
    small: Option<Box<Form<'a>>>,
    /// The path as the glob that a shell makes paths of, where it is one.
    pattern: Option<Box<Glob>>,
}

/// Characters of a path that a shell makes several paths of at most.
const MAX_PATTERN: usize = 256;

impl<'a> Form<'a> {
    /// A normalised path.
    pub(crate) fn new(path: Cow<'a, str>) -> Self {
        let in_home = in_home(&path).map(|path| {
            let signs = Signs::of(&path);
            (path, signs)
        });
        let may_be_small = path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let small = (!may_be_small && path.chars().any(char::is_uppercase)).then(|| {
            let small = |text: &str| {
                let text = text.to_lowercase();
                let signs = Signs::of(&text);
                (text, signs)
            };
            let in_home = in_home.as_ref().map(|(path, _)| small(path));
            let (path, signs) = small(&path);
            Box::new(Form { path: Cow::Owned(path), signs, in_home, small: None, pattern: None })
        });
        Self { signs: Signs::of(&path), in_home, small, pattern: None, path }
    }

    /// The same for a word of a command, of which a shell may make several paths.
    pub(crate) fn of_word(path: Cow<'a, str>) -> Self {
        let mut form = Self::new(path);
        if form.path.contains(['*', '?', '[']) && form.path.len() <= MAX_PATTERN {
            let path = form.in_home.as_ref().map_or(form.path.as_ref(), |(path, _)| path);
            form.pattern = Glob::new(&path.to_lowercase()).ok().map(Box::new);
        }
        form
    }

    /// Whether it fits one of these globs, which are in small letters, in any case.
    pub(crate) fn fits_any_case(&self, globs: &[Glob]) -> bool {
        self.fits_any(globs)
            || self.small.as_ref().is_some_and(|small| small.fits_any(globs))
            || self.pattern.as_ref().is_some_and(|pattern| globs.iter().any(|glob| glob.meets(pattern)))
    }

    /// Characters of all ways in which it is looked at.
    pub(in crate::tool) fn all_signs(&self) -> Signs {
        let in_home = self.in_home.as_ref().map_or(Signs::default(), |(_, signs)| *signs);
        let small = self.small.as_ref().map_or(Signs::default(), |small| small.all_signs());
        self.signs.with(in_home).with(small)
    }

    /// Whether a glob of which these are the needs may fit.
    pub(crate) fn may_fit(&self, Needs(needs): Needs) -> bool {
        needs.is_none_or(|needs| {
            self.signs.hold(needs)
                || self.in_home.as_ref().is_some_and(|(_, signs)| signs.hold(needs))
                || self.small.as_ref().is_some_and(|small| small.may_fit(Needs(Some(needs))))
        })
    }

    /// Whether it fits one of these globs.
    pub(crate) fn fits_any(&self, globs: &[Glob]) -> bool {
        let fits = |path: &str, signs: Signs| {
            let may = |glob: &&Glob| signs.hold(glob.needs) || path == "/";
            globs.iter().filter(may).any(|glob| glob.fits_with(path, signs))
        };
        fits(&self.path, self.signs) || self.in_home.as_ref().is_some_and(|(path, signs)| fits(path, *signs))
    }
}

/// Which characters every path holds that fits a glob; `None` where that can't be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs(Option<Signs>);

impl Needs {
    /// Whether a path with these may hold them.
    pub(in crate::tool) fn may_be_met(self, signs: Signs) -> bool {
        self.0.is_none_or(|needs| signs.hold(needs))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    Text(String),
    Signs(Vec<Sign>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sign {
    Text(char),
    One,
    Any,
    Of { ranges: Vec<(char, char)>, is_not: bool },
}

/// A glob that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is no glob: {what}")]
pub struct GlobError {
    /// The glob.
    pub glob: String,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({})", self.text)
    }
}

impl Glob {
    /// Reads a glob.
    ///
    /// # Errors
    /// Where a bracket is left open, or it is empty.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        let error = |what| GlobError { glob: text.to_owned(), what };
        if text.is_empty() {
            return Err(error("it is empty"));
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            parts.push(match part {
                "**" => Part::Any,
                part if !part.contains(['*', '?', '[', '\\']) => Part::Text(part.to_owned()),
                part => Part::Signs(signs(part).ok_or_else(|| error("a bracket is left open"))?),
            });
        }
        let (needs, head, tail) = (needs(&parts), head(&parts), tail(&parts));
        Ok(Self { text: text.to_owned(), parts, needs, head, tail })
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a path needs to fit.
    pub(crate) fn needs(&self) -> Needs {
        // The root has no sign of its own, and fits what asks for nothing.
        Needs((self.text != "/" && !fits(&self.parts, Some(""))).then_some(self.needs))
    }

    /// Whether a normalised path fits.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        self.fits_with(path, Signs::of(path))
    }

    pub(super) fn fits_with(&self, path: &str, signs: Signs) -> bool {
        if path == "/" {
            return self.text == "/" || fits(&self.parts, Some(""));
        }
        signs.hold(self.needs)
            && self.text != "/"
            && path.starts_with(self.head.as_str())
            && path.ends_with(self.tail.as_str())
            && fits(&self.parts, Some(path))
    }

    /// The same in small letters, for paths in small letters.
    pub(crate) fn without_case(&self) -> Self {
        let small = |sign: &char| sign.to_lowercase().next().unwrap_or(*sign);
        let part = |part: &Part| match part {
            Part::Any => Part::Any,
            Part::Text(text) => Part::Text(text.to_lowercase()),
            Part::Signs(signs) => Part::Signs(
                signs
                    .iter()
                    .map(|sign| match sign {
                        Sign::Text(text) => Sign::Text(small(text)),
                        Sign::Of { ranges, is_not: false } => {
                            let lower = ranges.iter().map(|(low, high)| (small(low), small(high)));
                            Sign::Of { ranges: ranges.iter().copied().chain(lower).collect(), is_not: false }
                        }
                        sign => sign.clone(),
                    })
                    .collect(),
            ),
        };
        let parts: Vec<Part> = self.parts.iter().map(part).collect();
        let (needs, head, tail) = (needs(&parts), head(&parts), tail(&parts));
        Self { text: self.text.clone(), parts, needs, head, tail }
    }

    /// Whether a glob of a shell may stand for a path that fits. Where this one says nothing of the folder, only what
    /// spells the dot of a hidden file counts: `*.json` is not meant to be a file with secrets.
    fn meets(&self, pattern: &Glob) -> bool {
        let is_hidden = |parts: &[Part]| match parts.iter().rfind(|part| **part != Part::Any) {
            Some(Part::Text(text)) => text.starts_with('.'),
            Some(Part::Signs(signs)) => signs.first() == Some(&Sign::Text('.')),
            Some(Part::Any) | None => false,
        };
        (self.parts.first() != Some(&Part::Any) || (is_hidden(&self.parts) && is_hidden(&pattern.parts)))
            && meet(&self.parts, &pattern.parts)
    }

    /// Whether a path fits, or the same path with `~` for a home folder.
    #[must_use]
    pub fn fits_path(&self, path: &str) -> bool {
        Form::new(Cow::Borrowed(path)).fits_any(std::slice::from_ref(self))
    }
}

/// Characters of every path that fits. Slashes are left out: a closing `/**` also is nothing.
fn needs(parts: &[Part]) -> Signs {
    let mut needs = Signs::default();
    for part in parts {
        match part {
            Part::Any => {}
            Part::Text(text) => needs = needs.and(text),
            Part::Signs(signs) => {
                needs = needs.and(&signs.iter().filter_map(text_of).collect::<String>());
            }
        }
    }
    needs
}

/// Segments that are just text, up to the first that is not, and what that begins with.
fn head(parts: &[Part]) -> String {
    let mut head = String::new();
    for (number, part) in parts.iter().enumerate() {
        if *part == Part::Any {
            break;
        }
        if number > 0 {
            head.push('/');
        }
        match part {
            Part::Text(text) => head.push_str(text),
            Part::Signs(signs) => {
                head.extend(signs.iter().map_while(text_of));
                break;
            }
            Part::Any => break,
        }
    }
    head
}

/// What the last segment ends with.
fn tail(parts: &[Part]) -> String {
    match parts.last() {
        Some(Part::Text(text)) => text.clone(),
        Some(Part::Signs(signs)) => {
            let mut tail: Vec<char> = signs.iter().rev().map_while(text_of).collect();
            tail.reverse();
            tail.into_iter().collect()
        }
        Some(Part::Any) | None => String::new(),
    }
}

fn text_of(sign: &Sign) -> Option<char> {
    match sign {
        Sign::Text(sign) => Some(*sign),
        Sign::One | Sign::Any | Sign::Of { .. } => None,
    }
}

/// A path below a home folder, with `~` for that.
fn in_home(path: &str) -> Option<String> {
    let rest = if let Some(rest) = path.strip_prefix("/root") {
        rest
    } else {
        let below = path.strip_prefix("/home/").or(path.strip_prefix("/Users/"))?;
        let end = below.find('/').unwrap_or(below.len());
        below.get(end..)?
    };
    (rest.is_empty() || rest.starts_with('/')).then(|| format!("~{rest}"))
}

/// `path` is what is left of it, and none behind its last segment.
fn fits(parts: &[Part], path: Option<&str>) -> bool {
    let Some((part, rest)) = parts.split_first() else { return path.is_none() };
    if *part == Part::Any {
        if rest.is_empty() {
            return true;
        }
        let mut left = path;
        loop {
            if fits(rest, left) {
                return true;
            }
            match left {
                Some(path) => left = super::first_part(path).1,
                None => return false,
            }
        }
    }
    let Some(path) = path else { return false };
    let (segment, after) = super::first_part(path);
    let one = match part {
        Part::Text(text) => text == segment,
        Part::Signs(signs) => segment_fits(signs, segment),
        Part::Any => true,
    };
    one && fits(rest, after)
}

/// Whether a path may fit both.
fn meet(one: &[Part], other: &[Part]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, None) => true,
        (Some((Part::Any, rest)), _) => {
            rest.is_empty()
                || (0..=other.len()).any(|from| other.get(from..).is_some_and(|left| meet(rest, left)))
        }
        (Some((part, rest)), Some((with, left))) => segments_meet(part, with) && meet(rest, left),
        _ => false,
    }
}

fn segments_meet(one: &Part, other: &Part) -> bool {
    let signs = |part: &Part| match part {
        Part::Any => vec![Sign::Any],
        Part::Text(text) => text.chars().map(Sign::Text).collect(),
        Part::Signs(signs) => signs.clone(),
    };
    let (one, other) = (signs(one), signs(other));
    // A shell makes no hidden file of a glob that does not spell the dot.
    if one.first() == Some(&Sign::Text('.')) && other.first() != Some(&Sign::Text('.')) {
        return false;
    }
    let mut row: Vec<bool> = vec![false; other.len() + 1];
    for at in 0..=one.len() {
        let mut next = vec![false; other.len() + 1];
        for to in 0..=other.len() {
            let (here, there) = (
                at.checked_sub(1).and_then(|at| one.get(at)),
                to.checked_sub(1).and_then(|to| other.get(to)),
            );
            let above = row.get(to).copied().unwrap_or_default();
            let left = to.checked_sub(1).and_then(|to| next.get(to).copied()).unwrap_or_default();
            let across = to.checked_sub(1).and_then(|to| row.get(to).copied()).unwrap_or_default();
            let is = match (here, there) {
                (None, None) => true,
                (Some(Sign::Any), Some(Sign::Any)) => above || left || across,
                (Some(Sign::Any), _) => above || left,
                (_, Some(Sign::Any)) => left || above,
                (Some(here), Some(there)) => across && may_be_one(here, there),
                (None, Some(_)) | (Some(_), None) => false,
            };
            if let Some(place) = next.get_mut(to) {
                *place = is;
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn may_be_one(one: &Sign, other: &Sign) -> bool {
    match (one, other) {
        (Sign::Text(one), Sign::Text(other)) => one == other,
        (Sign::Text(text), Sign::Of { ranges, is_not }) | (Sign::Of { ranges, is_not }, Sign::Text(text)) => {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(text)) != *is_not
        }
        _ => true,
    }
}

fn segment_fits(signs: &[Sign], segment: &str) -> bool {
    // The classic two-finger walk: on a mismatch, the last `*` takes one more character.
    let mut sign = 0;
    let mut text = segment.chars();
    let mut star = None;
    loop {
        if let Some(Sign::Any) = signs.get(sign) {
            star = Some((sign, text.clone()));
            sign += 1;
            continue;
        }
        let mut ahead = text.clone();
        let Some(next) = ahead.next() else { break };
        let one = match signs.get(sign) {
            Some(Sign::Text(wanted)) => *wanted == next,
            Some(Sign::One | Sign::Any) => true,
            Some(Sign::Of { ranges, is_not }) => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&next)) != *is_not
            }
            None => false,
        };
        if one {
            sign += 1;
            text = ahead;
        } else if let Some((back, from)) = &mut star {
            let _ = from.next();
            sign = *back + 1;
            text = from.clone();
        } else {
            return false;
        }
    }
    sign >= signs.len()
}

fn signs(part: &str) -> Option<Vec<Sign>> {
    let mut signs = Vec::new();
    let mut rest = part.chars();
    while let Some(sign) = rest.next() {
        signs.push(match sign {
            '*' => Sign::Any,
            '?' => Sign::One,
            '\\' => Sign::Text(rest.next()?),
            '[' => {
                let inner: String = rest.by_ref().take_while(|sign| *sign != ']').collect();
                if !part.contains(']') || inner.is_empty() {
                    return None;
                }
                let (is_not, inner) = match inner.strip_prefix('!') {
                    Some(inner) => (true, inner),
                    None => (false, inner.as_str()),
                };
                let mut ranges = Vec::new();
                let letters: Vec<char> = inner.chars().collect();
                let mut at = 0;
                while let Some(&low) = letters.get(at) {
                    match (letters.get(at + 1), letters.get(at + 2)) {
                        (Some('-'), Some(&high)) => {
                            ranges.push((low, high));
                            at += 3;
                        }
                        _ => {
                            ranges.push((low, low));
                            at += 1;
                        }
                    }
                }
                Sign::Of { ranges, is_not }
            }
            sign => Sign::Text(sign),
        });
    }
    Some(signs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_of_a_shell_that_may_stand_for_a_file() {
        let meets = |glob: &str, word: &str| {
            Form::of_word(Cow::Borrowed(word)).fits_any_case(&[Glob::new(glob).unwrap().without_case()])
        };
        for (glob, word, expected) in [
            ("**/.env", ".e*", true),
            ("**/.env", "a/.[e]nv", true),
            ("**/.env", ".E??", true),
            ("**/.env", "*", false),
            ("**/.env", "?env", false),
            ("**/.env", ".eslintrc*", false),
            ("**/credentials.json", "*.json", false),
            ("**/*.kdbx", ".eslintrc*", false),
            ("**/.ssh/**", ".s*", true),
            ("~/.ssh/id_*", "~/.ssh/id*", true),
            ("~/.ssh/id_*", "/home/ann/.ssh/id*", true),
            ("~/.ssh/id_*", "~/.ssh/known*", false),
            ("/etc/shadow", "/etc/sh*w", true),
            ("/etc/shadow", "/e*/s*", true),
            ("/etc/shadow", "/etc/*-release", false),
            ("**/.ENV", ".env", true),
            ("**/.env", "x/.Env", true),
            ("**/[A-C].key", "b.KEY", true),
            ("**/[!A-C].key", "d.KEY", true),
        ] {
            assert_eq!(meets(glob, word), expected, "{glob} {word}");
        }
    }

    /// What tells most globs apart at once never tells wrong.
    #[test]
    fn a_quick_look_is_right() {
        let globs = [
            "/",
            "/*",
            "/**",
            "**",
            "**/a",
            "a/**",
            "**/a/**",
            "/a/*/b",
            "*.a",
            "a*",
            "**/*.a/b*",
            "~/a/**",
            "[ab]/a",
            "a/?",
            "/a/**/b",
            "?a",
            "a\\*b",
            "é/**",
        ];
        let paths = [
            "/",
            "",
            ".",
            "a",
            "/a",
            "a/b",
            "/a/b",
            "/a/b/b",
            "x.a",
            "x/y.a/bc",
            "/home/z/a/b",
            "~/a",
            "b/a",
            "/root/a",
            "aa",
            "a*b",
            "é/a",
            "é",
            "/a/x/y/b",
        ];
        let mut fitting = 0;
        for glob in globs.map(|glob| Glob::new(glob).unwrap()) {
            for path in paths {
                let slow = match path {
                    "/" => glob.text == "/" || fits(&glob.parts, Some("")),
                    path => glob.text != "/" && fits(&glob.parts, Some(path)),
                };
                assert_eq!(glob.fits(path), slow, "{glob:?} {path}");
                fitting += usize::from(slow);
            }
        }
        assert!(fitting > 40, "{fitting}");
    }

    #[test]
    fn globs() {
        let fits = |glob: &str, path: &str| Glob::new(glob).unwrap().fits_path(path);
        for (glob, path) in [
            ("/", "/"),
            ("**/.env", ".env"),
            ("**/.env", "/a/b/.env"),
            ("**/.env.*", "a/.env.local"),
            ("/etc/**", "/etc"),
            ("/etc/**", "/etc/a/b"),
            ("~/.ssh/**", "~/.ssh/id_rsa"),
            ("~/.ssh/**", "/home/ann/.ssh/id_rsa"),
            ("~/.ssh/**", "/root/.ssh"),
            ("**/id_[er]*", "x/id_rsa"),
            ("/*", "/etc"),
            (r"/\*", "/*"),
            (r"\*", "*"),
            ("a?c", "abc"),
        ] {
            assert!(fits(glob, path), "{glob} {path}");
        }
        for (glob, path) in [
            ("/", "/etc"),
            ("/", "."),
            ("**/.env", ".envrc"),
            ("/etc/**", "/etcetera"),
            ("~/.ssh/**", "/home/ann/x/.ssh"),
            ("/*", "/etc/x"),
            (r"/\*", "/etc"),
            ("a?c", "ac"),
            ("/root/**", "/rooted"),
        ] {
            assert!(!fits(glob, path), "{glob} {path}");
        }
        assert!(Glob::new("[a").is_err() && Glob::new("").is_err());
    }
}
