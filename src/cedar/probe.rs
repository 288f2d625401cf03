//! Which parts of conditions come out true and which false: each part stands beside its policy as two policies in shadow.

use std::sync::{Arc, OnceLock};

use cedar_policy::pst::{self, BinaryOp, Clause, Expr, Template, UnaryOp};
use cedar_policy::{Policy, PolicyId};

use super::reads::Reads;
use super::{Policies, PolicyEffect, PolicyInfo};

/// What the ids of probes begin with: no policy's does.
const MARK: char = '\u{0}';

/// A part of a condition.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    /// The policy.
    pub(crate) policy: usize,
    /// The part, as Cedar prints it.
    pub(crate) text: String,
}

/// What an id of a satisfied policy tells: the number of the probe, and whether its part is true. `None` where it is no probe's.
pub(crate) fn outcome(id: &str) -> Option<(usize, bool)> {
    let (number, is_true) = id.strip_prefix(MARK)?.split_once(MARK)?;
    Some((number.parse().ok()?, is_true == "true"))
}

impl Policies {
    /// The same policies with probes beside them, which are recorded like policies in shadow. `None` where Cedar refuses one.
    pub(crate) fn probed(&self) -> Option<(Policies, Vec<Probe>)> {
        let (mut list, mut index, mut probes) = (self.list.clone(), self.index.copied(), Vec::new());
        for (policy, info) in self.list.iter().enumerate() {
            let body = self.body(policy)?;
            let mut found = Found { guards: Vec::new(), parts: Vec::new() };
            for clause in body.clauses() {
                let (Clause::When(expr) | Clause::Unless(expr)) = clause;
                found.walk(expr);
                found.guards.push(match clause {
                    Clause::When(expr) => Arc::clone(expr),
                    Clause::Unless(expr) => not(expr),
                });
            }
            for (guards, part) in found.parts {
                for is_true in [true, false] {
                    let number = list.len();
                    let condition = if is_true { Arc::clone(&part) } else { not(&part) };
                    let (probe, reads) = probe(&body, number, guards.iter().cloned().chain([condition]))?;
                    index.insert(number, &probe, &reads)?;
                    let id = format!("{MARK}{}{MARK}{is_true}", probes.len());
                    list.push(PolicyInfo { id, effect: PolicyEffect::Shadow, ..info.clone() });
                }
                probes.push(Probe { policy, text: part.to_string() });
            }
        }
        let (requests, mentions) = (Arc::clone(&self.requests), Arc::clone(&self.mentions));
        Some((Policies { list, index, requests, mentions, compared: OnceLock::new() }, probes))
    }
}

fn probe(
    body: &Template,
    number: usize,
    conditions: impl Iterator<Item = Arc<Expr>>,
) -> Option<(Policy, Reads)> {
    let template = body.clone().try_with_clauses(conditions.map(Clause::When)).ok()?;
    let reads = Reads::of(&template);
    let policy = Policy::from_pst(pst::StaticPolicy::try_from(template).ok()?.into()).ok()?;
    Some((policy.new_id(PolicyId::new(number.to_string())), reads))
}

fn not(expr: &Arc<Expr>) -> Arc<Expr> {
    Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::clone(expr) })
}

/// The parts of conditions, each with what holds where it is looked at.
struct Found {
    guards: Vec<Arc<Expr>>,
    parts: Vec<(Vec<Arc<Expr>>, Arc<Expr>)>,
}

impl Found {
    fn walk(&mut self, expr: &Arc<Expr>) {
        match expr.as_ref() {
            Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
                self.walk(left);
                self.guards.push(if *op == BinaryOp::And { Arc::clone(left) } else { not(left) });
                self.walk(right);
                self.guards.pop();
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.walk(expr),
            _ => self.parts.push((self.guards.clone(), Arc::clone(expr))),
        }
    }
}
