//! Limits that the kernel keeps per process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::sandbox::wire::Spec;

/// Lowers the limits, which can't be raised again.
///
/// `own_users`: whether processes are counted within a user namespace of our own. Elsewhere the count of a user's
/// processes includes all that the user runs, and a limit would refuse the first; they are watched instead.
pub(super) fn set(spec: &Spec, own_users: bool) -> io::Result<()> {
    let limits = &spec.limits;
    let seconds = limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0);
    lower(Resource::Core, 0, 0)?;
    // One second between the signal that says so and the one that can't be caught.
    lower(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    lower(Resource::Fsize, limits.file_bytes, limits.file_bytes)?;
    lower(Resource::Nofile, limits.descriptors.into(), limits.descriptors.into())?;
    // What is private and can be written to. The address space has no limit of its own: runtimes reserve far more of it
    // than they use. Shared memory is not counted here but is watched.
    lower(Resource::Data, limits.memory_bytes, limits.memory_bytes)?;
    if own_users {
        // The launcher's own process counts.
        let processes = u64::from(limits.processes).saturating_add(1);
        lower(Resource::Nproc, processes, processes)?;
    }
    Ok(())
}

fn lower(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit { current: Some(current.min(hard)), maximum: Some(maximum.min(hard)) };
    Ok(setrlimit(resource, limit)?)
}
