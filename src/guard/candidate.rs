//! A bundle that is tried beside the one in force: it decides every event too, and changes nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::Serialize;

use super::reload::InForce;
use super::sessions::Kept;
use super::{Guard, ReloadError, lock, panicked_deciding, write};
use crate::audit::{CandidateRecord, ENGINE, Record};
use crate::bundle::Bundle;
use crate::compile::Compiled;
use crate::diagnostic::Diagnostic;
use crate::engine::{Engine, Evaluation, Kind, Otherwise, otherwise};
use crate::event::Event;
use crate::verdict::ReasonCode;

/// Names of policies and rules that are counted one by one; what comes beyond is counted together.
const MAX_NAMES: usize = 1000;

/// What a candidate has done otherwise so far. How often in all, and through which policy, rule or reason code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Digest of the candidate.
    pub bundle: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Since when it is tried.
    pub since: Timestamp,
    /// Events that it has decided too.
    pub events: u64,
    /// Events that it could not decide within the time limit of the bundle in force, where its own is longer. They are not compared.
    pub unfinished: u64,
    /// Events that it would have decided otherwise, by how.
    pub changes: BTreeMap<Kind, u64>,
    /// The same by what makes the difference; one event may count for several.
    pub through: BTreeMap<String, BTreeMap<Kind, u64>>,
}

impl Candidate {
    /// Events that it would have decided otherwise.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changes.values().sum()
    }

    /// For people: one line with the counts, and one for each name that makes a difference, the most frequent first.
    #[must_use]
    pub fn text(&self) -> String {
        let counted = |counts: &BTreeMap<Kind, u64>| {
            let all: Vec<String> =
                counts.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
            all.join(", ")
        };
        let Self { name, version, events, .. } = self;
        let mut out = match self.changed() {
            0 => format!("candidate {name} {version}: {events} events, none would be decided otherwise"),
            changed => format!(
                "candidate {name} {version}: {changed} of {events} events would be decided otherwise: {}",
                counted(&self.changes)
            ),
        };
        if self.unfinished > 0 {
            out.push_str(&format!("; {} took too long and were not compared", self.unfinished));
        }
        let mut ranked: Vec<_> = self.through.iter().collect();
        ranked.sort_by_key(|(name, counts)| (std::cmp::Reverse(counts.values().sum::<u64>()), *name));
        for (name, counts) in ranked {
            out.push_str(&format!("\n  {name}: {}", counted(counts)));
        }
        out
    }
}

/// A candidate at work.
pub(super) struct Beside {
    /// Another one for each that a guard tries.
    pub(super) number: u64,
    pub(super) engine: Engine,
    since: Timestamp,
    events: AtomicU64,
    unfinished: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    changes: BTreeMap<Kind, u64>,
    through: BTreeMap<String, BTreeMap<Kind, u64>>,
}

impl Counts {
    fn add(&mut self, change: &Otherwise) {
        *self.changes.entry(change.change).or_default() += 1;
        for name in &change.through {
            let full = self.through.len() >= MAX_NAMES && !self.through.contains_key(name);
            let name = if full { "(others)" } else { name };
            *self.through.entry(name.to_owned()).or_default().entry(change.change).or_default() += 1;
        }
    }
}

impl Beside {
    fn new(engine: Engine, since: Timestamp) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            engine,
            since,
            events: AtomicU64::new(0),
            unfinished: AtomicU64::new(0),
            counts: Mutex::default(),
        }
    }

    fn read(&self) -> Candidate {
        let counts = lock(&self.counts);
        Candidate {
            bundle: self.engine.bundle_digest().to_owned(),
            name: self.engine.name().to_owned(),
            version: self.engine.version().to_owned(),
            since: self.since,
            events: self.events.load(Ordering::Relaxed),
            unfinished: self.unfinished.load(Ordering::Relaxed),
            changes: counts.changes.clone(),
            through: counts.through.clone(),
        }
    }
}

impl Guard {
    /// Tries a bundle beside the one in force: from here on it decides every event too, and what it would have done otherwise is
    /// counted ([`Guard::candidate`]), told ([`Trace::candidate`]) and marked in the event's record. It never changes a verdict: nor does a
    /// panic inside, nor taking too long. One that was tried before makes room. What its author should know is returned.
    ///
    /// The candidate finds each session as a [`Guard::reload`] would; from there on it has its own labels, findings and pseudonyms
    /// of it, of what really happened. So a call that only the candidate would refuse still counts as made.
    ///
    /// Each event is decided a second time before its verdict is returned. That takes at most the time limit of the bundle in
    /// force (`decide_ms`) once more, and a second copy of each session.
    ///
    /// [`Trace::candidate`]: crate::engine::Trace::candidate
    ///
    /// ```
    /// # use ringfence::{Bundle, CompileOptions, Event, Guard, User, compile};
    /// # use ringfence::engine::Kind;
    /// # fn bundle(policy: &str) -> Bundle { Bundle::from_sources("doc", [
    /// #     ("ringfence.yaml", "name: doc\nversion: 1\n"),
    /// #     ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n"),
    /// #     ("a.cedar", policy),
    /// # ]) }
    /// let live = bundle(
    ///     r#"@id("p") permit(principal, action in [Action::"run_agent", Action::"send_input"], resource);"#,
    /// );
    /// let guard = Guard::new(compile(&live, &CompileOptions::default())?.engine);
    /// guard.try_candidate(&bundle(r#"@id("p") permit(principal, action == Action::"run_agent", resource);"#)).expect("it loads");
    /// let event = Event::input("s", User::new("ann", ["user"]), "bot", "hello");
    /// assert!(guard.check(&event).is_allowed());
    /// assert_eq!(guard.candidate().expect("there is one").changes[&Kind::NewlyDenied], 1);
    /// # Ok::<(), ringfence::CompileError>(())
    /// ```
    ///
    /// # Errors
    /// When it does not compile, is not trusted, or the log can't be told of it. One that was tried before stays.
    pub fn try_candidate(&self, bundle: &Bundle) -> Result<Vec<Diagnostic>, ReloadError> {
        let _one = lock(&self.reloading);
        #[cfg(feature = "audit")]
        self.trust.as_ref().map(|trust| trust.check(bundle)).transpose()?;
        let Compiled { engine, warnings } = self.compile_as_now(bundle)?;
        self.try_engine(engine)?;
        Ok(warnings)
    }

    /// The same with the bundle of a folder or packed file.
    ///
    /// # Errors
    /// As [`Guard::try_candidate`], also where it can't be read.
    pub fn try_candidate_path(&self, path: &Path) -> Result<Vec<Diagnostic>, ReloadError> {
        self.try_candidate(&Bundle::read(path)?)
    }

    fn try_engine(&self, engine: Engine) -> Result<(), ReloadError> {
        let at = self.stamp();
        if let Some(sink) = &self.sink {
            self.in_force.load().announce(sink.as_ref(), at).map_err(ReloadError::Audit)?;
            write(sink.as_ref(), &Record::candidate_loaded(at, &engine)).map_err(ReloadError::Audit)?;
        }
        self.leave_candidate();
        self.candidate.store(Some(Arc::new(Beside::new(engine, at))));
        Ok(())
    }

    /// What the candidate has done otherwise so far; `None` where none is tried.
    #[must_use]
    pub fn candidate(&self) -> Option<Candidate> {
        self.candidate.load().as_deref().map(Beside::read)
    }

    /// Ends the trial of a candidate, and gives its last counts. They are recorded.
    pub fn end_candidate(&self) -> Option<Candidate> {
        let _one = lock(&self.reloading);
        self.leave_candidate()
    }

    /// The same while reloading is locked.
    pub(super) fn leave_candidate(&self) -> Option<Candidate> {
        let last = self.candidate.swap(None)?.read();
        lock(&self.sessions).forget_beside();
        if let Some(sink) = &self.sink {
            let record = CandidateRecord {
                at: self.stamp(),
                bundle: &last.bundle,
                events: last.events,
                unfinished: last.unfinished,
                changes: last.changes.clone(),
                engine: ENGINE,
            };
            // A sink that fails here refuses the next event itself.
            let _ = write(sink.as_ref(), &Record::CandidateEnded(record));
        }
        Some(last)
    }

    /// Has the candidate decide an event too, and notes what it would do otherwise in the trace of `live`. Gives how much it found.
    pub(super) fn decide_beside(
        &self,
        held: &InForce,
        event: &Event,
        kept: &mut Kept,
        at: Timestamp,
        live: &mut Evaluation,
    ) -> Option<(Arc<Beside>, usize)> {
        let Some(candidate) = self.candidate.load_full() else {
            kept.forget_beside();
            return None;
        };
        let engine = &candidate.engine;
        let (own, most) = (self.limit(engine), self.limit(&held.engine));
        let session = kept.beside(&candidate);
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let mut evaluation = self.evaluate(engine, own.min(most), event, session, at);
            let pseudonyms = std::mem::take(&mut evaluation.pseudonyms);
            pseudonyms.into_iter().for_each(|pseudonym| session.remember_pseudonym(pseudonym));
            evaluation
        }));
        let evaluation = decided.unwrap_or_else(|_| Evaluation::refuse(vec![panicked_deciding()]));
        candidate.events.fetch_add(1, Ordering::Relaxed);
        let found = evaluation.findings.len();
        if own > most && evaluation.reasons.iter().any(|reason| reason.code == ReasonCode::TimeLimit) {
            candidate.unfinished.fetch_add(1, Ordering::Relaxed);
            return Some((candidate, found));
        }
        let both_in_shadow = held.engine.is_shadow() && engine.is_shadow();
        if let Some(change) = otherwise(engine.bundle_digest(), both_in_shadow, live, &evaluation) {
            lock(&candidate.counts).add(&change);
            live.trace.candidate = Some(Box::new(change));
        }
        Some((candidate, found))
    }
}
