//! What a person approves: one event as edited, once.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Guard;
use crate::engine::Evaluation;
use crate::event::{Body, Event};
use crate::session::Session;
use crate::verdict::{Decision, Reason, ReasonCode, Verdict};

/// A person's answer to a question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Approval<'a> {
    /// The number of the verdict that asked.
    asked: u64,
    by: &'a str,
}

impl Guard {
    /// Lets an event go on that a verdict asked about, because `by` has approved it. `asked` is that verdict's `seq`.
    ///
    /// The event is decided again as things are now: what is refused by now stays refused. An approval holds once, and
    /// only for the event that was asked about, with the same edits; any other is refused (`bad-event`). Questions of a
    /// session beyond the latest 64 are closed. The verdict says `ask` and enforces `allow`; the record names `by`.
    ///
    /// ```
    /// # use ringfence::{Bundle, CompileOptions, Decision, Event, Guard, User, compile};
    /// # let bundle = Bundle::from_sources("doc", [
    /// #     ("ringfence.yaml", "name: doc\nversion: 1\n"),
    /// #     ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n"),
    /// #     ("a.cedar", "@id(\"p\") permit(principal in Role::\"user\", action == Action::\"send_input\", resource);
    /// #       @id(\"a\") @effect(\"ask\") forbid(principal, action == Action::\"send_input\", resource);"),
    /// # ]);
    /// # let guard = Guard::new(compile(&bundle, &CompileOptions::default())?.engine);
    /// let event = Event::input("s", User::new("ann", ["user"]), "bot", "Buy the house");
    /// let asked = guard.check(&event);
    /// assert_eq!(asked.enforced, Decision::Ask);
    /// assert!(guard.approve(&event, asked.seq, "kim").is_allowed());
    /// assert!(!guard.approve(&event, asked.seq, "kim").is_allowed());
    /// # Ok::<(), ringfence::CompileError>(())
    /// ```
    pub fn approve(&self, event: &Event, asked: u64, by: &str) -> Verdict {
        self.decide(event, Some(Approval { asked, by })).0
    }
}

impl<'a> Approval<'a> {
    /// Who answers.
    pub(super) fn by(&self) -> &'a str {
        self.by
    }

    /// The number of the verdict that asked.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// Applies the answer to what was decided now.
    pub(super) fn apply(self, event: &Event, session: &mut Session, evaluation: &mut Evaluation) {
        let asked = session.answer(self.asked);
        if evaluation.enforced != Decision::Ask {
            return;
        }
        if asked == Some(digest(&event.with_edits(&evaluation.edits))) {
            evaluation.enforced = Decision::Allow;
            evaluation.trace.approved_by = Some(self.by.to_owned());
        } else {
            let message = "no open question is about this event as it is now";
            *evaluation = Evaluation::refuse(vec![Reason::new(ReasonCode::BadEvent, message)]);
        }
    }
}

/// What an approval is bound to: who wants what, but not when.
pub(super) fn digest(event: &Event) -> [u8; 32] {
    let body = match &event.body {
        Body::Access(access) => {
            let kind = format!("{:?}", access.kind);
            json!([kind, access.name, access.instructions, access.model, access.tools])
        }
        Body::Input { part, text } => json!([format!("{part:?}"), text]),
        Body::ToolCall { tool, call, arguments: value } | Body::ToolResult { tool, call, result: value } => {
            json!([tool, call, value])
        }
        Body::Output { text } => json!([text]),
    };
    let user = &event.user;
    let who = json!([event.session, user.id, user.roles, user.tenant, user.attributes, event.agent]);
    let bytes = json!([event.stage().name(), who, body]).to_string();
    Sha256::digest(bytes.as_bytes()).into()
}
