//! Files, TCP and signals, refused by Landlock.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{FileType, Mode, OFlags};

use super::{Level, Protection};
use crate::sandbox::command::{FolderAccess, Network};
use crate::sandbox::wire::Spec;

/// What most programs need. No root here holds secrets or what a user made.
const SYSTEM_EXECUTE: &[&str] = &["/bin", "/sbin", "/usr", "/lib", "/lib32", "/lib64", "/nix/store"];
const SYSTEM_READ: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];
const SYSTEM_WRITE: &[&str] = &["/dev/full", "/dev/null"];

/// The newest kernel interface of which everything is asked; what an older one lacks is not refused.
const NEWEST: ABI = ABI::V6;

/// Restricts this process and what it starts to the roots of the command.
///
/// # Errors
/// When a root that the command names can't be opened.
pub(super) fn restrict(spec: &Spec, program: &File, folder: &File, level: &mut Level) -> io::Result<()> {
    let roots = roots(spec)?;
    let status = match apply(spec, program, folder, &roots) {
        Ok(status) => status,
        Err(error) => {
            level.note(Protection::Files, Err(&error));
            level.note(Protection::Signals, Err(&error));
            return Ok(());
        }
    };
    level.note(Protection::Files, from(ABI::V3, &status));
    level.note(Protection::Signals, from(ABI::V6, &status));
    Ok(())
}

/// Whether the kernel has at least this interface. Those before V3 let files be emptied that can't be written to.
fn from(needed: ABI, status: &LandlockStatus) -> Result<(), String> {
    match status {
        LandlockStatus::Available { effective_abi, .. } if *effective_abi >= needed => Ok(()),
        LandlockStatus::Available { effective_abi, .. } => Err(format!(
            "the kernel has Landlock {}, and this needs {}",
            *effective_abi as i32, needed as i32
        )),
        LandlockStatus::NotEnabled => Err("Landlock is not enabled".to_owned()),
        LandlockStatus::NotImplemented => Err("the kernel has no Landlock".to_owned()),
    }
}

/// A file or folder, and what may be done with it and beneath it.
struct Granted {
    file: File,
    access: BitFlags<AccessFs>,
}

fn roots(spec: &Spec) -> io::Result<Vec<Granted>> {
    let mut roots = Vec::new();
    let files = &spec.files;
    if files.system {
        let of_system =
            [(SYSTEM_EXECUTE, to_execute()), (SYSTEM_READ, to_read()), (SYSTEM_WRITE, to_write())];
        for (paths, access) in of_system {
            // No system has all of them.
            roots.extend(paths.iter().filter_map(|path| granted(Path::new(path), access).ok()));
        }
    }
    let given = [(&files.execute, to_execute()), (&files.read, to_read()), (&files.write, to_write())];
    for (paths, access) in given {
        for path in paths.iter().map(Path::new) {
            let root = match path.is_absolute() {
                true => granted(path, access),
                false => Err(io::Error::other("a root must be an absolute path")),
            };
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
            roots.push(root.map_err(named)?);
        }
    }
    Ok(roots)
}

fn granted(path: &Path, access: BitFlags<AccessFs>) -> io::Result<Granted> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Granted { file: file.into(), access })
}

fn to_read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

fn to_execute() -> BitFlags<AccessFs> {
    to_read() | AccessFs::Execute
}

/// Everything but running, and making or steering devices.
fn to_write() -> BitFlags<AccessFs> {
    let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    AccessFs::from_all(NEWEST) & !never
}

fn apply(
    spec: &Spec,
    program: &File,
    folder: &File,
    roots: &[Granted],
) -> Result<LandlockStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if spec.network == Network::Refuse {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let mut created = rules.create()?;
    created = add(created, program.as_fd(), to_execute())?;
    match spec.files.folder {
        FolderAccess::None => {}
        FolderAccess::Read => created = add(created, folder.as_fd(), to_read())?,
        FolderAccess::Write => created = add(created, folder.as_fd(), to_write())?,
    }
    for root in roots {
        created = add(created, root.file.as_fd(), root.access)?;
    }
    let status = created.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::NotEnforced => LandlockStatus::NotEnabled,
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => status.landlock,
    })
}

fn add(
    rules: RulesetCreated,
    file: BorrowedFd<'_>,
    mut access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    // The kernel takes no rights of folders for what is none.
    let is_folder = rustix::fs::fstat(file)
        .is_ok_and(|data| FileType::from_raw_mode(data.st_mode) == FileType::Directory);
    if !is_folder {
        access &= AccessFs::from_file(NEWEST);
    }
    rules.add_rule(PathBeneath::new(file, access))
}
