//! Changes counted and grouped, with a few examples of each.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Change, Kind};

/// Names that are counted one by one in a group; what comes beyond is counted together.
const MAX_NAMES: usize = 10_000;
/// Examples that are kept of each kind of change and what it comes through.
const EXAMPLES: usize = 3;

/// What changes are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The policies and rules that make the difference.
    Through,
    /// The direct roles of the user; one with several counts for each.
    Role,
    /// The user.
    User,
    /// The agent.
    Agent,
    /// The tool.
    Tool,
}

impl Group {
    /// Every group.
    pub const ALL: [Group; 5] = [Group::Through, Group::Role, Group::User, Group::Agent, Group::Tool];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Group::Through => "policy or rule",
            Group::Role => "role",
            Group::User => "user",
            Group::Agent => "agent",
            Group::Tool => "tool",
        }
    }

    fn names(self, change: &Change) -> Vec<&str> {
        match self {
            Group::Through => change.through.iter().map(String::as_str).collect(),
            Group::Role => change.roles.iter().map(String::as_str).collect(),
            Group::User => vec![&change.user],
            Group::Agent => change.agent.as_deref().into_iter().collect(),
            Group::Tool => change.tool.as_deref().into_iter().collect(),
        }
    }
}

/// How many changes of each kind.
type Counts = BTreeMap<Kind, u64>;

/// Everything that changes between two bundles on some events.
#[derive(Debug, Default)]
pub struct Differences {
    events: u64,
    malformed: u64,
    not_kept: BTreeMap<&'static str, u64>,
    counts: Counts,
    groups: BTreeMap<Group, HashMap<String, Counts>>,
    examples: BTreeMap<(Kind, String), Vec<Change>>,
}

impl Differences {
    /// Counts an event, with what changes.
    pub fn add(&mut self, change: Option<&Change>) {
        self.events += 1;
        let Some(change) = change else { return };
        *self.counts.entry(change.change).or_default() += 1;
        for group in Group::ALL {
            let counted = self.groups.entry(group).or_default();
            for name in group.names(change) {
                let full = counted.len() >= MAX_NAMES && !counted.contains_key(name);
                let name = if full { "(others)" } else { name };
                *counted.entry(name.to_owned()).or_default().entry(change.change).or_default() += 1;
            }
        }
        let full = self.examples.len() >= MAX_NAMES;
        let first = change.through.first().cloned().unwrap_or_default();
        match self.examples.get_mut(&(change.change, first.clone())) {
            Some(examples) if examples.len() < EXAMPLES => examples.push(change.clone()),
            Some(_) => {}
            None if full => {}
            None => {
                self.examples.insert((change.change, first), vec![change.clone()]);
            }
        }
    }

    /// Counts a line that is no event.
    pub fn add_malformed(&mut self) {
        self.malformed += 1;
    }

    /// Counts an event that can't be decided again, since `what` of it was not kept.
    pub fn add_not_kept(&mut self, what: &'static str) {
        *self.not_kept.entry(what).or_default() += 1;
    }

    /// Events that were compared.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Lines that are no events.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Events that could not be decided again, by what of them was not kept.
    #[must_use]
    pub fn not_kept(&self) -> &BTreeMap<&'static str, u64> {
        &self.not_kept
    }

    /// Changes of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Changes of every kind.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The names of a group with the most changes first.
    #[must_use]
    pub fn ranked(&self, group: Group) -> Vec<(&str, &BTreeMap<Kind, u64>)> {
        let mut ranked: Vec<(&str, &Counts)> = self
            .groups
            .get(&group)
            .into_iter()
            .flatten()
            .map(|(name, counts)| (name.as_str(), counts))
            .collect();
        ranked.sort_by_key(|(name, counts)| (std::cmp::Reverse(counts.values().sum::<u64>()), *name));
        ranked
    }

    /// A few changes of each kind and what they come through.
    pub fn examples(&self) -> impl Iterator<Item = &Change> {
        self.examples.values().flatten()
    }
}
