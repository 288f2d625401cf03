//! Names for what is kept: values one behind the other, each with its length, so that no two lists of values have one name.

use std::collections::{BTreeMap, BTreeSet};

use super::reads::{OTHERS, Parts, USERS};
use super::vocabulary::AttributeValue;
use super::{Ask, Question};

/// The name of something that is kept.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// Of everything that a question is about, apart from its context: what decides which policies can apply, and what they see
    /// of the principal and the resource.
    pub(super) fn of_question(ask: &Ask<'_>) -> Self {
        let (kind, name, beside) = match ask.question {
            Question::RunAgent => (0, None, None),
            Question::CreateAgent => (1, None, None),
            Question::SendInput => (2, None, None),
            Question::SendOutput => (3, None, None),
            Question::ReadResult { tool } => (4, Some(tool), None),
            // The arguments are context.
            Question::CallTool { tool, input: _ } => (5, Some(tool), None),
            Question::CallUnlisted { tool } => (6, Some(tool), None),
            Question::Waive { rule, tool } => (7, Some(rule), tool),
            Question::Reveal { rule, tool } => (8, Some(rule), tool),
        };
        let mut key = Self::of_store(ask, [name, beside]);
        key.text(ask.agent).byte(kind).flag(ask.agent_is_new);
        key
    }

    /// Of a user as policies see it, and of entities beside it.
    pub(super) fn of_store<'a>(ask: &Ask<'_>, beside: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut key = Self(Vec::with_capacity(128));
        key.text(ask.user).option(ask.tenant);
        key.texts(ask.roles.len(), ask.roles.iter().map(String::as_str));
        key.attributes(ask.attributes);
        beside.into_iter().for_each(|text| {
            key.option(text);
        });
        key
    }

    /// Of what is read of a question's context, arguments apart. `None` where that is hardly ever the same again.
    pub(super) fn of_context(ask: &Ask<'_>, parts: Parts) -> Option<Self> {
        let mut key = Self(Vec::with_capacity(64));
        for part in parts.names() {
            match part {
                // Of the question itself.
                "agent" | "tool" => &mut key,
                // Those of the bundle are always the same, and the user is of the question.
                OTHERS | USERS => &mut key,
                "model" => key.option(ask.model),
                "stage" => key.text(ask.stage),
                "found" => key.set(ask.found),
                "packs" => key.set(ask.packs),
                "tags" => key.set(ask.tags),
                "session.labels" => {
                    let labels = ask.session.labels;
                    key.texts(labels.len(), labels.iter().map(String::as_str))
                }
                "session.calls" => key.number(ask.session.calls),
                "session.denials" => key.number(ask.session.denials),
                "session.findings" => key.number(ask.session.findings),
                "session.minutes" => key.number(ask.session.minutes),
                "session.turns" => key.number(ask.session.turns),
                // The time, tokens, and parts that are not known here.
                _ => return None,
            };
        }
        Some(key)
    }

    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.byte(u8::from(flag))
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn option(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.flag(true).text(text),
            None => self.flag(false),
        }
    }

    fn texts<'a>(&mut self, count: usize, texts: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.number(count as u64);
        for text in texts {
            self.text(text);
        }
        self
    }

    fn set(&mut self, texts: &BTreeSet<&str>) -> &mut Self {
        self.texts(texts.len(), texts.iter().copied())
    }

    fn attributes(&mut self, attributes: &BTreeMap<String, AttributeValue>) -> &mut Self {
        self.number(attributes.len() as u64);
        for (name, value) in attributes {
            self.text(name);
            match value {
                AttributeValue::String(text) => self.byte(0).text(text),
                AttributeValue::Integer(number) => self.byte(1).number(number.cast_unsigned()),
                AttributeValue::Boolean(flag) => self.byte(2).flag(*flag),
                AttributeValue::Strings(texts) => {
                    self.byte(3).texts(texts.len(), texts.iter().map(String::as_str))
                }
            };
        }
        self
    }
}
