//! Whether earlier classes together take everything that a class names.

use std::collections::BTreeSet;

use super::ClassSpec;
use crate::decode::Spanned;
use crate::event::Stage;

/// Most combinations that are tried; beyond them nothing is said.
const MAX_TRIED: usize = 200_000;

/// Whether everything that `class` matches matches one of `earlier`.
pub(super) fn by_all(class: &ClassSpec, earlier: &[ClassSpec]) -> bool {
    let earlier: Vec<&ClassSpec> = earlier.iter().filter(|one| one.what == class.what).collect();
    let texts = |list: &[Spanned<String>]| list.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
    // Data with one of the class's tags is the hardest to cover: further tags only match more classes.
    let dimensions = [
        kinds(stages(class), &earlier, |one| one.stages.clone()),
        kinds(&texts(&class.tags), &earlier, |one| texts(&one.tags)),
        kinds(&texts(&class.agents), &earlier, |one| texts(&one.agents)),
        kinds(&texts(&class.tools), &earlier, |one| texts(&one.tools)),
    ];
    let tried: usize = dimensions.iter().map(BTreeSet::len).product();
    let [stages, tags, agents, tools] = &dimensions;
    tried <= MAX_TRIED
        && stages.iter().all(|stage| {
            tags.iter().all(|tag| {
                agents.iter().all(|agent| {
                    tools.iter().all(|tool| {
                        let all = stage.iter().zip(tag).zip(agent).zip(tool);
                        all.into_iter().any(|(((stage, tag), agent), tool)| *stage && *tag && *agent && *tool)
                    })
                })
            })
        })
}

/// The stages of a class: all where it lists none.
fn stages(class: &ClassSpec) -> &[Stage] {
    if class.stages.is_empty() { &Stage::ALL } else { &class.stages }
}

/// The values of one list of a class, as which of the earlier classes take them; where it lists none, data may have any
/// value, and one that nobody lists at the least.
fn kinds<T: PartialEq>(
    own: &[T],
    earlier: &[&ClassSpec],
    list: impl Fn(&ClassSpec) -> Vec<T>,
) -> BTreeSet<Vec<bool>> {
    let lists: Vec<Vec<T>> = earlier.iter().map(|one| list(one)).collect();
    if own.is_empty() {
        return BTreeSet::from([lists.iter().map(Vec::is_empty).collect()]);
    }
    let takes = |value: &T| lists.iter().map(|list| list.is_empty() || list.contains(value)).collect();
    own.iter().map(takes).collect()
}

#[cfg(test)]
mod tests {
    use crate::rule::retention::RetentionSpec;

    use super::*;

    fn covered(text: &str) -> bool {
        let (spec, problems) = crate::yaml::read::<RetentionSpec>(&"retention.yaml".into(), text);
        assert_eq!(problems, []);
        let classes = spec.unwrap().classes.0;
        let (last, earlier) = classes.split_last().unwrap();
        by_all(last, earlier)
    }

    #[test]
    fn several_classes_cover_one_together() {
        let rows = |rows: &[&str]| {
            rows.iter().enumerate().fold("classes:\n".to_owned(), |text, (number, row)| {
                format!("{text}  - {{ name: c{number}, keep: 1d, {row} }}\n")
            })
        };
        assert!(covered(&rows(&["stages: [input]", "stages: [output]", "stages: [input, output]"])));
        assert!(!covered(&rows(&["stages: [input]", "stages: [input, output]"])));
        assert!(covered(&rows(&[
            "stages: [access, input]",
            "stages: [tool_call, tool_result, output]",
            "tags: [a]"
        ])));
        assert!(covered(&rows(&["tags: [a]", "tags: [b]", "tags: [a, b], agents: [x]"])));
        assert!(!covered(&rows(&["tags: [a]", "tags: [b]", "agents: [x]"])));
        assert!(covered(&rows(&[
            "stages: [input], tags: [a]",
            "stages: [output]",
            "stages: [input, output], tags: [a]"
        ])));
        assert!(!covered(&rows(&[
            "stages: [input], tags: [a]",
            "stages: [output]",
            "stages: [input, output]"
        ])));
        assert!(!covered(&rows(&["what: audit", "stages: [input]"])));
    }
}
