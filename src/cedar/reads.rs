//! Which part of the context a policy reads.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, Template, Var};

/// Attributes of the base context, and the counters of a session, that can be left out one by one.
pub(super) const PARTS: &[&str] = &[
    "agent",
    "model",
    "at",
    "stage",
    "found",
    "packs",
    "tags",
    "tool",
    "session.labels",
    "session.calls",
    "session.denials",
    "session.findings",
    "session.minutes",
    "session.turns",
    "session.tokens",
];

/// What of the context is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts(u32);

impl Parts {
    pub(super) const ALL: Parts = Parts(u32::MAX);

    fn bit(name: &str) -> Option<u32> {
        PARTS.iter().position(|part| *part == name).map(|index| 1 << index)
    }

    pub(super) fn has(self, name: &str) -> bool {
        Self::bit(name).is_none_or(|bit| self.0 & bit != 0)
    }

    pub(super) fn has_session(self) -> bool {
        PARTS.iter().any(|part| part.starts_with("session.") && self.has(part))
    }

    pub(super) fn union(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }

    fn add(&mut self, name: &str) {
        self.0 |= Self::bit(name).unwrap_or(0);
    }

    fn add_session(&mut self) {
        for part in PARTS.iter().filter(|part| part.starts_with("session.")) {
            self.add(part);
        }
    }
}

/// Which arguments are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arguments {
    These(BTreeSet<String>),
    All,
}

/// What a policy reads, and how it uses its paths into the arguments.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    pub(super) parts: Parts,
    pub(super) arguments: Arguments,
    /// Whether `context.input` is read at all.
    pub(super) input: bool,
    /// Paths under `context.input`, each with the literals it is compared with.
    pub(super) paths: BTreeMap<Vec<String>, BTreeSet<String>>,
    /// Paths that are matched with `like`, with the pattern's fixed beginning.
    pub(super) likes: Vec<(Vec<String>, String)>,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            parts: Parts::default(),
            arguments: Arguments::These(BTreeSet::new()),
            input: false,
            paths: BTreeMap::new(),
            likes: Vec::new(),
        }
    }
}

impl Reads {
    /// What the conditions of a policy read.
    pub(super) fn of(body: &Template) -> Reads {
        let mut reads = Reads::default();
        for clause in body.clauses() {
            match clause {
                Clause::When(expr) | Clause::Unless(expr) => reads.walk(expr),
            }
        }
        reads
    }

    fn everything(&mut self) {
        self.parts = Parts::ALL;
        self.arguments = Arguments::All;
        self.input = true;
    }

    fn path(&mut self, path: &[String]) {
        match path {
            [] => self.everything(),
            [first, rest @ ..] if first == "input" => {
                self.input = true;
                match (rest.first(), &mut self.arguments) {
                    (None, arguments) => *arguments = Arguments::All,
                    (Some(name), Arguments::These(names)) => {
                        names.insert(name.clone());
                    }
                    (Some(_), Arguments::All) => {}
                }
                if !rest.is_empty() {
                    self.paths.entry(rest.to_vec()).or_default();
                }
            }
            [first, second, ..] if first == "session" => self.parts.add(&format!("session.{second}")),
            [first] if first == "session" => self.parts.add_session(),
            [first, ..] => self.parts.add(first),
        }
    }

    fn compare(&mut self, path: &Expr, literals: &[&Expr]) {
        let Some(path) = context_path(path) else { return };
        let [first, rest @ ..] = path.as_slice() else { return };
        if first != "input" || rest.is_empty() {
            return;
        }
        for literal in literals {
            if let Expr::Literal(Literal::String(text)) = literal {
                self.paths.entry(rest.to_vec()).or_default().insert(text.to_string());
            }
        }
    }

    fn walk(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(_) | Expr::Var(Var::Principal | Var::Action | Var::Resource) => {}
            Expr::Var(Var::Context) => self.everything(),
            Expr::UnaryOp { expr, .. } => self.walk(expr),
            Expr::BinaryOp { op, left, right } => {
                match op {
                    BinaryOp::Eq | BinaryOp::NotEq => {
                        self.compare(left, &[right]);
                        self.compare(right, &[left]);
                    }
                    BinaryOp::Contains => {
                        if let Expr::Set(items) = left.as_ref() {
                            let items: Vec<&Expr> = items.iter().map(AsRef::as_ref).collect();
                            self.compare(right, &items);
                        }
                    }
                    _ => {}
                }
                self.walk(left);
                self.walk(right);
            }
            Expr::GetAttr { expr: inner, .. } => match context_path(expr) {
                Some(path) => self.path(&path),
                None => self.walk(inner),
            },
            Expr::HasAttr { expr: inner, attrs } => match context_path(inner) {
                Some(mut path) => {
                    path.extend(attrs.iter().map(ToString::to_string));
                    self.path(&path);
                }
                None => self.walk(inner),
            },
            Expr::Like { expr, pattern } => {
                if let Some([first, rest @ ..]) = context_path(expr).as_deref()
                    && first == "input"
                {
                    let fixed = pattern.iter().map_while(|element| match element {
                        PatternElem::Char(c) => Some(*c),
                        PatternElem::Wildcard => None,
                    });
                    self.likes.push((rest.to_vec(), fixed.collect()));
                }
                self.walk(expr);
            }
            Expr::Is { expr, in_expr, .. } => {
                self.walk(expr);
                if let Some(group) = in_expr {
                    self.walk(group);
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.walk(cond);
                self.walk(then_expr);
                self.walk(else_expr);
            }
            Expr::Set(items) => items.iter().for_each(|item| self.walk(item)),
            Expr::Record(fields) => fields.values().for_each(|field| self.walk(field)),
            // A kind of expression that this walk does not know may read anything.
            _ => self.everything(),
        }
    }
}

/// `context.a.b` as `["a", "b"]`.
fn context_path(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Var(Var::Context) => Some(Vec::new()),
        Expr::GetAttr { expr, attr } => {
            let mut path = context_path(expr)?;
            path.push(attr.to_string());
            Some(path)
        }
        _ => None,
    }
}
