//! Another bundle in the place of the one in force, while events are decided.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::trial::{Return, Share, Trial};
use super::{Guard, lock, write};
use crate::audit::{AuditError, AuditSink, Record};
use crate::bundle::{Bundle, LoadError};
use crate::compile::{CompileError, CompileOptions, Compiled, compile};
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
#[cfg(feature = "audit")]
use crate::guard::GuardBuilder;
#[cfg(feature = "audit")]
use crate::signed::{Trust, Untrusted};

/// The engine that decides, and whether the log knows of it.
pub(super) struct InForce {
    pub(super) engine: Engine,
    /// How much of the latest it has refused.
    pub(super) share: Share,
    announced: AtomicBool,
    announcing: Mutex<()>,
}

impl InForce {
    pub(super) fn new(engine: Engine) -> Self {
        let share = Share::default();
        Self { engine, share, announced: AtomicBool::new(false), announcing: Mutex::default() }
    }

    /// Tells the log which bundle decides, before its first verdict.
    pub(super) fn announce(&self, sink: &dyn AuditSink, at: Timestamp) -> Result<(), AuditError> {
        if self.announced.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one = lock(&self.announcing);
        if !self.announced.load(Ordering::Acquire) {
            write(sink, &Record::bundle_loaded(at, &self.engine))?;
            self.announced.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// What became of a reload.
#[derive(Debug, Clone)]
#[must_use]
pub enum Reload {
    /// The bundle says what the one in force says.
    Unchanged,
    /// It is in force.
    Replaced {
        /// Digest of the bundle before.
        from: String,
        /// Digest of the bundle that decides now.
        to: String,
        /// What its author should know.
        warnings: Vec<Diagnostic>,
    },
}

/// Why a bundle did not take the place of the one in force, which stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It can't be read.
    #[error("the bundle can't be read; the old one stays")]
    Load(#[from] LoadError),
    /// It does not compile.
    #[error("the bundle does not compile; the old one stays")]
    Compile {
        /// The bundle, for excerpts.
        bundle: Box<Bundle>,
        /// What is wrong with it.
        #[source]
        error: CompileError,
    },
    /// The guard requires signatures, and this is none of what it trusts.
    #[cfg(feature = "audit")]
    #[error("the bundle is not trusted; the old one stays")]
    Untrusted(#[from] Untrusted),
    /// It wants its records durable before verdicts are returned, and the log was opened for one that does not.
    #[error(
        "the bundle says `audit: sync`, and the log was opened for one that says `batched`; the old one stays until the program is started anew"
    )]
    Durability,
    /// It was taken back, since it refused far more than the one before it (`reload: return_when` of its manifest).
    #[error(
        "the bundle refused {} of {} events, and the one before it {} of {}: it was taken back, and is not taken again until it changes",
        .0.denied, .0.events, .0.denied_before, .0.events_before
    )]
    Returned(Box<Return>),
    /// The log can't be told.
    #[error("the audit log can't be told of the bundle; the old one stays")]
    Audit(#[source] AuditError),
}

impl ReloadError {
    /// What a record names: the codes of diagnostics, or one word for what is wrong with the whole.
    fn codes(&self) -> Vec<&str> {
        match self {
            Self::Load(_) => vec!["unreadable"],
            Self::Compile { error, .. } => {
                let errors = error.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
                errors.map(|diagnostic| diagnostic.code.name()).collect()
            }
            #[cfg(feature = "audit")]
            Self::Untrusted(untrusted) => vec![untrusted.code()],
            Self::Durability => vec!["audit-sync"],
            Self::Returned(_) => vec!["returned"],
            Self::Audit(_) => Vec::new(),
        }
    }
}

#[cfg(feature = "audit")]
impl Guard {
    /// A guard that uses no bundle but signed ones: this one, which is checked like all later ones.
    ///
    /// # Errors
    /// When it is not trusted, or does not compile.
    pub fn signed(
        bundle: &Bundle,
        options: &CompileOptions,
        trust: Trust,
    ) -> Result<GuardBuilder, ReloadError> {
        let checked = trust.check(bundle)?;
        let compiled = compile(bundle, options)
            .map_err(|error| ReloadError::Compile { bundle: Box::new(bundle.clone()), error })?;
        trust.remember(&checked)?;
        Ok(GuardBuilder { trust: Some(trust), ..Guard::builder(compiled.engine) })
    }
}

impl Guard {
    /// Whether this engine, and no later one, decides now: for what a host has made with it and holds on to.
    #[must_use]
    pub fn decides_by(&self, engine: &Engine) -> bool {
        Arc::ptr_eq(&self.in_force.load().engine.0, &engine.0)
    }

    /// Puts another bundle in the place of the one in force, without a pause: events that are being decided are decided to the
    /// end by the old one, all later ones by the new one. Sessions go on, with their labels, counters and pseudonyms; the key for
    /// hashes stays.
    ///
    /// Where the new manifest says `reload: return_when`, the old bundle takes its place again when the new one refuses far more: see
    /// [`Guard::returns`]. A candidate that is put into force ends as a candidate.
    ///
    /// ```
    /// # use ringfence::{Bundle, CompileOptions, Guard, compile};
    /// # use ringfence::guard::{Reload, ReloadError};
    /// # fn sources(version: u8) -> [(&'static str, String); 2] { [
    /// #     ("ringfence.yaml", format!("name: doc\nversion: {version}\n")),
    /// #     ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n".to_owned()),
    /// # ] }
    /// # let bundle = Bundle::from_sources("doc", sources(1));
    /// let guard = Guard::new(compile(&bundle, &CompileOptions::default())?.engine);
    /// # let changed = Bundle::from_sources("doc", sources(2));
    /// # let broken = Bundle::from_sources("doc", [("ringfence.yaml", "nam: doc\n")]);
    /// assert!(matches!(guard.reload(&changed), Ok(Reload::Replaced { .. })));
    /// assert!(matches!(guard.reload(&broken), Err(ReloadError::Compile { .. })));
    /// assert_eq!(guard.engine().version(), "2");
    /// # Ok::<(), ringfence::CompileError>(())
    /// ```
    ///
    /// # Errors
    /// When it can't take effect. The old one then stays, and the audit log has a record of what was refused.
    pub fn reload(&self, bundle: &Bundle) -> Result<Reload, ReloadError> {
        self.reload_from(bundle.origin(), || Ok(bundle.clone()))
    }

    /// The same with the bundle of a folder or packed file.
    ///
    /// # Errors
    /// As [`Guard::reload`], also where it can't be read.
    pub fn reload_path(&self, path: &Path) -> Result<Reload, ReloadError> {
        self.reload_from(&path.display().to_string(), || Ok(Bundle::read(path)?))
    }

    fn reload_from(
        &self,
        origin: &str,
        bundle: impl FnOnce() -> Result<Bundle, ReloadError>,
    ) -> Result<Reload, ReloadError> {
        let _one = lock(&self.reloading);
        let mut digest = String::new();
        let replaced = bundle().and_then(|bundle| {
            digest = bundle.digest().to_owned();
            self.replace(&bundle)
        });
        if let Err(refused) = &replaced
            && let Some(sink) = &self.sink
        {
            let record = Record::bundle_refused(self.stamp(), origin, &digest, refused.codes());
            // A sink that fails here refuses the next event itself.
            let _ = write(sink.as_ref(), &record);
        }
        replaced
    }

    /// Compiles a bundle with the key of the one in force.
    pub(super) fn compile_as_now(&self, bundle: &Bundle) -> Result<Compiled, ReloadError> {
        let now = self.in_force.load();
        let mut options = CompileOptions::default();
        if !now.engine.0.key.is_empty() {
            options = options.with_key(now.engine.0.key.clone());
        }
        compile(bundle, &options)
            .map_err(|error| ReloadError::Compile { bundle: Box::new(bundle.clone()), error })
    }

    fn replace(&self, bundle: &Bundle) -> Result<Reload, ReloadError> {
        let old = self.in_force.load_full();
        #[cfg(feature = "audit")]
        let checked = self.trust.as_ref().map(|trust| trust.check(bundle)).transpose()?;
        if bundle.digest() == old.engine.bundle_digest() {
            return Ok(Reload::Unchanged);
        }
        if let Some(returned) = lock(&self.returns).of(bundle.digest()) {
            return Err(ReloadError::Returned(Box::new(returned.clone())));
        }
        let compiled = self.compile_as_now(bundle)?;
        let new = Arc::new(InForce::new(compiled.engine));
        #[cfg(feature = "audit")]
        if let Some((trust, checked)) = self.trust.as_ref().zip(checked) {
            trust.remember(&checked)?;
        }
        if let Some(sink) = &self.sink {
            if old.engine.is_audit_batched() && !new.engine.is_audit_batched() {
                return Err(ReloadError::Durability);
            }
            // The record comes first: what can't be recorded does not happen. The old one before it, so that they stand in order.
            let at = self.stamp();
            old.announce(sink.as_ref(), at).map_err(ReloadError::Audit)?;
            new.announce(sink.as_ref(), at).map_err(ReloadError::Audit)?;
        }
        let (from, to) = (old.engine.bundle_digest().to_owned(), new.engine.bundle_digest().to_owned());
        let trial = Trial::of(&new, &old, self.trial.load().as_deref(), self.stamp());
        self.in_force.store(new);
        self.trial.store(trial.map(Arc::new));
        if self.candidate.load().as_ref().is_some_and(|candidate| candidate.engine.bundle_digest() == to) {
            self.leave_candidate();
        }
        Ok(Reload::Replaced { from, to, warnings: compiled.warnings })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::engine::Inner;
    use crate::event::{Event, User};

    fn bundle(version: usize) -> Bundle {
        with_manifest(format!("name: n\nversion: {version}\n"))
    }

    fn with_manifest(manifest: String) -> Bundle {
        let policy = "@id(\"p\") permit(principal, action == Action::\"send_input\", resource);";
        let files = [
            ("ringfence.yaml", manifest),
            ("directory.yaml", "roles: [{ name: user }]\nagents: [{ name: bot }]\n".to_owned()),
            ("a.cedar", policy.to_owned()),
        ];
        Bundle::from_sources("test", files)
    }

    #[test]
    fn a_thousand_reloads_leave_one_engine() {
        let engine = compile(&bundle(0), &CompileOptions::default()).unwrap().engine;
        let guard = Guard::new(engine);
        let mut all: Vec<Weak<Inner>> = vec![Arc::downgrade(&guard.engine().0)];
        for version in 1..=1000 {
            assert!(matches!(guard.reload(&bundle(version)), Ok(Reload::Replaced { .. })));
            let event = Event::input("s", User::new("ann", ["user"]), "bot", "hello");
            assert_eq!(guard.check(&event).bundle, bundle(version).digest());
            all.push(Arc::downgrade(&guard.engine().0));
        }
        let alive: Vec<usize> =
            all.iter().enumerate().filter(|(_, one)| one.strong_count() > 0).map(|(at, _)| at).collect();
        assert_eq!(alive, [1000]);
        assert_eq!(all.last().map(Weak::strong_count), Some(1));
    }

    #[test]
    fn a_trial_keeps_the_bundle_before_and_none_before_that() {
        let on_trial = |version: usize| {
            let when = "{ more_denied_percent: 5, events: 1 }";
            with_manifest(format!("name: n\nversion: {version}\nreload: {{ return_when: {when} }}\n"))
        };
        let guard = Guard::new(compile(&bundle(0), &CompileOptions::default()).unwrap().engine);
        let mut all: Vec<Weak<Inner>> = vec![Arc::downgrade(&guard.engine().0)];
        for version in 1..=20 {
            let event = Event::input("s", User::new("ann", ["user"]), "bot", "hello");
            assert!(guard.check(&event).is_allowed());
            assert!(matches!(guard.reload(&on_trial(version)), Ok(Reload::Replaced { .. })));
            all.push(Arc::downgrade(&guard.engine().0));
        }
        let alive: Vec<usize> =
            all.iter().enumerate().filter(|(_, one)| one.strong_count() > 0).map(|(at, _)| at).collect();
        assert_eq!(alive, [19, 20]);
    }
}
