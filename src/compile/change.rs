//! A compiled bundle with one part changed: only that part is compiled again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CompileOptions, Compiler, names};
use crate::bundle::{Bundle, DIRECTORY, MANIFEST, Role, Source, TOOLS};
use crate::cedar::{self, Alteration, Unread, Vocabulary};
use crate::decode::{self, List, Node};
use crate::diagnostic::Diagnostic;
use crate::engine::{ArgumentRules, Engine, Inner, Named, Tool};
use crate::rule::pack::PackSpec;
use crate::rule::tool::{ToolSpec, ToolsSpec};
use crate::rule::{Find, Rule};
use crate::verdict::Action;

/// A compiled bundle that can be changed in one place.
pub(crate) struct Changeable<'b> {
    bundle: &'b Bundle,
    options: CompileOptions,
    engine: Engine,
    vocabulary: Vocabulary,
}

/// Texts that a rule must and must not match, as its pack says.
#[derive(Debug, Default)]
pub(crate) struct OwnExamples {
    pub(crate) matching: Vec<String>,
    pub(crate) ignore: Vec<String>,
}

impl<'b> Changeable<'b> {
    /// `None` where the bundle is not the engine's, and does not compile.
    pub(crate) fn new(bundle: &'b Bundle, options: &CompileOptions, engine: &Engine) -> Option<Self> {
        let options = CompileOptions { trusted: true, ..options.clone() };
        let mut out = Vec::new();
        let mut compiler = Compiler { bundle, options: &options, out: &mut out };
        let manifest = compiler.read(MANIFEST)?;
        let directory = match bundle.source(DIRECTORY) {
            Some(_) => compiler.read(DIRECTORY)?,
            None => crate::bundle::DirectorySpec::default(),
        };
        let tools: ToolsSpec = match bundle.source(TOOLS) {
            Some(_) => compiler.read(TOOLS)?,
            None => ToolsSpec::default(),
        };
        let compiled = compiler.tools(&tools);
        let names = names::Names::collect(bundle, &manifest, &directory, &tools, false, &mut out);
        let rules = &engine.0.rules;
        let mut packs: Vec<String> = rules.iter().map(|rule| rule.pack.to_string()).collect();
        packs.dedup();
        let vocabulary = names.vocabulary(&manifest, &directory, &compiled, &packs, rules, Unread::default());
        Some(Self { bundle, options, engine: engine.clone(), vocabulary })
    }

    fn with(&self, change: impl FnOnce(&mut Inner)) -> Engine {
        self.engine.with(change)
    }

    /// With a changed policy.
    pub(crate) fn with_policy(&self, alteration: &Alteration) -> Option<Engine> {
        let policies = Arc::new(self.engine.0.policies.altered(alteration)?);
        Some(self.with(|inner| inner.policies = policies))
    }

    /// With another tool in place of those that these nodes describe, or without them. `None` where one is no tool any more.
    pub(crate) fn with_tools(&self, changed: &BTreeMap<String, Option<Node>>) -> Option<Engine> {
        let mut vocabulary = self.vocabulary.clone();
        let mut tools = self.engine.0.tools.clone();
        for (name, node) in changed {
            match node {
                None => {
                    vocabulary.tools.retain(|tool| tool.declared.name != *name);
                    tools.remove(name);
                }
                Some(node) => {
                    let (declared, tool) = self.tool(node)?;
                    for place in vocabulary.tools.iter_mut().filter(|tool| tool.declared.name == *name) {
                        *place = declared.clone();
                    }
                    tools.insert(name.clone(), Arc::new(tool));
                }
            }
        }
        let policies = Arc::new(self.engine.0.policies.speaking(&vocabulary)?);
        Some(self.with(|inner| {
            inner.tools = tools;
            inner.policies = policies;
        }))
    }

    fn tool(&self, node: &Node) -> Option<(cedar::Tool, Tool)> {
        let (spec, problems) = decode::decode::<ToolSpec>(node);
        let mut out = Vec::new();
        let mut compiler = Compiler { bundle: self.bundle, options: &self.options, out: &mut out };
        let spec = ToolsSpec { tools: List(vec![spec?]) };
        let tool = compiler.tools(&spec).pop();
        tool.filter(|_| problems.is_empty() && !out.iter().any(Diagnostic::is_error))
    }
}

impl Engine {
    /// The same engine but for what `change` does to it.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Inner)) -> Engine {
        let mut inner = (*self.0).clone();
        change(&mut inner);
        Engine(Arc::new(inner))
    }

    /// With another rule in place of one. What it looks for in texts has to begin as it did: the scanner stays as it is.
    pub(crate) fn with_rule(&self, number: usize, rule: Rule) -> Engine {
        self.with(|inner| {
            let is_argument = matches!(&*rule.find, Find::Argument(_));
            if let Some(place) = inner.rules.get_mut(number) {
                *place = Arc::new(rule);
            }
            inner.named = Arc::new(Named::default());
            if is_argument {
                inner.argument_rules = Arc::new(ArgumentRules::new(&inner.rules));
            }
        })
    }

    /// Without a rule, as if it applied at no stage.
    pub(crate) fn without_rule(&self, number: usize) -> Engine {
        self.with(|inner| {
            if let Some(place) = inner.rules.get_mut(number) {
                *place = Arc::new(Rule { stages: Vec::new(), ..(**place).clone() });
            }
        })
    }

    /// What a rule does with the first that it finds in a text, or at all where it reads no texts. `None` where it does nothing.
    pub(crate) fn action_of(&self, number: usize, text: Option<&str>) -> Option<Action> {
        let rule = self.0.rules.get(number).filter(|rule| !rule.stages.is_empty())?;
        match (rule.finder(), text) {
            (Some(_), Some(text)) => {
                let found = self.scan(text, &self.one_rule(number));
                found.first().map(|finding| finding.action)
            }
            _ => Some(rule.action),
        }
    }
}

/// The examples of every rule, by its id.
pub(crate) fn examples(bundle: &Bundle) -> BTreeMap<String, OwnExamples> {
    let mut all = BTreeMap::new();
    let sources: Vec<&Source> = bundle.with_role(Role::Pack).collect();
    for source in sources {
        let (Some(spec), _) = crate::yaml::read::<PackSpec>(&source.name, &source.text) else { continue };
        for rule in spec.rules.0 {
            let Some(examples) = rule.examples else { continue };
            let texts = |list: Vec<decode::Spanned<String>>| {
                list.into_iter().map(|text| text.value).collect::<Vec<_>>()
            };
            let examples = OwnExamples {
                matching: texts(examples.value.matching),
                ignore: texts(examples.value.ignore),
            };
            all.insert(format!("{}/{}", spec.pack.value, rule.id.value), examples);
        }
    }
    all
}
