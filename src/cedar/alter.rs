//! Policies with one of them changed: what tests of policies are tested by, and what explanations try.

use std::sync::{Arc, OnceLock};

use cedar_policy::pst::{
    self, ActionConstraint, BinaryOp, Clause, Expr, PrincipalConstraint, ResourceConstraint, Template,
    UnaryOp,
};
use cedar_policy::{EntityUid, Policy, PolicyId};

use super::reads::Reads;
use super::vocabulary::Vocabulary;
use super::{Policies, PolicyEffect};

/// One change to one policy.
#[derive(Debug)]
pub(crate) struct Alteration {
    /// The policy, by its number.
    pub(crate) policy: usize,
    /// What is done to it.
    pub(crate) what: &'static str,
    /// The part of it that is changed, as Cedar prints it; empty where the whole policy is.
    pub(crate) part: String,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Remove,
    Effect(PolicyEffect),
    Body(Box<Template>),
}

impl Alteration {
    /// The policy is not there.
    pub(crate) fn remove(policy: usize) -> Self {
        Self { policy, what: "removed", part: String::new(), change: Change::Remove }
    }
}

impl Policies {
    /// Every change to single policies that makes them weaker or wider: each is removed, does less, loses a part of its scope or
    /// of its conditions.
    pub(crate) fn alterations(&self) -> Vec<Alteration> {
        (0..self.list.len()).flat_map(|policy| self.alterations_of(policy)).collect()
    }

    fn alterations_of(&self, policy: usize) -> Vec<Alteration> {
        let mut all = vec![Alteration::remove(policy)];
        let (Some(info), Some(body)) = (self.list.get(policy), self.body(policy)) else { return all };
        let mut add = |what, part: String, change| all.push(Alteration { policy, what, part, change });
        match info.effect {
            PolicyEffect::Forbid => {
                add("asks instead of refusing", String::new(), Change::Effect(PolicyEffect::Ask));
            }
            PolicyEffect::Ask => {
                add("only recorded instead of asking", String::new(), Change::Effect(PolicyEffect::Shadow));
            }
            PolicyEffect::Permit | PolicyEffect::Shadow | PolicyEffect::Waiver => {}
        }
        let mut change = |what, part: String, template: Template| {
            add(what, part, Change::Body(Box::new(template)));
        };
        if body.principal != PrincipalConstraint::Any {
            let mut wider = body.clone();
            wider.principal = PrincipalConstraint::Any;
            change("for every principal", body.principal.to_string(), wider);
        }
        if body.resource != ResourceConstraint::Any {
            let mut wider = body.clone();
            wider.resource = ResourceConstraint::Any;
            change("for every resource", body.resource.to_string(), wider);
        }
        if let ActionConstraint::In(actions) = &body.action
            && actions.len() > 1
        {
            for (number, action) in actions.iter().enumerate() {
                let mut rest = actions.clone();
                rest.remove(number);
                let mut narrower = body.clone();
                narrower.action = ActionConstraint::In(rest);
                change("without an action", action.to_string(), narrower);
            }
        }
        for (number, clause) in body.clauses().iter().enumerate() {
            let with = |replaced: Option<Clause>| {
                let mut clauses = body.clauses().clone();
                match replaced {
                    Some(clause) => *clauses.get_mut(number)? = clause,
                    None => drop(clauses.remove(number)),
                }
                body.clone().try_with_clauses(clauses).ok()
            };
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            if let Some(without) = with(None) {
                change("without a condition", expr.to_string(), without);
            }
            for Variant { what, part, expr } in variants(expr) {
                let replaced = match clause {
                    Clause::When(_) => Clause::When(expr),
                    Clause::Unless(_) => Clause::Unless(expr),
                };
                if let Some(changed) = with(Some(replaced)) {
                    change(what, part, changed);
                }
            }
        }
        all
    }

    /// The same policies over other entities and actions.
    pub(crate) fn speaking(&self, vocabulary: &Vocabulary) -> Option<Policies> {
        let requests = Arc::new(super::requests(vocabulary, &self.mentions)?);
        let (list, mentions) = (self.list.clone(), Arc::clone(&self.mentions));
        Some(Policies { list, index: self.index.copied(), requests, mentions, compared: OnceLock::new() })
    }

    /// The same policies, of which nothing was asked before.
    #[cfg(test)]
    pub(super) fn afresh(&self) -> Policies {
        let (requests, mentions) = (Arc::clone(&self.requests), Arc::clone(&self.mentions));
        Policies {
            list: self.list.clone(),
            index: self.index.copied(),
            requests,
            mentions,
            compared: OnceLock::new(),
        }
    }

    /// Names of the actions that a policy is about; `None` where it is about all.
    pub(crate) fn actions_of(&self, policy: usize) -> Option<Vec<String>> {
        let name = |action: EntityUid| action.id().unescaped().to_owned();
        match self.index.policy(policy)?.action_constraint() {
            cedar_policy::ActionConstraint::Any => None,
            cedar_policy::ActionConstraint::Eq(action) => Some(vec![name(action)]),
            cedar_policy::ActionConstraint::In(actions) => Some(actions.into_iter().map(name).collect()),
        }
    }

    pub(super) fn body(&self, policy: usize) -> Option<Template> {
        Some(self.index.policy(policy)?.to_pst().ok()?.body().clone())
    }

    /// The policies with one of them changed. `None` where Cedar refuses what it has become.
    pub(crate) fn altered(&self, alteration: &Alteration) -> Option<Policies> {
        let number = alteration.policy;
        let mut list = self.list.clone();
        let with = match &alteration.change {
            Change::Remove => None,
            Change::Effect(effect) => {
                list.get_mut(number)?.effect = *effect;
                let policy = self.index.policy(number)?.clone();
                let reads = Reads::of(policy.to_pst().ok()?.body());
                Some((policy, reads))
            }
            Change::Body(template) => {
                let reads = Reads::of(template);
                let policy = pst::StaticPolicy::try_from((**template).clone()).ok()?;
                let policy = Policy::from_pst(policy.into()).ok()?;
                Some((policy.new_id(PolicyId::new(number.to_string())), reads))
            }
        };
        let index = self.index.with(number, with)?;
        let (requests, mentions) = (Arc::clone(&self.requests), Arc::clone(&self.mentions));
        Some(Policies { list, index, requests, mentions, compared: OnceLock::new() })
    }
}

/// An expression with one thing changed.
struct Variant {
    what: &'static str,
    /// What was changed or left out.
    part: String,
    expr: Arc<Expr>,
}

/// Every expression that differs from this one in one thing: a part of `&&` or `||` or an element of a set is left out, a
/// comparison takes its limit in or out.
fn variants(expr: &Arc<Expr>) -> Vec<Variant> {
    let mut all = Vec::new();
    match expr.as_ref() {
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), .. } => {
            let mut parts = Vec::new();
            flatten(expr, *op, &mut parts);
            let what =
                if *op == BinaryOp::And { "without a part of a condition" } else { "without an alternative" };
            for (number, part) in parts.iter().enumerate() {
                let mut rest = parts.clone();
                rest.remove(number);
                all.extend(join(&rest, *op).map(|expr| Variant { what, part: part.to_string(), expr }));
                for inner in variants(part) {
                    let mut changed = parts.clone();
                    if let Some(place) = changed.get_mut(number) {
                        *place = inner.expr;
                    }
                    let expr = join(&changed, *op);
                    all.extend(expr.map(|expr| Variant { what: inner.what, part: inner.part, expr }));
                }
            }
        }
        Expr::BinaryOp { op, left, right } => {
            if let Some(other) = other_side(*op) {
                let (left, right) = (Arc::clone(left), Arc::clone(right));
                let changed = Arc::new(Expr::BinaryOp { op: other, left, right });
                let part = expr.to_string();
                all.push(Variant { what: "with its limit moved by one", part, expr: changed });
            }
            let op = *op;
            let one = |left| Expr::BinaryOp { op, left, right: Arc::clone(right) };
            let two = |right| Expr::BinaryOp { op, left: Arc::clone(left), right };
            within(left, &one, &mut all);
            within(right, &two, &mut all);
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => {
            within(expr, &|expr| Expr::UnaryOp { op: UnaryOp::Not, expr }, &mut all);
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            let make = |cond: &Arc<Expr>, then_expr: &Arc<Expr>, else_expr: &Arc<Expr>| Expr::IfThenElse {
                cond: Arc::clone(cond),
                then_expr: Arc::clone(then_expr),
                else_expr: Arc::clone(else_expr),
            };
            within(cond, &|cond| make(&cond, then_expr, else_expr), &mut all);
            within(then_expr, &|then_expr| make(cond, &then_expr, else_expr), &mut all);
            within(else_expr, &|else_expr| make(cond, then_expr, &else_expr), &mut all);
        }
        Expr::Set(items) if items.len() > 1 => {
            for (number, item) in items.iter().enumerate() {
                let mut rest = items.clone();
                rest.remove(number);
                let expr = Arc::new(Expr::Set(rest));
                all.push(Variant { what: "without an element of a set", part: item.to_string(), expr });
            }
        }
        // Literals, variables and attributes have no parts that can be left out.
        _ => {}
    }
    all
}

fn within(inner: &Arc<Expr>, wrap: &dyn Fn(Arc<Expr>) -> Expr, all: &mut Vec<Variant>) {
    for Variant { what, part, expr } in variants(inner) {
        all.push(Variant { what, part, expr: Arc::new(wrap(expr)) });
    }
}

fn flatten(expr: &Arc<Expr>, op: BinaryOp, parts: &mut Vec<Arc<Expr>>) {
    match expr.as_ref() {
        Expr::BinaryOp { op: own, left, right } if *own == op => {
            flatten(left, op, parts);
            flatten(right, op, parts);
        }
        _ => parts.push(Arc::clone(expr)),
    }
}

fn join(parts: &[Arc<Expr>], op: BinaryOp) -> Option<Arc<Expr>> {
    let joined = |left, right: &Arc<Expr>| Arc::new(Expr::BinaryOp { op, left, right: Arc::clone(right) });
    let (first, rest) = parts.split_first()?;
    Some(rest.iter().fold(Arc::clone(first), joined))
}

/// The same comparison with the limit on the other side.
fn other_side(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Less => BinaryOp::LessEq,
        BinaryOp::LessEq => BinaryOp::Less,
        BinaryOp::Greater => BinaryOp::GreaterEq,
        BinaryOp::GreaterEq => BinaryOp::Greater,
        BinaryOp::DecimalLessThan => BinaryOp::DecimalLessEq,
        BinaryOp::DecimalLessEq => BinaryOp::DecimalLessThan,
        BinaryOp::DecimalGreater => BinaryOp::DecimalGreaterEq,
        BinaryOp::DecimalGreaterEq => BinaryOp::DecimalGreater,
        _ => return None,
    })
}
