//! What command lines an argument may hold, as people write it.

use super::word::{UNKNOWN, Word};
use super::{CommandLine, Construct, Constructs, RedirectKind, Simple};
use crate::tool::path;
use crate::tool::signs::Wildcard;
use crate::tool::url::{HostError, UrlPolicy};

/// Patterns that a refusal lists at most.
const TOLD: usize = 6;

/// What command lines may be: every simple command has to pass, and every construct.
///
/// Patterns read like commands: `*` is one word that is no flag, `**` any number of words, `{path}` a path that stays below the
/// working folder or [`under`](CommandPolicy::with_under), `{url}` a public `http` or `https` URL of one of the
/// [`hosts`](CommandPolicy::with_hosts), `*` within a word any characters. A program is found by its bare name, unless the
/// pattern names its file. Words that are known only at run time fit no pattern.
///
/// ```
/// use ringfence::tool::{CommandLine, CommandPolicy, Construct};
///
/// let policy = CommandPolicy::new(["git status", "git log **", "ls -la {path}"]).unwrap().with_constructs([Construct::Pipe]);
/// let refused = |line: &str| policy.check(&CommandLine::parse(line).unwrap()).is_some();
/// assert!(!refused("git log --oneline | git log -1"));
/// assert!(refused("git status; rm -r src"));
/// assert!(refused("ls -la ../secrets"));
/// assert!(refused("git log $(id)"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct CommandPolicy {
    allow: Option<Vec<Pattern>>,
    deny_programs: Vec<String>,
    constructs: Option<Constructs>,
    assignments: Vec<String>,
    under: Vec<String>,
    urls: UrlPolicy,
}

/// A pattern of `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: String,
    words: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This very word.
    Text(String),
    /// A word in which `*` stands for any characters, which leads to the folder above so often at most.
    Glob(Wildcard, usize),
    /// `*`
    One,
    /// `**`
    Any,
    /// `{path}`
    Path,
    /// `{url}`
    Url,
}

/// A pattern that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Nothing but blanks.
    #[error("an empty pattern")]
    Empty,
    /// A pattern for any program at all.
    #[error("`{pattern}` begins with a wildcard, and so allows every program")]
    AnyProgram {
        /// The pattern.
        pattern: String,
    },
    /// A placeholder that does not exist.
    #[error("there is no placeholder `{placeholder}`")]
    UnknownPlaceholder {
        /// The placeholder.
        placeholder: String,
    },
    /// A pattern with an operator or substitution.
    #[error("`{pattern}` is more than one simple command")]
    NotSimple {
        /// The pattern.
        pattern: String,
    },
}

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is refused, by which part of the policy, and what would be accepted. Nothing of the line is repeated but names
    /// that the policy itself holds.
    pub message: String,
    /// Where it stands in the line, in bytes.
    pub span: std::ops::Range<usize>,
}

impl CommandPolicy {
    /// A policy that allows what fits one of these patterns, and no constructs.
    ///
    /// # Errors
    /// The first pattern that can't be used.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, PatternError> {
        let allow = patterns.into_iter().map(Pattern::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { allow: Some(allow), ..Self::default() })
    }

    /// A policy that allows every program that it does not deny.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// With programs that are refused wherever they stand, behind wrappers too.
    #[must_use]
    pub fn with_deny_programs(mut self, programs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.deny_programs.extend(programs.into_iter().map(Into::into));
        self
    }

    /// With the constructs that are allowed; all others are refused.
    #[must_use]
    pub fn with_constructs(mut self, constructs: impl IntoIterator<Item = Construct>) -> Self {
        self.constructs = Some(constructs.into_iter().collect());
        self
    }

    /// With variables that may be set for a command.
    #[must_use]
    pub fn with_assignments(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.assignments.extend(names.into_iter().map(Into::into));
        self
    }

    /// With folders below which `{path}` and the files of redirections may be; without them, only relative paths that
    /// do not lead out.
    #[must_use]
    pub fn with_under(mut self, folders: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.under.extend(folders.into_iter().map(Into::into));
        self
    }

    /// With the hosts that `{url}` may name: names, `*.` and a name for all below it, addresses. Without, any public one.
    ///
    /// # Errors
    /// The first that is no host.
    pub fn with_hosts<'h>(mut self, hosts: impl IntoIterator<Item = &'h str>) -> Result<Self, HostError> {
        self.urls = self.urls.with_hosts(hosts)?;
        Ok(self)
    }

    /// The first thing for which the line is refused; `None` where it is allowed.
    #[must_use]
    pub fn check(&self, line: &CommandLine) -> Option<Refused> {
        self.denied_program(line).or_else(|| self.construct(line)).or_else(|| self.ambiguous(line)).or_else(
            || {
                let certain = line.commands().iter().filter(|one| !one.is_supposed);
                let moves_late = moves_late(line);
                certain.enumerate().find_map(|(number, one)| self.command(line, moves_late, number, one))
            },
        )
    }

    fn denied_program(&self, line: &CommandLine) -> Option<Refused> {
        if self.deny_programs.is_empty() {
            return None;
        }
        line.commands().iter().find_map(|one| {
            let name = one.name();
            if name.is_none() && one.program.is_some() && !one.is_supposed {
                let message =
                    "a program that is known only at run time, where `deny_programs` has to know it";
                return Some(Refused { message: message.to_owned(), span: one.span.clone() });
            }
            let denied = self
                .deny_programs
                .iter()
                .find(|denied| name.is_some_and(|name| name.eq_ignore_ascii_case(denied)))?;
            Some(Refused { message: format!("`{denied}` is one of `deny_programs`"), span: one.span.clone() })
        })
    }

    fn construct(&self, line: &CommandLine) -> Option<Refused> {
        let allowed = match (self.constructs, &self.allow) {
            (Some(allowed), _) => allowed,
            (None, Some(_)) => Constructs::default(),
            (None, None) => return None,
        };
        let refused = line.constructs().iter().find(|construct| !allowed.contains(*construct))?;
        let names: Vec<&str> = allowed.iter().map(Construct::name).collect();
        let accepted = if names.is_empty() {
            "none is".to_owned()
        } else {
            format!("only {} may stand", names.join(", "))
        };
        Some(Refused {
            message: format!("`{refused}` is not among the `constructs`; {accepted}"),
            span: 0..0,
        })
    }

    /// Whoever runs the line may do so with `sh`, and a list is about all that it would run.
    fn ambiguous(&self, line: &CommandLine) -> Option<Refused> {
        (self.allow.is_some() && line.is_ambiguous).then(|| Refused {
            message: "`sh` would read other commands in it than bash; accepted: `[[ … ]]` without operators in it, \
                      `$'…'` without a quote in it, and `&> file` behind all words"
                .to_owned(),
            span: 0..0,
        })
    }

    fn command(&self, line: &CommandLine, moves_late: bool, number: usize, one: &Simple) -> Option<Refused> {
        let refused = |message: String| Some(Refused { message, span: one.span.clone() });
        let position = number + 1;
        // A policy without a list is about programs and constructs only.
        let allow = self.allow.as_ref()?;
        if one.assignments.iter().any(|(name, _)| !self.assignments.contains(name)) {
            return refused(format!(
                "command {position} sets a variable that is not among the `assignments`"
            ));
        }
        for redirect in &one.redirects {
            let is_file = match redirect.kind {
                RedirectKind::Read => self.is_target(line, moves_late, one, &redirect.target),
                // Git runs what its own files say.
                RedirectKind::Write => {
                    self.is_target(line, moves_late, one, &redirect.target) && !is_of_git(&redirect.target)
                }
                _ => true,
            };
            if !is_file {
                return refused(format!(
                    "command {position} redirects to a file outside; {}",
                    self.accepted_paths()
                ));
            }
        }
        let Some(program) = &one.program else { return None };
        if one.is_wrapper {
            return None;
        }
        // A call of a function has to be allowed like any command: where a function was defined in a pipeline, behind a
        // condition or later than here, its name is that of a program.
        let name = program.known();
        if allow.iter().any(|pattern| pattern.fits(self, one, moves_late)) {
            return None;
        }
        let related: Vec<&str> = allow
            .iter()
            .filter(|pattern| matches!(pattern.words.first(), Some(Part::Text(text)) if Some(text.as_str()) == name))
            .map(|pattern| pattern.text.as_str())
            .collect();
        let (what, listed) = match related.as_slice() {
            [] => (
                format!("the program of command {position} is not in `allow`"),
                allow.iter().map(|pattern| pattern.text.as_str()).collect(),
            ),
            _ => (format!("`{}` with these words is not in `allow`", name.unwrap_or_default()), related),
        };
        let mut accepted: Vec<String> = listed.iter().take(TOLD).map(|text| format!("`{text}`")).collect();
        if listed.len() > TOLD {
            accepted.push(format!("{} more", listed.len() - TOLD));
        }
        refused(format!("{what}; accepted: {}", accepted.join(", ")))
    }

    fn is_target(&self, line: &CommandLine, moves_late: bool, one: &Simple, word: &Word) -> bool {
        word.known() == Some("/dev/null") || self.is_path(line_changes_folder(line), moves_late, one, word)
    }

    fn is_path(&self, changes_folder: bool, moves_late: bool, one: &Simple, word: &Word) -> bool {
        let Some(text) = word.pattern() else { return false };
        // Of a glob, a part that begins with a dot may be `..`.
        let climbs = |part: &str| part.starts_with('.') && part.contains(['*', '?', '[']);
        if (word.has_glob && text.split('/').any(climbs))
            || text.is_empty()
            || text.starts_with('-')
            || text.starts_with('~')
            || text.contains([':', '\\', '%'])
        {
            return false;
        }
        let clean = path::lexical(text);
        if text.starts_with('/') {
            return self.under.iter().any(|root| path::is_under(&clean, root));
        }
        let leads_out = clean == ".." || clean.starts_with("../");
        // Behind a `cd`, a relative path is below another folder.
        !leads_out && !moves_late && (!changes_folder || one.folder.as_deref().is_some_and(stays_below))
    }

    /// Programs read braces and brackets in a URL as several URLs.
    fn is_url(&self, word: &Word) -> bool {
        word.known().is_some_and(|text| !text.contains(['{', '}', '[', ']']) && self.urls.check(text).is_ok())
    }

    fn accepted_paths(&self) -> String {
        if self.under.is_empty() {
            "relative paths that do not lead out are accepted".to_owned()
        } else {
            format!("accepted: below {}", self.under.join(", "))
        }
    }
}

fn changes_folder(one: &Simple) -> bool {
    matches!(one.name(), Some("cd" | "pushd" | "popd"))
}

fn line_changes_folder(line: &CommandLine) -> bool {
    line.commands().iter().any(changes_folder)
}

/// Whether a folder is known, and one below that in which the line begins.
fn stays_below(folder: &str) -> bool {
    !(folder.starts_with(['/', '~', UNKNOWN]) || folder == ".." || folder.starts_with("../"))
}

/// Whether a command may be run in a folder to which the line changes behind it, and that folder may be anywhere.
fn moves_late(line: &CommandLine) -> bool {
    let moves = |one: &Simple| {
        let below = |word: &Word| {
            word.known().is_some_and(|to| {
                stays_below(to) && !to.starts_with('-') && !to.split('/').any(|part| part == "..")
            })
        };
        changes_folder(one)
            && (one.name() == Some("popd") || one.words.is_empty() || !one.words.iter().all(below))
    };
    line.repeats && line.commands().iter().any(moves)
}

/// How often a word leads to the folder above.
fn parents_in(word: &str) -> usize {
    word.split('/').filter(|part| *part == "..").count()
}

/// Whether a file is one of git's own.
fn is_of_git(word: &Word) -> bool {
    word.text.split('/').any(|part| part.eq_ignore_ascii_case(".git"))
}

impl Pattern {
    fn new(text: &str) -> Result<Self, PatternError> {
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            if word.contains([';', '&', '|', '<', '>', '`', '$', '(', ')', '\'', '"', '\\']) {
                return Err(PatternError::NotSimple { pattern: text.to_owned() });
            }
            words.push(match word {
                "*" => Part::One,
                "**" => Part::Any,
                "{path}" => Part::Path,
                "{url}" => Part::Url,
                word if word.contains(['{', '}']) => {
                    return Err(PatternError::UnknownPlaceholder { placeholder: word.to_owned() });
                }
                word if word.contains('*') => Part::Glob(Wildcard::new(word), parents_in(word)),
                word => Part::Text(word.to_owned()),
            });
        }
        match words.first() {
            None => Err(PatternError::Empty),
            Some(Part::Text(_)) => Ok(Self { text: text.to_owned(), words }),
            Some(_) => Err(PatternError::AnyProgram { pattern: text.to_owned() }),
        }
    }

    fn fits(&self, policy: &CommandPolicy, one: &Simple, moves_late: bool) -> bool {
        if let Some(Part::Text(program)) = self.words.first()
            && one.program.as_ref().and_then(Word::known) != Some(program)
        {
            return false;
        }
        let words: Vec<&Word> = one.all().collect();
        fits(&self.words, &words, &|part, word| match part {
            Part::Path => policy.is_path(one.folder.is_some(), moves_late, one, word),
            Part::Url => policy.is_url(word),
            Part::Text(text) => word.known() == Some(text),
            // `src/*` is about what is below `src`.
            Part::Glob(glob, parents) => {
                !word.has_glob && parents_in(&word.text) <= *parents && glob.fits_text(&word.text)
            }
            Part::One => !word.text.starts_with('-'),
            Part::Any => true,
        })
    }
}

fn fits(parts: &[Part], words: &[&Word], is: &dyn Fn(&Part, &Word) -> bool) -> bool {
    // Patterns are short, and `**` is the only part with a choice.
    let mut reachable = vec![false; words.len() + 1];
    if let Some(first) = reachable.first_mut() {
        *first = true;
    }
    for part in parts {
        let mut next = vec![false; words.len() + 1];
        for (at, reached) in reachable.iter().enumerate() {
            if !reached {
                continue;
            }
            if *part == Part::Any {
                let known = words.iter().skip(at).take_while(|word| word.is_known).count();
                next.iter_mut().skip(at).take(known + 1).for_each(|place| *place = true);
                continue;
            }
            let Some(word) = words.get(at).filter(|word| word.is_known) else { continue };
            if let Some(place) = next.get_mut(at + 1).filter(|_| is(part, word)) {
                *place = true;
            }
        }
        reachable = next;
    }
    reachable.last().copied().unwrap_or_default()
}
