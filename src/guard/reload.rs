//! Another bundle in the place of the one in force, while events are decided.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::{Guard, lock, write};
use crate::audit::{AuditError, AuditSink, Record};
use crate::bundle::{Bundle, LoadError};
use crate::compile::{CompileError, CompileOptions, compile};
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
#[cfg(feature = "audit")]
use crate::guard::GuardBuilder;
#[cfg(feature = "audit")]
use crate::signed::{Trust, Untrusted};

/// The engine that decides, and whether the log knows of it.
pub(super) struct InForce {
    pub(super) engine: Engine,
    announced: AtomicBool,
    announcing: Mutex<()>,
}

impl InForce {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, announced: AtomicBool::new(false), announcing: Mutex::default() }
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
            self.replace(bundle)
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

    fn replace(&self, bundle: Bundle) -> Result<Reload, ReloadError> {
        let old = self.in_force.load_full();
        #[cfg(feature = "audit")]
        let checked = self.trust.as_ref().map(|trust| trust.check(&bundle)).transpose()?;
        if bundle.digest() == old.engine.bundle_digest() {
            return Ok(Reload::Unchanged);
        }
        let mut options = CompileOptions::default();
        if !old.engine.0.key.is_empty() {
            options = options.with_key(old.engine.0.key.clone());
        }
        let compiled = match compile(&bundle, &options) {
            Ok(compiled) => compiled,
            Err(error) => return Err(ReloadError::Compile { bundle: Box::new(bundle), error }),
        };
        let new = InForce::new(compiled.engine);
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
        self.in_force.store(Arc::new(new));
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
        let policy = "@id(\"p\") permit(principal, action == Action::\"send_input\", resource);";
        let files = [
            ("ringfence.yaml", format!("name: n\nversion: {version}\n")),
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
}
