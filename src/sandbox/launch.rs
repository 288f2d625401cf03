//! The host started again, three times over: one process that watches, one that takes in orphans, one that becomes the program.
//!
//! What limits a process is taken by the process itself, between its start and the program. A fork of the host can't do that
//! safely: its other threads are gone, and their locks are not. A fresh process can, with no line of unsafe code.
//!
//! 1. `watch` enters new namespaces, starts the second, ends everything at the end and tells what was used. The host asks
//!    it to by closing its half of the socket, which also happens when the host dies.
//! 2. `tend` is the first process of the new PID namespace: when it ends, the kernel ends every other. It waits for the program.
//! 3. `become` confines itself and is replaced by the program.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus, wait, waitid};

use super::confine::{self, Level};
use super::processes;
use super::program;
use super::run::{Limit, SandboxError, Status};
use super::temporary;
use super::wire::{self, Frame, Spec};
use crate::protection::Protection;

/// The first argument that tells a launcher from the program that it is part of.
const MARK: &str = "__ringfence-sandbox";

/// How long ending everything may take.
const END: Duration = Duration::from_secs(2);

/// How often the processes are counted and weighed.
const WATCH: Duration = Duration::from_millis(20);

/// The way to start a confined process: proof that this program, or another, calls [`launcher()`] first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    program: PathBuf,
}

/// Must be the first thing that `main` does: where this process was started to become a confined program, it never returns.
///
/// Threads started before would hold locks that nobody gives back, and arguments parsed before would be a launcher's.
#[must_use]
pub fn launcher() -> Launcher {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == MARK) {
        let stage = arguments.next().unwrap_or_default();
        std::process::exit(run_stage(&stage, arguments.next().unwrap_or_default(), arguments.next()));
    }
    Launcher { program: own_program() }
}

/// This program, also when its file was replaced or removed meanwhile.
#[cfg(target_os = "linux")]
fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

#[cfg(not(target_os = "linux"))]
fn own_program() -> PathBuf {
    // A path that does not exist fails when a command is run, with an error that says so.
    std::env::current_exe().unwrap_or_default()
}

impl Launcher {
    /// Another program that calls [`launcher()`] first, such as `ringfence`: for hosts that can't be started again. By its
    /// path; no folders are searched.
    #[must_use]
    pub fn at(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        // It is started in another folder. Where the current one is unknown, the path fails then.
        Self { program: std::path::absolute(&program).unwrap_or(program) }
    }

    /// The first process of the launcher. The rest is up to [`Stage`].
    pub(super) fn process(&self) -> Process {
        let mut process = Process::new(&self.program);
        process.arg(MARK).arg(Stage::Watch.name()).env_clear().current_dir("/");
        process
    }
}

/// Which of the three a process is.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Watch,
    Tend,
    Become,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Watch, Self::Tend, Self::Become];

    const fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Tend => "tend",
            Self::Become => "become",
        }
    }

    /// The next one, with the socket as its standard input. `inherited` is what its ancestors have reached.
    fn start(self, inherited: &Inherited) -> io::Result<Pid> {
        let (namespaces, why) = match &inherited.namespaces {
            Ok(()) => ("held", String::new()),
            Err(why) => ("missing", why.clone()),
        };
        let child = Process::new(own_program())
            .args([MARK, self.name(), namespaces, &why])
            .env_clear()
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit())
            .spawn()?;
        Ok(Pid::from_child(&child))
    }
}

/// What the processes before have reached.
struct Inherited {
    namespaces: Result<(), String>,
}

fn run_stage(stage: &OsStr, namespaces: OsString, why: Option<OsString>) -> i32 {
    let Some(stage) = Stage::ALL.into_iter().find(|known| stage == known.name()) else { return 2 };
    let inherited = Inherited {
        namespaces: match namespaces == "held" {
            true => Ok(()),
            false => Err(why.unwrap_or_default().to_string_lossy().into_owned()),
        },
    };
    let closed = match stage {
        Stage::Watch => close_inherited(),
        Stage::Tend | Stage::Become => Ok(()),
    };
    let Ok(host) = Host::new() else { return 2 };
    let done = match stage {
        Stage::Watch => {
            closed.map_err(Failure::of("close what the host left open")).and_then(|()| watch(&host))
        }
        Stage::Tend => tend(&host, &inherited),
        Stage::Become => become_program(&host, &inherited).map(|never| match never {}),
    };
    match done {
        Ok(()) => 0,
        Err(failure) => {
            // A host that is gone needs no answer.
            let _ = host.tell(&failure.0);
            1
        }
    }
}

/// The socket to the host, which no program inherits.
struct Host(File);

impl Host {
    fn new() -> io::Result<Self> {
        Ok(Self(io::stdin().as_fd().try_clone_to_owned()?.into()))
    }

    fn command(&self) -> Result<Spec, Failure> {
        wire::read(&self.0).map_err(Failure::of("read the command"))
    }

    fn tell(&self, frame: &Frame) -> io::Result<()> {
        wire::write(&self.0, frame)
    }

    /// Whether the host closed its half, or is gone. What is still to be read is not for who asks.
    #[cfg(target_os = "linux")]
    fn asks_to_stop(&self) -> bool {
        let mut event = [PollFd::new(&self.0, PollFlags::RDHUP)];
        poll(&mut event, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready > 0)
    }

    #[cfg(not(target_os = "linux"))]
    fn asks_to_stop(&self) -> bool {
        use rustix::net::{RecvFlags, recv};

        let mut byte = [0_u8];
        let peeked = recv(&self.0, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        peeked.is_ok_and(|(_, read)| read == 0)
    }
}

/// What the host is told when a stage can't go on.
struct Failure(Frame);

impl Failure {
    fn of<E: Into<io::Error>>(doing: &str) -> impl FnOnce(E) -> Self {
        move |error| {
            let error = error.into();
            let frame =
                Frame::Failed { doing: doing.to_owned(), why: error.to_string(), code: error.raw_os_error() };
            Self(frame)
        }
    }
}

fn watch(host: &Host) -> Result<(), Failure> {
    let spec = host.command()?;
    let inherited = Inherited { namespaces: isolate(&spec)? };
    #[cfg(target_os = "linux")]
    {
        // Without, an orphan would be taken in outside and could not be found. `become` tells whether it holds.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
    let tender = Stage::Tend.start(&inherited).map_err(Failure::of("start the second process"))?;
    let over = wait_for(host, tender, &spec);
    let told = end(host, tender, over);
    if told.is_err() && spec.fresh {
        // A host that is gone does not tidy up.
        temporary::remove(spec.folder.as_ref());
    }
    told.map_err(Failure::of("tell the host"))
}

/// Ends everything and tells the host.
fn end(host: &Host, tender: Pid, over: Option<Limit>) -> io::Result<()> {
    if !processes::end_all(tender, END) {
        let failed = Frame::Failed {
            doing: "end every process".to_owned(),
            why: "some are still there".to_owned(),
            code: None,
        };
        host.tell(&failed)?;
    }
    if let Some(limit) = over {
        host.tell(&Frame::Killed(limit))?;
    }
    host.tell(&used_frame(&getrusage(UsageWho::RUSAGE_CHILDREN)?))
}

fn used_frame(used: &Usage) -> Frame {
    let micros = (used.user_time() + used.system_time()).num_microseconds();
    // The kernel's unit is the KiB, macOS's the byte.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    Frame::Used {
        cpu: Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
        memory_bytes: u64::try_from(used.max_rss()).unwrap_or(0).saturating_mul(unit),
    }
}

/// Files that the host left open for its children are not the program's.
///
/// Closing by number is sound here alone: nothing of this process is open yet but what it was started with.
fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/dev/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for number in open.into_iter().filter(|&number| number > 2) {
        // The folder's own number is among them, and closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn isolate(spec: &Spec) -> Result<Result<(), String>, Failure> {
    use super::confine::{Entered, enter};

    if !spec.namespaces {
        return Ok(Err("they can be entered, but not used".to_owned()));
    }
    match enter(spec.network) {
        Entered::All => Ok(Ok(())),
        Entered::None(why) => Ok(Err(why)),
        Entered::Stuck(why) => Err(Failure(Frame::NoNamespaces(why))),
    }
}

#[cfg(not(target_os = "linux"))]
fn isolate(_spec: &Spec) -> Result<Result<(), String>, Failure> {
    Ok(Err("only Linux has them".to_owned()))
}

/// Until the second process ends, the host asks to stop, or a limit is passed, which is returned.
fn wait_for(host: &Host, tender: Pid, spec: &Spec) -> Option<Limit> {
    let countable = processes::can_be_found().is_ok();
    #[cfg(target_os = "linux")]
    let ended = rustix::process::pidfd_open(tender, rustix::process::PidfdFlags::empty()).ok();
    #[cfg(not(target_os = "linux"))]
    let ended: Option<std::os::fd::OwnedFd> = None;
    loop {
        // Without a handle on the process, the question is asked again soon.
        let pause = if ended.is_some() { WATCH } else { Duration::from_millis(3) };
        let mut events = Vec::new();
        #[cfg(target_os = "linux")]
        events.push(PollFd::new(&host.0, PollFlags::RDHUP));
        events.extend(ended.as_ref().map(|ended| PollFd::new(ended, PollFlags::IN)));
        match poll(&mut events, Some(&timespec(pause))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        if host.asks_to_stop() {
            return None;
        }
        // Not taken away yet: as long as it is there, no other group has its number.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !matches!(waitid(WaitId::Pid(tender), look), Ok(None)) {
            return None;
        }
        if countable && let Some(limit) = processes::over_limit(&spec.limits, 1) {
            return Some(limit);
        }
    }
}

pub(super) fn timespec(duration: Duration) -> rustix::event::Timespec {
    rustix::event::Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

fn tend(host: &Host, inherited: &Inherited) -> Result<(), Failure> {
    // Not read further: it only makes the next one the third's.
    drop(host.command()?);
    die_with_parent();
    // Away from the host's terminal, and in a group that is ended as one.
    rustix::process::setsid().map_err(Failure::of("leave the session"))?;
    let program = Stage::Become.start(inherited).map_err(Failure::of("start the third process"))?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((process, status))) if process == program => {
                let status = status_of(status);
                return host.tell(&Frame::Ended(status)).map_err(Failure::of("tell the host"));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::of("wait for the program")(error)),
        }
    }
}

fn status_of(status: WaitStatus) -> Status {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Status::Exited(code),
        (None, Some(nix::libc::SIGXCPU)) => Status::OverLimit(Limit::Cpu),
        (None, Some(nix::libc::SIGXFSZ)) => Status::OverLimit(Limit::FileSize),
        (None, signal) => Status::Signalled(signal.unwrap_or(0)),
    }
}

fn die_with_parent() {
    #[cfg(target_os = "linux")]
    {
        // Where it fails, the watcher still ends what it started.
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    }
}

fn become_program(host: &Host, inherited: &Inherited) -> Result<Infallible, Failure> {
    let spec = host.command()?;
    die_with_parent();
    let empty = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Failure::of("open /dev/null"))?;
    rustix::stdio::dup2_stdin(empty).map_err(Failure::of("close standard input"))?;
    let program = spec.program.open().map_err(|error| match error {
        SandboxError::Changed { .. } => Failure(Frame::Changed),
        other => Failure::of("open the program")(io::Error::other(other.to_string())),
    })?;
    let mut process = process(&spec, &program).map_err(Failure::of("prepare the program"))?;
    let folder = enter_folder(&spec).map_err(Failure::of("enter the working folder"))?;

    let mut level = Level::default();
    level.note(Protection::Namespaces, inherited.namespaces.clone());
    // Asked before files are restricted, /proc among them.
    let found = processes::can_be_found();
    level.note(Protection::Processes, found.clone());
    confine::confine(&spec, &program, &folder, &mut level).map_err(Failure::of("open what was given"))?;
    let tree = holds_tree(&level, found);
    level.note(Protection::Tree, tree);
    if spec.required.iter().any(|&required| !level.holds(required)) {
        return Err(Failure(Frame::Refused(level)));
    }
    host.tell(&Frame::Level(level)).map_err(Failure::of("tell the host"))?;
    Err(Failure::of("run the program")(process.exec()))
}

/// In a PID namespace the kernel ends all. Elsewhere the watcher takes in orphans, if it finds them and can't be killed before.
#[cfg(target_os = "linux")]
fn holds_tree(level: &Level, found: Result<(), String>) -> Result<(), String> {
    if level.holds(Protection::Namespaces) {
        return Ok(());
    }
    if !level.holds(Protection::Signals) {
        return Err("without namespaces and Landlock it could kill what watches it".to_owned());
    }
    found
}

#[cfg(not(target_os = "linux"))]
fn holds_tree(_level: &Level, _found: Result<(), String>) -> Result<(), String> {
    Err("a process can leave its group".to_owned())
}

/// The program by the handle that was looked at, so that no other file can take its place in between.
fn process(spec: &Spec, program: &File) -> io::Result<Process> {
    let path = if cfg!(target_os = "linux") {
        use std::os::fd::AsRawFd;
        if program::is_script(program)? {
            // Its interpreter opens it once more, by this number.
            rustix::io::fcntl_setfd(program, rustix::io::FdFlags::empty())?;
        }
        PathBuf::from(format!("/proc/self/fd/{}", program.as_raw_fd()))
    } else {
        spec.program.path().to_owned()
    };
    let mut process = Process::new(path);
    process
        .arg0(&spec.program.called)
        .args(&spec.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)));
    Ok(process)
}

fn enter_folder(spec: &Spec) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(spec.folder.as_os_str(), flags, Mode::empty())?;
    rustix::process::fchdir(&folder)?;
    Ok(folder.into())
}
