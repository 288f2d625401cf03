//! `tools.yaml`: every tool, its toolsets and labels, and what its arguments are allowed to be.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Reporter;
use super::argument::{Argument, ArgumentSpec};
use crate::bundle::AttributeSpec;
use crate::decode::{Entries, List, Spanned};
use crate::diagnostic::{Code, Diagnostic};

/// The tools.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "Ringfence tools (tools.yaml)", deny_unknown_fields)]
pub(crate) struct ToolsSpec {
    /// The tools that exist.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [[{"name": "read_file", "in": ["readonly"], "reads": ["private"], "args": {"/path": {"path": {"under": ["."]}}}}]]))]
    pub(crate) tools: List<ToolSpec>,
}

/// A tool.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Tool", deny_unknown_fields)]
pub(crate) struct ToolSpec {
    /// Its name, as the model calls it.
    #[schemars(extend("examples" = ["read_file"]))]
    pub(crate) name: Spanned<String>,
    /// What it does, for people.
    #[expect(dead_code, reason = "for people; reading it keeps the key known")]
    #[schemars(extend("examples" = ["Reads a text file"]))]
    pub(crate) description: Option<String>,
    /// Toolsets that it is in.
    #[serde(default, rename = "in")]
    #[schemars(extend("default" = [], "examples" = [["readonly"]]))]
    pub(crate) parents: Vec<Spanned<String>>,
    /// Labels that its result puts on the session.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["private"]]))]
    pub(crate) reads: Vec<Spanned<String>>,
    /// Labels of where it sends.
    #[serde(default)]
    #[schemars(extend("default" = [], "examples" = [["outbound"]]))]
    pub(crate) writes: Vec<Spanned<String>>,
    /// Attributes that policies can read.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"level": 2}]))]
    pub(crate) attributes: Entries<AttributeSpec>,
    /// JSON Schema (2020-12) of its arguments.
    #[schemars(extend("examples" = [{"type": "object", "required": ["path"], "properties": {"path": {"type": "string", "maxLength": 1024}}}]))]
    pub(crate) input: Option<Spanned<Value>>,
    /// The same in a file of the bundle.
    #[schemars(extend("examples" = ["schemas/read_file.json"]))]
    pub(crate) schema: Option<Spanned<String>>,
    /// What single arguments may be, by JSON Pointer.
    #[serde(default)]
    #[schemars(extend("default" = {}, "examples" = [{"/path": {"path": {"under": ["."]}, "log": true}}]))]
    pub(crate) args: Entries<ArgumentSpec>,
}

impl ToolSpec {
    /// The schema as declared: inline, by the name of a file, or made of the names under `args`.
    pub(crate) fn schema<'a>(
        &'a self,
        file: impl Fn(&str) -> Option<&'a str>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Value> {
        let named =
            self.input.as_ref().and_then(|input| file_name(&input.value).map(|name| (name, input.range())));
        let named = named.or_else(|| self.schema.as_ref().map(|name| (name.value.as_str(), name.range())));
        if let (Some(_), Some(schema)) = (&self.input, &self.schema) {
            reporter.push(
                Diagnostic::new(
                    Code::BadSchema,
                    format!("`{}` has both `input` and `schema`", self.name.value),
                )
                .at(reporter.span(schema.range()), "")
                .help("keep one of the two"),
            );
            return None;
        }
        match (named, &self.input) {
            (Some((name, at)), _) => schema_file(name, at, file, reporter),
            (None, Some(input)) => Some(input.value.clone()),
            (None, None) => Some(self.schema_of_arguments(reporter)),
        }
    }

    fn schema_of_arguments(&self, reporter: &mut Reporter<'_>) -> Value {
        let mut properties = serde_json::Map::new();
        for (pointer, _) in &self.args.0 {
            match pointer.value.strip_prefix('/') {
                Some(name) if !name.is_empty() && !name.contains('/') => {
                    let name = crate::decode::pointer_name(name);
                    properties.insert(name, json!({ "type": "string" }));
                }
                _ => reporter.push(
                    Diagnostic::new(
                        Code::BadValue,
                        format!("`{}` names no top-level argument", pointer.value),
                    )
                    .at(reporter.span(pointer.range()), "")
                    .help("write a JSON Pointer such as `/path`, or declare the arguments with `input:`"),
                ),
            }
        }
        let required: Vec<String> = properties.keys().cloned().collect();
        json!({ "type": "object", "properties": properties, "required": required })
    }

    /// Pointers of the arguments whose values may be recorded.
    pub(crate) fn logged(&self) -> Vec<String> {
        self.args.0.iter().filter(|(_, spec)| spec.log).map(|(pointer, _)| pointer.value.clone()).collect()
    }

    /// What single arguments may be.
    pub(crate) fn arguments(&self, reporter: &mut Reporter<'_>) -> Vec<Argument> {
        self.args.0.iter().flat_map(|(pointer, spec)| spec.compile(pointer, reporter)).collect()
    }

    /// Arguments that are declared a command, path or URL: the way to each, and which.
    pub(crate) fn checks(&self) -> Vec<(Vec<String>, &'static str)> {
        let way = |pointer: &str| pointer.split('/').skip(1).map(crate::decode::pointer_name).collect();
        let checks =
            self.args.0.iter().filter_map(|(pointer, spec)| Some((way(&pointer.value), spec.kind_name()?)));
        checks.collect()
    }

    /// The pointers under `args`, each to be held against the schema.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.args.0.iter().map(|(pointer, _)| pointer)
    }
}

/// `{schema: file.json}` in place of a schema.
pub(crate) fn file_name(value: &Value) -> Option<&str> {
    match value {
        Value::String(name) => Some(name),
        Value::Object(map) if map.len() == 1 => map.get("schema").and_then(Value::as_str),
        _ => None,
    }
}

/// Reads a JSON Schema from a file of the bundle.
pub(crate) fn schema_file<'a>(
    name: &str,
    at: std::ops::Range<usize>,
    file: impl Fn(&str) -> Option<&'a str>,
    reporter: &mut Reporter<'_>,
) -> Option<Value> {
    let Some(text) = file(name) else {
        reporter.push(
            Diagnostic::new(Code::BadSchema, format!("the bundle has no file `{name}`"))
                .at(reporter.span(at), "")
                .help("name a JSON file of the bundle, relative to its root"),
        );
        return None;
    };
    match crate::decode::from_json(text) {
        Ok(value) => Some(value),
        Err(problem) => {
            reporter.push(
                Diagnostic::new(Code::BadSchema, format!("`{name}` is not strict JSON: {}", problem.message))
                    .at(reporter.span(at), ""),
            );
            None
        }
    }
}
