//! What callers hand to the thread that writes, and how they are answered.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::super::content::Sealed;
use super::super::entry::Prepared;
use super::LogError;

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    /// There is something for the writer.
    pub(super) work: Condvar,
    /// There is room in the queue.
    pub(super) room: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) jobs: Vec<Job>,
    pub(super) flushes: Vec<Flush>,
    pub(super) closing: bool,
    pub(super) closed: bool,
    /// What failed that nobody waited for.
    pub(super) failed: Option<Arc<LogError>>,
}

/// What the writer does at once.
pub(super) struct Task {
    pub(super) jobs: Vec<Job>,
    pub(super) flushes: Vec<Flush>,
    pub(super) closing: bool,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) record: Prepared,
    pub(super) sealed: Option<Sealed>,
    pub(super) answer: Option<Arc<Slot>>,
}

/// Somebody who waits for everything before to be written, and signed where they want that.
#[derive(Debug)]
pub(super) struct Flush {
    pub(super) slot: Arc<Slot>,
    pub(super) sign: bool,
}

pub(super) type Answer = Result<u64, Arc<LogError>>;

/// Where one caller waits.
#[derive(Debug, Default)]
pub(super) struct Slot {
    answer: Mutex<Option<Answer>>,
    ready: Condvar,
}

impl Slot {
    pub(super) fn fill(&self, answer: Answer) {
        *lock(&self.answer) = Some(answer);
        self.ready.notify_one();
    }

    pub(super) fn wait(&self) -> Answer {
        let mut answer = lock(&self.answer);
        loop {
            if let Some(answer) = answer.take() {
                return answer;
            }
            answer = self.ready.wait(answer).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
