//! Parts of a condition that can never be true: what Cedar's "impossible policy" does not see beside an `||`.
//!
//! Each part is made a policy of its own, with the conditions that hold wherever it is looked at, and Cedar is asked
//! whether that can ever apply.

use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Clause, Expr, Literal, UnaryOp};
use cedar_policy::{Policy, PolicyId};

use super::parse::Parsed;
use crate::diagnostic::Span;

/// Most parts of one policy that are looked at: each repeats the conditions before it.
const MAX_PARTS: usize = 128;

/// A part of a condition.
pub(super) struct Part {
    /// As a policy of its own.
    pub(super) policy: Policy,
    /// The part that it is within.
    pub(super) within: Option<usize>,
    pub(super) text: String,
}

/// The parts of a policy's conditions: alternatives, branches, and what is negated.
pub(super) fn of(parsed: &Parsed) -> Vec<Part> {
    let Ok(pst) = parsed.policy.to_pst() else { return Vec::new() };
    let body = pst.body();
    let mut found = Found { guards: Vec::new(), within: None, parts: Vec::new() };
    for clause in body.clauses() {
        match clause {
            Clause::When(expr) => {
                found.walk(expr);
                found.guards.push(Arc::clone(expr));
            }
            Clause::Unless(expr) => found.part(expr),
        }
    }
    let policy = |number: usize, conditions: Vec<Arc<Expr>>| {
        let id = PolicyId::new(format!("{}\u{0}{number}", parsed.id));
        let template = body.clone().try_with_clauses(conditions.into_iter().map(Clause::When)).ok()?;
        let policy = pst::Policy::from(pst::StaticPolicy::try_from(template).ok()?);
        Some(Policy::from_pst(policy).ok()?.new_id(id))
    };
    let parts = found.parts.into_iter().enumerate();
    parts
        .filter_map(|(number, Piece { within, expr, mut conditions })| {
            let text = expr.to_string();
            conditions.push(expr);
            Some(Part { policy: policy(number, conditions)?, within, text })
        })
        .collect()
}

/// The policy and the number of the part that an id of [`Part::policy`] stands for.
pub(super) fn number(id: &str) -> Option<(&str, usize)> {
    let (policy, number) = id.rsplit_once('\u{0}')?;
    Some((policy, number.parse().ok()?))
}

/// A part with what it is within and what holds where it is looked at.
struct Piece {
    within: Option<usize>,
    expr: Arc<Expr>,
    conditions: Vec<Arc<Expr>>,
}

struct Found {
    /// What holds wherever the walk is.
    guards: Vec<Arc<Expr>>,
    within: Option<usize>,
    parts: Vec<Piece>,
}

impl Found {
    fn part(&mut self, expr: &Arc<Expr>) {
        // `else false` is how one writes that there is no alternative.
        if matches!(expr.as_ref(), Expr::Literal(Literal::Bool(_))) {
            return;
        }
        if self.parts.len() >= MAX_PARTS {
            return;
        }
        let within = self.within;
        self.parts.push(Piece { within, expr: Arc::clone(expr), conditions: self.guards.clone() });
        self.within = Some(self.parts.len() - 1);
        self.walk(expr);
        self.within = within;
    }

    fn alternatives(&mut self, expr: &Arc<Expr>) {
        match expr.as_ref() {
            Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
                self.alternatives(left);
                self.alternatives(right);
            }
            _ => self.part(expr),
        }
    }

    fn guarded(&mut self, by: &Arc<Expr>, walk: impl FnOnce(&mut Self)) {
        self.guards.push(Arc::clone(by));
        walk(self);
        self.guards.pop();
    }

    fn walk(&mut self, expr: &Arc<Expr>) {
        match expr.as_ref() {
            Expr::BinaryOp { op: BinaryOp::Or, .. } => self.alternatives(expr),
            Expr::BinaryOp { op: BinaryOp::And, left, right } => {
                self.walk(left);
                self.guarded(left, |found| found.walk(right));
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.part(expr),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.part(cond);
                self.guarded(cond, |found| found.part(then_expr));
                self.part(else_expr);
            }
            Expr::BinaryOp { left, right, .. } => {
                self.walk(left);
                self.walk(right);
            }
            Expr::UnaryOp { expr, .. }
            | Expr::GetAttr { expr, .. }
            | Expr::HasAttr { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::Is { expr, .. } => self.walk(expr),
            Expr::Set(items) => items.iter().for_each(|item| self.walk(item)),
            Expr::Record(fields) => fields.values().for_each(|field| self.walk(field)),
            _ => {}
        }
    }
}

/// Where a part stands in its policy: its text, whatever the spacing and brackets around its own parts.
pub(super) fn span(parsed: &Parsed, text: &str) -> Span {
    let slice = parsed.source.get(parsed.span.start..parsed.span.end).unwrap_or_default();
    match place_of(slice, text) {
        Some((start, end)) => Span::new(&parsed.file, parsed.span.start + start, parsed.span.start + end),
        None => parsed.head(),
    }
}

/// Where a text of Cedar stands in another, whatever the spacing and brackets.
pub(crate) fn place_of(slice: &str, text: &str) -> Option<(usize, usize)> {
    let counts = |c: &char| !c.is_whitespace() && !matches!(c, '(' | ')');
    let wanted: String = text.chars().filter(counts).collect();
    let mut bare = String::with_capacity(slice.len());
    let mut places = Vec::with_capacity(slice.len());
    for (at, c) in slice.char_indices().filter(|(_, c)| counts(c)) {
        places.resize(bare.len() + c.len_utf8(), (at, at + c.len_utf8()));
        bare.push(c);
    }
    let found = bare.find(&wanted).filter(|_| !wanted.is_empty());
    found.and_then(|at| Some((places.get(at)?.0, places.get(at + wanted.len() - 1)?.1)))
}
