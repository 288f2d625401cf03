//! Retention classes as used: which one a content is of, and for how long that keeps it.

use std::collections::BTreeMap;

use super::{ClassSpec, From, RetentionSpec, Then, What};
use crate::event::Stage;

/// A retention class as compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Whether it is about the records of the audit log, and not about contents.
    pub of_records: bool,
    /// Stages; all where empty.
    pub stages: Vec<Stage>,
    /// Tags, any of which makes it match; all contents where empty.
    pub tags: Vec<String>,
    /// Agents; all where empty.
    pub agents: Vec<String>,
    /// Tools; all where empty.
    pub tools: Vec<String>,
    /// Seconds that data of it is kept; 0 means never.
    pub keep_seconds: u64,
    /// Seconds that it must be kept at least.
    pub minimum_seconds: u64,
    /// The duty behind that.
    pub duty: Option<String>,
    /// What happens then.
    pub then: Then,
    /// From when on the period runs.
    pub from: From,
    /// Seconds that it is kept of single tenants.
    pub tenants: BTreeMap<String, u64>,
}

/// What decides of which class a content is.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    /// The stage.
    pub stage: Stage,
    /// Tags of what rules found in it.
    pub tags: &'a [&'a str],
    /// The agent.
    pub agent: Option<&'a str>,
    /// The tool of a call or result.
    pub tool: Option<&'a str>,
}

impl Class {
    /// Whether a content is of this class, where no class before it takes it.
    #[must_use]
    pub fn takes(&self, data: &Data<'_>) -> bool {
        let named = |list: &[String], name: Option<&str>| {
            list.is_empty() || name.is_some_and(|name| list.iter().any(|listed| listed == name))
        };
        !self.of_records
            && (self.stages.is_empty() || self.stages.contains(&data.stage))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| data.tags.contains(&tag.as_str())))
            && named(&self.agents, data.agent)
            && named(&self.tools, data.tool)
    }

    /// Seconds that it is kept of a tenant; 0 means never.
    #[must_use]
    pub fn keep_of(&self, tenant: Option<&str>) -> u64 {
        tenant.and_then(|tenant| self.tenants.get(tenant)).copied().unwrap_or(self.keep_seconds)
    }
}

impl RetentionSpec {
    /// The classes, in order.
    pub(crate) fn classes(&self) -> Vec<Class> {
        self.classes.0.iter().map(|class| self.class(class)).collect()
    }

    fn class(&self, spec: &ClassSpec) -> Class {
        let names =
            |list: &[crate::decode::Spanned<String>]| list.iter().map(|name| name.value.clone()).collect();
        let tenants = self.tenants.0.iter().filter_map(|(tenant, periods)| {
            let (_, period) = periods.0.iter().find(|(class, _)| class.value == spec.name.value)?;
            Some((tenant.value.clone(), period.value.seconds))
        });
        Class {
            name: spec.name.value.clone(),
            of_records: spec.what == What::Audit,
            stages: spec.stages.clone(),
            tags: names(&spec.tags),
            agents: names(&spec.agents),
            tools: names(&spec.tools),
            keep_seconds: spec.keep.value.seconds,
            minimum_seconds: spec.minimum.as_ref().map_or(0, |minimum| minimum.value.seconds),
            duty: spec.duty.as_ref().map(|duty| duty.value.clone()),
            then: spec.then.as_ref().map_or_else(Then::default, |then| then.value),
            from: spec.from,
            tenants: tenants.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_that_matches_takes_it() {
        let text = "classes:\n  - { name: codes, tags: [card], keep: never }\n  - { name: pay, agents: [a], tools: [t], keep: 90d, minimum: 1d, then: shred }\n  \
                    - { name: talk, stages: [input], keep: 30d }\n  - { name: records, what: audit, keep: 400d }\n\
                    tenants: { acme: { talk: 14d } }\n";
        let (spec, problems) = crate::yaml::read::<RetentionSpec>(&"retention.yaml".into(), text);
        assert_eq!(problems, []);
        let classes = spec.unwrap().classes();
        let class = |stage, tags: &[&str], agent, tool| {
            let data = Data { stage, tags, agent, tool };
            classes.iter().find(|class| class.takes(&data)).map(|class| class.name.as_str())
        };
        assert_eq!(class(Stage::Input, &["x", "card"], Some("a"), None), Some("codes"));
        assert_eq!(class(Stage::ToolCall, &["x"], Some("a"), Some("t")), Some("pay"));
        assert_eq!(class(Stage::ToolCall, &["x"], Some("a"), None), None);
        assert_eq!(class(Stage::Input, &[], Some("b"), None), Some("talk"));
        assert_eq!(class(Stage::Output, &[], Some("b"), None), None);
        assert_eq!(classes[2].keep_of(Some("acme")), 14 * 86_400);
        assert_eq!(classes[2].keep_of(Some("other")), 30 * 86_400);
        assert_eq!((classes[1].minimum_seconds, classes[1].then), (86_400, Then::Shred));
    }
}
