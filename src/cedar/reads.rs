//! Which part of the context a policy reads.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Template, Var};
use serde::{Deserialize, Serialize};

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
    OTHERS,
    USERS,
];

/// Not of the context: entities other than those that a request is about, whose parents or attributes a policy asks for.
pub(super) const OTHERS: &str = "others";

/// Not of the context: which user it is, and not only of which roles and attributes.
pub(super) const USERS: &str = "users";

/// What of the context is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Parts(u32);

impl Parts {
    pub(super) const ALL: Parts = Parts(u32::MAX);

    fn bit(name: &str) -> Option<u32> {
        PARTS.iter().position(|part| *part == name).map(|index| 1 << index)
    }

    pub(super) fn has(self, name: &str) -> bool {
        Self::bit(name).is_none_or(|bit| self.0 & bit != 0)
    }

    /// Names of the parts that are read.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        PARTS.iter().enumerate().filter(move |(index, _)| self.0 & 1 << index != 0).map(|(_, name)| *name)
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Arguments {
    These(BTreeSet<String>),
    All,
}

/// What a policy reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reads {
    pub(super) parts: Parts,
    pub(super) arguments: Arguments,
    /// Whether `context.input` is read at all.
    pub(super) input: bool,
}

impl Default for Reads {
    fn default() -> Self {
        Self { parts: Parts::default(), arguments: Arguments::These(BTreeSet::new()), input: false }
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
            }
            [first, second, ..] if first == "session" => self.parts.add(&format!("session.{second}")),
            // What an entity of the request has is never an entity, of which more could be asked.
            [first, _] if first == "agent" || first == "tool" => self.parts.add(first),
            [first, _, ..] => {
                self.parts.add(first);
                self.parts.add(OTHERS);
            }
            [first] if first == "session" => self.parts.add_session(),
            [first, ..] => self.parts.add(first),
        }
    }

    /// An entity of which parents or attributes are asked.
    fn look_up(&mut self, expr: &Expr) {
        let is_own = match expr {
            Expr::Var(Var::Principal | Var::Action | Var::Resource) => true,
            expr => context_path(expr)
                .is_some_and(|path| matches!(&*path, [one] if one == "agent" || one == "tool")),
        };
        if !is_own {
            self.parts.add(OTHERS);
        }
    }

    fn walk(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(Literal::EntityUID(uid)) if uid.ty.to_string() == "User" => self.parts.add(USERS),
            Expr::Literal(_) | Expr::Var(Var::Principal | Var::Action | Var::Resource) => {}
            Expr::Var(Var::Context) => self.everything(),
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => self.walk(expr),
            Expr::BinaryOp { op, left, right } => {
                if matches!(op, BinaryOp::In | BinaryOp::GetTag | BinaryOp::HasTag) {
                    self.look_up(left);
                }
                self.walk(left);
                self.walk(right);
            }
            Expr::GetAttr { expr: inner, .. } => match context_path(expr) {
                Some(path) => self.path(&path),
                None => {
                    self.look_up(inner);
                    self.walk(inner);
                }
            },
            Expr::HasAttr { expr: inner, attrs } => match context_path(inner) {
                Some(mut path) => {
                    path.extend(attrs.iter().map(ToString::to_string));
                    self.path(&path);
                }
                None => {
                    self.look_up(inner);
                    if attrs.len() > 1 {
                        self.parts.add(OTHERS);
                    }
                    self.walk(inner);
                }
            },
            Expr::Is { expr, in_expr, .. } => {
                self.walk(expr);
                if let Some(group) = in_expr {
                    self.look_up(expr);
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
