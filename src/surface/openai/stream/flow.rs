//! One text of a stream: released as soon as nothing that follows can change it.
//!
//! What is released is what the rules make of the text as it comes. The guard decides about the text when it is complete;
//! until then it is asked what it would say, once at the beginning and whenever a rule matches that has not matched before.
//! Where that is not a plain allow (a refusal, a question, an exception for this user, a pseudonym), nothing more is released
//! before the end. So what a client sees is the beginning of what it would have seen of the whole text. The same where another
//! bundle comes into force meanwhile: nothing more is released, and the end is the new one's.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::engine::{Engine, StreamScanner};
use crate::event::{Body, Stage};
use crate::guard::Revealed;
use crate::surface::openai::conversation::Conversation;
use crate::surface::openai::error::{Refusal, What};
use crate::surface::openai::wire::value_of;

/// Longest pseudonym, with its brackets.
const LONGEST_PSEUDONYM: usize = 98;

/// A text under way.
pub(super) struct Flow {
    conversation: Arc<Conversation>,
    /// By which it began.
    engine: Engine,
    has_pseudonyms: bool,
    raw: String,
    scanner: Option<StreamScanner>,
    /// What was released, before values were put in the place of pseudonyms.
    released: String,
    /// Of it, what is not handed on yet, since a pseudonym may have begun.
    tail: String,
    /// What was handed on.
    handed: String,
    seen: BTreeSet<String>,
    is_held: bool,
    is_done: bool,
}

impl Flow {
    pub(super) fn new(conversation: &Arc<Conversation>) -> Self {
        let engine = conversation.guard.engine();
        let rules = if engine.is_shadow() { engine.no_rules() } else { engine.rules_of(Stage::Output) };
        let waits = conversation.settings.detectors.iter().any(|watch| watch.looks_at(Stage::Output))
            || engine.has_output_schema(&conversation.agent);
        let mut flow = Self {
            conversation: Arc::clone(conversation),
            engine: engine.clone(),
            has_pseudonyms: engine.has_pseudonyms(""),
            raw: String::new(),
            // Where nothing is looked for, nothing is waited for.
            scanner: (!rules.is_empty()).then(|| engine.stream(&rules)),
            released: String::new(),
            tail: String::new(),
            handed: String::new(),
            seen: BTreeSet::new(),
            is_held: waits,
            is_done: false,
        };
        flow.is_held = flow.is_held || !flow.goes_on(&[]);
        flow
    }

    /// Whether the guard would let the text so far go on, with what rules replace replaced.
    fn goes_on(&self, new: &[String]) -> bool {
        if new.iter().any(|rule| self.engine.has_pseudonyms(rule)) {
            return false;
        }
        let event = self.conversation.event(Body::Output { text: Value::String(self.raw.clone()) });
        let verdict = self.conversation.guard.preview(&event);
        verdict.is_allowed() && verdict.findings.iter().all(|finding| !finding.waived)
    }

    /// Takes what comes next, and gives what can be handed on.
    pub(super) fn push(&mut self, delta: &str) -> String {
        self.raw.push_str(delta);
        self.is_held |= !self.conversation.guard.decides_by(&self.engine);
        if self.is_held {
            return String::new();
        }
        let Some(scanner) = &mut self.scanner else {
            self.released.push_str(delta);
            return self.hand(delta, false);
        };
        let released = scanner.push(delta.as_bytes());
        let found = released.findings.into_iter().map(|finding| finding.rule);
        let new: Vec<String> = found.filter(|rule| self.seen.insert(rule.clone())).collect();
        if !new.is_empty() && !self.goes_on(&new) {
            self.is_held = true;
            return String::new();
        }
        self.released.push_str(&released.text);
        self.hand(&released.text, false)
    }

    /// What is handed on of released text: with values in the place of pseudonyms.
    fn hand(&mut self, text: &str, last: bool) -> String {
        // Where no pseudonym has begun, there is none to be put something in the place of.
        let begins = self.has_pseudonyms && (!self.tail.is_empty() || text.contains('<'));
        let text = if begins {
            self.tail.push_str(text);
            let open = self.tail.rfind('<').filter(|at| {
                let rest = self.tail.get(*at..).unwrap_or_default();
                !last && !rest.contains('>') && rest.len() < LONGEST_PSEUDONYM
            });
            let held = self.tail.split_off(open.unwrap_or(self.tail.len()));
            let whole = std::mem::replace(&mut self.tail, held);
            let revealed = self.conversation.revealed(&whole);
            if !last && has_unknown(&revealed) {
                // By the end of the text it may stand for something in it.
                self.is_held = true;
                self.tail.insert_str(0, &whole);
                return String::new();
            }
            revealed.text
        } else {
            text.to_owned()
        };
        self.handed.push_str(&text);
        text
    }

    /// What came in.
    pub(super) fn raw(&self) -> &str {
        &self.raw
    }

    /// What was handed on.
    pub(super) fn handed(&self) -> &str {
        &self.handed
    }

    /// The text is complete: it is decided about, and the rest of it is given.
    pub(super) async fn finish(&mut self) -> Result<String, Box<Refusal>> {
        self.scanner = None;
        self.is_done = true;
        if self.raw.is_empty() {
            return Ok(String::new());
        }
        let conversation = Arc::clone(&self.conversation);
        let body = Body::Output { text: Value::String(self.raw.clone()) };
        let (body, _) = conversation.decide(body).await?;
        let decided = value_of(&body);
        let text = decided.as_str().unwrap_or_default();
        let Some(rest) = text.strip_prefix(&*self.released) else {
            // It came out otherwise than it began: what is left is not handed on.
            return Err(conversation.malformed(What::Output, "the answer was decided otherwise at its end"));
        };
        conversation.remember("model", decided);
        let rest = self.hand(rest, true);
        // Known as it was handed on, too.
        let _ = conversation.handed(decided);
        Ok(rest)
    }
}

/// Whether a text holds what looks like a pseudonym and is none of this session, so far.
fn has_unknown(revealed: &Revealed) -> bool {
    let behind = revealed.text.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
    behind.into_iter().any(|(name, _)| {
        let number = name.rsplit_once('_').map_or("", |(_, number)| number);
        let looks = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        looks && name.len() < LONGEST_PSEUDONYM && !revealed.kept.contains(&format!("<{name}>"))
    })
}

impl Drop for Flow {
    fn drop(&mut self) {
        // What was handed on is recorded, also where nobody wanted the rest.
        if !self.is_done && !self.handed.is_empty() {
            let event =
                self.conversation.event(Body::Output { text: Value::String(std::mem::take(&mut self.raw)) });
            let _ = self.conversation.guard.check(&event);
        }
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("bytes", &self.raw.len())
            .field("held", &self.is_held)
            .finish_non_exhaustive()
    }
}
