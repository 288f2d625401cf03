//! Policies by scope.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use cedar_policy::pst;
use cedar_policy::{
    ActionConstraint, Authorizer, Entities, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    Request, ResourceConstraint,
};

use super::kept::Kept;
use super::key::Key;
use super::reads::{Arguments, OTHERS, Parts, Reads, USERS};
use super::request::Scope;

/// Number of an entity that some scope names; 0 stands for "anything".
type Number = u32;

/// Policies by what their scope names.
pub(super) struct Index {
    numbers: HashMap<EntityUid, Number>,
    buckets: HashMap<(Number, Number, Number), Arc<Bucket>>,
    /// Whether some policy names a user. Otherwise users of the same roles and attributes are one to all of them.
    names_users: bool,
    /// The policies of several buckets that were candidates together, as one.
    merged: Kept<Vec<usize>, Bucket>,
    /// What is known of questions that were asked before.
    asked: Kept<Key, Asked>,
}

/// Most sets of candidates that are kept; with more, they are made anew.
const MAX_MERGED: usize = 256;
/// Most questions of which something is kept.
const MAX_ASKED: usize = 1024;
/// Most answers to one question that are kept: one for each context that was read.
const MAX_ANSWERS: usize = 32;

/// What is known of a question, whatever its context and arguments.
pub(super) struct Asked {
    pub(super) scope: Scope,
    /// The policies that can apply.
    pub(super) candidates: Arc<Bucket>,
    /// The entities that it is about.
    own: OnceLock<Option<Arc<Entities>>>,
    /// What those that read no arguments said, by what they read of the context.
    answers: Kept<Key, Outcome>,
}

/// The policies that are satisfied, and those that can't be evaluated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) satisfied: Vec<usize>,
    pub(super) erring: Vec<usize>,
}

/// The policies of one scope: those that read no arguments, and those that do.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    number: usize,
    plain: Set,
    reading: Set,
}

/// One policy by itself.
pub(super) struct Single<'a> {
    pub(super) number: usize,
    policy: &'a Policy,
    pub(super) needs: Needs<'a>,
}

/// Policies that are evaluated together.
///
/// All are stored as permits: Cedar's answer then lists every one that is satisfied, where a forbid would hide the
/// permits beside it. What each really does is known from its number.
#[derive(Clone, Default)]
pub(super) struct Set {
    policies: Vec<usize>,
    set: PolicySet,
    parts: Parts,
    arguments: BTreeSet<String>,
    all_arguments: bool,
    /// What each policy reads, in the order of `policies`.
    reads: Vec<(Parts, Arguments)>,
}

/// What of the context a set reads.
pub(super) struct Needs<'a> {
    pub(super) parts: Parts,
    pub(super) arguments: BTreeSet<&'a str>,
    pub(super) all_arguments: bool,
}

impl<'a> Needs<'a> {
    pub(super) fn of(set: &'a Set) -> Self {
        let arguments = set.arguments.iter().map(String::as_str).collect();
        Needs { parts: set.parts, arguments, all_arguments: set.all_arguments }
    }

    #[cfg(test)]
    pub(super) fn everything() -> Needs<'static> {
        Needs { parts: Parts::ALL, arguments: BTreeSet::new(), all_arguments: true }
    }
}

impl Index {
    /// Of policies as [`as_permit`] gives them. `None` where Cedar refuses to rebuild one, which it parsed itself.
    pub(super) fn new<'p>(policies: impl Iterator<Item = (Option<Policy>, &'p Reads)>) -> Option<Self> {
        let mut index = Self::of(HashMap::new(), HashMap::new(), false);
        for (number, (stored, reads)) in policies.enumerate() {
            let stored = stored?;
            index.insert(number, &stored, reads)?;
        }
        Some(index)
    }

    fn of(
        numbers: HashMap<EntityUid, Number>,
        buckets: HashMap<(Number, Number, Number), Arc<Bucket>>,
        names_users: bool,
    ) -> Self {
        Self { numbers, buckets, names_users, merged: Kept::new(MAX_MERGED), asked: Kept::new(MAX_ASKED) }
    }

    /// Puts a policy into the buckets of its scope.
    pub(super) fn insert(&mut self, number: usize, stored: &Policy, reads: &Reads) -> Option<()> {
        // What was kept was said without it.
        (self.merged, self.asked) = (Kept::new(MAX_MERGED), Kept::new(MAX_ASKED));
        self.names_users |= reads.parts.has(USERS)
            || match stored.principal_constraint() {
                PrincipalConstraint::Any | PrincipalConstraint::Is(_) => false,
                PrincipalConstraint::In(uid)
                | PrincipalConstraint::Eq(uid)
                | PrincipalConstraint::IsIn(_, uid) => is_user(&uid),
            };
        for key in self.keys(stored) {
            let next = self.buckets.len();
            let bucket = self
                .buckets
                .entry(key)
                .or_insert_with(|| Arc::new(Bucket { number: next, ..Bucket::default() }));
            let bucket = Arc::make_mut(bucket);
            let set = if reads.input { &mut bucket.reading } else { &mut bucket.plain };
            set.add(number, stored.clone(), reads.parts, &reads.arguments)?;
        }
        Some(())
    }

    /// Whether some policy names a user, or has named one.
    pub(super) fn names_users(&self) -> bool {
        self.names_users
    }

    /// The same index, without what it keeps.
    pub(super) fn copied(&self) -> Self {
        Self::of(self.numbers.clone(), self.buckets.clone(), self.names_users)
    }

    /// The same index with another policy in place of one, or none.
    pub(super) fn with(&self, number: usize, policy: Option<(Policy, Reads)>) -> Option<Self> {
        let mut index = self.copied();
        for bucket in index.buckets.values_mut().filter(|bucket| bucket.has(number)) {
            *bucket = Arc::new(bucket.without(number)?);
        }
        if let Some((policy, reads)) = policy {
            index.insert(number, &policy, &reads)?;
        }
        Some(index)
    }

    /// A policy as it is stored.
    pub(super) fn policy(&self, number: usize) -> Option<&Policy> {
        let id = PolicyId::new(number.to_string());
        let bucket = self.buckets.values().find(|bucket| bucket.has(number))?;
        bucket.sets().find_map(|set| set.set.policy(&id))
    }

    /// A policy as it is stored, in JSON, and what it reads.
    #[cfg(test)]
    pub(super) fn stored(&self, number: usize) -> Option<(String, Reads)> {
        let id = PolicyId::new(number.to_string());
        let mut sets = self.buckets.values().flat_map(|bucket| bucket.sets());
        sets.find_map(|set| {
            let at = set.policies.iter().position(|policy| *policy == number)?;
            let (parts, arguments) = set.reads.get(at)?.clone();
            let input = self.buckets.values().any(|bucket| bucket.reading.policies.contains(&number));
            Some((set.set.policy(&id)?.to_json().ok()?.to_string(), Reads { parts, arguments, input }))
        })
    }

    /// How many questions, and how many answers to them, are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        let asked = self.asked.all();
        (asked.len(), asked.iter().map(|asked| asked.answers.all().len()).sum())
    }

    fn number(&mut self, uid: EntityUid) -> Number {
        let next = Number::try_from(self.numbers.len() + 1).unwrap_or(Number::MAX);
        *self.numbers.entry(uid).or_insert(next)
    }

    fn keys(&mut self, policy: &Policy) -> Vec<(Number, Number, Number)> {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => 0,
            PrincipalConstraint::In(uid)
            | PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::IsIn(_, uid) => self.number(uid),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => 0,
            ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
                self.number(uid)
            }
        };
        let mut actions = match policy.action_constraint() {
            ActionConstraint::Any => vec![0],
            ActionConstraint::Eq(uid) => vec![self.number(uid)],
            ActionConstraint::In(uids) => uids.into_iter().map(|uid| self.number(uid)).collect(),
        };
        actions.sort_unstable();
        actions.dedup();
        actions.into_iter().map(|action| (principal, action, resource)).collect()
    }

    /// The policies whose scope can match these actions and resources, whoever asks.
    pub(super) fn reach(&self, actions: &[EntityUid], resources: &[EntityUid]) -> Vec<usize> {
        let numbers = |uids: &[EntityUid]| -> Vec<Number> {
            std::iter::once(0).chain(uids.iter().filter_map(|uid| self.numbers.get(uid).copied())).collect()
        };
        let (actions, resources) = (numbers(actions), numbers(resources));
        let matching = self
            .buckets
            .iter()
            .filter(|((_, action, resource), _)| actions.contains(action) && resources.contains(resource));
        matching.flat_map(|(_, bucket)| bucket.sets().flat_map(Set::policies).collect::<Vec<_>>()).collect()
    }

    /// What is known of a question; `None` where it is about what does not exist, or Cedar refuses to put policies together.
    pub(super) fn asked(&self, key: Key, scope: impl FnOnce() -> Option<Scope>) -> Option<Arc<Asked>> {
        self.asked.get(key, || {
            let scope = scope()?;
            let candidates = self.merged(&self.candidates(&scope))?;
            Some(Asked { scope, candidates, own: OnceLock::new(), answers: Kept::new(MAX_ANSWERS) })
        })
    }

    /// The policies of some buckets as one.
    fn merged(&self, buckets: &[&Bucket]) -> Option<Arc<Bucket>> {
        let key = buckets.iter().map(|bucket| bucket.number).collect();
        self.merged.get(key, || {
            let mut merged = Bucket::default();
            for bucket in buckets {
                for (from, to) in [(&bucket.plain, &mut merged.plain), (&bucket.reading, &mut merged.reading)]
                {
                    for (number, (parts, arguments)) in from.policies.iter().zip(&from.reads) {
                        // A policy that names several actions stands in several buckets.
                        if !to.policies.contains(number) {
                            let policy = from.set.policy(&PolicyId::new(number.to_string()))?;
                            to.add(*number, policy.clone(), *parts, arguments)?;
                        }
                    }
                }
            }
            Some(merged)
        })
    }

    /// The buckets whose scope can match.
    pub(super) fn candidates(&self, scope: &Scope) -> Vec<&Bucket> {
        let numbers = |uids: &[EntityUid]| -> Vec<Number> {
            std::iter::once(0).chain(uids.iter().filter_map(|uid| self.numbers.get(uid).copied())).collect()
        };
        let principals = numbers(&scope.principals);
        let actions = numbers(&scope.actions);
        let resources = numbers(&scope.resources);
        let mut found = Vec::new();
        for principal in &principals {
            for action in &actions {
                for resource in &resources {
                    found.extend(self.buckets.get(&(*principal, *action, *resource)).map(|bucket| &**bucket));
                }
            }
        }
        found
    }
}

impl Bucket {
    /// What the policies that read no arguments read of the context.
    pub(super) fn plain_parts(&self) -> Parts {
        self.plain.parts
    }

    fn has(&self, number: usize) -> bool {
        self.sets().any(|set| set.policies.contains(&number))
    }

    fn without(&self, number: usize) -> Option<Self> {
        let (plain, reading) = (self.plain.without(number)?, self.reading.without(number)?);
        Some(Self { number: self.number, plain, reading })
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = &Set> {
        self.plain().into_iter().chain(self.reading())
    }

    pub(super) fn plain(&self) -> Option<&Set> {
        (!self.plain.policies.is_empty()).then_some(&self.plain)
    }

    pub(super) fn reading(&self) -> Option<&Set> {
        (!self.reading.policies.is_empty()).then_some(&self.reading)
    }
}

impl Set {
    fn add(&mut self, number: usize, policy: Policy, parts: Parts, arguments: &Arguments) -> Option<()> {
        self.set.add(policy).ok()?;
        self.policies.push(number);
        self.parts = self.parts.union(parts);
        self.reads.push((parts, arguments.clone()));
        match arguments {
            Arguments::These(names) => self.arguments.extend(names.iter().cloned()),
            Arguments::All => self.all_arguments = true,
        }
        Some(())
    }

    fn without(&self, number: usize) -> Option<Self> {
        let mut rest = Set::default();
        for (policy, (parts, arguments)) in self.policies.iter().zip(&self.reads) {
            if *policy != number {
                let id = PolicyId::new(policy.to_string());
                rest.add(*policy, self.set.policy(&id)?.clone(), *parts, arguments)?;
            }
        }
        Some(rest)
    }

    pub(super) fn policies(&self) -> impl Iterator<Item = usize> {
        self.policies.iter().copied()
    }

    /// Each policy by itself.
    pub(super) fn singles(&self) -> impl Iterator<Item = Single<'_>> {
        self.policies.iter().zip(&self.reads).filter_map(|(number, (parts, arguments))| {
            let policy = self.set.policy(&PolicyId::new(number.to_string()))?;
            let (arguments, all_arguments) = match arguments {
                Arguments::These(names) => (names.iter().map(String::as_str).collect(), false),
                Arguments::All => (BTreeSet::new(), true),
            };
            let needs = Needs { parts: *parts, arguments, all_arguments };
            Some(Single { number: *number, policy, needs })
        })
    }

    /// Whether its policies look at entities beyond those that a request is about.
    pub(super) fn looks_at_others(&self) -> bool {
        self.parts.has(OTHERS)
    }

    /// What its policies say.
    pub(super) fn evaluate(&self, request: &Request, entities: &Entities) -> Outcome {
        let response = Authorizer::new().is_authorized(request, &self.set, entities);
        let satisfied = response.diagnostics().reason().filter_map(number).collect();
        let erring = response
            .diagnostics()
            .errors()
            .filter_map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
                number(error.policy_id())
            })
            .collect();
        Outcome { satisfied, erring }
    }
}

impl Asked {
    /// The entities that it is about, made once.
    pub(super) fn own(&self, make: impl FnOnce() -> Option<Entities>) -> Option<Arc<Entities>> {
        self.own.get_or_init(|| make().map(Arc::new)).clone()
    }

    /// What the policies that read no arguments say, made if it is not kept.
    ///
    /// Policies are functions of the question, which this is of, and of what they read of its context, of which the key is.
    pub(super) fn plain(&self, key: Option<Key>, make: impl FnOnce(&Set) -> Outcome) -> Option<Arc<Outcome>> {
        let set = self.candidates.plain()?;
        match key {
            Some(key) => self.answers.get(key, || Some(make(set))),
            None => Some(Arc::new(make(set))),
        }
    }
}

impl Single<'_> {
    /// Whether it is satisfied; `None` where it can't be evaluated.
    pub(super) fn evaluate(&self, request: &Request, entities: &Entities) -> Option<bool> {
        let mut set = PolicySet::new();
        set.add(self.policy.clone()).ok()?;
        let response = Authorizer::new().is_authorized(request, &set, entities);
        let erred = response.diagnostics().errors().next().is_some();
        (!erred).then(|| response.diagnostics().reason().next().is_some())
    }
}

fn is_user(uid: &EntityUid) -> bool {
    uid.type_name().to_string() == "User"
}

fn number(id: &PolicyId) -> Option<usize> {
    AsRef::<str>::as_ref(id).parse().ok()
}

/// A policy that [`as_permit`] gave, from its JSON.
pub(super) fn from_json(json: serde_json::Value, number: usize) -> Option<Policy> {
    Policy::from_json(Some(PolicyId::new(number.to_string())), json).ok()
}

/// The same policy as a permit under its number, without annotations and source text.
pub(super) fn as_permit(policy: &Policy, number: usize) -> Option<Policy> {
    let body = policy.to_pst().ok()?.body().clone();
    let mut template = body.with_annotations(Default::default()).with_id(number.to_string().as_str().into());
    template.effect = pst::Effect::Permit;
    let stored = pst::StaticPolicy::try_from(template).ok()?;
    Policy::from_pst(stored.into()).ok()
}
