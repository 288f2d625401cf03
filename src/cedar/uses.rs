//! How a policy uses attributes: every path from `principal`, `resource` and `context`, and what it is compared with.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, Template, Var};

/// Where a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    Principal,
    Resource,
    Context,
}

impl Root {
    pub(super) fn name(self) -> &'static str {
        match self {
            Root::Principal => "principal",
            Root::Resource => "resource",
            Root::Context => "context",
        }
    }
}

/// What a policy does with an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// Looks at it, or whether it is there.
    Read,
    /// Compares it with a text.
    Value(String),
    /// Compares its elements with a text.
    Element(String),
    /// Matches it with a pattern, in which `None` is a wildcard.
    Like(Vec<Option<char>>),
}

/// One use of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) root: Root,
    pub(super) path: Vec<String>,
    pub(super) how: How,
    /// The actions that conditions around it leave; all that the scope reaches where `None`.
    pub(super) actions: Option<BTreeSet<String>>,
}

/// Every use of an attribute in the conditions of a policy, each once.
pub(super) fn of(body: &Template) -> BTreeSet<Use> {
    let mut uses = BTreeSet::new();
    let mut actions = None;
    for clause in body.clauses() {
        if let Clause::When(expr) = clause {
            actions = both(actions, implied(expr));
        }
    }
    for clause in body.clauses() {
        match clause {
            Clause::When(expr) | Clause::Unless(expr) => walk(expr, &actions, &mut uses),
        }
    }
    uses
}

type Actions = Option<BTreeSet<String>>;

fn both(one: Actions, other: Actions) -> Actions {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.intersection(&other).cloned().collect()),
        (one, other) => one.or(other),
    }
}

/// The actions of which one must be asked about for `expr` to be true.
fn implied(expr: &Expr) -> Actions {
    let id = |expr: &Expr| match expr {
        Expr::Literal(Literal::EntityUID(id)) => Some(id.eid.to_string()),
        _ => None,
    };
    let Expr::BinaryOp { op, left, right } = expr else { return None };
    match op {
        BinaryOp::And => both(implied(left), implied(right)),
        BinaryOp::Eq if **left == Expr::Var(Var::Action) => Some(BTreeSet::from([id(right)?])),
        BinaryOp::Eq if **right == Expr::Var(Var::Action) => Some(BTreeSet::from([id(left)?])),
        BinaryOp::In if **left == Expr::Var(Var::Action) => match right.as_ref() {
            Expr::Set(items) => items.iter().map(|item| id(item)).collect(),
            one => Some(BTreeSet::from([id(one)?])),
        },
        _ => None,
    }
}

fn walk(expr: &Expr, actions: &Actions, uses: &mut BTreeSet<Use>) {
    let mut note = |(root, path): (Root, Vec<String>), how: How| {
        uses.insert(Use { root, path, how, actions: actions.clone() });
    };
    match expr {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            let actions = both(actions.clone(), implied(expr));
            walk(left, &actions, uses);
            walk(right, &actions, uses);
        }
        Expr::BinaryOp { op, left, right } => {
            let compared: &[(&Expr, &Expr)] = match op {
                BinaryOp::Eq
                | BinaryOp::NotEq
                | BinaryOp::Contains
                | BinaryOp::ContainsAny
                | BinaryOp::ContainsAll => &[(left, right), (right, left)],
                _ => &[],
            };
            for (attribute, literal) in compared {
                let Some(place) = path(attribute) else { continue };
                let of_text = matches!(op, BinaryOp::Eq | BinaryOp::NotEq);
                for (text, in_set) in texts(literal) {
                    // `["a"].contains(path)` compares the value, `path.contains("a")` an element.
                    let element = match op {
                        BinaryOp::Contains => !in_set,
                        _ => !of_text || in_set,
                    };
                    note(place.clone(), if element { How::Element(text) } else { How::Value(text) });
                }
            }
            walk(left, actions, uses);
            walk(right, actions, uses);
        }
        Expr::Like { expr, pattern } => {
            if let Some(place) = path(expr) {
                let pattern = pattern.iter().map(|element| match element {
                    PatternElem::Char(c) => Some(*c),
                    PatternElem::Wildcard => None,
                });
                note(place, How::Like(pattern.collect()));
            }
            walk(expr, actions, uses);
        }
        Expr::GetAttr { expr: inner, .. } => match path(expr) {
            Some(place) => note(place, How::Read),
            None => walk(inner, actions, uses),
        },
        Expr::HasAttr { expr: inner, attrs } => match path(inner) {
            Some((root, mut path)) => {
                path.extend(attrs.iter().map(ToString::to_string));
                note((root, path), How::Read);
            }
            None => walk(inner, actions, uses),
        },
        Expr::UnaryOp { expr, .. } => walk(expr, actions, uses),
        Expr::Is { expr, in_expr, .. } => {
            walk(expr, actions, uses);
            if let Some(group) = in_expr {
                walk(group, actions, uses);
            }
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            walk(cond, actions, uses);
            walk(then_expr, &both(actions.clone(), implied(cond)), uses);
            walk(else_expr, actions, uses);
        }
        Expr::Set(items) => items.iter().for_each(|item| walk(item, actions, uses)),
        Expr::Record(fields) => fields.values().for_each(|field| walk(field, actions, uses)),
        // Literals and variables alone; other kinds are left to Cedar's own checks.
        _ => {}
    }
}

/// The texts of a literal, and whether they are elements of a set.
fn texts(expr: &Expr) -> Vec<(String, bool)> {
    match expr {
        Expr::Literal(Literal::String(text)) => vec![(text.to_string(), false)],
        Expr::Set(items) => items
            .iter()
            .filter_map(|item| match item.as_ref() {
                Expr::Literal(Literal::String(text)) => Some((text.to_string(), true)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// `context.a.b` as where it starts and `["a", "b"]`, through literal records: `{x: context.a}.x.b` is the same.
fn path(expr: &Expr) -> Option<(Root, Vec<String>)> {
    match expr {
        Expr::Var(Var::Principal) => Some((Root::Principal, Vec::new())),
        Expr::Var(Var::Resource) => Some((Root::Resource, Vec::new())),
        Expr::Var(Var::Context) => Some((Root::Context, Vec::new())),
        Expr::GetAttr { expr: inner, attr } => {
            if let Some(field) = field(inner, attr) {
                return path(field);
            }
            let (root, mut path) = path(inner)?;
            path.push(attr.to_string());
            Some((root, path))
        }
        _ => None,
    }
}

/// What stands under a name of a literal record.
fn field<'e>(expr: &'e Expr, name: &str) -> Option<&'e Expr> {
    match expr {
        Expr::Record(fields) => fields.get(name).map(AsRef::as_ref),
        Expr::GetAttr { expr, attr } => field(field(expr, attr)?, name),
        _ => None,
    }
}
