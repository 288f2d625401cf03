//! What packs find in arguments that are declared a command, a path or a URL.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decode::Spanned;
use crate::diagnostic::{Code, Diagnostic};
use crate::rule::Reporter;
use crate::rule::pack::ExamplesSpec;
use crate::tool::{
    Access, CommandFind, CommandFinder, CommandLine, Construct, PathFind, PathFinder, UrlFind, UrlFinder,
};

/// One text, or several of which any will do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$shape", rename_all = "snake_case")]
#[schemars(untagged, rename = "OneOrMore")]
pub(crate) enum OneOrMore {
    /// One.
    Scalar(String),
    /// Several.
    Sequence(Vec<String>),
}

/// A simple command for which everything that is named here holds. Commands behind wrappers (`sudo`, `xargs`, `bash -c`), in
/// substitutions and in code within code are looked at like any other.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "FindCommand", deny_unknown_fields)]
pub(crate) struct FindCommandSpec {
    /// Names of programs, without folders; `*` stands for any characters.
    #[schemars(extend("examples" = ["git", ["curl", "wget"]]))]
    program: Option<OneOrMore>,
    /// What the program is told to do, such as `push` or `stash drop`.
    #[schemars(extend("examples" = ["push"]))]
    subcommand: Option<OneOrMore>,
    /// Flags that all have to be there, alone or in a cluster; `|` stands between spellings: `r|R|recursive`.
    #[serde(default)]
    #[schemars(extend("examples" = [["r|R|recursive", "f|force"]]))]
    flags: Vec<String>,
    /// Flags of which one has to be there.
    #[serde(default)]
    #[schemars(extend("examples" = [["f", "force"]]))]
    any_flag: Vec<String>,
    /// Flags that may not be there.
    #[serde(default)]
    #[schemars(extend("examples" = [["dry-run"]]))]
    without_flags: Vec<String>,
    /// Globs, one of which fits an operand or the value of a flag; `{unknown}` is one that is known only at run time.
    #[schemars(extend("examples" = ["/etc/**"]))]
    operands: Option<OneOrMore>,
    /// Globs of operands that do not count.
    #[schemars(extend("examples" = ["./**"]))]
    not_operands: Option<OneOrMore>,
    /// Whether there may be no operands at all.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    no_operands: bool,
    /// Texts, one of which a word fits; `*` stands for any characters.
    #[schemars(extend("examples" = ["*password*"]))]
    words: Option<OneOrMore>,
    /// Texts that no word fits.
    #[schemars(extend("examples" = ["--help"]))]
    not_words: Option<OneOrMore>,
    /// Globs, one of which fits a file that is written by a redirection.
    #[schemars(extend("examples" = ["/etc/**"]))]
    writes: Option<OneOrMore>,
    /// Globs, one of which fits a file that is read by a redirection.
    #[schemars(extend("examples" = ["~/.ssh/**"]))]
    reads: Option<OneOrMore>,
    /// Names of variables, one of which is set for the command.
    #[schemars(extend("examples" = ["LD_PRELOAD"]))]
    assignments: Option<OneOrMore>,
    /// Names of wrappers, one of which runs the command.
    #[schemars(extend("examples" = ["sudo"]))]
    through: Option<OneOrMore>,
    /// Constructs that the line has.
    #[serde(default)]
    #[schemars(extend("examples" = [["pipe"]]))]
    constructs: Vec<Construct>,
    /// Whether the program is known only at run time.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    unknown_program: bool,
    /// Whether it is started without end, by a function that calls itself or a loop that does not wait.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    is_endless: bool,
    /// A command whose output reaches this one, through a pipe, a substitution or a file.
    #[schemars(extend("examples" = [{"program": ["curl", "wget"]}]))]
    from: Option<Box<FindCommandSpec>>,
    /// Of these, one has to hold besides.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"flags": ["f"]}, {"operands": "/"}]]))]
    any: Vec<FindCommandSpec>,
}

/// A path that fits one glob and none of the others, in any form in which it can be read.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "FindPath", deny_unknown_fields)]
pub(crate) struct FindPathSpec {
    /// Globs, one of which it fits: `**/.env`, `~/.ssh/**`.
    #[schemars(extend("examples" = ["**/.env", ["~/.ssh/**", "~/.aws/**"]]))]
    any: OneOrMore,
    /// Globs, none of which it fits.
    #[schemars(extend("examples" = ["**/.env.example"]))]
    not: Option<OneOrMore>,
    /// What the tool does with it; anything where empty.
    #[serde(default)]
    #[schemars(extend("examples" = [["read"]]))]
    access: Vec<Access>,
}

/// A URL for which everything that is named here holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "FindUrl", deny_unknown_fields)]
pub(crate) struct FindUrlSpec {
    /// Schemes, one of which it has.
    #[schemars(extend("examples" = ["http"]))]
    schemes: Option<OneOrMore>,
    /// Hosts, one of which it has: names, `*.` and a name for all below it, addresses.
    #[schemars(extend("examples" = ["*.example.com"]))]
    hosts: Option<OneOrMore>,
    /// Whether it leads to an address that is not public.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    private_addresses: bool,
    /// Whether it holds a user name or password.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    userinfo: bool,
}

/// What is found in an argument, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ArgumentFind {
    Command(Box<CommandFind>),
    Path(PathFind),
    Url(UrlFind),
}

/// [`ArgumentFind`], ready for use.
#[derive(Debug, Clone)]
pub(crate) enum ArgumentFinder {
    Command(Box<CommandFinder>),
    Path(PathFinder),
    Url(UrlFinder),
}

impl ArgumentFinder {
    /// What can't be used is told in one line.
    pub(crate) fn new(find: ArgumentFind) -> Result<Self, String> {
        Ok(match find {
            ArgumentFind::Command(find) => {
                let finder = CommandFinder::new(*find).map_err(|error| error.to_string())?;
                ArgumentFinder::Command(Box::new(finder))
            }
            ArgumentFind::Path(find) => {
                ArgumentFinder::Path(PathFinder::new(find).map_err(|error| error.to_string())?)
            }
            ArgumentFind::Url(find) => {
                ArgumentFinder::Url(UrlFinder::new(find).map_err(|error| error.to_string())?)
            }
        })
    }

    pub(crate) fn find(&self) -> ArgumentFind {
        match self {
            ArgumentFinder::Command(finder) => ArgumentFind::Command(Box::new(finder.find().clone())),
            ArgumentFinder::Path(finder) => ArgumentFind::Path(finder.find().clone()),
            ArgumentFinder::Url(finder) => ArgumentFind::Url(finder.find().clone()),
        }
    }

    /// Whether it finds something in a text; `None` where the text is nothing of this kind.
    fn finds(&self, text: &str) -> Option<bool> {
        Some(match self {
            ArgumentFinder::Command(finder) => finder.search(&CommandLine::parse(text).ok()?).is_some(),
            ArgumentFinder::Path(finder) => {
                finder.fits(text, Access::Read) || finder.fits(text, Access::Write)
            }
            ArgumentFinder::Url(finder) => finder.fits(text),
        })
    }
}

fn list(texts: Option<&OneOrMore>) -> Vec<String> {
    match texts {
        None => Vec::new(),
        Some(OneOrMore::Scalar(text)) => vec![text.clone()],
        Some(OneOrMore::Sequence(texts)) => texts.clone(),
    }
}

impl FindCommandSpec {
    pub(crate) fn find(&self) -> CommandFind {
        CommandFind {
            program: list(self.program.as_ref()),
            subcommand: list(self.subcommand.as_ref()),
            flags: self.flags.clone(),
            any_flag: self.any_flag.clone(),
            without_flags: self.without_flags.clone(),
            operands: list(self.operands.as_ref()),
            not_operands: list(self.not_operands.as_ref()),
            no_operands: self.no_operands,
            words: list(self.words.as_ref()),
            not_words: list(self.not_words.as_ref()),
            writes: list(self.writes.as_ref()),
            reads: list(self.reads.as_ref()),
            assignments: list(self.assignments.as_ref()),
            through: list(self.through.as_ref()),
            constructs: self.constructs.clone(),
            unknown_program: self.unknown_program,
            is_endless: self.is_endless,
            from: self.from.as_ref().map(|from| Box::new(from.find())),
            any: self.any.iter().map(Self::find).collect(),
        }
    }
}

impl FindPathSpec {
    pub(crate) fn find(&self) -> PathFind {
        PathFind { any: list(Some(&self.any)), not: list(self.not.as_ref()), access: self.access.clone() }
    }
}

impl FindUrlSpec {
    pub(crate) fn find(&self) -> UrlFind {
        UrlFind {
            schemes: list(self.schemes.as_ref()),
            hosts: list(self.hosts.as_ref()),
            private_addresses: self.private_addresses,
            userinfo: self.userinfo,
        }
    }
}

/// Holds a rule to its own examples.
pub(crate) fn prove(
    id: &str,
    finder: &ArgumentFinder,
    examples: Option<&Spanned<ExamplesSpec>>,
    at: Range<usize>,
    reporter: &mut Reporter<'_>,
) {
    let Some(examples) = examples else {
        super::unproved(id, at, reporter);
        return;
    };
    let wanted = examples.value.matching.iter().map(|example| (example, true));
    let wanted = wanted.chain(examples.value.ignore.iter().map(|example| (example, false)));
    for (example, wanted) in wanted {
        let (message, why) = match (finder.finds(&example.value), wanted) {
            (Some(found), wanted) if found == wanted => continue,
            (Some(false), _) => (format!("`{id}` does not match its own example"), "nothing in it matches"),
            (Some(true), _) => (format!("`{id}` matches an example that it should ignore"), "matches"),
            (None, _) => (format!("an example of `{id}` can't be read"), "does not parse"),
        };
        reporter.push(Diagnostic::new(Code::ExampleFails, message).at(reporter.span(example.range()), why));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::rule::pack::{self, Examples, PackSpec, Scope};
    use crate::rule::{Find, Rule};
    use crate::tool::{CommandIndex, Looked};

    fn rules() -> Vec<Arc<Rule>> {
        let name: Arc<str> = "packs/commands.yaml".into();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/packs/commands.yaml");
        let text = std::fs::read_to_string(file).unwrap();
        let (spec, mut out) = crate::yaml::read::<PackSpec>(&name, &text);
        let scope = Scope { facts: &[], has_key: false, examples: Examples::Prove };
        let mut reporter = Reporter { file: &name, text: &text, out: &mut out };
        let pack = pack::compile(spec.unwrap(), &scope, &mut reporter);
        for one in &out {
            let at = one.primary.as_ref().map(|label| crate::diagnostic::line(&text, label.span.start));
            println!("line {at:?}: {one}");
        }
        assert!(out.is_empty());
        pack.rules
    }

    /// Texts of the pack, its examples among them, each alone and behind another.
    #[test]
    fn the_index_leaves_out_no_rule_that_finds_something() {
        let rules = rules();
        let finders: Vec<(usize, &CommandFinder)> = rules
            .iter()
            .enumerate()
            .filter_map(|(number, rule)| match &*rule.find {
                Find::Argument(finder) => match &**finder {
                    ArgumentFinder::Command(finder) => Some((number, &**finder)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let index = CommandIndex::new(finders.iter().copied());
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/packs/commands.yaml");
        let pack = std::fs::read_to_string(file).unwrap();
        let mut texts: Vec<String> =
            pack.split(['\'', '"', '\n', '[', ']', ',']).map(|text| text.trim().to_owned()).collect();
        texts.extend(pack.split('\'').filter(|text| text.len() < 200).map(str::to_owned));
        texts.sort_unstable();
        texts.dedup();
        let extra =
            std::env::var("RINGFENCE_COMMANDS").ok().map(|file| std::fs::read_to_string(file).unwrap());
        for row in extra.as_deref().unwrap_or_default().lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            texts.push(row["command"].as_str().unwrap().to_owned());
        }
        let forms = [
            "{}",
            "x=1 {} > out",
            "sudo {}",
            "cat x | {}",
            "$x {} < /etc/shadow",
            "while true; do {} & done",
        ];
        let (mut found, mut tried, mut all) = (0, 0, 0);
        for text in &texts {
            for form in forms {
                let Ok(line) = CommandLine::parse(&form.replace("{}", text)) else { continue };
                let looked = Looked::new(&line);
                let candidates = index.candidates(&looked);
                tried += candidates.len();
                all += finders.len() * line.commands().len();
                for (number, finder) in &finders {
                    let of_rule = candidates.iter().filter(|(of, _)| of == number);
                    let among = finder.search_among(&looked, of_rule.map(|(_, command)| *command));
                    let finds = finder.search(&line);
                    found += usize::from(finds.is_some());
                    assert_eq!(among, finds, "{}: {form} {text}", rules[*number].id);
                }
            }
        }
        assert!(found > 1000, "{found}");
        assert!(tried * 3 < all, "{tried} of {all}");
    }

    /// How much of labelled command lines the pack refuses: `RINGFENCE_COMMANDS=file.jsonl cargo test --lib measure_commands
    /// -- --ignored --nocapture`. Rows have `command`, `label`, `source` and perhaps `review`.
    #[test]
    #[ignore = "needs data that is not part of the project"]
    fn measure_commands() {
        let rules = rules();
        let rows = std::fs::read_to_string(std::env::var("RINGFENCE_COMMANDS").unwrap()).unwrap();
        let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        for row in rows.lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            let text = |key: &str| row[key].as_str().unwrap_or_default();
            let (command, label, source) = (text("command"), text("label"), text("source"));
            let (found, is_unread) = match CommandLine::parse(command) {
                Ok(line) => {
                    let found = rules.iter().find(|rule| match &*rule.find {
                        Find::Argument(finder) => match &**finder {
                            ArgumentFinder::Command(finder) => finder.search(&line).is_some(),
                            _ => false,
                        },
                        _ => false,
                    });
                    (found.map(|rule| rule.id.to_string()), false)
                }
                Err(error) => (Some(error.to_string()), true),
            };
            let group = if source.starts_with("tldr") {
                format!("{label} tldr{}", if row["review"] == Value::Bool(true) { " (apart)" } else { "" })
            } else if row["weak"] == Value::Bool(true) {
                format!("{label} (weak)")
            } else {
                label.to_owned()
            };
            for group in [group.clone(), format!("{group}: {source}")] {
                let count = counts.entry(group).or_default();
                count[0] += 1;
                count[1] += usize::from(found.is_some());
                count[2] += usize::from(is_unread);
            }
            if (label == "dangerous") != found.is_some() && label != "injection" && label != "needs_approval"
            {
                println!("{group}\t{source}\t{:?}\t{}", command, found.unwrap_or_default());
            }
        }
        for (group, [all, refused, unread]) in counts {
            println!(
                "{group}: {refused} of {all} refused, {unread} of them unread ({:.1} %)",
                100.0 * refused as f64 / all as f64
            );
        }
    }
}
