//! The only door: evaluate, fail closed, advance the session, record.

mod approval;
mod candidate;
mod reload;
mod resolver;
mod reveal;
mod sessions;
mod trial;
mod watch;

pub use candidate::Candidate;
pub use reload::{Reload, ReloadError};
pub use resolver::{FileSystem, NoLinks, Resolver};
pub use reveal::{Revealed, To};
pub use trial::Return;
pub use watch::Watch;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use serde_json::Value;

use self::approval::Approval;
use self::candidate::Beside;
use self::reload::InForce;
use self::sessions::{Kept, Sessions};
use self::trial::{Returns, Trial};
use crate::audit::{ApprovalRecord, AuditError, AuditSink, Content, ENGINE, Record, SessionEndRecord};
use crate::engine::{CreatedAgent, Engine, Evaluation, ResolvedPaths, Situation, Trace};
use crate::event::{AccessKind, Body, Event};
use crate::rule::From as PeriodFrom;
use crate::session::Session;
#[cfg(feature = "audit")]
use crate::signed::Trust;
use crate::text;
use crate::verdict::{Decision, Reason, ReasonCode, Verdict};

/// Most sessions that are held, where the host does not say: the ones unused for longest make room for a new one.
const MAX_SESSIONS: usize = 100_000;
/// Most agents that are created in one guard's lifetime.
const MAX_CREATED: usize = 100_000;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// An engine with its sessions and its audit log. Every event of every agent goes through [`Guard::check`].
///
/// Whatever fails inside is a deny with a reason of its own. Events of one session are decided one after the other,
/// whichever threads they come from; those of different sessions side by side.
pub struct Guard {
    /// Loaded once for each event, which it decides from beginning to end.
    in_force: ArcSwap<InForce>,
    /// Held while another bundle takes its place.
    reloading: Mutex<()>,
    /// Decides every event too, and changes nothing.
    candidate: ArcSwapOption<Beside>,
    /// How the bundle in force does, where it may still be taken back.
    trial: ArcSwapOption<Trial>,
    returns: Mutex<Returns>,
    #[cfg(feature = "audit")]
    trust: Option<Trust>,
    sink: Option<Arc<dyn AuditSink>>,
    clock: Arc<dyn Clock>,
    time_limit: TimeLimit,
    resolver: Arc<dyn Resolver>,
    sessions: Mutex<Sessions>,
    created: Mutex<Created>,
}

/// What an event is decided by, for as long as that takes.
type Held = arc_swap::Guard<Arc<InForce>>;

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("bundle", &self.in_force.load().engine.bundle_digest())
            .finish_non_exhaustive()
    }
}

/// Whether deciding is limited in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeLimit {
    OfTheBundle,
    None,
}

/// Agents that were created while the guard ran.
#[derive(Default)]
struct Created {
    by_name: HashMap<String, CreatedAgent>,
    /// Every name as it looks, also of agents that are just being recorded.
    taken: HashSet<String>,
}

/// Makes a [`Guard`].
pub struct GuardBuilder {
    engine: Engine,
    #[cfg(feature = "audit")]
    trust: Option<Trust>,
    sink: Option<Arc<dyn AuditSink>>,
    clock: Arc<dyn Clock>,
    time_limit: TimeLimit,
    resolver: Arc<dyn Resolver>,
    max_sessions: usize,
}

impl std::fmt::Debug for GuardBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardBuilder").finish_non_exhaustive()
    }
}

impl GuardBuilder {
    /// Lets no later bundle take the place of the engine's but signed ones; see [`Guard::signed`] for the first.
    #[cfg(feature = "audit")]
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Where records go. Without a sink there are none.
    #[must_use]
    pub fn sink(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// The clock that stamps events without a time of their own.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What says where paths lead: the file system, unless tools run somewhere else.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// The most sessions that are held at once, otherwise 100,000: what bounds memory. Those unused for longest make room for new
    /// ones; one of them that goes on starts as one whose history is not known (`session_default_labels`).
    #[must_use]
    pub fn max_sessions(mut self, most: usize) -> Self {
        self.max_sessions = most.max(1);
        self
    }

    /// Lets an event take as long as it takes: for tests and evaluation of files, which must not depend on the machine.
    #[must_use]
    pub fn no_time_limit(mut self) -> Self {
        self.time_limit = TimeLimit::None;
        self
    }

    /// The guard.
    #[must_use]
    pub fn build(self) -> Guard {
        let Self { engine, sink, clock, time_limit, resolver, max_sessions, .. } = self;
        Guard {
            #[cfg(feature = "audit")]
            trust: self.trust,
            in_force: ArcSwap::from_pointee(InForce::new(engine)),
            reloading: Mutex::default(),
            candidate: ArcSwapOption::empty(),
            trial: ArcSwapOption::empty(),
            returns: Mutex::default(),
            sink,
            clock,
            time_limit,
            resolver,
            sessions: Mutex::new(Sessions::new(max_sessions)),
            created: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while a session was locked is answered with a deny; what the session holds was not half changed, since it
    // is advanced in one step after deciding.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guard {
    /// A guard with the system's clock and no audit log.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self::builder(engine).build()
    }

    /// A guard to be configured.
    #[must_use]
    pub fn builder(engine: Engine) -> GuardBuilder {
        GuardBuilder {
            engine,
            #[cfg(feature = "audit")]
            trust: None,
            sink: None,
            clock: Arc::new(SystemClock),
            time_limit: TimeLimit::OfTheBundle,
            resolver: Arc::new(FileSystem),
            max_sessions: MAX_SESSIONS,
        }
    }

    /// The engine that decides now. It stays as it is; after a [`Guard::reload`] the guard has another one.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.in_force.load().engine.clone()
    }

    /// An agent that was created while the guard ran.
    pub(crate) fn created_agent(&self, name: &str) -> Option<CreatedAgent> {
        lock(&self.created).by_name.get(name).cloned()
    }

    /// The same, also from a clock that panics.
    fn stamp(&self) -> Timestamp {
        catch_unwind(AssertUnwindSafe(|| self.clock.now())).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// What its clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the guard knows of a session; `None` where it holds none of this id.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<Session> {
        let kept = lock(&self.sessions).known(id)?;
        let session = lock(&kept).session.clone();
        Some(session)
    }

    /// How many sessions are held.
    #[must_use]
    pub fn held_sessions(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Forgets a session: its next event starts a new one. Where a retention class counts from the end of sessions, that is recorded.
    ///
    /// # Errors
    /// When it can't be; such contents then count as ended a day after the session's last event. The session is forgotten all the
    /// same.
    pub fn end_session(&self, id: &str) -> Result<(), AuditError> {
        let known = lock(&self.sessions).forget(id);
        let counts =
            self.in_force.load().engine.retention().iter().any(|class| class.from == PeriodFrom::SessionEnd);
        match &self.sink {
            Some(sink) if known && counts && sink.keeps_contents() => {
                let at = self.stamp();
                write(
                    sink.as_ref(),
                    &Record::SessionEnd(SessionEndRecord { at, session: id, engine: ENGINE }),
                )
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Retention classes that the bundle keeps contents of and of which none is kept, because the guard has no sink that keeps any
    /// (a log needs a payload key). A host should know.
    #[must_use]
    pub fn unkept_classes(&self) -> Vec<String> {
        if self.sink.as_ref().is_some_and(|sink| sink.keeps_contents()) {
            return Vec::new();
        }
        let held = self.in_force.load();
        let kept = held.engine.retention().iter().filter(|class| !class.of_records && class.keep_seconds > 0);
        kept.map(|class| class.name.clone()).collect()
    }

    /// Decides one event, advances its session and writes the record.
    ///
    /// A verdict that nobody looks at protects nobody: where unused results are errors, that is one.
    ///
    /// ```compile_fail
    /// #![deny(unused_must_use)]
    /// fn act(guard: &ringfence::Guard, event: &ringfence::Event) {
    ///     guard.check(event);
    /// }
    /// ```
    ///
    /// ```
    /// #![deny(unused_must_use)]
    /// fn act(guard: &ringfence::Guard, event: &ringfence::Event) -> bool {
    ///     guard.check(event).is_allowed()
    /// }
    /// ```
    pub fn check(&self, event: &Event) -> Verdict {
        self.examine(event).0
    }

    /// Decides an event as one line of JSON. What is no event is refused.
    pub fn check_json(&self, line: &str) -> Verdict {
        match Event::from_json(line) {
            Ok(event) => self.check(&event),
            Err(error) => self.refuse_malformed(None, &error.to_string()),
        }
    }

    /// Refuses what is no event, and records that; where the session is known, it counts there. `message` must not repeat
    /// what was read.
    pub fn refuse_malformed(&self, session: Option<&str>, message: &str) -> Verdict {
        let known = session.map(|id| self.session_of(id));
        let (mut known, held) = match known.as_deref().map(|session| self.enter(session)) {
            Some((kept, held)) => (Some(kept), held),
            None => (None, self.in_force.load()),
        };
        let seq = known.as_mut().map_or(0, |kept| kept.refused());
        let evaluation = Evaluation::refuse(vec![Reason::new(ReasonCode::BadEvent, message)]);
        let (mut verdict, trace) = verdict(&held, None, seq, evaluation);
        verdict.session = session.map(str::to_owned);
        let at = self.stamp();
        self.record(&held, at, None, None, verdict, &trace)
    }

    /// The same as [`Guard::check`], with what happened on the way.
    pub fn examine(&self, event: &Event) -> (Verdict, Trace) {
        self.decide(event, None)
    }

    /// What would be decided about an event as things are. Nothing is recorded and nothing advances: for what is not complete
    /// yet, and decided about later.
    pub fn preview(&self, event: &Event) -> Verdict {
        let session = self.session_of(&event.session);
        let (kept, held) = self.enter(&session);
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let at = event.at.unwrap_or_else(|| self.clock.now());
            self.evaluate(&held.engine, self.limit(&held.engine), event, &kept.session, at)
        }));
        let evaluation = evaluated.unwrap_or_else(|_| Evaluation::refuse(vec![panicked_deciding()]));
        verdict(&held, Some(event), kept.session.seq, evaluation).0
    }

    fn decide(&self, event: &Event, approval: Option<Approval<'_>>) -> (Verdict, Trace) {
        let session = self.session_of(&event.session);
        // Held until the session has advanced: of two calls at once, the second sees the labels of the first.
        let (mut kept, held) = self.enter(&session);
        let seq = kept.begin();
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let at = event.at.unwrap_or_else(|| self.clock.now());
            (at, self.evaluate(&held.engine, self.limit(&held.engine), event, &kept.session, at))
        }));
        let (at, mut evaluation) = decided.unwrap_or_else(|_| {
            (event.at.unwrap_or(Timestamp::UNIX_EPOCH), Evaluation::refuse(vec![panicked_deciding()]))
        });
        let beside = self.decide_beside(&held, event, &mut kept, at, &mut evaluation);
        if let Some(approval) = approval {
            approval.apply(event, &mut kept.session, &mut evaluation);
            if self.record_approval(&held, &approval, event, seq, at, &evaluation).is_err() {
                let reason =
                    Reason::new(ReasonCode::AuditFailed, "the record of this approval could not be written");
                evaluation = Evaluation::refuse(vec![reason]);
            }
        }
        let creates = match self.reserve(event, &evaluation) {
            Ok(creates) => creates,
            Err(reason) => {
                evaluation = Evaluation::refuse(vec![*reason]);
                None
            }
        };
        let denied = evaluation.enforced == Decision::Deny;
        let pseudonyms = std::mem::take(&mut evaluation.pseudonyms);
        let (verdict, trace) = verdict(&held, Some(event), seq, evaluation);
        // The record comes first: an event that can't be recorded has not happened.
        let tenant = held.engine.0.tenant_of(event, &kept.session).map(str::to_owned);
        let verdict = self.record(&held, at, Some(event), tenant.as_deref(), verdict, &trace);
        pseudonyms.into_iter().for_each(|pseudonym| kept.session.remember_pseudonym(pseudonym));
        if let Some(name) = creates {
            self.create(name, &verdict);
        }
        sessions::advance(&held.engine, &mut kept.session, event, &verdict, verdict.findings.len(), at);
        if let Some((beside, found)) = beside {
            kept.advance_beside(&beside, event, &verdict, found, at);
        }
        if verdict.enforced == Decision::Ask {
            kept.session.ask(seq, approval::digest(&event.with_edits(&verdict.edits)));
        }
        drop(kept);
        self.count(&held, &event.user.id, denied);
        (verdict, trace)
    }

    /// How long a bundle may take to decide.
    fn limit(&self, engine: &Engine) -> Option<Duration> {
        match self.time_limit {
            TimeLimit::OfTheBundle => Some(Duration::from_millis(engine.0.limits.decide_ms)),
            TimeLimit::None => None,
        }
    }

    fn evaluate(
        &self,
        engine: &Engine,
        limit: Option<Duration>,
        event: &Event,
        session: &Session,
        at: Timestamp,
    ) -> Evaluation {
        let created = event.agent.as_ref().and_then(|agent| lock(&self.created).by_name.get(agent).cloned());
        let paths = self.resolve(engine, event);
        let (started, ready) = (Instant::now(), text::ready::spent());
        // Without what was made ready once for all events.
        let taken = || started.elapsed().saturating_sub(text::ready::spent().saturating_sub(ready));
        let stop = || limit.is_some_and(|limit| taken() >= limit);
        let created = created.as_ref();
        let situation =
            Situation { session, created, at, paths: &paths, stop: &stop, scans: None, without: None };
        let evaluation = engine.evaluate(event, &situation);
        if stop() {
            let reason = Reason::new(ReasonCode::TimeLimit, "deciding took longer than the bundle allows");
            return Evaluation::refuse(vec![reason]);
        }
        evaluation
    }

    /// Where the paths of an event lead. One that can't be resolved is not stated, and so refused.
    fn resolve(&self, engine: &Engine, event: &Event) -> ResolvedPaths {
        let mut resolved = ResolvedPaths::new();
        for (field, path) in engine.paths_to_resolve(event) {
            if let Ok(leads) = self.resolver.resolve(&path) {
                resolved.insert(field, leads);
            }
        }
        resolved
    }

    /// A session to itself, and the bundle by which its event is decided. Taken in this order, a session never goes back to a
    /// bundle before the one that it has seen, unless that one is taken back for everybody.
    fn enter<'s>(&self, session: &'s Mutex<Kept>) -> (MutexGuard<'s, Kept>, Held) {
        let mut kept = lock(session);
        let held = self.in_force.load();
        // It begins as the bundle says that decides its first event.
        if kept.session.seq == 0 {
            kept.session.labels = held.engine.0.default_labels.iter().cloned().collect();
        }
        (kept, held)
    }

    fn session_of(&self, id: &str) -> Arc<Mutex<Kept>> {
        lock(&self.sessions).of(id)
    }

    /// The name of an agent that is about to be created, which nobody else can take from here on.
    fn reserve(&self, event: &Event, evaluation: &Evaluation) -> Result<Option<String>, Box<Reason>> {
        let Body::Access(access) = &event.body else { return Ok(None) };
        if access.kind != AccessKind::Create || evaluation.enforced != Decision::Allow {
            return Ok(None);
        }
        let edited = event.with_edits(&evaluation.edits);
        let Body::Access(edited) = &edited.body else { return Ok(None) };
        let name = edited.name.as_deref().unwrap_or_default().trim().to_owned();
        let mut created = lock(&self.created);
        if created.taken.len() >= MAX_CREATED {
            return Err(Box::new(Reason::new(ReasonCode::Limit, "too many agents have been created")));
        }
        if !created.taken.insert(text::folded(&name)) {
            let field = Some("/access/name".to_owned());
            let reason = Reason::new(ReasonCode::BadEvent, "an agent of this name has been created before");
            return Err(Box::new(Reason { field, ..reason }));
        }
        Ok(Some(name))
    }

    /// Once its creation is allowed and recorded, the guard knows an agent.
    fn create(&self, name: String, verdict: &Verdict) {
        let mut created = lock(&self.created);
        if verdict.is_allowed() {
            let tools = verdict.tools.iter().flatten().cloned().collect();
            created.by_name.insert(name, CreatedAgent { tools });
        } else {
            created.taken.remove(&text::folded(&name));
        }
    }

    /// Writes the record; a verdict without a record is a deny.
    fn record(
        &self,
        held: &InForce,
        at: Timestamp,
        event: Option<&Event>,
        tenant: Option<&str>,
        mut verdict: Verdict,
        trace: &Trace,
    ) -> Verdict {
        let Some(sink) = &self.sink else { return verdict };
        let written = held.announce(sink.as_ref(), at).and_then(|()| {
            let written = catch_unwind(AssertUnwindSafe(|| {
                let keeps = event.filter(|_| sink.keeps_contents());
                let content = keeps.and_then(|event| Content::of(&held.engine, event, tenant, &verdict, at));
                let sealed = content.map(|content| sink.seal(&content)).transpose()?.flatten();
                let kept = sealed.as_ref().map(|sealed| sealed.kept.clone());
                let record = Record::verdict(at, &held.engine, event, &verdict, trace, sink.digest_key());
                sink.write_with(&record.keeping(kept.as_ref()), sealed)
            }));
            written.unwrap_or_else(|_| Err(panicked()))
        });
        if written.is_err() {
            let reason =
                Reason::new(ReasonCode::AuditFailed, "the record of this event could not be written");
            verdict.decision = Decision::Deny;
            verdict.enforced = Decision::Deny;
            verdict.edits.clear();
            verdict.tools = verdict.tools.map(|_| Vec::new());
            verdict.message = Some(reason.message.clone());
            verdict.reasons.insert(0, reason);
        }
        verdict
    }

    fn record_approval(
        &self,
        held: &InForce,
        approval: &Approval<'_>,
        event: &Event,
        seq: u64,
        at: Timestamp,
        evaluation: &Evaluation,
    ) -> Result<(), AuditError> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let counted = evaluation.trace.approved_by.is_some();
        let (by, asked, session) = (approval.by(), approval.asked(), event.session.as_str());
        held.announce(sink.as_ref(), at)?;
        let record = ApprovalRecord { at, by, session, asked, seq, counted, engine: ENGINE };
        write(sink.as_ref(), &Record::Approval(record))
    }

    /// Records an event of the host's own: a login that failed, a key that was replaced. `details` is kept but for members
    /// that the bundle calls sensitive; it is not searched by any rule, so put no text of users or models there.
    ///
    /// # Errors
    /// When the record could not be written, or the details are longer than 4 KiB or hold an integer beyond 2^53. Without a
    /// sink nothing is kept.
    pub fn report(&self, kind: &str, details: &Value) -> Result<(), AuditError> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let at = self.stamp();
        let held = self.in_force.load();
        let record = Record::security_event(at, &held.engine, kind, details)?;
        held.announce(sink.as_ref(), at)?;
        write(sink.as_ref(), &record)
    }

    /// Whether the bundle lets verdicts be returned before their records are durable.
    #[must_use]
    pub fn is_audit_batched(&self) -> bool {
        self.in_force.load().engine.is_audit_batched()
    }
}

fn verdict(held: &InForce, event: Option<&Event>, seq: u64, evaluation: Evaluation) -> (Verdict, Trace) {
    let Evaluation { decision, enforced, reasons, findings, edits, tools, shadow, trace, .. } = evaluation;
    let message = match enforced {
        Decision::Allow => None,
        Decision::Ask | Decision::Deny => reasons.first().map(|reason| reason.message.clone()),
    };
    let verdict = Verdict {
        session: event.map(|event| event.session.clone()),
        seq,
        stage: event.map(Event::stage),
        decision,
        enforced,
        reasons,
        findings,
        edits,
        message,
        tools,
        shadow,
        bundle: held.engine.bundle_digest().to_owned(),
    };
    (verdict, trace)
}

/// Writes a record; a panic of the sink is a failure like any other.
fn write(sink: &dyn AuditSink, record: &Record<'_>) -> Result<(), AuditError> {
    catch_unwind(AssertUnwindSafe(|| sink.write(record))).unwrap_or_else(|_| Err(panicked()))
}

fn panicked_deciding() -> Reason {
    Reason::new(ReasonCode::Panic, "deciding failed unexpectedly")
}

fn panicked() -> AuditError {
    AuditError::Other("the sink panicked".to_owned())
}
