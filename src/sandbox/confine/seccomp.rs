//! System calls that are refused, whatever the files and the network.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use crate::sandbox::command::Network;

/// Refused with "not permitted". Not a list of what is needed, which no list for any program can be, but of what
/// reaches into other processes, changes what a path or a process is, talks to the kernel in its own languages, or is
/// another door to what is refused here (`io_uring`).
const REFUSED: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // What a path or a process is.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    // The kernel's own languages.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    // Clocks.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS__sysctl,
    // The numbers that `ptrace`, `kexec_load`, `process_vm_readv` and `process_vm_writev` have in the x32 interface.
    X32 | 521,
    X32 | 528,
    X32 | 539,
    X32 | 540,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Every call of x86-64 has a second number where the kernel has the x32 interface.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;
#[cfg(target_arch = "x86_64")]
const X32_IOCTL: libc::c_long = X32 | 514;

/// `clone` with any of these makes a namespace.
const NEW_NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Requests that type into a terminal as if its user did.
const TYPING: &[u64] = &[libc::TIOCSTI, libc::TIOCLINUX];

/// Filters this process and what it starts.
///
/// # Errors
/// When the kernel or the architecture has no filters.
pub(super) fn filter(network: Network) -> Result<(), String> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    // The flags of `clone3` stand in memory, where no filter can read: programs are told that there is none, and use `clone`.
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    for (rules, errno) in [(with_second_numbers(clone3), libc::ENOSYS), (rules(network)?, libc::EPERM)] {
        let filter = SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(errno.cast_unsigned()),
            architecture,
        )
        .map_err(|error| error.to_string())?;
        let program: BpfProgram =
            filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
        apply_filter(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

/// What is refused; an entry without rules is refused whatever its arguments.
fn rules(network: Network) -> Result<Rules, String> {
    let mut rules: Rules = REFUSED.iter().chain(REFUSED_HERE).map(|&call| (call, Vec::new())).collect();
    let namespaces = NEW_NAMESPACES.iter().map(|&flag| {
        let flag = u64::from(flag.cast_unsigned());
        all([(0, Length::Qword, Is::MaskedEq(flag), flag)])
    });
    rules.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);
    let typing = TYPING.iter().map(|&request| all([(1, Length::Dword, Is::Eq, request)]));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    let sockets = match network {
        Network::Refuse => Vec::new(),
        Network::Allow => vec![all([
            (0, Length::Dword, Is::Ne, family(libc::AF_INET)),
            (0, Length::Dword, Is::Ne, family(libc::AF_INET6)),
            // Asked for addresses and routes when a name is looked up.
            (0, Length::Dword, Is::Ne, family(libc::AF_NETLINK)),
        ])?],
    };
    rules.insert(libc::SYS_socket, sockets);
    Ok(with_second_numbers(rules))
}

fn family(family: libc::c_int) -> u64 {
    u64::from(family.cast_unsigned())
}

/// A rule that refuses where all of these hold of the arguments.
fn all<const N: usize>(conditions: [(u8, Length, Is, u64); N]) -> Result<SeccompRule, String> {
    let conditions = conditions
        .into_iter()
        .map(|(argument, length, is, value)| SeccompCondition::new(argument, length, is, value))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    SeccompRule::new(conditions).map_err(|error| error.to_string())
}

#[cfg(target_arch = "x86_64")]
fn with_second_numbers(mut rules: Rules) -> Rules {
    let second: Vec<_> = rules.iter().map(|(&call, rules)| (call | X32, rules.clone())).collect();
    rules.extend(second);
    if let Some(ioctl) = rules.get(&libc::SYS_ioctl).cloned() {
        rules.insert(X32_IOCTL, ioctl);
    }
    rules
}

#[cfg(not(target_arch = "x86_64"))]
fn with_second_numbers(rules: Rules) -> Rules {
    rules
}
