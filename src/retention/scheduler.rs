//! Runs retention now and then, for a host that has no scheduler of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use super::{Retention, RetentionError, Run};
use crate::audit::LogError;

/// A thread that applies retention every so often. It ends, between two runs, when this is dropped.
#[derive(Debug)]
pub struct Scheduler {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts one: it runs at once, and then so long after the end of each run. `told` hears how each went; what went wrong with
    /// one is tried again by the next.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(
        mut retention: Retention,
        every: Duration,
        mut told: impl FnMut(Result<Run, RetentionError>) + Send + 'static,
    ) -> Result<Self, RetentionError> {
        let (stop, stopped) = channel();
        let run = move || {
            loop {
                told(retention.apply(Timestamp::now()));
                match stopped.recv_timeout(every) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("ringfence-retention".to_owned());
        let thread = thread.spawn(run).map_err(LogError::Thread)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of `told` is the host's own.
            let _ = thread.join();
        }
    }
}
