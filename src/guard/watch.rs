//! A bundle that is watched, in its folder or packed file: a guard takes over what changes in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Guard, Reload, ReloadError, lock};
use crate::bundle::FolderState;

/// A thread that looks at the folder or packed file of a bundle every so often, and reloads a guard when something in it has changed. It ends when this or
/// the guard is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to watch. What has changed is taken over once it was the same at two looks, so that a save of many files is not taken
    /// over by halves; whoever needs more certainty swaps a link to the folder. `told` hears what came of each change, also of one
    /// between the load of the guard's bundle and this call, and of each bundle that is taken back ([`ReloadError::Returned`]).
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(
        guard: &Arc<Guard>,
        path: &Path,
        every: Duration,
        told: impl FnMut(Result<Reload, ReloadError>) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let mut watched = Watched { guard: Arc::downgrade(guard), path: path.to_owned(), told };
        let run = move || {
            // What was looked at last, and what was last tried.
            let (mut seen, mut tried) = (FolderState::of(&watched.path), None);
            let mut returned = 0;
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                if !watched.tell_returned(&mut returned) {
                    return;
                }
                let now = FolderState::of(&watched.path);
                if now == seen && tried.as_ref() != Some(&now) {
                    if !watched.reload() {
                        return;
                    }
                    tried = Some(now.clone());
                }
                seen = now;
            }
        };
        let thread = std::thread::Builder::new().name("ringfence-watch".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of `told` is the host's own.
            let _ = thread.join();
        }
    }
}

struct Watched<T> {
    guard: Weak<Guard>,
    path: PathBuf,
    told: T,
}

impl<T: FnMut(Result<Reload, ReloadError>)> Watched<T> {
    /// Tells of bundles that were taken back. Whether there is still a guard.
    fn tell_returned(&mut self, known: &mut usize) -> bool {
        let Some(guard) = self.guard.upgrade() else { return false };
        let (new, count) = {
            let returns = lock(&guard.returns);
            (returns.after(*known), returns.count)
        };
        *known = count;
        new.into_iter().for_each(|one| (self.told)(Err(ReloadError::Returned(Box::new(one)))));
        true
    }

    /// Whether there is still a guard to reload.
    fn reload(&mut self) -> bool {
        let Some(guard) = self.guard.upgrade() else { return false };
        match guard.reload_path(&self.path) {
            Ok(Reload::Unchanged) => {}
            outcome => (self.told)(outcome),
        }
        true
    }
}
