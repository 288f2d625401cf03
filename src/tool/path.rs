//! A path, normalised without touching the file system, and every other way in which it could be read.

mod glob;
mod spelt;

pub(crate) use glob::{Form, Needs};
pub use glob::{Glob, GlobError};

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::signs::Signs;
use spelt::Hazard;

/// Bytes of a path at most.
const MAX_BYTES: usize = 1 << 14;

/// A path without `.`, `..`, doubled and closing slashes, as far as that can be said without the file system: what
/// leads out of a relative path stays in front of it.
#[must_use]
pub fn lexical(path: &str) -> String {
    let mut is_absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::with_capacity(16);
    for part in parts(path) {
        match part {
            "" | "." => {}
            ".." => match kept.last() {
                Some(&"..") => kept.push(part),
                Some(&"~") if kept.len() == 1 && path.starts_with('~') => {
                    // The folder of the home folder.
                    (is_absolute, kept) = (true, vec!["home"]);
                }
                Some(_) => {
                    kept.pop();
                }
                None if is_absolute => {}
                None => kept.push(part),
            },
            part => kept.push(part),
        }
    }
    let mut clean = String::with_capacity(path.len() + 4);
    for (number, part) in kept.iter().enumerate() {
        if is_absolute || number > 0 {
            clean.push('/');
        }
        clean.push_str(part);
    }
    if clean.is_empty() {
        clean.push(if is_absolute { '/' } else { '.' });
    }
    clean
}

/// What stands between slashes.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    let mut left = Some(path);
    std::iter::from_fn(move || {
        let (part, rest) = first_part(left?);
        left = rest;
        Some(part)
    })
}

/// What stands before the first slash, and what stands behind it; none where there is no slash.
fn first_part(path: &str) -> (&str, Option<&str>) {
    // Parts are short, so that a search by blocks costs more than one byte by byte.
    match path.bytes().position(|byte| byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..)),
        None => (path, None),
    }
}

/// The same, without a copy where there is nothing to change.
pub(crate) fn cleaned(path: &str) -> Cow<'_, str> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    match parts(rest).any(|part| matches!(part, "" | "." | "..")) {
        true => Cow::Owned(lexical(path)),
        false => Cow::Borrowed(path),
    }
}

/// Whether a normalised path is a folder or below it; compared by segments, not by characters.
#[must_use]
pub fn is_under(path: &str, folder: &str) -> bool {
    let folder = cleaned(folder);
    if folder == "." {
        return !path.starts_with(['/', '~']) && path != ".." && !path.starts_with("../");
    }
    if folder == "/" {
        return path.starts_with('/');
    }
    path.strip_prefix(folder.as_ref()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What a tool does with a path.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It reads what is there.
    #[default]
    Read,
    /// It changes what is there.
    Write,
    /// It makes something new.
    Create,
    /// It deletes what is there.
    Delete,
}

impl Access {
    /// The name in YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Create => "create",
            Access::Delete => "delete",
        }
    }
}

/// What symbolic links on the way to a path may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Symlinks {
    /// They may lead anywhere below the folders.
    #[default]
    Within,
    /// There may be none.
    Refuse,
}

/// What paths may be.
///
/// ```
/// use ringfence::tool::PathPolicy;
///
/// let policy = PathPolicy::under(["/srv/data"]);
/// assert!(policy.check("/srv/data/a/../b.txt").is_ok());
/// assert!(policy.check("/srv/data-2/b.txt").is_err());
/// assert!(policy.check("/srv/data/%252e%252e/%252e%252e/etc/passwd").is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct PathPolicy {
    under: Vec<String>,
    /// Each in small letters, and as written.
    deny: Vec<(Glob, Glob)>,
    symlinks: Symlinks,
    access: Access,
}

/// Where a path leads on the machine: a fact that a host states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPath {
    /// The path without links; what does not exist yet is taken as written.
    pub real: String,
    /// Whether a link was met on the way.
    pub has_link: bool,
}

/// Why a path is refused. Nothing of the path is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathRefused {
    /// Read in some way, it is not what it seems.
    #[error("the path {0}")]
    Hazard(&'static str),
    /// It is not below any of the folders.
    #[error("the path is not below {}", folders(.under))]
    Outside {
        /// The folders.
        under: Vec<String>,
    },
    /// It is one that is denied.
    #[error("the path is one of `{glob}`, which is denied")]
    Denied {
        /// The glob.
        glob: String,
    },
    /// A link is on the way to it.
    #[error("a symbolic link is on the way, where none may be")]
    Link,
    /// A link on the way leads out.
    #[error("a symbolic link leads to where it is not below {}", folders(.under))]
    LinkOutside {
        /// The folders.
        under: Vec<String>,
    },
}

fn folders(under: &[String]) -> String {
    if under.is_empty() {
        return "the working folder".to_owned();
    }
    under.iter().map(|folder| format!("`{folder}`")).collect::<Vec<_>>().join(" or ")
}

impl PathPolicy {
    /// Paths below these folders. Relative ones count where a folder is relative, as `.` is.
    #[must_use]
    pub fn under(folders: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { under: folders.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Any path that is what it seems to be.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Without those that fit one of these globs, in any case, and with the dots and blanks behind a name that some
    /// systems leave out.
    #[must_use]
    pub fn with_deny(mut self, globs: impl IntoIterator<Item = Glob>) -> Self {
        self.deny.extend(globs.into_iter().map(|glob| (glob.without_case(), glob)));
        self
    }

    /// With what links may do.
    #[must_use]
    pub fn with_symlinks(mut self, symlinks: Symlinks) -> Self {
        self.symlinks = symlinks;
        self
    }

    /// With what is done with the path.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// What is done with the path.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether a host has to say where the path leads before it can be used.
    #[must_use]
    pub fn needs_resolving(&self) -> bool {
        !self.under.is_empty() || self.symlinks == Symlinks::Refuse
    }

    /// The path normalised, if it may be used.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, path: &str) -> Result<String, PathRefused> {
        let clean = normalised(path)?;
        self.place(&clean)?;
        spelt::decoded(path).iter().try_for_each(|form| self.place(&cleaned(form)))?;
        Ok(clean)
    }

    fn place(&self, clean: &str) -> Result<(), PathRefused> {
        if !self.under.is_empty() && !self.under.iter().any(|folder| is_under(clean, folder)) {
            return Err(PathRefused::Outside { under: self.under.clone() });
        }
        if self.deny.is_empty() {
            return Ok(());
        }
        let small = match clean.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
            true => Cow::Owned(clean.to_lowercase()),
            false => Cow::Borrowed(clean),
        };
        let without_ends = without_ends(&small);
        let signs = Signs::of(&small);
        let fits = |glob: &Glob| {
            glob.fits_with(&small, signs) || without_ends.as_ref().is_some_and(|path| glob.fits(path))
        };
        match self.deny.iter().find(|(small, _)| fits(small)) {
            Some((_, glob)) => Err(PathRefused::Denied { glob: glob.as_str().to_owned() }),
            None => Ok(()),
        }
    }

    /// Whether it may be used, now that it is known where it leads.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_resolved(&self, resolved: &ResolvedPath) -> Result<(), PathRefused> {
        if !resolved.has_link {
            return Ok(());
        }
        if self.symlinks == Symlinks::Refuse {
            return Err(PathRefused::Link);
        }
        match self.place(&resolved.real) {
            Err(PathRefused::Outside { under }) => Err(PathRefused::LinkOutside { under }),
            other => other,
        }
    }
}

/// A path normalised, if there is no second way to read it.
///
/// # Errors
/// In which way it could be read as another path.
pub fn normalised(path: &str) -> Result<String, PathRefused> {
    if path.is_empty() {
        return Err(PathRefused::Hazard("is empty"));
    }
    if path.len() > MAX_BYTES {
        return Err(PathRefused::Hazard("is longer than 16 KiB"));
    }
    match spelt::hazard(path) {
        Some(hazard) => Err(PathRefused::Hazard(hazard.what())),
        None => Ok(cleaned(path).into_owned()),
    }
}

/// What rules find in paths.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PathFind {
    /// Globs, one of which it fits.
    pub any: Vec<String>,
    /// Globs, none of which it fits.
    pub not: Vec<String>,
    /// What the tool does with it; anything where empty.
    pub access: Vec<Access>,
}

/// [`PathFind`], ready for use.
#[derive(Debug, Clone)]
pub struct PathFinder {
    find: PathFind,
    any: Vec<Glob>,
    not: Vec<Glob>,
}

impl PathFinder {
    /// Makes it ready.
    ///
    /// # Errors
    /// The first glob that can't be used.
    pub fn new(find: PathFind) -> Result<Self, GlobError> {
        let globs = |list: &[String]| list.iter().map(|glob| Glob::new(glob)).collect::<Result<Vec<_>, _>>();
        let any = globs(&find.any)?.iter().map(Glob::without_case).collect();
        Ok(Self { any, not: globs(&find.not)?, find })
    }

    /// As written.
    #[must_use]
    pub fn find(&self) -> &PathFind {
        &self.find
    }

    /// Whether a path is what it finds, in any form in which it can be read.
    #[must_use]
    pub fn fits(&self, path: &str, access: Access) -> bool {
        self.fits_in(&forms(path), access)
    }

    /// The same for a path at which other rules look too.
    pub(crate) fn fits_in(&self, forms: &[Form<'_>], access: Access) -> bool {
        (self.find.access.is_empty() || self.find.access.contains(&access))
            && forms.iter().any(|form| form.fits_any_case(&self.any) && !form.fits_any(&self.not))
    }
}

/// Rules about paths by what characters a path must hold for them to find anything: what one path lacks is told of all of them
/// without a look at each.
#[derive(Debug, Default)]
pub(crate) struct Index(Vec<(Needs, usize)>);

impl Index {
    /// Adds a rule.
    pub(crate) fn add(&mut self, number: usize, finder: &PathFinder) {
        self.0.extend(finder.any.iter().map(|glob| (glob.needs(), number)));
    }

    /// Rules that may find something in a path, of which these are the forms. Each once, in order.
    pub(crate) fn candidates(&self, forms: &[Form<'_>]) -> Vec<usize> {
        let all = forms.iter().fold(Signs::default(), |all, form| all.with(form.all_signs()));
        let may = self
            .0
            .iter()
            .filter(|(needs, _)| needs.may_be_met(all) && forms.iter().any(|form| form.may_fit(*needs)));
        let mut numbers: Vec<usize> = may.map(|(_, number)| *number).collect();
        numbers.dedup();
        numbers
    }
}

/// Every form in which a path can be read.
pub(crate) fn forms(path: &str) -> Vec<Form<'_>> {
    let clean = cleaned(path);
    let decoded = spelt::decoded(path).into_iter().map(|form| Cow::Owned(lexical(&form)));
    // Names of nothing but blanks may be left out before `..` leads back, or behind that.
    let of_clean =
        Some(&clean).filter(|clean| matches!(clean, Cow::Owned(_))).and_then(|clean| without_ends(clean));
    let ends = without_ends(path).into_iter().chain(of_clean).map(|path| Cow::Owned(lexical(&path)));
    let other: Vec<Cow<'_, str>> = decoded.chain(ends).collect();
    std::iter::once(clean).chain(other).map(Form::new).collect()
}

/// A path without the dots and blanks behind its names, which some systems leave out; `None` where it has none.
fn without_ends(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let is_last = |at: usize| matches!(bytes.get(at + 1), None | Some(b'/'));
    if !bytes.iter().enumerate().any(|(at, byte)| matches!(byte, b'.' | b' ') && is_last(at)) {
        return None;
    }
    let end = |part: &str| part.ends_with(['.', ' ']) && !matches!(part, "." | "..");
    parts(path).any(end).then(|| {
        let parts = parts(path).map(|part| match end(part) {
            true => part.trim_end_matches(['.', ' ']),
            false => part,
        });
        parts.collect::<Vec<_>>().join("/")
    })
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Hazard> for PathRefused {
    fn from(hazard: Hazard) -> Self {
        PathRefused::Hazard(hazard.what())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lexical_forms() {
        for (path, clean) in [
            ("a/./b//c/", "a/b/c"),
            ("a/../../b", "../b"),
            ("/a/../../b", "/b"),
            ("/", "/"),
            ("", "."),
            ("./", "."),
            ("~/x/../y", "~/y"),
            ("~/..", "/home"),
            ("../..", "../.."),
        ] {
            assert_eq!(lexical(path), clean, "{path}");
            assert_eq!(cleaned(path), clean, "{path}");
            assert_eq!(cleaned(clean), clean);
        }
    }

    #[test]
    fn blanks_in_the_place_of_a_name() {
        let finder =
            PathFinder::new(PathFind { any: vec!["/dev/**".to_owned()], ..PathFind::default() }).unwrap();
        for path in [" /dev/x", " /dev/ /../x", " /dev/ /..//x.", "/dev/x. ", ". /dev/. ./../x"] {
            assert!(finder.fits(path, Access::Read), "{path:?}");
            if let Ok(path) = normalised(path) {
                assert!(finder.fits(&path, Access::Read), "{path:?}");
            }
        }
    }

    #[test]
    fn what_may_find_something_is_what_does() {
        let globs = [
            "/",
            "**",
            "*",
            "~/.ssh/**",
            "**/.env",
            "**/*.p[ae]m",
            "/etc/**",
            "a/**",
            "a?c",
            "é/*",
            "**/id_*",
        ];
        let finders: Vec<PathFinder> = globs
            .iter()
            .flat_map(|one| globs.iter().map(move |other| vec![(*one).to_owned(), (*other).to_owned()]))
            .map(|any| PathFinder::new(PathFind { any, ..PathFind::default() }).unwrap())
            .collect();
        let mut index = Index::default();
        finders.iter().enumerate().for_each(|(number, finder)| index.add(number, finder));
        for path in [
            "/",
            "",
            ".",
            "a",
            "a/b",
            "abc",
            "/etc/passwd",
            "/root/.ssh/id_rsa",
            "x/.env",
            "/home/u/.ssh",
            "%2fetc",
            "é/x",
            "k.pem",
        ] {
            let forms = forms(path);
            let fit = |numbers: &[usize]| {
                let fit =
                    numbers.iter().copied().filter(|number| finders[*number].fits_in(&forms, Access::Read));
                fit.collect::<Vec<_>>()
            };
            let all: Vec<usize> = (0..finders.len()).collect();
            assert_eq!(fit(&index.candidates(&forms)), fit(&all), "{path}");
        }
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_outside() {
        let policy = PathPolicy::under(["/srv/data"]);
        assert_eq!(policy.check("/srv/data").unwrap(), "/srv/data");
        assert_eq!(policy.check("/srv//data/./x").unwrap(), "/srv/data/x");
        for path in [
            "/srv/data2",
            "/srv/datax/y",
            "/srv/data/../data2",
            "/srv",
            "srv/data/x",
            "x",
            "/srv/data/../../etc",
        ] {
            assert!(policy.check(path).is_err(), "{path}");
        }
        let relative = PathPolicy::under(["."]);
        assert!(
            relative.check("a/b").is_ok()
                && relative.check("a/../..").is_err()
                && relative.check("/a").is_err()
        );
    }

    #[test]
    fn other_ways_to_spell_what_leads_out() {
        let policy = PathPolicy::any();
        for path in [
            "%2e%2e/x",
            "%252e%252e%252fx",
            "..%2fx",
            "..%c0%afx",
            "%c0%ae%c0%ae/x",
            "%e0%80%ae./x",
            "%u002e%u002e/x",
            "..\\x",
            "a\\..\\x",
            "..%5cx",
            "a/..%00/x",
            "a\0b",
            "\u{ff0e}\u{ff0e}/x",
            "..\u{2215}x",
            ".../x",
            "....//x",
            "..;/x",
            "a/NUL",
            "com1",
            "x.txt::$DATA",
            "C:/x",
            "c:\\x",
            "~/x",
            "~root/x",
            "/proc/self/root/etc",
            "/proc/1/cwd/x",
            "/dev/fd/3",
            "..0x2fx",
            ". ./x",
            "..%u2216x",
            "%uff0e%uff0e/x",
        ] {
            assert!(policy.check(path).is_err(), "{path}");
        }
        for path in [
            "src/main.rs",
            "docs/100%.md",
            "a b/c.txt",
            "foo%20bar.txt",
            "man/Foo::Bar.3pm",
            "aux/x.c",
            "aux.c",
            "x..y",
            "..hidden",
            "...x",
            ".env.example",
            "$id.tsx",
            "file~",
            "@scope/pkg",
            "[id]/page.tsx",
            "a+b",
            "über/ñ.txt",
            "-x",
            "a/b:c",
        ] {
            assert!(policy.check(path).is_ok(), "{path}: {:?}", policy.check(path));
        }
    }

    #[test]
    fn links() {
        let policy = PathPolicy::under(["/srv"]);
        let leads = |real: &str| ResolvedPath { real: real.to_owned(), has_link: true };
        assert!(policy.check_resolved(&leads("/srv/b")).is_ok());
        assert!(matches!(policy.check_resolved(&leads("/etc")), Err(PathRefused::LinkOutside { .. })));
        let strict = PathPolicy::under(["/srv"]).with_symlinks(Symlinks::Refuse);
        assert_eq!(strict.check_resolved(&leads("/srv/b")), Err(PathRefused::Link));
    }

    /// How many labelled paths are refused without any folder to stay below: `RINGFENCE_PATHS=file.jsonl cargo test --lib
    /// measure_paths -- --ignored --nocapture`. Rows have `path`, `label` and perhaps `form`.
    #[test]
    #[ignore = "needs data that is not part of the project"]
    fn measure_paths() {
        let rows = std::fs::read_to_string(std::env::var("RINGFENCE_PATHS").unwrap()).unwrap();
        let mut counts = std::collections::BTreeMap::<String, [usize; 2]>::new();
        for row in rows.lines() {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let refused = PathPolicy::any().check(row["path"].as_str().unwrap()).is_err();
            let group = format!("{} {}", row["label"], row["form"]);
            if !refused && row["label"] == "traversal" {
                println!("let through: {}", row["path"]);
            }
            let count = counts.entry(group).or_default();
            count[0] += 1;
            count[1] += usize::from(refused);
        }
        println!("{counts:?}");
    }
}
