//! What the rules of the default bundle look for, as regular expressions: for baselines and peers.

use granit_parser::{Event, Parser};

/// Every pattern and phrase of these packs, in order.
///
/// A mapping's `pattern:` counts where it stands below `find:` and outside `not:` and `near:`.
pub fn of_packs(packs: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for text in packs {
        let mut walk = Walk { path: Vec::new(), found: Vec::new() };
        for event in Parser::new_from_str(text) {
            let Ok((event, _)) = event else { break };
            walk.event(&event);
        }
        all.append(&mut walk.found);
    }
    all
}

enum Level {
    /// In a mapping, with the key whose value comes next.
    Mapping(Option<String>),
    Sequence,
}

struct Walk {
    path: Vec<Level>,
    found: Vec<String>,
}

impl Walk {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::MappingStart(..) => self.path.push(Level::Mapping(None)),
            Event::SequenceStart(..) => self.path.push(Level::Sequence),
            Event::MappingEnd | Event::SequenceEnd => {
                self.path.pop();
                self.value_done();
            }
            Event::Alias(..) => self.value_done(),
            Event::Scalar(text, ..) => {
                if let Some(Level::Mapping(key @ None)) = self.path.last_mut() {
                    *key = Some(text.to_string());
                    return;
                }
                self.scalar(text);
                self.value_done();
            }
            _ => {}
        }
    }

    fn value_done(&mut self) {
        if let Some(Level::Mapping(key)) = self.path.last_mut() {
            *key = None;
        }
    }

    fn scalar(&mut self, text: &str) {
        let keys: Vec<&str> = self
            .path
            .iter()
            .filter_map(|level| match level {
                Level::Mapping(key) => key.as_deref(),
                Level::Sequence => None,
            })
            .collect();
        if !keys.contains(&"find") || keys.iter().any(|key| matches!(*key, "not" | "near")) {
            return;
        }
        match keys.last() {
            Some(&"pattern") => self.found.push(text.to_owned()),
            Some(&"phrases") => self.found.push(phrase(text)),
            _ => {}
        }
    }
}

/// Words whatever stands between them.
fn phrase(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(regex_syntax::escape).collect();
    let joined = words.join(r"[^a-zA-Z0-9]{1,64}");
    let border = |c: Option<char>| if c.is_some_and(|c| c.is_ascii_alphanumeric()) { r"\b" } else { "" };
    format!("(?i){}{joined}{}", border(text.chars().next()), border(text.chars().next_back()))
}
