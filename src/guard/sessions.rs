//! The sessions that a guard holds, and how they advance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::candidate::Beside;
use crate::engine::Engine;
use crate::event::{Access, AccessKind, Body, Event, InputPart, User};
use crate::session::{Run, Session};
use crate::verdict::Verdict;

/// Every session that is held, with when it was last used.
pub(super) struct Sessions {
    by_id: HashMap<String, (Arc<Mutex<Kept>>, u64)>,
    uses: u64,
    most: usize,
}

/// A session, and the same as a candidate would have it.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) session: Session,
    /// With the number of the candidate.
    beside: Option<(u64, Box<Session>)>,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Self {
        Self { by_id: HashMap::new(), uses: 0, most }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// A session that is held.
    pub(super) fn known(&self, id: &str) -> Option<Arc<Mutex<Kept>>> {
        self.by_id.get(id).map(|(kept, _)| Arc::clone(kept))
    }

    /// Whether it was held.
    pub(super) fn forget(&mut self, id: &str) -> bool {
        self.by_id.remove(id).is_some()
    }

    /// A session, new where none is held.
    pub(super) fn of(&mut self, id: &str) -> Arc<Mutex<Kept>> {
        self.uses += 1;
        let uses = self.uses;
        if let Some((kept, used)) = self.by_id.get_mut(id) {
            *used = uses;
            return Arc::clone(kept);
        }
        if self.by_id.len() >= self.most {
            // Rarely and all at once: the older half makes room.
            let mut ages: Vec<u64> = self.by_id.values().map(|(_, used)| *used).collect();
            let middle = ages.len() / 2;
            let (_, median, _) = ages.select_nth_unstable(middle);
            let median = *median;
            self.by_id.retain(|_, (kept, used)| *used >= median || Arc::strong_count(kept) > 1);
        }
        let kept = Arc::new(Mutex::new(Kept::default()));
        self.by_id.insert(id.to_owned(), (Arc::clone(&kept), uses));
        kept
    }

    /// Forgets what sessions would be with a candidate that is gone. One that is in use just now does so with its next event.
    pub(super) fn forget_beside(&self) {
        for (kept, _) in self.by_id.values() {
            if let Ok(mut kept) = kept.try_lock() {
                kept.beside = None;
            }
        }
    }
}

impl Kept {
    /// The number of the event that begins.
    pub(super) fn begin(&mut self) -> u64 {
        self.session.seq = self.session.seq.saturating_add(1);
        self.session.seq
    }

    /// Counts a line that is no event, and gives its number.
    pub(super) fn refused(&mut self) -> u64 {
        for session in [Some(&mut self.session), self.beside.as_mut().map(|(_, session)| &mut **session)] {
            let Some(session) = session else { continue };
            session.seq = session.seq.saturating_add(1);
            session.denials = session.denials.saturating_add(1);
        }
        self.session.seq
    }

    /// The session as the candidate has it: at its first event there, as it is, which is what a reload would find.
    pub(super) fn beside(&mut self, candidate: &Beside) -> &mut Session {
        let session = &self.session;
        if self.beside.as_ref().is_none_or(|(number, _)| *number != candidate.number) {
            let mut copy = session.clone();
            if session.seq <= 1 {
                copy.labels = candidate.engine.0.default_labels.iter().cloned().collect();
            }
            self.beside = Some((candidate.number, Box::new(copy)));
        }
        let (_, beside) = self.beside.get_or_insert_default();
        beside.seq = session.seq;
        beside
    }

    /// Advances what the candidate has by what was enforced, which is not what the candidate says.
    pub(super) fn advance_beside(
        &mut self,
        candidate: &Beside,
        event: &Event,
        verdict: &Verdict,
        findings: usize,
        at: Timestamp,
    ) {
        advance(&candidate.engine, self.beside(candidate), event, verdict, findings, at);
    }

    /// Forgets what a candidate that is gone has left.
    pub(super) fn forget_beside(&mut self) {
        self.beside = None;
    }
}

/// Advances a session by what was enforced; `findings` and labels are those of this engine.
pub(super) fn advance(
    engine: &Engine,
    session: &mut Session,
    event: &Event,
    verdict: &Verdict,
    findings: usize,
    at: Timestamp,
) {
    session.started.get_or_insert(at);
    session.findings = session.findings.saturating_add(findings as u64);
    session.tokens = session.tokens.saturating_add(event.tokens.unwrap_or(0));
    if !verdict.is_allowed() {
        session.denials = session.denials.saturating_add(1);
        return;
    }
    let stated = &event.user;
    let states = stated.roles.is_some() || stated.tenant.is_some() || stated.attributes.is_some();
    // Event after event states the same.
    if states && session.user.as_ref() != Some(stated) {
        let earlier = session.user.take().filter(|earlier| earlier.id == stated.id).unwrap_or_default();
        session.user = Some(User {
            id: stated.id.clone(),
            roles: stated.roles.clone().or(earlier.roles),
            tenant: stated.tenant.clone().or(earlier.tenant),
            attributes: stated.attributes.clone().or(earlier.attributes),
        });
    }
    match &event.body {
        Body::Access(Access { kind: AccessKind::Run, model, .. }) => {
            if let Some(agent) = &event.agent {
                let offered = verdict.tools.iter().flatten().cloned().collect();
                session.runs.insert(agent.clone(), Run { model: model.clone(), offered });
            }
        }
        Body::Access(_) => {}
        Body::Input { part: InputPart::User, .. } => session.turns = session.turns.saturating_add(1),
        Body::ToolCall { tool, call, .. } => {
            session.calls = session.calls.saturating_add(1);
            if let Some(call) = call {
                session.remember_call(call, tool);
            }
            label(engine, session, tool);
        }
        // Also here: a result may come from a call that this guard has not seen.
        Body::ToolResult { tool, .. } => label(engine, session, tool),
        Body::Input { .. } | Body::Output { .. } => {}
    }
}

fn label(engine: &Engine, session: &mut Session, tool: &str) {
    let engine = &*engine.0;
    let reads = match engine.tools.get(tool) {
        Some(tool) => Some(&tool.reads),
        None => engine.unlisted_reads.as_ref(),
    };
    session.labels.extend(reads.into_iter().flatten().cloned());
}
