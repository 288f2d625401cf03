//! What is made ready when it is first needed, and how long that took.
//!
//! A pattern is compiled once in the life of an engine, whatever comes: that is no part of the time that an event takes to decide, or the
//! first ones after a start would be refused for what later ones need not wait for.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Makes something ready.
pub(super) fn make<T>(make: impl FnOnce() -> T) -> T {
    let (before, started) = (SPENT.get(), Instant::now());
    let made = make();
    // What was made ready on the way is in this time.
    SPENT.set(before + started.elapsed());
    made
}

/// The time that this thread has spent so.
pub(crate) fn spent() -> Duration {
    SPENT.get()
}
