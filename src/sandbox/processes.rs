//! The processes beneath one: to count them, to weigh them, and to end them.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};

use super::command::Limits;
use super::run::Limit;

/// So many are ended in one round; the next finds the rest.
const ROUND: usize = 4096;

/// Whether the processes beneath this one can be found.
pub(super) fn can_be_found() -> Result<(), String> {
    fs::read("/proc/thread-self/children")
        .map(drop)
        .map_err(|error| format!("/proc does not tell the children of a process: {error}"))
}

/// The processes beneath this one, parents before children: all, or somewhat more than `enough`. The time to find
/// all of a fork bomb's would be its own.
fn beneath(enough: usize) -> Vec<i32> {
    let mut found = Vec::new();
    children("self", &mut found);
    let mut next = 0;
    while let Some(&parent) = found.get(next).filter(|_| found.len() <= enough) {
        children(&parent.to_string(), &mut found);
        next += 1;
    }
    found
}

fn children(of: &str, found: &mut Vec<i32>) {
    // One that ended meanwhile has none.
    for thread in fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten() {
        let Ok(list) = fs::read_to_string(thread.path().join("children")) else { continue };
        found.extend(list.split_whitespace().filter_map(|id| id.parse::<i32>().ok()));
    }
}

/// The limit that the processes beneath this one are over, all but the first `own`, which are the launcher's.
pub(super) fn over_limit(limits: &Limits, own: usize) -> Option<Limit> {
    let most = limits.processes as usize;
    let found = beneath(most.saturating_add(own));
    let found = found.get(own..).unwrap_or_default();
    if found.len() > most {
        return Some(Limit::Processes);
    }
    let page = rustix::param::page_size() as u64;
    let mut private = 0_u64;
    for process in found {
        // In pages: the whole address space, what of it is in memory, and what of that is shared.
        let Ok(sizes) = fs::read_to_string(format!("/proc/{process}/statm")) else { continue };
        let mut sizes = sizes.split_whitespace().skip(1).map(|pages| pages.parse::<u64>().unwrap_or(0));
        let (all, shared) = (sizes.next().unwrap_or(0) * page, sizes.next().unwrap_or(0) * page);
        private += all.saturating_sub(shared);
        if all > limits.memory_bytes || private > limits.memory_bytes {
            return Some(Limit::Memory);
        }
    }
    None
}

/// Ends the group and everything beneath this process, and waits until all of it is gone or `bound` has passed. Returns whether it is gone.
pub(super) fn end_all(group: Pid, bound: Duration) -> bool {
    let until = Instant::now() + bound;
    // Only once: when its first process has been waited for, another group may get its number.
    let _ = kill_process_group(group, Signal::KILL);
    loop {
        for process in beneath(ROUND).into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(process, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // No child is left, and orphans would have become ours.
                Err(_) => return true,
            }
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
